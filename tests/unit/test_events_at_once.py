"""Events that are read at once: the same as one by one, or not at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.over_kafka import TEXTS_MAX, Event, read_events
from e2e_data.platform import Platform

WHOLE = {
    "eventId": "d3715af3-5efe-4dcd-bc97-0fe8b1f48bda",
    "correlationId": "a" * 56,
    "commandId": "0fe8b1f4-5efe-8dcd-bc97-d3715af38bda",
    "status": "SETTLED",
    "accountId": "3-1",
    "amount": {"amount": 12.5, "currencyCode": "USD"},
    "reason": None,
    "flags": [],
}
MISSING = object()
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just(MISSING),
    st.just([]), st.lists(st.text(max_size=3), max_size=3), st.just({}),
)  # fmt: skip
SOUND = {
    "status": st.sampled_from(["SETTLED", "REJECTED"]),
    "reason": st.one_of(st.none(), st.text("abc", max_size=9)),
    "flags": st.lists(st.sampled_from(["a", "b", "c"]), max_size=4),
    "amount": st.one_of(
        st.just(MISSING),
        st.none(),
        st.fixed_dictionaries({"amount": st.floats(0, 1e9), "currencyCode": st.text("ABC")}),
    ),
}


def written(changed):
    """Return an event's record, some of whose fields are other ones."""
    told = {name: value for name, value in {**WHOLE, **changed}.items() if value is not MISSING}
    return json.dumps(told).encode()


SOUND_RECORDS = st.fixed_dictionaries({}, optional=SOUND).map(written)
ODD_RECORDS = st.one_of(
    st.binary(max_size=40),
    st.none(),
    st.dictionaries(st.sampled_from([*WHOLE]), ANYTHING, min_size=1).map(written),
    st.just(written({"reason": "x" * TEXTS_MAX})),
    st.just(json.dumps({**WHOLE, "reason": "\u00fcber"}, ensure_ascii=False).encode()),
)


@given(st.lists(st.one_of(SOUND_RECORDS, ODD_RECORDS), min_size=1, max_size=6))
def test_what_is_read_at_once_is_what_is_read_one_by_one(values):
    """Whatever the network brings: each column has what each event has, or each is to be looked at."""
    at_once = read_events(values)
    one_by_one = [Platform().read_event(value) for value in values]
    if at_once is not None:
        assert list(map(Event._make, zip(*at_once, strict=True))) == one_by_one


@given(st.lists(SOUND_RECORDS, min_size=1, max_size=6))
def test_sound_events_are_read_at_once(values):
    """So that the way for thousands is the usual one."""
    assert read_events(values) is not None


@pytest.mark.parametrize("wanted", [[True, True], [True, False], [False, True]])
def test_only_some_of_them(wanted):
    """Those that are wanted, in their order."""
    events = read_events([written({"accountId": "1"}), written({"accountId": "2"})])
    kept = [number for number, one in zip("12", wanted, strict=True) if one]
    assert list(events.only(wanted).account_ids) == kept

"""Bindings: when a command may be sent for an account, and under which id."""

from __future__ import annotations

import pytest

from e2e_data.commands import Kind, Outcome
from locustfiles.bindings import Bindings
from reports.lines import read_lines

KEY = (0, 3, 14)
NOT_CREATED = "the account's creation was not observed complete"
NOT_OPENED = "the account's opening credit was not observed settled"
NOT_BOUND = "the account was created, but its id was not seen"


@pytest.fixture
def bindings(tmp_path):
    made = Bindings(tmp_path / "local.jsonl")
    yield made
    made.close()


def written(tmp_path):
    return [(*line["place"], line["account_id"]) for line in read_lines(tmp_path / "local.jsonl")]


HISTORIES = {
    "nothing": [],
    "bound": ["bind"],
    "created": ["bind", (Kind.ACCOUNT, Outcome.SETTLED)],
    "creation rejected": ["bind", (Kind.ACCOUNT, Outcome.REJECTED)],
    "created without an id": [(Kind.ACCOUNT, Outcome.SETTLED)],
    "created, bound later": [(Kind.ACCOUNT, Outcome.SETTLED), "bind"],
    "opening rejected": [
        "bind",
        (Kind.ACCOUNT, Outcome.SETTLED),
        (Kind.OPENING_CREDIT, Outcome.REJECTED),
    ],
    "opened": [
        "bind",
        (Kind.ACCOUNT, Outcome.SETTLED),
        (Kind.OPENING_CREDIT, Outcome.SETTLED),
    ],
    "paid": [
        "bind",
        (Kind.ACCOUNT, Outcome.SETTLED),
        (Kind.OPENING_CREDIT, Outcome.SETTLED),
        (Kind.PAYMENT, Outcome.REJECTED),
        (Kind.FUNDING, Outcome.SETTLED),
        (Kind.ACCOUNT, Outcome.SETTLED),
    ],
}


@pytest.mark.parametrize(
    ("history", "opening", "paying"),
    [
        ("nothing", NOT_CREATED, NOT_CREATED),
        ("bound", NOT_CREATED, NOT_CREATED),
        ("created", None, NOT_OPENED),
        ("creation rejected", NOT_CREATED, NOT_CREATED),
        ("created without an id", NOT_BOUND, NOT_OPENED),
        ("created, bound later", None, NOT_OPENED),
        ("opening rejected", None, NOT_OPENED),
        ("opened", None, None),
        ("paid", None, None),
    ],
)
def test_what_may_be_sent_for_an_account(bindings, history, opening, paying):
    """No command before the creation was observed, no payment before the opening credit settled."""
    for event in HISTORIES[history]:
        if event == "bind":
            bindings.bind(KEY, "id-1")
        else:
            bindings.completed(KEY, *event)
    assert bindings.blocked(KEY, Kind.ACCOUNT) is None
    assert bindings.blocked(KEY, Kind.OPENING_CREDIT) == opening
    assert bindings.blocked(KEY, Kind.FUNDING) == paying
    assert bindings.blocked(KEY, Kind.PAYMENT) == paying


def test_accounts_do_not_open_each_other(bindings):
    """What is observed of one account says nothing of its neighbours, in any part of the key."""
    bindings.bind(KEY, "id-1")
    bindings.completed(KEY, Kind.ACCOUNT, Outcome.SETTLED)
    for other in ((1, 3, 14), (0, 4, 14), (0, 3, 15)):
        assert bindings.account_id(other) is None
        assert bindings.blocked(other, Kind.OPENING_CREDIT) == NOT_CREATED


def test_a_binding_is_written_down_once(bindings, tmp_path):
    """The id is known from its binding on, and a repeated answer adds no line."""
    assert bindings.account_id(KEY) is None
    bindings.bind(KEY, "id-1")
    bindings.bind(KEY, "id-1")
    assert bindings.account_id(KEY) == "id-1"
    assert written(tmp_path) == [(*KEY, "id-1")]


def test_a_second_id_is_written_down_and_the_first_stays_in_use(bindings, tmp_path):
    """A platform that gives an account two ids is found out by the judge, and not followed."""
    bindings.bind(KEY, "id-1")
    bindings.bind(KEY, "id-2")
    assert bindings.account_id(KEY) == "id-1"
    assert written(tmp_path) == [(*KEY, "id-1"), (*KEY, "id-2")]

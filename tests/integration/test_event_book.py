"""A book that is replayed from events: what they tell is judged, and what they do not is not asked."""

from __future__ import annotations

import re
from random import Random

import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.exits import Exit
from e2e_data.ids import Correlation
from e2e_data.problems import Problems
from reports.judgement import Status
from reports.story import Stories
from sandbox import defects as d
from tests.defective import Defective, Expected
from tests.event_books import rebook, records_of
from tests.fates import Options
from tests.histories import History
from tests.matrix import MATRIX
from tests.soundness import harmless
from tests.tiny_pools import keys_of, tiny_pool

NOT_ASKED = {"2", "4a", "4b"}
LOST = Expected("lost in the platform", "1")
AS_EVER = (
    d.LOSE, d.ERROR_ANSWER, d.OVERDRAW, d.IGNORE_LIMIT, d.REJECT_UNDETERMINED, d.WRONG_REASON,
    d.TAKE_BACK, d.NEW_EVENT_ID, d.REPEAT_EVENT, d.LOSE_REPLY,
)  # fmt: skip
"""Defects that events show as well as any book does."""
BY_EVENTS = {
    **{name: MATRIX[name] for name in AS_EVER},
    # Without a book nobody sees that the platform has it, and has not decided.
    d.STALL: LOST,
    # Whoever has only events cannot tell a lost event from a lost command.
    d.LOSE_EVENT: Expected("lost in the platform", "1", told="events"),
    # Its event tells of the amount that was asked for.
    **{
        name: Expected("", "", MATRIX[name].settings, rate=0.02)
        for name in (d.DROP_LEG, d.WRONG_RATE)
    },
}


def statuses(judgement):
    """Return the invariants by status."""
    return {
        status: {check.invariant for check in judgement.checks if check.status is status}
        for status in Status
    }


def placed_causes(judgement):
    """Return (invariant, finding) -> how often, without what follows from others."""
    return {
        (check.invariant, one.name): one.count
        for check in judgement.checks
        for one in check.findings
        if not one.consequence_of
    }


def causes(judgement):
    """Return finding -> how often, without what follows from others."""
    return {name: count for (_, name), count in placed_causes(judgement).items()}


@pytest.mark.parametrize("defect", BY_EVENTS)
def test_a_defect_that_events_show_is_named(tmp_path, defect):
    """The same finding as with any other book, as often; what only postings show is not asked."""
    expected = BY_EVENTS[defect]
    history = Defective(tmp_path / "run", defect, expected, seed=1)
    rebook(history, records_of(history, history.defects))
    judgement = history.judge()
    assert history.struck
    wanted = {(expected.invariant, expected.finding): len(history.struck)}
    assert placed_causes(judgement) == (wanted if expected.finding else {})
    assert statuses(judgement)[Status.NOT_ASKED] == NOT_ASKED


def test_what_comes_before_its_order_is_found(tmp_path):
    """The order of an account's decisions is that of its records."""
    history = Defective(tmp_path / "run", d.REORDER, MATRIX[d.REORDER], seed=1)
    rebook(history, records_of(history))
    found = causes(history.judge())
    assert found == {"decided out of order": len(history.overtaken())}


@pytest.mark.parametrize("seed", range(3))
def test_no_correct_platform_is_accused(tmp_path, seed):
    """Whatever the network did; each event twice and in among another run's is the same book."""
    draw = Random(f"events {seed}")
    options = Options(
        seed=seed,
        pools=2**31,
        accounts=60,
        special=seed % 2 == 1,
        foreign=seed % 3,
        spread=seed != 2,
    )
    pool = tiny_pool(options.seed, options.accounts, special=options.special)[0]
    history = History(tmp_path / "run", harmless(draw, pool), options)
    records = records_of(history)
    told = rebook(history, [one for record in records for one in (record, record)])
    assert (told.records, told.none) == (2 * len(records), 0)
    judgement = history.judge()
    assert judgement.exit is Exit.GOOD, judgement.reasons
    found = statuses(judgement)
    assert found[Status.NOT_ASKED] == NOT_ASKED
    assert found[Status.HOLDS] == {"1", "3", "5", "6a", "6b", "7", "8"}
    assert "nothing lost" in judgement.verdict
    assert "nothing twice" not in judgement.verdict
    assert "every cent" not in judgement.verdict


@pytest.fixture
def history(tmp_path):
    """A run of a correct platform."""
    return History(tmp_path / "run", {}, Options(seed=3))


def payment_of(history):
    """Return the place of a payment that was settled, and its id."""
    for key in keys_of(history.pool, Kind.PAYMENT):
        entry = history.entry(key)
        if entry is not None and str(entry.status) == "SETTLED":
            return key, history.command_id(key).encode()
    raise AssertionError


def changed(history, change):
    """Return all records, those of one settled payment changed."""
    _, mine = payment_of(history)
    return [
        record._replace(value=change(record.value)) if mine in record.value else record
        for record in records_of(history)
    ]


def test_an_event_that_was_lost_is_lost_after_the_platform(history):
    """Its outcome was observed by asking; of its account nothing can be replayed."""
    _, mine = payment_of(history)
    rebook(history, [record for record in records_of(history) if mine not in record.value])
    judgement = history.judge()
    assert causes(judgement) == {"lost after the platform": 1}
    assert statuses(judgement)[Status.UNKNOWN] == {"5", "6b", "8"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda body: re.sub(rb'"amount":\{"amount":', rb"\g<0>9", body), {"wrong amount": 1}),
        (
            lambda body: re.sub(rb'"accountId":"[^"]*', b'"accountId":"somebody', body),
            {"posted to another account": 1},
        ),
        (lambda body: re.sub(rb'"amount":\{[^}]*\}', b'"amount":null', body), {}),
        (lambda body: re.sub(rb'(currencyCode":")...', rb"\g<1>ZAR", body), {"wrong amount": 1}),
    ],
)
def test_what_an_event_says_is_held_against_the_pool(history, change, found):
    """Amount, currency and account; where one says no amount, its account's balance is not known."""
    rebook(history, changed(history, change))
    judgement = history.judge()
    assert causes(judgement) == found
    assert {"5", "6b", "8"} <= statuses(judgement)[Status.UNKNOWN]
    assert judgement.exit is Exit.NOT_RIGHT


def test_an_event_of_another_command_tells_of_none(history):
    """Its correlation id is of one command, its command id of another: it is misdirected."""
    first, second = keys_of(history.pool, Kind.PAYMENT)[:2]
    _, mine = payment_of(history)
    other = first if history.command_id(first).encode() != mine else second

    wrong = Correlation(
        history.ids.tag, 0, *other, 0, Kind.PAYMENT, Channel.HTTP, Outcome.SETTLED, 2, 0
    ).pack().hex()  # fmt: skip
    spoil = changed(
        history,
        lambda body: body.replace(b'"correlationId":""', f'"correlationId":"{wrong}"'.encode()),
    )
    rebook(history, spoil)
    assert causes(history.judge()) == {"lost after the platform": 1}


def test_a_second_outcome_under_another_id_is_taken_back(history):
    """The first event and the second stand against each other, and neither is passed over."""
    _, mine = payment_of(history)
    records = records_of(history)
    first = next(record for record in records if mine in record.value)
    again = first.value.replace(b'"SETTLED"', b'"REJECTED"').replace(
        b'"eventId":"', b'"eventId":"ffff', 1
    )
    rebook(history, [*records, first._replace(offset=10_000, value=again)])
    found = causes(history.judge())
    assert found["outcome taken back"] == 1
    assert found["two events for one outcome"] == 1


def test_an_account_whose_records_are_scattered_has_no_order(history):
    """A broker keeps order within a partition: beyond that nothing is guessed."""
    _, mine = payment_of(history)
    rebook(
        history,
        [
            record._replace(partition=9) if mine in record.value else record
            for record in records_of(history)
        ],
    )
    judgement = history.judge()
    assert causes(judgement) == {}
    assert {"5", "6b", "8"} == statuses(judgement)[Status.UNKNOWN]


def test_what_is_no_event_is_counted(history):
    """A record that nobody can read says nothing of any command."""
    records = records_of(history)
    junk = [records[0]._replace(offset=10_000 + n, value=b"{" * n) for n in range(3)]
    assert rebook(history, [*records, *junk]).none == 3
    assert history.judge().exit is Exit.GOOD


def test_an_adapter_that_fails_on_an_event_is_named(history):
    """With where the record stands, and how it begins; no book is better than half of one."""

    def fail(value):
        raise KeyError("amount")

    history.platform.read_book_event = fail
    with pytest.raises(Problems, match=r"partition \d, offset 0: KeyError"):
        rebook(history, records_of(history))
    assert {"3", "7"} <= statuses(history.judge())[Status.UNKNOWN]


def test_the_story_of_an_account_adds_up_its_events(history):
    """A running balance by what events tell, and none that the platform keeps."""
    rebook(history, records_of(history))
    key, _ = payment_of(history)
    stories = Stories(history.directory)
    account_id = history.entry(key).account_id
    place = stories.evidence.account_called(account_id)
    story = stories.of_account(*place)
    assert not [line for line in story.lines() if "balance in the book" in line]
    account = history.ledger._accounts[account_id]
    last = [row for row in story.rows() if row[0] not in ("", "-")][-1]
    digits = 0 if account.currency == "JPY" else 2
    assert f"{account.balance / 10**digits:.{digits}f}" in last

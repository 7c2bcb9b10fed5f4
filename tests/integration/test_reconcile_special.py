"""Runs of hostile commands and replays, judged: they have no effect, and whatever has is found."""

from __future__ import annotations

import pytest

from e2e_data.commands import Channel, Kind, Label, Outcome
from e2e_data.exits import Exit
from e2e_data.replays import replays_of
from reports.judgement import Class, LabelRow
from tests.fates import Fate, Options
from tests.histories import WHY_NOT_COMPLETE, History
from tests.judgements import causes, check, finding, findings, statuses
from tests.tiny_pools import keys_of, tiny_pool

POOL = tiny_pool(special=True)[0]
REPLAYS = [
    ((shard.number, row), (shard.number, original), racing)
    for shard in POOL.shards()
    for found in [replays_of(shard)]
    for row, original, racing in zip(
        found.rows.tolist(), found.originals.tolist(), found.racing.tolist(), strict=True
    )
    if shard.expected[original] == Outcome.SETTLED
]
"""(replay, original, racing) where the original must be settled."""
WAITING, ORIGINAL = next((row, original) for row, original, racing in REPLAYS if not racing)
RACING, RACED = next((row, original) for row, original, racing in REPLAYS if racing)


def labelled(label: Label) -> tuple[int, int]:
    """Return a payment with a label."""
    return next(
        key for key in keys_of(POOL, Kind.PAYMENT) if POOL.shard(key[0]).label[key[1]] == label
    )


MALFORMED = labelled(Label.MALFORMED)
NOWHERE = labelled(Label.UNKNOWN_ACCOUNT)
PLAIN = next(
    key
    for key in keys_of(POOL, Kind.PAYMENT, Outcome.SETTLED)
    if key not in {each for row, original, _ in REPLAYS for each in (row, original)}
)


def run(tmp_path, fates=None, **options):
    return History(tmp_path / "run", fates, Options(special=True, **options))


def test_hostile_commands_and_replays_are_right_without_effect(tmp_path):
    """With a correct platform every invariant holds, and each label has the classes that are right."""
    history = run(tmp_path)
    judgement = history.judge()
    assert set(statuses(judgement).values()) == {"holds"}
    assert judgement.exit is Exit.GOOD
    rows = {row.label: row for row in judgement.labels}
    for label in Label:
        if label.is_hostile and label.text in rows:
            right = {Class.INVALID} if Label.NEGATIVE <= label < Label.REPLAY else {Class.REJECTED}
            right |= {Class.SETTLED} if label.is_replay else set()
            assert set(rows[label.text].classes) <= right, label
    assert sum(row.commands for row in judgement.labels) == len(POOL)
    assert all(sum(row.classes.values()) == row.commands for row in judgement.labels)
    assert judgement.class_total(Class.INVALID) > 0


def test_the_money_that_moved_is_counted_once(tmp_path):
    """A replay that is answered as settled moves nothing more, whatever the pool has it repeat."""
    judgement = run(tmp_path).judge()
    by_currency: dict[str, int] = {}
    history = run(tmp_path / "again")
    for key in keys_of(POOL, Kind.PAYMENT):
        entry = history.ledger.find(history.command_id(key))
        if entry is not None and entry.decision.postings:
            own = entry.decision.postings[0]
            by_currency[own.currency] = by_currency.get(own.currency, 0) - own.minor
    assert judgement.settled_minor == by_currency


@pytest.mark.parametrize(
    ("fate", "of_original", "name"),
    [
        (None, None, Class.SETTLED),
        (Fate.UNANSWERED, None, Class.RECOVERED),
        (Fate.SILENT, None, Class.RECOVERED),
        (Fate.REFUSED, None, Class.REFUSED),
        (Fate.NOT_SENT, None, Class.REFUSED),
        (Fate.UNGRANTED, None, Class.NOT_SENT),
        (Fate.LATE, None, Class.SETTLED_LATE),
        # The original has no effect of its own, so the replay is the first.
        (None, Fate.REFUSED, Class.SETTLED),
        (None, Fate.NOT_SENT, Class.SETTLED),
        (None, Fate.VANISHED, Class.SETTLED),
        (None, Fate.UNGRANTED, Class.SETTLED),
        (Fate.SILENT, Fate.REFUSED, Class.RECOVERED),
        (Fate.SILENT, Fate.UNGRANTED, Class.RECOVERED),
        (Fate.REFUSED, Fate.REFUSED, Class.REFUSED),
        (Fate.VANISHED, Fate.VANISHED, Class.UNKNOWN),
    ],
    ids=str,
)
@pytest.mark.parametrize("has_book", [True, False])
def test_whatever_a_network_does_to_a_race_is_no_fault(tmp_path, fate, of_original, name, has_book):
    """Each of the two has its own class, and no invariant is violated by which of them came through."""
    fates = {key: what for key, what in ((RACING, fate), (RACED, of_original)) if what}
    history = run(tmp_path, fates, has_book=has_book)
    judgement = history.judge()
    assert findings(judgement) == {}
    assert "violated" not in statuses(judgement).values()
    if has_book or fate is not Fate.SILENT or of_original is None:
        assert history.classes()[RACING] is name
    total = sum(sum(counts.values()) for counts in judgement.classes.values())
    assert total == len(POOL)


def test_the_outcome_of_a_replay_is_that_of_a_silent_original(tmp_path):
    """Without a book, what was observed of a replay is known of the command that it repeats."""
    history = run(tmp_path, {RACED: Fate.SILENT}, has_book=False)
    assert history.classes()[RACED] is Class.RECOVERED


@pytest.mark.parametrize(
    "fate", [Fate.SILENT, Fate.VANISHED, Fate.REFUSED, Fate.NOT_SENT, Fate.UNGRANTED], ids=str
)
def test_a_replay_of_what_was_not_observed_complete_is_blocked(tmp_path, fate):
    """It has the class and the reason, and no finding."""
    history = run(tmp_path, {ORIGINAL: fate})
    judgement = history.judge()
    assert findings(judgement) == {}
    assert history.classes()[WAITING] is Class.BLOCKED
    assert history._blocked(WAITING) == WHY_NOT_COMPLETE


def test_what_cannot_be_understood_is_dead_lettered_over_kafka(tmp_path):
    """Put aside is right for it, and wrong for what the platform should have understood."""
    history = run(tmp_path, channel=Channel.KAFKA)
    judgement = history.judge()
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD
    found = history.classes()
    assert found[MALFORMED] is Class.DEAD_LETTERED
    assert found[NOWHERE] is Class.REJECTED
    unheard = run(tmp_path / "unheard", {MALFORMED: Fate.SILENT}, channel=Channel.KAFKA)
    assert unheard.classes()[MALFORMED] is Class.UNKNOWN
    assert findings(unheard.judge()) == {}


BAD = [
    # fate, command, its class, finding
    (Fate.HOSTILE_SETTLED, MALFORMED, Class.WRONG_OUTCOME, "hostile command settled"),
    (Fate.HOSTILE_SETTLED, NOWHERE, Class.WRONG_OUTCOME, "hostile command settled"),
    (Fate.HOSTILE_ACCEPTED, MALFORMED, Class.WRONG_OUTCOME, "hostile command accepted"),
    (Fate.BREAKDOWN, MALFORMED, Class.UNKNOWN, "breakdown on a hostile command"),
    (Fate.BREAKDOWN, NOWHERE, Class.UNKNOWN, "breakdown on a hostile command"),
    (Fate.WRONG_REASON, NOWHERE, Class.REJECTED, "wrong reason"),
    (Fate.REPLAY_DIFFERS, WAITING, Class.WRONG_OUTCOME, "replay with another outcome"),
    (Fate.REPLAY_DIFFERS, RACING, Class.WRONG_OUTCOME, "replay with another outcome"),
    (Fate.REPLAY_APPLIED, WAITING, Class.SETTLED, "applied more than once"),
    (Fate.REPLAY_APPLIED, RACING, Class.SETTLED, "applied more than once"),
    (Fate.OWN_ID, WAITING, Class.SETTLED, "unexpected"),
    (Fate.MISUNDERSTOOD, PLAIN, Class.WRONG_OUTCOME, "wrong outcome"),
    (Fate.MISUNDERSTOOD, NOWHERE, Class.WRONG_OUTCOME, "wrong outcome"),
    (Fate.MISUNDERSTOOD, WAITING, Class.WRONG_OUTCOME, "replay with another outcome"),
]


@pytest.mark.parametrize(("fate", "key", "name", "fault"), BAD, ids=str)
def test_what_must_have_no_effect_and_has_is_the_cause(tmp_path, fate, key, name, fault):
    """For each defect: its finding is the only cause, on that one command, and 20 is the exit."""
    history = run(tmp_path, {key: fate})
    judgement = history.judge()
    assert causes(judgement) == {fault: 1}
    assert {of for _, _, of in findings(judgement).values()} <= {"", fault}
    assert judgement.exit is Exit.NOT_RIGHT
    assert history.classes()[key] is name
    case = finding(judgement, fault).first
    at = history.sent_as(key) if fate is Fate.REPLAY_APPLIED else key
    assert (case.shard, case.index) == at
    label = history.label(at)
    assert case.label == (label.text if label else "")


@pytest.mark.parametrize(
    ("fate", "key", "said"),
    [
        (Fate.HOSTILE_SETTLED, MALFORMED, "settled, where only invalid is correct"),
        (Fate.HOSTILE_ACCEPTED, MALFORMED, "accepted, where only invalid is correct"),
        (Fate.BREAKDOWN, MALFORMED, "answered HTTP 500"),
        (
            Fate.MISUNDERSTOOD,
            NOWHERE,
            "invalid (it is not understood), where only rejected is correct",
        ),
        (
            Fate.WRONG_REASON,
            NOWHERE,
            "rejected for 'INSUFFICIENT_FUNDS', where only 'UNKNOWN_ACCOUNT' is correct",
        ),
        (
            Fate.REPLAY_DIFFERS,
            WAITING,
            f"rejected, where only settled is correct, as of the original (index {ORIGINAL[1]})",
        ),
    ],
    ids=str,
)
def test_a_case_says_what_would_have_been_right(tmp_path, fate, key, said):
    """The text has the outcome or answer that was given, and the one that a correct platform gives."""
    [fault] = causes(judgement := run(tmp_path, {key: fate}).judge())
    assert finding(judgement, fault).first.text == said


@pytest.mark.parametrize(
    ("fate", "key", "fault"),
    [
        (Fate.HOSTILE_SETTLED, MALFORMED, "hostile command settled"),
        (Fate.OWN_ID, WAITING, "unexpected"),
    ],
    ids=str,
)
def test_money_that_should_not_have_moved_is_explained(tmp_path, fate, key, fault):
    """The balance is off as its consequence; no clearing account accuses, and no payment counts it."""
    right = run(tmp_path / "right").judge()
    judgement = run(tmp_path, {key: fate}).judge()
    assert findings(judgement)[f"balance off ({fault})"] == ("4a", 1, fault)
    assert findings(judgement)[f"balance beyond the evidence ({fault})"] == ("4b", 1, fault)
    assert check(judgement, "4a").note == ""
    assert judgement.settled_minor == right.settled_minor


def test_a_second_application_explains_the_steps_between(tmp_path):
    """Booked in a row of its own, later, it puts the balances between off: that is no other cause."""
    stepped = 0
    for number, (row, _, _) in enumerate(REPLAYS):
        judgement = run(tmp_path / str(number), {row: Fate.REPLAY_APPLIED}).judge()
        assert causes(judgement) == {"applied more than once": 1}
        stepped += "balance step without postings (applied more than once)" in findings(judgement)
    assert stepped


def test_a_lie_about_what_nobody_else_saw_explains_the_balance(tmp_path):
    """Only the replay's outcome was observed, and it is not the book's: 4b follows from that."""
    fates = {RACED: Fate.SILENT, RACING: Fate.REPLAY_DIFFERS}
    judgement = run(tmp_path, fates).judge()
    assert causes(judgement) == {"replay with another outcome": 1}
    name = "balance beyond the evidence (replay with another outcome)"
    assert findings(judgement)[name][0] == "4b"


def test_a_reason_is_asked_of_the_answers_where_there_is_no_book(tmp_path):
    """Rejected for the wrong reason is found by what was observed, too."""
    judgement = run(tmp_path, {NOWHERE: Fate.WRONG_REASON}, has_book=False).judge()
    assert causes(judgement) == {"wrong reason": 1}


def test_reasons_and_breakdowns_are_the_adapters(tmp_path):
    """An adapter whose platform has other reasons, or answers 500 by design, declares it."""
    adapter = tmp_path / "mine.py"
    adapter.write_text(
        "from e2e_data.model.rules import Rules\n"
        "from e2e_data.platform import Platform\n"
        "class Unreasoned(Rules):\n"
        "    hostile_reasons = {}\n"
        "class Mine(Platform):\n"
        "    rules = Unreasoned()\n"
        "    breakdowns = frozenset()\n"
    )
    fates = {NOWHERE: Fate.WRONG_REASON, MALFORMED: Fate.BREAKDOWN}
    assert causes(run(tmp_path, fates, platform=f"{adapter}:Mine").judge()) == {}


@pytest.mark.parametrize("drained", [True, False])
def test_a_lost_command_is_lost_once_however_often_it_was_sent(tmp_path, drained):
    """The replay of a lost command is lost with it: one finding for one id, and two rows of the class."""
    history = run(tmp_path, {RACED: Fate.LOST}, drained=drained)
    judgement = history.judge()
    found = history.classes()
    assert causes(judgement) == ({"lost in the platform": 1} if drained else {})
    assert {found[RACED], found[RACING]} == {Class.LOST if drained else Class.PENDING}


def test_what_only_its_replay_was_acknowledged_for_is_lost_too(tmp_path):
    """Nobody answered the first time, the second time it was accepted, and the book does not have it."""
    judgement = run(tmp_path, {RACED: Fate.VANISHED, RACING: Fate.LOST}).judge()
    assert causes(judgement) == {"lost in the platform": 1}
    case = finding(judgement, "lost in the platform").first
    assert (case.shard, case.index) == RACED
    assert case.text == "acknowledged when it was repeated; it is not in the book"


def test_a_pending_command_is_pending_in_both_its_rows(tmp_path):
    """The book has not decided it: it is called never decided once."""
    history = run(tmp_path, {RACED: Fate.PENDING})
    found = history.classes()
    assert {found[RACED], found[RACING]} == {Class.PENDING}
    assert causes(history.judge()) == {"never decided": 1}


def test_a_replay_of_an_outcome_that_was_taken_back_is_its_consequence(tmp_path):
    """It was answered as the original was, before the platform changed its mind."""
    judgement = run(tmp_path, {RACED: Fate.TAKEN_BACK}).judge()
    assert causes(judgement) == {"outcome taken back": 1}
    name = "replay with another outcome (outcome taken back)"
    assert findings(judgement)[name] == ("6a", 1, "outcome taken back")


def test_a_killed_worker_leaves_replays_in_doubt(tmp_path):
    """What was perhaps sent under another's id accuses nobody, and is unknown."""
    history = run(tmp_path, crashed=True, drained=False)
    judgement = history.judge()
    assert findings(judgement) == {}
    found = history.classes()
    in_doubt = [row for row, _, _ in REPLAYS if row[0] == 1]
    assert in_doubt
    assert {found[row] for row in in_doubt} == {Class.UNKNOWN}


# -- what is counted --------------------------------------------------------------------------------


def test_flags_are_compared_with_labels(tmp_path):
    """Detected is the label's own flag; on any other payment it is a false alarm; replays count not."""
    history = run(tmp_path)
    judgement = history.judge()
    shards = list(POOL.shards())
    payments = [
        (Label(int(shard.label[i])), history._flags.get(history.command_id((shard.number, i)), ()))
        for shard in shards
        for i in shard.range_of(Kind.PAYMENT)
        if not shard.label[i] >= Label.NEGATIVE
    ]
    assert judgement.flagged == sum(bool(flags) for _, flags in payments) > 0
    assert {row.label for row in judgement.patterns} == {
        label.text for label, _ in payments if label.is_pattern
    }
    for row in judgement.patterns:
        label = Label[row.label.upper()]
        mine = [label.name in flags for own, flags in payments if own is label]
        others = [label.name in flags for own, flags in payments if own is not label]
        assert (row.labelled, row.detected) == (len(mine), sum(mine))
        assert (row.others, row.false_alarms) == (len(others), sum(others))


def test_without_flags_there_is_no_detection(tmp_path, monkeypatch):
    """A platform that gives no flags has no rate of detection, not one of nought."""
    monkeypatch.setattr("sandbox.flags.Monitor.flags_of", lambda *_: ())
    judgement = run(tmp_path).judge()
    assert (judgement.flagged, judgement.patterns) == (0, ())


def test_regions_add_up_to_the_pool(tmp_path):
    """Every account and payment belongs to one of the configured regions, in their order."""
    judgement = run(tmp_path).judge()
    assert [row.region for row in judgement.regions] == list(POOL.config.regions)
    assert sum(row.accounts for row in judgement.regions) == POOL.count_of(Kind.ACCOUNT)
    assert sum(row.payments for row in judgement.regions) == POOL.count_of(Kind.PAYMENT)
    settled = judgement.classes[Class.SETTLED]["payment"]
    assert sum(row.settled for row in judgement.regions) == settled
    assert sum(row.sent for row in judgement.regions) == judgement.journaled
    shards = [POOL.shard(number) for number in range(POOL.shard_count)]
    for row in judgement.regions:
        others = sum(
            int(shard.to_other_region[shard.regions[shard.account_number] == row.region].sum())
            for shard in shards
        )
        assert 0 < row.to_other_region == others < row.payments
        assert row.rate_per_s > 0
        assert row.response_p50_ms > 0
        assert row.error_percent == 0


def test_a_pool_without_labels_has_no_rows_for_them(tmp_path):
    """Nothing particular, nothing to say."""
    judgement = History(tmp_path / "plain").judge()
    assert (judgement.labels, judgement.patterns, judgement.regions) == ((), (), ())


def test_labels_of_a_run_that_sent_nothing_have_no_responses(tmp_path):
    """What was never sent is labelled all the same."""
    keys = [key for kind in Kind for key in keys_of(POOL, kind)]
    judgement = run(tmp_path, dict.fromkeys(keys, Fate.UNGRANTED)).judge()
    assert {row.label for row in judgement.labels} > {"none", "replay"}
    assert all(set(row.classes) == {Class.NOT_SENT} for row in judgement.labels)
    assert {(row.responses, row.response_p50_ms) for row in judgement.labels} == {(0, None)}


def test_a_labels_responses_are_those_of_its_commands(tmp_path):
    """Counted by label, where the percentiles are given as far as the samples show them."""
    history = run(tmp_path)
    rows = {row.label: row for row in history.judge().labels}
    none = rows["none"]
    assert isinstance(none, LabelRow)
    assert none.responses == none.commands
    assert none.response_p50_ms > 0
    assert none.response_p99_ms is None
    assert check(history.judge(), "6a").examined == len(POOL)

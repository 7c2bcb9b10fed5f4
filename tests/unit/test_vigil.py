"""The vigil: what can never be right is said while the run is on, and nothing else is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.commands import Kind, Outcome
from e2e_data.ids import Ids
from e2e_data.model.rules import Rules
from e2e_data.platform import Acknowledged
from e2e_data.replays import replays_of
from locustfiles import vigil
from locustfiles.limit_watch import Limits
from locustfiles.vigil import Vigil
from reports import event_log
from reports.event_log import Sort
from reports.journal import ROW, Fact
from tests.tiny_pools import tiny_pool

POOL, _ = tiny_pool(3, 6, settings=(("limit_based_percentage", 50), ("payments", (20, 30))))
SHARD = POOL.shard(0)
IDS = Ids(bytes(16), 5)
SETTLED, REJECTED = Outcome.SETTLED, Outcome.REJECTED


class Watch:
    """A vigil, and what it said."""

    def __init__(self, pool=POOL, limits=None, *, sends_all=False):
        self.said = []
        self.vigil = Vigil(pool, IDS, limits, sends_all=sends_all)
        self.vigil.say = self.said.append

    def see(self, *facts, shard=0):
        """Take in facts (index, fact, code) or (index, fact, code, at_ns), and look."""
        rows = np.zeros(len(facts), ROW)
        rows["shard"] = shard
        for at, (index, fact, code, *at_ns) in enumerate(facts):
            rows[at]["index"], rows[at]["fact"], rows[at]["code"] = index, fact, code
            rows[at]["at_ns"] = at_ns[0] if at_ns else 0
        self.vigil.facts(rows)
        self.vigil.look()

    def ended(self, *outcomes):
        self.see(*((index, Fact.COMPLETED, outcome) for index, outcome in outcomes))

    def events(self, *events):
        """Take in events (index, id), and look."""
        rows = np.zeros(len(events), event_log.ROW)
        rows["sort"] = Sort.OURS
        rows["index"], rows["event_low"] = zip(*events, strict=True)
        self.vigil.events(rows)
        self.vigil.look()


def first(expected, kind=Kind.PAYMENT):
    """Return the first command of a kind with exactly this set of right outcomes."""
    return next(i for i in SHARD.range_of(kind) if SHARD.expected[i] == expected)


def test_an_outcome_outside_its_set_is_said_with_the_command():
    """At once, since no timing could make it right."""
    watch, index = Watch(), first(REJECTED)
    watch.ended((index, SETTLED))
    command_id = IDS.command_ids(0, 0, [index])[0]
    assert watch.said == [f"wrong outcome: 1 so far, the last is command {command_id}"]


def test_what_is_right_or_only_expected_not_to_be_understood_says_nothing():
    """However often it is told."""
    watch = Watch()
    watch.ended((first(REJECTED), REJECTED), (first(SETTLED, Kind.FUNDING), SETTLED))
    watch.ended((first(REJECTED), REJECTED), (first(SETTLED | REJECTED), SETTLED))
    assert (watch.said, watch.vigil.found) == ([], {})


def test_an_outcome_after_another_one_is_taken_back():
    """In one look or in two; it is said once."""
    for looks in (1, 2):
        watch, index = Watch(), first(SETTLED | REJECTED)
        told = [(index, SETTLED), (index, REJECTED)]
        for part in [told] if looks == 1 else [[one] for one in told]:
            watch.ended(*part)
        watch.ended((index, SETTLED))
        assert watch.vigil.found == {"outcome taken back": 1}


def test_a_command_that_is_right_must_not_be_answered_as_invalid():
    """And a reply that nobody can read, or that came to another, is a violation by itself."""
    watch, index = Watch(), first(SETTLED, Kind.FUNDING)
    watch.see((index, Fact.ACKNOWLEDGED, Acknowledged.INVALID))
    watch.see((index, Fact.UNREADABLE, 0), (index, Fact.MISDIRECTED, 0))
    watch.see((index, Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED), (index, Fact.SENT, 0))
    assert watch.vigil.found == {
        "wrong outcome": 1,
        "unreadable reply": 1,
        "misdirected reply": 1,
    }


def test_more_settled_than_an_account_ever_gets_is_overdrawn():
    """Though each payment alone might be right; seen twice it counts once."""
    total = np.zeros(SHARD.counts.account, np.int64)
    credited = np.isin(SHARD.kind, (Kind.OPENING_CREDIT, Kind.FUNDING))
    np.add.at(total, SHARD.account_number[credited], SHARD.amount_minor[credited])
    payments = [
        i for i in SHARD.range_of(Kind.PAYMENT)
        if SHARD.expected[i] & SETTLED and not SHARD.limit_based[SHARD.account_number[i]]
    ]  # fmt: skip
    overdrawn = 0
    for account in range(SHARD.counts.account):
        mine = [i for i in payments if SHARD.account_number[i] == account]
        spent = np.cumsum(SHARD.amount_minor[mine])
        beyond = int((spent > total[account]).sum())
        watch = Watch()
        for index in mine:
            watch.ended((index, SETTLED), (index, SETTLED))
        assert watch.vigil.found == ({"overdrawn": beyond} if beyond else {})
        overdrawn += beyond
    assert overdrawn > 0


def of_account(account):
    """Return the indices of an account's credits, the opening credit first, and of its payments."""
    mine = np.flatnonzero(SHARD.account_number == account)
    kinds = SHARD.kind[mine]
    brought = mine[np.isin(kinds, (Kind.OPENING_CREDIT, Kind.FUNDING))].tolist()
    return brought, mine[kinds == Kind.PAYMENT].tolist()


BALANCE_BASED = np.flatnonzero(~SHARD.limit_based).tolist()


@given(st.data())
def test_an_overdraft_is_said_at_once_where_all_is_sent_here_and_nothing_else_ever_is(data):
    """A right platform, whatever is still under way and however late it is told; then one payment too much."""
    account = data.draw(st.sampled_from(BALANCE_BASED))
    (opening, *fundings), payments = of_account(account)
    order = [opening, *data.draw(st.permutations([*fundings, *payments]))]
    watch, balance, now_ns, told = Watch(sends_all=True), 0, 0, []
    refused = []
    for index in order:
        now_ns += 10
        amount = int(SHARD.amount_minor[index])
        is_payment = index in payments
        outcome = REJECTED if is_payment and amount > balance else SETTLED
        if outcome == SETTLED:
            balance += -amount if is_payment else amount
        else:
            refused.append((index, amount))
        told.append((index, Fact.SENT, 0, now_ns))
        told.append((index, Fact.COMPLETED, outcome, now_ns + data.draw(st.integers(1, 40))))
        if data.draw(st.booleans()):
            # A chunk has what happened until now; an outcome that is told later is in another.
            watch.see(*(fact for fact in told if fact[3] <= now_ns))
            told = [fact for fact in told if fact[3] > now_ns]
    watch.see(*told)
    assert watch.vigil.found == {}
    for index, amount in refused:
        if amount > balance and SHARD.expected[index] & SETTLED:
            watch.vigil._shards[0].outcomes[index] = 0
            watch.see((index, Fact.COMPLETED, SETTLED, now_ns + 100))
            assert watch.vigil.found == {"overdrawn": 1}
            break


def beyond_its_opening_credit(account):
    """Return an account's opening credit, its fundings, and payments that need some of those."""
    (opening, *fundings), payments = of_account(account)
    has, more = int(SHARD.amount_minor[opening]), int(SHARD.amount_minor[fundings].sum())
    spent, chosen = 0, []
    for index in sorted(payments, key=lambda one: -SHARD.amount_minor[one]):
        if spent <= has and spent + SHARD.amount_minor[index] <= has + more:
            chosen.append(index)
            spent += int(SHARD.amount_minor[index])
    return (opening, fundings, chosen) if spent > has else None


OPENING, FUNDINGS, CHOSEN = next(filter(None, map(beyond_its_opening_credit, BALANCE_BASED)))


@pytest.mark.parametrize(
    ("sends_all", "sent_ns", "found"),
    [
        (True, 60, {"overdrawn": 1}),
        (True, 50, {}),
        (True, 40, {}),
        (False, 60, {}),
    ],
)
@pytest.mark.parametrize("looks", [1, 2])
def test_what_is_sent_after_a_payment_was_seen_settled_has_not_paid_for_it(
    sends_all, sent_ns, found, looks
):
    """At the same moment it may have; where others send too, nobody here knows when."""
    watch = Watch(sends_all=sends_all)
    paid = [(index, Fact.COMPLETED, SETTLED, 50) for index in CHOSEN]
    funded = [(index, Fact.SENT, 0, sent_ns) for index in FUNDINGS]
    watch.see((OPENING, Fact.SENT, 0, 1))
    parts = [funded, paid] if sent_ns <= 50 else [paid, funded]
    for part in parts if looks == 2 else [parts[1] + parts[0]]:
        watch.see(*part)
    assert watch.vigil.found == found


SECOND = 10**9
LIMITS = Limits(Rules(), 30 * SECOND, SECOND)
"""The run begins at 00:00:30, and the platform's clock may be off by a second."""


LIMITED, _ = tiny_pool(3, 6, settings=(("limit_based_percentage", 100), ("payments", (20, 30))))


def limit_based_pair():
    """Return two payments of one account, each within its MINUTE limit, and both together above it."""
    shard = LIMITED.shard(0)
    payments = [i for i in shard.range_of(Kind.PAYMENT) if shard.expected[i] & SETTLED]
    for first, second in itertools.combinations(payments, 2):
        account, other = shard.account_number[[first, second]]
        both = shard.amount_minor[[first, second]].sum()
        if account == other and both > shard.limits_minor[account, 0]:
            return first, second
    raise AssertionError


def paid(index, sent_s, seen_s):
    """Return the facts on a payment that was sent and seen settled."""
    sent, seen = round(sent_s * SECOND), round(seen_s * SECOND)
    return (index, Fact.SENT, 0, sent), (index, Fact.COMPLETED, SETTLED, seen)


@pytest.mark.parametrize(
    ("first_s", "second_s", "said"),
    [
        ((1.1, 2), (3, 28.9), True),
        ((1.1, 2), (3, 29.1), False),
        ((1.1, 2), (31.5, 32), False),
        ((28.5, 31.5), (32, 33), False),
        ((31.1, 32), (40, 50), True),
        ((40, 50), (31.1, 32), True),
    ],
)
def test_more_settled_in_a_window_than_its_limit_is_said(first_s, second_s, said):
    """Where both surely fell into one minute of the platform's clock, which may be off by a second."""
    first, second = limit_based_pair()
    for in_one_look in (True, False):
        watch = Watch(LIMITED, LIMITS)
        facts = [*paid(first, *first_s), *paid(second, *second_s)]
        for some in [facts] if in_one_look else [facts[:2], facts[2:]]:
            watch.see(*some)
        assert watch.vigil.found == ({"limit exceeded": 1} if said else {})
        watch.see(*facts)
        assert watch.vigil.found == ({"limit exceeded": 1} if said else {}), "seen again, it is one"


def test_what_others_sent_is_in_no_window_for_sure():
    """Whoever only saw the outcome does not know since when it may have been decided."""
    first, second = limit_based_pair()
    watch = Watch(LIMITED, LIMITS)
    watch.see(*paid(first, 1.1, 2)[1:], *paid(second, 1.2, 2))
    assert watch.vigil.found == {}
    watch = Watch(LIMITED)
    watch.see(*paid(first, 1.1, 2), *paid(second, 1.2, 2))
    assert watch.vigil.found == {}, "without limits nothing is said of them"


def test_of_a_shard_that_was_forgotten_all_credits_may_be_there(monkeypatch):
    """What was sent of it is not known any more."""
    monkeypatch.setattr(vigil, "SHARDS_MAX", 1)
    watch = Watch(sends_all=True)
    watch.see((OPENING, Fact.SENT, 0, 1))
    watch.see((0, Fact.SENT, 0, 2), shard=1)
    watch.see(*((index, Fact.COMPLETED, SETTLED, 50) for index in CHOSEN))
    assert watch.vigil.found == {}


def test_two_event_ids_on_one_command_are_two_events():
    """The same one again is delivery at least once."""
    watch = Watch()
    watch.events((3, 77), (4, 78), (3, 77))
    assert watch.said == []
    watch.events((3, 79))
    assert watch.vigil.found == {"two events for one outcome": 1}


def test_a_replay_may_end_as_its_original_may():
    """Its own row says nothing of what is right."""
    pool, _ = tiny_pool(0, 6, special=True)
    shard = pool.shard(0)
    replays = replays_of(shard)
    assert len(replays.rows)
    watch = Watch(pool)
    for row, original in zip(replays.rows.tolist(), replays.originals.tolist(), strict=True):
        for outcome in Outcome(int(shard.expected[original])):
            watch.ended((row, outcome))
            watch.vigil._shards.clear()
    assert watch.said == []


@pytest.mark.parametrize("count", [1, 9, 10, 150])
def test_many_are_said_a_few_times(count):
    """At the first, the tenth, the hundredth."""
    watch, index = Watch(), first(SETTLED, Kind.FUNDING)
    for _ in range(count):
        watch.see((index, Fact.UNREADABLE, 0))
    assert len(watch.said) == len(str(count))


def test_what_no_shard_has_is_passed_over():
    """What comes from the network may name anything."""
    watch = Watch()
    watch.see((10**6, Fact.COMPLETED, SETTLED), (10**6, Fact.MISDIRECTED, 0))
    watch.events((10**6, 1))
    assert watch.said == []


def test_between_shards_others_have_their_turn():
    """To look at one takes a while, to look at many at once would stop the users."""
    watch, breaths = Watch(), []
    rows = np.zeros(6, ROW)
    rows["shard"], rows["fact"], rows["code"] = [0, 1] * 3, Fact.COMPLETED, SETTLED
    watch.vigil.facts(rows)
    watch.vigil.look(lambda: breaths.append(len(watch.vigil._shards)))
    assert breaths == [1, 2]

"""The oracle is sound and sharp: a correct platform is never accused, a wrong one is, exactly.

Two correct platforms serve, neither of them the model: the sandbox's ledger, reached through the
adapter's bytes and read back through its statement, and a tiny one written from the contract.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2e_data.book_rows import BookCommand
from e2e_data.commands import Channel, Kind, Outcome, expected_on
from e2e_data.config import load
from e2e_data.ids import Ids
from e2e_data.model.account import AccountModel
from e2e_data.model.decisions import UNTOLD, Decisions
from e2e_data.model.deviations import What
from e2e_data.model.replay import replay
from e2e_data.model.rules import Checks, Rules
from e2e_data.platform import Platform, Sending
from e2e_data.shard import make_shard
from sandbox import statements, wire
from sandbox.fields import Refusal
from sandbox.ledger import Ledger
from tests.properties.test_generator import configurations, seeds
from tests.tiny_platform import (
    EITHER,
    WRONG,
    AppliesTwice,
    Capricious,
    ChecksFunds,
    DoublesNumbers,
    Ignores,
    LateCredits,
    OneTooMuch,
    RejectsTheUndetermined,
    Tiny,
    WrongReason,
    decisions,
    observed,
)

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECOND_NS = 10**9
STARTS_S = (
    1_795_176_000,  # Friday 2026-11-20 12:00:00
    1_798_761_598,  # Thursday 2026-12-31 23:59:58, in ISO week 53
    1_835_395_198,  # Monday 2028-02-28 23:59:58, the day before a leap day
)
SPANS_S = (0, 1, 90, 4_000, 200_000, 4_000_000)

timings = st.tuples(st.integers(0, 2**32), st.sampled_from(STARTS_S), st.sampled_from(SPANS_S))
shards = st.builds(lambda config, seed: make_shard(config, seed, 0), configurations(), seeds)


def schedule(shard, timing):
    """Return (time, command) of a shard's commands in a random order, after section 5's premise."""
    seed, start_s, span_s = timing
    random = Random(seed)
    begin_ns, span_ns = start_s * SECOND_NS, span_s * SECOND_NS
    ready_ns = {}
    events = []
    for index in range(len(shard)):
        command = shard.command(index)
        number = command.account.number
        earliest_ns = ready_ns.get(number, begin_ns)
        if command.kind in (Kind.ACCOUNT, Kind.OPENING_CREDIT):
            at_ns = ready_ns[number] = earliest_ns + random.randint(1, span_ns // 20 + 1)
        else:
            at_ns = earliest_ns + random.randint(1, span_ns + 1)
        events.append((at_ns, command.kind, random.random(), command))
    return [(at_ns, command) for at_ns, _, _, command in sorted(events, key=lambda e: e[:3])]


def run(platform, shard, timing):
    """Let a tiny platform decide a shard; return its book's decisions, in any order."""
    for at_ns, command in schedule(shard, timing):
        platform.decide(command, at_ns)
    return decisions(platform.rows, Random(timing[0]))


def found(replayed):
    """Return what deviates -> the indices of the commands."""
    return {
        what: set(replayed.grounds.decisions.command[rows].tolist())
        for what, rows in replayed.rows.items()
        if len(rows)
    }


def only(book, rows):
    """Return some of the decisions of a book."""
    return Decisions(**{name: getattr(book, name)[rows] for name in Decisions.__slots__})


# -- correct platforms ------------------------------------------------------------------------------


class Sandboxed:
    """The sandbox's ledger, spoken to in the adapter's bytes."""

    def __init__(self, shard):
        self.shard = shard
        self.adapter = Platform()
        self.ids = Ids(bytes(range(16)), 77)
        self.command_ids = self.ids.command_ids(0, shard.number, list(range(len(shard))))
        self.customers = self.ids.customer_ids(0, shard.number, list(range(shard.counts.account)))
        self.now_ns = 0
        self.ledger = Ledger(lambda: self.now_ns)
        self.bound = {}

    def decide(self, command, at_ns):
        """Send a command at the moment at which it is decided, and return what came of it."""
        self.now_ns = at_ns
        if command.original is not None:
            original = self.shard.command(command.original)
            known = self.ledger.find(self.command_ids[original.index])
            assert self.receive(original) is (known or self.receive(original))
            return self.outcome(original.index, at_ns)
        if command.label.is_replay:
            return Outcome.NONE
        try:
            entry = self.receive(command)
        except Refusal:
            return Outcome.INVALID
        if command.kind is Kind.ACCOUNT:
            self.bound[command.account.number] = entry.account_id
        return self.outcome(command.index, at_ns)

    def outcome(self, index, at_ns):
        entry = self.ledger.decide(self.command_ids[index])
        return Outcome[entry.status.name]

    def receive(self, command):
        sending = Sending(
            command=command,
            command_id=self.command_ids[command.index],
            customer_id=self.customers[command.account.number],
            correlation_id="00" * 24,
            account_id=self.bound.get(command.account.number),
            value_date="2026-11-20",
        )
        request = self.adapter.http_command(sending)
        reader = {
            "/api/accounts": wire.create_account,
            "/api/transactions": wire.transaction,
            "/api/payments": wire.payment,
        }[request.path]
        return self.ledger.receive(reader(sending.command_id, wire.json_object(request.body)))

    def book(self, random):
        """Return the decisions as they are read from the statement."""
        index = {command_id: place for place, command_id in enumerate(self.command_ids)}
        rows = []
        for entry in self.ledger.entries().rows:
            row = self.adapter.read_command_row(statements.command_line(entry).encode())
            assert isinstance(row, BookCommand)
            own = sum(leg.amount_minor for leg in row.postings if leg.account_id == row.account_id)
            after = UNTOLD if row.balance_after_minor is None else row.balance_after_minor
            told = (row.outcome, row.reason, row.account_seq, row.decided_ns, after, own)
            rows.append((index[row.command_id], *told))
        return decisions(rows, random)


@relaxed
@given(shard=shards, timing=timings, uncertainty_ns=st.sampled_from([0, 10**6]))
def test_the_sandbox_never_leaves_a_set_and_replays_clean(shard, timing, uncertainty_ns):
    """In any order and time: each outcome in its set, nothing deviates, everything is decidable."""
    platform = Sandboxed(shard)
    for at_ns, command in schedule(shard, timing):
        outcome = platform.decide(command, at_ns)
        if outcome:
            assert outcome in expected_on(command.expected, Channel.HTTP)
    random = Random(timing[0])
    book = platform.book(random)
    seen = observed(book, random, uncertainty_ns)
    replayed = replay(shard, book, platform.adapter.rules, seen)
    assert list(replayed) == []
    assert replayed.examined == len(book.command)
    assert not len(replayed.undecidable)


@relaxed
@given(shard=shards, timing=timings, uncertainty_ns=st.sampled_from([0, 10**6]))
def test_a_tiny_platform_never_leaves_a_set_and_replays_clean(shard, timing, uncertainty_ns):
    """The same for the platform that was written from the contract."""
    platform = Tiny()
    for at_ns, command in schedule(shard, timing):
        outcome = platform.decide(command, at_ns)
        if not command.label.is_replay:
            assert outcome in expected_on(command.expected, Channel.HTTP)
    random = Random(timing[0])
    book = decisions(platform.rows, random)
    replayed = replay(shard, book, Rules(), observed(book, random, uncertainty_ns))
    assert list(replayed) == []
    assert replayed.examined == len(platform.rows)
    assert not len(replayed.undecidable)


class NoOrder(Rules):
    gives_order = False


class NoTimes(Rules):
    gives_times = False


@relaxed
@given(shard=shards, timing=timings, known=st.sampled_from([Rules, NoOrder, NoTimes]))
def test_what_a_platform_does_not_tell_is_not_held_against_it(shard, timing, known):
    """Without order or times, or with gaps that others made, a correct platform still replays clean."""
    random = Random(timing[0])
    book = run(Tiny(), shard, timing)
    kept = np.array([random.random() < 0.8 for _ in book.command], dtype=np.bool_)
    if known is NoOrder:
        book.account_seq[:] = 0
    if known is NoTimes:
        book.decided_ns[:] = 0
    if known is not Rules:
        replayed = replay(shard, book, known())
        assert list(replayed) == []
        payments = shard.kind[book.command[replayed.undecidable]]
        assert set(payments.tolist()) <= {Kind.PAYMENT}
        return
    assert list(replay(shard, only(book, kept), Rules(), shared=True)) == []


@relaxed
@given(shard=shards, timing=timings, share=st.floats(0, 1))
def test_rows_that_are_gone_are_gaps_in_the_order_and_nothing_else(shard, timing, share):
    """Each gap is named on the decision after it; what missing decisions did accuses no other."""
    random = Random(timing[0])
    book = run(Tiny(), shard, timing)
    part = only(book, np.array([random.random() < share for _ in book.command], dtype=np.bool_))
    after_gaps, before = set(), defaultdict(int)
    for row in np.argsort(part.account_seq, kind="stable").tolist():
        index, seq = int(part.command[row]), int(part.account_seq[row])
        account = int(shard.account_number[index])
        if seq > before[account] + 1:
            after_gaps.add(index)
        before[account] = max(before[account], seq)
    assert found(replay(shard, part, Rules())) == (
        {What.SEQUENCE: after_gaps} if after_gaps else {}
    )


# -- wrong platforms --------------------------------------------------------------------------------

INEXACT = (AppliesTwice, DoublesNumbers)
"""What these do wrong is another check's to count, or cannot be laid on one of two decisions."""


@relaxed
@given(shard=shards, timing=timings, wrong=st.sampled_from(WRONG))
def test_a_wrong_platform_is_accused_of_its_mistakes_only(shard, timing, wrong):
    """Each mistake is named as what it is, on the command that it was made on; no other is."""
    platform = wrong(timing[0])
    book = run(platform, shard, timing)
    check_mistakes(platform, replay(shard, book, Rules(), observed(book, Random(timing[0]))))


def check_mistakes(platform, replayed):
    mistakes = {what: commands for what, commands in platform.mistakes.items() if commands}
    if isinstance(platform, INEXACT):
        told, made = ({w: len(c) for w, c in each.items()} for each in (found(replayed), mistakes))
        assert told == made
    else:
        assert found(replayed) == mistakes


def by_the_model(shard, book):
    """Return what deviates -> commands, decision by decision through the model of one account."""
    deviating = defaultdict(set)
    models = [
        AccountModel(Rules(), bool(limited), tuple(limits))
        for limited, limits in zip(shard.limit_based, shard.limits_minor.tolist(), strict=True)
    ]
    for row in np.argsort(book.account_seq, kind="stable").tolist():
        index, outcome = int(book.command[row]), Outcome(int(book.outcome[row]))
        at_ns, posted_minor = int(book.decided_ns[row]), int(book.posted_minor[row])
        command = shard.command(index)
        model = models[command.account.number]
        ruling = model.decide(command, at_ns)
        model.apply(command, outcome, at_ns, posted_minor)
        if outcome != ruling.outcome:
            deviating[What.OUTCOME].add(index)
        elif ruling.reasons and book.reason[row] not in ruling.reasons:
            deviating[What.REASON].add(index)
        if posted_minor < 0 and (wrong := model.objections(0, at_ns)):
            below = wrong == ["INSUFFICIENT_FUNDS"]
            deviating[What.BELOW_ZERO if below else What.WINDOW].add(index)
    return dict(deviating)


@relaxed
@given(
    shard=shards,
    timing=timings,
    kind=st.sampled_from([Tiny, Capricious, Ignores, LateCredits, OneTooMuch]),
)
def test_the_replay_is_the_model_decision_by_decision(shard, timing, kind):
    """Running sums over a whole shard say what the plain model of each account says, one by one."""
    book = run(kind(timing[0]), shard, timing)
    assert found(replay(shard, book, Rules())) == by_the_model(shard, book)


class FundsToo(Rules):
    limit_based = Checks(limits=True, funds=True)


class LongestPeriod(Rules):
    def right_reasons(self, objections):
        return frozenset(objections[-1:])


class AnyReason(Rules):
    def right_reasons(self, objections):
        return frozenset()


class Unchecked(Rules):
    limit_based = balance_based = Checks(limits=False, funds=False)


@relaxed
@given(
    shard=shards,
    timing=timings,
    declared=st.sampled_from(
        [
            (ChecksFunds, FundsToo),
            (WrongReason, LongestPeriod),
            (WrongReason, AnyReason),
            (Ignores, Unchecked),
        ]
    ),
)
def test_what_an_adapter_declares_is_right(shard, timing, declared):
    """A platform with other rules, which its adapter declares, replays clean."""
    platform, rules = declared
    assert list(replay(shard, run(platform(timing[0]), shard, timing), rules())) == []


LIVELY = {
    "accounts": 40,
    "accounts_per_shard": 40,
    "payments": (10, 40),
    "funding": (1, 5),
    "boundary_percentage": 40,
    "hostile_percentage": 5,
    "limit_based_percentage": 50,
    # Limits that bind at once, of minutes and longer, and balances that do not last.
    "opening_balance": {"low_units": 20_000, "break_units": 30_000, "high_units": 40_000},
    "limits": {
        "minute": {"percent": 20, "floor_units": 2_000},
        "hour": {"percent": 40, "floor_units": 4_000},
        "day": {"percent": 100, "floor_units": 6_000},
        "week": {"percent": 150, "floor_units": 6_000},
        "month": {"percent": 400, "floor_units": 6_000},
    },
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_every_wrong_platform_makes_mistakes_that_are_found(wrong):
    """On a pool that asks for it each of them errs, and every mistake is named, to the number."""
    shard = make_shard(load("smoke", LIVELY), 7, 0)
    made = defaultdict(int)
    for number, span_s in enumerate(SPANS_S[1:]):
        platform = wrong(number)
        timing = (number, STARTS_S[number % len(STARTS_S)], span_s)
        book = run(platform, shard, timing)
        check_mistakes(platform, replay(shard, book, Rules(), observed(book, Random(number))))
        for what, commands in platform.mistakes.items():
            made[what] += len(commands)
    assert sum(made.values()) >= (1 if wrong is AppliesTwice else 10), dict(made)


def test_a_platform_that_rejects_the_undetermined_passes_the_sets_and_not_the_replay():
    """This is what the replay is for: no set is left, and yet it is wrong almost every time."""
    shard = make_shard(load("large", {"accounts": 40, "accounts_per_shard": 40}), 7, 0)
    timing = (1, STARTS_S[0], 4_000)
    platform = RejectsTheUndetermined()
    for at_ns, command in schedule(shard, timing):
        assert platform.decide(command, at_ns) in command.expected
    replayed = replay(shard, decisions(platform.rows), Rules())
    undetermined = int((shard.expected == EITHER).sum())
    assert found(replayed) == platform.mistakes
    assert len(replayed.rows[What.OUTCOME]) > undetermined // 2 > 500

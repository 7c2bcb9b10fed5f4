"""Random histories of the sandbox's ledger, judged by rules written down a second time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.book import Status
from sandbox.commands import CreateAccount, Payment, Transaction
from sandbox.ledger import Ledger
from sandbox.money import Money

CURRENCIES = ("USD", "EUR", "JPY")
LIMITS = (300, 900, 2000, 4000, 6000)
STEP_S = (0, 1, 59, 61, 3600, 86_400, 6 * 86_400, 30 * 86_400)
START_S = 1_795_176_000

amounts = st.integers(1, 400)
steps = st.tuples(
    st.sampled_from(["credit", "debit", "pay", "pay", "replay", "replay racing"]),
    st.integers(0, 3),
    amounts,
    st.sampled_from(CURRENCIES),
    amounts,
    st.sampled_from(STEP_S),
    st.booleans(),
)
histories = st.lists(steps, max_size=40)


class History:
    """Plays steps on a ledger with four accounts: two currencies, limit- and balance-based."""

    def __init__(self) -> None:
        self.now_s = START_S
        ids = count(1)
        self.ledger = Ledger(lambda: self.now_s * 10**9, lambda _: f"A{next(ids)}")
        self.commands = []
        self.sent_count = 0
        self.kinds = {}
        for limit_based in (True, False):
            for currency in ("USD", "JPY"):
                limits = tuple(Money(minor, currency) for minor in LIMITS)
                command = CreateAccount(self._next_id(), "C", currency, limit_based, limits)
                self.kinds[self._do(command)] = (limit_based, currency)

    def play(self, history):
        accounts = list(self.kinds)
        for kind, index, minor, other, other_minor, step_s, again in history:
            self.now_s += step_s
            if kind == "replay":
                self._do(self.commands[minor % len(self.commands)])
                continue
            account = accounts[index]
            currency = self.kinds[account][1]
            amount = Money(minor, currency)
            if kind == "pay":
                credit = amount if other == currency else Money(other_minor, other)
                command = Payment(self._next_id(), account, amount, credit)
            else:
                command = Transaction(self._next_id(), account, kind == "credit", amount)
            if kind == "replay racing":
                self.ledger.receive(command)
            self._do(command)
            if again:
                self._do(command)
        return self.ledger

    def _do(self, command):
        entry = self.ledger.receive(command)
        self.ledger.decide(command.command_id)
        if command not in self.commands:
            self.commands.append(command)
        return entry.account_id

    def _next_id(self):
        self.sent_count += 1
        return str(self.sent_count)


def settled(ledger):
    return [e for e in ledger.entries().rows if e.status is Status.SETTLED]


def windows(decided_ns):
    moment = datetime.fromtimestamp(decided_ns // 10**9, UTC)
    week = moment.isocalendar()
    return (
        moment.strftime("%Y%m%d%H%M"),
        moment.strftime("%Y%m%d%H"),
        moment.strftime("%Y%m%d"),
        (week.year, week.week),
        (moment.year, moment.month),
    )


@settings(deadline=None)
@given(histories)
def test_money_is_conserved_in_every_currency(history):
    """All accounts and positions of a currency sum to nothing, at any time."""
    ledger = History().play(history)
    assert set(ledger.totals().values()) <= {0}


@settings(deadline=None)
@given(histories)
def test_no_command_is_applied_twice(history):
    """Replays add no row and no change: two numbers per command sent, and one set of postings."""
    played = History()
    ledger = played.play(history)
    entries = ledger.entries()
    assert len(entries.rows) == played.sent_count
    assert entries.as_of == 2 * played.sent_count
    for entry in settled(ledger):
        opened = isinstance(entry.command, CreateAccount)
        assert len(entry.decision.postings) == (0 if opened else 2)


@settings(deadline=None)
@given(histories)
def test_statements_add_up(history):
    """Balances are the sums of the rows' postings; balanceAfter is the running sum by accountSeq."""
    ledger = History().play(history)
    sums: Counter[str] = Counter()
    for entry in settled(ledger):
        for posting in entry.decision.postings:
            sums[posting.account_id] += posting.minor
    balances = {row.account_id: row.balance.minor for row in ledger.accounts().rows}
    assert {name: minor for name, minor in sums.items() if minor} == {
        name: minor for name, minor in balances.items() if minor
    }
    running: Counter[str] = Counter()
    sequence: Counter[str] = Counter()
    for entry in sorted(ledger.entries().rows, key=lambda e: e.decision.account_seq):
        sequence[entry.account_id] += 1
        running[entry.account_id] += sum(
            p.minor for p in entry.decision.postings if p.account_id == entry.account_id
        )
        assert entry.decision.account_seq == sequence[entry.account_id]
        assert entry.decision.balance_after.minor == running[entry.account_id]


@settings(deadline=None)
@given(histories)
def test_every_outcome_is_what_the_rules_say(history):
    """Replayed in decision order: funds, or windows inclusive, decide each outcome and reason."""
    played = History()
    ledger = played.play(history)
    spent: Counter[object] = Counter()
    for entry in sorted(ledger.entries().rows, key=lambda e: e.decision.account_seq):
        command, decision, account = entry.command, entry.decision, entry.account_id
        if isinstance(command, CreateAccount) or getattr(command, "is_credit", False):
            assert decision.status is Status.SETTLED
            continue
        limit_based, _ = played.kinds[account]
        debit = (command.debit if isinstance(command, Payment) else command.amount).minor
        after = decision.balance_after.minor
        if not limit_based:
            assert after >= 0
            before = after + debit if decision.status is Status.SETTLED else after
            expected = "INSUFFICIENT_FUNDS" if debit > before else None
        else:
            keys = [(account, i, w) for i, w in enumerate(windows(decision.decided_ns))]
            names = ("MINUTE", "HOUR", "DAY", "WEEK", "MONTH")
            over = [n for k, n, b in zip(keys, names, LIMITS, strict=True) if spent[k] + debit > b]
            expected = f"LIMIT_EXCEEDED_{over[0]}" if over else None
            if not over:
                spent.update(dict.fromkeys(keys, debit))
        assert decision.reason == expected

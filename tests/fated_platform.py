"""The platform of a history: the sandbox's own ledger, and what fates make it do to single commands.

Commands come through the platform adapter's bytes and the sandbox's reader, as from a tester.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from e2e_data.commands import Command, Kind, Label, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Platform, Sending
from reports.lines import LineLog
from sandbox import statements, wire
from sandbox.account_ids import NewAccountId
from sandbox.book import Decision, Entry, Reason, Status
from sandbox.defects import APPLY_TWICE, Defects
from sandbox.faulty import FaultyLedger
from sandbox.flags import Monitor
from sandbox.ledger import Ledger
from sandbox.limits import Spending
from sandbox.money import Money
from tests.fates import NO_ANSWER, NOT_REACHING, Fate, Options
from tests.times import EPOCH_UTC_NS, Told
from tests.tiny_pools import Key, tiny_pool


class _Chosen(Defects):
    """The defects of single commands, as their fates have it."""

    def __init__(self, platform: FatedPlatform) -> None:
        super().__init__({APPLY_TWICE: 1})
        self._platform = platform

    def hits(self, name: str, command_id: str) -> bool:
        """Say whether a command is to be applied twice."""
        return name == APPLY_TWICE and command_id in self._platform.twice


class FatedPlatform:
    """The pool of a history, and the platform that it is sent to."""

    def __init__(self, fates: dict[Key, Fate], options: Options) -> None:
        self.options = options
        self.fates = fates
        self.pool, self._manifest = tiny_pool(
            self.options.seed % self.options.pools,
            self.options.accounts,
            special=self.options.special,
            settings=self.options.settings,
        )
        self.ids = Ids(bytes(range(16)), 0xC0FFEE + self.options.seed)
        self.platform = Platform()
        self._command_ids: dict[int, list[str]] = {}
        self._customer_ids: dict[int, list[str]] = {}
        self.twice = {
            self.command_id(key) for key, fate in self.fates.items() if fate is Fate.TWICE
        }
        self._now_ns = EPOCH_UTC_NS
        numbers = (f"00000000-0000-4000-8000-{n:012x}" for n in count(1))
        self.ledger = self._new_ledger(lambda _: next(numbers))
        self._bound: dict[Key, str] = {}
        self.extra_rows: list[bytes] = []
        self._monitor = Monitor()
        self._flags: dict[str, tuple[str, ...]] = {}

    def _new_ledger(self, new_account_id: NewAccountId) -> Ledger:
        return FaultyLedger(_Chosen(self), lambda: self._now_ns, new_account_id)

    # -- what tests ask -------------------------------------------------------------------------

    def entry(self, key: Key) -> Entry | None:
        """Return what the platform has of a command; of a replay, what it has of the original."""
        return self.ledger.find(self.command_id(self.sent_as(key)))

    def command_id(self, key: Key) -> str:
        """Return the id that a command has in the pool."""
        shard, index = key
        if shard not in self._command_ids:
            every = list(range(sum(self.pool.shard_counts(shard))))
            self._command_ids[shard] = self.ids.command_ids(0, shard, every)
            self._customer_ids[shard] = self.ids.customer_ids(0, shard, every)
        return self._command_ids[shard][index]

    def sent_as(self, key: Key) -> Key:
        """Return the command that is sent: for a replay, its original."""
        original = self.pool.shard(key[0]).command(key[1]).original
        return key[0], key[1] if original is None else original

    def label(self, key: Key) -> Label:
        """Return a command's label."""
        return Label(int(self.pool.shard(key[0]).label[key[1]]))

    # -- what it gets ---------------------------------------------------------------------------

    def _reaches(self, key: Key) -> bool:
        """Tell whether the platform's ledger sees a command; what it loses, it loses by the id."""
        reaches = self.fates.get(key) not in NOT_REACHING
        understood = self._is_understood(key) or self.fates.get(key) is Fate.HOSTILE_SETTLED
        return reaches and understood and Fate.LOST not in self._fates_of_id(key)

    def _fates_of_id(self, key: Key) -> set[Fate | None]:
        return {self.fates.get(key), self.fates.get(self.sent_as(key))}

    def _is_understood(self, key: Key) -> bool:
        return not int(self.pool.shard(key[0]).expected[key[1]]) & Outcome.INVALID

    def _receive(self, one: Told, bindings: list[LineLog]) -> None:
        shard, index = key = self.sent_as(one.key)
        command = self.pool.shard(shard).command(index)
        account = (shard, command.account.number)
        fate = self.fates.get(key)
        if fate is Fate.HOSTILE_SETTLED:
            command = replace(command, label=Label.NONE)
        if fate is Fate.WRONG_AMOUNT:
            command = replace(
                command,
                amount_minor=command.amount_minor + 1,
                credit_minor=command.credit_minor + bool(command.credit_minor),
            )
        if fate is Fate.WRONG_CURRENCY:
            assert command.kind is Kind.PAYMENT
            others = [c for c in ("USD", "CAD", "GBP") if c not in
                      (command.credit_currency, command.account.currency)]  # fmt: skip
            command = replace(command, credit_currency=others[0])
        sending = self._sending(command, key)
        known = self.ledger.find(sending.command_id)
        entry = known or self.ledger.receive(read(self.platform, sending))
        if command.kind is Kind.ACCOUNT and fate not in NO_ANSWER:
            self._bound[account] = entry.account_id
            bindings[shard].write({"place": (0, *account), "account_id": entry.account_id})

    def _sending(self, command: Command, key: Key) -> Sending:
        account = key[0], command.account.number
        return Sending(
            command=command,
            command_id=self.command_id(key),
            customer_id=self._customer_ids[key[0]][command.account.number],
            correlation_id="00" * 24,
            account_id=self._bound.get(account),
            value_date="2026-11-20",
        )

    # -- what it does ---------------------------------------------------------------------------

    def _decide(self, key: Key) -> None:
        fate = self.fates.get(key)
        command_id = self.command_id(key)
        entry = self.ledger.find(command_id)
        assert entry is not None
        if entry.decision is not None:
            return
        accounts = self.ledger._accounts
        if fate in (Fate.WRONG_OUTCOME, Fate.HOSTILE_SETTLED):
            account = accounts[entry.account_id]
            account.spending, kept = Spending((2**60,) * 5), account.spending
            self.ledger.decide(command_id)
            account.spending = kept
            if kept is not None:
                # It did happen, so it is counted; what comes after it is decided rightly.
                kept.add(self.pool.shard(key[0]).command(key[1]).amount_minor, self._now_ns)
        elif fate is Fate.TAKEN_BACK:
            account = accounts[entry.account_id]
            balance = Money(account.balance, account.currency)
            self.ledger._entries[command_id] = replace(
                entry,
                decision=Decision(
                    Status.REJECTED,
                    Reason.INSUFFICIENT_FUNDS,
                    self._now_ns,
                    account.next_seq(),
                    (),
                    balance,
                ),
            )
        else:
            self.ledger.decide(command_id)
        if fate is Fate.WRONG_REASON:
            self._change(command_id, reason=Reason.INSUFFICIENT_FUNDS)
        if fate is Fate.TAMPERED:
            account = accounts[entry.account_id]
            account.balance += 7
            self._change(command_id, balance_after=Money(account.balance, account.currency))

    def _change(self, command_id: str, **fields: object) -> Entry:
        """Change fields of a decision in the ledger, and return its entry."""
        decided = self.ledger._entries[command_id]
        assert decided.decision is not None
        changed = replace(decided, decision=replace(decided.decision, **fields))  # type: ignore[arg-type]
        self.ledger._entries[command_id] = changed
        return changed

    def _flag(self, key: Key) -> None:
        """Have the platform's monitoring look at a command that was just decided."""
        entry = self.entry(key)
        assert entry is not None
        if self.options.special and entry.command.command_id not in self._flags:
            self._flags[entry.command.command_id] = self._monitor.flags_of(entry)

    def _repeat(self, key: Key) -> None:
        """Do for a replay what only a platform that is wrong does."""
        fate, entry = self.fates.get(key), self.entry(key)
        assert entry is not None
        assert entry.decision is not None
        if fate not in (Fate.REPLAY_APPLIED, Fate.OWN_ID):
            return
        account = self.ledger._accounts[entry.account_id]
        postings = Ledger._postings(self.ledger, entry.command, account)  # type: ignore[arg-type]
        self.ledger._post(postings)
        decision = replace(
            entry.decision,
            postings=postings,
            account_seq=account.next_seq(),
            balance_after=Money(account.balance, account.currency),
        )
        command_id = self.command_id(self.sent_as(key) if fate is Fate.REPLAY_APPLIED else key)
        again = replace(
            entry, command=replace(entry.command, command_id=command_id), decision=decision
        )
        self.extra_rows.append(statements.command_line(again).encode())

    def _foreign(self) -> None:
        """Let another run use the platform too."""
        other = Ids(bytes(16), 77)
        for number in range(self.options.foreign):
            shard = self.pool.shard(0)
            account_id: str | None = None
            for kind in Kind:
                plain = (i for i in shard.range_of(kind) if shard.label[i] < Label.UNKNOWN_ACCOUNT)
                command = shard.command(next(plain))
                if kind is Kind.PAYMENT:
                    command = replace(command, account=shard.account(0))
                sending = Sending(
                    command=command,
                    command_id=other.command_ids(number, 0, [command.index])[0],
                    customer_id=other.customer_ids(number, 0, [0])[0],
                    correlation_id="00" * 24,
                    account_id=account_id,
                    value_date="2026-11-20",
                )
                entry = self.ledger.receive(read(self.platform, sending))
                self.ledger.decide(sending.command_id)
                if kind is Kind.ACCOUNT:
                    account_id = entry.account_id
                if kind is Kind.ACCOUNT and self.options.foreign_on_ours:
                    account_id = self._bound[0, 0]


def read(platform: Platform, sending: Sending):
    """Carry a command from the adapter's bytes to what the sandbox's reader makes of them."""
    request = platform.http_command(sending)
    reader = {
        "/api/accounts": wire.create_account,
        "/api/transactions": wire.transaction,
        "/api/payments": wire.payment,
    }[request.path]
    return reader(sending.command_id, wire.json_object(request.body))

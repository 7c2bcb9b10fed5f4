"""Whole run directories, made in process: no Locust, no HTTP, but the sandbox's own ledger.

A history sends a tiny pool as a correct tester would, through the platform adapter's bytes and the
sandbox's reader into a real ledger, and writes down what a run writes down. Fates make single
commands go wrong; the options of `History` spoil the evidence as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from itertools import count
from pathlib import Path
from random import Random

import orjson
import pyarrow.parquet as pq

from e2e_data import config as pool_config
from e2e_data import manifest as manifests
from e2e_data.book_rows import StatementEnd
from e2e_data.commands import Channel, Command, Kind, Label, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Acknowledged, Platform, Sending
from e2e_data.pool import Pool
from e2e_data.sequence import interleave
from reports import book
from reports.classes import PRECEDENCE
from reports.evidence import RunEvidence
from reports.grants import Grant, GrantLog
from reports.journal import Fact, Journal
from reports.judgement import Check, Class, Finding, Judgement
from reports.lines import LineLog
from reports.reconcile import judged_by, reconcile
from reports.rundir import PhaseRecord, RunDirectory, RunRecord
from reports.timeline import Event, Second
from sandbox import statements, wire
from sandbox.account_ids import NewAccountId
from sandbox.book import Decision, Entry, Reason, Status
from sandbox.defects import APPLY_TWICE, Defects
from sandbox.faulty import FaultyLedger
from sandbox.flags import Monitor
from sandbox.ledger import Ledger
from sandbox.limits import Spending
from sandbox.money import Money

MS = 1_000_000
SECOND = 1000 * MS
EPOCH_UTC_NS = 1_795_176_000 * SECOND
"""Friday 2026-11-20 12:00:00 UTC."""
DEADLINE_S = 30.0

PHASES = (
    PhaseRecord(name="accounts", sends=(Kind.ACCOUNT,)),
    PhaseRecord(name="opening-credits", sends=(Kind.OPENING_CREDIT,)),
    PhaseRecord(name="payments", sends=(Kind.FUNDING, Kind.PAYMENT)),
)

POOL_SEEDS = 4
"""So many different pools there are; each takes a moment to make."""

Key = tuple[int, int]
"""Shard and index of a command."""


class Fate(Enum):
    """What becomes of a command that does not simply go well."""

    # A platform that is right, and a network as it is.
    UNANSWERED = auto()
    """No answer came; the platform decides it, and the outcome is observed."""
    SILENT = auto()
    """No answer came and no outcome was observed; the platform decides it all the same."""
    VANISHED = auto()
    """No answer came, because the platform never got it."""
    REFUSED = auto()
    NOT_SENT = auto()
    BLOCKED = auto()
    LATE = auto()
    UNGRANTED = auto()
    """The phase ended before anybody was allowed to send it."""

    # A platform that is wrong.
    LOST = auto()
    PENDING = auto()
    TWICE = auto()
    WRONG_AMOUNT = auto()
    WRONG_CURRENCY = auto()
    WRONG_OUTCOME = auto()
    """Settled, whatever the rules are."""
    UNEXPECTED = auto()
    """Never granted, and decided."""
    TWO_OUTCOMES = auto()
    """Observed with its outcome, and then with the other one."""
    TAKEN_BACK = auto()
    """Observed settled; in the end the book has it rejected, and without effect."""
    REFUSED_YET_DONE = auto()
    MISUNDERSTOOD = auto()
    """Answered with 400, though there is nothing wrong with it."""
    TAMPERED = auto()
    """After its decision the account's balance moves by 7 minor units that nothing posted."""
    ROW_TWICE = auto()
    """The book has two rows of it, each with postings."""
    ROW_GONE = auto()
    """It was applied and observed, but the book has no row of it."""
    ACCOUNT_MISSING = auto()
    ACCOUNT_TWICE = auto()
    ACCOUNT_CURRENCY = auto()

    # The same, of a hostile command or a replay.
    HOSTILE_SETTLED = auto()
    """Taken for what it would be without its flaw, and settled."""
    HOSTILE_ACCEPTED = auto()
    """Answered with 202, and never heard of again."""
    BREAKDOWN = auto()
    """Answered with 500."""
    WRONG_REASON = auto()
    REPLAY_APPLIED = auto()
    """Settled and posted once more, in a row of its own under the same id."""
    REPLAY_DIFFERS = auto()
    """Observed with the other outcome than the original has."""
    OWN_ID = auto()
    """The book has a replay under the id that it has in the pool, settled."""


WHY_NOT_COMPLETE = "the command that it repeats was not observed complete"

NEVER_SENT = {Fate.BLOCKED, Fate.UNGRANTED, Fate.UNEXPECTED}
NOT_REACHING = {
    Fate.LOST, Fate.VANISHED, Fate.REFUSED, Fate.NOT_SENT, Fate.BLOCKED, Fate.UNGRANTED,
    Fate.HOSTILE_ACCEPTED, Fate.BREAKDOWN, Fate.MISUNDERSTOOD,
}  # fmt: skip
"""The platform's ledger never sees these."""
UNOBSERVED = {
    Fate.SILENT, Fate.PENDING, Fate.UNEXPECTED, Fate.REFUSED_YET_DONE, *NOT_REACHING
}  # fmt: skip
NO_ANSWER = {Fate.UNANSWERED, Fate.SILENT, Fate.VANISHED}


@dataclass(frozen=True)
class Options:
    """How a run is spoiled as a whole."""

    seed: int = 0
    pools: int = POOL_SEEDS
    accounts: int = 4
    drained: bool = True
    has_book: bool = True
    foreign: int = 0
    """So many accounts of another run, with a credit and a payment each."""
    foreign_on_ours: bool = False
    """Another run's credit goes to our first account as well."""
    crashed: bool = False
    """The process of shard 1 dies in the last phase: its journal is cut off there."""
    state: str = "ended"
    platform: str | None = None
    timeline: bool = True
    special: bool = False
    """The pool has hostile commands, replays, behaviours and regions; the platform gives flags."""
    settings: tuple[tuple[str, object], ...] = ()
    """Settings of the pool, in place of those that it has."""
    channel: Channel = Channel.HTTP
    """Over Kafka it is a broker that acknowledges; what cannot be understood is put aside."""
    dropped: int = 0
    """So many arrivals are given up in the last phase."""
    spread: bool = True
    """Decisions come in any order; otherwise each command is over before the next is sent."""


@dataclass(slots=True)
class _Told:
    """A command's times and what the tester saw, in ns since the epoch."""

    key: Key
    phase: int
    intended_ns: int
    free_ns: int
    sent_ns: int
    received_ns: int
    acknowledged_ns: int
    decided_ns: int
    completed_ns: int


SPECIAL = {
    "payments": (12, 20),
    "hostile_percentage": 35,
    "hostile_flavours": {"replay": 20, "racing_replay": 20, "zero": 0, "negative": 0},
    "pattern_percentage": 50,
    "regions": ["north", "south"],
}
"""A pool in which a third of the payments is hostile."""


@lru_cache(maxsize=64)
def tiny_pool(
    seed: int = 0,
    accounts: int = 4,
    *,
    special: bool = False,
    settings: tuple[tuple[str, object], ...] = (),
) -> tuple[Pool, bytes]:
    """Return a pool of two shards, and its manifest as it stands in a run directory."""
    config = pool_config.load(
        "smoke",
        {
            "accounts": accounts,
            "accounts_per_shard": -(-accounts // 2),
            "payments": (3, 6),
            "funding": (1, 3),
            "fx_percentage": 30,
            **(SPECIAL if special else {}),
            **dict(settings),
        },
    )
    pool = Pool.in_memory(config, seed)
    text = orjson.dumps(pool.manifest.model_dump(mode="json"))
    return pool, text


class _Chosen(Defects):
    """The defects of single commands, as their fates have it."""

    def __init__(self, history: History) -> None:
        super().__init__({APPLY_TWICE: 1})
        self._history = history

    def hits(self, name: str, command_id: str) -> bool:
        """Say whether a command is to be applied twice."""
        return name == APPLY_TWICE and command_id in self._history.twice


class History:
    """A run, simulated: `write` makes its directory, `judge` judges it."""

    def __init__(
        self, path: Path, fates: Mapping[Key, Fate] | None = None, options: Options | None = None
    ) -> None:
        self.options = options or Options()
        self.fates = dict(fates or {})
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
        self.directory = RunDirectory(path)
        self._random = Random(self.options.seed)
        self.twice = {
            self.command_id(key) for key, fate in self.fates.items() if fate is Fate.TWICE
        }
        self._now_ns = EPOCH_UTC_NS
        numbers = (f"00000000-0000-4000-8000-{n:012x}" for n in count(1))
        self.ledger = self._new_ledger(lambda _: next(numbers))
        self._bound: dict[Key, str] = {}
        self._opened: set[Key] = set()
        self._extra_rows: list[bytes] = []
        self._monitor = Monitor()
        self._flags: dict[str, tuple[str, ...]] = {}
        for place in ("pool", "journal", "bindings", "book"):
            (path / place).mkdir(parents=True)
        (directory := self.directory.pool / manifests.FILE_NAME).write_bytes(self._manifest)
        assert directory.is_file()
        self._write()

    def _new_ledger(self, new_account_id: NewAccountId) -> Ledger:
        return FaultyLedger(_Chosen(self), lambda: self._now_ns, new_account_id)

    # -- what tests ask -------------------------------------------------------------------------

    @property
    def record(self) -> RunRecord:
        """The run's record as it was written."""
        return self.directory.record()

    def judge(self) -> Judgement:
        """Judge the run directory."""
        return reconcile(self.directory).results.judgement

    def classes(self) -> dict[Key, Class]:
        """Return the class of every command of the pool."""
        found: dict[Key, Class] = {}
        record = self.record
        for evidence in RunEvidence(self.directory, self.pool).shards():
            judged = judged_by(record, evidence)
            for index, number in enumerate(judged.classes.tolist()):
                found[evidence.shard.number, index] = PRECEDENCE[number]
        return found

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

    # -- the run --------------------------------------------------------------------------------

    def _write(self) -> None:
        journals = [Journal(self.directory.journal, f"w{n}") for n in range(self.pool.shard_count)]
        grants = GrantLog(self.directory.grants)
        bindings = [
            LineLog(self.directory.bindings / f"w{n}.jsonl") for n in range(self.pool.shard_count)
        ]
        began_ns = SECOND
        for phase in range(len(PHASES)):
            keys = self._grant(grants, phase, began_ns)
            began_ns = self._send(journals, bindings, phase, keys, began_ns)
        self._foreign()
        for number, journal in enumerate(journals):
            if self.options.crashed and number == 1:
                continue
            journal.flush()
            grants.write_closed(f"w{number}", journal.chunks)
        grants.close()
        for log in bindings:
            log.close()
        if self.options.has_book:
            self._write_book()
        if self.options.timeline:
            self._write_timeline(began_ns)
        self.directory.write_record(self._record(began_ns))

    def _grant(self, grants: GrantLog, phase: int, at_ns: int) -> list[Key]:
        """Grant the phase's commands in blocks, and return them; one never granted ends its shard."""
        keys: list[Key] = []
        for shard in range(self.pool.shard_count):
            counts = self.pool.shard_counts(shard)
            order = interleave([counts.range_of(kind) for kind in PHASES[phase].sends]).tolist()
            stop = 0
            while stop < len(order):
                start, stop = stop, min(stop + self._random.randint(1, 5), len(order))
                out = [
                    at
                    for at in range(start, stop)
                    if self.fates.get((shard, order[at])) in (Fate.UNGRANTED, Fate.UNEXPECTED)
                ]
                stop_here = out[0] if out else stop
                if stop_here > start:
                    grants.write(Grant(stop, f"w{shard}", 0, shard, phase, start, stop_here, at_ns))
                    keys += [(shard, index) for index in order[start:stop_here]]
                if out:
                    # Around it: the grants of a phase need not be in one piece.
                    stop = stop_here + 1
        unexpected = [
            (shard, index)
            for (shard, index), fate in self.fates.items()
            if fate is Fate.UNEXPECTED
            and Kind(int(self.pool.shard(shard).kind[index])) in PHASES[phase].sends
        ]
        self._random.shuffle(keys)
        return keys + unexpected

    def _send(
        self,
        journals: list[Journal],
        bindings: list[LineLog],
        phase: int,
        keys: list[Key],
        began_ns: int,
    ) -> int:
        told = [self._times(key, phase, began_ns + n * MS) for n, key in enumerate(keys)]
        self._hold_back(told)
        self._keep_order(told)
        fates = {one.key: self._settle_fate(one.key) for one in told}
        self._play(told, bindings)
        facts = [fact for one in told for fact in self._facts(one, fates[one.key])]
        for one in told:
            facts += self._completions(one)
        # A crash in the last phase: what the process had not written is gone.
        facts.sort(key=lambda fact: fact[0])
        for _, key, write in facts:
            journal = journals[key[0]]
            write(journal)
            cut = self.options.crashed and key[0] == 1 and phase == len(PHASES) - 1
            if self._random.random() < 0.05 and not cut:
                journal.flush()
        if phase < len(PHASES) - 1:
            for journal in journals:
                journal.flush()
        return max((one.completed_ns for one in told), default=began_ns) + SECOND

    def _settle_fate(self, key: Key) -> Fate | None:
        """Return a command's fate; where its account is not ready, that is to be blocked."""
        if self.fates.get(key) not in NEVER_SENT and self._blocked(key):
            self.fates[key] = Fate.BLOCKED
        return self.fates.get(key)

    def _hold_back(self, told: list[_Told]) -> None:
        """Move each replay that waits behind the completion of its original."""
        completed_ns = {one.key: one.completed_ns for one in told}
        for one in told:
            after_ns = completed_ns.get(self.sent_as(one.key), 0)
            if self.label(one.key) is Label.REPLAY and after_ns >= one.sent_ns:
                late_ns = after_ns + 1 - one.sent_ns
                for name in _TIMES:
                    setattr(one, name, getattr(one, name) + late_ns)

    def _keep_order(self, told: list[_Told]) -> None:
        """Have the commands of each account decided in the order in which they are received."""
        latest_ns: dict[Key, int] = {}
        for one in sorted(told, key=lambda one: one.received_ns):
            account = one.key[0], int(self.pool.shard(one.key[0]).account_number[one.key[1]])
            one.decided_ns = max(one.decided_ns, latest_ns.get(account, 0) + 1)
            one.completed_ns = max(one.completed_ns, one.decided_ns)
            latest_ns[account] = one.decided_ns

    def _play(self, told: list[_Told], bindings: list[LineLog]) -> None:
        """Let the platform receive and decide, each at its time."""
        events = []
        for one in told:
            if self._reaches(one.key):
                events.append((one.received_ns, 0, one))
                if Fate.PENDING not in self._fates_of_id(one.key):
                    events.append((one.decided_ns, 1, one))
        for at_ns, is_decision, one in sorted(events, key=lambda event: event[:2]):
            self._now_ns = EPOCH_UTC_NS + at_ns
            if is_decision:
                self._decide(self.sent_as(one.key))
                self._flag(one.key)
                self._repeat(one.key)
            else:
                self._receive(one, bindings)

    def _reaches(self, key: Key) -> bool:
        """Tell whether the platform's ledger sees a command; what it loses, it loses by the id."""
        reaches = self.fates.get(key) not in NOT_REACHING
        understood = self._is_understood(key) or self.fates.get(key) is Fate.HOSTILE_SETTLED
        return reaches and understood and Fate.LOST not in self._fates_of_id(key)

    def _fates_of_id(self, key: Key) -> set[Fate | None]:
        return {self.fates.get(key), self.fates.get(self.sent_as(key))}

    def _is_understood(self, key: Key) -> bool:
        return not int(self.pool.shard(key[0]).expected[key[1]]) & Outcome.INVALID

    def _times(self, key: Key, phase: int, intended_ns: int) -> _Told:
        draw = self._random
        if self.options.spread:
            steps = [draw.randint(0, 3 * MS), draw.randint(0, MS), *_splits(draw, 80 * MS)]
        else:
            steps = [0, 0, MS // 10, MS // 10, MS // 10, MS // 10]
        free_ns = intended_ns + draw.randint(-5 * MS, 2 * MS)
        sent_ns = max(intended_ns, free_ns) + steps[0]
        received_ns = sent_ns + steps[1] + 1
        acknowledged_ns = received_ns + steps[2]
        decided_ns = received_ns + steps[3]
        completed_ns = max(acknowledged_ns, decided_ns) + steps[4]
        if self.fates.get(key) is Fate.LATE:
            completed_ns = intended_ns + round(DEADLINE_S * SECOND) + 1
        return _Told(
            key, phase, intended_ns, free_ns, sent_ns, received_ns, acknowledged_ns, decided_ns,
            completed_ns,
        )  # fmt: skip

    def _blocked(self, key: Key) -> str:
        shard, index = key
        kind = Kind(int(self.pool.shard(shard).kind[index]))
        account = (shard, int(self.pool.shard(shard).account_number[index]))
        if kind is not Kind.ACCOUNT and account not in self._bound:
            return "the account's creation was not observed complete"
        if kind in (Kind.FUNDING, Kind.PAYMENT) and account not in self._opened:
            return "the account's opening credit was not observed settled"
        if self.label(key) is Label.REPLAY and self.fates.get(self.sent_as(key)) in UNOBSERVED:
            return WHY_NOT_COMPLETE
        return ""

    def _facts(self, one: _Told, fate: Fate | None) -> list:
        place = (0, *one.key)
        at = (place, 0, one.phase, self.options.channel)
        if fate is Fate.UNGRANTED or fate is Fate.UNEXPECTED:
            return []
        if fate is Fate.BLOCKED:
            why = self._blocked(one.key) or "the account is set aside"
            return [_fact(one.sent_ns, one.key, Fact.BLOCKED, at, reason=why)]
        facts = [
            (
                one.sent_ns,
                one.key,
                lambda journal: journal.sent(
                    *at, at_ns=one.sent_ns, intended_ns=one.intended_ns, free_ns=one.free_ns
                ),
            )
        ]
        if fate in NO_ANSWER:
            why = "no answer in 10 s"
            facts.append(_fact(one.acknowledged_ns, one.key, Fact.UNANSWERED, at, reason=why))
        elif fate is Fate.NOT_SENT:
            why = "connection refused"
            facts.append(_fact(one.acknowledged_ns, one.key, Fact.NOT_SENT, at, reason=why))
        else:
            code, why = self._answer(one.key, fate)
            facts.append(
                _fact(one.acknowledged_ns, one.key, Fact.ACKNOWLEDGED, at, code=code, reason=why)
            )
        return facts

    def _answer(self, key: Key, fate: Fate | None) -> tuple[Acknowledged, str]:
        if fate in (Fate.REFUSED, Fate.REFUSED_YET_DONE):
            return Acknowledged.REFUSED, "HTTP 429"
        if fate is Fate.BREAKDOWN:
            return Acknowledged.UNKNOWN, "HTTP 500"
        if fate is Fate.MISUNDERSTOOD:
            return Acknowledged.INVALID, "it is not understood"
        taken = fate in (Fate.HOSTILE_ACCEPTED, Fate.HOSTILE_SETTLED)
        by_platform = self.options.channel is Channel.HTTP
        if not self._is_understood(key) and not taken and by_platform:
            return Acknowledged.INVALID, "it is not understood"
        return Acknowledged.ACCEPTED, ""

    def _completions(self, one: _Told) -> list:
        fate = self.fates.get(one.key)
        entry = self.entry(one.key)
        at = ((0, *one.key), 0, one.phase, self.options.channel)
        if not self._is_understood(one.key) and self.options.channel is Channel.KAFKA:
            put_aside = _fact(
                one.completed_ns, one.key, Fact.COMPLETED, at, code=Outcome.DEAD_LETTERED
            )
            return [] if fate in UNOBSERVED else [put_aside]
        if fate in UNOBSERVED or entry is None or entry.decision is None:
            return []
        entry = self._as_told(entry)
        assert entry.decision is not None
        outcome = Outcome[entry.status.name]
        if Fate.TAKEN_BACK in self._fates_of_id(one.key):
            outcome = Outcome.SETTLED
        if fate is Fate.REPLAY_DIFFERS:
            outcome = (Outcome.SETTLED | Outcome.REJECTED) & ~outcome
        shard, index = one.key
        facts = [
            _fact(
                one.completed_ns, one.key, Fact.COMPLETED, at, code=outcome,
                reason=str(entry.decision.reason or ""),
                flags=self._flags.get(entry.command.command_id, ()),
            )
        ]  # fmt: skip
        if fate is Fate.TWO_OUTCOMES:
            other = (Outcome.SETTLED | Outcome.REJECTED) & ~outcome
            facts.append(_fact(one.completed_ns + 1, one.key, Fact.COMPLETED, at, code=other))
        kind = Kind(int(self.pool.shard(shard).kind[index]))
        if kind is Kind.OPENING_CREDIT and outcome is Outcome.SETTLED:
            self._opened.add((shard, int(self.pool.shard(shard).account_number[index])))
        return facts

    def _as_told(self, entry: Entry) -> Entry:
        """Return how the platform tells that a command stands."""
        return entry

    # -- the platform ---------------------------------------------------------------------------

    def _receive(self, one: _Told, bindings: list[LineLog]) -> None:
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
        self._extra_rows.append(statements.command_line(again).encode())

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

    # -- what is left ---------------------------------------------------------------------------

    def _write_book(self) -> None:
        accounts = [
            line
            for chunk in statements.of_accounts(self.ledger.accounts())
            for line in chunk.splitlines()
        ]
        commands = [
            line
            for chunk in statements.of_commands(self.ledger.entries())
            for line in chunk.splitlines()
        ]
        commands += self._extra_rows
        for key, fate in self.fates.items():
            entry = self.entry(key)
            if entry is None:
                continue
            if fate is Fate.ROW_TWICE:
                commands.insert(0, statements.command_line(entry).encode())
            if fate is Fate.ROW_GONE:
                commands = [
                    line for line in commands if entry.command.command_id.encode() not in line
                ]
            mine = f'"{entry.account_id}"'.encode()
            if fate is Fate.ACCOUNT_MISSING:
                accounts = [line for line in accounts if mine not in line]
            if fate is Fate.ACCOUNT_TWICE:
                row = next(line for line in accounts if mine in line)
                fields = orjson.loads(row)
                again = row.replace(mine, b'"00000000-0000-4000-8000-ffffffffffff"')
                accounts.insert(0, again.replace(row[row.index(b'"balance"') :], b'"balance":0}'))
                assert fields["balance"] is not None
            if fate is Fate.ACCOUNT_CURRENCY:
                row = next(line for line in accounts if mine in line)
                code = orjson.loads(row)["currencyCode"]
                other = b"CAD" if code != "CAD" else b"USD"
                at = accounts.index(row)
                accounts[at] = row.replace(f'"{code}"'.encode(), b'"' + other + b'"')
        account_rows = [self.platform.read_account_row(line) for line in accounts]
        command_rows = [self.platform.read_command_row(line) for line in commands]
        accounts_table = book.account_table(
            [row for row in account_rows if not isinstance(row, StatementEnd)], self.ids
        )
        commands_table = book.command_table(
            [row for row in command_rows if not isinstance(row, StatementEnd)], self.ids
        )
        pq.write_table(accounts_table, self.directory.book / "accounts.parquet")
        pq.write_table(commands_table, self.directory.book / "commands.parquet")
        self.directory.write("book/book.json", orjson.dumps({"as_of": self.ledger.as_of}))

    def _write_timeline(self, ended_ns: int) -> None:
        log = LineLog(self.directory.timeline)
        log.write(Event(0, "run began"))
        for number, phase in enumerate(PHASES):
            log.write(Event(number * SECOND, "phase began", phase.name))
            log.write(Second((number + 1) * SECOND, phase.name, *[0] * 11, 0.0, 0.0))  # type: ignore[arg-type]
            dropped = self.options.dropped if number == len(PHASES) - 1 else 0
            log.write(Event((number + 1) * SECOND, "phase settles", phase.name, dropped=dropped))
            log.write(Event((number + 1) * SECOND, "phase ended", phase.name))
        log.write(Event(ended_ns, "run ended"))
        log.close()

    def _record(self, ended_ns: int) -> RunRecord:
        return RunRecord(
            run_id="a-run",
            plan_name="tiny",
            plan={},
            phases=PHASES,
            completion_deadline_s=DEADLINE_S,
            key=self.ids.key.hex(),
            nonce=self.ids.nonce,
            host="http://127.0.0.1:1",
            embedded_sandbox=True,
            platform=self.options.platform,
            versions={},
            epoch_utc_ns=EPOCH_UTC_NS,
            state=self.options.state,  # type: ignore[arg-type]
            drained=self.options.drained,
            ended_ns=ended_ns,
        )


def read(platform: Platform, sending: Sending):
    """Carry a command from the adapter's bytes to what the sandbox's reader makes of them."""
    request = platform.http_command(sending)
    reader = {
        "/api/accounts": wire.create_account,
        "/api/transactions": wire.transaction,
        "/api/payments": wire.payment,
    }[request.path]
    return reader(sending.command_id, wire.json_object(request.body))


def findings(judgement: Judgement) -> dict[str, tuple[str, int, str]]:
    """Return finding -> (invariant, count, consequence of)."""
    return {
        finding.name: (check.invariant, finding.count, finding.consequence_of)
        for check in judgement.checks
        for finding in check.findings
    }


def causes(judgement: Judgement) -> dict[str, int]:
    """Return name -> count of the findings that are no consequence of another."""
    return {name: many for name, (_, many, of) in findings(judgement).items() if not of}


def statuses(judgement: Judgement) -> dict[str, str]:
    """Return invariant -> status."""
    return {check.invariant: str(check.status) for check in judgement.checks}


def finding(judgement: Judgement, name: str) -> Finding:
    """Return the finding of a name."""
    return next(f for check in judgement.checks for f in check.findings if f.name == name)


def check(judgement: Judgement, invariant: str) -> Check:
    """Return the check of an invariant."""
    return next(check for check in judgement.checks if check.invariant == invariant)


def keys_of(pool: Pool, kind: Kind, expected: Outcome | None = None) -> list[Key]:
    """Return the commands of a kind, or those of them with exactly the expected set."""
    return [
        (shard.number, index)
        for shard in pool.shards()
        for index in shard.range_of(kind)
        if expected is None or shard.expected[index] == expected
    ]


def _splits(draw: Random, most_ns: int) -> list[int]:
    return [draw.randint(0, most_ns) for _ in range(4)]


_TIMES = ("intended_ns", "free_ns", "sent_ns", "received_ns", "acknowledged_ns", "decided_ns",
          "completed_ns")  # fmt: skip


def _fact(at_ns: int, key: Key, fact: Fact, at: tuple, **more: object):
    return (at_ns, key, lambda journal: journal.add(fact, *at, at_ns=at_ns, **more))

"""Runs against a platform with a defect, in process: the sandbox's own, accepted and told by it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from e2e_data.commands import Channel, Kind
from e2e_data.platform import Acknowledged
from reports.journal import Fact
from reports.lines import LineLog
from sandbox.account_ids import NewAccountId
from sandbox.book import Entry
from sandbox.defects import DEFECTS, Defects
from sandbox.faulty import FaultyLedger
from sandbox.faulty_platform import FaultyPlatform
from sandbox.fields import Refusal
from sandbox.ledger import Ledger
from sandbox.platform import Decided
from tests.fated_platform import read
from tests.fates import Fate, Options
from tests.histories import History, fact_at
from tests.tellers import TELLERS, Teller
from tests.times import EPOCH_UTC_NS, MS, Told
from tests.tiny_pools import Key

POOL = (("payments", (25, 40)), ("fx_percentage", 40), ("funding", (2, 4)))
"""Enough payments that many accounts are asked for more than they have."""
PUT_OFF_NS = 200 * MS


@dataclass(frozen=True)
class Expected:
    """What the judge has to say of a defect."""

    finding: str
    invariant: str
    """The one whose finding is the cause."""
    settings: tuple[tuple[str, object], ...] = POOL
    special: bool = False
    rate: float = 0.1
    in_process: bool = True
    """Else it takes a process that is killed: the end-to-end tests show it."""
    told: str = ""
    """How the platform tells of its decisions, one of `tellers.TELLERS`; else it is asked."""

    def off(self) -> Expected:
        """Return the same run without the defect."""
        return replace(self, rate=0)


class Defective(History):
    """A run against the sandbox's platform, with one defect."""

    def __init__(self, path: Path, defect: str, expected: Expected, seed: int = 0) -> None:
        assert defect in DEFECTS
        self.defect = defect
        self.defects = Defects({defect: expected.rate}, seed)
        self._queue: list[tuple[int, int, str]] = []
        self._numbers = count()
        self._answers: dict[Key, str] = {}
        self.told: list[Told] = []
        self.faults: list[str] = []
        """What stopped the reading of events."""
        self.teller: Teller | None = None
        options = Options(
            seed=seed,
            accounts=8,
            special=expected.special,
            settings=expected.settings,
            channel=TELLERS[expected.told].channel if expected.told else Channel.HTTP,
        )
        self._told_by = TELLERS.get(expected.told)
        super().__init__(path, None, options)
        if self.teller is not None:
            self.teller.close()

    def _new_ledger(self, new_account_id: NewAccountId) -> Ledger:
        ledger = FaultyLedger(self.defects, lambda: self._now_ns, new_account_id)
        self.sandbox = FaultyPlatform(ledger, self.defects, self._enqueue)
        if self._told_by is not None:
            self.directory.path.mkdir()
            self.teller = self._told_by(self)
            self.sandbox.watch(self._tell)
        return ledger

    def _tell(self, decided: Decided) -> None:
        assert self.teller is not None
        self.teller.decided(decided, self._now_ns - EPOCH_UTC_NS)

    @property
    def struck(self) -> set[Key]:
        """The commands on which the defect took effect."""
        ids = self.defects.struck_by(self.defect)
        return {
            (shard.number, index)
            for shard in self.pool.shards()
            for index, one in enumerate(
                self.ids.command_ids(0, shard.number, list(range(len(shard))))
            )
            if one in ids
        }

    def overtaken(self) -> set[Key]:
        """The struck commands after which one was decided that was sent when they were answered."""
        found = set()
        for one in self.told:
            if one.key not in self.struck:
                continue
            mine = self.entry(one.key)
            assert mine is not None
            for other in self.told:
                entry = self.entry(other.key)
                if (
                    entry is not None
                    and entry.decision is not None
                    and mine.decision is not None
                    and entry.decision.account_seq is not None
                    and entry.account_id == mine.account_id
                    and entry.decision.decided_ns < mine.decision.decided_ns
                    and other.sent_ns > one.acknowledged_ns
                ):
                    found.add(one.key)
        return found

    def _enqueue(self, command_id: str) -> None:
        at_ns = self._now_ns - EPOCH_UTC_NS + PUT_OFF_NS
        at_ns = self._due_ns.pop(command_id, at_ns)
        heapq.heappush(self._queue, (at_ns, next(self._numbers), command_id))

    def _play(self, told: list[Told], bindings: list[LineLog]) -> None:
        """Let the platform receive and decide, each at its time, or as the platform puts it off."""
        self.told += told
        arriving = sorted(
            (one for one in told if self._reaches(one.key)), key=lambda one: one.received_ns
        )
        self._due_ns = {self._id_of(one.key): one.decided_ns for one in reversed(arriving)}
        for one in arriving:
            self._run_until(one.received_ns)
            self._now_ns = EPOCH_UTC_NS + one.received_ns
            self._accept(one, bindings)
        self._run_until(2**62)
        for one in told:
            entry = self.entry(one.key)
            if entry is not None and entry.decision is not None:
                decided_ns = entry.decision.decided_ns - EPOCH_UTC_NS
                one.completed_ns = max(one.completed_ns, decided_ns)
            is_seen = self.teller is None or Fact.COMPLETED in self._kinds_told(one)
            if one.phase == 0 and not (is_seen and entry is not None and entry.decision):
                # Whoever does not see an account's creation complete does nothing with it.
                del self._bound[one.key]

    def _kinds_told(self, one: Told) -> set[Fact]:
        assert self.teller is not None
        return {fact for _, fact, _, _ in self.teller.facts[one.key]}

    def _id_of(self, key: Key) -> str:
        return self.command_id(self.sent_as(key))

    def _run_until(self, at_ns: int) -> None:
        while self._queue and self._queue[0][0] <= at_ns:
            due_ns, _, command_id = heapq.heappop(self._queue)
            self._now_ns = EPOCH_UTC_NS + due_ns
            self.sandbox.decide(command_id)

    def _accept(self, one: Told, bindings: list[LineLog]) -> None:
        shard, index = key = self.sent_as(one.key)
        command = self.pool.shard(shard).command(index)
        correlation_id = ""
        if self.teller is not None:
            self.teller.expect(one)
            correlation_id = self.teller.correlation(one.key, one.phase).pack().hex()
        try:
            entry = self.sandbox.accept(
                read(self.platform, self._sending(command, key)), correlation_id
            )
        except Refusal as refusal:
            self._answers[one.key] = refusal.reason
            return
        if command.kind is Kind.ACCOUNT:
            account = shard, command.account.number
            self._bound[account] = entry.account_id
            bindings[shard].write({"place": (0, *account), "account_id": entry.account_id})

    def _answer(self, key: Key, fate: Fate | None) -> tuple[Acknowledged, str]:
        if key in self._answers:
            return Acknowledged.INVALID, self._answers[key]
        return super()._answer(key, fate)

    def _completions(self, one: Told) -> list:
        # Nobody asks how a command ended that was answered as invalid.
        if one.key in self._answers:
            return []
        return super()._completions(one) if self.teller is None else self._as_read(one)

    def _as_read(self, one: Told) -> list:
        """Return the facts that came of what the platform told."""
        assert self.teller is not None
        kind = Kind(int(self.pool.shard(one.key[0]).kind[one.key[1]]))
        if kind is Kind.OPENING_CREDIT and Fact.COMPLETED in self._kinds_told(one):
            self._opened.add(
                (one.key[0], self.pool.shard(one.key[0]).command(one.key[1]).account.number)
            )
        at = ((0, *one.key), 0, one.phase, self.options.channel)
        return [
            fact_at(max(at_ns, one.completed_ns), one.key, fact, at, code=code, reason=reason)
            for at_ns, fact, code, reason in self.teller.facts[one.key]
        ]

    def _as_told(self, entry: Entry) -> Entry:
        return self.sandbox.told(entry)

"""Whole run directories, made in process: no Locust, no HTTP, but the sandbox's own ledger.

A history sends a tiny pool as a correct tester would, through the platform adapter's bytes and the
sandbox's reader into a real ledger, and writes down what a run writes down. Fates make single
commands go wrong; the options of `History` spoil the evidence as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from e2e_data import manifest as manifests
from e2e_data.commands import Channel, Kind, Label, Outcome
from e2e_data.platform import Acknowledged
from e2e_data.sequence import interleave
from reports.classes import PRECEDENCE
from reports.evidence import RunEvidence
from reports.grants import Grant, GrantLog
from reports.journal import Fact, Journal
from reports.judgement import Class, Judgement
from reports.lines import LineLog
from reports.reconcile import judged_by, reconcile
from reports.rundir import PhaseRecord, RunDirectory, RunRecord
from reports.timeline import Event, Second
from sandbox.book import Entry
from tests.books import write_book
from tests.fated_platform import FatedPlatform
from tests.fates import NEVER_SENT, NO_ANSWER, UNOBSERVED, Fate, Options
from tests.times import DEADLINE_S, EPOCH_UTC_NS, MS, SECOND, Told
from tests.tiny_pools import Key

PHASES = (
    PhaseRecord(name="accounts", sends=(Kind.ACCOUNT,)),
    PhaseRecord(name="opening-credits", sends=(Kind.OPENING_CREDIT,)),
    PhaseRecord(name="payments", sends=(Kind.FUNDING, Kind.PAYMENT)),
)
WHY_NOT_COMPLETE = "the command that it repeats was not observed complete"


class History(FatedPlatform):
    """A run, simulated: `write` makes its directory, `judge` judges it."""

    def __init__(
        self, path: Path, fates: Mapping[Key, Fate] | None = None, options: Options | None = None
    ) -> None:
        # Before the platform, since one that tells what it decides writes it down there.
        self.directory = RunDirectory(path)
        super().__init__(dict(fates or {}), options or Options())
        self._random = Random(self.options.seed)
        self._opened: set[Key] = set()
        for place in ("pool", "journal", "bindings", "book"):
            (path / place).mkdir(parents=True)
        (directory := self.directory.pool / manifests.FILE_NAME).write_bytes(self._manifest)
        assert directory.is_file()
        self._write()

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
            write_book(self, self.directory)
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

    def _hold_back(self, told: list[Told]) -> None:
        """Move each replay that waits behind the completion of its original."""
        completed_ns = {one.key: one.completed_ns for one in told}
        for one in told:
            after_ns = completed_ns.get(self.sent_as(one.key), 0)
            if self.label(one.key) is Label.REPLAY and after_ns >= one.sent_ns:
                late_ns = after_ns + 1 - one.sent_ns
                for name in _TIMES:
                    setattr(one, name, getattr(one, name) + late_ns)

    def _keep_order(self, told: list[Told]) -> None:
        """Have the commands of each account decided in the order in which they are received."""
        latest_ns: dict[Key, int] = {}
        for one in sorted(told, key=lambda one: one.received_ns):
            account = one.key[0], int(self.pool.shard(one.key[0]).account_number[one.key[1]])
            one.decided_ns = max(one.decided_ns, latest_ns.get(account, 0) + 1)
            one.completed_ns = max(one.completed_ns, one.decided_ns)
            latest_ns[account] = one.decided_ns

    def _play(self, told: list[Told], bindings: list[LineLog]) -> None:
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

    def _times(self, key: Key, phase: int, intended_ns: int) -> Told:
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
        return Told(
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

    def _facts(self, one: Told, fate: Fate | None) -> list:
        place = (0, *one.key)
        at = (place, 0, one.phase, self.options.channel)
        if fate is Fate.UNGRANTED or fate is Fate.UNEXPECTED:
            return []
        if fate is Fate.BLOCKED:
            why = self._blocked(one.key) or "the account is set aside"
            return [fact_at(one.sent_ns, one.key, Fact.BLOCKED, at, reason=why)]
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
            facts.append(fact_at(one.acknowledged_ns, one.key, Fact.UNANSWERED, at, reason=why))
        elif fate is Fate.NOT_SENT:
            why = "connection refused"
            facts.append(fact_at(one.acknowledged_ns, one.key, Fact.NOT_SENT, at, reason=why))
        else:
            code, why = self._answer(one.key, fate)
            facts.append(
                fact_at(one.acknowledged_ns, one.key, Fact.ACKNOWLEDGED, at, code=code, reason=why)
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

    def _completions(self, one: Told) -> list:
        fate = self.fates.get(one.key)
        entry = self.entry(one.key)
        at = ((0, *one.key), 0, one.phase, self.options.channel)
        if not self._is_understood(one.key) and self.options.channel is Channel.KAFKA:
            put_aside = fact_at(
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
            fact_at(
                one.completed_ns, one.key, Fact.COMPLETED, at, code=outcome,
                reason=str(entry.decision.reason or ""),
                flags=self._flags.get(entry.command.command_id, ()),
            )
        ]  # fmt: skip
        if fate is Fate.TWO_OUTCOMES:
            other = (Outcome.SETTLED | Outcome.REJECTED) & ~outcome
            facts.append(fact_at(one.completed_ns + 1, one.key, Fact.COMPLETED, at, code=other))
        kind = Kind(int(self.pool.shard(shard).kind[index]))
        if kind is Kind.OPENING_CREDIT and outcome is Outcome.SETTLED:
            self._opened.add((shard, int(self.pool.shard(shard).account_number[index])))
        return facts

    def _as_told(self, entry: Entry) -> Entry:
        """Return how the platform tells that a command stands."""
        return entry

    # -- what is left ---------------------------------------------------------------------------

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


def _splits(draw: Random, most_ns: int) -> list[int]:
    return [draw.randint(0, most_ns) for _ in range(4)]


_TIMES = ("intended_ns", "free_ns", "sent_ns", "received_ns", "acknowledged_ns", "decided_ns",
          "completed_ns")  # fmt: skip


def fact_at(at_ns: int, key: Key, fact: Fact, at: tuple, **more: object):
    return (at_ns, key, lambda journal: journal.add(fact, *at, at_ns=at_ns, **more))

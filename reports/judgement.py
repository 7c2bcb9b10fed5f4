"""What the judge says of a run: classes, checks with findings, SLOs, fitness, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from e2e_data.exits import Exit
from reports.fault_row import FaultRow
from reports.slos import Latency


class Status(StrEnum):
    """The answer of a check. Unknown is not violated, and missing is not passed."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    NOT_ASKED = "not asked"
    """The platform's adapter declares that it cannot provide what the check needs."""


class Class(StrEnum):
    """What became of a command: every command of the pool ends in exactly one."""

    SETTLED = "settled"
    SETTLED_LATE = "settled late"
    REJECTED = "rejected"
    REJECTED_LATE = "rejected late"
    INVALID = "answered as invalid"
    DEAD_LETTERED = "dead-lettered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    RECOVERED = "recovered"
    LOST = "lost in the platform"
    LOST_BEFORE = "lost before the platform"
    LOST_AFTER = "lost after the platform"
    UNEXPECTED = "unexpected"
    DUPLICATED = "duplicated"
    WRONG_OUTCOME = "wrong outcome"
    WRONG_AMOUNT = "wrong amount"
    PENDING = "pending"
    BLOCKED = "not sent: blocked"
    DROPPED = "not sent: arrival dropped"
    NOT_SENT = "not sent: phase ended"


@dataclass(frozen=True, slots=True)
class Case:
    """One command as evidence. Times are nanoseconds since the run's epoch; None: never seen."""

    command_id: str
    shard: int
    index: int
    kind: str
    account_id: str
    channel: str
    phase: str
    intended_ns: int | None
    sent_ns: int | None
    acknowledged_ns: int | None
    completed_ns: int | None
    text: str
    """What is wrong with it, with the values."""
    label: str = ""
    """What is particular about it, such as "unknown account"; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind of fault, how often it was found, and the cases to look at."""

    name: str
    count: int
    first: Case
    worst: Case
    last: Case
    consequence_of: str = ""
    """The finding that explains this one; empty where it is a cause of its own."""


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant and whether it holds."""

    invariant: str
    """Its number in docs/contract.md, such as "4a"."""
    title: str
    status: Status
    examined: int
    """How many commands or accounts were looked at."""
    findings: tuple[Finding, ...] = ()
    note: str = ""
    """Why a status is UNKNOWN or NOT_ASKED, or what was not looked at."""


@dataclass(frozen=True, slots=True)
class SloResult:
    """An SLO and whether it was met; unknown counts as missed."""

    title: str
    status: Status
    measured: float | None
    samples: int
    note: str = ""
    unit: str = "ms"
    """Of what was measured: "ms", "%" or "/s"."""


@dataclass(frozen=True, slots=True)
class FitnessResult:
    """Whether the load generator was fit to judge; anything but HOLDS is unfit."""

    title: str
    status: Status
    note: str


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """The percentiles of one latency, in milliseconds, over a phase, channel and kind.

    A percentile is None where the count of samples cannot support it; `censored` commands have no
    end, so that percentiles beyond their share read as more than the largest sample.
    """

    latency: Latency
    phase: str
    channel: str
    kind: str
    count: int
    censored: int
    percentiles_ms: dict[str, float | None]
    """"p50", "p90", "p95", "p99", "p99.9", "p99.99" and "max"."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """How the commands with one label fared.

    The percentiles of their responses are None where the samples cannot support them.
    """

    label: str
    commands: int
    classes: dict[str, int]
    """Class -> count, of the classes that occur; they add up to the commands."""
    responses: int
    response_p50_ms: float | None
    response_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class PatternRow:
    """How well the platform's flags tell one behaviour, over the payments that were completed.

    A payment with the behaviour's label is detected by its flag; on any other that is a false alarm.
    """

    label: str
    labelled: int
    detected: int
    others: int
    false_alarms: int


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """Commands that a customer calls an error, of one class, place and reason."""

    name: Class | None
    """None for what is left of those that were too many to be told apart."""
    phase: str
    """Empty where it was never sent; so is the channel."""
    channel: str
    kind: str
    reason: str
    """What was seen or said; empty where nothing was."""
    count: int


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """Rejections of one reason, and for how many of them there was no other correct outcome."""

    reason: str
    """Empty where none was given."""
    count: int
    expected: int


@dataclass(frozen=True, slots=True)
class BandRow:
    """Payments of one band of amounts; what is neither settled nor rejected has no known end."""

    band: str
    payments: int
    settled: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run cost by its plan's prices, in the currency that these are in."""

    whole: float
    per_million_payments: float | None
    """None where no payment was settled."""


@dataclass(frozen=True, slots=True)
class RegionRow:
    """What of the pool belongs to one region, and how it went there."""

    region: str
    accounts: int
    payments: int
    settled: int
    sent: int
    rate_per_s: float | None
    error_percent: float | None
    """Of what was sent, or could not be, without a right outcome."""
    response_p50_ms: float | None
    response_p99_ms: float | None
    completion_p99_ms: float | None
    to_other_region: int
    """Payments whose beneficiary is in another region than the account."""
    to_other_completion_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """How a phase went."""

    name: str
    began_ns: int
    ended_ns: int | None
    sent: int
    rate_per_s: float
    """Commands sent per second, from when the first was intended to when the last was sent."""
    intended_per_s: float
    note: str = ""
    """Why it ended, where it was not because it was drained."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """How a worker of a fleet fared, by what it last told its master.

    The percentiles are None where it reported nothing that was answered.
    """

    worker: str
    answered: int
    response_p50_ms: float | None
    response_p99_ms: float | None
    journal_complete: bool
    """Whether its journal was closed, and all of it is there."""
    note: str = ""
    """When it was lost, replaced and back; empty where nothing happened to it."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """How one step of a search went."""

    phase: str
    rate_per_s: int
    began_ns: int
    sent: int
    answered_per_s: float | None
    response_p99_ms: float | None
    """None where there were too few answers."""
    missed: str
    """What did not hold; empty where everything did."""


@dataclass(frozen=True, slots=True)
class SearchRow:
    """What a search has found."""

    phase: str
    first_per_s: int
    """The rate that it began with."""
    highest_per_s: int | None
    """The highest rate at which everything held; None where none did."""
    too_high_per_s: int | None
    """The lowest rate that was too high; None where none was."""
    held: int
    """In so many of its `tries` the highest rate held."""
    tries: int
    confidence_percent: float | None
    """How sure it is that the highest rate holds more often than not."""
    missed: str
    """What did not hold at the rate that was too high."""
    steps: tuple[StepRow, ...]
    """In their order."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything the judge found, as it stands in summary.json."""

    run_id: str
    plan_name: str
    exit: Exit
    verdict: str
    """One line: right or not, fast enough or not, and why."""
    reasons: tuple[str, ...]
    """The causes of an exit that is not good, the most important first."""
    commands: int
    """Commands in the pool; the classes add up to it."""
    classes: dict[str, dict[str, int]]
    """Class -> kind -> count."""
    surely_not_sent: int
    perhaps_sent: int
    """Granted, but the journal does not say: a process died before it could write."""
    journaled: int
    foreign: int
    """Commands in the book with ids that are not this run's."""
    checks: tuple[Check, ...]
    slos: tuple[SloResult, ...]
    fitness: tuple[FitnessResult, ...]
    latencies: tuple[LatencyRow, ...]
    phases: tuple[PhaseRow, ...]
    settled_minor: dict[str, int]
    """Currency -> money that settled payments moved, in minor units."""
    expected_rejections: int
    """Rejections among the outcomes that were the only correct one: successes."""
    labels: tuple[LabelRow, ...] = ()
    """Empty where the pool labels nothing."""
    flagged: int = 0
    """Completions that carried flags."""
    patterns: tuple[PatternRow, ...] = ()
    """Empty where no flags were given, or the pool has no patterns."""
    regions: tuple[RegionRow, ...] = ()
    workers: tuple[WorkerRow, ...] = ()
    """Empty where one process sent by itself."""
    searches: tuple[SearchRow, ...] = ()
    errors: tuple[ErrorRow, ...] = ()
    """The most frequent first."""
    rejections: tuple[RejectionRow, ...] = ()
    """The most frequent first; they add up to all commands with the outcome rejected."""
    bands: tuple[BandRow, ...] = ()
    cost: Cost | None = None
    """None where the plan sets no prices."""
    retried: int = 0
    """Attempts that were made again by the tester, under the same command id."""
    faults: tuple[FaultRow, ...] = ()
    """Empty where the plan has none."""
    facts: dict[str, str] = field(default_factory=dict)
    """Versions, host, seed, nonce and the like: what it takes to reproduce the run."""

    def class_total(self, name: Class) -> int:
        """Return how many commands are of the class `name`."""
        return sum(self.classes.get(name, {}).values())

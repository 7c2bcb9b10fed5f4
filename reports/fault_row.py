"""A fault's row in the report: what it did, as it stands in summary.json."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What a fault did that the plan brought about. Times are ns since the run's epoch."""

    title: str
    phase: str
    channel: str
    """The one that it was on; empty where it was on all."""
    began_ns: int
    ended_ns: int
    noticed_ms: float | None
    """From its beginning until it showed; None where it never did."""
    recovered_ms: float | None
    """From its end until it was as before; None where that was not seen."""
    disturbed_ms: float
    """From its end until the last disturbance that was seen; it did not recover before."""
    answered_percent: float | None
    """Of what was answered before in as long a time; None where too little was."""
    response_p99_before_ms: float | None
    response_p99_during_ms: float | None
    completed_during: int
    completed_after: int
    during: dict[str, int]
    """Incident -> how many attempts had it while the fault was there."""
    after: dict[str, int]
    """The same from its end until the next fault, or its phase's end."""
    cascades: tuple[str, ...]
    """Other channels that were disturbed meanwhile."""
    shut_ms: float = 0.0
    """Since it began: how long nothing was taken, and that was answered, as where a circuit is open."""
    by_second: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """Incident -> the seconds since it began that had any, since the run's epoch, each with how many."""

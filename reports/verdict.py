"""Fitness, and the verdict: what a run's checks add up to."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

from e2e_data.exits import Exit, worst
from reports.growth import growth
from reports.judgement import Check, FitnessResult, SloResult, Status
from reports.latencies import Latencies
from reports.slos import Fitness
from reports.timeline import Second


@dataclass(frozen=True, slots=True)
class Losses:
    """What the load generator lost of itself."""

    crashed: tuple[str, ...] = ()
    """Processes whose journals are missing or cut off."""
    lost: tuple[str, ...] = ()
    """What the timeline says of workers that were given up, whether they came back or not."""
    resumed: int = 0
    """How often another master took over."""
    unseen: int = 0
    """Commands that were perhaps sent, and of which no journal tells."""


def judge_fitness(
    rule: Fitness,
    latencies: Latencies,
    losses: Losses,
    seconds: Sequence[Second],
    without: Collection[int] = (),
) -> Iterator[FitnessResult]:
    """Tell whether the load generator was fit to judge: its lag, its load, its losses, its evidence.

    A platform that keeps all users waiting is not its fault: that is queueing. Phases that search go
    as far as the generator can, and are judged step by step: their lag is left out (`without`).
    """
    title = f"lag p{rule.lag_percentile:g} below {rule.lag_below_ms:g} ms"
    lag = latencies.over("lag", without=without)
    if lag is None:
        yield FitnessResult(title, Status.UNKNOWN, "nothing was sent")
    else:
        count = lag.histogram.count
        # Not left out for want of samples: of few commands, the slowest has to be in time.
        rank = max(1, math.ceil(round(rule.lag_percentile * count / 100, 9)))
        measured = lag.histogram.at_rank(rank) / 1e6
        status = Status.HOLDS if measured < rule.lag_below_ms else Status.VIOLATED
        yield FitnessResult(title, status, f"{measured:.2f} ms over {count} commands")
    yield from _judge_load(rule, seconds)
    if rule.memory_growth_below_percent is not None:
        yield _judge_growth(rule.memory_growth_below_percent, seconds)
    yield _judge_losses(rule, lag.histogram.count if lag else 0, losses)
    yield FitnessResult(
        "the generator's own evidence is there",
        Status.HOLDS if seconds else Status.UNKNOWN,
        "the timeline was written" if seconds else "the timeline is missing",
    )


def _judge_growth(below_percent: float, seconds: Sequence[Second]) -> FitnessResult:
    """Judge whether memory leaks: even at the upper end of its slope's confidence it may not grow more."""
    title = f"memory grows by less than {below_percent:g} %"
    sending = [row for row in seconds if row.phase and row.memory_mb]
    found = growth([row.at_ns / 1e9 for row in sending], [row.memory_mb for row in sending])
    if found is None:
        return FitnessResult(title, Status.UNKNOWN, f"{len(sending)} seconds say too little")
    return FitnessResult(title, found.below(below_percent), found.told("MB"))


def _judge_losses(rule: Fitness, sent: int, losses: Losses) -> FitnessResult:
    notes = [f"died: {', '.join(losses.crashed)}"] if losses.crashed else []
    notes += [f"lost: {'; '.join(losses.lost)}"] if losses.lost else []
    notes += [f"another master took over {losses.resumed} times"] if losses.resumed else []
    if losses.unseen:
        notes.append(f"latency covers {sent} of {sent + losses.unseen} commands")
    title = "no process of the generator died"
    if not notes:
        return FitnessResult(title, Status.HOLDS, "every journal was closed in good order")
    if rule.may_lose_workers:
        return FitnessResult(title, Status.HOLDS, f"{'; '.join(notes)}; the plan allows it")
    return FitnessResult(title, Status.VIOLATED, "; ".join(notes))


def _judge_load(rule: Fitness, seconds: Sequence[Second]) -> Iterator[FitnessResult]:
    """Judge how busy the generator was, by the median of the seconds in which it sent."""
    sending = [row for row in seconds if row.phase] or seconds
    if not sending:
        return
    loop_ms = median_low(row.loop_lag_ms for row in sending)
    cpu = median_low(row.cpu_percent for row in sending)
    for title, measured, most, unit in (
        ("event-loop lag", loop_ms, rule.loop_lag_below_ms, "ms"),
        ("CPU of one core", cpu, rule.cpu_below_percent, "%"),
    ):
        yield FitnessResult(
            f"{title} below {most:g} {unit} in the median second",
            Status.HOLDS if measured < most else Status.VIOLATED,
            f"{measured:.1f} {unit} over {len(sending)} seconds",
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The line to read first, what to exit with, and why."""

    exit: Exit
    line: str
    reasons: tuple[str, ...]


def conclude(
    checks: Sequence[Check], slos: Sequence[SloResult], fitness: Sequence[FitnessResult], state: str
) -> Verdict:
    """Add up what was checked, the most important first."""
    exits: list[Exit] = []
    reasons: list[str] = []
    for check in checks:
        if check.status in (Status.VIOLATED, Status.UNKNOWN):
            exits.append(Exit.NOT_RIGHT)
            reasons.append(f"invariant {check.invariant} {check.status}: {_cause(check)}")
    for rule in fitness:
        if rule.status is not Status.HOLDS:
            exits.append(Exit.UNFIT)
            reasons.append(f"generator: {rule.title}: {rule.note}")
    for slo in slos:
        if slo.status is not Status.HOLDS:
            exits.append(Exit.SLOW)
            told = "unknown" if slo.measured is None else f"{slo.measured:.1f} {slo.unit}"
            reasons.append(f"SLO missed: {slo.title}: {slo.note or told}")
    code = worst(exits)
    not_asked = [check.invariant for check in checks if check.status is Status.NOT_ASKED]
    line = _not_right(checks) if code is Exit.NOT_RIGHT else _LINES[code]
    line += _shown(not_asked) if code is Exit.GOOD else ""
    if not_asked:
        line += f" (not asked: invariants {', '.join(not_asked)})"
    if state != "ended":
        line += f" - the run was {'cut off' if state == 'running' else state}"
    if state == "interrupted":
        code = worst((code, Exit.INTERRUPTED))
    return Verdict(code, line, tuple(reasons))


_LINES = {
    Exit.GOOD: "RIGHT, and as fast as asked",
    Exit.SLOW: "RIGHT, but too slow: an SLO was missed",
    Exit.UNFIT: "NO JUDGEMENT: the load generator was not fit to judge",
}

_CLAIMS = {"1": "nothing lost", "2": "nothing twice", "4a": "every cent accounted for"}
"""What each of these invariants shows, in the words of the verdict."""


def _shown(not_asked: Collection[str]) -> str:
    """Say what was shown: nothing is claimed that was not asked."""
    claims = [claim for invariant, claim in _CLAIMS.items() if invariant not in not_asked]
    return f": {', '.join(claims)}" if claims else ""


def _not_right(checks: Sequence[Check]) -> str:
    violated = [check for check in checks if check.status is Status.VIOLATED]
    causes = [cause for check in violated for cause in _named(check, consequences=False)]
    if causes:
        return f"NOT RIGHT: {', '.join(causes)}"
    if violated:
        return "NOT RIGHT: an invariant is violated"
    return "NOT SHOWN TO BE RIGHT: evidence is missing"


def _cause(check: Check) -> str:
    named = _named(check, consequences=False) or _named(check, consequences=True)
    return ", ".join(named) or check.note


def _named(check: Check, *, consequences: bool) -> list[str]:
    return [
        f"{finding.name} ({finding.count})"
        for finding in check.findings
        if bool(finding.consequence_of) is consequences
    ]

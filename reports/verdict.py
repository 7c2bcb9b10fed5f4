"""SLOs, fitness, and the verdict: what a run's checks add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from e2e_data.exits import Exit, worst
from reports.judgement import Check, FitnessResult, SloResult, Status
from reports.latencies import milliseconds, percentile
from reports.rundir import PhaseRecord
from reports.slos import Fitness, Slo


def judge_slo(slo: Slo, frame: pd.DataFrame, phases: tuple[PhaseRecord, ...]) -> SloResult:
    """Measure an SLO. Without enough samples it is UNKNOWN, which counts as missed."""
    chosen = frame
    names = [phase.name for phase in phases]
    if slo.phase is not None and slo.phase not in names:
        note = f"there is no phase {slo.phase}, only {', '.join(names)}"
        return SloResult(slo.title, Status.UNKNOWN, None, 0, note)
    if slo.phase is not None and not chosen.empty:
        number = names.index(slo.phase)
        chosen = chosen[chosen["phase"] == number]
    if slo.kind is not None and not chosen.empty:
        chosen = chosen[chosen["kind"] == slo.kind]
    if chosen.empty:
        return SloResult(slo.title, Status.UNKNOWN, None, 0, "nothing was sent")
    took, censored = milliseconds(chosen, slo.latency)
    measured = percentile(np.sort(took.to_numpy()), censored, slo.percentile)
    if measured is not None:
        status = Status.HOLDS if measured < slo.below_ms else Status.VIOLATED
        return SloResult(slo.title, status, measured, len(took))
    if censored:
        note = f"{censored} commands had no end, so the percentile is more than was seen"
        return SloResult(slo.title, Status.VIOLATED, None, len(took), note)
    note = f"{len(took)} samples cannot show a p{slo.percentile:g}"
    return SloResult(slo.title, Status.UNKNOWN, None, len(took), note)


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
    rule: Fitness, frame: pd.DataFrame, losses: Losses, *, has_timeline: bool
) -> Iterator[FitnessResult]:
    """Tell whether the load generator was fit to judge: its own lag, its losses, its evidence."""
    title = f"lag p{rule.lag_percentile:g} below {rule.lag_below_ms:g} ms"
    if frame.empty:
        yield FitnessResult(title, Status.UNKNOWN, "nothing was sent")
    else:
        lag, _ = milliseconds(frame, "lag")
        measured = float(np.percentile(lag.to_numpy(), rule.lag_percentile, method="inverted_cdf"))
        status = Status.HOLDS if measured < rule.lag_below_ms else Status.VIOLATED
        yield FitnessResult(title, status, f"{measured:.2f} ms over {len(lag)} commands")
    yield _judge_losses(rule, len(frame), losses)
    yield FitnessResult(
        "the generator's own evidence is there",
        Status.HOLDS if has_timeline else Status.UNKNOWN,
        "the timeline was written" if has_timeline else "the timeline is missing",
    )


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
            measured = "unknown" if slo.measured_ms is None else f"{slo.measured_ms:.1f} ms"
            reasons.append(f"SLO missed: {slo.title}: {slo.note or measured}")
    code = worst(exits)
    line = _not_right(checks) if code is Exit.NOT_RIGHT else _LINES[code]
    not_asked = [check.invariant for check in checks if check.status is Status.NOT_ASKED]
    if not_asked:
        line += f" (not asked: invariants {', '.join(not_asked)})"
    if state != "ended":
        line += f" - the run was {'cut off' if state == 'running' else state}"
    if state == "interrupted":
        code = worst((code, Exit.INTERRUPTED))
    return Verdict(code, line, tuple(reasons))


_LINES = {
    Exit.GOOD: "RIGHT, and as fast as asked: nothing lost, nothing twice, every cent accounted for",
    Exit.SLOW: "RIGHT, but too slow: an SLO was missed",
    Exit.UNFIT: "NO JUDGEMENT: the load generator was not fit to judge",
}


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

"""What changed since the run before: pure, of two judgements side by side.

A finding is a fact about its own run. A figure is not: runs of one platform differ from each other by
more than the seconds within one would let one believe, so that nothing here calls a run faster or slower.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import pandas as pd

from reports.answers import Answer, Tone, headline
from reports.judgement import Check, Finding, Judgement, LatencyRow, Status
from reports.latencies import WAITED_FOR
from reports.likeness import differing
from reports.previous import ALL, LookedBack, Told
from reports.quantities import NOTHING, count, counted, measured, significant
from reports.slos import Latency
from reports.tables import percentile, share, text_frame

QUESTION = "What changed since last time?"
PERCENTILES = ("p50", "p95", "p99")
PASSED_MAX = 3
"""Runs that were passed over and are named."""
ROWS_MAX = 40
"""Rows of a table: whatever another run's files hold must not bury this one's report."""
THEN_NOW = ("Last time", "This time")
BEFORE_NOW = ("Before", "Now", "Change")
NEW, STILL, GONE, NOT_KNOWN = "new", "still there", "gone", "not known"
FOUND_TONES: dict[str, Tone] = {NEW: "bad", STILL: "bad", GONE: "good", NOT_KNOWN: "warn"}
"""What became of a finding. What nobody looked for again is not gone."""
DECIDED = (Status.HOLDS, Status.VIOLATED)
KeyT = TypeVar("KeyT")
Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """What changed since last time, as a report shows it; without an earlier run only its `answer`."""

    answer: Answer
    passed_over: tuple[str, ...] = ()
    caveat: str = ""
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    """Each with its caption, and with at least one row."""
    settings: tuple[str, ...] = ()
    """What surrounded the runs and differs."""


NO_EARLIER = Since(
    Answer(
        QUESTION,
        "No earlier run",
        "none",
        "There is no earlier run of the same plan and pool beside this one.",
    )
)


def since(looked: LookedBack) -> Since:
    """Set a run beside the one before it."""
    if looked.then is None:
        return replace(NO_EARLIER, passed_over=_passed_over(looked.passed_over))
    then, now = looked.then, looked.now
    both = (then.judgement, now.judgement)
    found = _findings(*both)
    named = (
        ("The runs", _overview(then, now)),
        ("Findings", found),
        ("Checks with another answer, and every objective", _checks(*both)),
        ("Commands sent per second", _rates(*both)),
        ("Latencies in milliseconds, last time → this time", _latencies(then, now)),
        ("Commands by class", _classes(*both)),
        ("Errors", _errors(*both)),
    )
    return Since(
        answer=_answer(then, now, found),
        passed_over=_passed_over(looked.passed_over),
        caveat=_caveat(then, now),
        tables=tuple((caption, _at_most(frame)) for caption, frame in named if len(frame)),
        settings=tuple(
            f"{name}: {was} last time, {is_now} this time"
            for name, was, is_now in differing(then.surroundings, now.surroundings)
        ),
    )


def _answer(then: Told, now: Told, found: pd.DataFrame) -> Answer:
    """Say what came of both runs, and which findings came and went."""
    (was, _), (is_now, tone) = headline(then.judgement), headline(now.judgement)
    many = {name: int((found["Status"] == name).sum()) for name in FOUND_TONES}
    told = ", ".join(f"{count(number)} {name}" for name, number in many.items() if number)
    text = f"Last time ({_moment(then)}): {was}. This time: {is_now}. "
    text += f"Findings: {told}." if told else "Neither run has a finding."
    if many[NEW]:
        return Answer(QUESTION, "New faults", "bad", text)
    if then.judgement.exit != now.judgement.exit:
        return Answer(QUESTION, "Another verdict", tone, text)
    if many[GONE]:
        return Answer(QUESTION, "Faults are gone", tone, text)
    return Answer(QUESTION, "The same verdict", "none", text)


def _at_most(frame: pd.DataFrame) -> pd.DataFrame:
    """Cut a table, and say in its last row how many rows were cut."""
    more = len(frame) - ROWS_MAX
    if more <= 0:
        return frame
    cut = frame.iloc[:ROWS_MAX].copy()
    cut.loc[len(cut)] = [f"{counted(more, 'row')} more", *("" for _ in frame.columns[1:])]
    return cut


def _passed_over(names: tuple[str, ...]) -> tuple[str, ...]:
    more = len(names) - PASSED_MAX
    shown = names[:PASSED_MAX]
    return (*shown, f"and {counted(more, 'earlier run')} more") if more > 0 else shown


def _caveat(then: Told, now: Told) -> str:
    """Say what one earlier run is worth, and what it takes for a claim."""
    unfit = [
        name
        for name, run in (("last", then), ("this", now))
        if any(rule.status is not Status.HOLDS for rule in run.judgement.fitness)
    ]
    told = (
        "One earlier run proves no difference in speed: runs of the same platform differ from each other "
        "by more than the seconds within a run do. For a claim, set at least three baseline runs against "
        "it: paystorm compare BASE… -- RUN."
    )
    if unfit:
        told += (
            f" The load generator was not shown to be fit {' and '.join(unfit)} time: its figures do "
            "not count."
        )
    return told


def _overview(then: Told, now: Told) -> pd.DataFrame:
    """Return What, Last time, This time: which runs these are, and what came of them."""

    def errors(run: Told) -> str:
        many = sum(row.count for row in run.judgement.errors)
        return f"{count(many)} ({share(many, run.judgement.journaled)})"

    asked: dict[str, Callable[[Told], str]] = {
        "Run": lambda run: run.name,
        "Began": _moment,
        "Outcome": lambda run: (
            f"{headline(run.judgement)[0]} (exit code {int(run.judgement.exit)})"
        ),
        "Verdict": lambda run: run.judgement.verdict,
        "Commands sent": lambda run: count(run.judgement.journaled),
        "Errors": errors,
    }
    rows = ((what, tell(then), tell(now)) for what, tell in asked.items())
    return text_frame(rows, ("What", *THEN_NOW))


def _moment(run: Told) -> str:
    began = datetime.fromtimestamp(run.began_utc_ns // 10**9, UTC)
    return f"{began:%Y-%m-%d %H:%M:%S} UTC"


def _findings(then: Judgement, now: Judgement) -> pd.DataFrame:
    """Return Status, Finding, Last time, This time; what nobody looked for is not gone."""
    before, after = _found(then), _found(now)
    rows = []
    for invariant, name in _keys(before, after):
        cells = (
            _cases(before.get((invariant, name)), invariant, then),
            _cases(after.get((invariant, name)), invariant, now),
        )
        if (invariant, name) in after:
            status = STILL if (invariant, name) in before else NEW
        else:
            status = GONE if cells[1] == NOTHING else NOT_KNOWN
        rows.append((status, f"{name} (invariant {invariant})", *cells))
    return text_frame(rows, ("Status", "Finding", *THEN_NOW))


def _found(judgement: Judgement) -> dict[tuple[str, str], Finding]:
    return {
        (check.invariant, finding.name): finding
        for check in judgement.checks
        for finding in check.findings
    }


def _cases(finding: Finding | None, invariant: str, judgement: Judgement) -> str:
    if finding is not None:
        return counted(finding.count, "case")
    decided = any(
        check.invariant == invariant and check.status in DECIDED for check in judgement.checks
    )
    return NOTHING if decided else "not shown"


def _checks(then: Judgement, now: Judgement) -> pd.DataFrame:
    """Return Check, Last time, This time: invariants and fitness that differ, and all objectives."""
    rows = [
        (what, was, is_now)
        for what, was, is_now in _side_by_side(_statuses(then), _statuses(now), "not checked")
        if was != is_now
    ]
    rows += _side_by_side(_objectives(then), _objectives(now), "not asked")
    return text_frame(rows, ("Check", *THEN_NOW))


def _statuses(judgement: Judgement) -> dict[str, str]:
    return {
        **{_title(check): check.status.value for check in judgement.checks},
        **{rule.title: rule.status.value for rule in judgement.fitness},
    }


def _title(check: Check) -> str:
    return f"{check.invariant}. {check.title}"


def _objectives(judgement: Judgement) -> dict[str, str]:
    return {
        slo.title: slo.status.value
        if slo.measured is None
        else f"{slo.status.value} ({measured(slo.measured, slo.unit)})"
        for slo in judgement.slos
    }


def _rates(then: Judgement, now: Judgement) -> pd.DataFrame:
    """Return Phase, Before, Now, Change."""
    was, is_now = ({row.name: row.rate_per_s for row in told.phases} for told in (then, now))
    rows = (
        (
            phase,
            significant(was.get(phase)),
            significant(is_now.get(phase)),
            _ratio(was.get(phase), is_now.get(phase)),
        )
        for phase in _keys(was, is_now)
    )
    return text_frame(rows, ("Phase", *BEFORE_NOW))


def _latencies(then: Told, now: Told) -> pd.DataFrame:
    """Return Latency, Phase, Channel, Kind, percentiles of both in ms, and the change of the last.

    A phase of several channels or kinds has a row for all of them first, where both runs tell it.
    """
    was, is_now = map(_by_place, (then, now))
    rows = []
    for key in sorted(_keys(was, is_now), key=lambda key: WAITED_FOR.index(key[0])):
        both = [told.get(key) for told in (was, is_now)]
        if ALL in key and None in both:
            continue
        cells = [
            _from_to(*(NOTHING if row is None else percentile(row, name) for row in both))
            for name in PERCENTILES
        ]
        ends = [
            row and not row.censored and row.percentiles_ms.get(PERCENTILES[-1]) for row in both
        ]
        rows.append((*key, *cells, _ratio(*(end or None for end in ends))))
    return text_frame(rows, ("Latency", "Phase", "Channel", "Kind", *PERCENTILES, "Change of p99"))


def _by_place(run: Told) -> dict[tuple[Latency, str, str, str], LatencyRow]:
    """Return the rows of what customers wait for, phase by phase."""
    parts = [row for row in run.judgement.latencies if row.latency in WAITED_FOR]
    many = Counter((row.latency, row.phase) for row in parts)
    whole = [row for row in run.whole if many[row.latency, row.phase] > 1]
    order = {name: number for number, name in enumerate(dict.fromkeys(row.phase for row in parts))}
    rows = sorted([*whole, *parts], key=lambda row: order[row.phase])
    return {(row.latency, row.phase, row.channel, row.kind): row for row in rows}


def _from_to(was: str, is_now: str) -> str:
    return NOTHING if was == is_now == NOTHING else f"{was} → {is_now}"


def _classes(then: Judgement, now: Judgement) -> pd.DataFrame:
    """Return Class, Before, Now, Change, of the classes that anything belongs to."""

    def counts(told: Judgement) -> dict[Cells, int]:
        return {(str(name),): sum(kinds.values()) for name, kinds in told.classes.items() if kinds}

    return _counts(counts(then), counts(now), ("Class",))


def _errors(then: Judgement, now: Judgement) -> pd.DataFrame:
    """Return Class, Phase, Channel, Kind, Reason, Before, Now, Change, of the errors of either run."""

    def counts(told: Judgement) -> dict[Cells, int]:
        return {
            (str(row.name or NOTHING), row.phase, row.channel, row.kind, row.reason): row.count
            for row in told.errors
        }

    return _counts(counts(then), counts(now), ("Class", "Phase", "Channel", "Kind", "Reason"))


def _counts(was: Mapping[Cells, int], is_now: Mapping[Cells, int], names: Cells) -> pd.DataFrame:
    rows = []
    for key in _keys(was, is_now):
        before, after = was.get(key, 0), is_now.get(key, 0)
        first, *rest = key
        change = f"{after - before:+,}" if after != before else "0"
        cells = (count(before), count(after), change)
        rows.append((first.capitalize(), *(cell or NOTHING for cell in rest), *cells))
    return text_frame(rows, (*names, *BEFORE_NOW))


def _side_by_side(
    was: Mapping[str, str], is_now: Mapping[str, str], missing: str
) -> Iterator[tuple[str, str, str]]:
    for what in _keys(was, is_now):
        yield what, was.get(what, missing), is_now.get(what, missing)


def _keys(was: Iterable[KeyT], is_now: Iterable[KeyT]) -> list[KeyT]:
    """Return the keys of both, each once: those of this time first, in their own order."""
    return list(dict.fromkeys([*is_now, *was]))


def _ratio(was: float | None, is_now: float | None) -> str:
    """Return a change in percent; "—" where there is nothing to take it of."""
    if was is None or is_now is None or not was > 0 or not math.isfinite(is_now / was):
        return NOTHING
    change = 100 * (is_now / was - 1)
    return f"{change:+.1f} %" if round(change, 1) else "0 %"

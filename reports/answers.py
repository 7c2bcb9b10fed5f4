"""The three answers that a report opens with: was it right, fast enough, and what limited it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from e2e_data.exits import Exit
from reports.judgement import Check, FitnessResult, Judgement, SearchRow, SloResult, Status
from reports.quantities import count, counted
from reports.timeline import Second

HELD_UP_SHARE = 0.01
"""Fewer late arrivals than this share of all say nothing about a limit."""
NAMED_MAX = 3
"""Checks that an answer names: the tables have them all."""

Tone = Literal["good", "bad", "warn", "none"]
ResultT = TypeVar("ResultT", Check, SloResult, FitnessResult)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in one or two words, how it should feel, and the sentence behind it."""

    question: str
    word: str
    tone: Tone
    text: str


STATUS_TONES: dict[Status, Tone] = {
    Status.HOLDS: "good",
    Status.VIOLATED: "bad",
    Status.UNKNOWN: "warn",
    Status.NOT_ASKED: "none",
}

_EXIT_WORDS: dict[Exit, tuple[str, Tone]] = {
    Exit.GOOD: ("Good", "good"),
    Exit.WRONG_USE: ("Nothing was tested", "warn"),
    Exit.SLOW: ("Right, but too slow", "warn"),
    Exit.NOT_RIGHT: ("Not right", "bad"),
    Exit.UNFIT: ("The load generator was not fit to judge", "warn"),
    Exit.INTERRUPTED: ("Interrupted", "warn"),
}


def headline(judgement: Judgement) -> tuple[str, Tone]:
    """Return what the exit code means in a few words, and its tone.

    Not right for want of evidence is told apart from shown to be wrong.
    """
    found_wrong = any(check.status is Status.VIOLATED for check in judgement.checks)
    if judgement.exit is Exit.NOT_RIGHT and not found_wrong:
        return "Not shown to be right", "warn"
    return _EXIT_WORDS[judgement.exit]


def right(judgement: Judgement) -> Answer:
    """Say whether the invariants hold."""
    question = "Was it right?"
    total = counted(len(judgement.checks), "invariant")
    violated = _having(judgement.checks, Status.VIOLATED)
    unknown = _having(judgement.checks, Status.UNKNOWN)
    if violated:
        text = f"{_part(len(violated), total)} violated: {_named(violated)}."
        if unknown:
            text += f" {count(len(unknown))} more could not be shown."
        return Answer(question, "No", "bad", text)
    if unknown:
        text = f"No violation was found, but {len(unknown)} of {total} could not be shown: "
        return Answer(question, "Not shown", "warn", f"{text}{_named(unknown)}.")
    holding = _having(judgement.checks, Status.HOLDS)
    if not holding:
        return Answer(question, "Not shown", "warn", "No invariant was checked.")
    not_asked = len(judgement.checks) - len(holding)
    text = f"{_all(len(holding), 'invariant')} checked {'hold' if len(holding) > 1 else 'holds'}"
    text += f"; {not_asked} could not be asked of this platform." if not_asked else "."
    return Answer(question, "Yes", "good", text)


def fast(judgement: Judgement) -> Answer:
    """Say whether the SLOs were met; one without a measurement counts as missed."""
    question = "Was it fast enough?"
    asked = [slo for slo in judgement.slos if slo.status is not Status.NOT_ASKED]
    if not asked:
        return Answer(question, "Not asked", "none", "The plan sets no SLO for this run.")
    total = counted(len(asked), "SLO")
    unfit = "" if _is_fit(judgement) else " (by a generator that was not shown to be fit)"
    missed = _having(asked, Status.VIOLATED)
    unknown = _having(asked, Status.UNKNOWN)
    if missed:
        text = f"{_part(len(missed), total)} missed{unfit}: {_named(missed)}."
        if unknown:
            text += f" {count(len(unknown))} more had no measurement, which counts as missed."
        return Answer(question, "No", "bad", text)
    if unknown:
        text = f"{len(unknown)} of {total} had no measurement, which counts as missed: "
        return Answer(question, "Not shown", "warn", f"{text}{_named(unknown)}.")
    text = f"{_all(len(asked), 'SLO')} {'were' if len(asked) > 1 else 'was'} met{unfit}."
    return Answer(question, "Yes", "warn" if unfit else "good", text)


def limits(judgement: Judgement, seconds: Sequence[Second]) -> Answer:
    """Say what held the run back: the generator, the platform (or too few users), or nothing seen.

    `seconds` is the timeline; its counts are cumulative, so that the last row has the totals.
    """
    question = "What limited it?"
    unfit = _having(judgement.fitness, Status.VIOLATED)
    if unfit:
        text = f"The load generator was not fit to judge: {_named(unfit)}."
        return Answer(question, "The generator", "bad", text)
    if not _is_fit(judgement):
        unknown = _having(judgement.fitness, Status.UNKNOWN)
        why = f": {_named(unknown)}" if unknown else ""
        text = f"The load generator was not shown to be fit{why}."
        return Answer(question, "Not known", "warn", text)
    if not seconds:
        text = "The load generator was fit; there is no timeline that says more."
        return Answer(question, "Not known", "none", text)
    late, dropped, due = seconds[-1].overdue, seconds[-1].dropped, seconds[-1].due
    if dropped or late > HELD_UP_SHARE * due:
        text = (
            f"The load generator was fit, but of {counted(due, 'arrival')} {count(late)} came due "
            f"while every user waited for the platform, and {count(dropped)} were given up: the "
            "platform, or the number of users, was the limit."
        )
        return Answer(question, "The platform, or too few users", "warn", text)
    if late:
        text = (
            f"The load generator was fit, and only {count(late)} of {counted(due, 'arrival')} came due "
            "while every user waited for the platform."
        )
        return Answer(question, "Hardly anything", "good", text)
    text = "The load generator was fit, and no arrival had to wait for a free user."
    return Answer(question, "Nothing seen", "good", text)


def found_by(search: SearchRow) -> str:
    """Say what a search has found: the highest rate that held, and the lowest that did not."""
    said = []
    if search.highest_per_s is not None:
        said.append(
            f"{search.highest_per_s}/s held in {search.held} of {search.tries} tries "
            f"(confidence {search.confidence_percent:.0f} %)"
        )
    if search.too_high_per_s is not None:
        said.append(f"{search.too_high_per_s}/s did not: {search.missed}")
    elif said:
        said.append("no higher rate was tried")
    return "; ".join(said)


def without_findings(judgement: Judgement) -> str:
    """Say what it means that nothing was found: little, where not everything was looked at."""
    if right(judgement).word == "Yes":
        return "Nothing was found to be wrong."
    return "No fault was found, but what could not be checked may hide some."


def answers(judgement: Judgement, seconds: Sequence[Second]) -> tuple[Answer, Answer, Answer]:
    """Return the three answers in the order of a report."""
    return right(judgement), fast(judgement), limits(judgement, seconds)


def _is_fit(judgement: Judgement) -> bool:
    return bool(judgement.fitness) and all(
        rule.status is Status.HOLDS for rule in judgement.fitness
    )


def _having(results: Sequence[ResultT], status: Status) -> list[ResultT]:
    return [result for result in results if result.status is status]


def _named(results: Sequence[Check | SloResult | FitnessResult]) -> str:
    more = len(results) - NAMED_MAX
    titles = [f"“{result.title}”" for result in results[:NAMED_MAX]]
    return "; ".join([*titles, f"and {more} more"] if more > 0 else titles)


def _part(number: int, total: str) -> str:
    return f"{count(number)} of {total} {'is' if number == 1 else 'are'}"


def _all(number: int, noun: str) -> str:
    if number == 1:
        return f"The one {noun}"
    return f"Both {noun}s" if number == 2 else f"All {count(number)} {noun}s"

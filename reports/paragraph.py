"""The first paragraph of a report, in plain words for someone who was not there."""

from __future__ import annotations

from reports.judgement import Class, Cost, Judgement
from reports.quantities import count, counted, duration, money


def length_s(judgement: Judgement, last_seen_s: float = 0.0) -> float | None:
    """Return the seconds from the first phase's beginning to the end of the last, None if unknown.

    A phase that a crash left without an end lasted at least until `last_seen_s`, the last second
    since the run's epoch of which anything is known.
    """
    if not judgement.phases:
        return last_seen_s or None
    began_s = min(phase.began_ns for phase in judgement.phases) / 1e9
    ends = [phase.ended_ns / 1e9 for phase in judgement.phases if phase.ended_ns is not None]
    ended_s = max([*ends, last_seen_s])
    return ended_s - began_s if ended_s > began_s else None


def paragraph(judgement: Judgement, run_s: float | None) -> str:
    """Say how many commands were sent, over how long, and how much money moved.

    `run_s` is the length of the run in seconds, None where it is not known.
    """
    over = f" over {duration(run_s)}" if run_s is not None else ""
    were = "was" if judgement.journaled == 1 else "were"
    pool = counted(judgement.commands, "command")
    sentences = [f"{count(judgement.journaled)} of the pool's {pool} {were} sent{over}."]
    if judgement.perhaps_sent:
        sentences.append(
            f"{count(judgement.perhaps_sent)} more may have been sent: a process ended before it "
            "could write them down."
        )
    sentences.append(_moved(judgement.settled_minor))
    if judgement.cost:
        sentences.append(_cost(judgement.cost))
    if judgement.expected_rejections:
        sentences.append(
            f"{counted(judgement.expected_rejections, 'command')} had to be rejected and "
            f"{'was' if judgement.expected_rejections == 1 else 'were'}: that counts as success."
        )
    if judgement.retried:
        sentences.append(
            f"{counted(judgement.retried, 'attempt')} repeated one, under the same id."
        )
    if invalid := judgement.class_total(Class.INVALID):
        sentences.append(
            f"{counted(invalid, 'hostile command')} could not be understood and "
            f"{'was' if invalid == 1 else 'were'} answered so: that is success, too."
        )
    return " ".join(sentences)


def _cost(cost: Cost) -> str:
    whole = f"By the plan's prices the run cost {cost.whole:,.2f}"
    if cost.per_million_payments is None:
        return f"{whole}, and no payment was settled for it."
    return f"{whole}: {cost.per_million_payments:,.2f} for a million settled payments."


def _moved(settled_minor: dict[str, int]) -> str:
    amounts = [money(minor, currency) for currency, minor in sorted(settled_minor.items()) if minor]
    if not amounts:
        return "No settled payment moved any money."
    listed = " and ".join([", ".join(amounts[:-1]), amounts[-1]] if amounts[1:] else amounts)
    return f"Settled payments moved {listed}."

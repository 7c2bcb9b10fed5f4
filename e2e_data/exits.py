"""The exit codes of every command, and which one wins when several apply."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code means to a pipeline."""

    GOOD = 0
    WRONG_USE = 2
    """Wrong use or configuration: nothing was tested."""
    SLOW = 10
    """Right, but an SLO was missed or a regression found."""
    NOT_RIGHT = 20
    """An invariant is violated or could not be shown; or a pool does not validate."""
    UNFIT = 30
    """The load generator was not fit to judge."""
    INTERRUPTED = 130
    """Stopped by a signal; what was seen until then is reported."""


PRECEDENCE = (
    Exit.WRONG_USE,
    Exit.INTERRUPTED,
    Exit.NOT_RIGHT,
    Exit.UNFIT,
    Exit.SLOW,
    Exit.GOOD,
)


def worst(exits: Iterable[Exit]) -> Exit:
    """Return the one of `exits` that a process should end with; GOOD when there is none."""
    return min(exits, key=PRECEDENCE.index, default=Exit.GOOD)


def exit_of(code: int) -> Exit:
    """Return what a judge's exit code means; one that is none, as of a crash, shows nothing right."""
    try:
        return Exit(code)
    except ValueError:
        return Exit.NOT_RIGHT

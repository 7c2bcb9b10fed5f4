"""Lines: how commands leave a process. One line for each channel, and on it a sender for each user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from locustfiles.run import Run
    from locustfiles.statistics import Statistics
    from locustfiles.work import Turn

More = Callable[[], "Turn | None"]
"""Gives a further command for the same channel that is overdue and made, without waiting; None for none."""

ABORTED = "aborted: the user was stopped"
"""Why an attempt has no answer whose user was killed."""


class Sender(Protocol):
    """Sends one user's commands over a channel."""

    def send(self, turn: Turn, more: More | None = None) -> None:
        """Send a command whose time has come, and record what came of it, whatever that is.

        It may go on with `more`, whose user would come back with the same at once.

        Every attempt begins with `run.tracker.sending` and ends with one of `acknowledged`,
        `unanswered` and `not_sent`; it is counted once in Locust's statistics.
        """
        ...

    def close(self) -> None:
        """Close what this user alone had."""
        ...


class Line(Protocol):
    """A channel, as one process reaches it; opened after Locust has forked its workers."""

    def sender(self, run: Run, statistics: Statistics) -> Sender:
        """Return a sender for one user, whose attempts are counted in `statistics`."""
        ...

    def close(self) -> None:
        """Close it, when nothing is on the wire any more, before the journal is closed."""
        ...

"""How far a long command has come, on a terminal: how much is done, how fast, how long to go."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

Progress = Callable[[int, int], None]
"""Called with the numbers of steps (mostly shards) and of commands that are done so far.

The first call says where the work begins: rates are measured from there on.
"""

QUIET_S = 1.0
"""What is done sooner needs no progress bar."""


class Bar:
    """A Progress that draws: for what takes longer than QUIET_S, and on a terminal only."""

    def __init__(
        self,
        what: str,
        steps: int,
        *,
        stream: TextIO | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Draw on `stream`, standard error unless given; all is done after `steps` steps."""
        stream = stream or sys.stderr
        # Asked of the stream itself: variables that ask for colours must not put bars into logs.
        self._shown = stream.isatty()
        self._steps = steps
        self._clock_s = clock_s
        self._made_s = clock_s()
        self._begun: tuple[float, int, int] | None = None
        self._started = False
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task(what, total=steps, told="")

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._started:
            self._bar.stop()

    def __call__(self, steps: int, commands: int) -> None:
        """Tell that so many steps and commands are done."""
        now_s = self._clock_s()
        if self._begun is None:
            self._begun = (now_s, steps, commands)
        if not self._shown or now_s - self._made_s < QUIET_S:
            return
        if not self._started:
            self._started = True
            self._bar.start()
        told = _told(now_s, self._begun, steps, commands, self._steps)
        self._bar.update(self._task, completed=steps, told=told)


def _told(
    now_s: float, begun: tuple[float, int, int], steps: int, commands: int, steps_all: int
) -> str:
    begun_s, steps_before, commands_before = begun
    elapsed_s, steps_here = now_s - begun_s, steps - steps_before
    if elapsed_s <= 0 or steps_here <= 0:
        return ""
    left = timedelta(seconds=round((steps_all - steps) * elapsed_s / steps_here))
    return f"{(commands - commands_before) / elapsed_s:,.0f} commands/s, {left} left"

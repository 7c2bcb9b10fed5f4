"""A run in the terminal: one block that stays where it is, or lines of the log where there is none.

A terminal gets all that the web UI's page shows. A log gets a line now and then, from what is counted
anyway: nobody asked for percentiles there, and counting them costs a sender something.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO
from weakref import WeakKeyDictionary

import gevent
from locust.env import Environment
from rich.console import Console, RenderableType
from rich.file_proxy import FileProxy
from rich.live import Live

from locustfiles.block import block, line
from locustfiles.conductor import Conductor, conductor_of
from locustfiles.live import picture
from locustfiles.observer import observer_of
from locustfiles.options import given
from locustfiles.phases import State

log = logging.getLogger(__name__)

DRAW_S = 0.5
LINE_S = 10.0


class Screen:
    """What a headless run shows while it is on."""

    def __init__(self, environment: Environment, stream: TextIO) -> None:
        """Show it on `stream`, where that is a terminal, and else in the log."""
        self._environment = environment
        self._console = Console(file=stream, highlight=False)
        self.is_drawn = self._console.is_terminal
        """Whether there is a block, and not only lines."""
        self._stream = stream
        self._live: Live | None = None
        self._moved: list[logging.StreamHandler[Any]] = []
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def follow(self) -> None:
        """Show the run that has just begun."""
        if self.is_drawn:
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)
            self._live.start()
            # A process that is ended at once could not show it again.
            self._console.show_cursor(show=True)
            self._move_logs()
            self._greenlet = gevent.spawn(self._draw, self._live)
        else:
            self._greenlet = gevent.spawn(self._tell)

    def stop(self) -> None:
        """Show no more; the last block stays above what comes."""
        if self._greenlet is not None:
            self._greenlet.kill()
        if self._live is not None:
            self._live.update(self._block(), refresh=True)
            for handler in self._moved:
                handler.setStream(self._stream)
            self._live.stop()
        self._greenlet, self._live, self._moved = None, None, []

    def _draw(self, live: Live) -> None:
        while True:
            live.update(self._block(), refresh=True)
            gevent.sleep(DRAW_S)

    def _block(self) -> RenderableType:
        return block(picture(observer_of(self._environment).view()))

    def _tell(self) -> None:
        while True:
            gevent.sleep(LINE_S)
            conductor = conductor_of(self._environment)
            director = conductor.director if isinstance(conductor, Conductor) else None
            if director is not None and director.machine.state is not State.WAITING:
                log.info("%s", line(director))

    def _move_logs(self) -> None:
        """Have the log's lines written above the block, not into it."""
        above = FileProxy(self._console, self._stream)
        names = [None, *logging.Logger.manager.loggerDict]
        for handler in {one for name in names for one in logging.getLogger(name).handlers}:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self._stream:
                handler.setStream(above)
                self._moved.append(handler)


def screen_of(environment: Environment) -> Screen | None:
    """Return what shows a Locust process's runs in its terminal; None where something else does."""
    options = environment.parsed_options
    if options is None or not options.headless or options.worker:
        return None
    if environment not in _SCREENS:
        screen = _SCREENS[environment] = Screen(environment, sys.stderr)
        screen.is_drawn &= given(options, "--log-format") == "text"
        observer_of(environment).is_watched |= screen.is_drawn
        # Locust's own table, every two seconds, comes for whoever asks for it.
        options.only_summary |= not options.print_stats
    return _SCREENS[environment]


_SCREENS: WeakKeyDictionary[Environment, Screen] = WeakKeyDictionary()

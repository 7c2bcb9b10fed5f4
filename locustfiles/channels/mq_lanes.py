"""Lanes: where a session's calls run, so that none of them stops the event loop.

The sandbox's stand-in waits on gevent's sockets: its calls run where they are made. IBM's library waits
in C: each of its sessions gets an OS thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import gevent

Made = TypeVar("Made")


class Lane(Protocol):
    """Runs calls, one after the other."""

    def run(self, call: Callable[..., Made], *args: Any) -> Made:
        """Return what a call returns, or raise what it raises; only the greenlet that asks waits.

        A greenlet that is killed meanwhile leaves the call running, where it has a thread.
        """
        ...

    def retire(self, last: Callable[[], object]) -> None:
        """Make a last call once those before have ended, and be gone; return at once."""
        ...


class Inline:
    """Runs calls where they are made."""

    def run(self, call: Callable[..., Made], *args: Any) -> Made:
        """Return what a call returns."""
        return call(*args)

    def retire(self, last: Callable[[], object]) -> None:
        """Make a last call, and wait for nothing: its connection may be one that never answers."""
        gevent.spawn(_outcome, last, ())


class OsThread:
    """Runs calls on an OS thread, which lives as long as the lane; gevent patches its own threads."""

    def __init__(self) -> None:
        # Not at import: this module of gevent's imports its patches, which a command line is spared.
        from gevent.threadpool import ThreadPool

        self._pool = ThreadPool(1)

    def run(self, call: Callable[..., Made], *args: Any) -> Made:
        """Return what a call returns."""
        made, error = self._pool.apply(_outcome, (call, args))
        if error is not None:
            raise error
        return made  # type: ignore[no-any-return]

    def retire(self, last: Callable[[], object]) -> None:
        """Make a last call."""
        pool = self._pool
        pool.spawn(_outcome, last, ()).rawlink(lambda _: pool.kill())


def _outcome(call: Callable[..., Made], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    # Not raised on the thread: gevent would print each as a fault of its own.
    try:
        return call(*args), None
    except Exception as error:
        return None, error

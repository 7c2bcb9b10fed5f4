"""Calls that would keep the event loop waiting, made on an OS thread of its pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.threadpool import ThreadPool

Result = TypeVar("Result")


def on_a_thread(call: Callable[[], Result]) -> Result:
    """Return what a call returns that waits or works for long; the event loop goes on meanwhile."""
    results: list[Result] = []

    def guarded() -> Exception | None:
        # What a thread of the pool raises is printed by gevent, whoever catches it.
        try:
            results.append(call())
        except Exception as error:
            return error
        return None

    pool: ThreadPool = gevent.get_hub().threadpool
    error = pool.apply(guarded)
    if error is not None:
        raise error
    return results[0]

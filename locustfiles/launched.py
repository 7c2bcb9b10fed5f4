"""A worker that its master has started lives no longer than the master, from its very first moment."""

from __future__ import annotations

import logging
import os
import signal

import gevent

log = logging.getLogger(__name__)

LAUNCHED_BY = "PAYSTORM_LAUNCHED"
"""Set for workers that `paystorm run --workers` starts: their standard input ends with their master."""


class _Master:
    """Whoever has started this process."""

    is_gone = False


def end_with_master() -> None:
    """Have this process end when its standard input does, where a master has started it.

    Called before Locust connects: it would look for a master that is no more for five minutes.
    """
    if os.environ.get(LAUNCHED_BY):
        gevent.spawn(_wait)


def master_is_gone() -> bool:
    """Return whether the master that has started this process is no more."""
    return _Master.is_gone


def _wait() -> None:
    gevent.get_hub().threadpool.apply(os.read, (0, 1))
    log.info("the master is gone: this worker ends")
    _Master.is_gone = True
    os.kill(os.getpid(), signal.SIGTERM)

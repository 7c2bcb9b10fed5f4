"""What was waited for how long, such as timers, by a process that measures itself."""

from __future__ import annotations

import time
from collections.abc import Iterable

import gevent
import numpy as np

PROBE_S = 0.01

Wait = tuple[float, float]
"""Since when by the monotonic clock, and how long, in seconds."""


def probe(stalls: list[Wait]) -> None:
    """See how late this process's own timers are, for good."""
    while True:
        at = time.monotonic()
        gevent.sleep(PROBE_S)
        stalls.append((at, time.monotonic() - at - PROBE_S))


def told(waits: Iterable[Wait], seconds: float) -> dict[str, float]:
    """Return the count and the percentiles of the last seconds' waits."""
    since = time.monotonic() - seconds
    lately = np.array([wait for at, wait in waits if at >= since]) * 1000
    if not len(lately):
        return {"count": 0, "p50_ms": 0, "p99_ms": 0}
    p50, p99 = np.percentile(lately, [50, 99]).tolist()
    return {"count": len(lately), "p50_ms": p50, "p99_ms": p99}

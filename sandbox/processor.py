"""The processor: accepted commands wait their turn here and are decided a fixed delay later."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from sandbox.strain import Strain

_BATCH = 500
"""Decisions in one go before requests get a turn: a few milliseconds of work."""
_QUANTUM_S = 0.001
"""The shortest sleep: under load one wake-up serves all that came due meanwhile."""


class Processor:
    """A queue in order of acceptance, hence in order for each account too.

    The delay is the same for all commands, so the oldest is always due first and a deque is enough;
    one task waits for it. `now_s` gives seconds of a monotonic clock.
    """

    def __init__(
        self,
        latency_ms: float,
        now_s: Callable[[], float] = time.monotonic,
        strain: Strain | None = None,
    ) -> None:
        self._strain = strain or Strain()
        self._free_s = -math.inf
        """When the next decision may be, where there is a capacity."""
        self._latency_s = latency_ms / 1000
        self._now_s = now_s
        self._queue: deque[tuple[float, str]] = deque()
        self._arrived = asyncio.Event()

    def enqueue(self, command_id: str) -> None:
        """Have a command decided when its delay is over; each id at most once."""
        self._queue.append((self._now_s() + self._latency_s, command_id))
        self._arrived.set()

    def decide_due(self, decide: Callable[[str], None]) -> float | None:
        """Call `decide` for what is due, a batch at most.

        Returns the seconds until the next is due, 0 if it is already, None if none waits.
        """
        queue, now_s = self._queue, self._now_s()
        for _ in range(_BATCH):
            if not queue or self._due_s() > now_s:
                break
            decide(queue.popleft()[1])
            if self._strain.capacity_per_s:
                step_s = 1 / self._strain.capacity_per_s
                self._free_s = max(self._free_s, now_s - step_s) + step_s
        return max(self._due_s() - now_s, 0) if queue else None

    def _due_s(self) -> float:
        due_s = self._queue[0][0]
        return max(due_s, self._free_s) if self._strain.capacity_per_s else due_s

    async def run(self, decide: Callable[[str], None]) -> None:
        """Decide commands as they come due, until cancelled."""
        while True:
            wait_s = self.decide_due(decide)
            if wait_s is None:
                self._arrived.clear()
                await self._arrived.wait()
            else:
                await asyncio.sleep(max(wait_s, _QUANTUM_S) if wait_s else 0)

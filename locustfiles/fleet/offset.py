"""The master's clock, seen from a worker: an offset, and how far it may be wrong.

A question and its answer bound the offset: the answer's time is somewhere between the two. Half
the round trip is the error, so the quickest of several questions says most (as in NTP, RFC 5905).
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_NS = 10_000_000_000
"""The offset is estimated again so often, from the best question of that time."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Add `offset_ns` to the own clock to get the master's, give or take `error_ns`."""

    offset_ns: int
    error_ns: int


class Offset:
    """The estimate in use. It moves no further than the evidence makes it, so time does not jump."""

    def __init__(self) -> None:
        self.estimate: Estimate | None = None
        """None before the first answer."""
        self.moved_ns = 0
        """How far the offset was moved since the first estimate, in all."""
        self._best: Estimate | None = None
        self._since_ns = 0

    def answered(self, sent_ns: int, at_ns: int, received_ns: int) -> bool:
        """Learn from an answer given `at_ns` to a question; tell whether the estimate is new.

        `sent_ns` and `received_ns` are the own clock's, `at_ns` the master's.
        """
        if received_ns < sent_ns:
            return False
        middle_ns = (sent_ns + received_ns) // 2
        seen = Estimate(at_ns - middle_ns, (received_ns - sent_ns + 1) // 2)
        if self.estimate is None:
            self.estimate, self._since_ns = seen, received_ns
            return True
        if self._best is None or seen.error_ns < self._best.error_ns:
            self._best = seen
        if received_ns - self._since_ns < WINDOW_NS:
            return False
        self.estimate, self._since_ns = self._moved(self.estimate, self._best), received_ns
        self._best = None
        return True

    def _moved(self, used: Estimate, seen: Estimate) -> Estimate:
        """Return the offset next to the one in use that the evidence allows, with its error."""
        low, high = seen.offset_ns - seen.error_ns, seen.offset_ns + seen.error_ns
        offset_ns = min(max(used.offset_ns, low), high)
        self.moved_ns += abs(offset_ns - used.offset_ns)
        return Estimate(offset_ns, seen.error_ns + abs(offset_ns - seen.offset_ns))

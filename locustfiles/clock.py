"""The run's clock: nanoseconds since its epoch, monotonic."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class RunClock:
    """A clock that stood at 0 when it was made, and remembers what the wall clock said then."""

    epoch_ns: int = field(default_factory=time.monotonic_ns)
    epoch_utc_ns: int = field(default_factory=time.time_ns)

    def now_ns(self) -> int:
        """Return the nanoseconds since the epoch."""
        return time.monotonic_ns() - self.epoch_ns

    def day(self, offset: int) -> date:
        """Return the date `offset` days after the run's first day, in UTC."""
        first = datetime.fromtimestamp(self.epoch_utc_ns // 1_000_000_000, UTC).date()
        return first + timedelta(days=offset)

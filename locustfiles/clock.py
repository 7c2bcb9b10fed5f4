"""The run's clock: nanoseconds since its epoch, monotonic."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from locustfiles.fleet.offset import Offset


class Clock(Protocol):
    """What a run reads its time from."""

    @property
    def epoch_utc_ns(self) -> int:
        """What the wall clock said at the epoch, in nanoseconds since 1970."""
        ...

    def now_ns(self) -> int:
        """Return the nanoseconds since the run's epoch."""
        ...

    def day(self, offset: int) -> date:
        """Return the date `offset` days after the run's first day, in UTC."""
        ...


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

    @classmethod
    def again(cls, epoch_utc_ns: int, after_ns: int) -> RunClock:
        """Return the clock of a run that goes on: by the wall clock, but later than `after_ns`."""
        since_ns = max(time.time_ns() - epoch_utc_ns, after_ns + 1)
        return cls(time.monotonic_ns() - since_ns, epoch_utc_ns)


class AlignedClock:
    """A run's clock on another host: its own monotonic one, moved to agree with the master's."""

    def __init__(self, epoch_utc_ns: int) -> None:
        self.offset: Offset | None = None
        """Given once there is somebody who estimates it."""
        self.epoch_utc_ns = epoch_utc_ns
        self._latest_ns = 0

    def now_ns(self) -> int:
        """Return the nanoseconds since the run's epoch; never less than before."""
        estimate = self.offset.estimate if self.offset is not None else None
        if estimate is None:
            return self._latest_ns
        now_ns = time.monotonic_ns() + estimate.offset_ns
        if now_ns > self._latest_ns:
            self._latest_ns = now_ns
        return self._latest_ns

    def day(self, offset: int) -> date:
        """Return the date `offset` days after the run's first day, in UTC."""
        return RunClock(0, self.epoch_utc_ns).day(offset)

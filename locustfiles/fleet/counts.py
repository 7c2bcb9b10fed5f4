"""How a worker stands, in numbers; and how several stand together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

from e2e_data.commands import Channel, Kind
from locustfiles.fleet.checked import count, items


class Oldest(NamedTuple):
    """A pending command; by their order the first is the one that was sent first."""

    sent_ns: int
    """Since the run's epoch."""
    lap: int
    shard: int
    number: int
    """Its index in the shard."""
    kind: Kind
    phase: int
    channel: Channel

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what a worker sent. Raises ValueError for what is no command."""
        numbers = map(count, items(raw, len(cls._fields)))
        sent_ns, lap, shard, number, kind, phase, channel = numbers
        return cls(sent_ns, lap, shard, number, Kind(kind), phase, Channel(channel))


@dataclass(frozen=True, slots=True)
class Counts:
    """How a worker stands: cumulative over the run, unless they say `now`. Replaced, never added."""

    due: int = 0
    sent: int = 0
    acknowledged: int = 0
    completed: int = 0
    unanswered: int = 0
    blocked: int = 0
    overdue: int = 0
    dropped: int = 0
    retried: int = 0
    held_back: int = 0
    pending_now: int = 0
    in_hand_now: int = 0
    """Commands that users hold while they wait for their time, the next attempt's too."""
    users_now: int = 0
    waiting_now: int = 0
    moved_ns: int = 0
    """When anything was last sent, answered or completed, since the run's epoch."""
    lag_us: int = 0
    """The longest that the event loop kept a timer waiting in the last second."""
    cpu_permille: int = 0
    memory_kb: int = 0
    oldest: Oldest | None = None
    """What has been pending for the longest."""

    @classmethod
    def over(cls, words: Iterable[tuple[Counts, bool]]) -> Counts:
        """Return how several stand together: of each its last word, and whether it is lost.

        Their sums; but when anything last moved is the latest, lag, CPU and memory are those of the worst, and
        what stands `now`, or is pending, is not counted of lost ones.
        """
        said = list(words)
        alive = [counts for counts, lost in said if not lost]
        sums = {
            name: sum(
                getattr(counts, name)
                for counts, lost in said
                if not (lost and name.endswith("_now"))
            )
            for name in _COUNTS
        }
        sums |= {
            name: max((getattr(counts, name) for counts in alive), default=0)
            for name in ("moved_ns", "lag_us", "cpu_permille", "memory_kb")
        }
        pending = [counts.oldest for counts in alive if counts.oldest is not None]
        return cls(**sums, oldest=min(pending, default=None))

    def packed(self) -> list[Any]:
        """Return what msgpack can carry."""
        return [*(getattr(self, name) for name in _COUNTS), list(map(int, self.oldest or ()))]

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what `packed` made."""
        *numbers, oldest = items(raw, len(_COUNTS) + 1)
        pending = Oldest.read(oldest) if oldest else None
        return cls(**dict(zip(_COUNTS, map(count, numbers), strict=True)), oldest=pending)


_COUNTS = tuple(field.name for field in fields(Counts) if field.name != "oldest")

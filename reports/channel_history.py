"""What happened over one channel, by small windows of time: ends, how long they took, and incidents."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.columns import NEVER, Ints
from reports.hdr import buckets
from reports.incidents import Incident

WINDOW_NS = 250_000_000
TICK_NS = 10_000_000
"""What incidents are counted by."""
ENDS = ("acknowledged", "completed")
_BUCKET_BITS = 16
_SECOND_NS = 1_000_000_000


class ChannelHistory:
    """What happened over one channel; it grows with the run's length, not with its load."""

    def __init__(self) -> None:
        self.took: dict[str, dict[int, Counter[int]]] = {end: defaultdict(Counter) for end in ENDS}
        """By how they ended and by window: how often it took how long, as buckets of a histogram."""
        self.accepted: Counter[int] = Counter()
        """By window."""
        self.incidents: Counter[tuple[int, Incident]] = Counter()
        """By tick and sort."""

    def add(self, frame: pd.DataFrame) -> None:
        """Add commands."""
        begins = frame["intended_ns"].to_numpy()
        accepted_ns = frame["acknowledged_ns"].to_numpy()[frame["accepted"].to_numpy()]
        windows, counts = np.unique(accepted_ns // WINDOW_NS, return_counts=True)
        self.accepted.update(dict(zip(windows.tolist(), counts.tolist(), strict=True)))
        for end, took in self.took.items():
            ends = frame[f"{end}_ns"].to_numpy()
            there = ends != NEVER
            windows = np.maximum(ends[there], 0) // WINDOW_NS
            cells = windows << _BUCKET_BITS | buckets(ends[there] - begins[there])
            keys, counts = np.unique(cells, return_counts=True)
            for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
                took[key >> _BUCKET_BITS][key & (1 << _BUCKET_BITS) - 1] += count

    def count(self, at_ns: Ints, sort: Ints) -> None:
        """Add incidents."""
        ticks = zip((at_ns // TICK_NS).tolist(), map(Incident, sort.tolist()), strict=True)
        self.incidents.update(ticks)

    def between(self, end: str, first: int, last: int) -> NDArray[np.int64]:
        """Return buckets and counts of what ended in the windows from `first` up to `last`."""
        chosen: Counter[int] = Counter()
        for window in range(first, last):
            chosen.update(self.took[end].get(window, {}))
        return np.array(sorted(chosen.items()), np.int64).reshape(-1, 2)

    def happened(self, first_ns: int, last_ns: int) -> Iterator[tuple[int, Incident, int]]:
        """Yield the incidents of a time: when, what, and how many."""
        for (tick, sort), many in self.incidents.items():
            if first_ns // TICK_NS <= tick < -(-last_ns // TICK_NS):
                yield max(tick * TICK_NS, first_ns), sort, many


def counted(channels: Iterable[ChannelHistory], first_ns: int, last_ns: int) -> dict[str, int]:
    """Return how many incidents of each sort there were."""
    found: Counter[str] = Counter()
    for seen in channels:
        for _, sort, many in seen.happened(first_ns, last_ns):
            found[sort.words] += many
    return dict(sorted(found.items()))


def by_second(
    channels: Iterable[ChannelHistory], first_ns: int, last_ns: int
) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return by sort the seconds since the run's epoch that had incidents, each with how many."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for seen in channels:
        for at_ns, sort, many in seen.happened(first_ns, last_ns):
            found[sort.words][at_ns // _SECOND_NS] += many
    return {sort: tuple(sorted(seconds.items())) for sort, seconds in sorted(found.items())}


def shut_ms(channels: Iterable[ChannelHistory], first_ns: int, last_ns: int) -> float:
    """Return for how long one of the channels took nothing, and said so more than once a window."""
    shut: set[int] = set()
    for seen in channels:
        away: Counter[int] = Counter()
        for at_ns, sort, many in seen.happened(first_ns, last_ns):
            if sort.is_turned_away:
                away[at_ns // WINDOW_NS] += many
        shut |= {at for at, many in away.items() if many > 1 and not seen.accepted[at]}
    return len(shut) * WINDOW_NS / 1e6

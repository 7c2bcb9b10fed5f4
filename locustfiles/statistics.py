"""Locust's statistics: each request reaches them once, at a fraction of what an event costs.

An event for each request costs more than the request itself. So while only Locust's own listener
is on `events.request`, what it would do is done for many requests at a time, with the same entries
to the last digit; as soon as anybody else listens, each request is fired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import gevent
import numpy as np
from locust import stats as locust_stats
from locust.env import Environment
from locust.runners import Runner
from locust.stats import StatsEntry
from numpy.typing import NDArray

FEED_S = 0.2
"""How often batches are fed: often enough for whoever looks at the web UI."""

OWN_LISTENER = (Runner.__module__, f"{Runner.__init__.__qualname__}.<locals>.on_request")
"""Module and name of Locust's own listener, whose work is done here."""


LOCUSTS_BUCKETS = locust_stats.bucket_response_time
"""How Locust rounds response times; a locustfile may put a rule of its own in its place."""

Floats = NDArray[np.float64]

# A tuple without a name, since one is made for each request.
Request = tuple[str, int, float, int]
"""Name, when the answer came by the wall clock in ns, response time in ms, length in bytes."""


class Statistics:
    """Feeds one environment's statistics with requests of one type, such as "HTTP"."""

    def __init__(self, environment: Environment, request_type: str) -> None:
        """Begin to feed, every FEED_S."""
        self._environment = environment
        self._type = request_type
        self._waiting: list[Request] = []
        self.sources: list[Callable[[], None]] = []
        """Whoever may have requests that were answered and are not told of yet: called to tell of them."""
        self._handlers = environment.events.request._handlers
        self._own = next(filter(_is_locusts, self._handlers), None)
        self._greenlet = gevent.spawn(self._feed_on)

    @property
    def is_batched(self) -> bool:
        """Whether nobody but Locust listens to each request; listeners may come and go."""
        handlers = self._handlers
        return len(handlers) == 1 and handlers[0] is self._own

    def answered(self, name: str, utc_ns: int, response_ms: float, length: int) -> None:
        """Count a request that was answered as it should be, at `utc_ns` by the wall clock."""
        if self.is_batched:
            self._waiting.append((name, utc_ns, response_ms, length))
        else:
            self.fire(name, utc_ns, response_ms, length)

    def answered_all(self, several: Sequence[Request]) -> None:
        """Count requests that were answered as they should be, in the order of their answers."""
        if self.is_batched:
            self._waiting += several
            return
        for one in several:
            self.fire(*one)

    def fire(
        self,
        name: str,
        utc_ns: int,
        response_ms: float,
        length: int,
        problem: Exception | None = None,
    ) -> None:
        """Tell everybody who listens of a request, and of the problem there was with it."""
        self.feed()  # what came before is counted before
        self._environment.events.request.fire(
            request_type=self._type,
            name=name,
            response_time=response_ms,
            response_length=length,
            exception=problem,
            context={},
            start_time=utc_ns / 1e9 - response_ms / 1000,
        )

    def feed(self) -> None:
        """Count what waits."""
        for tell in self.sources:
            tell()
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        names, *columns = zip(*waiting, strict=True)
        utc_s, response_ms, lengths = (np.array(column, np.float64) for column in columns)
        utc_s /= 1e9
        _count(self._environment.stats.total, utc_s, response_ms, lengths)
        several = dict.fromkeys(names)
        for name in several:
            chosen = (
                np.array([other == name for other in names]) if len(several) > 1 else slice(None)
            )
            entry = self._entry(name, float(utc_s[chosen][0]))
            _count(entry, utc_s[chosen], response_ms[chosen], lengths[chosen])

    def stop(self) -> None:
        """Count what waits, and feed no more."""
        self._greenlet.kill()
        self.feed()

    def _entry(self, name: str, first_utc_s: float) -> StatsEntry:
        """Return the entry of a name; a new one begins with its first request, not with its batch."""
        entries, key = self._environment.stats.entries, (name, self._type)
        is_new = key not in entries
        entry = entries[key]
        if is_new:
            entry.start_time = first_utc_s
            if entry.response_times_cache is not None:
                entry.response_times_cache.clear()
                entry._cache_response_times(int(first_utc_s))
        return entry

    def _feed_on(self) -> None:
        while True:
            gevent.sleep(FEED_S)
            self.feed()


_STATISTICS: WeakKeyDictionary[Environment, dict[str, Statistics]] = WeakKeyDictionary()


def statistics_of(environment: Environment, request_type: str) -> Statistics:
    """Return what feeds an environment's statistics; there is one for each type of request."""
    kept = _STATISTICS.setdefault(environment, {})
    if request_type not in kept:
        kept[request_type] = Statistics(environment, request_type)
    return kept[request_type]


def feed_all(environment: Environment) -> None:
    """Count all that waits."""
    for statistics in _STATISTICS.get(environment, {}).values():
        statistics.feed()


def _is_locusts(listener: object) -> bool:
    named = (getattr(listener, "__module__", ""), getattr(listener, "__qualname__", ""))
    return named == OWN_LISTENER


def _count(entry: StatsEntry, utc_s: Floats, response_ms: Floats, lengths: Floats) -> None:
    """Do to an entry what StatsEntry.log does for each request; they are in order of time."""
    seconds = utc_s.astype(np.int64)
    firsts = np.flatnonzero(np.diff(seconds, prepend=-1)).tolist()
    for start, stop in zip(firsts, [*firsts[1:], len(seconds)], strict=True):
        part = slice(start, stop)
        _count_second(entry, int(seconds[start]), utc_s[part], response_ms[part])
    entry.total_content_length += int(lengths.sum())


def _count_second(entry: StatsEntry, second: int, utc_s: Floats, response_ms: Floats) -> None:
    last, count = entry.last_request_timestamp, len(utc_s)
    if entry.use_response_times_cache and last and second > int(last):
        entry._cache_response_times(second - 1)
    entry.num_requests += count
    entry.num_reqs_per_sec[second] += count
    entry.last_request_timestamp = float(utc_s[-1])
    # One after the other, in the order of the requests: another order of adding rounds otherwise.
    summed = np.cumsum(np.concatenate([[entry.total_response_time], response_ms]))
    entry.total_response_time = float(summed[-1])  # type: ignore[assignment]
    least, known = float(response_ms.min()), entry.min_response_time
    entry.min_response_time = least if known is None else min(known, least)  # type: ignore[assignment]
    entry.max_response_time = max(entry.max_response_time, float(response_ms.max()))  # type: ignore[assignment]
    for rounded_ms, many in _bucketed(response_ms).items():
        entry.response_times[rounded_ms] += many


def _bucketed(response_ms: Floats) -> Counter[int]:
    """Return how many response times Locust rounds to each value."""
    rounded = locust_stats.bucket_response_time
    if rounded is not LOCUSTS_BUCKETS:
        return Counter(map(rounded, response_ms.tolist()))
    # Below 100 ms Locust rounds to whole ones, half to even, as numpy does.
    short = response_ms < 100
    found = Counter(map(rounded, response_ms[~short].tolist()))
    counts = np.bincount(np.rint(response_ms[short]).astype(np.int64))
    found.update({value: int(counts[value]) for value in np.flatnonzero(counts).tolist()})
    return found

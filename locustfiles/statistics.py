"""Locust's statistics: each request reaches them once, at a fraction of what an event costs.

An event for each request costs more than the request itself. So while only Locust's own listener
is on `events.request`, what it would do is done for many requests at a time, with the same entries
to the last digit; as soon as anybody else listens, each request is fired.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from weakref import WeakKeyDictionary

import gevent
from locust import stats as locust_stats
from locust.env import Environment
from locust.runners import Runner
from locust.stats import StatsEntry

FEED_S = 0.2
"""How often batches are fed: often enough for whoever looks at the web UI."""

OWN_LISTENER = (Runner.__module__, f"{Runner.__init__.__qualname__}.<locals>.on_request")
"""Module and name of Locust's own listener, whose work is done here."""


# A tuple without a name, since one is made for each request.
Request = tuple[str, float, float, int]
"""Name, when the answer came by the wall clock in s, response time in ms, length in bytes."""


class Statistics:
    """Feeds one environment's statistics with requests of one type, such as "HTTP"."""

    def __init__(self, environment: Environment, request_type: str) -> None:
        """Begin to feed, every FEED_S."""
        self._environment = environment
        self._type = request_type
        self._waiting: list[Request] = []
        self._handlers = environment.events.request._handlers
        self._own = next(filter(_is_locusts, self._handlers), None)
        self._greenlet = gevent.spawn(self._feed_on)

    @property
    def is_batched(self) -> bool:
        """Whether nobody but Locust listens to each request; listeners may come and go."""
        handlers = self._handlers
        return len(handlers) == 1 and handlers[0] is self._own

    def answered(self, name: str, utc_s: float, response_ms: float, length: int) -> None:
        """Count a request that was answered as it should be, `utc_s` by the wall clock."""
        if self.is_batched:
            self._waiting.append((name, utc_s, response_ms, length))
        else:
            self.fire(name, utc_s, response_ms, length)

    def fire(
        self,
        name: str,
        utc_s: float,
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
            start_time=utc_s - response_ms / 1000,
        )

    def feed(self) -> None:
        """Count what waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        stats = self._environment.stats
        by_name: defaultdict[str, list[Request]] = defaultdict(list)
        for request in waiting:
            by_name[request[0]].append(request)
        _count(stats.total, waiting)
        for name, requests in by_name.items():
            _count(self._entry(name, requests[0]), requests)

    def stop(self) -> None:
        """Count what waits, and feed no more."""
        self._greenlet.kill()
        self.feed()

    def _entry(self, name: str, first: Request) -> StatsEntry:
        """Return the entry of a name; a new one begins with its first request, not with its batch."""
        entries, key = self._environment.stats.entries, (name, self._type)
        is_new = key not in entries
        entry = entries[key]
        if is_new:
            entry.start_time = first[1]
            if entry.response_times_cache is not None:
                entry.response_times_cache.clear()
                entry._cache_response_times(int(first[1]))
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


def _count(entry: StatsEntry, requests: Iterable[Request]) -> None:
    """Do to an entry what StatsEntry.log does for each of `requests`, which are in order of time."""
    for second, group in groupby(requests, lambda request: int(request[1])):
        _count_second(entry, second, list(group))


def _count_second(entry: StatsEntry, second: int, requests: Sequence[Request]) -> None:
    last = entry.last_request_timestamp
    if entry.use_response_times_cache and last and second > int(last):
        entry._cache_response_times(second - 1)
    _, times_s, times_ms, lengths = zip(*requests, strict=True)
    entry.num_requests += len(requests)
    entry.num_reqs_per_sec[second] += len(requests)
    entry.last_request_timestamp = times_s[-1]
    # One after the other, in the order of the requests: another order of adding rounds otherwise.
    *_, entry.total_response_time = accumulate(times_ms, initial=entry.total_response_time)
    least = min(times_ms)
    known = entry.min_response_time
    entry.min_response_time = least if known is None else min(known, least)
    entry.max_response_time = max(entry.max_response_time, *times_ms)
    for rounded_ms, count in Counter(map(locust_stats.bucket_response_time, times_ms)).items():
        entry.response_times[rounded_ms] += count
    entry.total_content_length += sum(lengths)

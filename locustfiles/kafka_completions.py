"""Completions by events, for whatever was sent over any channel; and by asking, where no event comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict

from e2e_data.commands import Kind
from e2e_data.pool import Pool
from locustfiles.bindings import Bindings
from locustfiles.channels.kafka_events import EventSource
from locustfiles.completions import CompletionSource, Place, Seen
from locustfiles.sightings import Sightings
from locustfiles.tracker import Tracker


class EventCompletions(CompletionSource):
    """The fleet's events as a source; a run expects of it what it expects of any."""

    def __init__(
        self,
        tracker: Tracker,
        asking: CompletionSource,
        write: Callable[[], object],
        ended: Callable[[dict[str, object]], None],
    ) -> None:
        """Ask `asking` for what has no event of its own.

        `write` brings the journal to the disk, and `ended` gets what was read, in the end.
        """
        self._tracker = tracker
        self._asking = asking
        self._write = write
        self._ended = ended
        self.events: list[EventSource] = []
        """One for each cluster."""

    def expect(self, place: Place, command_id: str) -> None:
        """Look for an outcome: a replay has none but its original's, so somebody is to be asked.

        So is it for what a lost worker may have sent: its event may have been before our time.
        """
        pending = self._tracker.pending.get(place)
        if pending is not None and (pending.card.is_replay or pending.card.granted != 0):
            self._asking.expect(place, command_id)

    def mark(self) -> Callable[[], None]:
        """Return what to call once the journal has all that was observed until now."""
        positions = [(source, source.positions()) for source in self.events]

        def durable() -> None:
            for source, read in positions:
                source.durable(read)

        return durable

    def flush(self) -> None:
        """Write down which events were read; may run on any one thread."""
        for source in self.events:
            source.flush()

    def stop(self) -> None:
        """Read no further, and let the group know what the journal has."""
        self._asking.stop()
        counted: Counter[str] = Counter()
        problems: set[str] = set()
        for source in self.events:
            source.stop(self._write)
            counted.update(asdict(source.counted))
            problems.update(source.problems)
        self._ended({"counted": dict(counted), "problems": sorted(problems)})


class Observer:
    """Takes completions in, of this process's own commands and of others'."""

    def __init__(
        self,
        tracker: Tracker,
        bindings: Bindings,
        pool: Pool,
        tell: Callable[[Place, int], None] = lambda *_: None,
    ) -> None:
        """Call `tell` with each command, and its outcome, that is not awaited here."""
        self._tracker = tracker
        self._bindings = bindings
        self._pool = pool
        self._tell = tell

    def observed(self, several: Sightings | Sequence[Seen]) -> None:
        """Record outcomes, and what they say of accounts."""
        seen = several if isinstance(several, Sightings) else Sightings.of(several)
        places, kinds, outcomes, bindings = seen.places, seen.kinds, seen.outcomes, self._bindings
        for place, kind, account_id in zip(places, kinds, seen.account_ids, strict=True):
            if kind is Kind.ACCOUNT and account_id:
                bindings.bind(place, account_id)
        for row in self._tracker.observed(seen):
            place, kind, outcome = places[row], kinds[row], outcomes[row]
            if kind is Kind.ACCOUNT:
                bindings.completed(place, kind, outcome)
            elif kind is Kind.OPENING_CREDIT:
                # A shard numbers its accounts' creations first, then their credits, in their order.
                lap, shard, index = place
                number = index - self._pool.shard_counts(shard).account
                bindings.completed((lap, shard, number), kind, outcome)
            self._tell(place, int(outcome))

"""The platform: what every front talks to. Ledger, processing queue and flags, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sandbox.book import Entry
from sandbox.commands import Command
from sandbox.defects import Defects
from sandbox.flags import Monitor
from sandbox.ledger import Ledger
from sandbox.store import Memory, Store


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, as those who watch are told of it."""

    entry: Entry
    correlation_id: str = ""
    """What the sender wrote beside the command that was accepted; empty where it wrote none."""
    flags: tuple[str, ...] = ()


class Platform:
    """Accepts commands at once and decides them later; all its methods run on one event loop.

    `enqueue` is given each accepted command's id once; `decide` must be called with it later.
    Without a `monitor` nothing is flagged.
    """

    def __init__(
        self,
        ledger: Ledger,
        defects: Defects,
        enqueue: Callable[[str], None],
        monitor: Monitor | None = None,
        store: Store | None = None,
    ) -> None:
        self.ledger = ledger
        self.store = store or Memory()
        self.defects = defects
        self._enqueue = enqueue
        self._monitor = monitor
        self._flags: dict[str, tuple[str, ...]] = {}
        self._lost: dict[str, Entry] = {}
        self._correlation_ids: dict[str, str] = {}
        """Of the commands that are not decided yet."""
        self._watchers: list[Callable[[Decided], None]] = []
        self.unreplied: Sequence[tuple[str, str]] = ()
        """Command ids of a platform that is no more, and who waits for a final reply to them."""

    def watch(self, watcher: Callable[[Decided], None]) -> None:
        """Have each decision told to `watcher`, from now on and in their order."""
        self._watchers.append(watcher)

    def accept(self, command: Command, correlation_id: str = "") -> Entry:
        """Acknowledge a command; a replay gets the first entry again and nothing is queued.

        Whoever watches is told of the decision with the correlation id of the first one.
        Raises ledger.Conflict for a known command id with another content.
        """
        before = self.ledger.as_of
        entry = self.ledger.receive(command)
        if self.ledger.as_of != before:
            if correlation_id:
                self._correlation_ids[command.command_id] = correlation_id
            self.store.received(entry, correlation_id)
            self._enqueue(command.command_id)
        return entry

    async def durable(self) -> None:
        """Wait until what was accepted so far survives the platform; only then tell anybody."""
        await self.store.commit()

    def resume(self, undecided: Iterable[str], correlation_ids: Mapping[str, str]) -> None:
        """Go on with commands that were received, and not decided, by a platform that is no more."""
        self._correlation_ids.update(correlation_ids)
        for command_id in undecided:
            self._enqueue(command_id)

    def tell_again(self, command_ids: Iterable[str]) -> None:
        """Tell those who watch of decisions that may not have been told: a receiver knows them by id."""
        for command_id in command_ids:
            entry = self.ledger.find(command_id)
            if entry is not None:
                self._tell(entry, self._flags.get(command_id, ()))

    def decide(self, command_id: str) -> None:
        """Decide an accepted command, and tell it to those who watch."""
        entry = self.ledger.decide(command_id)
        flags = () if self._monitor is None else self._monitor.flags_of(entry)
        if flags:
            self._flags[command_id] = flags
        self.store.decided(entry, self.ledger.balances, lambda: self._tell(entry, flags))

    def _tell(self, entry: Entry, flags: tuple[str, ...]) -> None:
        correlation_id = self._correlation_ids.pop(entry.command.command_id, "")
        if self._watchers:
            decided = Decided(self.told(entry), correlation_id, flags)
            for watcher in self._watchers:
                watcher(decided)

    def flags_of(self, command_id: str) -> tuple[str, ...] | None:
        """Return what was flagged about a command; None where nobody watches."""
        return None if self._monitor is None else self._flags.get(command_id, ())

    def told(self, entry: Entry) -> Entry:
        """Return how a command stands, as it is told to whoever asks: by what is durable of it."""
        if self.store.is_durable(entry.command.command_id):
            return entry
        return replace(entry, decision=None)

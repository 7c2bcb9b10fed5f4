"""The platform: what every front talks to. Ledger, processing queue and flags, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.book import Entry
from sandbox.commands import Command
from sandbox.defects import Defects
from sandbox.flags import Monitor
from sandbox.ledger import Ledger


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
    ) -> None:
        self.ledger = ledger
        self.defects = defects
        self._enqueue = enqueue
        self._monitor = monitor
        self._flags: dict[str, tuple[str, ...]] = {}
        self._lost: dict[str, Entry] = {}
        self._correlation_ids: dict[str, str] = {}
        """Of the commands that are not decided yet."""
        self._watchers: list[Callable[[Decided], None]] = []

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
            self._enqueue(command.command_id)
        return entry

    def decide(self, command_id: str) -> None:
        """Decide an accepted command, and tell it to those who watch."""
        entry = self.ledger.decide(command_id)
        flags = () if self._monitor is None else self._monitor.flags_of(entry)
        if flags:
            self._flags[command_id] = flags
        correlation_id = self._correlation_ids.pop(command_id, "")
        if self._watchers:
            decided = Decided(self.told(entry), correlation_id, flags)
            for watcher in self._watchers:
                watcher(decided)

    def flags_of(self, command_id: str) -> tuple[str, ...] | None:
        """Return what was flagged about a command; None where nobody watches."""
        return None if self._monitor is None else self._flags.get(command_id, ())

    def told(self, entry: Entry) -> Entry:
        """Return how a command stands, as it is told to whoever asks."""
        return entry

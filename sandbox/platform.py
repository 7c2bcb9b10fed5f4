"""The platform: what every front talks to. Ledger, processing queue, defects and flags, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.book import Entry, Status
from sandbox.commands import Command, CreateAccount
from sandbox.defects import APPLY_TWICE, LOSE, Defects
from sandbox.flags import Monitor
from sandbox.ledger import Ledger, same_or_conflict


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
        if self.defects.hits(LOSE, command.command_id):
            return self._lose(command)
        before = self.ledger.as_of
        entry = self.ledger.receive(command)
        if self.ledger.as_of != before:
            if correlation_id:
                self._correlation_ids[command.command_id] = correlation_id
            self._enqueue(command.command_id)
        return entry

    def decide(self, command_id: str) -> None:
        """Decide an accepted command, rightly or as a defect has it."""
        twice = self.defects.hits(APPLY_TWICE, command_id)
        entry = self.ledger.decide(command_id, times=2 if twice else 1)
        if (
            twice
            and entry.status is Status.SETTLED
            and not isinstance(entry.command, CreateAccount)
        ):
            self.defects.count(APPLY_TWICE)
        flags = () if self._monitor is None else self._monitor.flags_of(entry)
        if flags:
            self._flags[command_id] = flags
        decided = Decided(entry, self._correlation_ids.pop(command_id, ""), flags)
        for watcher in self._watchers:
            watcher(decided)

    def flags_of(self, command_id: str) -> tuple[str, ...] | None:
        """Return what was flagged about a command; None where nobody watches."""
        return None if self._monitor is None else self._flags.get(command_id, ())

    def _lose(self, command: Command) -> Entry:
        """Acknowledge and forget; only the answer is kept, so that a re-send gets the same one."""
        known = self._lost.get(command.command_id)
        if known is not None:
            return same_or_conflict(known, command)
        self.defects.count(LOSE)
        entry = self._lost[command.command_id] = self.ledger.draft(command)
        return entry

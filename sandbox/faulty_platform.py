"""A platform that is wrong on purpose in what it takes, tells and leaves lying."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from sandbox import defects as named
from sandbox.book import Entry, Status
from sandbox.commands import Command, CreateAccount, Payment
from sandbox.defects import Defects
from sandbox.faulty import FaultyLedger
from sandbox.fields import Refusal
from sandbox.flags import Monitor
from sandbox.ledger import same_or_conflict
from sandbox.platform import Platform
from sandbox.store import Store


class FaultyPlatform(Platform):
    """A platform with defects. With none of them on, it does as the sound one does."""

    def __init__(
        self,
        ledger: FaultyLedger,
        defects: Defects,
        enqueue: Callable[[str], None],
        monitor: Monitor | None = None,
        store: Store | None = None,
    ) -> None:
        super().__init__(ledger, defects, enqueue, monitor, store)
        self._faulty = ledger
        self._lost: dict[str, Entry] = {}
        self._waiting: Counter[str] = Counter()
        """Account id -> how many of its commands are not decided."""
        self._put_off: set[str] = set()

    def accept(self, command: Command, correlation_id: str = "") -> Entry:
        """Acknowledge a command, rightly or as a defect has it."""
        if self.defects.hits(named.LOSE, command.command_id):
            return self._lose(command)
        known = self.ledger.find(command.command_id)
        entry = super().accept(command, correlation_id)
        if known is None:
            self._waiting[entry.account_id] += 1
        elif not isinstance(command, CreateAccount):
            self._again(known)
        if isinstance(command, Payment) and self.defects.strikes(
            named.ERROR_ANSWER, command.command_id
        ):
            raise Refusal(422, "invalid", "the payment is not understood")
        return entry

    def _again(self, known: Entry) -> None:
        """Take a command that is known for another one, as a defect has it."""
        command_id = known.command.command_id
        if known.decision is None:
            if self.defects.hits(named.APPLY_ON_RACE, command_id):
                self._faulty.race(command_id)
        elif self.defects.hits(
            named.APPLY_ON_RETRY, command_id
        ) and command_id not in self.defects.struck_by(named.APPLY_ON_RETRY):
            self._faulty.repeat(command_id)

    def decide(self, command_id: str) -> None:
        """Decide an accepted command, or leave it lying as a defect has it."""
        entry = self.ledger.find(command_id)
        assert entry is not None, "a command is received before it is decided"
        if self.defects.strikes(named.STALL, command_id):
            return
        others_wait = self._waiting[entry.account_id] > 1
        if (
            others_wait
            and command_id not in self._put_off
            and self.defects.strikes(named.REORDER, command_id)
        ):
            self._put_off.add(command_id)
            self._enqueue(command_id)
            return
        self._waiting[entry.account_id] -= 1
        super().decide(command_id)

    def told(self, entry: Entry) -> Entry:
        """Tell how a command stands: one that is to be taken back is settled at first."""
        told = super().told(entry)
        command_id = entry.command.command_id
        if told.decision is None or command_id not in self._faulty.to_take_back:
            return told
        self._faulty.to_take_back.discard(command_id)
        self.defects.count(named.TAKE_BACK, command_id)
        settled = replace(told.decision, status=Status.SETTLED, reason=None)
        return replace(told, decision=settled)

    def _lose(self, command: Command) -> Entry:
        """Acknowledge and forget; only the answer is kept, so that a re-send gets the same one."""
        known = self._lost.get(command.command_id)
        if known is not None:
            return same_or_conflict(known, command)
        self.defects.count(named.LOSE, command.command_id)
        entry = self._lost[command.command_id] = self.ledger.draft(command)
        return entry

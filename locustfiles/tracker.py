"""What became of each command, as far as this process has seen: facts, bindings, pending, counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged, Acknowledgement, Completion
from locustfiles.arrivals import Arrival
from locustfiles.bindings import Bindings, Key
from locustfiles.completions import Place
from locustfiles.hand import Card
from reports.journal import Fact, Journal

ATTEMPT = 0
"""There are no retries yet, so every attempt is the first."""


@dataclass(slots=True)
class Tally:
    """Counts of commands over the run."""

    sent: int = 0
    acknowledged: int = 0
    completed: int = 0
    unanswered: int = 0
    blocked: int = 0
    waiting: int = 0
    """Requests that are on the wire now."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A command that was sent and has no final outcome yet."""

    kind: Kind
    account: Key
    phase: int
    channel: Channel
    sent_ns: int


class Tracker:
    """Turns what happens to commands into facts. It is the only writer of the journal."""

    def __init__(self, journal: Journal, bindings: Bindings, now_ns: Callable[[], int]) -> None:
        self._journal = journal
        self._bindings = bindings
        self._now_ns = now_ns
        self.tally = Tally()
        self.pending: dict[Place, Pending] = {}
        """In the order of sending, so that the first is the oldest."""
        self.moved_ns = 0
        """When something was last sent, answered or completed."""

    def blocked(self, card: Card, phase: int, channel: Channel, reason: str) -> None:
        """Record that a command may not be sent, because its account is not ready."""
        self.tally.blocked += 1
        self._add(Fact.BLOCKED, card.place, phase, channel, reason=reason)

    def sending(self, card: Card, phase: int, channel: Channel, arrival: Arrival) -> int:
        """Record that a command is about to leave, and return the time."""
        sent_ns = self.moved_ns = self._now_ns()
        account = (card.lap, card.shard.number, card.account)
        self.pending[card.place] = Pending(card.kind, account, phase, channel, sent_ns)
        self.tally.sent += 1
        self.tally.waiting += 1
        self._journal.sent(
            card.place,
            ATTEMPT,
            phase,
            channel,
            at_ns=sent_ns,
            intended_ns=arrival.intended_ns,
            free_ns=arrival.free_ns,
        )
        return sent_ns

    def acknowledged(self, place: Place, answer: Acknowledgement) -> int:
        """Record an answer, and return the time; only an accepted or unknown command stays pending."""
        pending = self.pending[place]
        if answer.status is Acknowledged.ACCEPTED and answer.account_id is not None:
            self._bindings.bind(pending.account, answer.account_id)
        # The fact comes first: an adapter's answer may be none, and is counted as nothing then.
        at_ns = self._add(
            Fact.ACKNOWLEDGED,
            place,
            pending.phase,
            pending.channel,
            code=answer.status,
            reason=answer.reason,
        )
        self.tally.waiting -= 1
        self.tally.acknowledged += 1
        if answer.status in (Acknowledged.INVALID, Acknowledged.REFUSED):
            del self.pending[place]
        return at_ns

    def unanswered(self, place: Place, reason: str) -> int:
        """Record that no whole answer came, and return the time: the command may have effect."""
        pending = self.pending[place]
        self.tally.waiting -= 1
        self.tally.unanswered += 1
        return self._add(Fact.UNANSWERED, place, pending.phase, pending.channel, reason=reason)

    def not_sent(self, place: Place, reason: str) -> int:
        """Record that nothing left after all, and return the time."""
        pending = self.pending.pop(place)
        self.tally.waiting -= 1
        self.tally.unanswered += 1
        return self._add(Fact.NOT_SENT, place, pending.phase, pending.channel, reason=reason)

    def completed(self, place: Place, completion: Completion) -> None:
        """Record a final outcome. One that nobody waits for is a fact all the same."""
        pending = self.pending.pop(place, None)
        phase, channel = (pending.phase, pending.channel) if pending else (0, Channel.HTTP)
        self._add(
            Fact.COMPLETED, place, phase, channel, code=completion.outcome, reason=completion.reason
        )
        if pending is not None:
            self.tally.completed += 1
            self._bindings.completed(pending.account, pending.kind, completion.outcome)

    def _add(
        self,
        fact: Fact,
        place: Place,
        phase: int,
        channel: Channel,
        *,
        code: Acknowledged | Outcome | int = 0,
        reason: str = "",
    ) -> int:
        at_ns = self.moved_ns = self._now_ns()
        self._journal.add(
            fact, place, ATTEMPT, phase, channel, at_ns=at_ns, code=code, reason=reason
        )
        return at_ns

    def oldest(self) -> tuple[Place, Pending] | None:
        """Return the pending command that was sent first."""
        return next(iter(self.pending.items()), None)

"""What became of each command, as far as this process has seen: facts, bindings, pending, counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged, Acknowledgement, Completion
from locustfiles.arrivals import Arrival
from locustfiles.bindings import Bindings, Key
from locustfiles.card import Card
from locustfiles.completions import Place
from locustfiles.fleet.counts import Oldest
from locustfiles.fleet.facts import FactCounts
from locustfiles.fleet.outcomes import Outcomes
from locustfiles.replays import SetAside
from locustfiles.sightings import Sightings
from reports.journal import Fact, Journal


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
    retried: int = 0
    """Attempts that were made again, under the same id."""
    retrying: int = 0
    """Commands that are being sent again now, or wait for it."""
    held_back: int = 0
    """Waits of users that the platform asked for (Retry-After)."""


class Pending(NamedTuple):
    """An attempt at a command that was sent; the latest one has no final outcome yet."""

    card: Card
    attempt: int
    phase: int
    channel: Channel
    sent_ns: int
    """When it was sent, or when it began to be watched."""

    @property
    def kind(self) -> Kind:
        """What the command does."""
        return self.card.kind

    @property
    def account(self) -> Key:
        """Whose it is."""
        return self.card.account_key

    @property
    def at(self) -> tuple[int, int, Channel]:
        """Return (attempt, phase, channel), as the journal has them."""
        return self.attempt, self.phase, self.channel


# Made for each attempt.
pending_of = partial(tuple.__new__, Pending)


class Tracker:
    """Turns what happens to commands into facts. It is the only writer of the journal."""

    def __init__(
        self,
        journal: Journal,
        bindings: Bindings,
        now_ns: Callable[[], int],
        ended: Callable[[Place, bool], None] = lambda *_: None,
    ) -> None:
        """Record with times of `now_ns`.

        `ended` gets (place, whether observed complete) of each command that a replay waits for.
        """
        self._journal = journal
        self._bindings = bindings
        self._now_ns = now_ns
        self._tell_ended = ended
        self.tally = Tally()
        self.set_aside = SetAside()
        self.pending: dict[Place, Pending] = {}
        """In the order of sending, so that the first is the oldest."""
        self._on_wire: dict[tuple[Place, int], Pending] = {}
        """By place and attempt: an earlier attempt's answer may come after a later one was sent."""
        self._ended: list[Card] = []
        self.moved_ns = 0
        """When something was last sent, answered or completed."""
        self.outcomes: Outcomes | None = None
        self.counted: FactCounts | None = None
        """Where outcomes, and commands that have one, are counted, while somebody looks."""

    def blocked(self, card: Card, phase: int, reason: str) -> None:
        """Record that a command may not be sent, because what it needs was not observed."""
        self.tally.blocked += 1
        self._add(Fact.BLOCKED, card.place, (card.attempt, phase, card.channel), reason=reason)
        self._end(card, complete=False)

    def watch(self, card: Card, phase: int) -> None:
        """Wait for the outcome of a command that a lost worker may have sent."""
        watched = Pending(card, card.attempt, phase, card.channel, self._now_ns())
        self.pending.setdefault(card.place, watched)

    # Who waits for the answer to an attempt tells of it with what `leaving` gave.

    def leaving(self, card: Card, phase: int, arrival: Arrival, again: int = 0) -> Pending:
        """Record that a command is about to leave, for the first time or again."""
        sent_ns = self.moved_ns = self._now_ns()
        place, channel, attempt = card.place, card.channel, card.attempt
        if again:
            attempt = card.numbered(again)
        sent = self.pending[place] = pending_of((card, attempt, phase, channel, sent_ns))
        tally = self.tally
        tally.waiting += 1
        if again:
            tally.retried += 1
        else:
            tally.sent += 1
        self._journal.sent(
            place, attempt, phase, channel, sent_ns, arrival.intended_ns, arrival.free_ns
        )
        return sent

    def left(self, several: Sequence[tuple[Pending, Arrival]]) -> None:
        """Record that attempts have left just now, for the first time; each was stamped before."""
        if not several:
            return
        self.pending.update((sent.card.place, sent) for sent, _ in several)
        self.tally.waiting += len(several)
        self.tally.sent += len(several)
        self.moved_ns = several[-1][0].sent_ns
        self._journal.left(
            (sent.card.place, sent.attempt, sent.phase, sent.channel, sent.sent_ns, arrival[1:])
            for sent, arrival in several
        )

    def answered(
        self,
        sent: Pending,
        answer: Acknowledgement,
        known_ns: int | None = None,
        *,
        last: bool = True,
    ) -> int:
        """Record an answer, and return the time: `known_ns`, or else now.

        Only a command that is accepted or unknown stays pending, and one with an attempt to come.
        """
        status, card = answer.status, sent.card
        if status is Acknowledged.ACCEPTED and answer.account_id is not None:
            self._bindings.bind(card.account_key, answer.account_id)
        self.moved_ns = self._now_ns()
        at_ns = self.moved_ns if known_ns is None else known_ns
        # The fact comes first: an adapter's answer may be none, and is counted as nothing then.
        self._journal.add(
            *(Fact.ACKNOWLEDGED, card.place, sent.attempt, sent.phase, sent.channel, at_ns),
            *(status, answer.reason),
        )
        self.tally.acknowledged += 1
        self.tally.waiting -= 1
        if status is Acknowledged.INVALID and self.outcomes is not None:
            self.outcomes.add(card, int(Outcome.INVALID), sent.channel)
        if last and (status is Acknowledged.INVALID or status is Acknowledged.REFUSED):
            self._finished(card.place, complete=False)
        return at_ns

    def accepted(self, several: Sequence[tuple[Pending, int]]) -> None:
        """Record answers by which attempts were accepted and nothing else was said, each with its time."""
        if several:
            self._journal.accepted(
                [
                    (card.place, attempt, phase, channel, at_ns)
                    for (card, attempt, phase, channel, _), at_ns in several
                ]
            )
            self.moved_ns = several[-1][1]
            self.tally.acknowledged += len(several)
            self.tally.waiting -= len(several)

    def failed(self, sent: Pending, reason: str) -> int:
        """Record that no whole answer came, and return the time: the command may have effect."""
        self.tally.waiting -= 1
        self.tally.unanswered += 1
        return self._add(Fact.UNANSWERED, sent.card.place, sent.at, reason=reason)

    def stayed(self, sent: Pending, reason: str, *, last: bool = True) -> int:
        """Record that nothing left after all, and return the time; `last` unless attempts may follow."""
        self.tally.waiting -= 1
        if last:
            self._finished(sent.card.place, complete=False)
        self.tally.unanswered += 1
        return self._add(Fact.NOT_SENT, sent.card.place, sent.at, reason=reason)

    # The same for those who know an attempt by its place and number alone.

    def sending(self, card: Card, phase: int, arrival: Arrival, again: int = 0) -> int:
        """Record that a command is about to leave, for the first time or again; return the time."""
        sent = self.leaving(card, phase, arrival, again)
        self._on_wire[card.place, sent.attempt] = sent
        return sent.sent_ns

    def acknowledged(
        self, place: Place, answer: Acknowledgement, attempt: int = 0, *, at_ns: int | None = None
    ) -> int:
        """Record an answer, and return the time: `at_ns`, or else now.

        Only a command that is accepted or unknown stays pending.
        """
        at_ns = self.answered(self._on_wire[place, attempt], answer, at_ns)
        del self._on_wire[place, attempt]
        return at_ns

    def unanswered(self, place: Place, reason: str, attempt: int = 0) -> int:
        """Record that no whole answer came, and return the time: the command may have effect."""
        return self.failed(self._on_wire.pop((place, attempt)), reason)

    def not_sent(self, place: Place, reason: str, attempt: int = 0, *, last: bool = True) -> int:
        """Record that nothing left after all, and return the time; `last` unless attempts may follow."""
        return self.stayed(self._on_wire.pop((place, attempt)), reason, last=last)

    def give_up(self, place: Place) -> None:
        """Wait no more for a command of which no attempt left, or all were refused."""
        self._finished(place, complete=False)

    def completed(
        self,
        place: Place,
        completion: Completion,
        *,
        at: tuple[int, int, Channel] = (0, 0, Channel.HTTP),
        at_ns: int | None = None,
    ) -> None:
        """Record a final outcome, observed `at_ns` or now.

        One that nobody waits for is a fact all the same, of the attempt, phase and channel of `at`.
        """
        pending = self.pending.get(place)
        self._add(
            Fact.COMPLETED,
            place,
            pending.at if pending else at,
            code=completion.outcome,
            reason=completion.reason,
            flags=completion.flags,
            known_ns=at_ns,
        )
        if pending is not None:
            self._bindings.completed(pending.account, pending.kind, completion.outcome)
            self._complete(pending, int(completion.outcome))

    def observed(self, seen: Sightings) -> list[int]:
        """Record final outcomes, as `completed` does; return the rows of those that nobody waits for here."""
        awaited, bindings, outcomes = self.pending, self._bindings, seen.outcomes
        mine: list[int] = []
        attempts: list[tuple[int, int, Channel]] = []
        others: list[int] = []
        try:
            for row, place in enumerate(seen.places):
                pending = awaited.get(place)
                if pending is None:
                    others.append(row)
                    continue
                mine.append(row)
                attempts.append(pending.at)
                bindings.completed(pending.account, pending.kind, outcomes[row])
                self._complete(pending, int(outcomes[row]))
        finally:
            # Whatever happens: of what is not awaited any more there must be a fact.
            self.moved_ns = self._now_ns()
            if mine:
                columns = zip(*attempts, strict=True)
                for name, column in zip(("attempt", "phase", "channel"), columns, strict=True):
                    seen.rows[name][mine] = column
            self._journal.completed(seen.rows, outcomes, seen.reasons, seen.flags)
        return others

    def bound(self, account: Key, account_id: str) -> None:
        """Take in the id of an account, from an answer that came after its creation's user had gone."""
        self._bindings.bind(account, account_id)

    def unreadable(self, place: Place, attempt: int) -> None:
        """Record that a reply came to an attempt, and that nobody can read it."""
        self._told(Fact.UNREADABLE, place, attempt)

    def misdirected(self, place: Place) -> None:
        """Record that a reply about a command came to another one."""
        self._told(Fact.MISDIRECTED, place, 0)

    def other_account(self, place: Place, attempt: int) -> None:
        """Record that a reply to an attempt names another account than it was sent for."""
        self._told(Fact.OTHER_ACCOUNT, place, attempt)

    def _told(self, fact: Fact, place: Place, attempt: int) -> None:
        pending = self.pending.get(place)
        self._add(fact, place, pending.at if pending else (attempt, 0, Channel.MQ))

    def dead_lettered(self, place: Place, attempt: int | None, reason: str) -> int:
        """Record that a command was put aside, and return the time; `attempt` where one is on the wire."""
        if attempt is not None:
            del self._on_wire[place, attempt]
            self.tally.waiting -= 1
        self.completed(place, Completion(Outcome.DEAD_LETTERED, reason))
        return self.moved_ns

    def over(self, place: Place, outcome: int) -> None:
        """Wait no more for a command whose outcome another process has written down."""
        pending = self.pending.get(place)
        if pending is not None:
            self.moved_ns = self._now_ns()
            self._complete(pending, outcome)

    def _complete(self, pending: Pending, outcome: int) -> None:
        """Count a command as completed: nobody waits for it after this, so it is counted once."""
        card = pending.card
        self.tally.completed += 1
        if self.outcomes is not None:
            self.outcomes.add(card, outcome, pending.channel)
        if self.counted is not None:
            self.counted.completed(pending.phase, pending.channel, card.kind, outcome)
        self._finished(card.place, complete=True)

    def oldest(self) -> Oldest | None:
        """Return the pending command that was sent first."""
        for pending in self.pending.values():
            sent_ns, card = max(pending.sent_ns, 0), pending.card
            return Oldest(sent_ns, *card.place, card.kind, pending.phase, pending.channel)
        return None

    def _finished(self, place: Place, *, complete: bool) -> None:
        """End the waiting for a command's outcome, if anybody waited."""
        pending = self.pending.pop(place, None)
        if pending is not None:
            self._end(pending.card, complete=complete)

    def _end(self, card: Card, *, complete: bool) -> None:
        """Note that nothing more will come of a command; a replay may wait for it."""
        self._ended.append(card)
        if card.is_awaited:
            self.set_aside.ended(card.place, self._now_ns(), complete=complete)
            self._tell_ended(card.place, complete)

    @property
    def has_ended(self) -> bool:
        """Whether the end of any command was recorded since `take_ended`."""
        return bool(self._ended)

    def take_ended(self) -> list[Card]:
        """Return the cards whose end was recorded since the last call.

        They are done once the journal is flushed: whoever takes over from a process that died must
        not take for finished what no journal tells of.
        """
        ended, self._ended = self._ended, []
        return ended

    def _add(
        self,
        fact: Fact,
        place: Place,
        at: tuple[int, int, Channel],
        *,
        code: Acknowledged | Outcome | int = 0,
        reason: str = "",
        flags: Sequence[str] = (),
        known_ns: int | None = None,
    ) -> int:
        """Write a fact about the attempt, phase and channel of `at`, and return the time.

        It happened now, unless the time is known from who saw it.
        """
        self.moved_ns = self._now_ns()
        at_ns = self.moved_ns if known_ns is None else known_ns
        self._journal.add(fact, place, *at, at_ns, code, reason, flags)
        return at_ns

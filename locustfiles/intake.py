"""The intake: answers over HTTP, of all users of a process, taken in together.

What an answer means to its command is found out after its user has gone on to the next one: one by
one, between requests, the same would take twice as long. Nobody waits longer for it than until the
event loop comes round, and its time was taken when it came.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import gevent
from gevent.event import Event

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged, Acknowledgement, HttpAnswer
from locustfiles import retries
from locustfiles.answers import fault_of
from locustfiles.card import Card
from locustfiles.channels.faults import RedirectedError
from locustfiles.plan_parts.retries import Why
from locustfiles.retries import Tried
from locustfiles.run import Run
from locustfiles.tracker import Pending
from locustfiles.work import Turn

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which `paystorm try` must be spared.
    from locustfiles.statistics import Request, Statistics

log = logging.getLogger(__name__)

TOGETHER = 64
"""So many answers are taken in at once, at most: others have their turn between."""

_ACCEPTED = Acknowledged.ACCEPTED
_AGAIN: dict[Acknowledged, Why] = {
    Acknowledged.REFUSED: "refused",
    Acknowledged.UNKNOWN: "unknown",
}
_INVALID = int(Outcome.INVALID)
_LABELS = tuple(kind.label for kind in Kind)


class UnexpectedAnswerError(Exception):
    """What Locust's statistics show of a command that was not answered as it should be."""


class Answered(NamedTuple):
    """An answer that came."""

    turn: Turn
    sent: Pending
    answer: HttpAnswer
    at_ns: int


answered_of = partial(tuple.__new__, Answered)


class Intake:
    """Takes in answers to the commands of one run."""

    def __init__(self, run: Run, statistics: Statistics) -> None:
        self._run = run
        self._statistics = statistics
        self._read = run.platform.read_acknowledgement
        self._epoch_utc_ns = run.clock.epoch_utc_ns
        self.may_wait = not any(retries.next_after(run, why, 0) for why in _AGAIN.values())
        """Whether no user has to know how its answer reads, since it sends nothing again for that."""
        self._waiting: list[Answered] = []
        self._some = Event()
        self._greenlet = gevent.spawn(self._take_on)
        statistics.sources.append(self.take)

    def put(self, answered: Answered) -> None:
        """Have an answer taken in, soon."""
        waiting = self._waiting
        waiting.append(answered)
        if len(waiting) == 1:
            self._some.set()
        elif len(waiting) >= TOGETHER:
            self.take()

    def take(self) -> None:
        """Take in what waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        run, read, epoch_utc_ns = self._run, self._read, self._epoch_utc_ns
        measured = run.counting.is_on
        accepted: list[tuple[Pending, int]] = []
        requests: list[Request] = []
        for answered in waiting:
            turn, sent, answer, at_ns = answered
            try:
                acknowledgement = read(answer)
                says_more = acknowledgement.account_id is not None or acknowledgement.reason
                accepts = acknowledgement.status is _ACCEPTED
            except Exception as error:
                self.failed(turn, sent, error, len(answer.body))
                continue
            if says_more or not accepts or sent.card.expected & _INVALID:
                self._settle(answered, acknowledgement)
                continue
            accepted.append((sent, at_ns))
            if measured:
                run.counting.answered(turn, at_ns)
            took_ms = (at_ns - sent.sent_ns) / 1e6
            label = _LABELS[sent.card.kind]
            requests.append((label, epoch_utc_ns + at_ns, took_ms, len(answer.body)))
        run.tracker.accepted(accepted)
        self._statistics.answered_all(requests)
        run.expect_all([sent for sent, _ in accepted])

    def close(self) -> None:
        """Take in what waits, and nothing after that."""
        self._greenlet.kill()
        self.take()
        self._statistics.sources.remove(self.take)

    def take_one(
        self, answered: Answered, before: int, *, in_doubt: bool
    ) -> tuple[Exception | None, Tried | None]:
        """Take in an answer to an attempt with so many before it, of which one may have taken effect.

        Returns what is wrong with it, and what follows; None for nothing.
        """
        try:
            acknowledgement = self._read(answered.answer)
            why = _AGAIN.get(acknowledgement.status)
        except Exception as error:
            turn, sent, answer, _ = answered
            return self.failed(turn, sent, error, len(answer.body)), None
        tried = retries.next_after(self._run, why, before) if why is not None else None
        is_last = tried is None and not in_doubt
        return self._settle(answered, acknowledgement, last=is_last, awaited=tried is None), tried

    def end(self, sent: Pending, at_ns: int, length: int, problem: Exception | None) -> None:
        """Count an attempt that has ended."""
        card = sent.card
        label, utc_ns = _LABELS[card.kind], self._epoch_utc_ns + at_ns
        took_ms = (at_ns - sent.sent_ns) / 1e6
        if problem is None:
            self._statistics.answered(label, utc_ns, took_ms, length)
        else:
            self._statistics.fire(label, utc_ns, took_ms, length, problem)

    def _settle(
        self,
        answered: Answered,
        acknowledgement: Acknowledgement,
        *,
        last: bool = True,
        awaited: bool = True,
    ) -> Exception | None:
        """Record an answer, whatever it says, and return what is wrong with it."""
        turn, sent, answer, at_ns = answered
        try:
            self._run.tracker.answered(sent, acknowledgement, at_ns, last=last)
            problem = _unexpected(acknowledgement, turn.card, answer)
        except Exception as error:
            return self.failed(turn, sent, error, len(answer.body))
        self._run.counting.answered(turn, at_ns)
        self.end(sent, at_ns, len(answer.body), problem)
        if awaited:
            self._run.expect_all([sent])
        return problem

    def failed(self, turn: Turn, sent: Pending, error: Exception, length: int = 0) -> Exception:
        """Record an adapter's fault, which must not lose the command: whether it left is not known."""
        command_id, named = sent.card.command_id, self._run.named(turn, sent.attempt)
        log.error("the platform adapter failed on %s", command_id, exc_info=error, extra=named)
        at_ns = self._run.tracker.failed(sent, f"adapter: {error!r}")
        self.end(sent, at_ns, length, error)
        self._run.expect_all([sent])
        return error

    def _take_on(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            self.take()


def _unexpected(
    acknowledgement: Acknowledgement, card: Card, answer: HttpAnswer
) -> Exception | None:
    """Return what Locust should count as a failure; None for what is right for this command."""
    fault = fault_of(acknowledgement, Outcome(card.expected), Channel.HTTP)
    if fault is None:
        return None
    if 300 <= answer.status < 400:
        return RedirectedError(fault)
    return UnexpectedAnswerError(fault)

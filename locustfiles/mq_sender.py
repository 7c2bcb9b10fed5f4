"""Sends commands over IBM MQ: puts one, waits for its reply, and records all that may come of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gevent import GreenletExit

from e2e_data.commands import Channel, Kind, Label, Outcome, expected_on
from e2e_data.envelope import message_ids, timestamp
from e2e_data.mq import MqMessage
from locustfiles import retries
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.mq_access import MqAccess
from locustfiles.channels.mq_replies import Awaited
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.lines import ABORTED, More
from locustfiles.retries import Tried
from locustfiles.run import Run
from locustfiles.work import Turn

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which the command line must be spared.
    from locustfiles.statistics import Statistics

log = logging.getLogger(__name__)

IDS_AT_ONCE = 256
"""Message ids that are drawn together."""
_HOSTILE = min(label for label in Label if label.is_hostile)
_LABELS = tuple(kind.label for kind in Kind)
_DECIDED = Outcome.SETTLED | Outcome.REJECTED


class UnexpectedReplyError(Exception):
    """What Locust's statistics show of a command that was not answered as it should be."""


class MqLine:
    """The way over IBM MQ: all users of a process share its connections and its reader."""

    def __init__(self, run: Run, mq: MqSettings, warn: Callable[[str], None]) -> None:
        """Connect, and begin to read replies. Raises Problems with all that is not there.

        `warn` gets what people should know of the run.
        """
        self._warn = warn
        self.access = MqAccess(
            mq,
            run.platform,
            run.ids,
            run.tracker,
            run.plan.timeout_s,
            warn,
            shared=run.service.shared,
        )
        try:
            self.access.open()
        except BaseException:
            self.access.close()
            raise
        self._message_ids = _drawn()

    def sender(self, run: Run, statistics: Statistics) -> MqSender:
        """Return a sender for one user."""
        return MqSender(run, self, statistics)

    def close(self) -> None:
        """Read no more, and say how many replies there were that nobody waited for."""
        self.access.close()
        counts = {
            kind: count for kind, count in asdict(self.access.replies.counts).items() if count
        }
        if counts:
            told = ", ".join(
                f"{count:,} {kind.replace('_', '-')}" for kind, count in counts.items()
            )
            self._warn(f"replies over IBM MQ: {told}")

    def message(self, run: Run, turn: Turn, reply_to: str, again: int = 0) -> MqMessage:
        """Return what is to be put for a turn. Raises whatever the adapter does."""
        return run.platform.mq_message(
            run.sending(turn, again),
            message_id=next(self._message_ids),
            timestamp=timestamp(datetime.now(UTC)),
            reply_to=reply_to,
        )


class MqSender:
    """Sends one command after the other."""

    def __init__(self, run: Run, line: MqLine, statistics: Statistics) -> None:
        self._run, self._line, self._statistics = run, line, statistics

    def close(self) -> None:
        """Do nothing: a user has nothing of its own."""

    def send(self, turn: Turn, more: More | None = None) -> None:  # noqa: ARG002 - each has a thread's time
        """Put a command, wait for its reply, and as the plan has it again; record what came of it."""
        retries.send(self._run, turn, self._attempt)

    def _attempt(self, turn: Turn, before: int, in_doubt: bool) -> Tried | None:  # noqa: FBT001
        run, card, tracker = self._run, turn.card, self._run.tracker
        reply_to = self._line.access.next_reply_queue()
        message, problem = self._made(turn, reply_to, before)
        attempt = card.numbered(before)
        sent_ns = tracker.sending(card, turn.phase, turn.arrival, before)
        creates = card.account_key if card.kind is Kind.ACCOUNT else None
        is_plain = creates is None and card.shard.label[card.index] < _HOSTILE
        account_id = run.bindings.account_id(card.account_key) if is_plain else None
        awaited = Awaited(card.place, attempt, card.command_id, creates, account_id)
        tried: Tried | None = None
        if message is None:
            why = f"adapter: {problem!r}"
            at_ns = tracker.not_sent(card.place, why, attempt, last=not in_doubt)
        else:
            try:
                at_ns, problem = self._exchanged(turn, message, reply_to, awaited)
            except NotSentError as error:
                problem, tried = error, retries.next_after(run, "not sent", before)
                is_last = tried is None and not in_doubt
                at_ns = tracker.not_sent(card.place, str(error), attempt, last=is_last)
            if isinstance(problem, UnansweredError):
                tried = retries.next_after(run, "unanswered", before)
        utc_ns, took_ms = run.clock.epoch_utc_ns + at_ns, (at_ns - sent_ns) / 1e6
        label = _LABELS[card.kind]
        if problem is None:
            self._statistics.answered(label, utc_ns, took_ms, awaited.length)
        else:
            self._statistics.fire(label, utc_ns, took_ms, awaited.length, problem)
        return tried

    def _made(
        self, turn: Turn, reply_to: str, again: int
    ) -> tuple[MqMessage | None, Exception | None]:
        """Have the adapter make the message; where it fails, nothing is sent."""
        try:
            return self._line.message(self._run, turn, reply_to, again), None
        except Exception as error:
            command_id, number = turn.card.command_id, turn.card.numbered(again)
            named = self._run.named(turn, number)
            log.exception("the platform adapter failed on %s", command_id, extra=named)
            return None, error

    def _exchanged(
        self, turn: Turn, message: MqMessage, reply_to: str, awaited: Awaited
    ) -> tuple[int, Exception | None]:
        """Put the message and wait; return when it ended, and what was wrong.

        Raises NotSentError where nothing was put.
        """
        run, tracker = self._run, self._run.tracker
        place, attempt = awaited.place, awaited.attempt
        try:
            self._line.access.exchange(message, reply_to, awaited)
        except GreenletExit:
            if not awaited.answered.is_set():
                tracker.unanswered(place, ABORTED, attempt)
            raise
        except Exception as error:
            if awaited.answered.is_set():
                # It was recorded when it came, whatever failed after that.
                return awaited.at_ns, None
            if isinstance(error, NotSentError):
                raise
            if not isinstance(error, UnansweredError):
                command_id, named = turn.card.command_id, run.named(turn, attempt)
                log.exception("a fault in the MQ channel, on %s", command_id, extra=named)
            return tracker.unanswered(place, str(error), attempt), error
        if awaited.answer is not None:
            run.counting.answered(turn, awaited.at_ns)
        return awaited.at_ns, _unexpected(awaited, Outcome(turn.card.expected))


def _unexpected(awaited: Awaited, expected: Outcome) -> Exception | None:
    """Return what Locust should count as a failure; None for what is right for this command."""
    right = expected_on(expected, Channel.MQ)
    if awaited.answer is None:
        return None if right & Outcome.DEAD_LETTERED else UnexpectedReplyError("dead-lettered")
    if right & _DECIDED:
        return None
    return UnexpectedReplyError(f"accepted, where only {right.label} is right")


def _drawn() -> Iterator[str]:
    """Yield message ids, one for each attempt."""
    while True:
        yield from message_ids(IDS_AT_ONCE)

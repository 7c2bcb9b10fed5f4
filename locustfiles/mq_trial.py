"""A trial over IBM MQ: one account's life in messages, everything shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from e2e_data.commands import Channel, Outcome
from e2e_data.envelope import message_ids, timestamp
from e2e_data.mq import MqMessage, MqReply, Reply, without_headers
from e2e_data.platform import Sending
from e2e_data.problems import Problems
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.mq_binding import load
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Got, Login, Put, Session
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.channels.mq_structs import NO_ID
from locustfiles.trial import DECISION_S, SHOWN_BYTES, Trial, TrialError, adapted

WAIT_MS = 500


class MqTrial(Trial):
    """Walks one account through its life, and gets each command's own replies."""

    channel = Channel.MQ
    reads = "read_reply"

    def __init__(
        self,
        host: str,
        platform_spec: str | None,
        console: Console,
        settings: MqSettings,
        http: HttpSettings | None = None,
        allow: Sequence[str] = (),
    ) -> None:
        """Connect to the queue manager, too. Raises Problems where it is not there."""
        super().__init__(host, platform_spec, console, http, allow)
        self._settings = settings
        binding, login = load(settings.binding, settings.library), Login.of(settings)
        try:
            self._session = Session(binding, login)
        except MqError as error:
            raise Problems([f"mq: {error.told}"]) from error
        self._correl_id = NO_ID
        self._reply = Reply("")

    def walk(self) -> None:
        """Send one command of each kind, each after the one before is final. Raises TrialError."""
        try:
            super().walk()
        except MqError as error:
            raise TrialError(error.told) from error
        finally:
            self._session.close()

    def _sent(self, kind: str, sending: Sending) -> str | None:
        settings = self._settings

        def made(one: Sending) -> MqMessage:
            return self._platform.mq_message(
                one,
                message_id=message_ids(1)[0],
                timestamp=timestamp(datetime.now(UTC)),
                reply_to=settings.reply_queue,
            )

        message = adapted(f"{kind}: mq_message", made, sending)
        self._correl_id = message.correl_id
        self._print(f"-> {settings.command_queue}  CorrelId {message.correl_id.hex()}")
        self._print(f"   {message.body.decode(errors='replace')}")
        put = Put(
            body=message.body,
            correl_id=message.correl_id,
            msg_id=message.correl_id if settings.reply_match == "msg-id" else NO_ID,
            reply_to=settings.reply_queue,
            format=message.format,
            ccsid=message.ccsid,
        )
        self._session.put(settings.command_queue, put)
        self._reply = self._next_reply(kind, sending.command_id)
        return self._reply.account_id

    def _outcome(self, kind: str, command_id: str) -> Outcome:
        """Get replies until one is final."""
        while not self._reply.outcome:
            self._reply = self._next_reply(kind, command_id)
        return Outcome(self._reply.outcome)

    def _next_reply(self, kind: str, command_id: str) -> Reply:
        queue, until = self._settings.reply_queue, time.monotonic() + DECISION_S
        got: Got | None = None
        while got is None:
            if time.monotonic() > until:
                raise TrialError(
                    f"{kind}: no reply on {queue} with this CorrelId within {DECISION_S} s: does the "
                    "platform answer, to the ReplyToQ, with the command's CorrelId (reply_match)? "
                    "Look at the backout queue: paystorm mq dlq list"
                )
            got = self._session.get(queue, WAIT_MS, self._correl_id)
        body = without_headers(got.body, got.md.format, got.md.encoding)
        self._print(f"<- {queue}  {body[:SHOWN_BYTES].decode(errors='replace')}")
        reply = adapted(
            f"{kind}: read_reply", self._platform.read_reply, MqReply(body, self._correl_id)
        )
        if reply is None:
            raise TrialError(f"{kind}: read_reply reads no reply in this message")
        self._print(
            f"  read as: {reply.outcome.label if reply.outcome else 'accepted'} {reply.reason}"
        )
        if reply.command_id != command_id:
            raise TrialError(f"{kind}: the reply is about command {reply.command_id}: misdirected")
        return reply

"""Larger messages: what a command is, followed by as much white space as makes it so large.

White space behind a JSON document means nothing to whoever reads it, so what is expected of a command
stays the same; what carries it, and what stores it, has all of its bytes to do with.
"""

from __future__ import annotations

from dataclasses import replace

from e2e_data.commands import Command
from e2e_data.layers import layered
from e2e_data.mq import MqMessage
from e2e_data.over_kafka import KafkaRecord
from e2e_data.platform import HttpRequest, Platform, Sending

_SPACE = b" "


class _Padded(Platform):
    """What an adapter overrides that pads; the one that is padded comes behind it in the order of bases."""

    bytes_each = 0
    bytes_largest = 0
    largest = -1
    """The index in the first shard of the command that is the largest."""

    def http_command(self, sending: Sending) -> HttpRequest:
        """Return the adapter's request, with its body as long as asked."""
        request = super().http_command(sending)
        return replace(request, body=self._filled(request.body, sending.command))

    def mq_message(
        self, sending: Sending, *, message_id: str, timestamp: str, reply_to: str
    ) -> MqMessage:
        """Return the adapter's message, as long as asked."""
        message = super().mq_message(
            sending, message_id=message_id, timestamp=timestamp, reply_to=reply_to
        )
        return replace(message, body=self._filled(message.body, sending.command))

    def kafka_record(
        self, sending: Sending, *, message_id: str, timestamp: str, reply_to: str
    ) -> KafkaRecord:
        """Return the adapter's record, with its value as long as asked."""
        record = super().kafka_record(
            sending, message_id=message_id, timestamp=timestamp, reply_to=reply_to
        )
        return record._replace(value=self._filled(record.value, sending.command))

    def _filled(self, body: bytes, command: Command) -> bytes:
        is_largest = (command.shard, command.index) == (0, self.largest)
        return body.ljust(self.bytes_largest if is_largest else self.bytes_each, _SPACE)


def padded(platform: Platform, *, each: int, largest: int, index: int) -> Platform:
    """Return an adapter that does as `platform`, but for the length of what it sends.

    Each message has at least `each` bytes, and that of command `index` of the pool's first shard at
    least `largest`; 0 leaves them as they are. They are made one by one, when they are sent: of many
    that are made ahead there would be no room.
    """
    if not (each or largest):
        return platform
    lengths = {"bytes_each": each, "bytes_largest": max(each, largest)}
    return layered(_Padded, platform, **lengths, largest=index)

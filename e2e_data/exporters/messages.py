"""Messages: envelopes for IBM MQ, one a line, and for Kafka with the key before them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import compress

from e2e_data import bulk
from e2e_data.commands import Channel, Kind
from e2e_data.envelope import message_ids, timestamp
from e2e_data.exporters.formats import FILES, Format, Lines
from e2e_data.exporters.portions import Portion
from e2e_data.platform import Platform
from e2e_data.problems import Problems

ALL = "all-messages"
KEY_END = "\t"
"""Between a Kafka record's key and its value; neither an id nor compact JSON has one."""


class Messages(Format):
    """A file for each kind of command, and one with all of them in the order of sending."""

    passes = ([[Kind.ACCOUNT]], [[Kind.OPENING_CREDIT]], [[Kind.FUNDING, Kind.PAYMENT]])
    ending: str

    def __init__(self, platform: Platform, reply_to: str, made: datetime) -> None:
        """Have answers sent to the queue or topic `reply_to`; all messages say that they are of `made`."""
        self._platform = platform
        self._reply_to = reply_to
        self._timestamp = timestamp(made)

    def headings(self) -> dict[str, str]:
        """Return the names of the files."""
        return {f"{name}{self.ending}": "" for name in (*FILES.values(), ALL)}

    def lines(self, portion: Portion) -> Iterator[Lines]:
        """Write each command's message, into the file of its kind and into that of all."""
        messages = self._messages(portion)
        kinds = portion.batch.kinds
        for kind, name in FILES.items():
            of_kind = kinds == kind
            if of_kind.any():
                yield f"{name}{self.ending}", list(compress(messages, of_kind.tolist()))
        yield f"{ALL}{self.ending}", messages

    def _messages(self, portion: Portion) -> list[str]:
        messages = bulk.envelopes(
            self._platform,
            portion.batch,
            message_ids=message_ids(len(portion)),
            timestamp=self._timestamp,
            reply_to=self._reply_to,
        )
        if any("\n" in message for message in messages):
            raise Problems(
                ["the platform adapter's messages have line breaks; here each is to be one line"]
            )
        return messages


class Mq(Messages):
    """Files for `load-mq.sh`."""

    channel = Channel.MQ
    ending = ".jsonl"
    scripts = ("load-mq.sh",)


class Kafka(Messages):
    """Files for kcat."""

    channel = Channel.KAFKA
    ending = ".kcat"
    scripts = ("load-kafka.sh",)

    def _messages(self, portion: Portion) -> list[str]:
        batch = portion.batch
        keys = (
            customer if account is None else account
            for customer, account in zip(batch.customer_ids, batch.account_ids, strict=True)
        )
        values = super()._messages(portion)
        return [f"{key}{KEY_END}{value}" for key, value in zip(keys, values, strict=True)]

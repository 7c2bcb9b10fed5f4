"""The envelope: a message of a queue or a topic, read into a command, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import wire
from sandbox.commands import Command, CreateAccount, Payment, Transaction
from sandbox.fields import Fields

_READERS: dict[str, wire.Reader] = {
    CreateAccount.TYPE: wire.create_account,
    Transaction.TYPE: wire.transaction,
    Payment.TYPE: wire.payment,
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A command with what a message says beside it."""

    command: Command
    correlation_id: str
    """As the sender wrote it; empty where it wrote none."""


def read(body: bytes) -> Envelope:
    """Read a message's body. Raises Refusal for whatever cannot be understood."""
    fields = wire.json_object(body)
    command_type = fields.one_of("commandType", tuple(_READERS))
    fields.uuid("messageId")
    command = _READERS[command_type](fields.uuid("commandId"), fields.nested("payload"))
    return Envelope(command, _optional(fields, "correlationId"))


def _optional(fields: Fields, name: str) -> str:
    return fields.text(name, max_chars=200) if fields.has(name) else ""

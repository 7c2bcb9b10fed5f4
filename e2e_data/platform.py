"""The platform adapter: everything that is particular to one payments platform.

`Platform` itself speaks the wire formats of docs/contract.md. A team with another platform
subclasses it, overrides what differs, and names the class with `--platform my_platform.py:MyPlatform`.
It is pure: it makes requests and reads answers, and never opens a connection.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import orjson

from e2e_data import mq, wire
from e2e_data.book_rows import OUTCOMES, BookAccount, BookCommand, Posting, StatementEnd
from e2e_data.commands import COMMAND_TYPES, Command, Kind, Label, Outcome
from e2e_data.envelope import ENVELOPE
from e2e_data.hostile import DISFIGURED, altered, spoilt, unknown_account_id
from e2e_data.model.rules import Rules
from e2e_data.money import from_wire
from e2e_data.over_kafka import OverKafka
from e2e_data.over_sql import OverSql
from e2e_data.problems import Problems


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as the platform wants it; `path` begins with a slash."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class HttpAnswer(NamedTuple):
    """An answer that arrived whole; the names in `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Sending:
    """A command with all that is known only when it is sent."""

    command: Command
    command_id: str
    customer_id: str
    correlation_id: str
    account_id: str | None
    """None for an account's creation: the platform has yet to assign the id."""
    value_date: str


class Acknowledged(IntEnum):
    """What an answer to a command says."""

    ACCEPTED = 0
    """The platform has it and will decide."""
    INVALID = 1
    """The platform could not understand it, and will do nothing."""
    REFUSED = 2
    """The platform would not take it now; it has no effect."""
    UNKNOWN = 3
    """The answer does not tell whether the command will take effect."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An answer to a command, read."""

    status: Acknowledged
    account_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """A final outcome, as it was observed."""

    outcome: Outcome
    reason: str = ""
    flags: tuple[str, ...] = ()
    """What the platform's monitoring says of the command, in the names of `Label`, such as ROUND."""


_ACCEPTED = Acknowledgement(Acknowledged.ACCEPTED)

PATHS = {
    Kind.ACCOUNT: "/api/accounts",
    Kind.OPENING_CREDIT: "/api/transactions",
    Kind.FUNDING: "/api/transactions",
    Kind.PAYMENT: "/api/payments",
}


def http_headers(command_id: str, correlation_id: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of a command's request."""
    return (
        ("Content-Type", "application/json"),
        ("Idempotency-Key", command_id),
        ("X-Correlation-Id", correlation_id),
    )


class Platform(OverKafka, OverSql):
    """The default platform: see docs/contract.md."""

    idempotent = True
    """A command sent again under the same id takes effect once."""
    rules = Rules()
    """What it promises; the replay of its book holds it to that."""
    has_statements = True
    """The book can be read after the run."""
    clock_off_ms = 1000
    """How far the platform's clock may be off the tester's, beyond what the tester's own are."""
    breakdowns = frozenset({"HTTP 500"})
    """Reasons of unknown answers that no command, however hostile, may bring about."""

    # -- sending --------------------------------------------------------------------------------

    def http_command(self, sending: Sending) -> HttpRequest:
        """Return the request that carries a command."""
        headers = http_headers(sending.command_id, sending.correlation_id)
        path = PATHS[sending.command.kind]
        return HttpRequest("POST", path, headers, self.body(sending).encode())

    def envelope(self, sending: Sending, *, message_id: str, timestamp: str, reply_to: str) -> str:
        """Return the message that carries a command over IBM MQ or Kafka.

        `message_id` is new for each attempt, as is `timestamp`, the UTC time of sending.
        """
        return ENVELOPE % (
            message_id,
            sending.command_id,
            sending.correlation_id,
            timestamp,
            COMMAND_TYPES[sending.command.kind],
            self.body(sending),
            wire.text(reply_to),
        )

    def mq_message(
        self, sending: Sending, *, message_id: str, timestamp: str, reply_to: str
    ) -> mq.MqMessage:
        """Return the message of IBM MQ that carries a command; the arguments are as for `envelope`."""
        text = self.envelope(sending, message_id=message_id, timestamp=timestamp, reply_to=reply_to)
        return mq.MqMessage(text.encode(), bytes.fromhex(sending.correlation_id))

    def read_reply(self, reply: mq.MqReply) -> mq.Reply | None:
        """Read a reply of IBM MQ; None for what is none."""
        return mq.read_reply(reply.body)

    def body(self, sending: Sending) -> str:
        """Return what is sent for a command: its payload, disfigured where it is a hostile one."""
        if DISFIGURED[sending.command.label]:
            return self.hostile_payload(sending)
        return self.payload(sending)

    def payload(self, sending: Sending) -> str:
        """Return the command's compact JSON, with amounts as exact decimal numbers."""
        return wire.body(
            sending.command, sending.customer_id, sending.account_id, sending.value_date
        )

    def hostile_payload(self, sending: Sending) -> str:
        """Return the payload of a hostile command, as wrong as its label says.

        Whoever writes payloads that are not compact JSON with this contract's amounts overrides it.
        """
        label = sending.command.label
        told = replace(sending, command=altered(sending.command))
        if label is Label.UNKNOWN_ACCOUNT:
            told = replace(told, account_id=unknown_account_id(sending.command_id))
        return spoilt(self.payload(told), label)

    # -- answers --------------------------------------------------------------------------------

    def read_acknowledgement(self, answer: HttpAnswer) -> Acknowledgement:
        """Read the answer to a command; whatever cannot be read leaves the command unknown."""
        if answer.status in (413, 429):
            return Acknowledgement(Acknowledged.REFUSED, reason=f"HTTP {answer.status}")
        fields = _object(answer.body)
        if answer.status == 202 and fields.get("status") == "ACCEPTED":
            account_id = fields.get("accountId")
            if account_id is None:
                return _ACCEPTED
            return Acknowledgement(
                Acknowledged.ACCEPTED, account_id if _is_text(account_id) else None
            )
        if answer.status in (400, 422):
            reason = str(fields.get("reason") or fields.get("error") or f"HTTP {answer.status}")
            return Acknowledgement(Acknowledged.INVALID, reason=reason)
        return Acknowledgement(Acknowledged.UNKNOWN, reason=f"HTTP {answer.status}")

    def http_status(self, command_id: str) -> HttpRequest:
        """Return the request that asks how a command ended."""
        return HttpRequest("GET", f"/api/commands/{command_id}")

    def read_status(self, answer: HttpAnswer) -> Completion | None:
        """Read how a command ended; None while the platform has not decided, or does not know it."""
        if answer.status != 200:
            return None
        fields = _object(answer.body)
        outcome = OUTCOMES.get(str(fields.get("status")), Outcome.NONE)
        if not outcome:
            return None
        return Completion(outcome, str(fields.get("reason") or ""), _flags(fields.get("flags")))

    # -- the book -------------------------------------------------------------------------------

    accounts_statement = HttpRequest("GET", "/api/statements/accounts")
    commands_statement = HttpRequest("GET", "/api/statements/commands")

    def read_account_row(self, line: bytes) -> BookAccount | StatementEnd:
        """Read a line of the accounts' statement. Raises ValueError for any other line."""
        fields = _row(line)
        if end := _statement_end(fields):
            return end
        try:
            currency = str(fields["currencyCode"])
            return BookAccount(
                account_id=str(fields["accountId"]),
                customer_id=str(fields.get("customerId") or ""),
                currency=currency,
                balance_minor=from_wire(str(fields["balance"]), currency),
            )
        except (LookupError, TypeError) as error:
            raise _unreadable("account", line) from error

    def read_command_row(self, line: bytes) -> BookCommand | StatementEnd:
        """Read a line of the commands' statement. Raises ValueError for any other line."""
        fields = _row(line)
        if end := _statement_end(fields):
            return end
        try:
            postings = tuple(_posting(leg) for leg in fields["postings"])
            balance = fields.get("balanceAfter")
            own = str(fields.get("accountId") or "")
            return BookCommand(
                command_id=str(fields["commandId"]),
                account_id=own,
                outcome=OUTCOMES[str(fields["status"])],
                reason=str(fields.get("reason") or ""),
                decided_ns=int(fields.get("decidedAt") or 0),
                account_seq=int(fields.get("accountSeq") or 0),
                postings=postings,
                balance_after_minor=_balance_after(balance, own, postings),
            )
        except (LookupError, TypeError, AttributeError, OverflowError) as error:
            raise _unreadable("command", line) from error

    # -- recognising ----------------------------------------------------------------------------

    def http_probe(self) -> HttpRequest:
        """Return a request without effect, whose answer shows that this platform is there."""
        return self.accounts_statement

    def is_recognised(self, answer: HttpAnswer) -> bool:
        """Tell whether the answer to the probe, perhaps cut after its first bytes, is this platform's."""
        line = answer.body.split(b"\n", 1)[0]
        try:
            self.read_account_row(line)
        except ValueError:
            return False
        return answer.status == 200


def load_platform(spec: str | None) -> Platform:
    """Return the adapter named "FILE:CLASS", or the default one. Raises Problems, naming the cause."""
    if not spec:
        return Platform()
    name, _, class_name = spec.rpartition(":")
    path = Path(name)
    if not name or not path.is_file():
        raise Problems(
            [
                f"--platform {spec}: give FILE:CLASS with a Python file that exists, such as my.py:Mine"
            ]
        )
    module_spec = importlib.util.spec_from_file_location(f"paystorm_platform_{path.stem}", path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        raise Problems([f"--platform {spec}: {path} does not load: {error!r}"]) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Platform)):
        raise Problems(
            [f"--platform {spec}: {path} has no class {class_name} that extends Platform"]
        )
    return found()


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def _flags(value: object) -> tuple[str, ...]:
    """Read a list of flags, each once; whatever else stands there is no flag."""
    flags = value if isinstance(value, list) else []
    return tuple(sorted({flag for flag in flags if _is_text(flag)}))


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _row(line: bytes) -> dict[str, Any]:
    """Parse a line exactly: numbers with a point stay text, so that no digit is rounded away."""
    try:
        fields = json.loads(line, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise _unreadable("", line) from error
    if not isinstance(fields, dict):
        raise _unreadable("", line)
    return fields


def _unreadable(what: str, line: bytes) -> ValueError:
    return ValueError(f"not {what or 'a'} row of a statement: {line[:120]!r}")


def _statement_end(fields: dict[str, Any]) -> StatementEnd | None:
    as_of, rows = fields.get("asOf"), fields.get("rows")
    return StatementEnd(as_of, rows) if isinstance(as_of, int) and isinstance(rows, int) else None


def _posting(leg: dict[str, Any]) -> Posting:
    currency = str(leg["currency"])
    return Posting(str(leg["account"]), from_wire(str(leg["amount"]), currency), currency)


def _balance_after(balance: object, own: str, postings: tuple[Posting, ...]) -> int | None:
    """Read the balance in the currency of the account's own leg, which its rows are written in."""
    currency = next((leg.currency for leg in postings if leg.account_id == own), None)
    return None if balance is None or currency is None else from_wire(str(balance), currency)

"""Statements: the whole book as NDJSON, streamed in chunks from one consistent snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sandbox.book import AccountRow, Entry, Posting, Row, Snapshot
from sandbox.money import to_wire

_ROWS_PER_CHUNK = 250


def of_accounts(snapshot: Snapshot[AccountRow]) -> Iterator[bytes]:
    """Write one line per account, then `{"asOf","rows"}`, in chunks of whole lines."""
    return _chunks(snapshot, account_line)


def of_commands(snapshot: Snapshot[Entry]) -> Iterator[bytes]:
    """Write one line per command, then `{"asOf","rows"}`, in chunks of whole lines."""
    return _chunks(snapshot, command_line)


def account_line(row: AccountRow) -> str:
    """Write an account as one JSON line; amounts carry their currency's digits, as numbers."""
    return (
        f'{{"accountId":"{row.account_id}","customerId":{_text(row.customer_id)},'
        f'"currencyCode":"{row.balance.currency}",'
        f'"balance":{to_wire(row.balance.minor, row.balance.currency)}}}\n'
    )


def command_line(entry: Entry) -> str:
    """Write a command as one JSON line; what is not known yet, or never will be, is null.

    The texts are ids, codes and enums of this package: none needs escaping.
    """
    decision = entry.decision
    head = (
        f'{{"commandId":"{entry.command.command_id}","accountId":"{entry.account_id}",'
        f'"type":"{entry.command.TYPE}","status":"{entry.status}"'
    )
    if decision is None:
        return (
            f'{head},"reason":null,"receivedAt":{entry.received_ns},"decidedAt":null,'
            '"accountSeq":null,"postings":[],"balanceAfter":null}\n'
        )
    seq, after = decision.account_seq, decision.balance_after
    return (
        f'{head},"reason":{_text(decision.reason)},"receivedAt":{entry.received_ns},'
        f'"decidedAt":{decision.decided_ns},"accountSeq":{"null" if seq is None else seq},'
        f'"postings":[{",".join(map(_posting, decision.postings))}],'
        f'"balanceAfter":{to_wire(after.minor, after.currency) if after else "null"}}}\n'
    )


def status_line(entry: Entry, flags: tuple[str, ...] | None = None) -> str:
    """Write the answer of GET /api/commands/{commandId}; `decidedAt` in ns, null while pending.

    A decided command has a list of its `flags`, unless that is None: then nobody watches.
    """
    decision = entry.decision
    head = f'{{"commandId":"{entry.command.command_id}","status":"{entry.status}"'
    if decision is None:
        return f'{head},"reason":null,"decidedAt":null}}'
    told = "" if flags is None else f',"flags":[{",".join(map(_text, flags))}]'
    return f'{head},"reason":{_text(decision.reason)},"decidedAt":{decision.decided_ns}{told}}}'


def _posting(posting: Posting) -> str:
    return (
        f'{{"account":"{posting.account_id}",'
        f'"amount":{to_wire(posting.minor, posting.currency)},"currency":"{posting.currency}"}}'
    )


def _text(value: str | None) -> str:
    return "null" if value is None else f'"{value}"'


def _chunks(snapshot: Snapshot[Row], line: Callable[[Row], str]) -> Iterator[bytes]:
    rows = snapshot.rows
    for start in range(0, len(rows), _ROWS_PER_CHUNK):
        yield "".join(map(line, rows[start : start + _ROWS_PER_CHUNK])).encode()
    yield f'{{"asOf":{snapshot.as_of},"rows":{len(rows)}}}\n'.encode()

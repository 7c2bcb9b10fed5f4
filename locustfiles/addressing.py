"""Addressing: what a command gets when it is sent, on its way from the pool to the platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from e2e_data.commands import Channel, Command
from e2e_data.ids import Correlation, Ids
from e2e_data.platform import Sending


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a command: what its correlation id tells an observer."""

    lap: int
    number: int
    channel: Channel
    phase: int
    intended_ns: int
    """Since the run's epoch."""


def address(
    command: Command,
    attempt: Attempt,
    ids: Ids,
    *,
    command_id: str,
    customer_id: str,
    account_id: str | None,
    value_date: date,
) -> Sending:
    """Return the command as the platform's adapter takes it, with a correlation id of its own."""
    correlation = Correlation(
        tag=ids.tag,
        lap=attempt.lap,
        shard=command.shard,
        index=command.index,
        attempt=attempt.number,
        kind=command.kind,
        channel=attempt.channel,
        expected=command.expected,
        phase=attempt.phase,
        intended_us=max(attempt.intended_ns, 0) // 1000,
    )
    return Sending(
        command=command,
        command_id=command_id,
        customer_id=customer_id,
        correlation_id=correlation.pack().hex(),
        account_id=account_id,
        value_date=value_date.isoformat(),
    )

"""Addressing: what a command gets when it is sent, on its way from the pool to the platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from e2e_data.batch import Batch
from e2e_data.commands import Channel, Command, Kind
from e2e_data.drafts import Request, http_drafts
from e2e_data.ids import Correlation, Ids
from e2e_data.platform import Platform, Sending
from e2e_data.record_drafts import RecordDraft, record_drafts
from locustfiles.bindings import Bindings, Key
from locustfiles.card import Card, Deal
from locustfiles.clock import Clock


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
    lap, shard = ids.parted(attempt.lap, command.shard)
    correlation = Correlation(
        tag=ids.tag,
        lap=lap,
        shard=shard,
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


class Addresser:
    """Gives the cards of one run what they need to be sent."""

    def __init__(self, platform: Platform, ids: Ids, bindings: Bindings, clock: Clock) -> None:
        self._platform = platform
        self._ids = ids
        self._bindings = bindings
        self._clock = clock

    def sending(self, card: Card, attempt: Attempt) -> Sending:
        """Return an attempt at a command as the adapter takes it."""
        # What is sent for a replay is its original, to the byte, with a correlation id of its own.
        command = card.shard.command(card.original if card.is_replay else card.index)
        return address(
            command,
            attempt,
            self._ids,
            command_id=card.command_id,
            customer_id=card.customer_id,
            account_id=self._account_id(card.kind, card.account_key),
            value_date=self._clock.day(command.value_day),
        )

    def _account_id(self, kind: int, key: Key) -> str | None:
        # A creation carries none, also when it is sent again after the platform gave one.
        return None if kind == Kind.ACCOUNT else self._bindings.account_id(key)

    def request(self, card: Card, phase: int, intended_ns: int) -> Request | None:
        """Return a card's first request; None where it must be made by itself, with `sending`."""
        deal = card.deal
        if deal is None:
            return None
        if not deal.ready:
            batch = self._batch(deal)
            deal.drafts = http_drafts(
                self._platform, batch, self._ids, lap=deal.lap, phase=phase, attempts=deal.attempts
            )
            deal.ready = _complete(batch)
        row = card.row
        if deal.drafts is None or not deal.ready[row]:
            return None
        return deal.drafts.filled(row, max(intended_ns, 0) // 1000)

    def record(self, card: Card, phase: int, reply_to: str) -> RecordDraft | None:
        """Return a card's first record; None where it must be made by itself, with `sending`."""
        deal = card.deal
        if deal is None:
            return None
        if deal.records is None:
            batch = self._batch(deal)
            made = record_drafts(
                *(self._platform, batch, self._ids),
                lap=deal.lap,
                phase=phase,
                attempts=deal.attempts,
                reply_to=reply_to,
            )
            if made is None:
                deal.records = [None] * len(batch)
            else:
                columns = zip(made, _complete(batch), strict=True)
                deal.records = [draft if whole else None for draft, whole in columns]
        return deal.records[card.row]

    def _batch(self, deal: Deal) -> Batch:
        shard = deal.shard
        account_ids = self._bindings.account_ids(deal.lap, shard.number, deal.accounts.tolist())
        for row in np.flatnonzero(shard.kind[deal.named] == Kind.ACCOUNT).tolist():
            account_ids[row] = None
        return Batch(
            shard=shard,
            indices=deal.named,
            command_ids=deal.command_ids,
            customer_ids=deal.customer_ids,
            account_ids=account_ids,
            first_day=self._clock.day(0),
        )


def _complete(batch: Batch) -> list[bool]:
    """Tell which commands have all they need: an account's id may come later than its command's."""
    return [
        account_id is not None or kind == Kind.ACCOUNT
        for account_id, kind in zip(batch.account_ids, batch.kinds.tolist(), strict=True)
    ]

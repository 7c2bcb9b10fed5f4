"""Where the book is kept: what is received and decided is durable before anybody is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sandbox.book import Entry

Balances = Callable[[Entry], dict[str, tuple[str, int]]]
"""Gives account id -> currency and balance."""


class Store(Protocol):
    """What is added is durable when `commit` returns; all methods run on one event loop."""

    has_outbox: bool
    """Whether it must be told of events that were published."""

    def received(self, entry: Entry, correlation_id: str) -> None:
        """Add the receipt of a command."""

    def decided(self, entry: Entry, balances: Balances, told: Callable[[], None]) -> None:
        """Add a decision; call `told` when it is durable.

        `balances` gives the balances after it, of the accounts that it moved.
        """

    def published(self, command_id: str) -> None:
        """Note that the event on a decision was taken by the broker."""

    def reply_wanted(self, command_id: str, correl_id: str, sender: str) -> None:
        """Add who waits for the final reply to a command, as text."""

    def replied(self, command_id: str, correl_id: str) -> None:
        """Note that a final reply was put."""

    def is_durable(self, command_id: str) -> bool:
        """Tell whether what was decided of a command may be told."""
        ...

    async def commit(self) -> None:
        """Wait until everything that was added so far is durable."""


class Memory:
    """Keeps nothing but what the ledger has anyway."""

    has_outbox = False

    def received(self, entry: Entry, correlation_id: str) -> None:
        """Do nothing."""

    def decided(
        self,
        entry: Entry,  # noqa: ARG002
        balances: Balances,  # noqa: ARG002
        told: Callable[[], None],
    ) -> None:
        """Tell it at once."""
        told()

    def published(self, command_id: str) -> None:
        """Do nothing."""

    def reply_wanted(self, command_id: str, correl_id: str, sender: str) -> None:
        """Do nothing."""

    def replied(self, command_id: str, correl_id: str) -> None:
        """Do nothing."""

    def is_durable(self, command_id: str) -> bool:  # noqa: ARG002
        """Tell everything."""
        return True

    async def commit(self) -> None:
        """Wait for nothing."""

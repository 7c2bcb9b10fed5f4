"""Commands: what a platform may be asked to do, understood and in minor units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sandbox.money import Money


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """Open an account; the platform assigns its id.

    `limits` has one amount per Period, in its order, for limit-based accounts, or is empty.
    `details` here and below digests the fields that the ledger has no use for, so that a replay
    with other words is told from one with the same.
    """

    TYPE: ClassVar[str] = "InitiateCreateAccountProcess"

    command_id: str
    customer_id: str
    currency: str
    limit_based: bool
    limits: tuple[Money, ...]
    details: bytes = b""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Credit or debit an account against the clearing account of its currency."""

    TYPE: ClassVar[str] = "CreateTransactionCommand"

    command_id: str
    account_id: str
    is_credit: bool
    amount: Money
    details: bytes = b""


@dataclass(frozen=True, slots=True)
class Payment:
    """Debit an account in its currency and credit clearing in the beneficiary's."""

    TYPE: ClassVar[str] = "InitiateSimplePaymentCommand"

    command_id: str
    account_id: str
    debit: Money
    credit: Money
    details: bytes = b""


Command = CreateAccount | Transaction | Payment

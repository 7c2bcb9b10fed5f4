"""How the sandbox names accounts: at random, or as files that were made beforehand do."""

from __future__ import annotations

from itertools import count
from uuid import UUID

import pytest

from e2e_data.ids import ACCOUNT_NAMESPACE, static_account_id
from sandbox.account_ids import NAMESPACE, SCHEMES
from sandbox.book import Status
from sandbox.commands import CreateAccount
from sandbox.defects import LOSE, Defects
from sandbox.ledger import Ledger
from sandbox.platform import Platform

CUSTOMER = "0d5d4ff4-5f4c-8f25-8f9e-5c0c8d9d8b11"


def creation(command_id, customer_id=CUSTOMER, currency="USD"):
    return CreateAccount(command_id, customer_id, currency, limit_based=False, limits=())


def ledger(scheme):
    return Ledger(new_account_id=SCHEMES[scheme]())


def opened(book, *told):
    """Create accounts; return their ids."""
    made = [book.receive(creation(f"c{number}", *how)) for number, how in enumerate(told)]
    for entry in made:
        book.decide(entry.command.command_id)
    return [entry.account_id for entry in made]


def test_exports_and_sandbox_make_the_same_of_a_customer():
    """They share no code, but the namespace: the contract has it."""
    assert NAMESPACE == ACCOUNT_NAMESPACE
    assert opened(ledger("from-customer"), ()) == [static_account_id(CUSTOMER)]
    assert UUID(static_account_id(CUSTOMER)).version == 5


def test_at_random_no_two_are_alike():
    """Not even for one customer."""
    first, second = opened(ledger("random"), (), ())
    assert first != second
    assert static_account_id(CUSTOMER) not in (first, second)


def test_a_customers_second_account_is_another():
    """It gets a random id: two accounts with one id would be one."""
    book = ledger("from-customer")
    first, second = opened(book, (), ())
    assert first == static_account_id(CUSTOMER)
    assert second != first
    assert [row.account_id for row in book.accounts().rows] == [first, second]


def test_a_replay_of_a_creation_has_the_first_ones_id():
    """Nothing is drawn for it."""
    book = ledger("from-customer")
    first = book.receive(creation("c"))
    book.decide("c")
    assert book.receive(creation("c")).account_id == first.account_id


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_lost_creation_is_answered_with_an_id_all_the_same(scheme):
    """And a repetition with the same one."""
    numbers = count()
    platform = Platform(ledger(scheme), Defects({LOSE: 1}), lambda _: next(numbers))
    first, again = (platform.accept(creation("c")) for _ in range(2))
    assert first.account_id == again.account_id
    assert first.status is Status.PENDING

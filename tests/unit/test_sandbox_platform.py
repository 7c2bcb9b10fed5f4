"""The sandbox's platform: what is queued, and how its defects take effect."""

from __future__ import annotations

import time
from uuid import UUID

import pytest

from sandbox.account_ids import at_random
from sandbox.book import Status
from sandbox.commands import CreateAccount, Transaction
from sandbox.defects import APPLY_TWICE, LOSE, Defects
from sandbox.faulty import FaultyLedger
from sandbox.faulty_platform import FaultyPlatform
from sandbox.ledger import Conflict
from sandbox.money import Money

IDS = [str(UUID(int=number)) for number in range(3)]


def platform_with(**rates):
    queue: list[str] = []
    defects = Defects({name.replace("_", "-"): rate for name, rate in rates.items()})
    ledger = FaultyLedger(defects, time.time_ns, at_random)
    return FaultyPlatform(ledger, defects, queue.append), queue


def test_a_lost_command_is_acknowledged_and_gone():
    """It is in no queue and no book; a re-send gets the same answer and counts once."""
    platform, queue = platform_with(lose=1)
    command = CreateAccount(IDS[0], IDS[1], "USD", False, ())
    assert platform.accept(command).account_id == platform.accept(command).account_id
    assert (queue, platform.ledger.find(IDS[0]), platform.ledger.as_of) == ([], None, 0)
    assert platform.defects.struck() == {LOSE: 1}
    with pytest.raises(Conflict):
        platform.accept(CreateAccount(IDS[0], IDS[1], "EUR", False, ()))


def test_apply_twice_counts_only_what_it_doubled():
    """A settled transaction is doubled; an account or a rejection has nothing to double."""
    platform, queue = platform_with(apply_twice=1)
    account = platform.accept(CreateAccount(IDS[0], IDS[1], "USD", False, ())).account_id
    platform.accept(Transaction(IDS[1], account, True, Money(5, "USD")))
    platform.accept(Transaction(IDS[2], account, False, Money(11, "USD")))
    for command_id in queue:
        platform.decide(command_id)
    settled = platform.ledger.find(IDS[1]).decision
    assert (settled.balance_after, len(settled.postings)) == (Money(10, "USD"), 4)
    assert platform.ledger.find(IDS[2]).status is Status.REJECTED
    assert platform.defects.struck() == {APPLY_TWICE: 1}


def test_a_replay_is_queued_once():
    """A command id waits for one decision only."""
    platform, queue = platform_with()
    command = CreateAccount(IDS[0], IDS[1], "USD", False, ())
    platform.accept(command)
    platform.accept(command)
    assert queue == [IDS[0]]

"""Events: every decision is told, with the words of docs/contract.md."""

from __future__ import annotations

import json
import re
import uuid
from decimal import Decimal
from pathlib import Path

import pytest

from e2e_data.commands import Outcome
from e2e_data.platform import Platform as Adapter
from sandbox import kafka_events, wire
from sandbox.defects import Defects
from sandbox.fields import Fields
from sandbox.ledger import Ledger
from sandbox.platform import Platform
from tests.kafka_parts import creation, credit

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "contract.md"
DECIDED_NS = 1_795_838_927_487_144_999


def told(platform_of=None):
    queue, decided = [], []
    platform = Platform(Ledger(lambda: DECIDED_NS), Defects({}), queue.append)
    platform.watch(decided.append)
    return platform, queue, decided


def test_an_event_tells_the_outcome_and_whose_it_is():
    """Ids, type, status, account, amount with its digits, reason, flags and time."""
    platform, queue, decided = told()
    command_id = str(uuid.uuid4())
    create = wire.create_account(command_id, Fields(creation(str(uuid.uuid4()))))
    account_id = platform.accept(create, "ab" * 24).account_id
    platform.decide(queue.pop())
    fields = json.loads(kafka_events.event(decided[0]))
    assert fields == {
        "eventId": kafka_events.event_id(command_id),
        "correlationId": "ab" * 24,
        "commandId": command_id,
        "commandType": "InitiateCreateAccountProcess",
        "status": "SETTLED",
        "accountId": account_id,
        "amount": None,
        "reason": None,
        "flags": [],
        "occurredAt": "2026-11-28T04:08:47.487144Z",
    }


def test_an_amount_has_its_currencys_digits():
    """50000 USD are written 50000.00, as in a command."""
    platform, queue, decided = told()
    create = wire.create_account(str(uuid.uuid4()), Fields(creation(str(uuid.uuid4()))))
    account_id = platform.accept(create).account_id
    opening = Fields(credit(account_id, Decimal("50000")))
    platform.accept(wire.transaction(str(uuid.uuid4()), opening), 'say "hi"')
    for command_id in queue:
        platform.decide(command_id)
    written = kafka_events.event(decided[1]).decode()
    assert '"amount":{"amount":50000.00,"currencyCode":"USD"}' in written
    assert json.loads(written)["correlationId"] == 'say "hi"'


def test_a_command_sent_again_has_one_event_with_the_first_correlation_id():
    """A replay is answered as the first was, and decides nothing."""
    platform, queue, decided = told()
    create = wire.create_account(str(uuid.uuid4()), Fields(creation(str(uuid.uuid4()))))
    platform.accept(create, "first")
    platform.accept(create, "second")
    for command_id in queue:
        platform.decide(command_id)
    platform.accept(create, "third")
    assert [one.correlation_id for one in decided] == ["first"]
    assert kafka_events.event_id(create.command_id) == kafka_events.event_id(create.command_id)


def test_an_amount_of_an_unknown_currency_is_none():
    """Nobody can say how many digits it has."""
    platform, queue, decided = told()
    payload = credit(str(uuid.uuid4()), 7)
    payload["amount"]["currencyCode"] = "XXX"
    platform.accept(wire.transaction(str(uuid.uuid4()), Fields(payload)))
    platform.decide(queue.pop())
    assert json.loads(kafka_events.event(decided[0]))["amount"] is None


def test_an_event_is_as_the_contract_shows_it():
    """The same names in the same order, and the tester's adapter reads it."""
    (shown,) = re.findall(r"```event\n(.*?)\n```", CONTRACT.read_text(), re.DOTALL)
    platform, queue, decided = told()
    platform.accept(wire.create_account(str(uuid.uuid4()), Fields(creation(str(uuid.uuid4())))))
    platform.decide(queue.pop())
    assert list(json.loads(shown)) == list(json.loads(kafka_events.event(decided[0])))
    event = Adapter().read_event(shown.encode())
    assert (event.outcome, event.command_id[:8]) == (Outcome.SETTLED, "9036106f")
    booked = Adapter().read_book_event(shown.encode())
    assert booked[:3] == event[:3]
    assert (booked.outcome, booked.amount_minor, booked.currency) == (Outcome.SETTLED, 1_250, "USD")
    assert booked.decided_ns == 1_795_176_003_233_514_000


@pytest.mark.parametrize(
    ("amount", "occurred_at", "minor", "ns"),
    [
        ('{"amount":90071992547409.93,"currencyCode":"USD"}', "1970-01-01T00:00:01Z", 2**53 + 1, 10**9),
        ('{"amount":7,"currencyCode":"JPY"}', "1970-01-01T00:00:00.000000001Z", 7, 1),
        ('{"amount":1.005,"currencyCode":"USD"}', "1970-01-01T01:00:00.5+01:00", None, 5 * 10**8),
        ('{"amount":1,"currencyCode":"???"}', "yesterday", None, 0),
        ('{"amount":1}', "1970-02-30T00:00:00Z", None, 0),
        ("[7]", "", None, 0),
        ("null", "1970-01-01T00:00:00", None, 0),
    ],
)  # fmt: skip
def test_amount_and_time_of_an_event_are_read_exactly_or_not_at_all(amount, occurred_at, minor, ns):
    """To the last digit; what cannot be is untold, and the outcome is told all the same."""
    body = (
        '{"eventId":"e","correlationId":"c","commandId":"k","status":"REJECTED","accountId":"a",'
        f'"reason":"R","amount":{amount},"occurredAt":"{occurred_at}"}}'
    )
    told = Adapter().read_book_event(body.encode())
    assert (told.outcome, told.reason) == (Outcome.REJECTED, "R")
    assert (told.amount_minor, told.decided_ns) == (minor, ns)
    assert Adapter().read_book_event(body.encode()[:-1]) is None

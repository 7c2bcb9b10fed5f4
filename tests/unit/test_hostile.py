"""Hostile commands: what each label sends, and what the sandbox says to it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from e2e_data import hostile
from e2e_data.commands import Channel, Kind, Label, Outcome, expected_on
from e2e_data.config import load
from e2e_data.ids import Ids, static_account_id
from e2e_data.money import MINOR_DIGITS
from e2e_data.platform import Platform, Sending
from e2e_data.pool import Pool
from tests.unit.test_sandbox_http import Client

DISFIGURED = [label for label in Label if hostile.DISFIGURED[label]]
IDS = Ids(bytes(16), 7)
CONFIG = load("smoke", {"accounts": 10, "accounts_per_shard": 10, "currencies": ["JPY", "KWD"]})
SHARD = Pool.in_memory(CONFIG, 5).shard(0)
FIRST_OF_ACCOUNT = {
    int(SHARD.account_number[index]): index for index in reversed(SHARD.range_of(Kind.PAYMENT))
}


def sending(index, label=Label.NONE, account_id=None):
    """Return a command of the shard as it is sent under a label."""
    command = SHARD.command(index)
    return Sending(
        command=replace(command, label=label),
        command_id=IDS.command_ids(0, 0, [index])[0],
        customer_id=IDS.customer_ids(0, 0, [command.account.number])[0],
        correlation_id="c0" * 24,
        account_id=account_id,
        value_date="2026-11-20",
    )


def bodies(index, label):
    """Return the fields of a payment, as they are and as a label disfigures them."""
    told = (sending(index, way, "an-account") for way in (Label.NONE, label))
    return [json.loads(Platform().http_command(one).body, parse_float=Decimal) for one in told]


class Bank(Client):
    """The sandbox, to which commands are sent through the adapter."""

    def send(self, one):
        request = Platform().http_command(one)
        answer = self.request(request.method, request.path, request.body, one.command_id)
        self.decide_all()
        return answer[0], json.loads(answer[1])

    def open_for(self, account):
        """Open an account of the shard with its opening credit; return its id."""
        account_id = self.send(sending(account))[1]["accountId"]
        opening = SHARD.range_of(Kind.OPENING_CREDIT)[account]
        assert self.send(sending(opening, account_id=account_id))[0] == 202
        return account_id


@pytest.mark.parametrize("label", DISFIGURED, ids=lambda label: label.text)
@pytest.mark.parametrize("account", FIRST_OF_ACCOUNT)
def test_the_sandbox_does_nothing_for_it_and_says_why(label, account):
    """Rejected for its own reason, or refused as not understood; the balance stays as it was."""
    bank = Bank()
    one = sending(FIRST_OF_ACCOUNT[account], label, bank.open_for(account))
    before = bank.statement("accounts")[0]
    status, _ = bank.send(one)
    rows, _ = bank.statement("commands")
    booked = [row for row in rows if row["commandId"] == one.command_id]
    if label in (Label.UNKNOWN_ACCOUNT, Label.UNKNOWN_CURRENCY):
        assert status == 202
        assert [(row["status"], row["reason"]) for row in booked] == [("REJECTED", label.name)]
    else:
        assert (status, booked) == (400 if label is Label.MALFORMED else 422, [])
    assert bank.statement("accounts")[0] == before


@pytest.mark.parametrize("label", DISFIGURED, ids=lambda label: label.text)
def test_what_is_sent_is_what_the_pool_expects(label):
    """The expected set over HTTP is rejected where the sandbox accepts, and invalid otherwise."""
    config = load("smoke", {"accounts": 40, "hostile_percentage": 60})
    expected = {
        expected_on(command.expected, Channel.HTTP)
        for shard in Pool.in_memory(config, 1).shards()
        for command in map(shard.command, range(len(shard)))
        if command.label is label
    }
    rejected = label in (Label.UNKNOWN_ACCOUNT, Label.UNKNOWN_CURRENCY)
    assert expected == {Outcome.REJECTED if rejected else Outcome.INVALID}


PAYMENT = FIRST_OF_ACCOUNT[0]


def test_an_unknown_account_is_a_uuid_of_its_own():
    """Made of the command's id: nobody assigned it, and the same command names the same one."""
    plain, told = bodies(PAYMENT, Label.UNKNOWN_ACCOUNT)
    one = sending(PAYMENT)
    made = told.pop("debitAccountId")
    assert UUID(made).version == 5
    assert made == hostile.unknown_account_id(one.command_id)
    assert made != static_account_id(one.customer_id)
    assert plain.pop("debitAccountId") == "an-account"
    assert told == plain


def test_an_unknown_currency_stands_on_the_debit():
    """The credit and all else stay."""
    plain, told = bodies(PAYMENT, Label.UNKNOWN_CURRENCY)
    assert told.pop("debitAmount") == {**plain.pop("debitAmount"), "currencyCode": "ZZZ"}
    assert told == plain
    assert hostile.UNKNOWN_CURRENCY not in MINOR_DIGITS


@pytest.mark.parametrize(("label", "factor"), [(Label.NEGATIVE, -1), (Label.ZERO, 0)])
def test_negative_and_zero_are_of_both_amounts(label, factor):
    """Both legs agree: a platform cannot object to anything else."""
    plain, told = bodies(PAYMENT, label)
    for name in ("debitAmount", "creditAmount"):
        amount = plain.pop(name)
        assert told.pop(name) == {**amount, "amount": factor * amount["amount"]}
    assert told == plain


@pytest.mark.parametrize("payment", FIRST_OF_ACCOUNT.values())
def test_excess_decimals_are_one_too_many(payment):
    """One digit more than the currency has, whether it has none or three, and not a zero."""
    plain, told = bodies(payment, Label.EXCESS_DECIMALS)
    amount = Decimal(told["debitAmount"].pop("amount"))
    digits = MINOR_DIGITS[told["debitAmount"]["currencyCode"]]
    assert amount.as_tuple().exponent == -digits - 1
    assert amount - Decimal(plain["debitAmount"].pop("amount")) == Decimal(1).scaleb(-digits - 1)
    assert told == plain


def test_a_missing_field_is_the_first():
    """The customer of a payment, the account of a transaction."""
    plain, told = bodies(PAYMENT, Label.MISSING_FIELD)
    assert plain.pop("customerId")
    assert told == plain
    funding = SHARD.range_of(Kind.FUNDING)[0]
    plain, told = bodies(funding, Label.MISSING_FIELD)
    assert plain.pop("accountId")
    assert told == plain


def test_a_malformed_body_is_no_json_alone_or_in_an_envelope():
    """Cut off, with its braces open, so that nothing around it can close them rightly."""
    one = sending(PAYMENT, Label.MALFORMED, "an-account")
    sent = {"message_id": "m", "timestamp": "t", "reply_to": "q"}
    whole = Platform().payload(one)
    body = Platform().http_command(one).body.decode()
    assert whole.startswith(body)
    assert 0 < len(body) < len(whole)
    for text in (body, Platform().envelope(one, **sent)):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


def test_an_oversized_description_is_all_that_is_wrong():
    """Longer than any field may be, while the request is still one that servers take."""
    plain, told = bodies(PAYMENT, Label.OVERSIZED)
    assert plain.pop("description")
    assert len(told.pop("description")) == hostile.OVERSIZED_CHARACTERS
    assert told == plain


def test_a_replay_is_its_original_to_the_byte():
    """Sent with the original's command and ids; a replay's own label disfigures nothing."""
    for label in (Label.REPLAY, Label.RACING_REPLAY):
        assert not hostile.DISFIGURED[label]
        replay, original = (sending(PAYMENT, way, "an-account") for way in (label, Label.NONE))
        assert Platform().http_command(replay) == Platform().http_command(original)
    bank = Bank()
    one = sending(PAYMENT, account_id=bank.open_for(0))
    first = bank.send(one)
    before = bank.statement("accounts"), bank.statement("commands")
    assert bank.send(one) == first
    assert (bank.statement("accounts"), bank.statement("commands")) == before

"""The contract is true: its worked examples are the oracle's, its classes and invariants the judge's."""

from __future__ import annotations

import re

import numpy as np
import pytest

from e2e_data import ids, money, oracle
from e2e_data.commands import Outcome
from reports import causes
from reports.classes import PRECEDENCE
from reports.invariants import INVARIANTS
from reports.judgement import Status
from reports.latencies import LATENCIES
from tests.contract import ADAPTER, CONTRACT, PLAIN, table


@pytest.mark.parametrize(
    ("account", "limit_or_balance", "funding", "payments", "sets"), table("worked example")
)
def test_the_oracles_sets_are_as_in_the_worked_examples(
    account, limit_or_balance, funding, payments, sets
):
    """The oracle gives each documented payment the documented set."""
    amounts = [money.from_wire(text, "USD") for text in payments.split("; ")]
    decisive = money.from_wire(limit_or_balance, "USD")
    limited = {"limit-based": True, "balance-based": False}[account]
    # What is not decisive for the account is zero, so that an oracle that asks for it is wrong.
    found = oracle.expected_of_payments(
        oracle.Book(
            limit_based=np.array([limited]),
            minute_limit_minor=np.array([decisive if limited else 0]),
            opening_balance_minor=np.array([0 if limited else decisive]),
            funding_account=np.zeros(1, np.int32),
            funding_minor=np.array([money.from_wire(funding, "USD")]),
            payment_account=np.zeros(len(amounts), np.int32),
            payment_minor=np.array(amounts),
            payment_label=np.zeros(len(amounts), np.uint8),
            payment_original=np.full(len(amounts), -1),
        )
    )
    assert [Outcome(int(flags)).label for flags in found] == sets.split("; ")


def test_the_classes_are_listed_in_their_order_of_precedence():
    """The first that fits is a command's class, in the document as in the judge."""
    rows = table("class")
    assert [name for name, _ in rows] == [str(name) for name in PRECEDENCE]
    assert all(meaning for _, meaning in rows)


def test_the_findings_of_hostile_payments_and_replays_are_the_judges():
    """Each is named as the judge names it; the reasons and breakdowns are the adapter's."""
    assert [name for name, *_ in table("finding")] == [
        *(causes.HOSTILE_SETTLED, causes.HOSTILE_ACCEPTED, causes.BREAKDOWN),
        *(causes.WRONG_REASON, causes.REPLAY_DIFFERS, causes.UNEXPECTED),
    ]
    reasons = ", ".join(f"`{reason}`" for reason in ADAPTER.rules.hostile_reasons.values())
    assert f"{reasons} (`hostile_reasons` of the adapter's `rules`)" in PLAIN
    assert {f"HTTP {code}" for code in re.findall(r"answered (\d+) \(the ad", PLAIN)} == {
        *ADAPTER.breakdowns
    }
    assert f"its high bit ({ids.REPLAY_ATTEMPT}) marks a replay" in PLAIN


def test_the_invariants_are_the_judges():
    """Number, title, and what each of them cannot do without."""
    words = {True: "yes", False: "no"}
    checks = [
        [check.number, check.title, words[check.needs_book], words[check.needs_drain]]
        for check in INVARIANTS
    ]
    assert [cells[:4] for cells in table("no.")] == checks


def test_a_checks_answers_are_documented():
    """Holds, violated, unknown and not asked are each explained."""
    assert all(f"**{status}**" in CONTRACT for status in Status)


def test_the_latencies_are_the_judges():
    """Each latency with its beginning and its end."""
    shown = {name: (f"{begin}_ns", f"{end}_ns") for name, begin, end, _ in table("latency")}
    assert shown == LATENCIES

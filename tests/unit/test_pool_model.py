"""The reference model: windows to the nanosecond, limits and funds to the minor unit."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from e2e_data.commands import PERIODS, Account, AccountType, Command, Kind, Label, Outcome
from e2e_data.model.account import AccountModel, change_minor
from e2e_data.model.rules import Checks, Rules, Ruling
from e2e_data.platform import Platform

SETTLED, REJECTED, NONE = Outcome.SETTLED, Outcome.REJECTED, Outcome.NONE
LIMITS = (100, 150, 190, 250, 300)
SECOND_NS = 10**9


def ns(text):
    """Return a moment, such as 2026-11-20T12:00:00, in UTC nanoseconds since 1970."""
    return int(datetime.fromisoformat(f"{text}+00:00").astimezone(UTC).timestamp()) * SECOND_NS


def command(kind, minor=0, *, limit_based=True, label=Label.NONE):
    account = Account(0, 0, "USD", "001", AccountType.CHECKING, limit_based, 1000, LIMITS)
    return Command(0, 0, kind, account, minor, minor, "USD", "", None, 0, SETTLED, label)


def opened(balance_minor, *, limit_based, rules=None):
    """Return the model of an account that has been created and credited."""
    model = AccountModel(rules or Rules(), limit_based, LIMITS)
    for kind, minor in ((Kind.ACCOUNT, 0), (Kind.OPENING_CREDIT, balance_minor)):
        one = command(kind, minor)
        assert model.decide(one, 1) == Ruling(SETTLED)
        model.apply(one, SETTLED, 1)
    return model


def pay(model, minor, at_ns):
    """Let the model decide a payment and take its own ruling over; return it, or the reason."""
    payment = command(Kind.PAYMENT, minor)
    ruling = model.decide(payment, at_ns)
    model.apply(payment, ruling.outcome, at_ns)
    return SETTLED if ruling.outcome is SETTLED else set(ruling.reasons)


# -- windows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "starts"),
    [
        # A Friday afternoon.
        (
            "2026-11-20T12:34:56",
            "2026-11-20T12:34:00 2026-11-20T12:00:00 2026-11-20T00:00:00 2026-11-16T00:00:00 "
            "2026-11-01T00:00:00",
        ),
        # ISO week 53 of 2026 goes on in the new year.
        (
            "2027-01-01T00:00:00",
            "2027-01-01T00:00:00 2027-01-01T00:00:00 2027-01-01T00:00:00 2026-12-28T00:00:00 "
            "2027-01-01T00:00:00",
        ),
        # A Monday begins a week.
        (
            "2027-01-04T00:00:00",
            "2027-01-04T00:00:00 2027-01-04T00:00:00 2027-01-04T00:00:00 2027-01-04T00:00:00 "
            "2027-01-01T00:00:00",
        ),
        # A leap day belongs to February.
        (
            "2028-02-29T23:59:59",
            "2028-02-29T23:59:00 2028-02-29T23:00:00 2028-02-29T00:00:00 2028-02-28T00:00:00 "
            "2028-02-01T00:00:00",
        ),
        # Clocks in Europe go from 1 to 3 at this moment; UTC does not.
        (
            "2027-03-28T01:30:00",
            "2027-03-28T01:30:00 2027-03-28T01:00:00 2027-03-28T00:00:00 2027-03-22T00:00:00 "
            "2027-03-01T00:00:00",
        ),
        # The first Monday that Unix time knows.
        (
            "1970-01-05T00:00:00",
            "1970-01-05T00:00:00 1970-01-05T00:00:00 1970-01-05T00:00:00 1970-01-05T00:00:00 "
            "1970-01-01T00:00:00",
        ),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Apia"])
def test_a_window_begins_by_the_calendar_of_utc(monkeypatch, at, starts, zone):
    """Minute, hour, day, ISO week and month, wherever this computer is."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        at_ns = np.array([ns(at)])
        found = [int(Rules().window_start_ns(period, at_ns)[0]) for period in PERIODS]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == [ns(start) for start in starts.split()]


@pytest.mark.parametrize(
    ("edge", "turning"),
    [
        ("2026-11-20T12:35:00", "MINUTE"),
        ("2026-11-20T13:00:00", "MINUTE HOUR"),
        ("2026-11-21T00:00:00", "MINUTE HOUR DAY"),
        ("2026-11-23T00:00:00", "MINUTE HOUR DAY WEEK"),
        ("2026-12-01T00:00:00", "MINUTE HOUR DAY MONTH"),
        ("2027-01-01T00:00:00", "MINUTE HOUR DAY MONTH"),
        ("2027-02-01T00:00:00", "MINUTE HOUR DAY WEEK MONTH"),
        ("2028-02-29T00:00:00", "MINUTE HOUR DAY"),
        ("2028-03-01T00:00:00", "MINUTE HOUR DAY MONTH"),
    ],
)
def test_a_window_turns_at_the_exact_nanosecond(edge, turning):
    """One nanosecond before an edge is in another window of just the periods that turn there."""
    around = np.array([ns(edge) - 1, ns(edge), ns(edge) + 1])
    turned = []
    for period in PERIODS:
        before, at, after = Rules().window_start_ns(period, around).tolist()
        assert at == after
        if before != at:
            assert at == ns(edge)
            turned.append(period)
    assert turned == turning.split()


# -- limits -----------------------------------------------------------------------------------------

AT = ns("2026-11-20T12:34:56")


def test_a_limit_may_be_met_exactly_and_not_passed_by_one():
    """In one minute 60 and 40 meet the limit of 100; then nothing fits, not even one minor unit."""
    model = opened(1000, limit_based=True)
    assert pay(model, 60, AT) is SETTLED
    assert pay(model, 41, AT) == {"LIMIT_EXCEEDED_MINUTE"}
    assert pay(model, 40, AT) is SETTLED
    assert pay(model, 1, AT) == {"LIMIT_EXCEEDED_MINUTE"}
    assert model.spent_minor("MINUTE", AT) == 100
    assert model.balance_minor == 900


@pytest.mark.parametrize(
    ("edge", "before", "spent", "reason"),
    [
        # What is left of each longer limit, after shorter ones were used up in other windows.
        ("2026-11-20T12:35:00", (), 100, "LIMIT_EXCEEDED_HOUR"),
        ("2026-11-20T13:00:00", (), 100, "LIMIT_EXCEEDED_DAY"),
        ("2026-11-21T00:00:00", ("2026-11-20T01:00:00",), 90, "LIMIT_EXCEEDED_WEEK"),
        (
            "2026-11-23T00:00:00",
            ("2026-11-15T00:00:00", "2026-11-20T01:00:00"),
            50,
            "LIMIT_EXCEEDED_MONTH",
        ),
    ],
)
def test_each_window_turns_at_its_edge_and_the_longer_ones_remember(edge, before, spent, reason):
    """At an edge the shorter windows are empty again; the next longer one says no by one unit."""
    model = opened(1000, limit_based=True)
    for at in before:
        assert pay(model, 100, ns(at)) is SETTLED
    assert pay(model, spent, ns(edge) - 1) is SETTLED
    period = reason.removeprefix("LIMIT_EXCEEDED_")
    room = LIMITS[PERIODS.index(period)] - model.spent_minor(period, ns(edge))
    assert 0 < room < 100
    assert pay(model, room + 1, ns(edge)) == {reason}
    assert pay(model, room, ns(edge)) is SETTLED


def test_of_several_exceeded_limits_the_shortest_periods_is_the_reason():
    """Above every limit at once: the reason is MINUTE."""
    assert pay(opened(1000, limit_based=True), 301, AT) == {"LIMIT_EXCEEDED_MINUTE"}


def test_rejections_use_up_nothing():
    """What is rejected is in no window and no balance."""
    model = opened(1000, limit_based=True)
    assert pay(model, 101, AT) == {"LIMIT_EXCEEDED_MINUTE"}
    assert pay(model, 100, AT) is SETTLED


def test_a_limit_based_account_may_go_below_zero():
    """There is no check of funds."""
    model = opened(5, limit_based=True)
    assert pay(model, 100, AT) is SETTLED
    assert model.balance_minor == -95
    assert model.objections(0, AT) == []


# -- funds ------------------------------------------------------------------------------------------


def test_a_balance_may_be_used_to_the_last_unit_and_no_limit_counts():
    """1000 can be spent at once, beyond every limit; then nothing is left, until a credit comes."""
    model = opened(1000, limit_based=False)
    assert pay(model, 1001, AT) == {"INSUFFICIENT_FUNDS"}
    assert pay(model, 1000, AT) is SETTLED
    assert pay(model, 1, AT) == {"INSUFFICIENT_FUNDS"}
    model.apply(command(Kind.FUNDING, 1), SETTLED, AT)
    assert pay(model, 1, AT) is SETTLED
    assert model.balance_minor == 0


def test_a_wrong_decision_is_taken_over_as_it_was():
    """The state goes on from what the book did, whatever was right, and says what is wrong with it."""
    model = opened(1000, limit_based=False)
    model.apply(command(Kind.PAYMENT, 1001), SETTLED, AT)
    assert model.balance_minor == -1
    assert model.objections(0, AT) == ["INSUFFICIENT_FUNDS"]
    model.apply(command(Kind.PAYMENT, 10), SETTLED, AT, posted_minor=-20)
    model.apply(command(Kind.PAYMENT, 10), REJECTED, AT)
    assert model.balance_minor == -21
    assert model.spent_minor("MONTH", AT) == 1021
    limited = opened(0, limit_based=True)
    limited.apply(command(Kind.PAYMENT, 160), SETTLED, AT)
    assert limited.objections(0, AT) == ["LIMIT_EXCEEDED_MINUTE", "LIMIT_EXCEEDED_HOUR"]


# -- other commands ---------------------------------------------------------------------------------


def test_credits_are_always_settled():
    """Nothing stands against an opening credit or a funding."""
    model = opened(1, limit_based=True)
    assert model.decide(command(Kind.FUNDING, 10**15), AT) == Ruling(SETTLED)


def test_an_account_that_was_never_opened_is_unknown():
    """Before its creation, and when that was rejected, everything else is rejected."""
    model = AccountModel(Rules(), limit_based=True, limits_minor=LIMITS)
    unknown = Ruling(REJECTED, frozenset({"UNKNOWN_ACCOUNT"}))
    assert model.decide(command(Kind.OPENING_CREDIT, 5), AT) == unknown
    model.apply(command(Kind.ACCOUNT), REJECTED, AT)
    assert model.decide(command(Kind.PAYMENT, 5), AT) == unknown


@pytest.mark.parametrize("label", [label for label in Label if label.is_hostile])
def test_a_hostile_command_is_rejected_or_not_decided_at_all(label):
    """An unknown account or currency is understood; nothing is decided about the others."""
    hostile = command(Kind.PAYMENT, 5, label=label)
    reasons = {
        Label.UNKNOWN_ACCOUNT: {"UNKNOWN_ACCOUNT"},
        Label.UNKNOWN_CURRENCY: {"UNKNOWN_CURRENCY"},
    }
    right = Ruling(REJECTED, frozenset(reasons[label])) if label in reasons else Ruling(NONE)
    assert opened(1000, limit_based=True).decide(hostile, AT) == right
    assert change_minor(hostile) == 0


def test_the_contract_names_every_reason():
    """Whoever builds a platform finds the reasons that the model asks for, and which comes first."""
    contract = (Path(__file__).resolve().parents[2] / "docs" / "contract.md").read_text("utf-8")
    (row,) = re.findall(r"^\| reason \| (.*) \|$", contract, re.M)
    rules = Rules()
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", row)) == {
        rules.insufficient_funds,
        rules.limit_exceeded["MINUTE"],
        *rules.hostile_reasons.values(),
    }
    assert set(rules.limit_exceeded.values()) == {f"LIMIT_EXCEEDED_{each}" for each in PERIODS}
    assert "of several limits exceeded at once the shortest period's is named" in row


# -- what an adapter may declare --------------------------------------------------------------------


def test_the_default_adapter_declares_the_default_rules():
    """An adapter that says nothing has the rules of the contract."""
    assert type(Platform().rules) is Rules


def test_an_adapter_may_declare_other_rules():
    """Exclusive limits, other checks, other reasons and other windows, each in one line."""

    class Exclusive(Rules):
        limits_inclusive = False

    class Both(Rules):
        limit_based = Checks(limits=True, funds=True)

        def right_reasons(self, objections):
            return frozenset(objections)

    class FromNoon(Rules):
        def window_start_ns(self, period, at_utc_ns):
            noon_ns = 12 * 3600 * SECOND_NS
            return super().window_start_ns(period, at_utc_ns - noon_ns) + noon_ns

    class NoReason(Rules):
        hostile_reasons: Mapping[Label, str] = {}

    assert pay(opened(1000, limit_based=True, rules=Exclusive()), 99, AT) is SETTLED
    exclusive = opened(1000, limit_based=True, rules=Exclusive())
    assert pay(exclusive, 100, AT) == {"LIMIT_EXCEEDED_MINUTE"}
    both = {"LIMIT_EXCEEDED_MINUTE", "INSUFFICIENT_FUNDS"}
    assert pay(opened(50, limit_based=True, rules=Both()), 101, AT) == both
    model = opened(1000, limit_based=True, rules=FromNoon())
    for at, expected in (
        ("2026-11-20T11:00:00", SETTLED),
        ("2026-11-20T11:30:00", {"LIMIT_EXCEEDED_HOUR"}),
        ("2026-11-20T12:00:00", SETTLED),
    ):
        assert pay(model, 100, ns(at)) == expected
    assert model.window_start_ns("DAY", AT) == ns("2026-11-20T12:00:00")
    assert NoReason().of_hostile(Label.UNKNOWN_ACCOUNT) == Ruling(REJECTED)
    assert NoReason().of_hostile(Label.ZERO) == Ruling(NONE)

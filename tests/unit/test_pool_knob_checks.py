"""Validation of the knobs: each rule finds the pool that breaks it."""

import numpy as np
import pytest

from e2e_data.commands import Kind, Label
from e2e_data.config import load
from e2e_data.shard import PAYMENT_COLUMNS
from e2e_data.validate import validate
from tests.tampering import NUMBER, moved, tampered

KNOBS = {
    "accounts": 120,
    "accounts_per_shard": 60,
    "limit_based_percentage": 50,
    "boundary_percentage": 20,
    "pattern_percentage": 40,
    "hostile_percentage": 10,
    "hot_account_share": 5,
    "hot_payment_share": 20,
    "regions": ["north", "south"],
}
CONFIG = load("small", KNOBS)
CAPPED = load("small", {**KNOBS, "enable_limit_violations": False})


def payments(shard, *labels, limited=None):
    """Return the rows, among a shard's payments, that have a label, of one sort of accounts or both."""
    rows = shard.slice_of(Kind.PAYMENT)
    found = np.isin(shard.label[rows], labels)
    if limited is not None:
        found &= shard.limit_based[shard.account_number[rows]] == limited
    return np.flatnonzero(found)


def setting(column, label, value, limited=None):
    """Return a change of a column in the first payment with a label."""

    def change(shard, columns):
        row = int(payments(shard, label, limited=limited)[0])
        row += 0 if column in PAYMENT_COLUMNS else shard.range_of(Kind.PAYMENT).start
        columns[column][row] = value(columns[column][row]) if callable(value) else value

    return change


def exchanged(shard, columns):
    row = shard.range_of(Kind.PAYMENT).start + payments(shard, Label.ROUND)[0]
    columns["credit_currency"][row] = (columns["credit_currency"][row] + 1) % 5


def original(label, choose):
    """Return a change of what the last replay with a label repeats, as a row among the payments."""

    def change(shard, columns):
        row = int(payments(shard, label)[-1])
        columns["original"][row] = shard.range_of(Kind.PAYMENT).start + choose(shard, row)

    return change


def hostile_before(shard, row):
    return int(payments(shard, Label.ZERO, Label.MALFORMED, Label.NEGATIVE)[0])


def repeated(shard, row):
    other = int(payments(shard, Label.REPLAY)[0])
    return int(shard.original[other]) - shard.range_of(Kind.PAYMENT).start


def plain_in_second_half(shard, row):
    plain = payments(shard, Label.NONE)
    return int(plain[(plain < row - 1) & (plain > row // 2 + 1)][0])


def moving(label, target, limited=None, last=False):
    """Return a change that moves one payment with a label to another place in the order."""

    def change(shard, columns):
        rows = payments(shard, label, limited=limited)
        moved(shard, columns, int(rows[-1 if last else 0]), target(shard))

    return change


def first(shard):
    return 0


def middle(shard):
    return shard.counts.payment // 2


@pytest.mark.parametrize("config", [CONFIG, CAPPED])
def test_right(tmp_path, config):
    """What is not changed is right, and has all labels."""
    pool = tampered(tmp_path / "pool", config, lambda shard, columns: None, rehash=False)
    assert validate(pool) == []
    assert set(pool.manifest.metrics.labels) == {label.text for label in Label}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (setting("label", Label.NONE, Label.HOT), "the label that its account was picked for"),
        (setting("label", Label.HOT, Label.NONE), "the label that its account was picked for"),
        (setting("label", Label.ROUND, Label.REPORTABLE), "the label that its account was"),
        (setting("label", Label.ROUND, Label.NONE), "the label that its account was picked for"),
        (exchanged, "with an amount of their own are not exchanged"),
        (setting("original", Label.REPLAY, -1), "a replay, and nothing else, has an original"),
        (setting("label", Label.REPLAY, Label.ZERO), "a replay, and nothing else, has an original"),
        (setting("amount_minor", Label.REPLAY, 1), "the amount_minor of a replay is 0"),
        (setting("credit_minor", Label.RACING_REPLAY, 1), "the credit_minor of a replay is 0"),
        (original(Label.REPLAY, hostile_before), "repeats a payment that is not hostile"),
        (original(Label.REPLAY, repeated), "a payment is repeated once at most"),
        (original(Label.REPLAY, plain_in_second_half), "one of the first half of the payments"),
        (original(Label.REPLAY, plain_in_second_half), "is for the account of its original"),
        (original(Label.RACING_REPLAY, plain_in_second_half), "repeats the payment just before it"),
        (setting("amount_minor", Label.STRUCTURING, lambda old: old // 2), "95 to 99.9 %"),
        (setting("amount_minor", Label.STRUCTURING, lambda old: old * 2), "95 to 99.9 %"),
        (setting("amount_minor", Label.ROUND, lambda old: old + 1), "a multiple of 100 units"),
        (setting("amount_minor", Label.DORMANT, lambda old: old // 9), "50 to 100 % of the HOUR"),
        (setting("amount_minor", Label.DORMANT, lambda old: old * 3), "50 to 100 % of the HOUR"),
        (setting("amount_minor", Label.REPORTABLE, lambda old: old // 9), "10000 to 15000 units"),
        (setting("amount_minor", Label.REPORTABLE, lambda old: old * 2), "10000 to 15000 units"),
        (moving(Label.VELOCITY, first, last=True), "a velocity account's payments stand together"),
        (moving(Label.DORMANT, middle), "dormant accounts pay after 7 eighths"),
        (moving(Label.BOUNDARY, first, limited=False), "come after 6 eighths of the others"),
        (
            moving(Label.BOUNDARY, first, limited=True, last=True),
            "a cycle of boundary payments stands together",
        ),
        (moving(Label.BEYOND, first, limited=False), "add up to a limit or the balance exactly"),
        (setting("amount_minor", Label.BOUNDARY, lambda old: old - 1, True), "add up to a limit"),
        (setting("amount_minor", Label.BOUNDARY, lambda old: old + 1, True), "add up to a limit"),
        (setting("amount_minor", Label.BOUNDARY, lambda old: old - 1, False), "add up to a limit"),
        (setting("amount_minor", Label.BOUNDARY, lambda old: old + 1, False), "add up to a limit"),
        (setting("amount_minor", Label.BEYOND, 2, True), "is so by one minor unit"),
        (setting("amount_minor", Label.BEYOND, 2, False), "is so by one minor unit"),
        (setting("expected", Label.ZERO, 1), "the expected outcomes are the oracle's"),
        (setting("expected", Label.REPLAY, 12), "the expected outcomes are the oracle's"),
    ],
)
def test_rules(tmp_path, change, rule):
    """A shard whose columns break a rule is found out, even when its hash was made to fit."""
    faults = validate(tampered(tmp_path / "pool", CONFIG, change, rehash=True))
    found = [fault for fault in faults if rule in fault.rule]
    assert len(found) == 1, faults
    assert f"shard {NUMBER}" in found[0].first


def test_a_pattern_may_be_lost_to_the_cap_only(tmp_path):
    """Reportable payments below 10,000 have lost their label to the MINUTE limit; others may not."""
    change = setting("label", Label.REPORTABLE, Label.NONE, limited=False)
    faults = validate(tampered(tmp_path / "pool", CAPPED, change, rehash=True))
    assert any("the label that its account was picked for" in fault.rule for fault in faults)


@pytest.mark.parametrize(
    ("transit", "rule"),
    [
        (5, "the first digit of transit is a region's, from 1 to 2"),
        (305, "the first digit of transit is a region's"),
        (121, "transit is from 1 to 20"),
        (200, "transit is from 1 to 20"),
    ],
)
def test_regions(tmp_path, transit, rule):
    """A transit number has a region's digit and a number below it."""

    def change(shard, columns):
        columns["transit"][3] = transit

    faults = validate(tampered(tmp_path / "pool", CONFIG, change, rehash=True))
    assert any(rule in fault.rule for fault in faults)

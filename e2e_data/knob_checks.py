"""The rules of the knobs for one shard: who has which label, and what that promises."""

from __future__ import annotations

import numpy as np

from e2e_data.columns import funded_minor
from e2e_data.commands import Kind, Label
from e2e_data.config_checks import REPORTABLE_UNITS
from e2e_data.faults import Faults, Flags, telling, telling_of
from e2e_data.order import BOUNDARY_EIGHTHS, DORMANT_EIGHTHS
from e2e_data.payments import ROUND_UNITS, SHAPED
from e2e_data.sampled import Sampled
from e2e_data.tables import Int64s


def check_knobs(sampled: Sampled, found: Faults) -> None:
    """Check a shard whose references are sound."""
    shard, roles = sampled.shard, sampled.roles
    found.add_rows(
        f"exactly {sampled.config.limit_based_percentage} % of the accounts are limit-based",
        shard.limit_based != roles.limit_based,
        telling_of(shard, "account", "limit_based", shard.limit_based),
    )
    if not (roles.label.any() or sampled.label.any() or (shard.original >= 0).any()):
        return
    _check_labels(sampled, found)
    _check_hostile(sampled, found)
    _check_replays(sampled, found)
    _check_pattern_amounts(sampled, found)
    _check_pattern_order(sampled, found)
    _check_boundaries(sampled, found)


def _check_labels(sampled: Sampled, found: Faults) -> None:
    role, label = sampled.roles.label[sampled.account], sampled.label
    tell = telling(sampled.shard, "label", Kind.PAYMENT)
    small = (role == Label.REPORTABLE) & (sampled.amount_minor < REPORTABLE_UNITS[0] * sampled.unit)
    small |= (role == Label.ROUND) & (sampled.amount_minor < ROUND_UNITS * sampled.unit)
    otherwise = np.where(sampled.roles.hot, Label.HOT, Label.NONE)[sampled.account]
    right = (label == role) | (role == Label.BOUNDARY) & (label == Label.BEYOND)
    right |= sampled.capped & small & (label == otherwise)
    rule = "a payment has the label that its account was picked for, unless it is hostile"
    found.add_rows(rule, sampled.plain & ~right, tell)
    rule = "payments with an amount of their own are not exchanged"
    found.add_rows(rule, sampled.exchanged & np.isin(label, SHAPED), tell)


def _check_hostile(sampled: Sampled, found: Faults) -> None:
    tell = telling(sampled.shard, "label", Kind.PAYMENT)
    if not sampled.config.hostile_percentage:
        found.add_rows("no payment is hostile where hostile_percentage is 0", ~sampled.plain, tell)
    replay = sampled.label >= Label.REPLAY
    rule = "a replay, and nothing else, has an original"
    found.add_rows(rule, replay != (sampled.original >= 0), tell)


def _check_replays(sampled: Sampled, found: Faults) -> None:
    rows = np.flatnonzero(sampled.original >= 0)
    of = sampled.original[rows]
    racing = sampled.label[rows] == Label.RACING_REPLAY
    tell = telling_of(sampled.shard, "payment", "original", sampled.shard.original)

    def check(rule: str, wrong: Flags) -> None:
        found.add_some(rule, rows, wrong, tell)

    account = sampled.account
    check("a replay repeats a payment that is not hostile", ~sampled.plain[of])
    check("a replay is for the account of its original", account[rows] != account[of])
    check("a payment is repeated once at most", np.bincount(of, minlength=1)[of] > 1)
    check("a racing replay repeats the payment just before it", racing & (of != rows - 1))
    check(
        "a replay repeats one of the first half of the payments before it",
        ~racing & (of >= (rows + 1) // 2),
    )


def _check_pattern_amounts(sampled: Sampled, found: Faults) -> None:
    shard, account, amount = sampled.shard, sampled.account, sampled.amount_minor
    minute, hour = shard.limit_minute_minor[account], shard.limit_hour_minor[account]
    least, most = (units * sampled.unit for units in REPORTABLE_UNITS)
    below = minute - amount
    at_cap = sampled.capped & (below == 0)
    tell = telling(shard, "amount_minor", Kind.PAYMENT)
    for label, rule, right in (
        (
            Label.STRUCTURING,
            "a structuring payment is from 95 to 99.9 % of the MINUTE limit",
            (below * 20 <= minute) & (below >= -(-minute // 1000)),
        ),
        (
            Label.ROUND,
            f"a round payment is a multiple of {ROUND_UNITS} units",
            amount % (ROUND_UNITS * sampled.unit) == 0,
        ),
        (
            Label.DORMANT,
            "a dormant account's payment is from 50 to 100 % of the HOUR limit",
            (amount * 2 >= hour) & (amount <= hour) | at_cap,
        ),
        (
            Label.REPORTABLE,
            f"a reportable payment is from {REPORTABLE_UNITS[0]} to {REPORTABLE_UNITS[1]} units",
            (amount >= least) & (amount <= most),
        ),
    ):
        found.add_rows(rule, (sampled.label == label) & ~right, tell)


def _check_pattern_order(sampled: Sampled, found: Faults) -> None:
    tell = telling(sampled.shard, "label", Kind.PAYMENT)
    rows, again = _by_account(sampled, sampled.label == Label.VELOCITY)
    apart = again & (np.diff(rows, prepend=0) != 1)
    found.add_some("a velocity account's payments stand together", rows, apart, tell)
    dormant = sampled.label == Label.DORMANT
    rule = f"dormant accounts pay after {DORMANT_EIGHTHS} eighths of the others' payments"
    found.add_rows(rule, dormant & ~_after(~dormant, DORMANT_EIGHTHS), tell)


def _check_boundaries(sampled: Sampled, found: Faults) -> None:
    shard, label = sampled.shard, sampled.label
    of_boundary = (label == Label.BOUNDARY) | (label == Label.BEYOND)
    rows, again = _by_account(sampled, of_boundary)
    account, amount, beyond = (
        sampled.account[rows],
        sampled.amount_minor[rows],
        label[rows] == Label.BEYOND,
    )
    limited = shard.limit_based[account]
    funding = shard.slice_of(Kind.FUNDING)
    funded = funded_minor(
        shard.opening_balance_minor, shard.account_number[funding], shard.amount_minor[funding]
    )
    reachable = np.where(limited, shard.limit_minute_minor[account], funded[account])
    met = np.where(beyond, 0, amount)
    after = _running(met, again)
    tell = telling(shard, "amount_minor", Kind.PAYMENT)

    def check(rule: str, wrong: Flags) -> None:
        found.add_some(rule, rows, wrong, tell)

    last = np.roll(~again, -1)
    over = ((after - met) % reachable + met > reachable) | (~limited & (after > reachable))
    short = (last | beyond) & ((after % reachable != 0) | (after == 0))
    check("boundary payments add up to a limit or the balance exactly", over | short)
    alone = limited & (amount == reachable + 1) & sampled.config.enable_limit_violations
    check("a payment beyond is so by one minor unit", beyond & (amount != 1) & ~alone)
    in_cycle = limited & again & (beyond | ((after - met) % reachable != 0))
    check(
        "a cycle of boundary payments stands together",
        in_cycle & (np.diff(rows, prepend=0) != 1),
    )
    late = of_boundary & ~shard.limit_based[sampled.account]
    others = ~late & (label != Label.DORMANT)
    rule = (
        f"boundary payments of balance-based accounts come after {BOUNDARY_EIGHTHS} eighths of "
        "the others"
    )
    found.add_rows(rule, late & ~_after(others, BOUNDARY_EIGHTHS), tell)


def _by_account(sampled: Sampled, flags: Flags) -> tuple[Int64s, Flags]:
    """Return the flagged rows, account by account, and whether each has the one before's account."""
    rows = np.flatnonzero(flags)
    rows = rows[np.argsort(sampled.account[rows], kind="stable")]
    return rows, np.diff(sampled.account[rows], prepend=-1) == 0


def _running(amount_minor: Int64s, again: Flags) -> Int64s:
    """Return the running sums, which begin anew where `again` is false."""
    total = np.cumsum(amount_minor)
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(again))))
    sums: Int64s = total - (total - amount_minor)[first]
    return sums


def _after(others: Flags, eighths: int) -> Flags:
    """Return which rows come after so many eighths of the others."""
    after: Flags = np.cumsum(others) * 8 >= np.count_nonzero(others) * eighths
    return after

"""What is wrong with a pool's configuration as a whole: sizes, knobs, 64-bit money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from e2e_data import money
from e2e_data.config_parts import band_edge

if TYPE_CHECKING:
    from e2e_data.config import PoolConfig

SHARDS_MAX = 2**20
"""A shard's number and a command's index must each fit into 20 bits of an id."""
COMMANDS_IN_SHARD_MAX = 2**20
INT64_MAX = 2**63 - 1
BOUNDARY_LEAST_MINOR = 3
"""A limit of at least so much can be parted in three."""
STRUCTURING_LEAST_MINOR = 20
"""From so much on, some amount is from 95 to 99.9 % of a limit."""
REPORTABLE_UNITS = (10_000, 15_000)
"""The least and the most of a reportable amount."""


def faults_of(config: PoolConfig) -> Iterator[str]:
    """Say what contradicts itself in a configuration whose settings are each right."""
    yield from _size_faults(config)
    yield from _knob_faults(config)
    yield from _money_faults(config)


def _size_faults(config: PoolConfig) -> Iterator[str]:
    if config.regions and config.transit_numbers > 99:
        yield (
            f"transit_numbers = {config.transit_numbers}: with regions two digits are left for "
            "them; set transit_numbers to 99 or fewer, or leave out regions"
        )
    each = 2 + config.funding[1] + config.payments[1]
    room = max(1, (COMMANDS_IN_SHARD_MAX - 1) // each)
    if config.shard_count > SHARDS_MAX:
        least = -(-config.accounts // SHARDS_MAX)
        way = (
            f"set accounts_per_shard to {least} or more"
            if least <= room
            else f"with up to {each} commands each, {room * SHARDS_MAX} accounts are the most"
        )
        yield (
            f"accounts = {config.accounts} make {config.shard_count} shards, more than the "
            f"{SHARDS_MAX} that ids can name; {way}"
        )
    if config.shard_accounts * each >= COMMANDS_IN_SHARD_MAX:
        yield (
            f"{config.shard_accounts} accounts in a shard with up to {each} commands each are "
            f"more than the {COMMANDS_IN_SHARD_MAX - 1} that ids can number; set "
            f"accounts_per_shard to {room} or fewer, "
            "or have fewer payments or funding credits"
        )


def _knob_faults(config: PoolConfig) -> Iterator[str]:
    yield from _hot_faults(config)
    boundary, pattern = config.boundary_percentage, config.pattern_percentage
    if boundary + pattern > 100:
        yield (
            f"boundary_percentage = {boundary} and pattern_percentage = {pattern} are together "
            "more than 100 % of the accounts, and no account is of both; lower one of them"
        )
    flavours = config.hostile_flavours
    if config.hostile_percentage == 100 and flavours.replay + flavours.racing_replay:
        yield (
            "hostile_percentage = 100 leaves no payment that could be replayed; lower it, or set "
            "replay and racing_replay of hostile_flavours to 0"
        )
    wanted: dict[str, int] = {}
    if boundary:
        wanted["boundary_percentage"] = BOUNDARY_LEAST_MINOR
    if pattern and config.patterns.structuring:
        wanted["patterns.structuring"] = STRUCTURING_LEAST_MINOR
    for code in config.currencies if wanted else ():
        least = _minute_least_minor(config, money.MINOR_DIGITS[code])
        for name, needed in wanted.items():
            if least < needed:
                yield (
                    f"{name}: the least MINUTE limit is {least} minor units of {code}, which "
                    f"cannot be parted so finely; raise limits.minute to {needed} of them or more"
                )


def _hot_faults(config: PoolConfig) -> Iterator[str]:
    accounts, payments = config.hot_account_share, config.hot_payment_share
    both = f"hot_account_share = {accounts} and hot_payment_share = {payments}"
    if not accounts and not payments:
        return
    if not accounts or not payments:
        yield f"{both}: set both, such as to 1 and 50, or neither"
    elif payments <= accounts:
        yield (
            f"{both}: hot accounts take more than their share of the payments; set "
            f"hot_payment_share above {accounts}"
        )
    elif payments == 100:
        yield f"{both}: other accounts would have no payments; set hot_payment_share below 100"
    if config.shard_accounts == 1:
        yield (
            f"{both}: with one account in a shard none can be hotter than another; set "
            "accounts_per_shard to 2 or more"
        )


def _minute_least_minor(config: PoolConfig, digits: int) -> int:
    return config.limits.minute.limit_minor(config.opening_balance.low_units * 10**digits, digits)


def _money_faults(config: PoolConfig) -> Iterator[str]:
    missing = [code for code in config.currencies if code not in config.usd_quotes]
    if missing:
        yield f"usd_quotes: {', '.join(missing)} needs a quote, such as {missing[0]} = '1.0842'"
    for code in config.currencies:
        yield from _amount_faults(config, code)
    if missing:
        return
    for pair, rate in config.rates.items():
        yield from _pair_faults(config, pair, rate)


def _amount_faults(config: PoolConfig, code: str) -> Iterator[str]:
    digits = money.MINOR_DIGITS[code]
    hour_least = config.limits.hour.limit_minor(
        config.opening_balance.low_units * 10**digits, digits
    )
    for band in config.payment_bands:
        # Two per cent-and-units keep a band from being empty however its two edges are rounded.
        if (band.to_percent - band.from_percent) * hour_least < 200:
            yield (
                f"payment_bands: {band.from_percent} to {band.to_percent} % of the least HOUR "
                f"limit ({hour_least} minor units of {code}) holds no amount; raise limits.hour"
            )
    worst = config.shard_accounts * _account_total_max_minor(config, digits) * 100
    if worst > INT64_MAX:
        yield (
            f"the amounts of one shard in {code} can reach {worst // 100} minor units, which "
            f"64-bit arithmetic cannot hold (at most {INT64_MAX // 100}); lower opening_balance, "
            "limits, payments, funding or accounts_per_shard"
        )


def _payment_max_minor(config: PoolConfig, digits: int) -> int:
    high_minor: int = config.opening_balance.high_units * 10**digits
    hour_most = config.limits.hour.limit_minor(high_minor, digits)
    return band_edge(hour_most, config.payment_bands[-1].to_percent)


def _shaped_max_minor(config: PoolConfig, digits: int) -> int:
    """Return the most that a payment of a boundary account's cycle or of a pattern can be."""
    if not (config.boundary_percentage or config.pattern_percentage):
        return 0
    hour_most = config.limits.hour.limit_minor(
        config.opening_balance.high_units * 10**digits, digits
    )
    most: int = REPORTABLE_UNITS[1] * 10**digits
    return max(hour_most + 1, most)


def _account_total_max_minor(config: PoolConfig, digits: int) -> int:
    high_minor: int = config.opening_balance.high_units * 10**digits
    credited = high_minor * (1 + config.funding[1])
    payment = max(_payment_max_minor(config, digits), _shaped_max_minor(config, digits))
    return (
        credited * (2 if config.boundary_percentage else 1)
        + max(1, config.payments[1]) * payment
        + config.limits.month.limit_minor(high_minor, digits)
    )


def _pair_faults(config: PoolConfig, pair: str, rate: str) -> Iterator[str]:
    debit, credit = pair.split("/")
    ratio = money.minor_ratio(rate, debit, credit)
    digits = money.MINOR_DIGITS[debit]
    most = _payment_max_minor(config, digits)
    payments = config.shard_accounts * config.payments[1]
    credits_most = payments * (most * ratio[0] // ratio[1] + 1)
    if max(most * ratio[0], ratio[1] * 2, credits_most) > INT64_MAX:
        yield (
            f"usd_quotes: converting {most} minor units of {pair} at {rate} leaves 64-bit "
            "arithmetic; lower opening_balance or limits, or give quotes with fewer digits"
        )
    balance_least = config.opening_balance.low_units * 10**digits
    room = band_edge(
        config.limits.hour.limit_minor(balance_least, digits), config.payment_bands[0].to_percent
    )
    if not config.enable_limit_violations:
        room = min(room, config.limits.minute.limit_minor(balance_least, digits) + 1)
    least = money.least_convertible(ratio)
    if least >= room:
        yield (
            f"usd_quotes: {pair} at {rate} needs {least} minor units to give one, but the "
            f"smallest payments must be below {room}; raise limits, or leave out {credit} or {debit}"
        )

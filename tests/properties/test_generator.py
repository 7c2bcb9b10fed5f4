"""Any valid configuration gives a sound pool, judged by a plain model of the domain's rules."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from e2e_data.commands import Kind, Label, Outcome
from e2e_data.config import load
from e2e_data.config_parts import HostileFlavours, Patterns
from e2e_data.distributions import payments_move
from e2e_data.money import MINOR_DIGITS
from e2e_data.payments import SHAPED
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from e2e_data.validate import validate

CODES = ["USD", "EUR", "GBP", "CAD", "JPY", "CHF", "INR", "KWD", "BHD"]


def ranges(most):
    pair = st.tuples(st.integers(0, most), st.integers(0, most))
    return pair.map(lambda bounds: tuple(sorted(bounds)))


@st.composite
def split(draw, total, parts):
    """Non-negative integers that add up to `total`."""
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=parts - 1, max_size=parts - 1)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


@st.composite
def limits(draw):
    percents = sorted(draw(st.lists(st.integers(1, 600), min_size=5, max_size=5)))
    floors = sorted(draw(st.lists(st.integers(10, 10**6), min_size=5, max_size=5)))
    names = ("minute", "hour", "day", "week", "month")
    rules = zip(names, percents, floors, strict=True)
    return {name: {"percent": percent, "floor_units": floor} for name, percent, floor in rules}


@st.composite
def bands(draw):
    edges = st.lists(st.integers(0, 300), min_size=2, max_size=6, unique=True)
    ends = sorted(draw(edges))
    weights = draw(split(100, len(ends) - 1))
    return [
        {"from_percent": start, "to_percent": end, "weight_percent": weight}
        for start, end, weight in zip(ends, ends[1:], weights, strict=False)
    ]


def weights(names):
    return split(100, len(names)).map(lambda shares: dict(zip(names, shares, strict=True)))


shares = st.one_of(st.decimals(5, 60, places=1), st.sampled_from([0, "0.0001", 100]))


@st.composite
def knobs(draw):
    """Any of the knobs that are off by default, mostly several at once."""
    boundary, pattern = draw(shares), draw(shares)
    overrides = {
        "boundary_percentage": boundary,
        "pattern_percentage": min(Decimal(pattern), 100 - Decimal(boundary)),
        "hostile_percentage": draw(shares),
        "regions": draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4, unique=True)),
    }
    if draw(st.booleans()):
        overrides["hot_account_share"], overrides["hot_payment_share"] = sorted(
            draw(st.lists(st.integers(1, 99), min_size=2, max_size=2, unique=True))
        )
    if draw(st.booleans()):
        overrides["patterns"] = draw(weights(list(Patterns.model_fields)))
        overrides["hostile_flavours"] = draw(weights(list(HostileFlavours.model_fields)))
    return overrides


@st.composite
def configurations(draw, *, knobbed=False):
    """Any configuration, in which knobs may be on, or are for sure."""
    low, width, more = (draw(st.integers(1, 10**6)) for _ in range(3))
    overrides = {
        "accounts": draw(st.integers(1, 24)),
        "payments": draw(ranges(12)),
        "funding": draw(ranges(6)),
        "limit_based_percentage": draw(st.integers(0, 100)),
        "fx_percentage": draw(st.integers(0, 100)),
        "enable_limit_violations": draw(st.booleans()),
        "currencies": draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=5, unique=True)),
        "accounts_per_shard": draw(st.none() | st.integers(1, 9)),
        "funding_percent": draw(ranges(100)),
        "value_days": draw(st.integers(0, 9)),
        "opening_balance": {
            "low_units": low,
            "break_units": low + width,
            "high_units": low + width + more,
            "below_break_percent": draw(st.integers(0, 100)),
        },
    }
    if knobbed or draw(st.booleans()):
        overrides |= draw(knobs())
    if draw(st.booleans()):
        overrides["limits"] = draw(limits())
    if draw(st.booleans()):
        overrides["payment_bands"] = draw(bands())
    try:
        return load("smoke", overrides)
    except Problems:
        assume(False)
        raise


# A few seeds only, because each has its words drawn anew; configurations vary enough.
seeds = st.sampled_from([0, 1, 7, 2**32, 2**63, 2**64 - 1])
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def commands_of(config, seed):
    """Each shard's commands, as records."""
    pool = Pool.in_memory(config, seed)
    return [[shard.command(i) for i in range(len(shard))] for shard in pool.shards()]


@relaxed
@given(config=configurations(), seed=seeds)
def test_references_and_counts(config, seed):
    """Every command names an account of its shard; creations and opening credits are one each."""
    shards = commands_of(config, seed)
    assert sum(len({command.account.number for command in shard}) for shard in shards) == (
        config.accounts
    )
    for number, commands in enumerate(shards):
        assert [command.index for command in commands] == list(range(len(commands)))
        assert {command.shard for command in commands} == {number}
        counts = Counter((command.account.number, command.kind) for command in commands)
        for account in {command.account.number for command in commands}:
            assert counts[account, Kind.ACCOUNT] == counts[account, Kind.OPENING_CREDIT] == 1
            assert config.funding[0] <= counts[account, Kind.FUNDING] <= config.funding[1]
            if not payments_move(config):
                assert config.payments[0] <= counts[account, Kind.PAYMENT] <= config.payments[1]
        payments = sum(command.kind is Kind.PAYMENT for command in commands)
        accounts = config.accounts_in(number)
        assert accounts * config.payments[0] <= payments <= accounts * config.payments[1]


@relaxed
@given(config=configurations(), seed=seeds)
def test_amounts(config, seed):
    """Balances, funding, bands, caps and both legs are the domain's, computed one by one."""
    for command in (command for shard in commands_of(config, seed) for command in shard):
        account, amount = command.account, command.amount_minor
        balance, unit = account.opening_balance_minor, 10 ** MINOR_DIGITS[account.currency]
        opening = config.opening_balance
        assert opening.low_units * unit <= balance < opening.high_units * unit
        match command.kind:
            case Kind.ACCOUNT:
                assert amount == 0
            case Kind.OPENING_CREDIT:
                assert amount == balance
            case Kind.FUNDING:
                low, high = config.funding_percent
                least = max(1, -(-balance * low // 100))
                # Where the range holds no whole minor unit, it is the next one above.
                assert amount == least or least * 100 <= amount * 100 <= balance * high
            case Kind.PAYMENT if command.label.is_replay:
                assert amount == command.credit_minor == 0
            case Kind.PAYMENT:
                assert amount >= 1
                assert command.credit_minor >= 1
                check_range(config, command)
                check_legs(config, command)


def check_range(config, command):
    """Judge an amount by its label; boundary payments have a test of their own."""
    account, amount = command.account, command.amount_minor
    unit = 10 ** MINOR_DIGITS[account.currency]
    minute, hour, *_ = account.limits_minor
    capped = account.limit_based and not config.enable_limit_violations
    assert not capped or amount <= minute
    match command.label:
        case Label.BOUNDARY | Label.BEYOND:
            pass
        case Label.STRUCTURING:
            assert Fraction(95, 100) * minute <= amount <= Fraction(999, 1000) * minute
        case Label.ROUND:
            assert amount % (100 * unit) == 0
        case Label.DORMANT:
            assert hour <= 2 * amount <= 2 * hour or (capped and amount == minute)
        case Label.REPORTABLE:
            assert 10_000 * unit <= amount <= 15_000 * unit
        case _:
            if not capped:
                check_band(config, account, amount)


def check_band(config, account, amount):
    share = amount * 100
    hour = account.limits_minor[1]
    bounds = [
        (hour * band.from_percent, hour * band.to_percent, band)
        for band in config.payment_bands
        if band.weight_percent
    ]
    assert any(
        (start <= share if band.from_percent < 100 else start < share)
        and (share < end if band.to_percent < 100 else share <= end)
        for start, end, band in bounds
    )


def check_legs(config, command):
    debit, credit = command.account.currency, command.credit_currency
    assert credit in config.currencies
    if debit == credit:
        assert command.credit_minor == command.amount_minor
        return
    assert command.label not in SHAPED
    rate = Decimal(config.rates[f"{debit}/{credit}"])
    exact = Decimal(command.amount_minor).scaleb(-MINOR_DIGITS[debit]) * rate
    rounded = exact.quantize(Decimal(1).scaleb(-MINOR_DIGITS[credit]), ROUND_HALF_EVEN)
    assert Decimal(command.credit_minor).scaleb(-MINOR_DIGITS[credit]) == rounded


def windows(at):
    """Name the fixed UTC windows that a moment is in: minute, hour, day, ISO week, month."""
    return (
        at.strftime("minute %F %H:%M"),
        at.strftime("hour %F %H"),
        at.strftime("day %F"),
        at.strftime("week %G-%V"),
        at.strftime("month %Y-%m"),
    )


def correct_platform(account, commands, pauses_s):
    """Decide an account's funding and payments in order, each after its pause."""
    balance, used = account.opening_balance_minor, defaultdict(int)
    at = datetime(2026, 2, 27, 23, 59, 58, tzinfo=UTC)
    for command, pause_s in zip(commands, pauses_s, strict=True):
        at += timedelta(seconds=pause_s)
        if command.kind is Kind.FUNDING:
            balance += command.amount_minor
            yield command, Outcome.SETTLED
            continue
        after = [used[window] + command.amount_minor for window in windows(at)]
        if account.limit_based:
            settled = all(a <= b for a, b in zip(after, account.limits_minor, strict=True))
        else:
            settled = command.amount_minor <= balance
        if settled:
            balance -= command.amount_minor
            used.update(zip(windows(at), after, strict=True))
        yield command, Outcome.SETTLED if settled else Outcome.REJECTED


@relaxed
@given(config=configurations(), seed=seeds, data=st.data())
def test_oracle_is_sound(config, seed, data):
    """In whatever order and time a correct platform decides, each outcome is in its set."""
    random = data.draw(st.randoms(use_true_random=False))
    pause_s = data.draw(st.sampled_from([0, 1, 70, 4_000, 90_000, 700_000]))
    for shard in commands_of(config, seed):
        by_account = defaultdict(list)
        for command in shard:
            if command.label.is_hostile:
                assert command.expected == right_set(shard, command)
            elif command.kind in (Kind.FUNDING, Kind.PAYMENT):
                by_account[command.account].append(command)
            else:
                assert command.expected == Outcome.SETTLED
        for account, commands in by_account.items():
            random.shuffle(commands)
            pauses_s = [random.randint(0, pause_s) for _ in commands]
            for command, outcome in correct_platform(account, commands, pauses_s):
                assert outcome in command.expected


def right_set(shard, command):
    """What a hostile command may end as: by itself, or as its original does."""
    if command.label.is_replay:
        return shard[command.original].expected
    if command.label in (Label.UNKNOWN_ACCOUNT, Label.UNKNOWN_CURRENCY):
        return Outcome.REJECTED
    return Outcome.INVALID | Outcome.DEAD_LETTERED


@relaxed
@given(config=configurations(knobbed=True), seed=seeds)
def test_replays(config, seed):
    """A replay is for the account of an earlier payment, which has an effect and no other replay."""
    for shard in commands_of(config, seed):
        start = next((c.index for c in shard if c.kind is Kind.PAYMENT), len(shard))
        originals = [c.original for c in shard if c.original is not None]
        assert len(originals) == len(set(originals))
        for command in shard:
            assert (command.original is not None) == command.label.is_replay
            if command.original is None:
                continue
            original = shard[command.original]
            assert original.kind is command.kind is Kind.PAYMENT
            assert original.account == command.account
            assert not original.label.is_hostile
            if command.label is Label.RACING_REPLAY:
                assert command.original == command.index - 1
            else:
                assert 0 <= command.original - start <= (command.index - start) // 2


@relaxed
@given(config=configurations(knobbed=True), seed=seeds)
def test_boundaries(config, seed):
    """Boundary payments meet the limit again and again, or all that is credited, and go beyond it."""
    for shard in commands_of(config, seed):
        paid, credited = defaultdict(list), Counter()
        for command in shard:
            if command.label in (Label.BOUNDARY, Label.BEYOND):
                paid[command.account].append(command)
            if command.kind in (Kind.OPENING_CREDIT, Kind.FUNDING):
                credited[command.account] += command.amount_minor
        for account, commands in paid.items():
            limited = account.limit_based
            reachable = account.limits_minor[0] if limited else credited[account]
            spent = 0
            for command in commands:
                if command.label is Label.BOUNDARY:
                    assert spent % reachable + command.amount_minor <= reachable
                    spent += command.amount_minor
                    continue
                assert spent > 0
                assert spent % reachable == 0
                assert command.amount_minor in ((1, reachable + 1) if limited else (1,))
            assert spent % reachable == 0
            assert limited or spent == reachable


@relaxed
@given(config=configurations(knobbed=True), seed=seeds)
def test_places_in_the_order(config, seed):
    """Bursts stand together, and dormant accounts pay when seven eighths of the others have."""
    for shard in commands_of(config, seed):
        payments = [command for command in shard if command.kind is Kind.PAYMENT]
        others = sum(command.label is not Label.DORMANT for command in payments)
        before, bursts = 0, defaultdict(list)
        for place, command in enumerate(payments):
            if command.label is Label.DORMANT:
                assert 8 * before >= 7 * others
            else:
                before += 1
            if command.label is Label.VELOCITY:
                bursts[command.account.number].append(place)
        for places in bursts.values():
            assert places == list(range(places[0], places[0] + len(places)))


@relaxed
@given(config=configurations(knobbed=True), seed=seeds)
def test_regions(config, seed):
    """With regions the first digit of an account's transit number is its region's, else it has none."""
    for command in (command for shard in commands_of(config, seed) for command in shard):
        account = command.account
        number = int(account.transit_number)
        if config.regions:
            region, number = divmod(number, 100)
            assert account.region == config.regions[region - 1]
        else:
            assert account.region == ""
        assert 1 <= number <= config.transit_numbers
        assert len(account.transit_number) == 3


@relaxed
@given(config=configurations(), seed=seeds)
def test_valid(config, seed):
    """What was generated validates."""
    assert validate(Pool.in_memory(config, seed)) == []


@pytest.mark.parametrize("preset", ["medium", "large"])
def test_presets_are_the_load_they_were_designed_to_be(preset):
    """About 42 % of the limit-based accounts' payments are certain rejects."""
    config = load(preset, {"accounts": 1000})
    metrics = Pool.in_memory(config, 7).manifest.metrics
    assert 40 < metrics.certain_reject_share_limit_based < 45
    assert 85 < metrics.below_break_share < 95
    assert metrics.limit_based_share == config.limit_based_percentage

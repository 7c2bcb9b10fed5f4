"""The configuration of a pool: presets, files, overrides, and everything that is wrong at once."""

from decimal import Decimal

import pytest

from e2e_data.config import PRESETS, PoolConfig, load
from e2e_data.config_parts import band_edge, millionths
from e2e_data.problems import Problems

HOT = {"hot_account_share": 10, "hot_payment_share": 50, "accounts_per_shard": 5}
TINY = {"opening_balance": {"low_units": 100}, "limits": {"minute": {"floor_units": 1}}}

NARROW = {"minute": {"floor_units": 1}, "hour": {"percent": 2, "floor_units": 10}}


def problems_of(**overrides):
    with pytest.raises(Problems) as caught:
        load("smoke", overrides)
    return caught.value.problems


@pytest.mark.parametrize(
    ("preset", "accounts", "payments", "funding", "limit_based"),
    [
        ("smoke", 10, (5, 10), (2, 5), 50),
        ("small", 100, (10, 20), (5, 15), 30),
        ("medium", 1_000, (20, 50), (10, 30), 20),
        ("large", 10_000, (50, 100), (20, 50), 20),
        ("stress", 100_000, (100, 200), (50, 100), 80),
    ],
)
def test_presets(preset, accounts, payments, funding, limit_based):
    """Presets are those of the domain's table; a tenth of the payments exchange."""
    config = load(preset)
    assert (config.accounts, config.payments, config.funding) == (accounts, payments, funding)
    assert config.limit_based_percentage == limit_based
    assert config.fx_percentage == 10
    assert config.currencies == ("USD", "EUR", "GBP", "CAD", "JPY")


@pytest.mark.parametrize(
    ("accounts", "given", "in_shard", "shards"),
    [(10, None, 1, 10), (100, None, 7, 15), (100_000, None, 250, 400), (10, 4, 4, 3), (1, 9, 9, 1)],
)
def test_accounts_are_dealt_to_shards(accounts, given, in_shard, shards):
    """A shard has a sixteenth of the accounts, but from 1 to 250; the last has what remains."""
    config = load("smoke", {"accounts": accounts, "accounts_per_shard": given})
    assert (config.shard_accounts, config.shard_count) == (in_shard, shards)
    assert sum(config.accounts_in(shard) for shard in range(shards)) == accounts


def test_file_over_preset_and_override_over_file(tmp_path):
    """A file changes the preset it names, tables key by key; overrides change both."""
    file = tmp_path / "pool.toml"
    file.write_text(
        'preset = "small"\naccounts = 7\nfunding = [1, 2]\ncurrencies = ["USD", "SEK"]\n'
        "[usd_quotes]\nSEK = 0.1\n[limits.minute]\npercent = 1\n",
        encoding="utf-8",
    )
    config = load(overrides={"accounts": 8}, file=file)
    assert (config.accounts, config.funding, config.payments) == (8, (1, 2), (10, 20))
    assert config.usd_quotes["SEK"] == Decimal("0.1")
    assert config.usd_quotes["EUR"] == load("smoke").usd_quotes["EUR"]
    assert (config.limits.minute.percent, config.limits.minute.floor_units) == (1, 2_000)
    assert config.limits.hour.percent == 10
    assert load("medium", file=file).payments == (20, 50)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"payments": (9, 3)}, "payments = (9, 3): the least must not be above the most"),
        ({"funding": (9, 3)}, "(3, 9) would be right"),
        ({"funding_percent": (20, 1)}, "funding_percent = (20, 1)"),
        ({"currencies": ("USD", "XXX")}, "'XXX' is not a currency known here; known: CLP"),
        ({"currencies": ("USD", "THB")}, "THB needs a quote"),
        ({"currencies": ("USD", "EUR", "USD")}, "USD must be named once"),
        ({"currencies": ()}, "currencies = ()"),
        ({"usd_quotes": {"XXX": "2"}}, "usd_quotes"),
        ({"usd_quotes": {"EUR": "0"}}, "usd_quotes.EUR = '0'"),
        ({"fx_percentage": 101}, "fx_percentage = 101"),
        ({"limit_based_percentage": -1}, "limit_based_percentage = -1"),
        ({"accounts": 0}, "accounts = 0"),
        ({"accounts": 1.5}, "accounts = 1.5"),
        ({"accounts": True}, "accounts = True"),
        ({"account_types": {"savings": 21}}, "the shares add up to 101, which must be 100"),
        ({"opening_balance": {"break_units": 10_000}}, "low_units must be below break_units"),
        ({"limits": {"day": {"percent": 5, "floor_units": 9}}}, "day (5 %, 9) must not be below"),
        ({"payment_bands": [{"weight_percent": 99, "from_percent": 0, "to_percent": 9}]}, "99"),
        ({"payment_bands": [{"weight_percent": 100, "from_percent": 9, "to_percent": 9}]}, "below"),
        ({"locale": "de-DE"}, "Faker has no such locale; did you mean de_DE"),
        ({"acounts": 3}, "acounts: there is no such setting"),
        ({"accounts": 2**22, "accounts_per_shard": 1}, "set accounts_per_shard to 4 or more"),
        ({"accounts": 2**38}, "accounts are the most"),
        ({"payments": (0, 2**20), "accounts_per_shard": 1}, "more than the 1048575 that ids"),
        ({"opening_balance": {"high_units": 2**53}}, "64-bit arithmetic"),
        ({"hot_account_share": 5}, "hot_payment_share = 0: set both, such as to 1 and 50, or neit"),
        ({"hot_payment_share": 5}, "hot_account_share = 0 and hot_payment_share = 5: set both"),
        ({**HOT, "hot_payment_share": 5}, "hot_payment_share = 5: hot accounts take more than"),
        ({**HOT, "hot_payment_share": 100}, "set hot_payment_share below 100"),
        ({**HOT, "accounts_per_shard": 1}, "set accounts_per_shard to 2 or more"),
        ({"boundary_percentage": 60, "pattern_percentage": 50}, "are together more than 100 %"),
        ({"hostile_percentage": "0.00001"}, "no more than 4 decimal places"),
        ({"hostile_percentage": "nan"}, "hostile_percentage = 'nan'"),
        ({"hostile_percentage": 100}, "leaves no payment that could be replayed; lower it"),
        ({"hostile_flavours": {"zero": 20}}, "the shares add up to 110, which must be 100"),
        ({"hostile_flavours": {"zeros": 20}}, "hostile_flavours.zeros: there is no such setting"),
        ({"patterns": {"velocity": 0}}, "the shares add up to 80, which must be 100"),
        ({"regions": ["a", "b", "a"]}, "regions = ['a', 'b', 'a']: a must be named once"),
        ({"regions": list("abcdefghij")}, "at most 9 items"),
        ({"regions": ["a", ""]}, "regions.1 = ''"),
        ({"regions": ["a"], "transit_numbers": 100}, "set transit_numbers to 99 or fewer"),
        (
            {"boundary_percentage": 1, "currencies": ["JPY"], **TINY},
            "boundary_percentage: the least MINUTE limit is 2 minor units of JPY, which cannot be",
        ),
        (
            {"currencies": ["JPY"], **TINY, "limits": NARROW},
            "payment_bands: 0 to 10 % of the least HOUR limit (10 minor units of JPY) holds no",
        ),
        (
            {"pattern_percentage": 1, "currencies": ["JPY"], **TINY},
            "raise limits.minute to 20 of them or more",
        ),
    ],
)
def test_bad_configurations(overrides, told):
    """What cannot be is refused with the setting, its value and what would be right."""
    assert told in "\n".join(problems_of(**overrides))


def test_overlapping_bands():
    """Bands may leave gaps, but must not overlap."""
    bands = [
        {"weight_percent": 50, "from_percent": 0, "to_percent": 20},
        {"weight_percent": 50, "from_percent": 10, "to_percent": 50},
    ]
    assert (
        "must not begin before the one before it ends (20 %)" in problems_of(payment_bands=bands)[0]
    )


def test_everything_at_once():
    """Every problem is told in one go, each on a line of its own."""
    told = problems_of(accounts=0, payments=(9, 3), fx_percentage=101, currencies=("USD", "USD"))
    assert len(told) == 4
    assert all(line.startswith("pool (smoke): ") for line in told)


def test_faults_of_the_whole_are_told_at_once():
    """Problems between settings are told together as well, each naming where it was found."""
    told = problems_of(currencies=("USD", "THB"), accounts=2**22, accounts_per_shard=1)
    assert len(told) == 2
    assert all(line.startswith("pool (smoke): ") for line in told)


def test_exchange_that_gives_nothing():
    """A pair whose smallest payments would credit less than one minor unit is refused."""
    told = problems_of(
        currencies=("USD", "VND", "KWD"),
        usd_quotes={"VND": "0.00000002"},
        enable_limit_violations=False,
    )
    assert any("VND/KWD" in line and "to give one" in line for line in told)


def test_overflow_of_conversion():
    """A conversion whose products would not fit into 64 bits is refused."""
    told = problems_of(
        currencies=("USD", "EUR"),
        opening_balance={"high_units": 10**13},
        usd_quotes={"EUR": "0.00000987654"},
    )
    assert any("USD/EUR" in line and "leaves 64-bit arithmetic" in line for line in told)


@pytest.mark.parametrize(
    ("text", "told"),
    [("accounts = ", "is not TOML"), ('preset = "tiny"', "known: smoke, small"), ("x = 1", "x:")],
)
def test_bad_files(tmp_path, text, told):
    """A file that is no TOML or holds unknown settings is refused by its name."""
    file = tmp_path / "pool.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Problems) as caught:
        load(file=file)
    assert told in caught.value.problems[0]


def test_missing_file(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(Problems, match=r"none\.toml: cannot be read"):
        load(file=tmp_path / "none.toml")


def test_a_limit_too_small_for_a_knob_that_is_not_used():
    """What a knob needs is asked only where it is on."""
    load("smoke", {"currencies": ["JPY"], **TINY})
    patterns = {"structuring": 0, "velocity": 40}
    load("smoke", {"currencies": ["JPY"], **TINY, "pattern_percentage": 1, "patterns": patterns})


@pytest.mark.parametrize(
    ("share", "parts"),
    [(0, 0), (100, 1_000_000), ("0.0001", 1), (0.1, 1000), (Decimal("2.50"), 25_000)],
)
def test_shares_are_exact(share, parts):
    """A share has up to four decimals, is never a float, and is the same however it was written."""
    config = load("smoke", {"pattern_percentage": share})
    assert millionths(config.pattern_percentage) == parts
    again = PoolConfig.model_validate_json(config.canonical_json())
    assert again.canonical_json() == config.canonical_json()
    assert again == config


def test_regions_by_transit_number():
    """The first of three digits is the region's; without regions there is none."""
    config = load("smoke", {"regions": ["north", "south"]})
    assert [config.region_of(transit) for transit in (101, 199, 201)] == ["north", "north", "south"]
    assert load("smoke").region_of(20) == ""


def test_canonical_json():
    """Configurations are equal exactly when their canonical JSON is, however they were written."""
    config = load("smoke", {"usd_quotes": {"EUR": "1.10"}})
    assert config.canonical_json() == load("smoke", {"usd_quotes": {"EUR": "1.1"}}).canonical_json()
    assert config.canonical_json() != load("smoke").canonical_json()
    assert PoolConfig.model_validate_json(config.canonical_json()) == config
    texts = {load(preset).canonical_json() for preset in PRESETS}
    assert len(texts) == len(PRESETS)


@pytest.mark.parametrize(
    ("hour_minor", "percent", "edge"),
    [(1000, 0, 0), (1000, 10, 100), (1001, 10, 101), (1000, 100, 1001), (1001, 150, 1502)],
)
def test_band_edges(hour_minor, percent, edge):
    """Below 100 % an edge belongs to the band that begins there, from 100 % on to that before."""
    assert band_edge(hour_minor, percent) == edge

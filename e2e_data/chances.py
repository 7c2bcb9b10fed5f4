"""Whether a pool's shares are those of its configuration, as far as chance allows to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from e2e_data.config import PoolConfig
from e2e_data.tally import Tally

SIGNIFICANCE = 1e-6
"""A right pool fails one of these tests with this probability: about once in a million seeds."""
EXPECTED_LEAST = 20
"""A test needs so many cases expected in each category; with fewer, chi-square says nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts by category and the weights by which they were drawn."""

    name: str
    observed: tuple[int, ...]
    weights: tuple[int, ...]

    @property
    def needed(self) -> int:
        """The number of cases from which on the sample can be tested."""
        drawn = [weight for weight in self.weights if weight]
        return -(-EXPECTED_LEAST * sum(drawn) // min(drawn))

    @property
    def testable(self) -> bool:
        """Whether the sample is large enough."""
        return sum(self.observed) >= self.needed

    def fault(self) -> str | None:
        """Say how the counts contradict the weights; None if they do not, or nobody can tell."""
        pairs = list(zip(self.observed, self.weights, strict=True))
        if any(count for count, weight in pairs if weight == 0):
            return f"{self.observed} where the weights are {self.weights}: some have no weight"
        drawn = [(count, weight) for count, weight in pairs if weight]
        if len(drawn) < 2 or not self.testable:
            return None
        distance, limit = _chi_square(drawn), _critical(len(drawn) - 1)
        if distance <= limit:
            return None
        return (
            f"{self.observed} where the weights are {self.weights}: chi-square {distance:.1f} is "
            f"above {limit:.1f}, which has a chance of {SIGNIFICANCE:g}"
        )


def samples(config: PoolConfig, tally: Tally) -> Iterator[Sample]:
    """Go through what is drawn by weight; the share of limit-based accounts is exact instead."""
    bands = tuple(band.weight_percent for band in config.payment_bands)
    below = config.opening_balance.below_break_percent
    yield Sample("payment bands", tally.bands, bands)
    yield Sample("account types", tally.account_types, config.account_types.weights)
    yield Sample("currencies of accounts", tally.currencies, (1,) * len(config.currencies))
    yield Sample(
        f"opening balances below and above {config.opening_balance.break_units}",
        (tally.below_break, config.accounts - tally.below_break),
        (below, 100 - below),
    )
    if len(config.currencies) > 1:
        share = config.fx_percentage
        yield Sample(
            "payments with and without exchange",
            (tally.fx, tally.payments - tally.fx),
            (share, 100 - share),
        )


def untested(config: PoolConfig, tally: Tally) -> list[str]:
    """Say which shares were not tested for want of cases, and how many it would take."""
    return [
        f"{sample.name}: {sum(sample.observed)} cases are too few to test their shares; "
        f"{sample.needed} would do"
        for sample in samples(config, tally)
        if not sample.testable
    ]


def _chi_square(drawn: list[tuple[int, int]]) -> float:
    total = sum(count for count, _ in drawn)
    weights = sum(weight for _, weight in drawn)
    distance = Fraction(0)
    for count, weight in drawn:
        expected = Fraction(total * weight, weights)
        distance += (count - expected) ** 2 / expected
    return float(distance)


def _critical(freedom: int) -> float:
    if freedom == 1:
        return NormalDist().inv_cdf(1 - SIGNIFICANCE / 2) ** 2
    # Wilson and Hilferty, "The distribution of chi-square" (1931): its cube root is almost normal.
    spread = 2 / (9 * freedom)
    root = 1 - spread + NormalDist().inv_cdf(1 - SIGNIFICANCE) * float(spread**0.5)
    return freedom * float(root**3)

"""Whether a pool is a likely draw of its configuration, as far as chance allows to say.

Counts are compared with their weights by relative entropy. Its chance of being as large as found,
or larger, has a bound that holds for samples of any size (R. Agrawal, "Finite-sample concentration
of the multinomial in relative entropy", 2020): with n cases in k categories and the divergence D,
at most exp(-nD) * (e * nD / (k - 1)) ** (k - 1). So no right pool is accused for being small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log

from e2e_data.config import PoolConfig
from e2e_data.distributions import DISTRIBUTIONS
from e2e_data.tally import Tally

SIGNIFICANCE = 1e-6
"""A right pool fails any of its tests with at most this chance: once in a million seeds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts by category and the weights by which they were drawn."""

    name: str
    observed: tuple[int, ...]
    weights: tuple[int, ...]

    @property
    def cases(self) -> int:
        """The number of cases in all categories."""
        return sum(self.observed)

    def fault(self, significance: float) -> str | None:
        """Say how the counts contradict the weights; None if they do not, or nobody can tell."""
        pairs = list(zip(self.observed, self.weights, strict=True))
        if any(count for count, weight in pairs if weight == 0):
            return f"{self.observed} where the weights are {self.weights}: some have no weight"
        chance = _chance(self._divergence(), self._freedom)
        if chance > significance:
            return None
        return (
            f"{self.observed} where the weights are {self.weights}: so far from them with a chance "
            f"of at most {chance:.0e}"
        )

    def needed(self, significance: float) -> int:
        """Return from how many cases on it shows that the rarest category is missing."""
        if not self._freedom:
            return 0
        rarest = min(weight for weight in self.weights if weight)
        return (
            int(_critical(significance, self._freedom) / -log(1 - rarest / sum(self.weights))) + 1
        )

    @property
    def _freedom(self) -> int:
        return max(0, sum(weight > 0 for weight in self.weights) - 1)

    def _divergence(self) -> float:
        cases, total = self.cases, sum(self.weights)
        return sum(
            count * log(count * total / (cases * weight))
            for count, weight in zip(self.observed, self.weights, strict=True)
            if count
        )


def samples(config: PoolConfig, tally: Tally) -> Iterator[Sample]:
    """Go through all that is drawn under a configuration."""
    for each in DISTRIBUTIONS:
        weights = tuple(each.weights(config))
        if weights:
            yield Sample(each.name, tally.drawn[each.name], weights)


def faults(config: PoolConfig, tally: Tally) -> Iterator[str]:
    """Say which counts contradict the configuration; wrong for a right pool by SIGNIFICANCE."""
    tests = list(samples(config, tally))
    for sample in tests:
        fault = sample.fault(SIGNIFICANCE / len(tests))
        if fault:
            yield f"{sample.name}: {fault}"


def untested(config: PoolConfig, tally: Tally) -> list[str]:
    """Say of which distributions there are so few cases that a missing category would not show."""
    tests = list(samples(config, tally))
    few = [
        f"{sample.name} ({sample.cases:,} of the {needed:,} it takes)"
        for sample in tests
        for needed in [sample.needed(SIGNIFICANCE / len(tests))]
        if sample.cases < needed
    ]
    return [f"too few cases to be sure of: {', '.join(few)}"] if few else []


def _chance(divergence: float, freedom: int) -> float:
    """Return the bound of the chance of n * D, here `divergence`, or more."""
    if divergence <= freedom:
        return 1.0
    return exp(freedom + freedom * log(divergence / freedom) - divergence) if freedom else 0.0


def _critical(significance: float, freedom: int) -> float:
    """Return the divergence whose chance is bounded by `significance`."""
    low, high = float(freedom), freedom - 4 * log(significance) + 8 * freedom
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        if _chance(middle, freedom) > significance:
            low = middle
        else:
            high = middle
    return high

"""What a pool adds up to: exact counts and sums of a shard's columns, added over all shards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from e2e_data.commands import Kind, Label, Outcome
from e2e_data.config import PoolConfig
from e2e_data.distributions import DISTRIBUTIONS
from e2e_data.oracle import EITHER
from e2e_data.sampled import Sampled, rows_of
from e2e_data.shard import Shard

Numbers = tuple[int, ...]


class Tally(BaseModel):
    """Counts and sums, exact; the shares that people read are made of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_minor: tuple[Numbers, ...]
    """Sums by Kind and by the account's currency, as an index into `config.currencies`.

    Of hostile payments nothing is in any sum of money.
    """
    credit_minor: Numbers
    """What payments credit, by the credit's currency."""
    limit_based: int
    """Accounts with limits."""
    payments: int
    payments_limit_based: int
    """Payments of limit-based accounts."""
    payments_hot: int
    """Payments of hot accounts."""
    labels: Numbers
    """Payments by Label."""
    to_other_region: int
    """Payments whose beneficiary is in another region than the account."""
    fx: int
    """Payments, not hostile, that credit another currency."""
    certain_rejects: int
    """Payments that a correct platform can only reject."""
    certain_rejects_limit_based: int
    determined: int
    """Payments of which it is known beforehand how they end on each channel."""
    drawn: dict[str, Numbers]
    """Cases by category of each of DISTRIBUTIONS; none where nothing was drawn."""

    def plus(self, other: Tally) -> Tally:
        """Return the tally of both."""
        mine, others = self.model_dump(), other.model_dump()
        return Tally.model_construct(**{name: _added(mine[name], others[name]) for name in mine})


def _added(left: Any, right: Any) -> Any:
    if isinstance(left, int):
        return left + right
    if isinstance(left, dict):
        return {name: _added(left[name], right[name]) for name in left}
    return tuple(_added(a, b) for a, b in zip(left, right, strict=True))


def tally_of(shard: Shard, sampled: Sampled | None = None) -> Tally:
    """Return the tally of one shard, whose references must be sound; see Sampled."""
    s = sampled or Sampled(shard)
    limited = shard.limit_based[s.account]
    rejects = s.expected == Outcome.REJECTED
    plain = rows_of(s.plain)
    return Tally(
        amount_minor=(
            *(_amounts(shard, kind) for kind in list(Kind)[:-1]),
            _sums(shard, s.own_currency[plain], s.amount_minor[plain]),
        ),
        credit_minor=_sums(shard, s.credit_currency[plain], s.credit_minor[plain]),
        limit_based=_true(shard.limit_based),
        payments=len(s),
        payments_limit_based=_true(limited),
        payments_hot=_true(s.roles.hot[s.account]) if shard.config.hot_payment_share else 0,
        labels=tuple(np.bincount(s.label, minlength=len(Label)).tolist()),
        to_other_region=_true(shard.to_other_region),
        fx=_true(s.exchanged[plain]),
        certain_rejects=_true(rejects),
        certain_rejects_limit_based=_true(rejects & limited),
        determined=_true(s.expected != EITHER),
        drawn={
            each.name: tuple(each.counts(s).tolist()) if each.weights(shard.config) else ()
            for each in DISTRIBUTIONS
        },
    )


def empty_tally(config: PoolConfig) -> Tally:
    """Return the tally of nothing."""
    none = (0,) * len(config.currencies)
    return Tally(
        amount_minor=(none,) * len(Kind),
        credit_minor=none,
        limit_based=0,
        payments=0,
        payments_limit_based=0,
        payments_hot=0,
        labels=(0,) * len(Label),
        to_other_region=0,
        fx=0,
        certain_rejects=0,
        certain_rejects_limit_based=0,
        determined=0,
        drawn={each.name: (0,) * len(each.weights(config)) for each in DISTRIBUTIONS},
    )


def _amounts(shard: Shard, kind: Kind) -> Numbers:
    rows = shard.slice_of(kind)
    return _sums(shard, shard.currency[shard.account_number[rows]], shard.amount_minor[rows])


def _sums(shard: Shard, currency: NDArray[np.uint8], minor: NDArray[np.int64]) -> Numbers:
    total = np.zeros(len(shard.config.currencies), dtype=np.int64)
    np.add.at(total, currency, minor)
    return tuple(total.tolist())


def _true(flags: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(flags))

"""What is counted over all shards for the report: errors, rejections by reason, payments by band."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from e2e_data.commands import PERIODS, Channel, Kind, Outcome
from e2e_data.config_parts import Band, band_edge
from reports.attempted import ERRORS
from reports.classes import PRECEDENCE, Judged
from reports.judgement import BandRow, ErrorRow, RejectionRow
from reports.rundir import PhaseRecord

ROWS_MAX = 200
"""Rows of errors, and of reasons: the most frequent ones, and what is left as one."""
KEYS_MAX = 20_000
"""Beyond so many different ones a reason is no longer told apart: they come from the network."""
FURTHER = "(further ones)"

_ERRORS = np.array([PRECEDENCE.index(name) for name in ERRORS])
_HOUR = PERIODS.index("HOUR")


class Breakdown:
    """Counts over shards."""

    def __init__(self) -> None:
        self._errors: Counter[tuple[int, int, int, int, str]] = Counter()
        self._rejected: Counter[tuple[str, bool]] = Counter()
        self._bands: dict[str, NDArray[np.int64]] = {}

    def add(self, judged: Judged) -> None:
        """Count a shard."""
        self._add_errors(judged)
        self._add_rejections(judged)
        self._add_bands(judged)

    def _add_errors(self, judged: Judged) -> None:
        rows = np.flatnonzero(np.isin(judged.classes, _ERRORS))
        if not len(rows):
            return
        evidence = judged.evidence
        columns = (judged.classes, evidence.seen.phase, evidence.seen.channel, evidence.shard.kind)
        found = _counted([*(one[rows] for one in columns), evidence.seen.reason[rows]])
        for (name, phase, channel, kind, reason), count in found:
            key = int(name), int(phase), int(channel), int(kind), str(reason)
            known = key in self._errors or len(self._errors) < KEYS_MAX
            self._errors[key if known else (*key[:-1], FURTHER)] += count

    def _add_rejections(self, judged: Judged) -> None:
        rows = np.flatnonzero(judged.final == Outcome.REJECTED)
        if not len(rows):
            return
        evidence = judged.evidence
        told, booked = evidence.seen.told_reason[rows], evidence.booked
        if booked is not None:
            told = np.where(booked.reason[rows] != "", booked.reason[rows], told)
        only = evidence.shard.expected[rows] == Outcome.REJECTED
        for (reason, was_only), count in _counted([told, only]):
            key = str(reason), bool(was_only)
            known = key in self._rejected or len(self._rejected) < KEYS_MAX
            self._rejected[key if known else (FURTHER, key[1])] += count

    def _add_bands(self, judged: Judged) -> None:
        shard, account = judged.evidence.shard, judged.evidence.account
        rows = np.flatnonzero((shard.kind == Kind.PAYMENT) & ~judged.evidence.inert)
        hour_minor = shard.limits_minor[account[rows], _HOUR]
        amount_minor, final = shard.amount_minor[rows], judged.final[rows]
        for band in shard.config.payment_bands:
            inside = (amount_minor >= band_edge(hour_minor, band.from_percent)) & (
                amount_minor < band_edge(hour_minor, band.to_percent)
            )
            self._add_band(_title(band), final[inside])

    def _add_band(self, title: str, final: NDArray[np.int64]) -> None:
        ended = [len(final), *((final == one).sum() for one in (Outcome.SETTLED, Outcome.REJECTED))]
        before = self._bands.setdefault(title, np.zeros(3, np.int64))
        before += np.array(ended, np.int64)

    def errors(self, phases: Sequence[PhaseRecord]) -> Iterator[ErrorRow]:
        """Yield a row for each class, phase, channel, kind and reason, the most frequent first."""
        ordered = sorted(self._errors.items(), key=lambda item: (-item[1], item[0]))
        for (number, phase, channel, kind, reason), count in ordered[:ROWS_MAX]:
            yield ErrorRow(
                name=PRECEDENCE[number],
                phase=phases[phase].name if phase >= 0 else "",
                channel=Channel(channel).name if channel >= 0 else "",
                kind=Kind(kind).label,
                reason=reason,
                count=count,
            )
        left = sum(count for _, count in ordered[ROWS_MAX:])
        if left:
            yield ErrorRow(None, "", "", "", FURTHER, left)

    def rejections(self) -> Iterator[RejectionRow]:
        """Yield a row for each reason, the most frequent first."""
        whole: Counter[str] = Counter()
        for (reason, _), count in self._rejected.items():
            whole[reason] += count
        ordered = sorted(whole.items(), key=lambda item: (-item[1], item[0]))
        for reason, count in ordered[:ROWS_MAX]:
            yield RejectionRow(reason, count, self._rejected[reason, True])
        left = ordered[ROWS_MAX:]
        if left:
            only = sum(self._rejected[reason, True] for reason, _ in left)
            yield RejectionRow(FURTHER, sum(count for _, count in left), only)

    def bands(self) -> Iterator[BandRow]:
        """Yield a row for each band of payments, in the order of the pool's configuration."""
        for title, counts in self._bands.items():
            yield BandRow(title, *map(int, counts))


def _counted(columns: Sequence[NDArray[Any]]) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield each combination of the columns' values that occurs, and how often."""
    frame = pd.DataFrame(dict(enumerate(columns)), dtype=object)
    for key, rows in frame.groupby(list(frame.columns), sort=False).size().items():
        assert isinstance(key, tuple)
        yield key, int(rows)


def _title(band: Band) -> str:
    return f"{band.from_percent} to {band.to_percent} % of the HOUR limit"

"""Results by region: what belongs to each, how much was sent there, how fast it was, and how wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from e2e_data.commands import Kind, Outcome
from reports.classes import Judged
from reports.hdr import Histogram
from reports.judgement import RegionRow
from reports.latencies import Distribution, Latencies

S_NS = 1_000_000_000


class _Region:
    """One region's counts and latencies."""

    def __init__(self) -> None:
        self.accounts = self.payments = self.settled = self.to_other = 0
        self.tried = self.sent = self.failed = 0
        self.first_ns, self.last_ns = 2**63 - 1, 0
        self.latencies, self.of_others = Latencies(), Latencies()

    def add(self, tried: pd.DataFrame) -> None:
        """Add commands that somebody tried to send."""
        self.tried += len(tried)
        self.failed += int(tried["failed"].sum())
        sent = tried[tried["sent"]]
        if sent.empty:
            return
        self.sent += len(sent)
        self.first_ns = min(self.first_ns, int(sent["intended_ns"].min()))
        self.last_ns = max(self.last_ns, int(sent["sent_ns"].max()))
        self.latencies.add(sent)
        self.of_others.add(sent[sent["to_other_region"]])

    def row(self, name: str) -> RegionRow:
        """Return what was counted."""
        response = _of(self.latencies.over("response"))
        completion = _of(self.latencies.over("completion"))
        lasted_ns = self.last_ns - self.first_ns
        return RegionRow(
            region=name,
            accounts=self.accounts,
            payments=self.payments,
            settled=self.settled,
            sent=self.sent,
            rate_per_s=self.sent / (lasted_ns / S_NS) if lasted_ns > 0 else None,
            error_percent=100 * self.failed / self.tried if self.tried else None,
            response_p50_ms=response.percentile_ms(50),
            response_p99_ms=response.percentile_ms(99),
            completion_p99_ms=completion.percentile_ms(99),
            to_other_region=self.to_other,
            to_other_completion_p99_ms=_of(self.of_others.over("completion")).percentile_ms(99),
        )


class Regions:
    """The regions of a run's pool; none where it has none."""

    def __init__(self) -> None:
        self._of: dict[str, _Region] = {}

    def add(self, judged: Judged, tried: pd.DataFrame) -> None:
        """Add a shard, and those of its commands that `attempted_commands` returns."""
        shard = judged.evidence.shard
        payments = shard.slice_of(Kind.PAYMENT)
        of_payments = shard.regions[judged.evidence.account[payments]]
        settled = judged.final[payments] == Outcome.SETTLED
        to_other = shard.to_other_region[payments]
        for name in shard.config.regions:
            one, own = self._of.setdefault(name, _Region()), of_payments == name
            one.accounts += int((shard.regions == name).sum())
            one.payments += int(own.sum())
            one.settled += int((settled & own).sum())
            one.to_other += int((to_other & own).sum())
            one.add(tried[tried["region"] == name])

    def rows(self) -> Iterator[RegionRow]:
        """Yield a row for each region, in the pool's order."""
        for name, one in self._of.items():
            yield one.row(name)


def _of(found: Distribution | None) -> Distribution:
    return found or Distribution(Histogram(), 0)

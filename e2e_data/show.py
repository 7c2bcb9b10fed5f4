"""A pool as people look at it: what is in it, what it is worth, and which shares it has."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from e2e_data import money
from e2e_data.commands import Kind, Label
from e2e_data.manifest import Metrics, share
from e2e_data.pool import Pool


def tables_of(found: Pool) -> Iterator[Table]:
    """Yield the tables that show a pool."""
    yield _contents(found)
    yield _amounts(found)
    yield _shares(found)
    metrics = found.manifest.metrics
    if metrics.labels.keys() - {Label.NONE.text}:
        yield _labels(metrics)
    if metrics.regions:
        yield _regions(metrics)


def summary(found: Pool) -> str:
    """Return one line on a pool; the share of expected rejections is always in it."""
    metrics = found.manifest.metrics
    return (
        f"{len(found):,} commands for {found.config.accounts:,} accounts in {found.shard_count} "
        f"shards; expected rejections: {_percent(metrics.certain_reject_share)} of the payments, "
        f"{_percent(metrics.certain_reject_share_limit_based)} of those of limit-based accounts"
    )


def _contents(found: Pool) -> Table:
    table = Table("kind", title=f"Commands (seed {found.seed})")
    table.add_column("commands", justify="right")
    table.add_column("worth in USD", justify="right")
    for kind in Kind:
        worth = found.manifest.metrics.worth_usd.get(kind.label)
        shown = f"{float(worth):,.2f}" if worth else ""
        table.add_row(kind.label, f"{found.count_of(kind):,}", shown)
    table.add_row("all", f"{len(found):,}")
    return table


def _amounts(found: Pool) -> Table:
    metrics = found.manifest.metrics
    table = Table("currency", title="Amounts, in units of each currency")
    kinds = list(Kind)[1:]
    for heading in (*(kind.label for kind in kinds), "credited by payments"):
        table.add_column(heading, justify="right")
    for currency, by_kind in metrics.amount_minor.items():
        cells = [by_kind[kind.label] for kind in kinds] + [metrics.credit_minor[currency]]
        table.add_row(currency, *(money.to_wire(cell, currency) for cell in cells))
    return table


def _shares(found: Pool) -> Table:
    config, metrics = found.config, found.manifest.metrics
    rows = {
        "accounts that are limit-based": metrics.limit_based_share,
        f"accounts that open below {config.opening_balance.break_units:,}": (
            metrics.below_break_share
        ),
        **{
            f"payments from {band.from_percent} to {band.to_percent} % of the HOUR limit": part
            for band, part in zip(config.payment_bands, metrics.band_shares, strict=True)
        },
        "payments that exchange": metrics.fx_share,
        **({"payments of hot accounts": metrics.hot_share} if config.hot_payment_share else {}),
        **({"payments to another region": metrics.to_other_region_share} if config.regions else {}),
        "payments whose outcome is known beforehand": metrics.determined_share,
        "expected rejections, of all payments": metrics.certain_reject_share,
        "expected rejections, of limit-based accounts' payments": (
            metrics.certain_reject_share_limit_based
        ),
    }
    table = Table("share", title="Shares (an expected rejection is a success)")
    table.add_column("of the pool", justify="right")
    for name, part in rows.items():
        table.add_row(name, _percent(part))
    return table


def _labels(metrics: Metrics) -> Table:
    table = Table("label", title="What is particular about payments")
    table.add_column("payments", justify="right")
    table.add_column("of all payments", justify="right")
    payments = sum(metrics.labels.values())
    for label, count in metrics.labels.items():
        table.add_row(label, f"{count:,}", _percent(share(count, payments)))
    return table


def _regions(metrics: Metrics) -> Table:
    table = Table("region", title="Regions")
    table.add_column("accounts", justify="right")
    for region, count in metrics.regions.items():
        table.add_row(region, f"{count:,}")
    return table


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.1f} %"

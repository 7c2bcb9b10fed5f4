"""What a plan will do, shown before it is done."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from e2e_data.pool import Pool
from locustfiles.forecast import ANSWER_S, Forecast, chart, forecast
from locustfiles.plans import Plan
from reports.quantities import duration, figure

WIDTH, HEIGHT = 72, 8
"""Of the load's chart, in characters."""


def show(plan: Plan, host: str | None, console: Console, pool: Pool | None = None) -> None:
    """Print a plan's phases, its load over time, what it all comes to, where it goes, and what is asked.

    `pool` is played instead of the plan's, if it is given.
    """
    pool = pool or Pool.in_memory(plan.pool.config(), plan.pool.seed).lapped(plan.pool.laps)
    # What a plan says of itself is text, not markup.
    console.print(f"plan {plan.name}: {plan.description}", markup=False, soft_wrap=True)
    laps = f" in {pool.laps} laps" if pool.laps > 1 else ""
    console.print(
        f"pool: {pool.config.accounts * pool.laps:,} accounts{laps}, {len(pool):,} commands, seed {pool.seed}; "
        f"sent to {host or 'an embedded sandbox'} by at most {plan.users} users",
        markup=False,
        soft_wrap=True,
    )
    for line in _regions(plan, pool):
        console.print(line, markup=False, soft_wrap=True)
    found = forecast(plan, pool)
    table = Table("phase", "sends", "commands", "arrivals", "about")
    for one in found.phases:
        table.add_row(
            escape(one.name),
            ", ".join(kind.label for kind in one.phase.sends),
            f"{one.commands:,}",
            str(one.phase.rates),
            f"{one.lasts_s:.0f} s",
        )
    console.print(table)
    for line in [*_drawn(found), *_reckoned(plan, found)]:
        console.print(line, markup=False, soft_wrap=True)
    for slo in plan.slos:
        console.print(f"asked: {slo.title}", markup=False, soft_wrap=True)
    for line in _asked_of_monitoring(plan):
        console.print(line, markup=False, soft_wrap=True)


def _regions(plan: Plan, pool: Pool) -> Iterator[str]:
    """Yield where a region's commands go, of each that has an address of its own."""
    for region in pool.config.regions:
        own = [plan.http.regions[region]] if region in plan.http.regions else []
        own += (
            ["IBM MQ at " + ", ".join(plan.mq.regions[region])] if region in plan.mq.regions else []
        )
        kafka = plan.kafka.regions if plan.kafka else {}
        own += [f"Kafka at {kafka[region]}"] if region in kafka else []
        if own:
            yield f"region {region}: {'; '.join(own)}"


def _asked_of_monitoring(plan: Plan) -> Iterator[str]:
    """Yield what is asked of the platform's own metrics, and whether it can be."""
    if plan.server is None:
        return
    missing = (
        "" if plan.server.prometheus else ", once server.prometheus says where that is exported"
    )
    for metric in plan.server.metrics:
        for title in metric.titles.values():
            yield f"asked: {title}{missing}"


def _drawn(found: Forecast) -> Iterator[str]:
    """Yield the load over time as lines of text."""
    load = found.load(WIDTH)
    labels = [f"{figure(round(max(load), 3))}/s", *[""] * (HEIGHT - 2), "0"]
    for label, line in zip(labels, chart(load, HEIGHT), strict=True):
        yield f"{label:>12} │{line}"
    yield f"{'':>12} └{'─' * WIDTH}"
    marks = [" "] * WIDTH
    for number, one in enumerate(found.phases, 1):
        place = min(int(one.began_s / max(found.lasts_s, 1e-9) * WIDTH), WIDTH - 1)
        marks[place] = str(number)
    yield f"{'phase':>12}  {''.join(marks).rstrip()}"


def _reckoned(plan: Plan, found: Forecast) -> Iterator[str]:
    """Yield what it all comes to."""
    users = max(one.users for one in found.phases)
    arrivals = sum(one.arrivals for one in found.phases)
    rejections = sum(one.rejections for one in found.phases)
    yield f"commands: {found.commands:,} for {arrivals:,} arrivals"
    yield f"time: about {duration(found.lasts_s)} of sending, and what the completions take"
    more = "" if users <= plan.users else f"; the plan has {plan.users}: give more (users, or -u)"
    yield f"users needed: about {users:,}, if an answer takes {ANSWER_S * 1000:g} ms{more}"
    yield f"expected rejections: about {rejections:,.0f} for certain, which are no errors"
    yield f"disk: about {found.disk_bytes / 1e6:,.1f} MB for the run directory"
    if plan.budget.cost_per_command or plan.budget.cost_per_hour:
        limit = f", of {plan.budget.cost:,.2f}" if plan.budget.cost is not None else ""
        yield f"cost: about {found.cost:,.2f}{limit}"

"""What a plan will do, shown before it is done."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from e2e_data.commands import Kind
from e2e_data.pool import Pool
from locustfiles.pacing import SECOND_NS, Even
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan


def show(plan: Plan, host: str | None, console: Console, pool: Pool | None = None) -> None:
    """Print a plan's phases with their commands and times, where they go, and what is asked.

    `pool` is played instead of the plan's, if it is given.
    """
    pool = pool or Pool.in_memory(plan.pool.config(), plan.pool.seed)
    # What a plan says of itself is text, not markup.
    console.print(f"plan {plan.name}: {plan.description}", markup=False, soft_wrap=True)
    console.print(
        f"pool: {pool.config.accounts:,} accounts, {len(pool):,} commands, seed {pool.seed}; "
        f"sent to {host or 'an embedded sandbox'} by at most {plan.users} users",
        markup=False,
        soft_wrap=True,
    )
    table = Table("phase", "sends", "commands", "arrivals", "about")
    for name, phase in plan.phases.items():
        commands = planned_commands(phase, pool)
        table.add_row(
            escape(name),
            ", ".join(kind.label for kind in phase.sends),
            f"{commands:,}",
            str(phase.rates),
            f"{_seconds(phase, commands):.0f} s",
        )
    console.print(table)
    for slo in plan.slos:
        console.print(f"asked: {slo.title}", markup=False, soft_wrap=True)


def planned_commands(phase: Phase, pool: Pool) -> int:
    """Return how many commands a phase sends: what the pool has, or what its duration allows."""
    there = sum(pool.count_of(Kind(kind)) for kind in phase.sends)
    if phase.duration_ns is None:
        return there
    return min(there, Even(phase.rates).due_by(phase.duration_ns - 1))


def _seconds(phase: Phase, commands: int) -> float:
    """Return about how long a phase takes to send so many."""
    return Even(phase.rates).due_ns(commands) / SECOND_NS

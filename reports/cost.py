"""What a run cost, by the prices of its plan."""

from __future__ import annotations

from reports.judgement import Cost
from reports.rundir import RunRecord


def cost_of(record: RunRecord, commands: int, settled_payments: int) -> Cost | None:
    """Return what a run cost that sent so many commands; None where its plan sets no prices."""
    budget = record.plan.get("budget") or {}
    per_command = float(budget.get("cost_per_command") or 0)
    per_hour = float(budget.get("cost_per_hour") or 0)
    if not per_command and not per_hour:
        return None
    whole = commands * per_command + (record.ended_ns or 0) / 3.6e12 * per_hour
    per_million = whole / settled_payments * 1e6 if settled_payments else None
    return Cost(whole, per_million)

"""How a run stands, as a row of its timeline."""

from __future__ import annotations

from collections.abc import Mapping

from locustfiles.fleet.counts import Counts
from reports.timeline import Second


def second_of(total: Counts, at_ns: int, phase: str, queues: Mapping[str, int]) -> Second:
    """Return the timeline's row of what all that send count together."""
    return Second(
        at_ns=at_ns,
        phase=phase,
        due=total.due,
        sent=total.sent,
        acknowledged=total.acknowledged,
        completed=total.completed,
        unanswered=total.unanswered,
        blocked=total.blocked,
        overdue=total.overdue,
        dropped=total.dropped,
        pending_now=total.pending_now,
        users_now=total.users_now,
        waiting_now=total.waiting_now,
        loop_lag_ms=total.lag_us / 1000,
        cpu_percent=total.cpu_permille / 10,
        memory_mb=total.memory_kb / 1024,
        retried=total.retried,
        held_back=total.held_back,
        queues=dict(queues),
    )

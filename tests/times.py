"""When a history happens, and the times of each of its commands."""

from __future__ import annotations

from dataclasses import dataclass

from tests.tiny_pools import Key

MS = 1_000_000
SECOND = 1000 * MS
EPOCH_UTC_NS = 1_795_176_000 * SECOND
"""Friday 2026-11-20 12:00:00 UTC."""
DEADLINE_S = 30.0


@dataclass(slots=True)
class Told:
    """A command's times and what the tester saw, in ns since the epoch."""

    key: Key
    phase: int
    intended_ns: int
    free_ns: int
    sent_ns: int
    received_ns: int
    acknowledged_ns: int
    decided_ns: int
    completed_ns: int

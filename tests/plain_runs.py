"""Runs of the plain pool, and the commands of it on which fates fall."""

from __future__ import annotations

from e2e_data.commands import Kind, Outcome
from tests.fates import Options
from tests.histories import History
from tests.tiny_pools import keys_of, tiny_pool

POOL = tiny_pool()[0]
SURE = keys_of(POOL, Kind.PAYMENT, Outcome.SETTLED)
"""Payments that must be settled, whatever the order."""
NEVER = keys_of(POOL, Kind.PAYMENT, Outcome.REJECTED)
"""Payments that must be rejected."""
FUNDING = keys_of(POOL, Kind.FUNDING)


def run(tmp_path, fates=None, **options):
    """Return the history of a run with these fates, beneath a test's directory."""
    return History(tmp_path / "run", fates, Options(**options))

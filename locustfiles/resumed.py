"""Where a run goes on whose master is no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from locustfiles.fleet.accounts import AccountBook
from locustfiles.leases import Known


@dataclass(frozen=True, slots=True)
class Resumed:
    """What whoever takes over has to know."""

    term: int
    epoch: int
    phase: int
    sent_ns: int
    """How long the phase has been sending."""
    dropped: int
    """Arrivals that the master before had given up in the phase."""
    known: Mapping[int, Known]
    accounts: AccountBook

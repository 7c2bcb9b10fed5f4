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
    known: Mapping[int, Known]
    accounts: AccountBook

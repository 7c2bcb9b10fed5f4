"""What every check has in common: what it can rely on, and when it is UNKNOWN.

A check says HOLDS, VIOLATED or UNKNOWN. It cannot pass for want of evidence, and one that crashes
is UNKNOWN with the cause, never silent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from e2e_data.platform import Platform
from reports.classes import Judged
from reports.columns import Bools
from reports.findings import Gathering
from reports.judgement import Check, Finding, Status
from reports.model import Terms
from reports.rundir import PhaseRecord


@dataclass(frozen=True)
class Grounds:
    """What the checks can rely on."""

    phases: tuple[PhaseRecord, ...]
    drained: bool
    crashed: tuple[str, ...]
    """Processes that never closed their journals."""
    has_book: bool
    by_events: bool
    """The book was replayed from events, which tell of no postings and no balances."""
    wants_events: bool
    """It was to be: whatever the adapter declares of statements."""
    platform: Platform
    foreign: int
    own_rows: int
    """Rows of the book's commands with ids of this run."""
    platform_accounts: dict[str, int]
    """Account id -> balance in the book, of the accounts that are no customer's."""
    epoch_utc_ns: int
    clock_error_ns: int
    """The most that times of different processes may be off against each other."""

    @cached_property
    def terms(self) -> Terms:
        """What the book is replayed by."""
        return Terms(
            rules=self.platform.rules,
            # Of an account whose events are not all there, nothing is known: as if others used it.
            shared=self.foreign > 0 or self.by_events,
            epoch_utc_ns=self.epoch_utc_ns,
            observers_off_ns=self.clock_error_ns,
            platform_off_ns=round(self.platform.clock_off_ms * 1e6),
        )


class Invariant(ABC):
    """One check. `look` is called for each shard, `check` once at the end."""

    number: str
    title: str
    needs_book = True
    needs_drain = False
    beyond_events = ""
    """What it asks for that no event tells of."""

    def __init__(self, grounds: Grounds) -> None:
        self.grounds = grounds
        self.examined = 0
        self._open = 0
        self._gatherings: dict[str, Gathering] = {}
        self.gathering: Callable[..., Gathering] = Gathering
        """What makes the gathering of a kind of fault."""
        self._crash = ""

    def gather(self, name: str, consequence_of: str = "") -> Gathering:
        """Return the gathering of a kind of fault, apart for each cause; made at the first use."""
        title = f"{name} ({consequence_of})" if consequence_of else name
        if title not in self._gatherings:
            self._gatherings[title] = self.gathering(title, self.grounds.phases, consequence_of)
        return self._gatherings[title]

    def look(self, judged: Judged) -> None:
        """Look at one shard; a crash is kept as the reason for an UNKNOWN."""
        if self._crash or self._unavailable() or self.not_asked():
            return
        try:
            self.examine(judged)
            if self.grounds.crashed:
                self._open += int(self.leaves_open(judged).sum())
        except Exception as error:
            self._crash = f"the check failed on shard {judged.evidence.shard.number}: {error!r}"

    @abstractmethod
    def examine(self, judged: Judged) -> None:
        """Look for faults in one shard."""

    def leaves_open(self, judged: Judged) -> Bools:
        """Return the commands that cannot be told of, because a journal is missing or cut off.

        By default none: what the book and the grants say needs no journal.
        """
        return np.zeros(len(judged.final), np.bool_)

    def not_asked(self) -> str:
        """Say what the platform's adapter declares that it cannot provide; empty for nothing."""
        grounds = self.grounds
        if self.needs_book and not grounds.platform.has_statements and not grounds.wants_events:
            return "the platform's adapter declares no statements"
        if self.beyond_events and grounds.by_events:
            return f"the book was replayed from events, which do not tell of {self.beyond_events}"
        return ""

    def lacking(self) -> str:
        """Say which evidence is missing, though it was declared; empty for none."""
        return ""

    def remark(self) -> str:
        """Say what is to be known of a check that holds; empty for nothing."""
        return ""

    def conclude(self) -> str:
        """Say what only the whole run shows to be wrong; empty when nothing is."""
        return ""

    def check(self) -> Check:
        """Return what was found."""
        concluded = self._concluded()
        findings = tuple(f for g in self._gatherings.values() if (f := g.finding()))
        status, note = self._status(findings, concluded)
        return Check(self.number, self.title, status, self.examined, findings, note)

    def _concluded(self) -> str:
        if self._crash or self._unavailable():
            return ""
        try:
            return self.conclude()
        except Exception as error:
            self._crash = f"the check failed at its end: {error!r}"
            return ""

    def _status(self, findings: tuple[Finding, ...], concluded: str) -> tuple[Status, str]:
        if findings or concluded:
            return Status.VIOLATED, "; ".join(filter(None, (concluded, self._crash)))
        if not_asked := self.not_asked():
            return Status.NOT_ASKED, not_asked
        for reason in (self._crash, self._unavailable(), self._unfinished(), self.lacking()):
            if reason:
                return Status.UNKNOWN, reason
        return Status.HOLDS, self.remark()

    def _unavailable(self) -> str:
        missing = self.needs_book and not self.grounds.has_book
        return "the run directory has no statement of the platform's book" if missing else ""

    def _unfinished(self) -> str:
        if self._open:
            names = ", ".join(self.grounds.crashed)
            return f"{names} died before its journal was complete: {self._open} commands are open"
        if self.needs_drain and not self.grounds.drained:
            return "the run was not drained"
        return ""

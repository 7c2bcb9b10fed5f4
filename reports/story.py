"""An account's whole story, or a command's: what was sent, what came of it, and what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from e2e_data.commands import Channel, Kind, Label, Outcome
from e2e_data.explain import amount_text
from e2e_data.manifest import read as read_manifest
from e2e_data.money import to_wire
from e2e_data.pool import Pool
from reports.classes import PRECEDENCE, Judged
from reports.columns import NEVER, Bools, Ints
from reports.evidence import RunEvidence
from reports.findings import Gathering, Text
from reports.journal import Fact
from reports.quantities import NOTHING
from reports.reconcile import checks_of, judged_by
from reports.rundir import PhaseRecord, RunDirectory

Cells = tuple[str, ...]
HEADINGS: Cells = (
    *("no.", "command", "what", "amount", "channel", "sent", "acknowledged", "completed"),
    *("came of it", "decided", "posted", "balance", "what is wrong"),
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A finding on a command."""

    invariant: str
    name: str
    text: str
    is_cause: bool


class _Every(Gathering):
    """Keeps every case, and not only the first, the worst and the last: for one shard at a time."""

    def __init__(
        self,
        invariant: str,
        found: dict[int, list[Wrong]],
        name: str,
        phases: tuple[PhaseRecord, ...],
        consequence_of: str = "",
    ) -> None:
        super().__init__(name, phases, consequence_of)
        self._invariant = invariant
        self._found = found

    def add(self, judged: Judged, faulty: Bools, text: Text, weight: Ints | None = None) -> None:
        """Keep the `faulty` commands of a shard."""
        super().add(judged, faulty, text, weight)
        for index in np.flatnonzero(faulty).tolist():
            wrong = Wrong(self._invariant, self.name, text(index), not self.consequence_of)
            self._found[index].append(wrong)


class Stories:
    """The stories of a run."""

    def __init__(self, directory: RunDirectory) -> None:
        """Open a run. Raises Problems where it cannot be read."""
        one = Pool.of_manifest(read_manifest(directory.pool))
        self.pool = one.lapped(directory.record().laps)
        self.evidence = RunEvidence(directory, self.pool)
        self.phases = self.evidence.record.phases

    def of_account(self, shard: int, number: int) -> Story:
        """Tell all that happened to an account."""
        judged, wrong = self._judged(shard)
        indices = np.flatnonzero(judged.evidence.account == number).tolist()
        return Story(judged, number, tuple(indices), wrong, self._facts(judged, indices))

    def of_command(self, shard: int, index: int) -> Story:
        """Tell all that is known of one command."""
        judged, wrong = self._judged(shard)
        number = int(judged.evidence.account[index])
        return Story(judged, number, (index,), wrong, self._facts(judged, [index]))

    def _judged(self, shard: int) -> tuple[Judged, dict[int, list[Wrong]]]:
        judged = judged_by(self.evidence.record, self.evidence.of_shard(shard))
        found: dict[int, list[Wrong]] = defaultdict(list)
        for check in checks_of(self.evidence):
            check.gathering = partial(_Every, check.number, found)
            check.look(judged)
        return judged, found

    def _facts(self, judged: Judged, indices: list[int]) -> tuple[str, ...]:
        """Write the journal's facts about commands, in the order of their times."""
        table = self.evidence.facts(judged.evidence.shard.number)
        mine = np.isin(table["index"].to_numpy(), indices)
        rows = [row for row, kept in zip(table.to_pylist(), mine, strict=True) if kept]
        return tuple(map(self._fact, sorted(rows, key=lambda row: row["at_ns"])))

    def _fact(self, row: dict[str, int | str]) -> str:
        fact, phase = Fact(int(row["fact"])), self.phases[int(row["phase"])].name
        parts = [
            f"{_seconds(int(row['at_ns']))}  {fact.name.lower().replace('_', ' ')}",
            f"{row['shard']}:{row['index']}, attempt {row['attempt']}",
            f"{Channel(int(row['channel'])).name}, phase {phase}",
        ]
        if fact is Fact.COMPLETED:
            parts.append(Outcome(int(row["code"])).label)
        return ", ".join([*parts, *([str(row["reason"])] if row["reason"] else [])])


@dataclass(frozen=True, slots=True)
class Story:
    """Some commands of one account, with what is known of each."""

    judged: Judged
    account: int
    indices: tuple[int, ...]
    wrong: dict[int, list[Wrong]]
    facts: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Say which account it is, and how the book has it in the end."""
        evidence = self.judged.evidence
        account = evidence.shard.account(self.account)
        kind = "limit-based" if account.limit_based else "balance-based"
        yield f"account {account.shard}:{account.number}, {account.currency}, {kind}"
        yield f"  the platform's id   {evidence.bound[self.account] or NOTHING}"
        if account.limit_based:
            yield f"  MINUTE limit        {amount_text(account.limits_minor[0], account.currency)}"
        accounts = None if evidence.by_events else evidence.accounts
        if accounts is not None and accounts.rows[self.account]:
            minor = int(accounts.balance_minor[self.account])
            yield f"  balance in the book {amount_text(minor, account.currency)}"

    def rows(self) -> list[Cells]:
        """Return a row of cells for each command, in the platform's order, with a running balance."""
        booked = self.judged.evidence.booked
        seq = np.zeros_like(self.judged.final) if booked is None else booked.account_seq
        sent_ns = self.judged.evidence.seen.sent_ns
        late = np.iinfo(np.int64).max
        every = np.flatnonzero(self.judged.evidence.account == self.account).tolist()
        order = sorted(
            every,
            key=lambda i: (
                int(seq[i]) or late,
                int(sent_ns[i]) if sent_ns[i] != NEVER else late,
                i,
            ),
        )
        balance, rows = 0, []
        for index in order:
            if booked is not None:
                balance += int(booked.landed_minor[index])
            if index in self.indices:
                rows.append(self._row(index, balance))
        return rows

    def _row(self, index: int, balance: int) -> Cells:
        evidence = self.judged.evidence
        seen, booked, shard = evidence.seen, evidence.booked, evidence.shard
        command = shard.command(index)
        currency = command.account.currency
        what = command.kind.label
        if command.label is not Label.NONE:
            what += f" ({command.label.text})"
        channel = int(seen.channel[index])
        name = PRECEDENCE[int(self.judged.classes[index])]
        reason = seen.reason[index]
        if booked is not None and booked.reason[index]:
            reason = booked.reason[index]
        number = decided = posted = stands = NOTHING
        if booked is not None and booked.rows[index]:
            number = str(booked.account_seq[index] or NOTHING)
            at_ns = int(booked.decided_ns[index]) - self.judged.epoch_utc_ns
            decided = _seconds(at_ns) if booked.decided_ns[index] > 0 else NOTHING
            if booked.legs[index]:
                posted = to_wire(int(booked.landed_minor[index]), currency)
            stands = to_wire(balance, currency)
            told = int(booked.balance_after_minor[index])
            if told not in (NEVER, balance):
                stands += f" (book: {to_wire(told, currency)})"
        return (
            *(number, f"{shard.number}:{index}", what),
            "" if command.kind is Kind.ACCOUNT else to_wire(command.amount_minor, currency),
            Channel(channel).name if channel >= 0 else NOTHING,
            *map(
                _seconds,
                map(
                    int,
                    (seen.sent_ns[index], seen.acknowledged_ns[index], seen.completed_ns[index]),
                ),
            ),
            f"{name} ({reason})" if reason else str(name),
            *(decided, posted, stands, self._wrong(index)),
        )

    def _wrong(self, index: int) -> str:
        """Name what is wrong with a command: its causes, else what follows from others'."""
        told = self.wrong.get(index, [])
        causes = [one for one in told if one.is_cause]
        return "; ".join(f"{one.name} ({one.invariant})" for one in causes or told)

    def findings(self) -> Iterator[str]:
        """Say of each command what is wrong with it, causes first."""
        for index in self.indices:
            for one in sorted(self.wrong.get(index, []), key=lambda one: not one.is_cause):
                place = f"{self.judged.evidence.shard.number}:{index}"
                yield f"{place} {one.name}, invariant {one.invariant}: {one.text}"


def _seconds(at_ns: int) -> str:
    return NOTHING if at_ns == NEVER else f"{at_ns / 1e9:.6f}"

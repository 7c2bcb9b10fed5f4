"""What the journals say of a shard's commands, over all processes and attempts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from e2e_data.platform import Acknowledged
from reports.columns import NEVER, Bools, Ints
from reports.journal import Fact


@dataclass(frozen=True)
class Seen:
    """What the journal says, one row per command. Times are ns since the epoch, or NEVER."""

    sent_ns: Ints
    left_ns: Ints
    """When the first attempt left: no effect was before it."""
    intended_ns: Ints
    free_ns: Ints
    phase: Ints
    channel: Ints
    acknowledged: Ints
    """An Acknowledged, or -1."""
    acknowledged_ns: Ints
    unanswered: Bools
    not_sent: Bools
    """The attempt failed before anything left."""
    blocked: Bools
    outcomes: Ints
    """All final outcomes that were observed, as Outcome flags."""
    completed_ns: Ints
    reason: NDArray[np.object_]
    """Why it was blocked, unanswered, refused or rejected; empty where nothing was said."""
    told_reason: NDArray[np.object_]
    """Why it was rejected, by what was observed of its outcome."""
    unreadable: Bools
    """A reply that came to it was none that anybody can read."""
    misdirected: Bools
    """A reply about it came to another command."""
    other_account: Bools
    """A reply to it named another account."""
    flags: NDArray[np.object_]
    """What was flagged about it, as one text; empty where nothing was."""


def attempts(index: Ints, attempt: Ints | int) -> Ints:
    """Return one number for each attempt at a command."""
    return index << 8 | attempt


def attempts_told(table: pa.Table) -> Ints:
    """Return the attempts that facts tell to have been sent or blocked, one number for each."""
    rows = np.flatnonzero(np.isin(table["fact"].to_numpy(), (Fact.SENT, Fact.BLOCKED)))
    return attempts(
        table["index"].to_numpy()[rows].astype(np.int64),
        table["attempt"].to_numpy()[rows].astype(np.int64),
    )


_ANSWERS = np.array([0, 1, 3, 2], dtype=np.int64)
"""By Acknowledged: which of several attempts' answers says most of a command."""


def seen_of(table: pa.Table, size: int) -> Seen:
    """Return what the journal says. Of several attempts, the one whose answer says most counts.

    So times are of one and the same attempt; without any answer they are of the first one.
    """
    fact = table["fact"].to_numpy()
    index = table["index"].to_numpy().astype(np.int64)
    attempt = table["attempt"].to_numpy().astype(np.int64)
    code = table["code"].to_numpy().astype(np.int64)
    at_ns = table["at_ns"].to_numpy()
    sent, answered = fact == Fact.SENT, fact == Fact.ACKNOWLEDGED
    chosen = np.full(size, -1, dtype=np.int64)
    best = _ordered(answered, at_ns, _ANSWERS[np.where(answered, code, 0)])
    for rows in (_ordered(sent, at_ns), best):
        chosen[index[rows]] = attempt[rows]

    def first(rows: Bools, column: str, nothing: int) -> Ints:
        """Return a column of the earliest of some facts, per command."""
        ordered = _ordered(rows, at_ns)
        result = np.full(size, nothing, dtype=np.int64)
        result[index[ordered]] = table[column].to_numpy()[ordered]
        return result

    def count(rows: Bools) -> Ints:
        return np.bincount(index[rows], minlength=size)

    def told(what: Fact) -> Bools:
        return np.asarray(count(fact == what) > 0)

    of_chosen = attempt == chosen[index]
    acknowledged = first(answered & of_chosen, "code", -1)
    of_answer = first(answered & of_chosen, "at_ns", NEVER)
    without_effect = count(fact == Fact.NOT_SENT) + count(answered & (code == Acknowledged.REFUSED))
    attempts = count(sent)
    # One attempt was refused, but another one may have taken effect.
    half_refused = (acknowledged == Acknowledged.REFUSED) & (without_effect < attempts)
    acknowledged[half_refused] = -1
    blocked, completed = told(Fact.BLOCKED), fact == Fact.COMPLETED
    of_sent = first(sent & of_chosen, "phase", -1)
    return Seen(
        sent_ns=first(sent & of_chosen, "at_ns", NEVER),
        left_ns=first(sent, "at_ns", NEVER),
        intended_ns=first(sent & of_chosen, "intended_ns", NEVER),
        free_ns=first(sent & of_chosen, "free_ns", NEVER),
        phase=np.where(blocked, first(fact == Fact.BLOCKED, "phase", -1), of_sent),
        channel=first(sent & of_chosen, "channel", -1),
        acknowledged=acknowledged,
        acknowledged_ns=np.where(acknowledged < 0, NEVER, of_answer),
        unanswered=(told(Fact.UNANSWERED) & (acknowledged < 0)) | half_refused,
        not_sent=(attempts > 0) & (count(fact == Fact.NOT_SENT) == attempts),
        blocked=blocked,
        outcomes=_united(index[completed], code[completed], size),
        completed_ns=first(completed, "at_ns", NEVER),
        reason=_texts(table, "reason", index, size),
        told_reason=_texts(table.filter(pa.array(completed)), "reason", index[completed], size),
        unreadable=told(Fact.UNREADABLE),
        misdirected=told(Fact.MISDIRECTED),
        other_account=told(Fact.OTHER_ACCOUNT),
        flags=_texts(table, "flags", index, size),
    )


def _united(index: Ints, flags: Ints, size: int) -> Ints:
    """Return all flags of each command."""
    united = np.zeros(size, dtype=np.int64)
    np.bitwise_or.at(united, index, flags)
    return united


def _ordered(rows: Bools, at_ns: Ints, rank: Ints | None = None) -> Ints:
    """Return the numbers of some rows, so that what is written last is the earliest of the best."""
    numbers = np.flatnonzero(rows)
    keys = (at_ns[numbers],) if rank is None else (at_ns[numbers], rank[numbers])
    ordered: Ints = numbers[np.lexsort(keys)[::-1]]
    return ordered


def _texts(table: pa.Table, column: str, index: Ints, size: int) -> NDArray[np.object_]:
    """Return the last text of a column that says anything, per command."""
    texts = table[column].cast(pa.string())
    # Most facts say nothing: only the others become objects.
    spoken = pc.not_equal(texts, "")
    result = np.full(size, "", dtype=np.object_)
    result[index[spoken.to_numpy()]] = texts.filter(spoken).to_numpy(zero_copy_only=False)
    return result

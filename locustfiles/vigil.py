"""The vigil: a process looks at what it observes while the run is on, and says what can never be right.

It knows less than the judge, who has the book and everybody's journals: what it says is surely wrong,
and what it does not say may be. It looks about once a second, so a violation shows within seconds.

an outcome outside its command's set          wrong outcome
an outcome after another one                  outcome taken back
two events with different ids on one command  two events for one outcome
more was settled than an account had          overdrawn
more was settled in a window than its limit   limit exceeded
a reply that nobody can read                  unreadable reply
a reply that came to another command          misdirected reply
a reply that names another account            told another account

An account had, at most, the credits that were sent before a payment was observed settled: what is sent
later cannot have paid for it. A process that sends everything knows them to the nanosecond; one of a
fleet, or of a run that was resumed, does not know what others sent for an account before it: there, and
of a shard that was forgotten once, only more than an account is ever credited with is surely too much.
What was sent and is still under way counts as being there, which only the platform's book can tell.
`limit_watch` says what surely counts in a window.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Label, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Acknowledged, Platform
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from e2e_data.shard import Shard
from locustfiles.limit_watch import Limits, LimitWatch
from reports.event_log import Sort
from reports.journal import Fact

SHARDS_MAX = 200
"""Remembered at once: what is forgotten is not said, and nothing is said that is not so."""
VIOLATES = {
    "wrong outcome": "6a",
    "outcome taken back": "7",
    "two events for one outcome": "7",
    "unreadable reply": "7",
    "misdirected reply": "7",
    "told another account": "7",
    "overdrawn": "5",
    "limit exceeded": "5",
}
"""Kind of violation -> the invariant that does not hold then, whatever else the judge finds."""
SAID_AT = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
_BOTH = int(Outcome.SETTLED | Outcome.REJECTED)
_HOSTILE = min(label for label in Label if label.is_hostile)
_WORDS = {
    Fact.UNREADABLE: "unreadable reply",
    Fact.MISDIRECTED: "misdirected reply",
    Fact.OTHER_ACCOUNT: "told another account",
}

Rows = NDArray[np.void]


@dataclass(slots=True)
class _Watched:
    """What is known of a shard: a few bytes for each command."""

    expected: NDArray[np.uint8]
    outcomes: NDArray[np.uint8]
    events: NDArray[np.uint64]
    """The lower half of the id of the event on each command; 0 for none yet."""
    account: NDArray[np.int32]
    named: NDArray[np.int64]
    """The command that each repeats; itself, of those that repeat none."""
    debit_minor: NDArray[np.int64]
    """What each command takes from its account; 0 of those that take nothing, or may take anything."""
    credit_minor: NDArray[np.int64]
    """What each command that was not sent yet will bring; 0 where all is taken to be there."""
    left_minor: NDArray[np.int64]
    """What is left to each account of the credits that may be there."""
    limits: LimitWatch | None

    @classmethod
    def of(cls, shard: Shard, limits: Limits | None, *, is_whole: bool) -> _Watched:
        """Return a shard of which nothing was observed yet.

        `is_whole` all that is sent of it will be seen here; otherwise all credits may be there.
        """
        expected = shard.expected.copy()
        replays = replays_of(shard)
        expected[replays.rows] = expected[replays.originals]
        plain = shard.label < _HOSTILE
        paid = (shard.kind == Kind.PAYMENT) & plain & ~shard.limit_based[shard.account_number]
        brings = (shard.kind == Kind.OPENING_CREDIT) | (shard.kind == Kind.FUNDING)
        credited = brings & plain
        credit_minor = np.where(credited, shard.amount_minor, 0)
        left = np.zeros(shard.counts.account, np.int64)
        if not is_whole:
            np.add.at(left, shard.account_number, credit_minor)
            credit_minor[:] = 0
        return cls(
            expected=expected,
            outcomes=np.zeros(len(shard), np.uint8),
            events=np.zeros(len(shard), np.uint64),
            account=shard.account_number,
            named=replays.named(len(shard)),
            debit_minor=np.where(paid, shard.amount_minor, 0),
            credit_minor=credit_minor,
            left_minor=left,
            limits=None if limits is None else LimitWatch(shard, limits),
        )


class Vigil:
    """Takes in what is written down, on any thread; `look` is for the one that the run is on."""

    def __init__(
        self, pool: Pool, ids: Ids, limits: Limits | None = None, *, sends_all: bool = False
    ) -> None:
        """Begin; a process that `sends_all`, from the run's beginning on, knows what accounts had.

        Without `limits` nothing is said of them.
        """
        self._limits = limits
        self._pool, self._ids = pool, ids
        self._sends_all = sends_all
        self._forgotten = np.zeros(pool.shard_count if sends_all else 0, np.bool_)
        self.say: Callable[[str], None] = lambda _: None
        """Gets a sentence at the first violation of a kind, the tenth, the hundredth …"""
        self._shards: OrderedDict[int, _Watched] = OrderedDict()
        self._facts: deque[Rows] = deque()
        self._events: deque[Rows] = deque()
        self.found: dict[str, int] = {}
        """Kind of violation -> how many."""

    @classmethod
    def of(
        cls, platform: Platform, pool: Pool, ids: Ids, epoch_utc_ns: int, *, sends_all: bool
    ) -> Vigil:
        """Return a run's, which looks at the limits that its platform's adapter declares."""
        return cls(pool, ids, Limits.of(platform, epoch_utc_ns), sends_all=sends_all)

    def facts(self, rows: Rows) -> None:
        """Take in rows of the journal."""
        self._facts.append(rows)

    def events(self, rows: Rows) -> None:
        """Take in rows of the event log."""
        self._events.append(rows)

    def look(self, breathe: Callable[[], object] = lambda: None) -> None:
        """Look at all that was taken in; between shards, which take a while each, `breathe`."""
        while self._facts:
            rows = self._facts.popleft()
            fact, code = rows["fact"], rows["code"]
            invalid = (fact == Fact.ACKNOWLEDGED) & (code == Acknowledged.INVALID)
            sent = (fact == Fact.SENT) & (self._sends_all or self._limits is not None)
            wanted = rows[(fact == Fact.COMPLETED) | (fact >= Fact.UNREADABLE) | invalid | sent]
            for number in np.unique(wanted["shard"]).tolist():
                self._look_at(number, wanted[wanted["shard"] == number])
                breathe()
        while self._events:
            rows = self._events.popleft()
            rows = rows[(rows["sort"] == Sort.OURS) & (rows["dead_letter"] == 0)]
            for number in np.unique(rows["shard"]).tolist():
                self._look_at_events(number, rows[rows["shard"] == number])
                breathe()

    def _look_at(self, number: int, rows: Rows) -> None:
        shard = self._watched(number)
        rows = rows[rows["index"] < len(shard.expected)]
        for row in rows[rows["fact"] >= Fact.UNREADABLE]:
            self._found(_WORDS[Fact(int(row["fact"]))], number, int(row["index"]))
        sent = rows[rows["fact"] == Fact.SENT]
        rows = rows[(rows["fact"] < Fact.UNREADABLE) & (rows["fact"] != Fact.SENT)]
        index = rows["index"].astype(np.int64)
        told = np.where(rows["fact"] == Fact.COMPLETED, rows["code"], int(Outcome.INVALID))
        for at in index[(told & ~shard.expected[index]) != 0].tolist():
            self._found("wrong outcome", number, at)
        changed = np.unique(index)
        before = shard.outcomes[changed]
        np.bitwise_or.at(shard.outcomes, index, told.astype(np.uint8))
        after = shard.outcomes[changed]
        for at in changed[(after & _BOTH == _BOTH) & (before & _BOTH != _BOTH)].tolist():
            self._found("outcome taken back", number, at)
        newly = changed[(after & Outcome.SETTLED != 0) & (before & Outcome.SETTLED == 0)]
        settled = rows[(told & Outcome.SETTLED != 0) & np.isin(index, newly)]
        self._spend(shard, number, sent, settled)
        if shard.limits is not None:
            anew = sent[sent["attempt"] == 0]
            shard.limits.sent(anew["index"].astype(np.int64), anew["at_ns"])
            for at in shard.limits.settled(*_first(settled["index"], settled)):
                self._found("limit exceeded", number, at)

    def _spend(self, shard: _Watched, number: int, sent: Rows, settled: Rows) -> None:
        """Add what was sent to what accounts have, and take off what was settled, in their order."""
        named = shard.named[sent["index"]]
        brings = shard.credit_minor[named] != 0
        if not brings.any() and not len(settled):
            return
        brought, paid = _first(named[brings], sent[brings]), _first(settled["index"], settled)
        index = np.concatenate([brought[0], paid[0]]).astype(np.int64)
        at_ns = np.concatenate([brought[1], paid[1]])
        is_paid = np.arange(len(index)) >= len(brought[0])
        moved = np.where(is_paid, -shard.debit_minor[index], shard.credit_minor[index])
        index, at_ns, is_paid, moved = (one[moved != 0] for one in (index, at_ns, is_paid, moved))
        # What is sent at the very moment may have been there.
        order = np.lexsort((is_paid, at_ns, shard.account[index]))
        index, is_paid, moved = index[order], is_paid[order], moved[order]
        account = shard.account[index]
        total = np.cumsum(moved)
        firsts = np.flatnonzero(np.diff(account, prepend=-1))
        lengths = np.diff(np.append(firsts, len(index)))
        level = shard.left_minor[account] + total - np.repeat((total - moved)[firsts], lengths)
        for at in index[is_paid & (level < 0)].tolist():
            self._found("overdrawn", number, at)
        np.add.at(shard.left_minor, account, moved)
        shard.credit_minor[index[~is_paid]] = 0

    def _look_at_events(self, number: int, rows: Rows) -> None:
        shard = self._watched(number)
        rows = rows[rows["index"] < len(shard.expected)]
        for index, event in zip(rows["index"].tolist(), rows["event_low"].tolist(), strict=True):
            before = int(shard.events[index])
            if before not in (0, event):
                self._found("two events for one outcome", number, index)
            shard.events[index] = event

    def _watched(self, number: int) -> _Watched:
        if number not in self._shards:
            is_whole = self._sends_all and not self._forgotten[number]
            shard = self._pool.shard(number)
            self._shards[number] = _Watched.of(shard, self._limits, is_whole=is_whole)
            if len(self._shards) > SHARDS_MAX:
                forgotten, _ = self._shards.popitem(last=False)
                if self._sends_all:
                    self._forgotten[forgotten] = True
        self._shards.move_to_end(number)
        return self._shards[number]

    def _found(self, kind: str, shard: int, index: int) -> None:
        count = self.found[kind] = self.found.get(kind, 0) + 1
        if count in SAID_AT:
            command_id = self._ids.command_ids(0, shard, [index])[0]
            self.say(f"{kind}: {count:,} so far, the last is command {command_id}")


def _first(
    index: NDArray[np.integer[Any]], rows: Rows
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each command of some rows once, with the earliest of its times."""
    order = np.lexsort((rows["at_ns"], index))
    found, places = np.unique(index[order], return_index=True)
    return found.astype(np.int64), rows["at_ns"][order][places]

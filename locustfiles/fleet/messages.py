"""What workers and master say to each other: plain records, and what msgpack can carry of them.

A worker asks, the master answers. An ask says how everything stands, not what has changed, so any
of them may be lost, doubled or late. What comes from the network is checked before it is believed:
`read` raises ValueError for anything that no worker or master of this version sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Self

from locustfiles.fleet.checked import count, items
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.ends import ENDS_MAX, End, ends_of, flat
from locustfiles.fleet.spans import Spans
from locustfiles.leases import Range

TEXT_MAX = 256

Bound = tuple[int, int, int, str]
"""Of an account: (shard, index of its creation, how far its life has come, its id or "").

Of a command that a replay waits for: (shard, its index, how it ended, "").
"""


@dataclass(frozen=True, slots=True)
class LeaseWord:
    """What a worker says of one of its leases."""

    epoch: int
    known: int
    """How many grants of it the worker has heard of."""
    wants: int
    """How many positions it wants to have been granted, in all."""
    returned: bool
    unsent: Spans
    out: Spans
    """Begun, and without a final outcome."""
    told: int = 0
    """So many of the changes in what the master was told of the shard are known here."""

    def packed(self) -> list[Any]:
        """Return what msgpack can carry."""
        return [
            self.epoch,
            self.known,
            self.wants,
            self.returned,
            _flat(self.unsent),
            _flat(self.out),
            self.told,
        ]

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what `packed` made."""
        epoch, known, wants, returned, unsent, out, told = items(raw, 7)
        return cls(
            count(epoch),
            count(known),
            count(wants),
            bool(returned),
            _spans(unsent),
            _spans(out),
            count(told),
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """A worker's word to the master."""

    run: str
    term: int
    """The master whose answers it follows; a master that takes over has a higher one."""
    worker: str
    number: int
    sent_ns: int
    """By the worker's own clock; the answer has it again."""
    turn: int
    """The master's turn that it follows."""
    stopped: bool
    """It sends nothing more in this turn."""
    room: int
    """How many leases it can hold."""
    leases: tuple[LeaseWord, ...] = ()
    counts: Counts = field(default_factory=Counts)
    bound_first: int = 0
    """The number of the first of `bound` among all that this worker ever said."""
    bound: tuple[Bound, ...] = ()
    partial: bool = False
    """There is more to say of accounts, so what is done cannot be said yet."""
    sliced_ns: int = 0
    """Until when it knows which arrivals of the phase are its own."""
    error_ns: int = 0
    """How far the worker's time may be from the master's."""
    ends_first: int = 0
    """The number of the first of `ends` among all that this worker ever said."""
    ends: tuple[End, ...] = ()
    """Commands whose outcome was seen here, and that were not sent here."""
    heard: int = 0
    """So many of the master's words on ends have come in."""
    money: tuple[int, ...] = ()
    """What the payments sent here would move, in minor units by the pool's currencies; empty where no
    budget asks."""

    def packed(self) -> dict[str, Any]:
        """Return what msgpack can carry."""
        raw = {name: getattr(self, name) for name in _PLAIN_ASK}
        raw["leases"] = [lease.packed() for lease in self.leases]
        raw["counts"] = self.counts.packed()
        raw["bound"] = [list(bound) for bound in self.bound]
        raw["ends"] = flat(self.ends)
        raw["money"] = list(self.money)
        return raw

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what `packed` made. Raises ValueError."""
        got = _mapping(raw)
        return cls(
            run=_text(got.get("run")),
            money=tuple(map(count, items(got.get("money")))),
            worker=_text(got.get("worker")),
            **{name: count(got.get(name)) for name in _NUMBERS},
            stopped=bool(got.get("stopped")),
            partial=bool(got.get("partial")),
            leases=tuple(map(LeaseWord.read, items(got.get("leases")))),
            counts=Counts.read(got.get("counts")),
            bound=_bound(got.get("bound")),
            ends=_ends(got.get("ends")),
        )


_NUMBERS = (
    *("term", "number", "sent_ns", "turn", "room", "bound_first", "sliced_ns", "error_ns"),
    *("ends_first", "heard"),
)
_PLAIN_ASK = tuple(
    field.name
    for field in fields(Ask)
    if field.name not in ("leases", "counts", "bound", "ends", "money")
)


@dataclass(frozen=True, slots=True)
class LeaseGiven:
    """What the master says of one of a worker's leases."""

    epoch: int
    shard: int
    first: int
    """The number of the first of `grants` among all of the lease."""
    grants: tuple[Range, ...]
    more: bool
    """Whether it may be extended."""
    recalled: bool = False
    """The worker shall return it: another one has nothing to do."""
    bound: tuple[Bound, ...] = ()
    """What others said of the shard since the worker was `told` last."""
    told: int = 0
    """So many changes there were in what the master was told of the shard."""

    def packed(self) -> list[Any]:
        """Return what msgpack can carry."""
        grants = [number for grant in self.grants for number in grant]
        bound = [list(one) for one in self.bound]
        flags = [self.more, self.recalled]
        return [self.epoch, self.shard, self.first, grants, *flags, bound, self.told]

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what `packed` made."""
        epoch, shard, first, grants, more, recalled, bound, told = items(raw, 8)
        numbers = [count(number, -1) for number in items(grants)]
        ranges = tuple(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
        return cls(
            count(epoch),
            count(shard),
            count(first),
            ranges,
            bool(more),
            bool(recalled),
            _bound(bound),
            count(told),
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """A worker's arrivals in a stretch of time: those whose number modulo `of` is in `mine`."""

    from_ns: int
    """Since the phase began, inclusive; `until_ns` exclusive."""
    until_ns: int
    of: int
    mine: tuple[int, ...]

    def packed(self) -> list[Any]:
        """Return what msgpack can carry."""
        return [self.from_ns, self.until_ns, self.of, list(self.mine)]

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what `packed` made."""
        start, stop, of, mine = items(raw, 4)
        made = cls(count(start), count(stop), count(of, 1), tuple(map(count, items(mine))))
        if made.until_ns < made.from_ns or any(number >= made.of for number in made.mine):
            raise ValueError("a slice of time that is none")
        return made


@dataclass(frozen=True, slots=True)
class Answer:
    """The master's word to a worker: how everything stands for it."""

    run: str
    term: int
    number: int
    """Of the ask that it answers."""
    sent_ns: int
    """When that was sent, by the worker's clock."""
    at_ns: int
    """When the master answered, since the run's epoch."""
    turn: int
    """Counts how often the master changed what shall be done: phase, sending, or waiting."""
    phase: int
    """-1 before the first."""
    sending: bool
    """Whether the phase sends; if not, what was sent is awaited."""
    over: bool
    """The run has ended, or goes on under another master: leave it in good order."""
    began_ns: int
    """When the phase's first arrival is due, or its step's, since the run's epoch."""
    step: int = 0
    """Of a search, counted from 1 in each phase; 0 elsewhere."""
    rate_per_s: int = 0
    """Of the step, over the fleet."""
    leases: tuple[LeaseGiven, ...] = ()
    slices: tuple[Slice, ...] = ()
    bound_through: int = 0
    """So many of the worker's words on accounts have come in."""
    ask_ns: int = 1_000_000_000
    """How long the worker should wait before it asks again, unless it needs something."""
    ends_through: int = 0
    """So many of the worker's words on ends have come in."""
    ends_first: int = 0
    """The number of the first of `ends` among all that this worker was ever told."""
    ends: tuple[End, ...] = ()
    """Commands of which others saw the outcome."""

    def packed(self) -> dict[str, Any]:
        """Return what msgpack can carry."""
        raw = {name: getattr(self, name) for name in _PLAIN_ANSWER}
        raw["leases"] = [lease.packed() for lease in self.leases]
        raw["slices"] = [one.packed() for one in self.slices]
        raw["ends"] = flat(self.ends)
        return raw

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what `packed` made. Raises ValueError."""
        got = _mapping(raw)
        return cls(
            run=_text(got.get("run")),
            **{name: count(got.get(name)) for name in _ANSWER_NUMBERS},
            phase=count(got.get("phase"), -1),
            sending=bool(got.get("sending")),
            over=bool(got.get("over")),
            leases=tuple(map(LeaseGiven.read, items(got.get("leases")))),
            slices=tuple(map(Slice.read, items(got.get("slices")))),
            ends=_ends(got.get("ends")),
        )


_ANSWER_NUMBERS = (
    *("term", "number", "sent_ns", "at_ns", "turn", "began_ns", "bound_through", "ask_ns"),
    *("ends_through", "ends_first", "step", "rate_per_s"),
)
_PLAIN_ANSWER = tuple(
    field.name for field in fields(Answer) if field.name not in ("leases", "slices", "ends")
)


def _mapping(raw: Any) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"not a message: {type(raw).__name__}")  # noqa: TRY004 - bad input
    return raw


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not 0 < len(raw) <= TEXT_MAX:
        raise ValueError(f"{raw!r:.40} is no name")
    return raw


def _bound(raw: Any) -> tuple[Bound, ...]:
    found: list[Bound] = []
    for one in items(raw):
        shard, account, stage, account_id = items(one, 4)
        if not isinstance(account_id, str) or len(account_id) > TEXT_MAX:
            raise ValueError("an account's id that is none")
        found.append((count(shard), count(account), count(stage), account_id))
    return tuple(found)


def _ends(raw: Any) -> tuple[End, ...]:
    numbers = [count(number) for number in items(raw)]
    if len(numbers) > 3 * ENDS_MAX:
        raise ValueError("more ends than a message has")
    return tuple(ends_of(numbers))


def _flat(spans: Spans) -> list[int]:
    return [end for span in spans for end in span]


def _spans(raw: Any) -> Spans:
    ends = [count(end) for end in items(raw)]
    if any(first >= second for first, second in pairwise(ends)):
        raise ValueError("spans that are not in order")
    return list(zip(ends[::2], ends[1::2], strict=True))

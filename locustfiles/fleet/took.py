"""How long things took, beside responses: lag, service and completion, from the journal as it is written.

As with facts, nothing is counted where commands are sent. A completion counts where its command's sender
saw it; in a fleet others see some, whose times are in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locustfiles.fleet.facts import kinds_of
from locustfiles.fleet.figures import Figures, Latency, Packed
from reports import slos
from reports.journal import Fact

KEPT_MAX = 200_000
"""So many commands are remembered that lack an answer or an outcome; beyond, the oldest are not measured."""

EVERYWHERE = 0
"""Not by region: a place in the journal does not tell which."""

Rows = NDArray[np.void]
Times = NDArray[np.int64]
Told = Callable[[slos.Latency, Rows, Times], None]

_OUT = np.dtype(
    [
        *(("key", "<u8"), ("attempt", "u1"), ("phase", "u1"), ("kind", "u1"), ("channel", "u1")),
        *(("sent_ns", "<i8"), ("intended_ns", "<i8"), ("answered", "?"), ("ended", "?")),
    ]
)
_SCOPE = ("phase", "kind", "channel")


class Took:
    """A process's own. `take` is the journal's, on whatever thread it writes."""

    def __init__(
        self, shard_counts: Callable[[int], Sequence[int]], told: Told = lambda *_: None
    ) -> None:
        """Measure commands of a pool that has `shard_counts` commands of each kind in a shard.

        `told` gets, of each latency an SLO may ask of, which commands were measured and their times.
        """
        self._shard_counts = shard_counts
        self._told = told
        self._figures: dict[Latency, Figures] = {
            name: Figures() for name in ("lag", "service", "completion")
        }
        self._out = np.empty(0, _OUT)
        """What was sent and has no answer or no outcome yet, by key; of a command its latest attempt."""

    def take(self, rows: Rows) -> None:
        """Measure what rows of the journal (reports.journal.ROW) tell."""
        sent = rows[rows["fact"] == Fact.SENT]
        self._remember(sent)
        ready_ns = np.maximum(sent["intended_ns"], sent["free_ns"])
        out = self._laid_out(sent)
        self._add("lag", out, sent["at_ns"] - ready_ns)
        self._told("queueing", out, ready_ns - sent["intended_ns"])
        places, answered = self._found(rows[rows["fact"] == Fact.ACKNOWLEDGED], "answered")
        mine = self._out["attempt"][places] == answered["attempt"]
        places, answered = places[mine], answered[mine]
        out = self._out[places]
        self._add("service", out, answered["at_ns"] - out["sent_ns"])
        self._told("response", out, answered["at_ns"] - out["intended_ns"])
        self._out["answered"][places] = True
        places, ended = self._found(rows[rows["fact"] == Fact.COMPLETED], "ended")
        out = self._out[places]
        self._add("completion", out, ended["at_ns"] - out["intended_ns"])
        self._out["ended"][places] = True
        # An outcome may be seen before the answer is.
        self._out = self._out[~(self._out["answered"] & self._out["ended"])]
        if len(self._out) > KEPT_MAX:
            newest = np.argsort(self._out["sent_ns"])[-KEPT_MAX:]
            self._out = self._out[np.sort(newest)]

    def packed(self) -> dict[str, list[Packed]]:
        """Return what msgpack can carry, by latency."""
        return {name: figures.packed() for name, figures in self._figures.items()}

    def _laid_out(self, sent: Rows) -> Rows:
        out = np.zeros(len(sent), _OUT)
        out["key"] = _keys(sent)
        out["kind"] = kinds_of(sent, self._shard_counts)
        for name in ("attempt", "phase", "channel", "intended_ns"):
            out[name] = sent[name]
        out["sent_ns"] = sent["at_ns"]
        return out

    def _remember(self, sent: Rows) -> None:
        # The later of two attempts comes last, and stays.
        both = np.concatenate([self._out, self._laid_out(sent)])[::-1]
        self._out = both[np.unique(both["key"], return_index=True)[1]]

    def _found(self, rows: Rows, flag: str) -> tuple[NDArray[np.int64], Rows]:
        """Return the places of remembered commands without a `flag`, beside the first row on each."""
        keys = _keys(rows)
        if flag == "ended":
            # A reply, and then an event: what is told again took no longer.
            keys, first = np.unique(keys, return_index=True)
            rows = rows[first]
        at = np.searchsorted(self._out["key"], keys)
        known = at < len(self._out)
        there = self._out[at[known]]
        known[known] = (there["key"] == keys[known]) & ~there[flag]
        return at[known], rows[known]

    def _add(self, name: Latency, out: Rows, took_ns: Times) -> None:
        self._told(name, out, took_ns)
        for scope, chosen in _scopes(out):
            self._figures[name].add_all((*scope, EVERYWHERE), took_ns[chosen])


def _keys(rows: Rows) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = rows["shard"].astype(np.uint64) << np.uint64(32) | rows["index"]
    return keys


def _scopes(out: Rows) -> Iterator[tuple[tuple[int, int, int], Any]]:
    """Yield each (phase, kind, channel) with which rows are of it."""
    columns = np.stack([out[name] for name in _SCOPE], axis=1)
    for scope in np.unique(columns, axis=0):
        phase, kind, channel = scope.tolist()
        yield (phase, kind, channel), (columns == scope).all(axis=1)

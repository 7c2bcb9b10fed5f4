"""Incidents: what went wrong with single attempts, and when; a command may have several, and end well."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from e2e_data.commands import Outcome
from e2e_data.ids import RETRIES
from e2e_data.platform import Acknowledged
from reports.columns import Ints
from reports.journal import Fact


class Incident(IntEnum):
    """What happened to an attempt."""

    UNANSWERED = 0
    """No whole answer came."""
    NOT_SENT = 1
    """Nothing left: no connection."""
    REFUSED = 2
    """The platform would not take it now, as one that throttles."""
    UNKNOWN = 3
    """The answer does not say whether it took effect, as a 503 of one whose circuit is open."""
    DEAD_LETTERED = 4
    """The platform put it aside."""
    RETRIED = 5
    """The tester sent it once more, under the same id."""

    @property
    def is_error(self) -> bool:
        """Whether a customer would have been told that it failed."""
        return self <= Incident.UNKNOWN

    @property
    def words(self) -> str:
        """What reports call it."""
        return self.name.lower().replace("_", " ")

    @property
    def is_turned_away(self) -> bool:
        """Whether the platform answered, and did not take it."""
        return self in (Incident.REFUSED, Incident.UNKNOWN)


class Incidents(NamedTuple):
    """One row each, in no order."""

    at_ns: Ints
    channel: Ints
    sort: NDArray[np.int64]
    """Incident."""


def incidents_of(table: pa.Table) -> Incidents:
    """Return the incidents that facts tell of."""
    fact, code = table["fact"].to_numpy(), table["code"].to_numpy()
    again = table["attempt"].to_numpy().astype(np.int64) & RETRIES != 0
    answered = fact == Fact.ACKNOWLEDGED
    chosen = {
        Incident.UNANSWERED: fact == Fact.UNANSWERED,
        Incident.NOT_SENT: fact == Fact.NOT_SENT,
        Incident.REFUSED: answered & (code == Acknowledged.REFUSED),
        Incident.UNKNOWN: answered & (code == Acknowledged.UNKNOWN),
        Incident.DEAD_LETTERED: (fact == Fact.COMPLETED) & (code == Outcome.DEAD_LETTERED),
        Incident.RETRIED: (fact == Fact.SENT) & again,
    }
    rows = np.concatenate([np.flatnonzero(mask) for mask in chosen.values()])
    sorts = np.repeat(list(chosen), [int(mask.sum()) for mask in chosen.values()])
    return Incidents(
        table["at_ns"].to_numpy()[rows],
        table["channel"].to_numpy()[rows].astype(np.int64),
        sorts.astype(np.int64),
    )

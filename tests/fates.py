"""What goes wrong in a history: the fate of a single command, and the options that spoil a whole run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from e2e_data.commands import Channel
from tests.tiny_pools import POOL_SEEDS


class Fate(Enum):
    """What becomes of a command that does not simply go well."""

    # A platform that is right, and a network as it is.
    UNANSWERED = auto()
    """No answer came; the platform decides it, and the outcome is observed."""
    SILENT = auto()
    """No answer came and no outcome was observed; the platform decides it all the same."""
    VANISHED = auto()
    """No answer came, because the platform never got it."""
    REFUSED = auto()
    NOT_SENT = auto()
    BLOCKED = auto()
    LATE = auto()
    UNGRANTED = auto()
    """The phase ended before anybody was allowed to send it."""

    # A platform that is wrong.
    LOST = auto()
    PENDING = auto()
    TWICE = auto()
    WRONG_AMOUNT = auto()
    WRONG_CURRENCY = auto()
    WRONG_OUTCOME = auto()
    """Settled, whatever the rules are."""
    UNEXPECTED = auto()
    """Never granted, and decided."""
    TWO_OUTCOMES = auto()
    """Observed with its outcome, and then with the other one."""
    TAKEN_BACK = auto()
    """Observed settled; in the end the book has it rejected, and without effect."""
    REFUSED_YET_DONE = auto()
    MISUNDERSTOOD = auto()
    """Answered with 400, though there is nothing wrong with it."""
    TAMPERED = auto()
    """After its decision the account's balance moves by 7 minor units that nothing posted."""
    ROW_TWICE = auto()
    """The book has two rows of it, each with postings."""
    ROW_GONE = auto()
    """It was applied and observed, but the book has no row of it."""
    ACCOUNT_MISSING = auto()
    ACCOUNT_TWICE = auto()
    ACCOUNT_CURRENCY = auto()

    # The same, of a hostile command or a replay.
    HOSTILE_SETTLED = auto()
    """Taken for what it would be without its flaw, and settled."""
    HOSTILE_ACCEPTED = auto()
    """Answered with 202, and never heard of again."""
    BREAKDOWN = auto()
    """Answered with 500."""
    WRONG_REASON = auto()
    REPLAY_APPLIED = auto()
    """Settled and posted once more, in a row of its own under the same id."""
    REPLAY_DIFFERS = auto()
    """Observed with the other outcome than the original has."""
    OWN_ID = auto()
    """The book has a replay under the id that it has in the pool, settled."""


NEVER_SENT = {Fate.BLOCKED, Fate.UNGRANTED, Fate.UNEXPECTED}
NOT_REACHING = {
    Fate.LOST, Fate.VANISHED, Fate.REFUSED, Fate.NOT_SENT, Fate.BLOCKED, Fate.UNGRANTED,
    Fate.HOSTILE_ACCEPTED, Fate.BREAKDOWN, Fate.MISUNDERSTOOD,
}  # fmt: skip
"""The platform's ledger never sees these."""
UNOBSERVED = {
    Fate.SILENT, Fate.PENDING, Fate.UNEXPECTED, Fate.REFUSED_YET_DONE, *NOT_REACHING
}  # fmt: skip
NO_ANSWER = {Fate.UNANSWERED, Fate.SILENT, Fate.VANISHED}


@dataclass(frozen=True)
class Options:
    """How a run is spoiled as a whole."""

    seed: int = 0
    pools: int = POOL_SEEDS
    accounts: int = 4
    drained: bool = True
    has_book: bool = True
    foreign: int = 0
    """So many accounts of another run, with a credit and a payment each."""
    foreign_on_ours: bool = False
    """Another run's credit goes to our first account as well."""
    crashed: bool = False
    """The process of shard 1 dies in the last phase: its journal is cut off there."""
    state: str = "ended"
    platform: str | None = None
    timeline: bool = True
    special: bool = False
    """The pool has hostile commands, replays, behaviours and regions; the platform gives flags."""
    settings: tuple[tuple[str, object], ...] = ()
    """Settings of the pool, in place of those that it has."""
    channel: Channel = Channel.HTTP
    """Over Kafka it is a broker that acknowledges; what cannot be understood is put aside."""
    dropped: int = 0
    """So many arrivals are given up in the last phase."""
    spread: bool = True
    """Decisions come in any order; otherwise each command is over before the next is sent."""

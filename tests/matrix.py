"""The matrix of defects: for each, what the judge has to name as its one cause."""

from __future__ import annotations

from sandbox import defects as d
from sandbox.defects import DEFECTS
from tests.defective import POOL, Expected

HARMLESS = "nothing: so may a platform that tells at least once; the report has the number"
"""What the table says of a defect that is none."""

_POOR = (*POOL, ("limit_based_percentage", 0), ("payments", (70, 90)))
_LIMITS = (*POOL, ("limit_based_percentage", 100), ("boundary_percentage", 100))

MATRIX: dict[str, Expected] = {
    d.LOSE: Expected("lost in the platform", "1"),
    d.STALL: Expected("never decided", "1"),
    d.ERROR_ANSWER: Expected("applied, though answered without effect", "6a"),
    d.APPLY_TWICE: Expected("applied more than once", "2"),
    d.APPLY_ON_RETRY: Expected("applied more than once", "2", (), special=True, rate=0.5),
    d.APPLY_ON_RACE: Expected("applied more than once", "2", (), special=True, rate=0.5),
    d.NO_POSTINGS: Expected("settled without postings", "4a"),
    d.DROP_LEG: Expected("one leg missing", "4a"),
    d.WRONG_AMOUNT: Expected("wrong amount", "4a"),
    d.ROUND_UP: Expected("rounded wrongly", "4a"),
    d.WRONG_RATE: Expected("wrong exchange rate", "4a"),
    d.SWAP_ACCOUNTS: Expected("posted to another account", "4a"),
    d.LOSE_UPDATE: Expected("lost update", "2"),
    d.OVERDRAW: Expected("overdrawn", "5", _POOR, rate=0.5),
    d.IGNORE_LIMIT: Expected("limit exceeded", "5"),
    d.EXCLUSIVE_LIMIT: Expected("rejected at exactly the limit", "6b", _LIMITS, rate=0.9),
    d.REJECT: Expected("rejected without cause", "6b"),
    d.REJECT_UNDETERMINED: Expected("rejected without cause", "6b", rate=0.5),
    d.WRONG_REASON: Expected("wrong reason", "6b", rate=0.3),
    d.TAKE_BACK: Expected("outcome taken back", "7"),
    d.REORDER: Expected("decided out of order", "8", rate=0.5),
    d.FORGET: Expected("lost in the platform", "1", in_process=False),
    d.LOSE_EVENT: Expected("lost after the platform", "7", told="events"),
    d.REPEAT_EVENT: Expected("", "", told="events"),
    d.NEW_EVENT_ID: Expected("two events for one outcome", "7", told="events"),
    d.LOSE_REPLY: Expected("lost after the platform", "7", told="replies"),
    d.MISDIRECT_REPLY: Expected("misdirected reply", "7", told="replies"),
    d.CORRUPT_REPLY: Expected("unreadable reply", "7", told="replies"),
}


def table() -> str:
    """Return the matrix as it stands in the README."""
    rows = [
        f"| `{name}` | {DEFECTS[name]} | {expected.finding or HARMLESS} | {expected.invariant} |"
        for name, expected in MATRIX.items()
    ]
    head = "| `--defect …` | what the platform does wrong | the verdict names | invariant |"
    return "\n".join([head, "|---|---|---|---|", *rows])

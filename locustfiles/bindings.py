"""Account bindings: which id the platform gave to an account, and how far its life has come.

They are lease state: whoever sends for a shard's accounts needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from e2e_data.commands import Kind, Outcome
from reports.lines import LineLog


class Stage(IntEnum):
    """How far an account has come, by what was observed."""

    NONE = 0
    CREATED = 1
    OPENED = 2
    """Its opening credit is settled."""


NEEDS = {
    Kind.ACCOUNT: Stage.NONE,
    Kind.OPENING_CREDIT: Stage.CREATED,
    Kind.FUNDING: Stage.OPENED,
    Kind.PAYMENT: Stage.OPENED,
}
"""What must have been observed of an account before a command of a kind may be sent for it."""

BRINGS = {Kind.ACCOUNT: Stage.CREATED, Kind.OPENING_CREDIT: Stage.OPENED}
"""How far an account has come once a command of a kind was observed settled."""

WHY_BLOCKED = {
    Stage.NONE: "the account's creation was not observed complete",
    Stage.CREATED: "the account's opening credit was not observed settled",
}
WHY_UNBOUND = "the account was created, but its id was not seen"

# A table, because every command is looked up, and an enum as a key is slow.
_NEEDS = tuple(NEEDS[kind] for kind in Kind)

Key = tuple[int, int, int]
"""(lap, shard, account number in the shard)."""


class Bindings:
    """The bindings of the accounts that this process sends for, written down as they are made."""

    def __init__(
        self, path: Path, changed: Callable[[Key, Stage, str], None] = lambda *_: None
    ) -> None:
        """Write to `path`; `changed` gets all that is known of an account when it becomes more."""
        self._ids: dict[Key, str] = {}
        self._stages: dict[Key, Stage] = {}
        self._log = LineLog(path)
        self._changed = changed

    def bind(self, key: Key, account_id: str) -> None:
        """Remember the id that the platform assigned to an account; the first one stays in use.

        A second, different id is written down as well: the judge has to see it.
        """
        if self._ids.get(key) != account_id:
            self._log.write({"place": key, "account_id": account_id})
            self._ids.setdefault(key, account_id)
            self._tell(key)

    def completed(self, key: Key, kind: Kind, outcome: Outcome) -> None:
        """Move an account on when the completion of its creation or opening credit is observed."""
        if outcome is Outcome.SETTLED and kind in BRINGS:
            self._stages[key] = max(self._stages.get(key, Stage.NONE), BRINGS[kind])
            self._tell(key)

    def learn(self, key: Key, stage: int, account_id: str) -> None:
        """Take in what another process saw of an account; it has written it down."""
        self._stages[key] = max(self._stages.get(key, Stage.NONE), Stage(stage))
        if account_id:
            self._ids.setdefault(key, account_id)

    def account_id(self, key: Key) -> str | None:
        """Return the account's id; None while it has none."""
        return self._ids.get(key)

    def blocked(self, key: Key, kind: Kind) -> str | None:
        """Return why a command of `kind` may not be sent for the account yet; None when it may."""
        stage = self._stages.get(key, Stage.NONE)
        if stage < _NEEDS[kind]:
            return WHY_BLOCKED[stage]
        return WHY_UNBOUND if kind is not Kind.ACCOUNT and key not in self._ids else None

    def _tell(self, key: Key) -> None:
        self._changed(key, self._stages.get(key, Stage.NONE), self._ids.get(key, ""))

    def close(self) -> None:
        """Close the file."""
        self._log.close()

"""Account bindings: which id the platform gave to an account, and how far its life has come.

They are lease state: whoever sends for a shard's accounts needs them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _Shard:
    """What is known of a shard's accounts, by their numbers."""

    ids: dict[int, str] = field(default_factory=dict)
    stages: dict[int, Stage] = field(default_factory=dict)


class Bindings:
    """The bindings of the accounts that this process sends for, written down as they are made."""

    def __init__(
        self, path: Path, changed: Callable[[Key, Stage, str], None] = lambda *_: None
    ) -> None:
        """Write to `path`; `changed` gets all that is known of an account when it becomes more."""
        self._of: defaultdict[tuple[int, int], _Shard] = defaultdict(_Shard)
        """By lap and number."""
        self._log = LineLog(path)
        self._changed = changed

    def bind(self, key: Key, account_id: str) -> None:
        """Remember the id that the platform assigned to an account; the first one stays in use.

        A second, different id is written down as well: the judge has to see it.
        """
        ids, account = self._of[key[:2]].ids, key[2]
        if ids.get(account) != account_id:
            self._log.write({"place": key, "account_id": account_id})
            ids.setdefault(account, account_id)
            self._tell(key)

    def completed(self, key: Key, kind: Kind, outcome: Outcome) -> None:
        """Move an account on when the completion of its creation or opening credit is observed."""
        if outcome is Outcome.SETTLED and kind in BRINGS:
            self._reach(key, BRINGS[kind])
            self._tell(key)

    def learn(self, key: Key, stage: int, account_id: str) -> None:
        """Take in what another process saw of an account; it has written it down."""
        self._reach(key, Stage(stage))
        if account_id:
            self._of[key[:2]].ids.setdefault(key[2], account_id)

    def account_id(self, key: Key) -> str | None:
        """Return the account's id; None while it has none."""
        return self._of[key[:2]].ids.get(key[2])

    def account_ids(self, lap: int, shard: int, accounts: Iterable[int]) -> list[str | None]:
        """Return the ids of accounts of one shard."""
        return list(map(self._of[lap, shard].ids.get, accounts))

    def ready(
        self, lap: int, shard: int, accounts: Iterable[int], kinds: Iterable[int]
    ) -> list[bool]:
        """Tell which commands of one shard are not blocked: as accounts only ever go on, for good."""
        of = self._of[lap, shard]
        stages, ids = of.stages, of.ids
        return [
            stages.get(account, Stage.NONE) >= _NEEDS[kind]
            and (kind == Kind.ACCOUNT or account in ids)
            for account, kind in zip(accounts, kinds, strict=True)
        ]

    def blocked(self, key: Key, kind: Kind) -> str | None:
        """Return why a command of `kind` may not be sent for the account yet; None when it may."""
        of, account = self._of[key[:2]], key[2]
        stage = of.stages.get(account, Stage.NONE)
        if stage < _NEEDS[kind]:
            return WHY_BLOCKED[stage]
        return WHY_UNBOUND if kind is not Kind.ACCOUNT and account not in of.ids else None

    def _reach(self, key: Key, stage: Stage) -> None:
        stages, account = self._of[key[:2]].stages, key[2]
        stages[account] = max(stages.get(account, Stage.NONE), stage)

    def _tell(self, key: Key) -> None:
        of, account = self._of[key[:2]], key[2]
        self._changed(key, of.stages.get(account, Stage.NONE), of.ids.get(account, ""))

    def close(self) -> None:
        """Close the file."""
        self._log.close()

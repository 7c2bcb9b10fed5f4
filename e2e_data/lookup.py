"""What an id names: a command of a pool, by its place, or by any id that a run gave it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from e2e_data.commands import Command
from e2e_data.ids import CORRELATION_BYTES, Correlation, Ids, Namespace
from e2e_data.pool import Pool
from e2e_data.problems import Problems, of_validation

_PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CORRELATION = re.compile(f"[0-9a-f]{{{2 * CORRELATION_BYTES}}}", re.IGNORECASE)

FORMS = (
    "give SHARD:INDEX such as 3:97, the UUID of a command or a customer, or a correlation id of "
    f"{2 * CORRELATION_BYTES} hexadecimal digits"
)


class Scheme(BaseModel):
    """What a run's ids were made with, as run.json and the ids.json of an export have it."""

    model_config = ConfigDict(frozen=True)

    key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    nonce: Annotated[int, Field(gt=0, lt=2**64)]
    epoch_utc_ns: int | None = None
    laps: Annotated[int, Field(ge=1)] = 1
    shards: Annotated[int, Field(ge=0)] = 0
    """Of a lap, as in Ids."""

    @property
    def ids(self) -> Ids:
        """The ids of the run."""
        return Ids(bytes.fromhex(self.key), self.nonce, self.shards)

    @property
    def first_day(self) -> date | None:
        """The run's first day in UTC, from which value dates are counted, where it is known."""
        if self.epoch_utc_ns is None:
            return None
        return datetime.fromtimestamp(self.epoch_utc_ns // 1_000_000_000, UTC).date()


def read_scheme(file: Path) -> Scheme:
    """Read key and nonce from a JSON file; raises Problems with what is wrong with it."""
    try:
        return Scheme.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise Problems([f"{file}: cannot be read: {error.strerror}"]) from None
    except ValidationError as error:
        raise of_validation(str(file), error) from None
    except ValueError as error:
        raise Problems([f"{file}: is not JSON: {error}"]) from None


@dataclass(frozen=True, slots=True)
class Found:
    """What an id names."""

    shard: int
    index: int
    lap: int = 0
    is_account: bool = False
    """It is a customer's id: `index` is the creation of the customer's account."""
    correlation: Correlation | None = None
    """What else a correlation id tells."""


def find(text: str, pool: Pool, scheme: Scheme | None) -> Found:
    """Return what `text` names in `pool`.

    Raises Problems for what is no id, an id of another run or pool, and one that needs `scheme`.
    """
    if place := _PLACE.fullmatch(text):
        found = Found(int(place[1]), int(place[2]))
    elif _CORRELATION.fullmatch(text):
        found = _of_correlation(text, scheme)
    elif _UUID.fullmatch(text):
        found = _of_uuid(text, scheme)
    else:
        raise Problems([f"--command {text}: is no id; {FORMS}"])
    _check_place(text, found, pool)
    return found


def _of_correlation(text: str, scheme: Scheme | None) -> Found:
    correlation = Correlation.unpack(bytes.fromhex(text), scheme.shards if scheme else 0)
    if correlation is None:
        raise Problems(
            [f"--command {text}: is no correlation id, its check sum is wrong; copy all of it"]
        )
    if scheme and scheme.ids.tag != correlation.tag:
        raise Problems(
            [
                f"--command {text}: is of another run (tag {correlation.tag:08x}, this run's is "
                f"{scheme.ids.tag:08x}); give --ids with the run.json of that one"
            ]
        )
    return Found(correlation.shard, correlation.index, correlation.lap, correlation=correlation)


def _of_uuid(text: str, scheme: Scheme | None) -> Found:
    if scheme is None:
        raise Problems(
            [
                f"--command {text}: a UUID is read with the key and nonce of its run; give --ids "
                "with that run's run.json, or with the ids.json of an export"
            ]
        )
    for namespace in Namespace:
        decoded = scheme.ids.decode([text], namespace)
        if decoded.known[0]:
            place = (int(decoded.shard[0]), int(decoded.index[0]), int(decoded.lap[0]))
            return Found(*place, is_account=namespace is Namespace.CUSTOMER)
    raise Problems(
        [
            f"--command {text}: is foreign: neither a command nor a customer of this run has it; "
            "give --ids with the run.json of the run that it is from"
        ]
    )


def _check_place(text: str, found: Found, pool: Pool) -> None:
    if found.shard >= pool.shard_count:
        raise Problems(
            [
                f"--command {text}: names shard {found.shard}, but the pool has shards 0 to "
                f"{pool.shard_count - 1}; is it of another pool?"
            ]
        )
    counts = pool.shard_counts(found.shard)
    noun, number = ("account", counts.account) if found.is_account else ("command", sum(counts))
    if found.index >= number:
        raise Problems(
            [
                f"--command {text}: names {noun} {found.index} of shard {found.shard}, which has "
                f"{noun}s 0 to {number - 1}; is it of another pool?"
            ]
        )
    if found.correlation:
        _check_content(text, found.correlation, pool.shard(found.shard).command(found.index))


def _check_content(text: str, told: Correlation, command: Command) -> None:
    if (told.kind, told.expected) != (command.kind, command.expected):
        raise Problems(
            [
                f"--command {text}: is of another pool: in that {command.shard}:{command.index} is of "
                f"the kind {told.kind.label}, expected {told.expected.label}; here it is of the kind "
                f"{command.kind.label}, expected {command.expected.label}"
            ]
        )

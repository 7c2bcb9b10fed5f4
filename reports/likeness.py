"""What two runs have in common: their plans' settings, their pools, and what surrounded them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from reprlib import Repr
from typing import Any

import orjson

from e2e_data.problems import Problems
from reports.rundir import RunDirectory, RunRecord

VALUE_LETTERS_MAX = 80
_SHORT = Repr()
_SHORT.maxother = VALUE_LETTERS_MAX


def differing_settings(was: Any, is_now: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield each setting of two plans that differs: its path and both values, cut to what can be read."""
    if isinstance(was, dict) and isinstance(is_now, dict):
        for name in sorted({*was, *is_now}):
            path = f"{where}.{name}" if where else str(name)
            yield from differing_settings(was.get(name), is_now.get(name), path)
    elif was != is_now:
        yield where, _shown(was), _shown(is_now)


def _shown(value: Any) -> str:
    shown = value if isinstance(value, str) else _SHORT.repr(value)
    cut = len(shown) > VALUE_LETTERS_MAX
    return f"{shown[:VALUE_LETTERS_MAX]}…" if cut else shown


def pool_of(directory: RunDirectory) -> tuple[str, ...]:
    """Return what makes two pools the same: the words that were drawn from, and each shard's hash.

    The manifest is not validated: drawing the words again takes half a second. Raises Problems where it
    cannot be read.
    """
    path = directory.manifest
    try:
        told = orjson.loads(path.read_bytes())
        return (str(told["vocabulary_hash"]), *(str(shard["hash"]) for shard in told["shards"]))
    except OSError as error:
        raise Problems([f"{path}: {error.strerror}"]) from error
    except (orjson.JSONDecodeError, LookupError, TypeError) as error:
        raise Problems([f"{path} is not the manifest of a pool: {error!r}"]) from error


def surroundings(record: RunRecord) -> dict[str, str]:
    """Return what was around a run, and may be another next time: versions, machine, address, processes."""
    return {
        **record.versions,
        "host": "the embedded sandbox" if record.embedded_sandbox else record.host,
        "adapter": record.platform or "default",
        "workers": str(record.workers),
    }


def differing(was: Mapping[str, str], is_now: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield what differs of two surroundings: its name, and both values."""
    for name in sorted({*was, *is_now}):
        values = (was.get(name, "not known"), is_now.get(name, "not known"))
        if values[0] != values[1]:
            yield name, *values

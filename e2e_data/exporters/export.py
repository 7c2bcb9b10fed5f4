"""The export of a pool: a directory of files in one format, with the ids that they carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import BinaryIO

import orjson

from e2e_data.exporters.formats import Format, Lines
from e2e_data.exporters.portions import Addressing, portions
from e2e_data.exporters.whole import whole_directory
from e2e_data.ids import Ids
from e2e_data.pool import Pool

IDS_FILE = "ids.json"
OPTION = "--out"
_SCRIPTS = resources.files("e2e_data.exporters") / "scripts"


def export(
    pool: Pool,
    form: Format,
    directory: Path,
    *,
    first_day: date,
    ids: Ids | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a pool into `directory`, which appears with everything in it or not at all.

    Value dates count from `first_day`; `ids` are new ones unless given. `progress` hears of the commands done.
    Raises Problems where the directory is not empty or cannot be written, and for a shard that is
    not what the manifest says.
    """
    addressing = Addressing(ids or Ids.fresh(), form.channel, first_day)
    with whole_directory(directory, OPTION) as partial:
        _write_files(pool, form, addressing, partial, progress)
        for script in form.scripts:
            target = partial / script
            target.write_bytes((_SCRIPTS / script).read_bytes())
            target.chmod(0o755)
        (partial / IDS_FILE).write_bytes(_scheme(pool, addressing))


def _write_files(
    pool: Pool,
    form: Format,
    addressing: Addressing,
    directory: Path,
    progress: Callable[[int], None] | None,
) -> None:
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        for name, heading in form.headings().items():
            files[name] = stack.enter_context((directory / name).open("wb"))
            _append(files, [(name, [heading])] if heading else [])
        commands = 0
        for portion in portions(pool, addressing, form.passes):
            if progress:
                progress(commands)
            _append(files, form.lines(portion))
            commands += len(portion)


def _append(files: dict[str, BinaryIO], lines: Iterable[Lines]) -> None:
    for name, texts in lines:
        files[name].write("\n".join([*texts, ""]).encode())


def _scheme(pool: Pool, addressing: Addressing) -> bytes:
    """Return what the ids were made with, as run.json has it, so that any of them can be explained."""
    first_day = datetime.combine(addressing.first_day, datetime.min.time(), UTC)
    scheme = {
        "key": addressing.ids.key.hex(),
        "nonce": addressing.ids.nonce,
        "epoch_utc_ns": int(first_day.timestamp()) * 1_000_000_000,
        "first_day": addressing.first_day.isoformat(),
        "lap": 0,
        "pool_seed": pool.seed,
    }
    return orjson.dumps(scheme, option=orjson.OPT_INDENT_2)

"""Baselines by name: a name stands for the runs that others are compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from e2e_data.problems import Problems
from reports.lines import damaged

FILE_NAME = "baselines.json"


def read_baselines(runs_dir: Path) -> dict[str, list[Path]]:
    """Return name -> runs. Raises Problems where the file cannot be read."""
    path = runs_dir / FILE_NAME
    if not path.is_file():
        return {}
    try:
        told = orjson.loads(path.read_bytes())
        return {str(name): [runs_dir / str(run) for run in runs] for name, runs in told.items()}
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise damaged(path, "the list of baselines", error) from error


def set_baseline(runs_dir: Path, name: str, runs: Sequence[Path]) -> None:
    """Let a name stand for some runs; they are kept relative to `runs_dir`."""
    known = read_baselines(runs_dir)
    known[name] = [run.resolve() for run in runs]
    told = {
        key: [os.path.relpath(run.resolve(), runs_dir.resolve()) for run in paths]
        for key, paths in sorted(known.items())
    }
    path = runs_dir / FILE_NAME
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(
        orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    temporary.replace(path)


def runs_named(words: Sequence[str], runs_dir: Path) -> list[Path]:
    """Return the run directories that words name: directories, or baselines of `runs_dir`.

    Raises Problems for each word that is neither.
    """
    known = read_baselines(runs_dir)
    found: list[Path] = []
    problems: list[str] = []
    for word in words:
        if Path(word).is_dir():
            found.append(Path(word))
        elif word in known:
            found += known[word]
        else:
            names = ", ".join(known) or "there is none"
            problems.append(f"{word} is no run directory, and no baseline of {runs_dir}: {names}")
    if problems:
        raise Problems(problems)
    return found

"""A directory that appears with everything in it, or not at all."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from e2e_data.problems import Problems


def check_room(directory: Path, option: str) -> None:
    """Raise Problems where `directory`, given by an option, holds anything or is none."""
    try:
        if directory.is_mount():
            raise Problems([f"{option} {directory}: is a mount point; choose a directory inside"])
        if directory.exists() and any(directory.iterdir()):
            raise Problems(
                [f"{option} {directory}: is not empty; choose another {option}, or empty it"]
            )
    except OSError as error:
        raise _unusable(directory, option, error) from None


@contextmanager
def whole_directory(directory: Path, option: str) -> Iterator[Path]:
    """Give a hidden directory to write in; when all went well it becomes `directory`.

    Otherwise it is removed, as is what a writer left behind that was killed. Raises Problems where
    `directory` holds anything already, or cannot be written.
    """
    check_room(directory, option)
    target = directory.resolve()
    partial = target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"
    try:
        partial.mkdir(parents=True)
        with _locked(partial):
            _remove_abandoned(target)
            yield partial
            with suppress(FileNotFoundError):
                target.rmdir()
            partial.rename(target)
    except OSError as error:
        raise _unusable(directory, option, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however that ends. Raises BlockingIOError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(target: Path) -> None:
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        with suppress(OSError), _locked(path):
            shutil.rmtree(path, ignore_errors=True)


def _unusable(directory: Path, option: str, error: OSError) -> Problems:
    what = f"{option} {directory}: cannot be written: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problems([f"{what}; make room or choose another {option}; nothing was left behind"])
    return Problems([f"{what}; choose another {option}"])

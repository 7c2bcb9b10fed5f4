"""Journals of workers that do not see the run directory: shipped to it, piece by piece.

A worker writes to a spool of its own, and stores what is new after each flush: to object storage by
URL, or to its master in pieces. One piece is on its way at a time, and comes again until it is
acknowledged; a piece says where it belongs, so one that comes twice or late does no harm.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.fs as pafs
from gevent.event import Event
from gevent.lock import Semaphore
from gevent.threadpool import ThreadPool

from e2e_data.problems import Problems
from reports.rundir import RunDirectory

PIECE_BYTES = 128 * 1024
"""Larger messages would keep the event loop packing."""
RESEND_S = 1.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,120}\.(parquet|jsonl|json)", re.ASCII)
GROWING = "bindings"
"""Its files grow line by line; those of the other places are whole once they are seen."""
PLACES = ("journal", "events", GROWING)


class Store(Protocol):
    """Where a worker's files are safe from its own end."""

    def store(self) -> None:
        """Return when all that was written until now is safe. Raises OSError where it cannot be."""
        ...

    def clear(self) -> None:
        """Remove what was written beside the place where it is safe."""
        ...


class Here:
    """The run directory itself: on this machine, or over a shared folder."""

    def store(self) -> None:
        """Do nothing: what is written is where it belongs."""

    def clear(self) -> None:
        """Do nothing: there is nothing beside it."""


def spool(manifest: str) -> RunDirectory:
    """Make a directory of this process's own, with the pool's manifest in it."""
    directory = RunDirectory(Path(tempfile.mkdtemp(prefix="paystorm-")))
    for place in ("pool", *PLACES):
        (directory.path / place).mkdir()
    (directory.pool / "manifest.json").write_text(manifest, encoding="utf-8")
    return directory


class ByMaster:
    """Sends files to the master. `send` may lose what it is given; `acknowledged` gets the answers."""

    def __init__(
        self,
        directory: RunDirectory,
        send: Callable[[Mapping[str, Any]], None],
        resend_s: float = RESEND_S,
    ) -> None:
        self._directory = directory
        self._send = send
        self._resend_s = resend_s
        self._safe: dict[str, int] = {}
        """File -> how many bytes of it the master has."""
        self._whole: set[str] = set()
        self._answered = Event()
        self._alone = Semaphore()

    def store(self) -> None:
        """Send what is new, and wait until the master has it."""
        with self._alone:
            for place in PLACES:
                for path in sorted((self._directory.path / place).iterdir()):
                    if NAME.fullmatch(path.name) and f"{place}/{path.name}" not in self._whole:
                        self._ship(place, path)

    def clear(self) -> None:
        """Remove the spool."""
        shutil.rmtree(self._directory.path)

    def acknowledged(self, answer: Mapping[str, Any]) -> None:
        """Take the master's word on how much of a file it has."""
        name, size = str(answer["file"]), int(answer["size"])
        self._safe[name] = max(self._safe.get(name, 0), size)
        self._answered.set()

    def _ship(self, place: str, path: Path) -> None:
        name, size = f"{place}/{path.name}", path.stat().st_size
        with path.open("rb") as file:
            while (at := self._safe.get(name, 0)) < size:
                file.seek(at)
                data = file.read(min(PIECE_BYTES, size - at))
                last = place != GROWING and at + len(data) == size
                self._answered.clear()
                self._send({"file": name, "at": at, "data": data, "last": last})
                self._answered.wait(self._resend_s)
        if place != GROWING:
            self._whole.add(name)


class Receiver:
    """The master's side: puts pieces where they belong in the run directory."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory

    def take(self, piece: Mapping[str, Any]) -> dict[str, Any]:
        """Write a piece, and return the acknowledgement: how much of its file there is.

        Raises ValueError for a file that has no place here.
        """
        place, _, name = str(piece["file"]).partition("/")
        if place not in PLACES or not NAME.fullmatch(name):
            raise ValueError(f"{str(piece['file'])[:80]!r} has no place in a run directory")
        path = self._directory.path / place / name
        growing = path if place == GROWING else path.with_name(f".{name}.part")
        if place != GROWING and path.exists():
            return {"file": piece["file"], "size": path.stat().st_size}
        with growing.open("ab") as file:
            if int(piece["at"]) == file.tell():
                file.write(bytes(piece["data"]))
            size = file.tell()
        if piece["last"] and size == int(piece["at"]) + len(piece["data"]):
            growing.replace(path)
        return {"file": piece["file"], "size": size}


class ByUrl:
    """Copies files to object storage, or any other place that pyarrow knows by URL."""

    def __init__(self, directory: RunDirectory, url: str, run: str) -> None:
        """Use the folder `run` below `url`. Raises Problems for a URL that cannot be used."""
        self._directory = directory
        self._filesystem, self._root = place_of(url, run)
        self._safe: dict[str, int] = {}
        # The storage's client is C++ that waits: on a thread of its own it does not stop the users.
        self._thread = ThreadPool(1)

    def store(self) -> None:
        """Copy what is new; a file that has grown is copied whole."""
        self._thread.apply(self._copy)

    def clear(self) -> None:
        """Remove the spool."""
        shutil.rmtree(self._directory.path)

    def _copy(self) -> None:
        for place in PLACES:
            self._filesystem.create_dir(f"{self._root}/{place}", recursive=True)
            for path in sorted((self._directory.path / place).iterdir()):
                name, size = f"{place}/{path.name}", path.stat().st_size
                if NAME.fullmatch(path.name) and self._safe.get(name) != size:
                    with self._filesystem.open_output_stream(f"{self._root}/{name}") as out:
                        out.write(path.read_bytes())
                    self._safe[name] = size


def place_of(url: str, run: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a URL, and the folder of a run in it. Raises Problems."""
    try:
        filesystem, root = pafs.FileSystem.from_uri(url)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise Problems([f"fleet.journals = {url}: {error}"]) from error
    return filesystem, f"{root.rstrip('/')}/{run}"


def fetch(url: str, run: str, directory: RunDirectory) -> None:
    """Bring what workers stored by URL into the run directory. Raises Problems."""
    filesystem, root = place_of(url, run)
    try:
        for place in PLACES:
            chosen = pafs.FileSelector(f"{root}/{place}", allow_not_found=True)
            for entry in filesystem.get_file_info(chosen):
                if entry.is_file and NAME.fullmatch(entry.base_name):
                    with filesystem.open_input_stream(entry.path) as stream:
                        (directory.path / place / entry.base_name).write_bytes(stream.read())
    except OSError as error:
        raise Problems(
            [f"fleet.journals = {url}: what is there cannot be read: {error}"]
        ) from error

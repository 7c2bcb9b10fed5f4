"""Controlling a run from outside: requests in a file of its directory, which whoever may write can make.

The file is the run's own, so the right to control it is the right to write there: no port is open, and
no secret is needed. Every request is in the timeline and in the audit log, with its user's name.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from e2e_data.problems import Problems
from reports.lines import LineLog, read_lines
from reports.rundir import RunDirectory

COMMANDS = {
    "pause": "send nothing further until resumed; the time until then is cut out of the plan",
    "resume": "go on where it was paused, without catching up",
    "skip": "leave the current phase as it is, and begin the next",
    "stop": "send nothing further, await what was sent, and report",
    "emergency": "stop at once: nothing is sent any more, and nothing is awaited",
}

PATIENCE_S = 10
LOOK_S = 0.1
_NAME = re.compile(r"[\w.@ -]{1,64}")


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants of a run."""

    id: str
    command: str
    user: str

    @property
    def note(self) -> str:
        """As the timeline has it."""
        return f"by {self.user}, request {self.id}"


def user_name() -> str:
    """Return who runs this process, as the system knows it: an environment can say anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def ask(directory: RunDirectory, command: str, user: str | None = None) -> Request:
    """Ask a run for something, as a `user` of the web UI or as this process's own.

    Raises Problems where the run has ended, or cannot be asked.
    """
    state = directory.record().state
    if state != "running":
        raise Problems([f"{directory.path}: the run has {state}: there is nothing to control"])
    request = Request(secrets.token_hex(4), command, user or user_name())
    try:
        log = LineLog(directory.control)
    except OSError as error:
        raise Problems(
            [f"{directory.control}: {error.strerror}: control it as its user"]
        ) from error
    log.write(request)
    log.close()
    return request


def await_answer(
    directory: RunDirectory,
    request: Request,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until the run's timeline tells of a request. Raises Problems where it does not."""
    until_s = now_s() + PATIENCE_S
    while not any(entry.get("note") == request.note for entry in read_lines(directory.timeline)):
        if now_s() >= until_s:
            raise Problems(
                [
                    f"{directory.path}: the run did not answer in {PATIENCE_S} s; if its process is no "
                    f"more, paystorm run --resume goes on, and paystorm reconcile judges it"
                ]
            )
        sleep(LOOK_S)


class Requests:
    """Reads the requests to a run, each once; those of before are over."""

    def __init__(self, directory: RunDirectory) -> None:
        self._path = directory.control
        self._seen = sum(1 for _ in self._lines())

    def news(self) -> Iterator[Request]:
        """Yield the requests that came since the last call; what is none is passed over."""
        for number, entry in enumerate(self._lines()):
            if number < self._seen:
                continue
            self._seen = number + 1
            asked = Request(*(str(entry.get(name, "")) for name in ("id", "command", "user")))
            if asked.command in COMMANDS and _NAME.fullmatch(asked.user) and asked.id.isalnum():
                yield asked

    def _lines(self) -> Iterator[dict[str, object]]:
        try:
            yield from read_lines(self._path)
        except Problems:
            # A line that is none ends the reading: what stands behind it is nobody's order.
            return

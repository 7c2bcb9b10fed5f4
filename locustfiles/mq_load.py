"""Putting the messages of a file on a queue: at a rate, in units of work, and again from where it ended.

What is committed is written down beside the file after each unit of work, so that a load that ended in
the middle goes on behind it. A broken connection leaves the unit's commit in doubt: its messages are
then put again, and counted, since a command that comes twice takes effect once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from e2e_data.problems import Problems
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Put, Session
from locustfiles.channels.mq_structs import NO_ID
from reports.lines import LineLog
from reports.quantities import counted

UNIT_MAX = 100
UNIT_S = 0.2
"""A unit of work has so many messages at most, and as many as are put in so long."""
FULL_S = 1.0
"""A queue that is full is tried again after so long."""
TOO_LONG = frozenset({2010, 2030, 2031})
"""The message itself cannot be put, and the next one may be."""
FULL = frozenset({2024, 2051, 2053, 2056})


class Line(NamedTuple):
    """A line of the file: its number from 1, and what it says."""

    number: int
    text: bytes


@dataclass
class State:
    """How far a load has come; the file beside the messages has it."""

    queue: str
    queue_manager: str
    offset: int = 0
    lines: int = 0
    put: int = 0
    """Messages that are committed."""
    refused: int = 0
    """Lines that are no messages, or that the queue manager would not take."""
    again: int = 0
    """Messages that were put once more, because a commit was in doubt."""

    def write(self, path: Path) -> None:
        """Write it down; a crash leaves the state before."""
        beside = path.with_name(f".{path.name}")
        beside.write_bytes(orjson.dumps(asdict(self)))
        beside.replace(path)


@dataclass(frozen=True)
class Job:
    """What is to be loaded, and how."""

    file: Path
    queue: str
    queue_manager: str
    rate_per_s: float
    """0 for as fast as possible."""
    resume: bool = False
    give_up_s: float = 60
    """So long a queue may stay full, or the queue manager away."""

    @property
    def state_file(self) -> Path:
        """Where is written down how far it has come."""
        return self.file.with_name(f"{self.file.name}.load.json")

    @property
    def errors_file(self) -> Path:
        """Where the lines are named that were not put, and why."""
        return self.file.with_name(f"{self.file.name}.errors.jsonl")


@dataclass
class Loader:
    """Loads one file."""

    job: Job
    connect: Callable[[], Session]
    """Raises MqError."""
    progress: Callable[[State], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    state: State = field(init=False)
    _session: Session | None = None
    _began_s: float = 0.0
    _begun: int = 0
    """Messages whose time has come since the load began."""
    _stuck_s: float | None = None
    """Since when nothing could be put."""

    def load(self) -> State:
        """Put what is left of the file, and return how it ended. Raises Problems."""
        self.state = self._first_state()
        errors = LineLog(self.job.errors_file)
        self._began_s = self.now_s()
        try:
            with self.job.file.open("rb") as file:
                for unit in self._units(file):
                    self._put_unit(unit, errors)
        finally:
            errors.close()
            self._drop()
        return self.state

    def _first_state(self) -> State:
        job, path = self.job, self.job.state_file
        if not job.resume:
            job.errors_file.unlink(missing_ok=True)
            return State(job.queue, job.queue_manager)
        try:
            state = State(**orjson.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise Problems(
                [f"--resume: {path} does not say how far {job.file} was loaded ({error})"]
            ) from error
        if (state.queue, state.queue_manager) != (job.queue, job.queue_manager):
            raise Problems(
                [
                    f"--resume: {job.file} was loaded to {state.queue} of {state.queue_manager}, and "
                    f"not to {job.queue} of {job.queue_manager}"
                ]
            )
        return state

    def _units(self, file: BinaryIO) -> Iterator[list[Line]]:
        """Yield the file's lines that are left, in units of work."""
        rate = self.job.rate_per_s
        size = max(1, min(UNIT_MAX, round(rate * UNIT_S))) if rate else UNIT_MAX
        file.seek(self.state.offset)
        unit: list[Line] = []
        number = self.state.lines
        for text in file:
            number += 1
            unit.append(Line(number, text))
            if len(unit) == size:
                yield unit
                unit = []
        if unit:
            yield unit

    def _put_unit(self, unit: list[Line], errors: LineLog) -> None:
        """Put lines and commit, however often that takes; those that cannot be put are named."""
        left = [(line, self._due_s()) for line in unit]
        while left:
            left = left[self._put_some(left, errors) :]

    def _put_some(self, left: Sequence[tuple[Line, float]], errors: LineLog) -> int:
        """Put lines and commit; return how many of them are dealt with: fewer where the queue is full."""
        done, refused, full, put = 0, [], None, 0
        try:
            session = self._connected()
            for line, due_s in left:
                self._wait_until(due_s)
                try:
                    why = self._put(session, line)
                except MqError as error:
                    if error.reason not in FULL:
                        raise
                    full = error
                    break
                if why is not None:
                    refused.append({"line": line.number, "why": why})
                done, put = done + 1, put + (why is None)
            session.commit()
        except MqError as error:
            if error.verb == "MQCMIT":
                self.state.again += put
                self.say(f"{error.told}; {put} messages may be there already, and are put again")
            self._drop()
            self._stuck(error)
            return 0
        self._record([line for line, _ in left[:done]], refused, put, errors)
        if full is not None:
            self._stuck(full)
        return done

    def _record(
        self, lines: Sequence[Line], refused: list[dict[str, Any]], put: int, errors: LineLog
    ) -> None:
        """Write down what is dealt with."""
        if not lines:
            return
        errors.write_all(refused)
        self.state.lines = lines[-1].number
        self.state.offset += sum(len(line.text) for line in lines)
        self.state.put += put
        self.state.refused += len(refused)
        self.state.write(self.job.state_file)
        self.progress(self.state)
        self._stuck_s = None

    def _put(self, session: Session, line: Line) -> str | None:
        """Put a line under syncpoint; return why it cannot be. Raises MqError for what may pass."""
        message = message_of(line.text)
        if message is None:
            return "not a JSON object"
        try:
            session.put(self.job.queue, message, syncpoint=True)
        except MqError as error:
            if error.reason not in TOO_LONG:
                raise
            return str(error)
        return None

    def _stuck(self, error: MqError) -> None:
        """Wait before it is tried again. Raises Problems where that is of no use, or took too long."""
        now_s = self.now_s()
        is_first = self._stuck_s is None
        self._stuck_s = now_s if self._stuck_s is None else self._stuck_s
        passes = error.is_broken or error.reason in FULL
        if not passes or now_s - self._stuck_s > self.job.give_up_s:
            raise Problems([f"{error.told} ({self.told()})"])
        if is_first:
            self.say(f"{error.told}; trying again for {self.job.give_up_s:g} s")
        self.sleep(FULL_S)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _connected(self) -> Session:
        if self._session is None:
            self._session = self.connect()
        return self._session

    def _due_s(self) -> float:
        """Return when the next message is due."""
        rate, number = self.job.rate_per_s, self._begun
        self._begun += 1
        return self._began_s + (number / rate if rate else 0)

    def _wait_until(self, due_s: float) -> None:
        wait_s = due_s - self.now_s()
        if wait_s > 0:
            self.sleep(wait_s)

    def told(self) -> str:
        """Say how far it has come."""
        state = self.state
        told = f"{counted(state.put, 'message')} put on {state.queue}"
        if state.refused:
            told += f", {counted(state.refused, 'line')} not: see {self.job.errors_file}"
        if state.again:
            told += f", {state.again:,} of them perhaps twice, since a commit was in doubt"
        return told


def message_of(text: bytes) -> Put | None:
    """Return the message of a line: with the correlation id and the reply queue that it names."""
    try:
        fields: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict):
        return None
    reply_to = fields.get("replyTo")
    return Put(
        body=text.rstrip(b"\r\n"),
        correl_id=_correl_id(fields.get("correlationId")),
        reply_to=reply_to if isinstance(reply_to, str) else "",
    )


def _correl_id(value: object) -> bytes:
    try:
        raw = bytes.fromhex(value) if isinstance(value, str) else NO_ID
    except ValueError:
        return NO_ID
    return raw if len(raw) == len(NO_ID) else NO_ID

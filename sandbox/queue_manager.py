"""The queue manager: its queues by name, who may connect, and what outlives a restart.

It is a stand-in for tests and demonstrations, not IBM MQ: it behaves like one where a program that
puts, gets and asks can tell, and does nothing else.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from sandbox.message_log import MessageLog
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import NAME_BYTES, padded
from sandbox.puts import Stamps
from sandbox.queues import Definition, Message, Queue, arrival_of

DESCRIPTION = "paystorm sandbox: a stand-in for tests, not IBM MQ"
DEAD_LETTER_QUEUE = "SYSTEM.DEAD.LETTER.QUEUE"
MODEL_QUEUE = "SYSTEM.DEFAULT.MODEL.QUEUE"
OBJECT_NAME = re.compile(r"[A-Za-z0-9._/%]{1,48}")
"""What a queue, a queue manager or a channel may be called."""
UNCOMMITTED_MAX = 10_000
"""How many messages a unit of work may have."""


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    """How a queue manager is defined; `credentials` is user -> password, empty to let all in."""

    name: str = "QM1"
    channels: tuple[str, ...] = ("DEV.APP.SVRCONN",)
    queues: tuple[Definition, ...] = ()
    credentials: Mapping[str, str] = field(default_factory=dict)
    sessions_max: int = 2_000


class QueueManager:
    """All of it runs on one event loop. Methods raise Failed.

    With a message log, its messages are there again; the log is the caller's to close. `clock_ns`
    gives nanoseconds since 1970, UTC.
    """

    def __init__(
        self,
        settings: ManagerSettings,
        log: MessageLog | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.name = settings.name.encode()
        self.field = padded(self.name, NAME_BYTES)
        """The name as structures have it."""
        self.clock_ns = clock_ns
        self.is_quiescing = False
        self.sessions = 0
        self._log = log
        self._numbers = count(1)
        self._queues: dict[bytes, Queue] = {}
        for definition in (*settings.queues, Definition(DEAD_LETTER_QUEUE)):
            self.define(definition)
        stored = log.messages() if log else []
        arrivals = max((arrival_of(message.place) for _, message in stored), default=0)
        self.stamps = Stamps(self.name, clock_ns(), arrivals + 1)
        for name, message in stored:
            queue = self._queues.get(name.encode()) or self.define(Definition(name))
            queue.restore(message)

    def define(self, definition: Definition) -> Queue:
        """Make a queue."""
        queue = Queue(definition, self.clock_ns, lambda message: self.write(gone=[message]))
        self._queues[queue.name] = queue
        return queue

    def check(self, name: bytes, channel: bytes, user: bytes, password: bytes) -> None:
        """Raise Failed unless a program may connect to this queue manager, so and over this channel."""
        if channel.decode("latin-1") not in self.settings.channels:
            raise Failed(codes.MQRC_UNKNOWN_CHANNEL_NAME)
        if name.lstrip(b"*") not in (b"", self.name):
            raise Failed(codes.MQRC_Q_MGR_NAME_ERROR)
        if self.settings.credentials:
            expected = self.settings.credentials.get(user.decode("utf-8", "replace"))
            if expected is None or not hmac.compare_digest(expected.encode(), password):
                raise Failed(codes.MQRC_NOT_AUTHORIZED)
        if self.is_quiescing:
            raise Failed(codes.MQRC_Q_MGR_QUIESCING)
        if self.sessions >= self.settings.sessions_max:
            raise Failed(codes.MQRC_CHANNEL_NOT_AVAILABLE)

    def next_number(self) -> int:
        """Return a number that was not there before, higher than all before it."""
        return next(self._numbers)

    def own_queue(self, name: bytes, manager: bytes = b"") -> Queue:
        """Return the queue of a name, at this queue manager."""
        if manager not in (b"", self.name):
            raise Failed(codes.MQRC_UNKNOWN_REMOTE_Q_MGR)
        queue = self._queues.get(name)
        if queue is None:
            raise Failed(codes.MQRC_UNKNOWN_OBJECT_NAME)
        return queue

    def queue_for(self, name: bytes, manager: bytes, dynamic: bytes) -> tuple[Queue, bool]:
        """Return what opening a name gives, and whether it was made for that: a dynamic queue is."""
        if name != MODEL_QUEUE.encode():
            return self.own_queue(name, manager), False
        return self.define(Definition(self._dynamic_name(dynamic), is_dynamic=True)), True

    def delete(self, queue: Queue) -> None:
        """Take a queue away, with what is on it."""
        queue.is_deleted = True
        for waiter in queue.waiters:
            waiter.fail(codes.MQRC_Q_DELETED)
        self._queues.pop(queue.name, None)

    def write(
        self,
        puts: Iterable[tuple[Queue, Message]] = (),
        gone: Iterable[Message] = (),
        backed_out: Iterable[Message] = (),
    ) -> None:
        """Write down what happened to persistent messages, where there is a log."""
        if self._log is not None:
            named = [(queue.definition.name, message) for queue, message in puts]
            self._log.write(named, gone, backed_out)

    def quiesce(self) -> None:
        """Let nobody new in, and end the waits of those who asked to be told."""
        self.is_quiescing = True
        for queue in self._queues.values():
            for waiter in queue.waiters:
                if waiter.heeds_quiescing:
                    waiter.fail(codes.MQRC_Q_MGR_QUIESCING)

    def _dynamic_name(self, pattern: bytes) -> str:
        prefix, star, _ = pattern.decode("latin-1").partition("*")
        name = f"{prefix}{self.next_number():016X}" if star else prefix
        if OBJECT_NAME.fullmatch(name) is None:
            raise Failed(codes.MQRC_DYNAMIC_Q_NAME_ERROR)
        if name.encode() in self._queues:
            raise Failed(codes.MQRC_OBJECT_ALREADY_EXISTS)
        return name

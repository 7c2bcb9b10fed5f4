"""Access to a queue manager: what all users of one process share when they send over IBM MQ."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

import gevent
from gevent import Greenlet

from e2e_data.ids import Ids
from e2e_data.mq import MqMessage
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles.channels.deadlines import NEVER_NS, Deadlines
from locustfiles.channels.mq_binding import Binding, load
from locustfiles.channels.mq_faults import InDoubtError, NoReplyError, NotPutError, of_put
from locustfiles.channels.mq_lanes import Inline, OsThread
from locustfiles.channels.mq_links import Link, Links, Patience
from locustfiles.channels.mq_reader import WAIT_MS, Reader
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_replies import Awaited, Ledger, OverdueError, Replies
from locustfiles.channels.mq_session import Got, Login, Put, Session
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.channels.mq_structs import NO_ID, UNLIMITED
from reports.timeline import REPLIES_CUT

log = logging.getLogger(__name__)

GLEAN_S = 0.5
"""How often the replies that came late are looked for, where each user gets its own."""
GLEANED = 64


@dataclass(frozen=True, slots=True)
class Desk:
    """Makes links to one queue manager, which all wait for it together."""

    binding: Binding
    login: Login
    patience: Patience

    @classmethod
    def of(cls, settings: MqSettings, say: Callable[[str], None]) -> Desk:
        """Load the binding and read the secrets. Raises Problems."""
        binding = load(settings.binding, settings.library)
        return cls(binding, Login.of(settings), Patience(say=say))

    def connect(self) -> Session:
        """Return a new session. Raises MqError."""
        return Session(self.binding, self.login)

    def link(self) -> Link:
        """Return a new link."""
        lane = OsThread if self.binding.is_threaded else Inline
        return Link(self.connect, lane, self.patience)


class _Late(Enum):
    """What a user was waiting for when its time was over."""

    NOT_FREE = auto()
    NOT_CONNECTED = auto()
    NOT_TAKEN = auto()
    NO_REPLY = auto()


class MqAccess:
    """Puts commands and tells their replies to whoever waits."""

    def __init__(
        self,
        settings: MqSettings,
        platform: Platform,
        ids: Ids,
        ledger: Ledger,
        timeout_s: float,
        say: Callable[[str], None],
        *,
        shared: bool = False,
    ) -> None:
        """Nothing is connected yet. `shared`: other processes of the run read replies as well.

        A command may take `timeout_s` until its reply. `say` gets what people should know of, once.
        Raises Problems where the binding or a secret is missing.
        """
        self.settings, self._timeout_s, self._say = settings, timeout_s, say
        self._desk = Desk.of(settings, say)
        self.replies = Replies(platform, ids, ledger, say)
        self._shared = shared
        self._expiry = UNLIMITED if settings.expiry_s is None else round(10 * settings.expiry_s)
        self._links = Links(self._desk.link, settings.connections)
        self._deadlines = Deadlines(timeout_s)
        self._readers: list[Reader] = []
        self._turn = 0
        self._is_cut = False
        self._backout: Reader | None = None
        self._gleaner: Greenlet[..., None] | None = None

    def open(self) -> None:
        """Make sure that everything is there, and begin to read. Raises Problems with all that is not."""
        probe(self._desk, purge=self.settings.purge_replies, say=self._say)
        self._links.warm()
        if self.settings.replies == "reader":
            self._readers = [
                self._reading(self._reply_queue, self.replies.take)
                for _ in range(self.settings.readers)
            ]
            for reader in self._readers:
                reader.is_open.wait(self._timeout_s)
        else:
            self._gleaner = gevent.spawn(self._glean, self._desk.link())
        backout = self.settings.backout_queue
        if backout is not None:
            self._backout = self._reading(lambda _: backout, self.replies.put_aside, browse=True)

    def close(self) -> None:
        """Read no more, and let go of all connections."""
        if self._gleaner is not None:
            self._gleaner.kill()
        readers = [*self._readers, *([self._backout] if self._backout else [])]
        gevent.joinall([gevent.spawn(reader.stop) for reader in readers])
        self._links.close()

    def next_reply_queue(self) -> str:
        """Where the reply to the next command is to go: the readers take turns."""
        if not self._readers:
            return self.settings.reply_queue
        self._turn = (self._turn + 1) % len(self._readers)
        return self._readers[self._turn].queue

    def exchange(self, message: MqMessage, reply_to: str, awaited: Awaited) -> None:
        """Put a command and wait until it is answered or put aside: `awaited` then says what.

        The reply is to go to `reply_to`, a name that `next_reply_queue` gave.

        Raises NotSentError where nothing was put, and UnansweredError where that is not known, or no
        reply came in time.
        """
        now_ns = self._deadlines.now_ns()
        awaited.due_ns = now_ns + self._deadlines.timeout_ns
        self._deadlines.watch(awaited)
        self.replies.expect(message.correl_id, awaited)
        late = _Late.NOT_FREE
        try:
            with self._links.one() as link:
                late = _Late.NOT_CONNECTED
                link.connect()
                late = _Late.NOT_TAKEN
                self._put(link, message, reply_to)
                late = _Late.NO_REPLY
                if self.settings.replies == "own-get":
                    self._get_within(link, message.correl_id, awaited)
            awaited.answered.wait()
        except OverdueError:
            raise self._overdue(late, message.correl_id) from None
        except NotPutError:
            self.replies.forget(message.correl_id)
            raise
        finally:
            awaited.give_up()

    def _overdue(self, late: _Late, correl_id: bytes) -> NotPutError | InDoubtError | NoReplyError:
        """Return what it means that the time is over, by what was waited for."""
        if late is _Late.NO_REPLY:
            return NoReplyError(f"{self._timeout_s:g} s")
        if late is _Late.NOT_TAKEN:
            return InDoubtError("no answer of the queue manager in time")
        self.replies.forget(correl_id)
        if late is _Late.NOT_CONNECTED:
            return NotPutError("no connection in time")
        return NotPutError(
            f"all {len(self._links)} connections were in use for {self._timeout_s:g} s"
        )

    def _put(self, link: Link, message: MqMessage, reply_to: str) -> None:
        settings = self.settings
        put = Put(
            body=message.body,
            correl_id=message.correl_id,
            msg_id=message.correl_id if settings.reply_match == "msg-id" else NO_ID,
            reply_to=reply_to,
            expiry_tenths=self._expiry,
            format=message.format,
            ccsid=message.ccsid,
        )

        def call(session: Session) -> None:
            session.put(settings.command_queue, put, syncpoint=settings.syncpoint)
            if settings.syncpoint:
                session.commit()

        try:
            link.use(call)
        except MqError as error:
            raise of_put(error, syncpoint=settings.syncpoint) from error

    def _get_within(self, link: Link, correl_id: bytes, awaited: Awaited) -> None:
        """Get one's own replies until the final one. Raises NoReplyError where the time is over before.

        No deadline ends a get: it might take its message along.
        """
        queue, due_ns = self.settings.reply_queue, awaited.due_ns
        awaited.due_ns = NEVER_NS
        while correl_id in self.replies:
            left_ms = round((due_ns - self._deadlines.now_ns()) / 1e6)
            if left_ms <= 0:
                if awaited.answered.is_set():
                    return
                raise NoReplyError(f"{self._timeout_s:g} s")
            try:
                found = link.use(partial(_get_own, queue, [correl_id], min(left_ms, WAIT_MS)))
            except MqError as error:
                # The command is put, and its reply is gleaned once there is a connection.
                self._cut()
                raise NoReplyError(error.short) from error
            for got in found:
                self.replies.take(got)

    def _glean(self, link: Link) -> None:
        """Look for the replies that came after their users had stopped waiting for them."""
        queue = self.settings.reply_queue
        while True:
            gevent.sleep(GLEAN_S)
            overdue = self.replies.overdue()
            for start in range(0, len(overdue), GLEANED):
                keys = overdue[start : start + GLEANED]
                try:
                    found = link.use(partial(_get_own, queue, keys, 0))
                except MqError as error:
                    log.debug("%s", error)
                    self._cut()
                    break
                for got in found:
                    self.replies.take(got)

    def _cut(self) -> None:
        """Say once that a reply may have been lost on its way."""
        if not self._is_cut:
            self._is_cut = True
            self._say(REPLIES_CUT)

    def _reply_queue(self, session: Session) -> str:
        """Name the queue of a new connection; in a fleet, each reader has one of its own."""
        if self._shared:
            return session.own_queue(self.settings.reply_model)
        return self.settings.reply_queue

    def _reading(
        self,
        open_queue: Callable[[Session], str],
        take: Callable[..., None],
        *,
        browse: bool = False,
    ) -> Reader:
        together = self._desk.binding.is_threaded
        link = self._desk.link()
        return Reader(link, open_queue, take, self._say, together=together, browse=browse)


def probe(desk: Desk, say: Callable[[str], None], *, purge: bool = False) -> None:
    """Connect once and open every queue that a run needs. Raises Problems with all that is wrong."""
    settings, link = desk.login.settings, desk.link()
    try:
        problems = link.once(lambda session: _looked_at(session, settings))
        if not problems and purge:
            gone = link.use(lambda session: _purged(session, settings.reply_queue))
            if gone:
                say(f"{gone} messages were taken off {settings.reply_queue} before the run")
    except MqError as error:
        problems = [error.told]
    finally:
        link.close()
    if problems:
        raise Problems([f"mq: {problem}" for problem in problems])


def _looked_at(session: Session, settings: MqSettings) -> list[str]:
    """Return what is wrong with the queues."""
    problems = []
    looks: list[Callable[[], object]] = [
        lambda: session.open_for_put(settings.command_queue),
        lambda: session.get(settings.reply_queue, correl_id=b"\0" * 23 + b"?"),
    ]
    if settings.backout_queue is not None:
        backout = settings.backout_queue
        looks.append(lambda: session.browse(backout, first=True))
    for look in looks:
        try:
            look()
        except MqError as error:
            problems.append(error.told)
    return problems


def _get_own(queue: str, correl_ids: list[bytes], wait_ms: int, session: Session) -> list[Got]:
    """Get the next message of each of some correlation ids, where there is one."""
    return [got for key in correl_ids if (got := session.get(queue, wait_ms, key)) is not None]


def _purged(session: Session, queue: str) -> int:
    gone = 0
    while session.get(queue) is not None:
        gone += 1
    return gone

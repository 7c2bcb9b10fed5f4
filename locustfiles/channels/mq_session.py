"""A session with a queue manager: the one wrapper around both bindings.

Each call waits until the queue manager has answered, on whatever thread it is made; one session is for
one thread at a time. What goes wrong is an MqError with IBM's reason, whichever binding it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from locustfiles.channels.mq_binding import Binding
from locustfiles.channels.mq_reasons import (
    NO_MESSAGE,
    NOT_CONVERTED,
    TRUNCATED,
    MqError,
)
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.channels.mq_structs import (
    CCSID_UTF8,
    FORMAT_STRING,
    NO_ID,
    UNLIMITED,
    Descriptor,
    read,
    text,
)
from locustfiles.channels.secret import Secret

MESSAGE_BYTES = 64 * 1024
"""A longer reply is none: it is taken off the queue, and what fits of it is read."""
_APPLICATION_VERSION = 7
"""Of the MQCNO: from it on an application can name itself, and a CCDT."""
_KEY_PASSWORD_VERSION = 6
"""Of the MQSCO."""
_PERSISTENCE = {"no": 0, "yes": 1, "queue": 2}

Made = TypeVar("Made")


class Got(NamedTuple):
    """A message that was got."""

    body: bytes
    md: Descriptor


class Put(NamedTuple):
    """A message to put."""

    body: bytes
    correl_id: bytes = NO_ID
    msg_id: bytes = NO_ID
    """NO_ID has the queue manager make one."""
    reply_to: str = ""
    """The queue for replies; without one the message asks for none."""
    expiry_tenths: int = UNLIMITED
    format: bytes = FORMAT_STRING
    encoding: int | None = None
    """None for the machine's own."""
    ccsid: int = CCSID_UTF8
    persistence: int | None = None
    """None for what the settings say."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a connection is made with, secrets read."""

    settings: MqSettings
    password: str = ""
    key_password: str = ""

    def __repr__(self) -> str:
        return f"<login at {self.settings.place}>"

    @classmethod
    def of(cls, settings: MqSettings) -> Login:
        """Read what is secret. Raises Problems where there is none."""
        secrets = (settings.password, settings.key_repository_password)
        return cls(settings, *(Secret(one).read() if one else "" for one in secrets))


class Session:
    """A connection, with the queues that were opened over it."""

    def __init__(self, binding: Binding, login: Login) -> None:
        """Connect. Raises MqError."""
        self._mq, self._codes = binding.mq, binding.codes
        self._structs = binding.structs
        self._settings = login.settings
        self._persistence = _PERSISTENCE[login.settings.persistence]
        self._queues: dict[tuple[str, int], Any] = {}
        connect = _connect_ibmmq if binding.name != "pymqi" else _connect_pymqi
        self._manager = self._call("MQCONNX", login.settings.place, connect, self._mq, login)

    # -- putting --------------------------------------------------------------------------------

    def put(self, queue: str, message: Put, *, syncpoint: bool = False) -> bytes:
        """Put a message, and return its id. Raises MqError."""
        codes = self._codes
        options = codes.MQPMO_FAIL_IF_QUIESCING
        options |= codes.MQPMO_SYNCPOINT if syncpoint else codes.MQPMO_NO_SYNCPOINT
        if message.msg_id == NO_ID:
            options |= codes.MQPMO_NEW_MSG_ID
        asks = {}
        if message.reply_to:
            asks = {
                "MsgType": codes.MQMT_REQUEST,
                "ReplyToQ": message.reply_to.encode(),
                "ReplyToQMgr": self._settings.reply_to_manager.encode(),
            }
        md = self._structs.descriptor(
            *(message.msg_id, message.correl_id),
            Format=message.format.ljust(8),
            Encoding=codes.MQENC_NATIVE if message.encoding is None else message.encoding,
            CodedCharSetId=message.ccsid,
            Expiry=message.expiry_tenths,
            Persistence=self._persistence if message.persistence is None else message.persistence,
            **asks,
        )
        target = self._queue(queue, codes.MQOO_OUTPUT)
        pmo = self._structs.put_options(options)
        self._call("MQPUT", queue, target.put, message.body, md, pmo)
        return read(md).msg_id

    def open_for_put(self, queue: str) -> None:
        """Make sure that messages may be put on a queue. Raises MqError."""
        self._queue(queue, self._codes.MQOO_OUTPUT)

    def commit(self) -> None:
        """Commit the unit of work. Raises MqError."""
        self._call("MQCMIT", self._settings.queue_manager, self._manager.commit)

    def back_out(self) -> None:
        """Undo the unit of work. Raises MqError."""
        self._call("MQBACK", self._settings.queue_manager, self._manager.backout)

    # -- getting --------------------------------------------------------------------------------

    def get(
        self,
        queue: str,
        wait_ms: int = 0,
        correl_id: bytes | None = None,
        *,
        syncpoint: bool = False,
        room: int | None = MESSAGE_BYTES,
    ) -> Got | None:
        """Get the first message, or the first with a correlation id; None where none comes in time.

        Without `room`, in bytes, a message comes whole, however long it is. Raises MqError.
        """
        codes = self._codes
        options = codes.MQGMO_SYNCPOINT if syncpoint else codes.MQGMO_NO_SYNCPOINT
        return self._got(queue, codes.MQOO_INPUT_SHARED, options, wait_ms, correl_id, room)

    def browse(
        self, queue: str, wait_ms: int = 0, *, first: bool = False, room: int | None = MESSAGE_BYTES
    ) -> Got | None:
        """Look at the next message, or the first, and leave it there; None where there is none."""
        codes = self._codes
        options = codes.MQGMO_BROWSE_FIRST if first else codes.MQGMO_BROWSE_NEXT
        return self._got(queue, codes.MQOO_BROWSE, options, wait_ms, None, room)

    def get_by_id(self, queue: str, msg_id: bytes) -> Got | None:
        """Get the message of an id under syncpoint, whole; None where there is none."""
        codes = self._codes
        return self._got(
            queue, codes.MQOO_INPUT_SHARED, codes.MQGMO_SYNCPOINT, 0, None, None, msg_id
        )

    def depth(self, queue: str) -> int:
        """Return how many messages a queue has. Raises MqError."""
        found = self._queue(queue, self._codes.MQOO_INQUIRE)
        return int(self._call("MQINQ", queue, found.inquire, self._codes.MQIA_CURRENT_Q_DEPTH))

    def own_queue(self, model: str) -> str:
        """Make a queue of a model's kind, and return its name. Raises MqError.

        It is open for getting; a temporary one is gone when the connection is.
        """
        codes = self._codes
        od = self._mq.OD(ObjectName=model.encode(), DynamicQName=b"PAYSTORM.*")
        options = codes.MQOO_INPUT_SHARED
        queue = self._call("MQOPEN", model, self._mq.Queue, self._manager, od, options)
        name = text(od.ObjectName).decode()
        self._queues[name, options] = queue
        return name

    def close(self) -> None:
        """Disconnect; what is uncommitted is backed out. Nothing is raised: it is over anyway."""
        with suppress(Exception):
            self._manager.backout()
        self._queues.clear()
        with suppress(Exception):
            self._manager.disconnect()

    # -- calls ----------------------------------------------------------------------------------

    def _got(
        self,
        queue: str,
        opened_for: int,
        options: int,
        wait_ms: int,
        correl_id: bytes | None,
        room: int | None,
        msg_id: bytes | None = None,
    ) -> Got | None:
        codes = self._codes
        options |= codes.MQGMO_FAIL_IF_QUIESCING | codes.MQGMO_CONVERT | codes.MQGMO_NO_PROPERTIES
        options |= codes.MQGMO_WAIT if wait_ms else 0
        options |= codes.MQGMO_ACCEPT_TRUNCATED_MSG if room else 0
        match = codes.MQMO_MATCH_CORREL_ID if correl_id is not None else codes.MQMO_NONE
        match |= codes.MQMO_MATCH_MSG_ID if msg_id is not None else codes.MQMO_NONE
        gmo = self._structs.get_options(options, wait_ms, match)
        md = self._structs.descriptor(
            msg_id or NO_ID, correl_id or NO_ID, CodedCharSetId=CCSID_UTF8
        )
        opened = self._queue(queue, opened_for)
        try:
            body = self._call("MQGET", queue, opened.get, room, md, gmo)
        except MqError as error:
            if error.reason == NO_MESSAGE:
                return None
            if error.reason not in (TRUNCATED, NOT_CONVERTED):
                raise
            # Warnings: the message is here, off its queue, if not as it was hoped for.
            body = getattr(error.__cause__, "message", b"")
        return Got(body, read(md))

    def _queue(self, name: str, options: int) -> Any:
        """Return a queue that is open for a use; it is opened once."""
        queue = self._queues.get((name, options))
        if queue is None:
            quiescing = self._codes.MQOO_FAIL_IF_QUIESCING
            queue = self._call(
                "MQOPEN", name, self._mq.Queue, self._manager, name, options | quiescing
            )
            self._queues[name, options] = queue
        return queue

    def _call(self, verb: str, subject: str, call: Callable[..., Made], *args: Any) -> Made:
        try:
            return call(*args)
        except self._mq.MQMIError as error:
            name = str(error.errorAsString()).rpartition(" ")[2]
            raise MqError(verb, int(error.reason), subject, name) from error


def _connect_ibmmq(mq: Any, login: Login) -> Any:
    settings, codes = login.settings, mq.CMQC
    cno = mq.CNO(
        Options=codes.MQCNO_CLIENT_BINDING | codes.MQCNO_HANDLE_SHARE_BLOCK,
        Version=_APPLICATION_VERSION,
        ApplName=settings.application.encode(),
    )
    if settings.ccdt:
        cno.CCDTUrl = _url(settings.ccdt)
    structures = {"cno": cno, **_channel(mq, settings)}
    if settings.user is not None:
        structures["csp"] = mq.CSP(CSPUserId=settings.user, CSPPassword=login.password)
    if login.key_password and "sco" in structures:
        structures["sco"].Version = _KEY_PASSWORD_VERSION
        structures["sco"].KeyRepoPassword = login.key_password
    manager = mq.QueueManager(None)
    manager.connect_with_options(settings.queue_manager, **structures)
    return manager


def _connect_pymqi(mq: Any, login: Login) -> Any:
    settings, codes = login.settings, mq.CMQC
    # What this binding has no argument for, IBM's library takes from the environment.
    os.environ.setdefault("MQAPPLNAME", settings.application)
    if settings.ccdt:
        os.environ["MQCCDTURL"] = _url(settings.ccdt)
    if login.key_password:
        os.environ["MQKEYRPWD"] = login.key_password
    credentials = {}
    if settings.user is not None:
        credentials = {"user": settings.user, "password": login.password}
    manager = mq.QueueManager(None)
    manager.connect_with_options(
        settings.queue_manager.encode(),
        opts=codes.MQCNO_HANDLE_SHARE_BLOCK,
        **_channel(mq, settings),
        **credentials,
    )
    return manager


def _channel(mq: Any, settings: MqSettings) -> dict[str, Any]:
    """Return the structures that say where to, and with which certificates."""
    structures = {}
    if not settings.ccdt:
        cd = structures["cd"] = mq.CD(
            ChannelName=settings.channel.encode(),
            ConnectionName=settings.connection_name.encode(),
            ChannelType=mq.CMQXC.MQCHT_CLNTCONN,
            TransportType=mq.CMQXC.MQXPT_TCP,
        )
        if settings.tls_cipher:
            cd.SSLCipherSpec = settings.tls_cipher.encode()
    if settings.key_repository is not None:
        label = (settings.certificate_label or "").encode()
        structures["sco"] = mq.SCO(
            KeyRepository=str(settings.key_repository).encode(), CertificateLabel=label
        )
    return structures


def _url(ccdt: str) -> str:
    return ccdt if "://" in ccdt else Path(ccdt).resolve().as_uri()

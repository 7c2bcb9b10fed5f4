"""What IBM MQ answers when it does not do as it was asked: each reason's name, and what to check.

A call ends with a completion code and a reason. Whether a put may have taken effect follows from the
reason: only where the connection broke in the middle of it is that unknown.
"""

from __future__ import annotations

NO_MESSAGE = 2033
TRUNCATED = 2079
NOT_CONVERTED = 2119

_DEFINED = "see docs/mq.md for the definitions that a run needs"

REASONS: dict[int, tuple[str, str]] = {
    2001: ("MQRC_ALIAS_BASE_Q_TYPE_ERROR", "the alias queue's base must be a queue"),
    2009: (
        "MQRC_CONNECTION_BROKEN",
        "the queue manager or the network went away; it is tried again",
    ),
    2010: (
        "MQRC_DATA_LENGTH_ERROR",
        "the message is longer than the channel's MAXMSGL: raise it on both ends",
    ),
    2016: ("MQRC_GET_INHIBITED", "the queue lets nobody get: ALTER QLOCAL(…) GET(ENABLED)"),
    2017: ("MQRC_HANDLE_NOT_AVAILABLE", "raise the queue manager's MAXHANDS"),
    2018: ("MQRC_HCONN_ERROR", "the connection was closed already"),
    2024: (
        "MQRC_SYNCPOINT_LIMIT_REACHED",
        "raise the queue manager's MAXUMSGS, or set syncpoint = false",
    ),
    2030: (
        "MQRC_MSG_TOO_BIG_FOR_Q",
        "the message is longer than the queue's MAXMSGL; hostile commands with oversized "
        "descriptions may be meant to be",
    ),
    2031: ("MQRC_MSG_TOO_BIG_FOR_Q_MGR", "the message is longer than the queue manager's MAXMSGL"),
    2033: ("MQRC_NO_MSG_AVAILABLE", "no message came in time"),
    2035: (
        "MQRC_NOT_AUTHORIZED",
        "check user and password, the channel's CHLAUTH and MCAUSER, and the authorities of queue "
        "manager and queues (AMQERR01.LOG says which)",
    ),
    2042: (
        "MQRC_OBJECT_IN_USE",
        "somebody has the queue open exclusively: end that program, or DEFSOPT(SHARED) and SHARE",
    ),
    2043: ("MQRC_OBJECT_TYPE_ERROR", "the name is of something that is no queue"),
    2045: ("MQRC_OPTION_NOT_VALID_FOR_TYPE", "the queue is remote or an alias, and cannot be read"),
    2051: ("MQRC_PUT_INHIBITED", "the queue takes nothing: ALTER QLOCAL(…) PUT(ENABLED)"),
    2052: ("MQRC_Q_DELETED", "the queue was deleted while it was open"),
    2053: (
        "MQRC_Q_FULL",
        "nobody takes messages off the queue fast enough: look at the platform, or raise MAXDEPTH",
    ),
    2056: ("MQRC_Q_SPACE_NOT_AVAILABLE", "the queue manager's disk is full"),
    2058: (
        "MQRC_Q_MGR_NAME_ERROR",
        "another queue manager listens there, or the CCDT has no entry for this one: check "
        'queue_manager (MQ_QMGR); "*NAME" takes any of a group',
    ),
    2059: (
        "MQRC_Q_MGR_NOT_AVAILABLE",
        "check that the queue manager runs and its listener too, and check hosts (MQ_HOST, MQ_PORT)",
    ),
    2063: ("MQRC_SECURITY_ERROR", "the queue manager could not check who this is: see its log"),
    2079: ("MQRC_TRUNCATED_MSG_ACCEPTED", "the message was longer than any reply should be"),
    2080: ("MQRC_TRUNCATED_MSG_FAILED", "the message is longer than any reply should be"),
    2085: ("MQRC_UNKNOWN_OBJECT_NAME", f"there is no queue of that name; {_DEFINED}"),
    2087: (
        "MQRC_UNKNOWN_REMOTE_Q_MGR",
        "the queue names a queue manager to which there is no transmission queue",
    ),
    2092: ("MQRC_XMIT_Q_USAGE_ERROR", "the transmission queue is none: USAGE(XMITQ)"),
    2102: ("MQRC_RESOURCE_PROBLEM", "the queue manager is out of some resource: see its log"),
    2119: ("MQRC_NOT_CONVERTED", "the message's text is in a character set that is not known"),
    2161: ("MQRC_Q_MGR_QUIESCING", "the queue manager is about to end"),
    2162: ("MQRC_Q_MGR_STOPPING", "the queue manager is ending"),
    2195: ("MQRC_UNEXPECTED_ERROR", "see the error log of IBM's client, AMQERR01.LOG"),
    2202: ("MQRC_CONNECTION_QUIESCING", "the queue manager ends this connection"),
    2203: ("MQRC_CONNECTION_STOPPING", "the queue manager ended this connection"),
    2219: ("MQRC_CALL_IN_PROGRESS", "two threads used one connection"),
    2223: ("MQRC_Q_MGR_NOT_ACTIVE", "the queue manager ended"),
    2277: ("MQRC_CD_ERROR", "the channel's definition is wrong: check hosts and channel"),
    2278: ("MQRC_CLIENT_CONN_ERROR", "the client connection is not well defined: check hosts"),
    2298: ("MQRC_FUNCTION_NOT_SUPPORTED", "this queue manager cannot do that"),
    2362: (
        "MQRC_BACKOUT_THRESHOLD_REACHED",
        "whoever reads the queue backed the message out as often as it bears: see that program's log",
    ),
    2381: ("MQRC_KEY_REPOSITORY_ERROR", "check key_repository: that it is there and can be read"),
    2393: (
        "MQRC_SSL_INITIALIZATION_ERROR",
        "TLS cannot begin: check tls_cipher, key_repository with its password or stash file, and "
        "certificate_label; the sandbox has no TLS",
    ),
    2396: ("MQRC_SSL_NOT_ALLOWED", "the channel has no TLS: leave tls_cipher out"),
    2400: ("MQRC_UNSUPPORTED_CIPHER_SUITE", "tls_cipher is none that IBM's client knows"),
    2495: ("MQRC_MODULE_NOT_FOUND", "IBM's client library is not whole: see library in docs/mq.md"),
    2537: (
        "MQRC_CHANNEL_NOT_AVAILABLE",
        "the channel is stopped, or has as many instances as it may: raise MAXINST and MAXINSTC, or "
        "lower connections",
    ),
    2538: (
        "MQRC_HOST_NOT_AVAILABLE",
        "nobody listens there: check hosts (MQ_HOST, MQ_PORT), the listener and the firewall",
    ),
    2539: (
        "MQRC_CHANNEL_CONFIG_ERROR",
        "both ends of the channel differ: TLS on one of them alone?",
    ),
    2540: (
        "MQRC_UNKNOWN_CHANNEL_NAME",
        "the queue manager has no server-connection channel of that name: check channel (MQ_CHANNEL)",
    ),
    2594: ("MQRC_PASSWORD_PROTECTION_ERROR", "both ends must agree on how passwords are protected"),
}
"""Reason -> (IBM's name, what to check)."""

BROKEN = frozenset({2009, 2018, 2059, 2161, 2162, 2195, 2202, 2203, 2219, 2223, 2273, 2537, 2538})
"""After these a connection is of no more use, and another one may be."""
IN_DOUBT = frozenset({2009, 2195, 2003, 2219, 2223})
"""A put or commit that ends so may have been carried out, or not: the answer was lost."""


class MqError(Exception):
    """A call that failed, or that IBM calls a warning: its verb, its reason, and what it was about."""

    def __init__(self, verb: str, reason: int, subject: str, name: str = "") -> None:
        """`name` is the binding's for a reason that is not among REASONS."""
        known, self.advice = REASONS.get(reason, (name or "unknown reason", ""))
        self.verb, self.reason, self.subject = verb, reason, subject
        self.short = f"{verb} {reason} {known}"
        """Without anything that differs from call to call: a journal has it many times."""
        super().__init__(f"{verb} {subject}: {reason} {known}")

    @property
    def told(self) -> str:
        """What happened, and what to check."""
        return f"{self}: {self.advice}" if self.advice else str(self)

    @property
    def is_broken(self) -> bool:
        """Whether the connection is of no more use."""
        return self.reason in BROKEN

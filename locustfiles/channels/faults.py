"""What can go wrong with a request, each with its name: in the journal, the statistics, the report.

nothing has left          refused, no address, no connection, TLS, no token, no connection in time
the platform may have it  reset, cut off, closed while idle, not HTTP, too long, no answer in time,
                          redirected off the allow-list
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import ClassVar

import httptools


class RequestError(Exception):
    """A request that got no whole answer, by the name of what went wrong."""

    fault: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(f"{self.fault}: {detail}")


class NotSentError(RequestError):
    """Nothing has left, and nothing can have taken effect."""

    fault = "no connection"


class RefusedError(NotSentError):
    """Nobody listens."""

    fault = "refused"


class NoAddressError(NotSentError):
    """The host's name has no address."""

    fault = "no address"


class HandshakeError(NotSentError):
    """TLS could not be agreed on, or a certificate is not trusted."""

    fault = "TLS"


class NotConnectedError(NotSentError):
    """The whole time of a request went by without a connection."""

    fault = "no connection in time"


class NoTokenError(NotSentError):
    """There is no valid credential to send with the request."""

    fault = "no token"


class UnansweredError(RequestError):
    """The request may have reached the platform, but no whole answer came back."""

    fault = "no answer"


class TimedOutError(UnansweredError):
    """No whole answer came in time."""

    fault = "no answer in time"


class ResetError(UnansweredError):
    """The connection was reset."""

    fault = "reset"


class CutOffError(UnansweredError):
    """The connection was closed in the middle of an answer, or instead of one."""

    fault = "cut off"


class ClosedIdleError(UnansweredError):
    """A kept connection was closed as the request left: most likely, it was never read."""

    fault = "closed while idle"


class NotHttpError(UnansweredError):
    """What came is no answer of HTTP/1."""

    fault = "not HTTP"


class TooLongError(UnansweredError):
    """The answer was longer than anybody would read."""

    fault = "too long"


class RedirectedAwayError(UnansweredError):
    """The platform sent the command on to where no load may go; what it did itself is not known."""

    fault = "redirected off the allow-list"


class RedirectedError(Exception):
    """The platform sent the command elsewhere: what Locust's statistics show of such an answer."""


def not_sent(error: BaseException) -> NotSentError:
    """Name what went wrong before anything left."""
    if isinstance(error, NotSentError):
        return error
    if isinstance(error, socket.gaierror):
        return NoAddressError(_described(error))
    if isinstance(error, ConnectionRefusedError):
        return RefusedError(_described(error))
    if isinstance(error, ssl.SSLError):
        return HandshakeError(_described(error))
    return NotSentError(_described(error))


def unanswered(error: BaseException) -> UnansweredError:
    """Name what went wrong once something may have left."""
    if isinstance(error, UnansweredError):
        return error
    if isinstance(error, httptools.HttpParserError | httptools.HttpParserUpgrade):
        return NotHttpError(str(error) or type(error).__name__)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return CutOffError("the connection was closed without an end of TLS")
    if isinstance(error, ConnectionError) or getattr(error, "errno", 0) == errno.EPIPE:
        return ResetError(_described(error))
    return UnansweredError(_described(error))


def _described(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and getattr(error, "reason", None):
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

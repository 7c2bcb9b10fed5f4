"""Locust's FastHttpUser as the client: several times slower, but it knows proxies and redirects.

Its own session would write into Locust's statistics, and retry: so this takes what is below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent
from gevent.ssl import SSLContext
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, LocustUserAgent

from e2e_data.platform import HttpAnswer, HttpRequest
from locustfiles.channels.access import Access
from locustfiles.channels.faults import (
    NotSentError,
    RedirectedAwayError,
    TimedOutError,
    TooLongError,
    UnansweredError,
    not_sent,
    unanswered,
)
from locustfiles.channels.http import ANSWER_BYTES_MAX
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin, locate
from locustfiles.plan_parts.allowed import Address, refused


class _Agent(LocustUserAgent):
    def __init__(self, origin: Origin, allow: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self._own = origin.host, origin.port
        self._allow = allow

    def _urlopen(self, request: Any) -> Any:
        """Send a request, unless a redirect led to where no load may go. Raises RedirectedAwayError."""
        where = Address(request.url_split.hostname, request.url_split.port, "a redirect")
        if where[:2] != self._own and refused([where], self._allow):
            raise RedirectedAwayError(str(where))
        return super()._urlopen(request)  # type: ignore[no-untyped-call]

    def _verify_status(self, status_code: int, url: object = None) -> None:
        """Take every status for an answer: the platform's adapter reads it."""


class FastConnection:
    """One user's client."""

    def __init__(
        self,
        origin: Origin,
        settings: HttpSettings,
        *,
        timeout_s: float,
        tls: SSLContext | None,
        access: Access,
        allow: Sequence[str],
    ) -> None:
        """Follow redirects to loopback, and to what `allow` names, as the plan's allow-list does."""
        proxy, _ = locate(settings.proxy) if settings.proxy else (None, "")
        extra: dict[str, Any] = {"ssl_context_factory": lambda: tls} if tls else {}
        if proxy:
            extra |= {"proxy_host": proxy.host, "proxy_port": proxy.port}
        self._agent = _Agent(
            origin,
            allow,
            max_redirects=settings.redirects_max,
            max_retries=0,
            # Its own are for each operation of a socket: the whole time ends it before.
            connection_timeout=2 * timeout_s,
            network_timeout=2 * timeout_s,
            insecure=not settings.verify,
            **extra,
        )
        self._origin = origin
        self._timeout_s = timeout_s
        self._access = access

    def request(self, request: HttpRequest, *, peek_bytes: int | None = None) -> HttpAnswer:
        """Send a request, follow redirects, and return the last answer.

        With `peek_bytes` no more is read of its body. Raises NotSentError or UnansweredError, which a
        redirect off the allow-list is.
        """
        headers = {**self._access.headers, **dict(request.headers)}
        _ = self._access.lines  # raises where there is no valid token
        expired = gevent.Timeout(self._timeout_s)
        expired.start()
        try:
            found = self._agent.urlopen(
                f"{self._origin}{request.path}",
                method=request.method,
                headers=headers,
                payload=request.body or None,
            )
            answer = HttpAnswer(
                found.status_code,
                {name.lower(): value for name, value in found.headers.items()},
                _body(found, peek_bytes),
            )
        except UnansweredError:
            self.close()
            raise
        except FAILURE_EXCEPTIONS as error:
            self.close()
            # What ended it may come wrapped, as the last of several tries.
            cause = getattr(error, "original", None) or error
            if cause is expired:
                raise TimedOutError(f"{self._timeout_s:g} s") from None
            if isinstance(cause, gevent.Timeout) and cause is error:
                raise
            raise _named(cause) from error
        finally:
            expired.close()
        if answer.status == 401:
            self._access.rejected()
        return answer

    def close(self) -> None:
        """Close what is open; the next request opens it again."""
        self._agent.close()


def _body(answer: Any, peek_bytes: int | None) -> bytes:
    body: bytes = answer.read(peek_bytes or ANSWER_BYTES_MAX + 1)
    if len(body) > ANSWER_BYTES_MAX:
        msg = f"the answer is longer than {ANSWER_BYTES_MAX} bytes"
        raise TooLongError(msg)
    answer.release()
    return body


def _named(error: BaseException) -> NotSentError | UnansweredError:
    """Tell what is certain: only a connection that was refused or had no address sent nothing."""
    named = not_sent(error)
    return unanswered(error) if type(named) is NotSentError else named

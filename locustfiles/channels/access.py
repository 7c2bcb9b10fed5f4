"""Access: the header lines that every request to a platform carries, credentials among them.

Tokens are renewed while the run goes on, by one greenlet for the whole process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gevent
from gevent.event import Event

from e2e_data.problems import Problems
from locustfiles.channels.faults import NoTokenError
from locustfiles.channels.http_settings import is_header_value
from locustfiles.channels.origin import Origin

log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""After so long a token that could not be renewed is asked for again, then after twice as long…"""
AGAIN_MAX_S = 30.0


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; its text is for the header alone."""

    value: str
    lifetime_s: float
    renew_after_s: float

    def __repr__(self) -> str:
        return f"<token for {self.lifetime_s:g} s>"


class Access:
    """Header lines for one platform; `lines` may change between any two requests."""

    def __init__(
        self,
        origin: Origin,
        headers: Mapping[str, str] | None = None,
        fetch: Callable[[], Token] | None = None,
    ) -> None:
        """Have `headers` sent with every request, and the bearer token that `fetch` brings."""
        self.headers = dict(headers or {})
        """What every request has beside its own, the current token's included."""
        self._host = origin.authority
        self._fetch = fetch
        self._lines: bytes | None = None if fetch else self._written()
        self._why = "none was fetched yet"
        self._rejected = Event()
        self._keeper: gevent.Greenlet[..., None] | None = None

    @property
    def lines(self) -> bytes:
        """The lines, each with its end. Raises NoTokenError while there is no valid token."""
        if self._lines is None:
            raise NoTokenError(self._why)
        return self._lines

    def start(self) -> None:
        """Fetch the first token, and renew it from then on. Raises Problems where there is none."""
        if self._fetch is not None and self._keeper is None:
            token = self._take(self._fetch())
            self._keeper = gevent.spawn(self._keep, self._fetch, token)

    def stop(self) -> None:
        """Renew nothing any more."""
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper = None

    def rejected(self) -> None:
        """Note that the platform did not take the token (401): it may have been revoked."""
        self._rejected.set()

    def _take(self, token: Token) -> Token:
        if not is_header_value(token.value):
            raise Problems(["http: the token has characters that no header can have"])
        self.headers["Authorization"] = f"Bearer {token.value}"
        self._lines = self._written()
        return token

    def _written(self) -> bytes:
        headers = {"Host": self._host, **self.headers}
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")

    def _keep(self, fetch: Callable[[], Token], token: Token) -> None:
        left_s, wait_s, again_s = token.lifetime_s, token.renew_after_s, AGAIN_S
        while True:
            waited_s = self._wait(wait_s)
            left_s -= waited_s
            try:
                token = self._take(fetch())
            except Problems as problems:
                log.warning("the token could not be renewed: %s", problems)
                if left_s <= 0:
                    self._why = "it expired, and could not be renewed"
                    self._lines = None
                # Once more when it expires, so that it is not used any longer.
                wait_s = min(again_s, left_s) if left_s > 0 else again_s
                again_s = min(2 * again_s, AGAIN_MAX_S)
            else:
                left_s, wait_s, again_s = token.lifetime_s, token.renew_after_s, AGAIN_S

    def _wait(self, wait_s: float) -> float:
        """Wait until it is time to renew, or the token is rejected; return how long that was."""
        # Not sooner than after a second, however many answers say 401.
        least_s = min(AGAIN_S, wait_s)
        gevent.sleep(least_s)
        self._rejected.clear()
        if self._rejected.wait(wait_s - least_s):
            return least_s
        return wait_s

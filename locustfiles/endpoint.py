"""A port beside Locust's: for whoever watches the process, `/health` and more pages."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gevent.pywsgi import WSGIServer

from e2e_data.problems import Problems
from locustfiles.options import given

PORT_MAX = 65_535
TEXT = "text/plain; charset=utf-8"

Page = Callable[[], tuple[str, bytes]]
"""Makes (content type, body)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int


def address_of(options: argparse.Namespace | None) -> Address | None:
    """Return where the options want the port; None without it. Raises Problems."""
    port = given(options, "--metrics-port")
    if not port:
        return None
    if not port.isdecimal() or not 1 <= int(port) <= PORT_MAX:
        raise Problems([f"--metrics-port {port}: give a port from 1 to {PORT_MAX}"])
    return Address(given(options, "--metrics-host") or "", int(port))


class Endpoint:
    """Serves pages by path, on the event loop: an answer also tells that the loop goes round."""

    def __init__(self, address: Address, pages: Mapping[str, Page]) -> None:
        """Begin to listen. Raises Problems where that cannot be."""
        self.port = address.port
        """Where it listens."""
        self._pages = {"/health": lambda: (TEXT, b"the event loop goes round\n"), **pages}
        self._server = WSGIServer((address.host, address.port), self._answer, log=None)
        try:
            self._server.start()
        except OSError as error:
            why = error.strerror or str(error)
            raise Problems(
                [
                    f"--metrics-port {address.port}: cannot listen on {address.host} ({why}); choose "
                    "another port, or another --metrics-host"
                ]
            ) from error

    def stop(self) -> None:
        """Listen no more."""
        self._server.stop(timeout=1)

    def _answer(
        self, environ: Mapping[str, str], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        page = self._pages.get(environ["PATH_INFO"])
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD")])
            return []
        if page is None:
            start_response("404 Not Found", [("Content-Type", TEXT)])
            return [f"there are {', '.join(sorted(self._pages))}\n".encode()]
        content_type, body = page()
        start_response("200 OK", [("Content-Type", content_type)])
        return [body] if environ["REQUEST_METHOD"] == "GET" else []

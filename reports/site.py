"""A site: where a platform's statements are read, and what it takes to be let in."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Site:
    """An address with its headers, its TLS, and the proxy on the way, if there is one."""

    host: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """May hold credentials, so they are not shown."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    proxy: str | None = None

    def __str__(self) -> str:
        return self.host

    def connection(self, timeout_s: float) -> HTTPConnection:
        """Return a connection that is not open yet."""
        own = urlsplit(self.host)
        gate = urlsplit(self.proxy) if self.proxy else own
        name = gate.hostname or ""
        if own.scheme == "http":
            return HTTPConnection(name, gate.port, timeout=timeout_s)
        connection = HTTPSConnection(name, gate.port, timeout=timeout_s, context=self.tls)
        if self.proxy:
            connection.set_tunnel(own.hostname or "", own.port)
        return connection

    def target(self, path: str) -> str:
        """Return what a request for `path` names: all of the address, where a proxy must know it."""
        return f"{self.host}{path}" if self.proxy and self.host.startswith("http:") else path

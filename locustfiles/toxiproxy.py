"""Toxiproxy's HTTP API: proxies that a run sends through, and what is done to the wire there."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from e2e_data.problems import Problems
from locustfiles.plan_parts.faults import TO_WIRE, Fault

TIMEOUT_S = 10
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
SLICE_PAUSE_US = 100
"""Between slices, so that each goes out by itself."""


class Toxiproxy:
    """A Toxiproxy at the address of its API, with the proxies that were made here."""

    def __init__(self, url: str, run: str) -> None:
        """Name what is made after `run`, so that several can share a Toxiproxy."""
        self._url, self._run = url.rstrip("/"), run
        self._proxies: list[str] = []

    def proxy(self, name: str, upstream: str) -> str:
        """Make a proxy to `upstream`, "host:port"; return where it listens. Raises Problems."""
        full = f"{self._run}-{name}"
        host = urlsplit(self._url).hostname or ""
        # On this machine nobody else shall reach the platform by it.
        listen = "127.0.0.1:0" if host in _LOOPBACK else "0.0.0.0:0"
        made = self._ask("POST", "/proxies", {"name": full, "listen": listen, "upstream": upstream})
        self._proxies.append(full)
        return f"{host}:{str(made['listen']).rpartition(':')[2]}"

    def begin(self, name: str, fault: Fault) -> None:
        """Bring a fault on a proxy, both ways. Raises Problems."""
        for stream in ("upstream", "downstream"):
            toxic: dict[str, object] = {"name": stream, "stream": stream, "type": TO_WIRE[fault.do]}
            toxic |= {"attributes": _attributes(fault)}
            self._ask("POST", f"{self._path(name)}/toxics", toxic)

    def end(self, name: str) -> None:
        """Take every fault off a proxy. Raises Problems."""
        for toxic in self._ask("GET", f"{self._path(name)}/toxics"):
            self._ask("DELETE", f"{self._path(name)}/toxics/{quote(toxic['name'])}")

    def close(self) -> None:
        """Take the proxies away."""
        for full in self._proxies:
            self._ask("DELETE", f"/proxies/{quote(full)}")
        self._proxies.clear()

    def _path(self, name: str) -> str:
        return f"/proxies/{quote(f'{self._run}-{name}')}"

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "paystorm"}
        request = Request(self._url + path, data, headers, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return json.loads(answer.read() or b"{}")
        except HTTPError as error:
            said = error.read()[:200].decode(errors="replace").strip()
            raise Problems([f"Toxiproxy at {self._url}: {method} {path}: {said}"]) from error
        except (URLError, OSError, ValueError) as error:
            why = getattr(error, "reason", error)
            raise Problems(
                [
                    f"no Toxiproxy answers at {self._url} ({why}): start it, or correct wire.toxiproxy"
                ]
            ) from error


def _attributes(fault: Fault) -> dict[str, float | int]:
    """Return a toxic's attributes. A way has half of a latency, since both ways have it."""
    if fault.do == "latency":
        return {"latency": round((fault.ms or 0) / 2), "jitter": round(fault.jitter_ms / 2)}
    if fault.do == "bandwidth":
        return {"rate": fault.kb_per_s or 0}
    if fault.do == "slow close":
        return {"delay": round(fault.ms or 0)}
    if fault.do == "slice":
        size = fault.bytes or 1
        return {"average_size": size, "size_variation": size // 2, "delay": SLICE_PAUSE_US}
    # To close, or to let nothing through, at once and for as long as it is there.
    return {"timeout": 0}

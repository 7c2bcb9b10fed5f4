"""Toxiproxy's HTTP API: proxies that a run sends through, and what is done to the wire there."""

from __future__ import annotations

import json
from contextlib import ExitStack
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
        self._proxies: dict[str, list[str]] = {}
        """What was made, by the name that faults have for it."""
        self.behind = ExitStack()
        """What is behind the proxies and ends with them."""

    def proxy(self, name: str, upstream: str) -> str:
        """Make a proxy to `upstream`, "host:port"; return where it listens. Raises Problems.

        What is made under one name has its faults together.
        """
        mine = self._proxies.setdefault(name, [])
        full = f"{self._run}-{name}" + (f"-{len(mine) + 1}" if mine else "")
        host = urlsplit(self._url).hostname or ""
        # On this machine nobody else shall reach the platform by it.
        listen = "127.0.0.1:0" if is_here(self._url) else "0.0.0.0:0"
        made = self._ask("POST", "/proxies", {"name": full, "listen": listen, "upstream": upstream})
        mine.append(full)
        return f"{host}:{str(made['listen']).rpartition(':')[2]}"

    def begin(self, name: str, fault: Fault) -> None:
        """Bring a fault on what was made under a name, both ways. Raises Problems."""
        for path in self._paths(name):
            for stream in ("upstream", "downstream"):
                toxic: dict[str, object] = {"name": stream, "stream": stream}
                toxic |= {"type": TO_WIRE[fault.do], "attributes": _attributes(fault)}
                self._ask("POST", f"{path}/toxics", toxic)

    def end(self, name: str) -> None:
        """Take every fault off what was made under a name. Raises Problems."""
        for path in self._paths(name):
            for toxic in self._ask("GET", f"{path}/toxics"):
                self._ask("DELETE", f"{path}/toxics/{quote(toxic['name'])}")

    def close(self) -> None:
        """Take the proxies away, and what is behind them. Raises Problems."""
        with self.behind:
            for name in self._proxies:
                for path in self._paths(name):
                    self._ask("DELETE", path)
            self._proxies.clear()

    def _paths(self, name: str) -> list[str]:
        return [f"/proxies/{quote(full)}" for full in self._proxies[name]]

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


def is_here(url: str) -> bool:
    """Tell whether a Toxiproxy is on this machine, by the address of its API."""
    return urlsplit(url).hostname in _LOOPBACK


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

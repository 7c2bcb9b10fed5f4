"""A stand-in for Prometheus's query API on loopback, which answers what a test gives it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Prometheus:
    """Where it is, and what it was asked."""

    url: str
    queries: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


def series(labels: dict[str, str], values: list[tuple[float, str]]) -> dict[str, object]:
    """Return a series as Prometheus writes it."""
    return {"metric": {"__name__": "m", **labels}, "values": [list(one) for one in values]}


def success(*result: dict[str, object]) -> Answer:
    """Return the answer of a query with some series."""
    data = {"resultType": "matrix", "result": list(result)}
    return 200, {}, json.dumps({"status": "success", "data": data}).encode()


@contextmanager
def answering(answer: Callable[[dict[str, str]], Answer]) -> Iterator[Prometheus]:
    """Serve answers to queries, which are given as their parameters."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            told.queries.append(asked)
            told.tokens.append(self.headers.get("Authorization"))
            code, headers, body = answer(asked)
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Prometheus(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Real Toxiproxy, built from the pinned source beside this file."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from locustfiles.toxiproxy import Toxiproxy
from tests.golang import built_for_a_test

MODULE = Path(__file__).parent
PACKAGE = "github.com/Shopify/toxiproxy/v2/cmd/server"
START_S = 30


@contextmanager
def toxiproxy() -> Iterator[str]:
    """Run it on loopback until the end of the block; yield the address of its API."""
    program = built_for_a_test("toxiproxy", MODULE, PACKAGE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(program), "-host", "127.0.0.1", "-port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until_s = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "Toxiproxy ended"
                assert time.monotonic() < until_s, "Toxiproxy does not listen"
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class NoProxy(Toxiproxy):
    """Where proxies are to be made, clients go right through; it remembers for what."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", "run")
        self.made: list[tuple[str, str]] = []

    def proxy(self, name: str, upstream: str) -> str:
        """Return what is behind it."""
        self.made.append((name, upstream))
        return upstream

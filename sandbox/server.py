"""The server: one event loop with the HTTP front and the processor, from bind to a clean end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import uvicorn

from sandbox.account_ids import SCHEMES
from sandbox.defects import FORGET, Defects
from sandbox.faulty import FaultyLedger
from sandbox.faulty_platform import FaultyPlatform
from sandbox.flags import Monitor
from sandbox.http_front import app_for
from sandbox.ledger import Ledger
from sandbox.platform import Platform
from sandbox.processor import Processor
from sandbox.strain import Strain

if TYPE_CHECKING:
    from sandbox.sql_store import SqlStore

log = logging.getLogger("sandbox")

_BACKLOG = 2048
_GRACE_S = 2
_NEVER = 2**31 - 1


class Service(Protocol):
    """What brings commands to the platform beside HTTP."""

    async def start(self, platform: Platform | None) -> None:
        """Begin, on the event loop; without a platform, what it is beside it: a broker."""
        ...

    async def stop(self) -> None:
        """End in good order."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What a sandbox is started with; `defect_rates` is defect name -> share of commands."""

    latency_ms: float = 5
    defect_rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    stop_with_stdin: bool = False
    flags: bool = False
    """Whether the platform's monitoring flags payments."""
    account_ids: str = "random"
    """One of account_ids.SCHEMES."""
    ledger_url: str | None = None
    """Where the book is kept; None for memory alone."""


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes any free one. Raises OSError if that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is, and an answer in two
    # writes would else wait for the client's delayed acknowledgement: 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address to send to, "http://127.0.0.1:8080"."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    listener: socket.socket,
    settings: Settings,
    on_started: Callable[[], None],
    services: Sequence[Service] = (),
) -> None:
    """Serve until SIGTERM, SIGINT or, if so set, the end of standard input; then return.

    `on_started` is called once requests are answered, over the other channels too.
    """
    # The book only grows and has no cycles: searching all of it for garbage would find nothing and
    # stop the platform for half a second per half million commands. Young garbage is still found.
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)
    asyncio.run(_serve(listener, settings, on_started, services))


def run_alone(service: Service, on_started: Callable[[], None], *, stop_with_stdin: bool) -> None:
    """Serve a queue manager's or a broker's clients alone, as long and as told as above."""
    asyncio.run(_serve_alone(service, on_started, stop_with_stdin=stop_with_stdin))


async def _serve_alone(
    service: Service, on_started: Callable[[], None], *, stop_with_stdin: bool
) -> None:
    stopped = asyncio.Event()
    _call_at_end(stopped.set, with_stdin=stop_with_stdin)
    await service.start(None)
    on_started()
    await stopped.wait()
    await service.stop()


async def _serve(
    listener: socket.socket,
    settings: Settings,
    on_started: Callable[[], None],
    services: Sequence[Service],
) -> None:
    strain = Strain()
    processor = Processor(settings.latency_ms, strain=strain)
    store = None if settings.ledger_url is None else _store(settings)
    platform = _platform(settings, processor, store)
    server = _Server(_config(platform, strain), on_started)
    _call_at_end(server.stop, with_stdin=settings.stop_with_stdin)
    tasks = [processor.run(platform.decide)]
    unpublished = [] if store is None else _go_on(platform, store)
    if store is not None:
        tasks.append(store.run())
    # Processing ends before the server only by a fault; then nobody should be left waiting.
    working = [asyncio.create_task(task) for task in tasks]
    for task in working:
        task.add_done_callback(lambda _: server.stop())
    for service in services:
        await service.start(platform)
    platform.tell_again(unpublished)
    await server.serve(sockets=[listener])
    for service in services:
        await service.stop()
    for name, struck in platform.defects.struck().items():
        log.info("defect %s struck %d commands", name, struck)
    for task in working:
        if task.done():
            task.result()
        task.cancel()
    if store is not None:
        await asyncio.gather(*working, return_exceptions=True)
        store.close()


def _store(settings: Settings) -> SqlStore:
    # Loaded where it is wanted: it takes its time.
    from sandbox.sql_store import FLUSH_S, SqlStore

    assert settings.ledger_url is not None
    forgets = settings.defect_rates.get(FORGET, 0) > 0
    return SqlStore(settings.ledger_url, FLUSH_S if forgets else 0)


def _go_on(platform: Platform, store: SqlStore) -> Sequence[str]:
    """Take over the book as it was left; return the commands whose decisions may not be told."""
    kept = store.load()
    platform.ledger.restore(kept.entries, kept.decided)
    platform.resume(kept.undecided, kept.correlation_ids)
    platform.unreplied = kept.unreplied
    if kept.entries:
        log.info(
            "went on with %d commands, %d of them undecided", len(kept.entries), len(kept.undecided)
        )
    return kept.unpublished


def _platform(settings: Settings, processor: Processor, store: SqlStore | None) -> Platform:
    """Put a platform together: a sound one, unless defects are asked for."""
    defects = Defects(settings.defect_rates, settings.seed)
    monitor = Monitor() if settings.flags else None
    new_account_id = SCHEMES[settings.account_ids]()
    if not any(settings.defect_rates.values()):
        ledger = Ledger(new_account_id=new_account_id)
        return Platform(ledger, defects, processor.enqueue, monitor, store)
    faulty = FaultyLedger(defects, time.time_ns, new_account_id)
    return FaultyPlatform(faulty, defects, processor.enqueue, monitor, store)


def _config(platform: Platform, strain: Strain) -> uvicorn.Config:
    return uvicorn.Config(
        app_for(platform, strain),
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_S,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, but signals are ours: it would raise them again and so die of them."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    def stop(self) -> None:
        """End soon: no new connections, and a short grace for those that are being answered."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, then say so."""
        await super().startup(sockets)
        self._on_started()


def _call_at_end(stop: Callable[[], None], *, with_stdin: bool) -> None:
    """Have `stop` called on the running loop at SIGTERM, at SIGINT, and with standard input."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if with_stdin:
        threading.Thread(target=_await_end_of_stdin, args=(loop, stop), daemon=True).start()


def _await_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Read standard input away until it ends, on a thread: it may be a file, a pipe or a terminal.

    The file descriptor itself, since a buffered reader's lock would hold up the interpreter's end.
    """
    try:
        while sys.stdin is not None and os.read(sys.stdin.fileno(), 65536):
            pass
    except OSError as error:
        log.warning("standard input cannot be read (%s): taken for its end", error)
    try:
        loop.call_soon_threadsafe(stop)
    except RuntimeError:
        log.debug("standard input ended after the loop did")

"""A link to a queue manager of IBM's: by IBM's binding and client library, on an OS thread.

Each call of theirs stops its thread until the queue manager has answered, so a link has a thread of
its own, and the event loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from sandbox.mq_links import APPLICATION, BACKOUT, READ_OPTIONS, Address, Broken, Source
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import Descriptor, text

_SLICE_MS = 500
"""A wait is made of so long ones: a thread that waits in one cannot be told to end."""
_GET_OPTIONS = codes.MQGMO_WAIT | codes.MQGMO_SYNCPOINT | codes.MQGMO_FAIL_IF_QUIESCING
_PUT_OPTIONS = codes.MQPMO_SYNCPOINT | codes.MQPMO_FAIL_IF_QUIESCING
_NAMED_VERSION = 7
"""Of the MQCNO: from it on an application can name itself."""
_BROKEN = frozenset(
    {
        codes.MQRC_CONNECTION_BROKEN,
        codes.MQRC_HCONN_ERROR,
        codes.MQRC_Q_MGR_NOT_AVAILABLE,
        codes.MQRC_Q_MGR_QUIESCING,
        codes.MQRC_Q_MGR_STOPPING,
        codes.MQRC_CONNECTION_QUIESCING,
        codes.MQRC_CONNECTION_STOPPING,
    }
)

Made = TypeVar("Made")


def load(library: str) -> Any:
    """Return IBM's binding on IBM's client library, a file or a name that the loader knows.

    Raises ValueError, which says what is missing.
    """
    try:
        # For all to see: the binding's C module then finds it by its name.
        ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise ValueError(f"{library} cannot be loaded: {error}") from None
    # Where OpenTelemetry's package is installed, IBM's layer would put properties on messages.
    os.environ["MQIPY_NOOTEL"] = "true"
    try:
        return importlib.import_module("ibmmq")
    except ImportError as error:
        raise ValueError(f"the package ibmmq cannot be used with {library}: {error}") from None


class ClientLink:
    """A session with a queue manager of IBM's."""

    def __init__(self, mq: Any, thread: ThreadPoolExecutor, manager: Any) -> None:
        self._mq = mq
        self._thread = thread
        self._manager = manager
        self._queues: list[Any] = []
        """Those that are open; a queue's handle is its place."""

    @classmethod
    async def connected(cls, mq: Any, address: Address) -> ClientLink:
        """Connect. Raises Broken where nobody answers, or nobody is let in."""
        thread = ThreadPoolExecutor(1, "mq")
        link = cls(mq, thread, mq.QueueManager(None))
        try:
            await link._call(link._connect, address)
        except (Broken, Failed) as why:
            link.close()
            raise Broken(f"the queue manager at {address} lets nobody in: {why}") from None
        return link

    async def open(self, queue: bytes) -> Source:
        """Open a queue to read it."""
        opened = await self._call(self._mq.Queue, self._manager, queue.decode(), READ_OPTIONS)
        self._queues.append(opened)
        threshold, backout_queue = [await self._call(opened.inquire, one) for one in BACKOUT]
        return Source(len(self._queues) - 1, threshold, text(backout_queue))

    async def get(self, source: Source) -> tuple[Descriptor, bytes]:
        """Wait for the next message and get it in the unit of work."""
        queue = self._queues[source.handle]
        while True:
            md, gmo = self._mq.MD(), self._mq.GMO(Options=_GET_OPTIONS, WaitInterval=_SLICE_MS)
            try:
                body = await self._call(queue.get, None, md, gmo)
            except Failed as failed:
                if failed.reason != codes.MQRC_NO_MSG_AVAILABLE:
                    raise
            else:
                return Descriptor.unpack(md.pack()), body

    async def put(self, queue: bytes, manager: bytes, md: Descriptor, body: bytes) -> None:
        """Put a message in the unit of work."""
        target = self._mq.OD(ObjectName=queue, ObjectQMgrName=manager)
        filled = self._mq.MD()
        filled.unpack(md.pack())
        await self._call(
            self._manager.put1, target, body, filled, self._mq.PMO(Options=_PUT_OPTIONS)
        )

    async def commit(self) -> None:
        """Commit the unit of work."""
        await self._call(self._manager.commit)

    async def back(self) -> None:
        """Back the unit of work out."""
        await self._call(self._manager.backout)

    def close(self) -> None:
        """End the session, when the call that may be on is over; what is uncommitted is backed out."""
        self._thread.submit(self._end)
        self._thread.shutdown(wait=False)

    def _connect(self, address: Address) -> None:
        mq, binding = self._mq, self._mq.CMQC
        structures = {
            "cno": mq.CNO(
                Version=_NAMED_VERSION,
                Options=binding.MQCNO_CLIENT_BINDING | binding.MQCNO_HANDLE_SHARE_BLOCK,
                ApplName=APPLICATION,
            ),
            "cd": mq.CD(
                ChannelName=address.channel.encode(),
                ConnectionName=str(address).encode(),
                ChannelType=mq.CMQXC.MQCHT_CLNTCONN,
                TransportType=mq.CMQXC.MQXPT_TCP,
            ),
        }
        if address.user:
            structures["csp"] = mq.CSP(CSPUserId=address.user, CSPPassword=address.password)
        self._manager.connect_with_options(address.manager, **structures)

    def _end(self) -> None:
        # What is wrong with it is said already, or does not matter any more. MQDISC would commit.
        with suppress(Exception):
            self._manager.backout()
        with suppress(Exception):
            self._manager.disconnect()

    async def _call(self, call: Callable[..., Made], *args: Any) -> Made:
        """Call the binding on the link's thread."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, call, *args)
        except self._mq.MQMIError as error:
            if error.reason in _BROKEN:
                raise Broken(f"the queue manager is gone: MQRC {error.reason}") from None
            raise Failed(error.reason) from None

"""The options of `paystorm sandbox` that are about MQ, and what they ask for."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from sandbox.mq_front import BACKOUT_QUEUE, COMMAND_QUEUE, REPLY_QUEUE, FrontSettings
from sandbox.mq_links import Address
from sandbox.mq_replies import Replies, ReplyId
from sandbox.queue_manager import OBJECT_NAME, ManagerSettings
from sandbox.queues import Definition

PASSWORD_VARIABLE = "PAYSTORM_SANDBOX_MQ_PASSWORD"  # noqa: S105 - the name, not a password

_DEPTH_MAX = 999_999
_BACKOUT_THRESHOLD = 3
_REMOTE_READERS = 4
"""A reader over the network waits for it most of the time."""
_AT = re.compile(r"([^\s()]+)\(([0-9]{1,5})\)")


@dataclass(frozen=True, slots=True)
class MqOptions:
    """The options as they were given; each `mq_` and its name on the command line."""

    host: str
    port: int | None
    only: bool
    at: str | None
    library: str | None
    store: Path | None
    qmgr: str
    channel: str
    user: str | None
    depth: int
    replies: str
    reply_id: str

    def problems(self, environment: Mapping[str, str] = os.environ) -> list[str]:
        """Return what is wrong with them, one sentence each."""
        found = []
        if self.only and self.port is None:
            found.append("--mq-only needs --mq-port: the port for MQ clients, or 0 for any")
        if self.at is not None and _AT.fullmatch(self.at) is None:
            found.append(f"--mq-at {self.at!r} must be an address such as 127.0.0.1(1414)")
        if self.at is not None and (self.only or self.port is not None or self.store):
            found.append(
                "--mq-at names another queue manager: leave out --mq-port, -only and -store"
            )
        if self.library is not None and self.at is None:
            found.append("--mq-library is for a queue manager of IBM's: give --mq-at too")
        if self.store and self.at is None and self.port is None:
            found.append("--mq-store is for the messages of a queue manager: give --mq-port too")
        if self.user is not None and not environment.get(PASSWORD_VARIABLE):
            found.append(f"--mq-user needs the password in the environment, {PASSWORD_VARIABLE}")
        found += [
            f"{option} {name!r} must have 1 to 48 letters, digits and . _ / %"
            for option, name in (("--mq-qmgr", self.qmgr), ("--mq-channel", self.channel))
            if OBJECT_NAME.fullmatch(name) is None
        ]
        return found

    @property
    def front(self) -> FrontSettings:
        """How the platform's front is to be."""
        readers = 1 if self.at is None else _REMOTE_READERS
        return FrontSettings(Replies(self.replies), ReplyId(self.reply_id), readers)

    def manager(self, environment: Mapping[str, str] = os.environ) -> ManagerSettings:
        """Return how the queue manager is to be."""
        return ManagerSettings(
            name=self.qmgr,
            channels=(self.channel,),
            queues=(
                Definition(
                    COMMAND_QUEUE,
                    depth_max=self.depth,
                    backout_threshold=_BACKOUT_THRESHOLD,
                    backout_queue=BACKOUT_QUEUE,
                ),
                Definition(BACKOUT_QUEUE, depth_max=self.depth),
                Definition(REPLY_QUEUE, depth_max=self.depth),
            ),
            credentials={self.user: environment[PASSWORD_VARIABLE]} if self.user else {},
        )

    def hello(self, address: str) -> str:
        """Return the line that says what listens there, and what it is not."""
        return (
            f"sandbox: a stand-in queue manager, not IBM MQ, listening on {address}: {self.qmgr},"
            f" channel {self.channel}"
        )

    def address(self, environment: Mapping[str, str] = os.environ) -> Address | None:
        """Return where another queue manager listens, or None where there is none."""
        match = _AT.fullmatch(self.at) if self.at else None
        if match is None:
            return None
        password = environment[PASSWORD_VARIABLE] if self.user else ""
        return Address(match[1], int(match[2]), self.channel, self.user or "", password, self.qmgr)


def address_of(listener: socket.socket) -> str:
    """Return the address as MQ clients write it, "127.0.0.1(1414)"."""
    host, port = listener.getsockname()[:2]
    return f"{host}({port})"


_OPTIONS = (
    click.option(
        "--mq-host", default="127.0.0.1", show_default=True, help="Address to listen on for MQ."
    ),
    click.option(
        "--mq-port",
        type=click.IntRange(0, 65535),
        help="Port for MQ clients, 0 for any free one; without it there is no queue manager. It is"
        " a stand-in for tests and demos, not IBM MQ, with the queues"
        f" {COMMAND_QUEUE}, {BACKOUT_QUEUE} and {REPLY_QUEUE}.",
    ),
    click.option(
        "--mq-only",
        is_flag=True,
        help="The queue manager alone: it lives on when a platform with --mq-at is killed.",
    ),
    click.option(
        "--mq-at",
        metavar="HOST(PORT)",
        help="Read commands at a queue manager that runs alone (--mq-only), or with --mq-library at one"
        " of IBM's.",
    ),
    click.option(
        "--mq-library",
        metavar="FILE",
        help="The queue manager at --mq-at is IBM's: reach it by this client library of IBM's, such as"
        " /opt/mqm/lib64/libmqm_r.so.",
    ),
    click.option(
        "--mq-store",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Keep persistent messages in this file over a restart.",
    ),
    click.option("--mq-qmgr", default="QM1", show_default=True, help="The queue manager's name."),
    click.option(
        "--mq-channel", default="DEV.APP.SVRCONN", show_default=True, help="The channel's name."
    ),
    click.option(
        "--mq-user",
        help=f"Let in this user only, with the password in {PASSWORD_VARIABLE}.",
    ),
    click.option(
        "--mq-depth",
        type=click.IntRange(1, _DEPTH_MAX),
        default=50_000,
        show_default=True,
        help="Messages that a queue holds at most.",
    ),
    click.option(
        "--mq-replies",
        type=click.Choice([choice.value for choice in Replies]),
        default=Replies.BOTH.value,
        show_default=True,
        help="Reply ACCEPTED and then the final status, or that alone.",
    ),
    click.option(
        "--mq-reply-id",
        type=click.Choice([choice.value for choice in ReplyId]),
        default=ReplyId.CORREL_ID.value,
        show_default=True,
        help="A reply's CorrelId: the request's CorrelId, or its MsgId.",
    ),
)


def mq_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options; it gets them as one argument, `mq`."""

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        given = {one.name: arguments.pop(f"mq_{one.name}") for one in fields(MqOptions)}
        command(**arguments, mq=MqOptions(**given))

    decorated: Callable[..., None] = with_options
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated

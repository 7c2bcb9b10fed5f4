"""A trial: one account's life against a platform, step by step, everything shown.

This is how a team checks its adapter before any load.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from rich.console import Console

from e2e_data import config as pool_config
from e2e_data.commands import Channel, Command, Kind, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Acknowledged, HttpAnswer, HttpRequest, Sending, load_platform
from e2e_data.pool import Pool
from locustfiles.addressing import Attempt, address
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from locustfiles.probing import open_gate

ANSWER_S = 10
DECISION_S = 30
ASK_AGAIN_S = 0.1
SHOWN_BYTES = 2000
ONE_ACCOUNT = {
    "accounts": 1,
    "payments": (1, 1),
    "funding": (1, 1),
    # A single payment within the account's limits: a correct platform settles it.
    "limit_based_percentage": 100,
    "enable_limit_violations": False,
}

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class TrialError(Exception):
    """The step at which tester and platform did not understand each other."""


class Trial:
    """Walks one account of a tiny pool through creation, opening, funding and a payment, over HTTP."""

    channel = Channel.HTTP

    def __init__(
        self,
        host: str,
        platform_spec: str | None,
        console: Console,
        http: HttpSettings | None = None,
        allow: Sequence[str] = (),
    ) -> None:
        """Make sure that the platform is there, and lets in who comes with the settings of `http`.

        Raises Problems where it is not, or does not.
        """
        self._platform = load_platform(platform_spec)
        origin, settings = Origin.parse(host), http or HttpSettings()
        self._gate = open_gate(origin, self._platform, settings, ANSWER_S, allow)
        self._console = console
        self._connection = self._gate.connect()
        self._ids = Ids.fresh()
        self._shard = Pool.in_memory(pool_config.load("smoke", ONE_ACCOUNT), 1).shard(0)
        self._account_id: str | None = None

    def walk(self) -> None:
        """Send one command of each kind, each after the one before is final. Raises TrialError."""
        # Their values may be secrets.
        if own := ", ".join(self._gate.site.headers):
            self._print(f"every request also has the plan's headers: {own}")
        try:
            for kind in Kind:
                for index in self._shard.range_of(kind)[:1]:
                    self._step(self._shard.command(index))
        finally:
            self._connection.close()
            self._gate.close()
        self._console.print(
            "every step was understood: commands out, answers and outcomes back", style="green"
        )

    def _step(self, command: Command) -> None:
        kind = command.kind.label
        self._console.rule(f"{kind}, {self.channel.name}", align="left")
        sending = self._sending(command)
        account_id = self._sent(kind, sending)
        if command.kind is Kind.ACCOUNT:
            self._account_id = account_id
            if account_id is None:
                raise TrialError(f"{kind}: {self.reads} found no account id in the answer")
        outcome = self._outcome(kind, sending.command_id)
        if not outcome & command.expected:
            raise TrialError(
                f"{kind}: the platform says {outcome.label}, where {command.expected.label} is correct"
            )

    reads = "read_acknowledgement"
    """The adapter's method that reads answers."""

    def _sent(self, kind: str, sending: Sending) -> str | None:
        """Send a command that is to be accepted; return the account id of its answer."""
        request = adapted(f"{kind}: http_command", self._platform.http_command, sending)
        answer = self._exchange(f"{kind}: send", request)
        read = adapted(f"{kind}: read_acknowledgement", self._platform.read_acknowledgement, answer)
        self._print(f"  read as: {read.status.name.lower()} {read.reason}")
        if read.status is not Acknowledged.ACCEPTED:
            raise TrialError(
                f"{kind}: read_acknowledgement reads this answer as {read.status.name}"
            )
        return read.account_id

    def _outcome(self, kind: str, command_id: str) -> Outcome:
        """Ask for a command's outcome until it is final."""
        until = time.monotonic() + DECISION_S
        request = adapted(f"{kind}: http_status", self._platform.http_status, command_id)
        while True:
            answer = self._request(f"{kind}: outcome", request)
            completion = adapted(f"{kind}: read_status", self._platform.read_status, answer)
            if completion is not None:
                self._show_request(request)
                self._show_answer(answer)
                self._print(f"  read as: {completion.outcome.label} {completion.reason}")
                return completion.outcome
            if time.monotonic() > until:
                self._show_request(request)
                self._show_answer(answer)
                raise TrialError(
                    f"{kind}: read_status finds no final outcome within {DECISION_S} s"
                )
            time.sleep(ASK_AGAIN_S)

    def _sending(self, command: Command) -> Sending:
        return address(
            command,
            Attempt(lap=0, number=0, channel=self.channel, phase=0, intended_ns=0),
            self._ids,
            command_id=self._ids.command_ids(0, 0, [command.index])[0],
            customer_id=self._ids.customer_ids(0, 0, [command.account.number])[0],
            account_id=self._account_id,
            value_date=datetime.now(UTC).date(),
        )

    def _exchange(self, step: str, request: HttpRequest) -> HttpAnswer:
        self._show_request(request)
        answer = self._request(step, request)
        self._show_answer(answer)
        return answer

    def _request(self, step: str, request: HttpRequest) -> HttpAnswer:
        try:
            return self._connection.request(request)
        except (NotSentError, UnansweredError) as error:
            raise TrialError(f"{step}: {request.method} {request.path}: {error}") from error

    def _show_request(self, request: HttpRequest) -> None:
        self._print(f"-> {request.method} {request.path}")
        for name, value in request.headers:
            self._print(f"   {name}: {value}")
        if request.body:
            self._print(f"   {request.body.decode(errors='replace')}")

    def _show_answer(self, answer: HttpAnswer) -> None:
        self._print(f"<- {answer.status} {answer.body[:SHOWN_BYTES].decode(errors='replace')}")

    def _print(self, line: str) -> None:
        # What comes from a platform is text, never markup or a terminal's control sequence.
        shown = "".join(char if char.isprintable() else "?" for char in line)
        self._console.print(shown, markup=False, soft_wrap=True)


def adapted(step: str, call: Callable[[_In], _Out], given: _In) -> _Out:
    """Let the adapter do its part of a step. Raises TrialError where it fails."""
    try:
        return call(given)
    except Exception as error:
        raise TrialError(f"{step} raised {error!r}") from error

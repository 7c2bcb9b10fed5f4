"""Probing: making sure that a platform is there before anything is sent to it."""

from __future__ import annotations

from collections.abc import Sequence

from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.gate import Gate
from locustfiles.channels.gates import Gates
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin

PROBE_S = 5
PROBE_BYTES = 16 * 1024


def probe(gate: Gate, platform: Platform) -> None:
    """Make sure that the platform is there. Raises Problems that say what is, and what to do."""
    origin, connection = gate.origin, gate.connect(PROBE_S)
    try:
        answer = connection.request(platform.http_probe(), peek_bytes=PROBE_BYTES)
    except NotSentError as error:
        raise Problems(
            [
                f"nothing answers at {origin} ({error}): start the platform, or correct --host; "
                "a run without --host brings a sandbox along"
            ]
        ) from error
    except UnansweredError as error:
        raise Problems(
            [f"{origin} does not answer as a web server does ({error}): check --host"]
        ) from error
    finally:
        connection.close()
    if not platform.is_recognised(answer):
        path = platform.http_probe().path
        raise Problems(
            [
                f"{origin} is not the payments platform of the adapter {type(platform).__name__}: "
                f"GET {path} answered {answer.status} {answer.body[:60]!r}; check --host, or name "
                "your platform's adapter with --platform"
            ]
        )


def open_gate(
    origin: Origin,
    platform: Platform,
    http: HttpSettings,
    timeout_s: float,
    allow: Sequence[str] = (),
) -> Gate:
    """Let ourselves in, and make sure that the platform is there. Raises Problems."""
    return open_gates(Gates(origin, http, timeout_s, allow), platform).of("")


def open_gates(gates: Gates, platform: Platform) -> Gates:
    """Let ourselves in everywhere, and make sure that each address is the platform's. Raises Problems."""
    try:
        gates.open()
        _probe_all(gates, platform)
    except BaseException:
        gates.close()
        raise
    return gates


def _probe_all(gates: Gates, platform: Platform) -> None:
    problems: list[str] = []
    for gate in gates:
        try:
            probe(gate, platform)
        except Problems as found:
            problems += found.problems
    if problems:
        raise Problems(problems)

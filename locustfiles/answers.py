"""Answers: which of them Locust's statistics should count as failures."""

from __future__ import annotations

from e2e_data.commands import Channel, Outcome, expected_on
from e2e_data.platform import Acknowledged, Acknowledgement


def fault_of(answer: Acknowledgement, expected: Outcome, channel: Channel) -> str | None:
    """Say what is wrong with the answer to a command, None where it is right.

    A command is to be accepted, also one that will be rejected for business reasons; what cannot be
    understood, by its set of right outcomes, is to be answered as invalid.
    """
    understood = expected_on(expected, channel) != Outcome.INVALID
    if answer.status is (Acknowledged.ACCEPTED if understood else Acknowledged.INVALID):
        return None
    said = ": ".join(filter(None, (answer.status.name.lower(), answer.reason)))
    return said if understood else f"{said}, where only invalid is right"

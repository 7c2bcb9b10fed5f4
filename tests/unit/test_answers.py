"""Which answers count as failures in Locust's statistics."""

from __future__ import annotations

import pytest

from e2e_data.commands import Channel, Outcome
from e2e_data.platform import Acknowledged, Acknowledgement
from locustfiles.answers import fault_of

EITHER = Outcome.SETTLED | Outcome.REJECTED
NOT_UNDERSTOOD = Outcome.INVALID | Outcome.DEAD_LETTERED
ACCEPTED = Acknowledgement(Acknowledged.ACCEPTED)
INVALID = Acknowledgement(Acknowledged.INVALID, None, "no JSON")
BROKEN = Acknowledgement(Acknowledged.UNKNOWN, None, "HTTP 500")


@pytest.mark.parametrize(
    ("expected", "answer", "fault"),
    [
        (Outcome.SETTLED, ACCEPTED, None),
        (Outcome.REJECTED, ACCEPTED, None),
        (EITHER, ACCEPTED, None),
        (EITHER, INVALID, "invalid: no JSON"),
        (EITHER, BROKEN, "unknown: HTTP 500"),
        (EITHER, Acknowledgement(Acknowledged.REFUSED), "refused"),
        (NOT_UNDERSTOOD, INVALID, None),
        (NOT_UNDERSTOOD, ACCEPTED, "accepted, where only invalid is right"),
        (NOT_UNDERSTOOD, BROKEN, "unknown: HTTP 500, where only invalid is right"),
    ],
)
def test_the_right_answer_is_no_failure(expected, answer, fault):
    """Accepted is right for what can be understood, invalid for what cannot, and nothing else is."""
    assert fault_of(answer, expected, Channel.HTTP) == fault

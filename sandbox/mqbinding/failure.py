"""A failed call."""

from __future__ import annotations


class Failed(Exception):  # noqa: N818 - an answer to a program, not an error of ours
    """A call cannot be done; `reason` is the MQI's code, MQRC_…."""

    def __init__(self, reason: int) -> None:
        super().__init__(f"MQRC {reason}")
        self.reason = reason

"""A plan's retries: whether the tester sends a command once more, always under the same id."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from e2e_data.ids import RETRIES_MAX
from locustfiles.plan_parts.part import Part, Seconds

Why = Literal["not sent", "refused", "unanswered", "unknown"]
IN_DOUBT: tuple[Why, ...] = ("unanswered", "unknown")
"""After these an attempt may have taken effect all the same."""


class Retries(Part):
    """What is sent again over HTTP and IBM MQ; without it, nothing. Kafka's producers have their own."""

    attempts: int = Field(default=1, ge=1, le=RETRIES_MAX + 1)
    """Of each command, the first one included."""
    after: tuple[Why, ...] = ("not sent", "refused")
    """No connection; a 429; no whole answer; an answer that does not tell, such as a 503. The last two
    where the platform is idempotent alone."""
    wait_s: Seconds = Field(default=0.2, gt=0)
    """Before the second attempt; twice as long before each further one."""
    wait_at_most_s: Seconds = Field(default=5, gt=0)
    """No attempt waits for longer."""

    def before_next_s(self, why: Why, made: int, *, idempotent: bool) -> float | None:
        """Return how long to wait after the `made`-th attempt; None where it was the last."""
        if made >= self.attempts or why not in self.after or (why in IN_DOUBT and not idempotent):
            return None
        return min(float(self.wait_s * 2 ** (made - 1)), self.wait_at_most_s)

"""A phase of a plan: what is sent, at which rate over time, and when the phase is over."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from e2e_data.commands import Kind
from locustfiles.plan_parts.channels import Channels
from locustfiles.plan_parts.part import Seconds, whole_ns
from locustfiles.plan_parts.rates import Rates
from reports.slos import KindName


class Phase(Rates):
    """One phase: it begins when the one before has its completions."""

    sends: tuple[KindName, ...]
    """Kinds of commands, interleaved evenly."""
    channels: Channels | None = None
    """Over which channels; those of the plan unless the phase has its own."""
    late: Literal["overdue", "drop"] = "overdue"
    """What becomes of an arrival that is due while all users wait: sent as soon as one is free, or
    given up after `drop_after_s`. The command itself is never given up."""
    drop_after_s: Seconds = Field(default=1, ge=0)
    settle_s: Seconds = Field(default=10, gt=0)
    """Without any movement for so long, pending commands are left behind."""

    warm_up_s: Seconds = Field(default=0, ge=0)
    """What is due in the first so long is left out of SLOs: connections open, caches fill."""

    @field_validator("sends")
    @classmethod
    def _sends(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        # No min_length: pydantic would say it of a kind that is misspelt, too.
        if not value:
            raise ValueError(f"name one kind or more of {', '.join(kind.label for kind in Kind)}")
        return value

    @property
    def settle_ns(self) -> int:
        """How long nothing may move before pending commands are left behind."""
        return whole_ns(self.settle_s)

    @property
    def drop_after_ns(self) -> int | None:
        """How late an arrival may be before it is given up; None when it never is."""
        return whole_ns(self.drop_after_s) if self.late == "drop" else None

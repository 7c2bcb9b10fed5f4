"""A phase of a plan: what is sent, at which rate over time, and when the phase is over."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, field_validator

from e2e_data.commands import Kind
from e2e_data.sequence import WEIGHT_MAX
from locustfiles.plan_parts.channels import Channels
from locustfiles.plan_parts.part import Seconds, whole_ns
from locustfiles.plan_parts.rates import Rates
from reports.slos import KindName

Weights = Annotated[
    dict[KindName, Annotated[int, Field(ge=1, le=WEIGHT_MAX)]],
    PlainSerializer(lambda value: {kind.label: weight for kind, weight in value.items()}),
]


class Phase(Rates):
    """One phase: it begins when the one before has its completions."""

    sends: tuple[KindName, ...]
    """Kinds of commands, interleaved: evenly, so that each lasts for the whole phase, or by weight."""
    weights: Weights = Field(default_factory=dict)
    """How many of each kind come in the same time, such as { funding = 1, payment = 3 }: when one has
    no more, the others go on."""
    model: Literal["open", "closed"] = "open"
    """Whether arrivals come whatever the platform does; or, closed, each user waits for its answer,
    nothing is ever overdue, and `rate_per_s` is only the most. A closed model cannot see a stall."""
    channels: Channels | None = None
    """Over which channels; those of the plan unless the phase has its own."""
    late: Literal["overdue", "drop"] = "overdue"
    """What becomes of an arrival that is due while all users wait: sent as soon as one is free, or
    given up after `drop_after_s`. The command itself is never given up."""
    drop_after_s: Seconds = Field(default=1, ge=0)
    """With late = "drop": how long an arrival may wait for a free user."""
    count: int | None = Field(default=None, ge=1)
    """Ends the sending after so many arrivals; with a duration, whichever comes first."""
    settle_s: Seconds = Field(default=10, gt=0)
    """Without any movement for so long, pending commands are left behind: the gate has failed."""
    settle_at_most_s: Seconds | None = Field(default=None, gt=0)
    """So long after the last was sent they are left behind, though some still complete."""
    if_pending: Literal["go on", "stop"] = "go on"
    """Whether the next phase begins when the gate has failed, with that noted, or the run stops."""
    completion_deadline_s: Seconds | None = Field(default=None, gt=0)
    """From when a command was due until its outcome has to be observed; the plan's without it."""

    warm_up_s: Seconds = Field(default=0, ge=0)
    """What is due in the first so long is left out of SLOs: connections open, caches fill. Of a search,
    in the first so long of each step."""

    @field_validator("sends")
    @classmethod
    def _sends(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        # No min_length: pydantic would say it of a kind that is misspelt, too.
        if not value:
            raise ValueError(f"name one kind or more of {', '.join(kind.label for kind in Kind)}")
        return value

    def _faults(self) -> list[str]:
        wrong = super()._faults()
        if self.weights and set(self.weights) != set(self.sends):
            named = ", ".join(kind.label for kind in self.sends)
            wrong.append(f"weights: give each kind one that is sent: {named}")
        if self.model == "closed" and self.late == "drop":
            wrong.append('late: in a closed model nothing is late; leave it out, or model = "open"')
        if self.profile == "search":
            wrong += self._not_for_a_search()
        return wrong

    def _not_for_a_search(self) -> list[str]:
        wrong = []
        if self.model == "closed":
            wrong.append('model: a closed model sees no rate as too high; a search takes "open"')
        if self.count is not None:
            wrong.append(f"count = {self.count}: a search ends when it has found the rate")
        if self.step_s is not None and self.warm_up_s >= self.step_s:
            wrong.append(
                f"warm_up_s = {self.warm_up_s:g}: of each step; give less than step_s = {self.step_s:g}"
            )
        return wrong

    @property
    def kind_weights(self) -> tuple[int, ...]:
        """The weights in the order of `sends`; empty where each kind is spread over the phase."""
        return tuple(self.weights[kind] for kind in self.sends) if self.weights else ()

    @property
    def settle_ns(self) -> int:
        """How long nothing may move before pending commands are left behind."""
        return whole_ns(self.settle_s)

    @property
    def settle_max_ns(self) -> int | None:
        """How long pending commands are waited for at most."""
        return None if self.settle_at_most_s is None else whole_ns(self.settle_at_most_s)

    @property
    def drop_after_ns(self) -> int | None:
        """How late an arrival may be before it is given up; None when it never is."""
        return whole_ns(self.drop_after_s) if self.late == "drop" else None

"""A phase of a plan: what is sent, at which rate over time, and when the phase is over."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from e2e_data.commands import Kind
from locustfiles.pacing import Even, Pace, Poisson
from locustfiles.plan_parts.channels import Channels
from locustfiles.plan_parts.part import RATE_MAX, Part, Rate, Seconds, exact, whole_ns
from locustfiles.profiles import SECOND_NS, Profile, ramp, steps
from reports.slos import KindName


class Step(Part):
    """A rate that stays for a while."""

    rate_per_s: Rate
    for_s: Seconds = Field(gt=0)


class Phase(Part):
    """One phase: it begins when the one before has its completions."""

    sends: tuple[KindName, ...]
    """Kinds of commands, interleaved evenly."""
    channels: Channels | None = None
    """Over which channels; those of the plan unless the phase has its own."""
    rate_per_s: Rate
    """How many arrivals there are in a second; of a ramp or of steps, what it comes to in the end."""
    profile: Literal["constant", "ramp", "steps"] = "constant"
    from_per_s: float = Field(default=0, ge=0, le=RATE_MAX, allow_inf_nan=False)
    """Where a ramp begins."""
    over_s: Seconds | None = Field(default=None, gt=0)
    """How long a ramp takes to come to `rate_per_s`."""
    steps: tuple[Step, ...] = ()
    """The rates before `rate_per_s`, each with its time."""
    spacing: Literal["even", "poisson"] = "even"
    """Arrivals at equal distances, or at random ones, as of many independent customers."""
    late: Literal["overdue", "drop"] = "overdue"
    """What becomes of an arrival that is due while all users wait: sent as soon as one is free, or
    given up after `drop_after_s`. The command itself is never given up."""
    drop_after_s: Seconds = Field(default=1, ge=0)
    duration_s: Seconds | None = Field(default=None, gt=0)
    """Ends the sending after so long; without it, the phase sends all that the pool has."""
    settle_s: Seconds = Field(default=10, gt=0)
    """Without any movement for so long, pending commands are left behind."""

    @field_validator("sends")
    @classmethod
    def _sends(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        # No min_length: pydantic would say it of a kind that is misspelt, too.
        if not value:
            raise ValueError(f"name one kind or more of {', '.join(kind.label for kind in Kind)}")
        return value

    @model_validator(mode="after")
    def _profile(self) -> Phase:
        # By value, since a run's record has every setting, and is read as a plan again.
        fields = type(self).model_fields
        given = {name for name in fields if getattr(self, name) != fields[name].default}
        wrong = [
            f'{name} is for profile = "{profile}", and this is "{self.profile}"'
            for name, profile in (("from_per_s", "ramp"), ("over_s", "ramp"), ("steps", "steps"))
            if name in given and self.profile != profile
        ]
        if self.profile == "ramp" and self.over_s is None:
            wrong.append("over_s: a ramp takes some time, such as over_s = 60")
        if self.profile == "steps" and not self.steps:
            wrong.append("steps: name them, such as steps = [{ rate_per_s = 100, for_s = 30 }]")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def rates(self) -> Profile:
        """The rate over time, as exact as it was written."""
        last = exact(self.rate_per_s)
        if self.profile == "ramp":
            assert self.over_s is not None, "a ramp was checked to have it"
            return ramp(exact(self.from_per_s), last, whole_ns(self.over_s))
        levels = [(exact(step.rate_per_s), whole_ns(step.for_s)) for step in self.steps]
        return steps(levels, last)

    def pace(self, seed: int, stream: int = 0) -> Pace:
        """Return when its arrivals are due; random ones are the same for the same seed and stream."""
        return Even(self.rates) if self.spacing == "even" else Poisson(self.rates, seed, stream)

    @property
    def duration_ns(self) -> int | None:
        """How long it sends; None until nothing is left."""
        return None if self.duration_s is None else round(self.duration_s * SECOND_NS)

    @property
    def settle_ns(self) -> int:
        """How long nothing may move before pending commands are left behind."""
        return round(self.settle_s * SECOND_NS)

    @property
    def drop_after_ns(self) -> int | None:
        """How late an arrival may be before it is given up; None when it never is."""
        return round(self.drop_after_s * SECOND_NS) if self.late == "drop" else None

"""A plan's budget: what a run may spend before it stops by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from e2e_data.money import from_wire
from locustfiles.plan_parts.part import Part, Seconds
from reports.quantities import money


class Budget(Part):
    """What a run may spend; without a limit nothing is too much."""

    commands: int | None = Field(default=None, ge=1)
    """Commands sent."""
    duration_s: Seconds | None = Field(default=None, gt=0)
    """From the first phase's beginning, pauses included."""
    moved: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict
    )
    """By currency, how much money the payments that were sent may move, if all are settled."""
    cost: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """In whatever currency the two rates are."""
    cost_per_command: float = Field(default=0, ge=0, allow_inf_nan=False)
    """What a command costs."""
    cost_per_hour: float = Field(default=0, ge=0, allow_inf_nan=False)
    """What an hour of the run costs."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.cost is not None and not (self.cost_per_command or self.cost_per_hour):
            msg = (
                f"cost = {self.cost:g} is never reached where nothing costs anything: say what does, such "
                "as cost_per_hour = 2.5 or cost_per_command = 0.00001"
            )
            raise ValueError(msg)
        return self

    def cost_of(self, commands: int, seconds: float) -> float:
        """Return what so much costs."""
        return commands * self.cost_per_command + seconds / 3600 * self.cost_per_hour

    def spent(self, commands: int, seconds: float, moved_minor: Mapping[str, int]) -> Iterator[str]:
        """Yield the limits that are reached, each in words; `moved_minor` is by currency."""
        for currency, limit in self.moved.items():
            minor = moved_minor.get(currency, 0)
            if minor >= from_wire(str(limit), currency):
                yield f"{money(minor, currency)} were to be moved, of {limit:,g}"
        if self.commands is not None and commands >= self.commands:
            yield f"{commands:,} commands were sent, of {self.commands:,}"
        if self.duration_s is not None and seconds >= self.duration_s:
            yield f"it took {seconds:.0f} s, of {self.duration_s:g}"
        cost = self.cost_of(commands, seconds)
        if self.cost is not None and cost >= self.cost:
            yield f"it cost {cost:.2f}, of {self.cost:.2f}"

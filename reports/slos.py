"""What a plan asks of speed (SLOs) and of the load generator itself (fitness)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from e2e_data.commands import Kind

Latency = Literal["lag", "queueing", "service", "response", "completion"]

LATENCY_MEANINGS: dict[Latency, str] = {
    "lag": "sent - max(intended, a user was free): the generator's own delay",
    "queueing": "max(intended, a user was free) - intended: all users were waiting for the platform",
    "service": "acknowledged - sent: what the platform took",
    "response": "acknowledged - intended: what a customer waits (no coordinated omission)",
    "completion": "completed - intended: until the outcome was observed",
}


def _kind(value: object) -> object:
    """Read a kind by its label, such as "opening credit"."""
    labels = {kind.label: kind for kind in Kind}
    if isinstance(value, str) and value not in labels:
        raise ValueError(f"there is no such kind; the kinds are {', '.join(labels)}")
    return labels.get(value, value) if isinstance(value, str) else value


KindName = Annotated[Kind, BeforeValidator(_kind)]
"""A kind, which may be written as its label."""


class Slo(BaseModel):
    """A bound on one percentile of one latency, for all commands or some of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency: Latency
    percentile: float = Field(gt=0, lt=100)
    below_ms: float = Field(gt=0)
    phase: str | None = None
    kind: KindName | None = None

    @property
    def title(self) -> str:
        """The SLO in words, such as "response p99 below 200 ms (phase payments)"."""
        scope = [f"phase {self.phase}"] if self.phase else []
        scope += [f"kind {self.kind.label}"] if self.kind is not None else []
        where = f" ({', '.join(scope)})" if scope else ""
        return f"{self.latency} p{self.percentile:g} below {self.below_ms:g} ms{where}"


class Fitness(BaseModel):
    """When the load generator is fit to judge a platform."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lag_percentile: float = Field(default=99, gt=0, lt=100)
    lag_below_ms: float = Field(default=100, gt=0)
    may_lose_workers: bool = False
    """Whether a run is judged although a process that sends died, or was not heard of for too long."""
    loop_lag_below_ms: float = Field(default=500, gt=0)
    """How late the event loop may be, at its worst, in the median second."""
    cpu_below_percent: float = Field(default=95, gt=0)
    """How much of one core a process may use in the median second: beyond, it waits for itself."""

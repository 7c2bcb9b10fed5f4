"""What a plan asks of speed (SLOs) and of the load generator itself (fitness)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from e2e_data.commands import Channel, Kind, Label

Latency = Literal["lag", "queueing", "service", "response", "completion"]

LATENCY_MEANINGS: dict[Latency, str] = {
    "lag": "sent - max(intended, a user was free): the generator's own delay",
    "queueing": "max(intended, a user was free) - intended: all users were waiting for the platform",
    "service": "acknowledged - sent: what the platform took",
    "response": "acknowledged - intended: what a customer waits (no coordinated omission)",
    "completion": "completed - intended: until the outcome was observed",
}


def _named(names: Mapping[str, Any], what: str) -> BeforeValidator:
    """Return what reads one of `names`, such as a kind by its label."""

    def read(value: object) -> object:
        if isinstance(value, str) and value not in names:
            raise ValueError(f"there is no such {what}; the {what}s are {', '.join(names)}")
        return names.get(value, value) if isinstance(value, str) else value

    return BeforeValidator(read)


KindName = Annotated[Kind, _named({kind.label: kind for kind in Kind}, "kind")]
"""A kind, which may be written as its label; so a channel and a label may be."""
ChannelName = Annotated[Channel, _named({one.name.lower(): one for one in Channel}, "channel")]
LabelName = Annotated[Label, _named({label.text: label for label in Label if label}, "label")]


ASKED = (
    "latency",
    "errors_below_percent",
    "throughput_above_per_s",
    "freshness_below_s",
    "recovered_within_s",
)
"""Of which an SLO asks one."""


NARROWER = ("channel", "kind", "region", "to_other_region", "label")
"""What an SLO may be about, beside a phase: each a column of what is measured."""


class Slo(BaseModel):
    """A bound on one percentile of one latency, on errors, on throughput or on freshness.

    It is about all commands, or those of a phase, channel, kind, region and label; over the whole run,
    or within windows of time, of which a share has to hold it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency: Latency | None = None
    """Which latency is asked about, with the two settings below."""
    percentile: float | None = Field(default=None, gt=0, lt=100)
    """Such as 99."""
    below_ms: float | None = Field(default=None, gt=0)
    """Where that percentile has to stay below."""
    errors_below_percent: float | None = Field(default=None, gt=0, le=100)
    """Of the commands that were sent, or could not be, so many may be without a right outcome: nobody
    answered, refused, lost, wrong. An expected rejection is no error, and being late is none."""
    throughput_above_per_s: float | None = Field(default=None, gt=0)
    """So many commands are answered in a second, while commands are due."""
    freshness_below_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """While commands are due, the newest whose outcome was observed was due at most so long ago."""
    recovered_within_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """So long after the end of each of the plan's faults it has to be as before."""
    phase: str | None = None
    """Only commands of this phase; all of them without it. So it is with each of the next five."""
    channel: ChannelName | None = None
    """Only those sent over this channel."""
    kind: KindName | None = None
    """Only those of this kind."""
    region: str | None = None
    """Only those of accounts of this region."""
    to_other_region: bool | None = None
    """True for payments whose beneficiary is in another region than the account, false for all else."""
    label: LabelName | None = None
    """Only payments with this label."""
    window_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Asked of each window of so long by itself, by when commands were due."""
    windows_percent: float = Field(default=100, gt=0, le=100)
    """So many of the windows have to hold it: with window_s = 1, the share of seconds that are good."""
    abort_after_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Stops the run when, while it is on, this was missed for so long without a break; of anything but a
    recovery, which is known from what came after."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        asked = [name for name in ASKED if getattr(self, name) is not None]
        wrong = []
        if len(asked) != 1:
            wrong.append(
                f"ask one thing: {', '.join(ASKED[:-1])} or {ASKED[-1]}; "
                f"this asks {' and '.join(asked) or 'nothing'}"
            )
        bound = (self.percentile, self.below_ms)
        if self.latency is not None and None in bound:
            wrong.append("a latency takes both, such as percentile = 99 and below_ms = 250")
        if self.latency is None and bound != (None, None):
            wrong.append('percentile and below_ms are for a latency, such as latency = "response"')
        if self.window_s is None and self.windows_percent != 100:
            wrong.append("windows_percent is for windows, such as window_s = 1")
        narrower = [getattr(self, name) for name in (*NARROWER, "window_s")]
        if self.recovered_within_s is not None and {*narrower} != {None}:
            wrong.append("recovered_within_s is asked of all faults, or those of a phase")
        wrong += self._not_live()
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def steers(self) -> bool:
        """Whether a search can tell by it, while it is on, that a rate is too high."""
        # While a step settles nothing is due, so that nothing gets fresher, and few are answered.
        return self.latency is not None or self.errors_below_percent is not None

    @property
    def is_narrow(self) -> bool:
        """Whether it is about some of a phase's commands alone."""
        return any(getattr(self, name) is not None for name in NARROWER)

    def _not_live(self) -> list[str]:
        """Name what cannot be seen while the run is on, and so cannot end it."""
        if self.abort_after_s is None or self.recovered_within_s is None:
            return []
        return [
            "abort_after_s: whether all was as before a fault is known from what came after, when the "
            "run has ended: leave it out, or put it on an SLO of latency, errors or throughput"
        ]

    @property
    def title(self) -> str:
        """The SLO in words, such as "response p99 below 200 ms (phase payments)"."""
        scope = [f"phase {self.phase}"] if self.phase else []
        scope += [f"channel {self.channel.name.lower()}"] if self.channel is not None else []
        scope += [f"kind {self.kind.label}"] if self.kind is not None else []
        scope += [f"region {self.region}"] if self.region is not None else []
        if self.to_other_region is not None:
            scope.append("to another region" if self.to_other_region else "not to another region")
        scope += [f"label {self.label.text}"] if self.label is not None else []
        if self.window_s is not None:
            scope.append(f"{self.windows_percent:g} % of windows of {self.window_s:g} s")
        where = f" ({', '.join(scope)})" if scope else ""
        return f"{self._asked}{where}"

    @property
    def _asked(self) -> str:
        if self.latency is not None:
            return f"{self.latency} p{self.percentile:g} below {self.below_ms:g} ms"
        if self.errors_below_percent is not None:
            return f"errors below {self.errors_below_percent:g} %"
        if self.freshness_below_s is not None:
            return f"freshness below {self.freshness_below_s:g} s"
        if self.recovered_within_s is not None:
            return f"recovered from each fault within {self.recovered_within_s:g} s"
        return f"throughput above {self.throughput_above_per_s:g}/s"

    @property
    def unit(self) -> str:
        """The unit of what is measured: that of the bound."""
        if self.latency is not None:
            return "ms"
        if self.freshness_below_s is not None or self.recovered_within_s is not None:
            return "s"
        return "%" if self.errors_below_percent is not None else "/s"


class Fitness(BaseModel):
    """When the load generator is fit to judge a platform."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lag_percentile: float = Field(default=99, gt=0, lt=100)
    """Of how late the generator was by itself."""
    lag_below_ms: float = Field(default=100, gt=0)
    """Where that percentile has to stay below."""
    may_lose_workers: bool = False
    """Whether a run is judged although a process that sends died, or was not heard of for too long."""
    loop_lag_below_ms: float = Field(default=500, gt=0)
    """How late the event loop may be, at its worst, in the median second."""
    cpu_below_percent: float = Field(default=95, gt=0)
    """How much of one core a process may use in the median second: beyond, it waits for itself."""
    memory_growth_below_percent: float | None = Field(default=None, gt=0)
    """By how much the memory of the process that has most may grow from the beginning to the end."""

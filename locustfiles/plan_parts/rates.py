"""The rate of a phase over time, as a plan writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from locustfiles.pacing import Even, Pace, Poisson
from locustfiles.plan_parts.part import RATE_MAX, Part, Rate, Seconds, exact, whole_ns
from locustfiles.plan_parts.traces import read_levels
from locustfiles.profiles import (
    Profile,
    burst,
    chaos,
    climb,
    constant,
    ramp,
    soak,
    steps,
    trace,
    wave,
)
from locustfiles.search import Search

ProfileName = Literal[
    "constant", "ramp", "steps", "burst", "wave", "chaos", "soak", "trace", "search"
]

SETTINGS: Mapping[str, tuple[ProfileName, ...]] = {
    "from_per_s": ("ramp", "chaos", "search"),
    "over_s": ("ramp", "soak"),
    "steps": ("steps",),
    "burst_per_s": ("burst",),
    "burst_s": ("burst",),
    "swing_per_s": ("wave",),
    "every_s": ("burst", "wave", "chaos"),
    "seed": ("chaos",),
    "trace": ("trace",),
    "speed": ("trace",),
    "step_s": ("search",),
    "within_percent": ("search",),
    "tries": ("search",),
}
"""Which profiles each setting is for."""

NEEDED: Mapping[ProfileName, Mapping[str, str]] = {
    "ramp": {"over_s": "over_s: a ramp takes some time, such as over_s = 60"},
    "steps": {"steps": "steps: name them, such as steps = [{ rate_per_s = 100, for_s = 30 }]"},
    "burst": {
        "burst_per_s": "burst_per_s: what the rate jumps to, such as burst_per_s = 500",
        "burst_s": "burst_s: how long a burst lasts, such as burst_s = 10",
        "every_s": "every_s: from one burst to the next, such as every_s = 60",
    },
    "wave": {
        "swing_per_s": "swing_per_s: how far the rate swings, such as swing_per_s = 50",
        "every_s": "every_s: how long a wave is, such as every_s = 300",
    },
    "chaos": {"every_s": "every_s: about how often the rate changes, such as every_s = 10"},
    "soak": {
        "over_s": "over_s: how long it takes to come up, and down in the end, such as over_s = 60",
        "duration_s": 'duration_s: a soak has an end, such as duration_s = "8h"',
    },
    "trace": {"trace": 'trace: the CSV file of a day, such as trace = "day.csv"'},
    "search": {
        "from_per_s": "from_per_s: the rate that a search begins with, such as from_per_s = 100",
        "step_s": "step_s: how long each rate is tried, such as step_s = 20",
    },
}
"""What a profile cannot do without, and what is said of it."""


def name_faults(settings: Mapping[str, object], profile: ProfileName) -> list[str]:
    """Name the settings that are not for a profile, and those that it lacks, whatever their values are."""
    # By value, since a run's record has every setting, and is read as a plan again.
    fields = Rates.model_fields.items()
    given = {name for name, one in fields if settings.get(name, one.default) != one.default}
    wrong = []
    for name, profiles in SETTINGS.items():
        if name in given and profile not in profiles:
            meant = " or ".join(f'"{one}"' for one in profiles)
            wrong.append(f'{name} is for profile = {meant}, and this is "{profile}"')
    needed = NEEDED.get(profile, {})
    return wrong + [said for name, said in needed.items() if name not in given]


class Step(Part):
    """A rate that stays for a while."""

    rate_per_s: Rate
    """The rate of this step."""
    for_s: Seconds = Field(gt=0)
    """How long it lasts."""


class Rates(Part):
    """How many arrivals there are in a second, over time."""

    rate_per_s: Rate
    """Of a ramp or of steps, what it comes to in the end; of bursts, what they are over; of a wave, the
    middle; of chaos, of a trace and of a search, the highest."""
    profile: ProfileName = "constant"
    """How the rate changes over time."""
    from_per_s: float = Field(default=0, ge=0, le=RATE_MAX, allow_inf_nan=False)
    """Where a ramp begins, or a search; the lowest of chaos."""
    over_s: Seconds | None = Field(default=None, gt=0)
    """How long a ramp takes to come to `rate_per_s`; how long a soak takes, and to come down again."""
    steps: tuple[Step, ...] = ()
    """The rates before `rate_per_s`, each with its time."""
    burst_per_s: Rate | None = None
    """What the rate jumps to."""
    burst_s: Seconds | None = Field(default=None, gt=0)
    """How long a burst lasts."""
    swing_per_s: Rate | None = None
    """How far a wave goes above its middle, and below."""
    every_s: Seconds | None = Field(default=None, ge=1)
    """From one burst to the next; a whole wave; about how long chaos keeps to anything."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Another seed is another chaos."""
    trace: str | None = None
    """A CSV file with the columns time and per_s; its busiest moment becomes `rate_per_s`. Loaded, it
    is its levels themselves, so that a run's record has all of it."""
    speed: float = Field(default=1, gt=0, le=RATE_MAX, allow_inf_nan=False)
    """So many times faster a trace passes, at the same rates."""
    step_s: Seconds | None = Field(default=None, gt=0)
    """How long a search tries a rate, its warm-up included."""
    within_percent: float = Field(default=5, gt=0, le=100)
    """How far apart a search leaves the highest rate that holds, and the lowest that does not."""
    tries: int = Field(default=3, ge=1, le=99)
    """How often a search tries what it has found; and a rate is too high when most of so many miss."""
    spacing: Literal["even", "poisson"] = "even"
    """Arrivals at equal distances, or at random ones, as of many independent customers."""
    duration_s: Seconds | None = Field(default=None, gt=0)
    """Ends the sending after so long; without it, a trace ends after its day, and what has any other
    profile when all that the pool has is sent."""

    @field_validator("trace")
    @classmethod
    def _trace(cls, value: str | None) -> str | None:
        if value is not None:
            read_levels(value)
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wrong = self._faults()
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _faults(self) -> list[str]:
        """Name what does not go together."""
        return name_faults(
            {name: getattr(self, name) for name in Rates.model_fields}, self.profile
        ) or (self._misfits())

    def _misfits(self) -> list[str]:
        """Name what does not go together, where all that is needed is there."""
        if self.profile == "burst" and (self.burst_s or 0) >= (self.every_s or 0):
            return [f"burst_s = {self.burst_s:g}: give less than every_s = {self.every_s:g}"]
        if self.profile == "wave" and (self.swing_per_s or 0) > self.rate_per_s:
            return [
                f"swing_per_s = {self.swing_per_s:g}: give at most rate_per_s = {self.rate_per_s:g}"
            ]
        if self.profile == "chaos" and self.from_per_s > self.rate_per_s:
            return [
                f"from_per_s = {self.from_per_s:g}: give at most rate_per_s = {self.rate_per_s:g}"
            ]
        if self.profile == "soak" and 2 * (self.over_s or 0) >= (self.duration_s or 0):
            return [
                f"over_s = {self.over_s:g}: give less than half of duration_s = {self.duration_s:g}"
            ]
        return list(self._search_misfits()) if self.profile == "search" else []

    def _search_misfits(self) -> Iterator[str]:
        for name in ("from_per_s", "rate_per_s"):
            if getattr(self, name) != int(getattr(self, name)):
                yield f"{name} = {getattr(self, name):g}: a search takes whole numbers"
        if self.from_per_s > self.rate_per_s:
            yield f"from_per_s = {self.from_per_s:g}: give at most rate_per_s = {self.rate_per_s:g}"
        if self.spacing == "poisson":
            yield 'spacing = "poisson": a search compares rates, so its arrivals are even'

    @cached_property
    def rates(self) -> Profile:
        """The rate over time, as exact as it was written."""
        made: dict[ProfileName, Callable[[], Profile]] = {
            "constant": lambda: constant(exact(self.rate_per_s)),
            "ramp": lambda: ramp(
                exact(self.from_per_s), exact(self.rate_per_s), whole_ns(self.over_s)
            ),
            "steps": lambda: steps(
                [(exact(step.rate_per_s), whole_ns(step.for_s)) for step in self.steps],
                exact(self.rate_per_s),
            ),
            "burst": lambda: burst(
                *(exact(self.rate_per_s), exact(self.burst_per_s)),
                *(whole_ns(self.burst_s), whole_ns(self.every_s)),
            ),
            "wave": lambda: wave(
                exact(self.rate_per_s), exact(self.swing_per_s), whole_ns(self.every_s)
            ),
            "chaos": lambda: chaos(
                *(exact(self.from_per_s), exact(self.rate_per_s), whole_ns(self.every_s)),
                self.seed,
            ),
            "soak": lambda: soak(
                exact(self.rate_per_s), whole_ns(self.over_s), whole_ns(self.duration_s)
            ),
            "trace": lambda: trace(
                [
                    (per_s, max(whole_ns(lasts_s / self.speed), 1))
                    for per_s, lasts_s in read_levels(self.trace or "")
                ],
                exact(self.rate_per_s),
            ),
            "search": lambda: climb(
                int(self.from_per_s), int(self.rate_per_s), whole_ns(self.step_s)
            ),
        }
        return made[self.profile]()

    def search(self) -> Search | None:
        """Return what says which rate is tried next; None where the rates are known beforehand."""
        if self.profile != "search":
            return None
        return Search(
            int(self.from_per_s),
            int(self.rate_per_s),
            within_percent=self.within_percent,
            tries=self.tries,
        )

    def pace(self, seed: int, stream: int = 0, step_per_s: int = 0) -> Pace:
        """Return when its arrivals are due; random ones are the same for the same seed and stream.

        In a step of a search they come at the step's own rate, `step_per_s`, since it began.
        """
        if step_per_s:
            return Even(constant(Fraction(step_per_s)))
        return Even(self.rates) if self.spacing == "even" else Poisson(self.rates, seed, stream)

    @property
    def step_ns(self) -> int:
        """How long each step of a search lasts."""
        return whole_ns(self.step_s)

    @property
    def foreseen_ns(self) -> int | None:
        """How long it sends as far as that is known beforehand: of a search, until a rate is too high."""
        if self.profile == "search" and self.duration_s is None:
            return len(self.rates.pieces) * self.step_ns
        return self.duration_ns

    @property
    def duration_ns(self) -> int | None:
        """How long it sends; None until nothing is left."""
        if self.duration_s is not None:
            return whole_ns(self.duration_s)
        return self.rates.round_ns if self.profile == "trace" else None

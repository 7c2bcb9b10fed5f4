"""What all parts of a plan have in common: their model, and how durations and rates are written."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from locustfiles.durations import parse_duration_s
from locustfiles.profiles import SECOND_NS


def _duration(value: object) -> object:
    return parse_duration_s(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_duration), Field(allow_inf_nan=False)]
"""A number of seconds, or text such as "90s" and "2m"."""

RATE_MAX = 1_000_000
Rate = Annotated[float, Field(gt=0, le=RATE_MAX)]
"""Arrivals per second."""


def exact(rate: float | None) -> Fraction:
    """Return a rate as exact as it was written: 0.1 is a tenth."""
    assert rate is not None, "a profile was checked to have what it needs"
    return Fraction(str(rate))


def whole_ns(seconds: float | None) -> int:
    """Return seconds as whole nanoseconds."""
    assert seconds is not None, "a profile was checked to have what it needs"
    return round(seconds * SECOND_NS)


class Part(BaseModel):
    """What all parts of a plan have in common: they do not change, and know their settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

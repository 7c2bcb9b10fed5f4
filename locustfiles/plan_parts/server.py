"""A plan's server metrics: what to ask the platform's own Prometheus for, and how it has to be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from locustfiles.channels.secret import Secret
from locustfiles.plan_parts.part import Part
from reports.server_metric import ServerMetric


class Server(Part):
    """Where the platform's monitoring is, and what is taken of it when a run has ended."""

    prometheus: str | None = Field(default=None, pattern=r"^https?://[^/\s@]+(/\S*)?$")
    """Its address, such as "http://prometheus.bank.example:9090"; without credentials. Where there is none,
    nothing is asked of the platform, and the run says so."""
    token: str | None = None
    """A bearer token, named as env:NAME or file:PATH."""
    metrics: Annotated[tuple[ServerMetric, ...], Field(min_length=1, max_length=20)]

    @field_validator("token")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        return None if value is None else str(Secret(value))

    @model_validator(mode="after")
    def _distinct(self) -> Server:
        names = [metric.name for metric in self.metrics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"metrics: {', '.join(twice)} is there twice; give each its own name")
        return self

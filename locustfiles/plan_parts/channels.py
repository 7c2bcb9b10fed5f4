"""How a plan says which share of the commands goes over which channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from e2e_data.commands import Channel
from locustfiles.mix import Mix


def _channels(value: object) -> object:
    """Read shares by the names of channels, such as { http = 60, mq = 40 }."""
    if not isinstance(value, Mapping):
        return value
    known = {channel.name.lower(): channel for channel in Channel}
    unknown = [str(name) for name in value if name not in known and name not in known.values()]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: channels are {', '.join(known)}")
    return {known.get(name, name): share for name, share in value.items()}


def _mixed(value: dict[Channel, float]) -> dict[Channel, float]:
    Mix.of(value)
    return value


Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Channels = Annotated[
    dict[Channel, Share],
    BeforeValidator(_channels),
    AfterValidator(_mixed),
    PlainSerializer(lambda value: {c.name.lower(): share for c, share in value.items()}),
]
"""Shares by channel, of whatever sum: { http = 60, mq = 30, kafka = 10 }."""

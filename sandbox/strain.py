"""Strain: how a platform that is right does worse for a while, as it is told to while it runs.

It is told by `PUT /sandbox/strain` with any of the fields below, and is at ease again once it is told
`{}`. Nothing that a strained platform answers is wrong: what it turns away has no effect.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, fields

from sandbox.fields import Fields, Refusal


@dataclass(slots=True)
class Strain:
    """What a platform is under; at ease without anything."""

    slow_ms: float = 0
    """Added before each answer to a command."""
    capacity_per_s: float = 0
    """The most decisions in a second; 0 for as many as there are."""
    errors_percent: float = 0
    """Of commands over HTTP: answered with 503, and without effect."""
    throttled_percent: float = 0
    """Of commands over HTTP: answered with 429, and without effect."""

    def change(self, told: Fields) -> None:
        """Be under what is told, and nothing else. Raises Refusal, naming what is wrong."""
        values = {field.name: told.amount(field.name) for field in fields(self)}
        for name, value in values.items():
            setattr(self, name, value)

    async def bear(self) -> None:
        """Keep a command over HTTP waiting, or turn it away: raises Refusal 503 or 429."""
        if self.slow_ms:
            await asyncio.sleep(self.slow_ms / 1000)
        if self.errors_percent and random.random() * 100 < self.errors_percent:
            raise Refusal(503, "unavailable", "the platform is under strain")
        if self.throttled_percent and random.random() * 100 < self.throttled_percent:
            raise Refusal(429, "throttled", "too many commands; try again later")

"""How large the messages of a plan are, at the least."""

from __future__ import annotations

from pydantic import Field

from e2e_data.commands import Kind
from e2e_data.padding import padded
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from locustfiles.plan_parts.part import Part

BYTES_MAX = 1_000_000_000


class Padding(Part):
    """Bytes that a message has at the least, made up by white space behind its JSON; 0: as it is."""

    each_bytes: int = Field(default=0, ge=0, le=BYTES_MAX)
    """Of each message."""
    largest_bytes: int = Field(default=0, ge=0, le=BYTES_MAX)
    """Of one: the first payment of the pool's first shard."""

    def of(self, platform: Platform, pool: Pool) -> Platform:
        """Return the adapter that sends a pool's commands so large."""
        index = pool.shard_counts(0).range_of(Kind.PAYMENT).start
        return padded(platform, each=self.each_bytes, largest=self.largest_bytes, index=index)

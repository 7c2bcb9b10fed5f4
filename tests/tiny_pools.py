"""Pools of a few accounts, made in a moment, and the commands of them that a test picks."""

from __future__ import annotations

from functools import lru_cache

import orjson

from e2e_data import config as pool_config
from e2e_data.commands import Kind, Outcome
from e2e_data.pool import Pool

POOL_SEEDS = 4
"""So many different pools there are; each takes a moment to make."""

Key = tuple[int, int]
"""Shard and index of a command."""

SPECIAL = {
    "payments": (12, 20),
    "hostile_percentage": 35,
    "hostile_flavours": {"replay": 20, "racing_replay": 20, "zero": 0, "negative": 0},
    "pattern_percentage": 50,
    "regions": ["north", "south"],
}
"""A pool in which a third of the payments is hostile."""


@lru_cache(maxsize=64)
def tiny_pool(
    seed: int = 0,
    accounts: int = 4,
    *,
    special: bool = False,
    settings: tuple[tuple[str, object], ...] = (),
) -> tuple[Pool, bytes]:
    """Return a pool of two shards, and its manifest as it stands in a run directory."""
    config = pool_config.load(
        "smoke",
        {
            "accounts": accounts,
            "accounts_per_shard": -(-accounts // 2),
            "payments": (3, 6),
            "funding": (1, 3),
            "fx_percentage": 30,
            **(SPECIAL if special else {}),
            **dict(settings),
        },
    )
    pool = Pool.in_memory(config, seed)
    text = orjson.dumps(pool.manifest.model_dump(mode="json"))
    return pool, text


def keys_of(pool: Pool, kind: Kind, expected: Outcome | None = None) -> list[Key]:
    """Return the commands of a kind, or those of them with exactly the expected set."""
    return [
        (shard.number, index)
        for shard in pool.shards()
        for index in shard.range_of(kind)
        if expected is None or shard.expected[index] == expected
    ]

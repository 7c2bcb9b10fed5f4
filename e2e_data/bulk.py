"""Many commands at once: what an adapter gives for each, by the thousands a second.

An adapter's methods take one command. Those that a platform leaves as they are have a twin here that
works on columns; for those that it overrides, its own are called one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from e2e_data import wire
from e2e_data.batch import Batch, taken, value_dates
from e2e_data.characters import Texts, as_bytes, woven
from e2e_data.commands import COMMAND_TYPES, Kind
from e2e_data.envelope import ENVELOPE
from e2e_data.hostile import DISFIGURED
from e2e_data.platform import Platform, Sending
from e2e_data.problems import Problems

Made = TypeVar("Made")

_DISFIGURED = np.array(DISFIGURED)
# The first Arrow array has pandas loaded: here, before anything is sent.
_TYPES = pa.array([COMMAND_TYPES[kind] for kind in Kind])


def keeps(platform: Platform, *methods: str) -> bool:
    """Tell whether a platform has left all these methods of the default adapter as they are."""
    return all(getattr(type(platform), name) is getattr(Platform, name) for name in methods)


def sending(batch: Batch, row: int) -> Sending:
    """Return one row of a batch as the adapter's methods take it."""
    command = batch.shard.command(int(batch.indices[row]))
    days = value_dates(batch.first_day, batch.shard.config.value_days)
    return Sending(
        command=command,
        command_id=batch.command_ids[row],
        customer_id=batch.customer_ids[row],
        correlation_id=batch.correlation_ids[row] if batch.correlation_ids else "",
        account_id=batch.account_ids[row],
        value_date=days[command.value_day],
    )


def one_by_one(call: Callable[[Sending], Made], batch: Batch) -> list[Made]:
    """Call an adapter's method for each command. Raises Problems where the adapter fails."""
    made = []
    for row in range(len(batch)):
        one = sending(batch, row)
        try:
            made.append(call(one))
        except Exception as error:
            place = f"{one.command.shard}:{one.command.index}"
            raise Problems(
                [f"the platform adapter failed on command {place}: {error!r}"]
            ) from error
    return made


def texts(platform: Platform, batch: Batch) -> Texts:
    """Return what `platform.body` gives for each command; correlation ids are not needed."""
    if not keeps(platform, "body", "payload"):
        return pa.array(one_by_one(platform.body, batch), pa.string())
    made = wire.bodies(batch)
    disfigured = np.flatnonzero(_DISFIGURED[batch.shard.label[batch.indices]]).tolist()
    if not disfigured:
        return made
    mixed = made.to_pylist()
    for row in disfigured:
        mixed[row] = platform.body(sending(batch, row))
    return pa.array(mixed, pa.string())


def bodies(platform: Platform, batch: Batch) -> list[bytes]:
    """Return the same as a sender needs it, in UTF-8."""
    return as_bytes(texts(platform, batch))


def envelopes(
    platform: Platform,
    batch: Batch,
    *,
    message_ids: Sequence[str],
    timestamp: str,
    reply_to: str,
) -> list[str]:
    """Return what `platform.envelope` gives for each command, sent at the same time."""
    if not keeps(platform, "envelope"):
        left = iter(message_ids)
        return one_by_one(
            lambda one: platform.envelope(
                one, message_id=next(left), timestamp=timestamp, reply_to=reply_to
            ),
            batch,
        )
    made: list[str] = woven(
        ENVELOPE,
        pa.array(message_ids, pa.string()),
        pa.array(batch.command_ids, pa.string()),
        pa.array(batch.correlation_ids, pa.string()),
        pa.repeat(timestamp, len(batch)),
        taken(_TYPES, batch.kinds),
        texts(platform, batch),
        pa.repeat(wire.text(reply_to), len(batch)),
    ).to_pylist()
    return made

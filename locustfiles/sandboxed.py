"""A plan as it is played where the platform is the embedded sandbox, which has every channel."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from e2e_data.commands import Channel
from locustfiles.plans import Plan

log = logging.getLogger(__name__)

NEEDED = {Channel.MQ: "ibmmq"}
"""The package that a channel is reached with, and that not every machine has."""


def sandboxed(plan: Plan) -> Plan:
    """Return the plan with the channels that it names for the sandbox, less those out of reach here."""
    shares = plan.sandbox_channels
    if shares is None:
        return plan
    missing = [channel for channel in shares if not _is_reached(channel)]
    for channel in missing:
        log.warning(
            "%s is left out: there is no package %s for this machine",
            channel.name,
            NEEDED[channel],
        )
    left = {channel: share for channel, share in shares.items() if channel not in missing}
    return plan.model_copy(update={"channels": left or plan.channels, "sandbox_channels": None})


def _is_reached(channel: Channel) -> bool:
    return channel not in NEEDED or find_spec(NEEDED[channel]) is not None

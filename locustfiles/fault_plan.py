"""What a plan's faults need, and which of them cannot be brought about; nothing is reached for here."""

from __future__ import annotations

from locustfiles import kafka_plan
from locustfiles.plan_parts.faults import TO_PLATFORM, TO_PROCESSES, TO_WIRE
from locustfiles.plans import Plan
from locustfiles.toxiproxy import is_here

NEEDS_SANDBOX = (*TO_PROCESSES, *TO_PLATFORM)


def apart(plan: Plan) -> bool:
    """Tell whether any fault needs the sandbox's parts to be processes of their own."""
    return any(one.do in TO_PROCESSES and one.to != "worker" for one in plan.faults)


def on_wire(plan: Plan) -> frozenset[str]:
    """Return the channels that have faults on their wire, as Toxiproxy's proxies are named."""
    return frozenset(
        one.channel.name.lower()
        for one in plan.faults
        if one.do in TO_WIRE and one.channel is not None
    )


def check(plan: Plan, *, embedded: bool) -> list[str]:
    """Return which faults cannot be brought about here."""
    wrong = []
    used = {channel.name.lower() for channel in plan.channels_used}
    parts = {"queue manager": "mq", "broker": "kafka"}
    for one in plan.faults:
        if one.do in NEEDS_SANDBOX and one.to != "worker" and not embedded:
            wrong.append(
                f"faults: {one.title}: that can be done to the embedded sandbox alone; leave --host out"
            )
        if one.do in TO_PROCESSES and parts.get(one.to, "http") not in {*used, "http"}:
            wrong.append(f"faults: {one.title}: the plan sends nothing over {parts[one.to]}")
    wrong += [
        f"faults: {name}: the plan sends nothing over it" for name in sorted(on_wire(plan) - used)
    ]
    kills = [one for one in plan.faults if one.do == "kill" and one.to == "worker"]
    if kills and (why := kafka_plan.loses_events(plan)):
        wrong.append(f"faults: {kills[0].title}: {why}: set it")
    if "kafka" in on_wire(plan) and kafka_plan.settings_of(plan).is_encrypted:
        wrong.append("faults: on kafka: behind a proxy nobody would have its certificate")
    if "kafka" in on_wire(plan) and not is_here(plan.wire.toxiproxy):
        wrong.append(
            f"faults: on kafka: Toxiproxy at {plan.wire.toxiproxy} must be on this machine, since "
            "brokers are reached through this process"
        )
    return wrong

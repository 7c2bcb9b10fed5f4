"""What a plan asks of Kafka, and what is wrong with that; nothing here reaches for a broker."""

from __future__ import annotations

from e2e_data.commands import Channel
from e2e_data.problems import Problems
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.plans import Plan

WHERE = 'bootstrap = "kafka.example:9092" in the plan\'s table [kafka]'
SANDBOX_FETCH_MS = 10
"""The sandbox's broker answers after this time, and not as soon as there is an event."""


def used(plan: Plan) -> bool:
    """Tell whether a plan sends over Kafka, or has its completions from there."""
    return plan.kafka is not None or Channel.KAFKA in plan.channels_used


def sends(plan: Plan) -> bool:
    """Tell whether a plan sends anything over Kafka."""
    return Channel.KAFKA in plan.channels_used


def settings_of(plan: Plan) -> KafkaSettings:
    """Return a plan's settings; the usual ones where it has none of its own."""
    return plan.kafka or KafkaSettings()


def check(plan: Plan, *, embedded: bool) -> list[str]:
    """Return what is wrong with where a plan's records are to go; secrets are read for it."""
    if not used(plan):
        return []
    settings, problems = settings_of(plan), []
    named = ", ".join(settings.clusters.values())
    if embedded and named:
        problems.append(
            f"kafka: {named} is named, but without --host the platform is the embedded "
            "sandbox, which has a broker of its own: give --host, or leave bootstrap out"
        )
    if not embedded and not named:
        problems.append(f"kafka: name the platform's brokers: {WHERE}")
    try:
        settings.client(named)
    except Problems as found:
        problems += [f"kafka: {problem}" for problem in found.problems]
    return problems


def sandbox_services(plan: Plan) -> dict[str, list[str]]:
    """Return what the embedded sandbox has to have, with its options."""
    return {"kafka": []} if used(plan) else {}


def with_sandbox(plan: Plan, address: str | None) -> Plan:
    """Return a plan that uses the embedded sandbox's broker at `address`, if there is one."""
    if address is None:
        return plan
    changes = {"bootstrap": address, "fetch_wait_ms": SANDBOX_FETCH_MS}
    settings = settings_of(plan).model_copy(update=changes)
    return plan.model_copy(update={"kafka": settings})

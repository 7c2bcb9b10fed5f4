"""Where a run's messages of IBM MQ go: checked before anything starts, or the embedded sandbox's own."""

from __future__ import annotations

from pydantic import ValidationError

from e2e_data.commands import Channel
from e2e_data.problems import Problems, of_validation
from locustfiles.channels.mq_session import Login
from locustfiles.channels.mq_settings import CHANNEL, QUEUE_MANAGER, MqSettings, connection_name
from locustfiles.plans import Plan, load_plan

WHERE = 'hosts = ["mq.example(1414)"] in the plan\'s table [mq], or MQ_HOST'

PLAN_HELP = (
    "A plan whose table [mq] says how to connect; without it the environment does: MQ_HOST, MQ_PORT, "
    "MQ_QMGR, MQ_CHANNEL, MQ_USER with MQ_PASSWORD, MQ_BINDING, MQ_LIBRARY."
)


def sends(plan: Plan) -> bool:
    """Tell whether a plan sends anything over IBM MQ."""
    return Channel.MQ in plan.channels_used


def check(plan: Plan, *, embedded: bool) -> list[str]:
    """Return what is wrong with where a plan's messages are to go; secrets are read for it."""
    if not sends(plan):
        return []
    mq, problems = plan.mq, []
    named = mq.connection_name or mq.ccdt or ", ".join(mq.regions)
    if embedded and named:
        problems.append(
            f"mq: {named} is named, but without --host the platform is the embedded sandbox, which has "
            "a queue manager of its own: give --host, or leave hosts, ccdt and MQ_HOST out"
        )
    if not embedded and not named:
        problems.append(f"mq: name the platform's queue manager: {WHERE}")
    try:
        Login.of(mq)
    except Problems as found:
        problems += [f"mq: {problem}" for problem in found.problems]
    return problems


def sandbox_services(plan: Plan) -> dict[str, list[str]]:
    """Return what the embedded sandbox has to have, with its options."""
    return {"mq": ["--mq-reply-id", plan.mq.reply_match]} if sends(plan) else {}


def with_sandbox(plan: Plan, address: str | None) -> Plan:
    """Return a plan that sends to the embedded sandbox's queue manager at `address`, if there is one."""
    if address is None:
        return plan
    there: dict[str, object] = {
        "hosts": (address,),
        "regions": {},
        "queue_manager": QUEUE_MANAGER,
        "channel": CHANNEL,
        "user": None,
        "password": None,
        # Who chose a binding wants to see it at work.
        "binding": "sandbox" if plan.mq.binding == "auto" else plan.mq.binding,
    }
    return plan.model_copy(update={"mq": plan.mq.model_copy(update=there)})


def reached_by(plan: str | None) -> MqSettings:
    """Return how a command reaches its queue manager: as a plan says, or else the environment.

    Raises Problems.
    """
    try:
        settings = load_plan(plan).mq if plan else MqSettings.model_validate({})
    except ValidationError as error:
        raise of_validation("environment", error) from error
    if settings.hosts or settings.ccdt:
        return settings
    return settings.model_copy(update={"hosts": (connection_name("localhost"),)})

"""What a run that sends over IBM MQ needs beyond others: checked, started with the sandbox, watched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import gevent

from e2e_data.commands import Channel
from e2e_data.problems import Problems
from locustfiles.channels.mq_access import Desk
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Login, Session
from locustfiles.channels.mq_settings import CHANNEL, QUEUE_MANAGER
from locustfiles.mq_sender import MqLine
from locustfiles.plans import Plan
from locustfiles.run import Run

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the depths of the queues are asked for."""
WHERE = 'hosts = ["mq.example(1414)"] in the plan\'s table [mq], or MQ_HOST'


def sends(plan: Plan) -> bool:
    """Tell whether a plan sends anything over IBM MQ."""
    return Channel.MQ in plan.channels_used


def check(plan: Plan, *, embedded: bool) -> list[str]:
    """Return what is wrong with where a plan's messages are to go; secrets are read for it."""
    if not sends(plan):
        return []
    mq, problems = plan.mq, []
    named = mq.connection_name or mq.ccdt
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


def sandbox_options(plan: Plan) -> list[str]:
    """Return what the embedded sandbox is to be started with."""
    if not sends(plan):
        return []
    return ["--mq-port", "0", "--mq-reply-id", plan.mq.reply_match]


def with_sandbox(plan: Plan, address: str | None) -> Plan:
    """Return a plan that sends to the embedded sandbox's queue manager at `address`, if there is one."""
    if address is None:
        return plan
    there = {
        "hosts": (address,),
        "queue_manager": QUEUE_MANAGER,
        "channel": CHANNEL,
        "user": None,
        "password": None,
        # Who chose a binding wants to see it at work.
        "binding": "sandbox" if plan.mq.binding == "auto" else plan.mq.binding,
    }
    return plan.model_copy(update={"mq": plan.mq.model_copy(update=there)})


def line(run: Run) -> MqLine:
    """Open the way over IBM MQ in a process that sends. Raises Problems."""

    def warn(note: str) -> None:
        log.warning("IBM MQ: %s", note)
        run.dealer.warned(run.phase_name, f"IBM MQ: {note}")

    return MqLine(run, warn)


class Depths:
    """How many messages there are on the command, reply and backout queues, looked up each second."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        """Begin. Raises Problems where the binding or a secret is missing."""
        mq = plan.mq
        queues = (mq.command_queue, mq.reply_queue, mq.backout_queue)
        self._queues = tuple(queue for queue in queues if queue is not None)
        self._say = say
        self._link = Desk.of(mq, log.debug).link()
        self._depths: dict[str, int] = {}
        self._told: set[int] = set()
        self._greenlet = gevent.spawn(self._look)

    def __call__(self) -> Mapping[str, int]:
        """Return the depths as they were seen last, by queue; none while they cannot be seen."""
        return self._depths

    def close(self) -> None:
        """Look no more."""
        self._greenlet.kill()
        self._link.close()

    def _look(self) -> None:
        while True:
            try:
                self._depths = self._link.use(self._asked)
            except MqError as error:
                self._depths = {}
                if not error.is_broken and error.reason not in self._told:
                    self._told.add(error.reason)
                    self._say(f"the depths of the queues cannot be seen: {error.told}")
            gevent.sleep(LOOK_S)

    def _asked(self, session: Session) -> dict[str, int]:
        return {queue: session.depth(queue) for queue in self._queues}

"""What is opened for a run that sends over IBM MQ: its line, and a look at the queues each second."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import gevent

from locustfiles import regional
from locustfiles.channels.mq_access import Desk
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Session
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.lines import Line
from locustfiles.mq_sender import MqLine
from locustfiles.run import Run

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the depths of the queues are asked for."""


def line(run: Run) -> Line:
    """Open the way over IBM MQ in a process that sends. Raises Problems."""
    said: set[str] = set()

    def warn(note: str) -> None:
        # Each reader says the same of the same outage.
        if note in said:
            return
        said.add(note)
        log.warning("IBM MQ: %s", note)
        run.dealer.warned(run.phase_name, f"IBM MQ: {note}")

    mq = run.plan.mq
    regions = run.pool.config.regions
    return regional.lines_of(regions, mq.hosts_of, lambda at: MqLine(run, mq.at(at), warn))


class Depths:
    """How many messages there are on the command, reply and backout queues, looked up each second."""

    def __init__(self, mq: MqSettings, say: Callable[[str], None]) -> None:
        """Begin. Raises Problems where the binding or a secret is missing."""
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

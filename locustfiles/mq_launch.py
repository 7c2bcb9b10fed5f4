"""What is opened for a run that sends over IBM MQ: its line, and a look at the queues each second."""

from __future__ import annotations

import logging
from collections.abc import Callable

from locustfiles import regional
from locustfiles.channels.mq_access import Desk
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Session
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.lines import Line
from locustfiles.looks import Looks, UnseenError
from locustfiles.mq_sender import MqLine
from locustfiles.run import Run

log = logging.getLogger(__name__)


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


class Depths(Looks):
    """How many messages there are on the command, reply and backout queues."""

    def __init__(self, mq: MqSettings, say: Callable[[str], None]) -> None:
        """Begin. Raises Problems where the binding or a secret is missing."""
        queues = (mq.command_queue, mq.reply_queue, mq.backout_queue)
        self._queues = tuple(queue for queue in queues if queue is not None)
        self._link = Desk.of(mq, log.debug).link()
        super().__init__(say, may_be_left=True)

    def look(self) -> dict[str, int]:
        """Return the depths, by queue. Raises UnseenError."""
        try:
            return self._link.use(self._asked)
        except MqError as error:
            # That a connection broke is said by whoever sends over it.
            told = (
                "" if error.is_broken else f"the depths of the queues cannot be seen: {error.told}"
            )
            raise UnseenError(error.reason, told) from error

    def close(self) -> None:
        """Look no more."""
        super().close()
        self._link.close()

    def _asked(self, session: Session) -> dict[str, int]:
        return {queue: session.depth(queue) for queue in self._queues}

"""What can go wrong with a command over IBM MQ, each with its name: as `faults` has it for HTTP."""

from __future__ import annotations

from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.mq_reasons import IN_DOUBT, MqError


class NotPutError(NotSentError):
    """The queue manager did not take the message, or could not be reached."""

    fault = "not put"


class InDoubtError(UnansweredError):
    """The connection broke in the middle of the put: the message may be on the queue."""

    fault = "put in doubt"


class NoReplyError(UnansweredError):
    """No reply came in time; it may come late."""

    fault = "no reply in time"


def of_put(error: MqError, *, syncpoint: bool) -> NotPutError | InDoubtError:
    """Say what a failed put means: under syncpoint, only its commit can be in doubt."""
    may_be_done = error.reason in IN_DOUBT and (error.verb == "MQCMIT" or not syncpoint)
    in_the_put = error.verb in ("MQPUT", "MQCMIT")
    return InDoubtError(error.short) if may_be_done and in_the_put else NotPutError(error.short)

"""What can go wrong with a record, by classes: in the journal, the statistics, the report.

no broker has it          too large, no such topic, not authorised, not authenticated, refused
a broker may have it      no acknowledgement in time, given up, and whatever else a broker says
"""

from __future__ import annotations

from confluent_kafka import KafkaError

_NO_BROKER_HAS_IT = {
    KafkaError.MSG_SIZE_TOO_LARGE: "too large",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "no such topic",
    KafkaError._UNKNOWN_TOPIC: "no such topic",
    KafkaError._UNKNOWN_PARTITION: "no such topic",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "not authorised",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "not authorised",
    KafkaError._AUTHENTICATION: "not authenticated",
    KafkaError.SASL_AUTHENTICATION_FAILED: "not authenticated",
    KafkaError.INVALID_RECORD: "refused",
    KafkaError.POLICY_VIOLATION: "refused",
}
# It may have been on its way when its time was up: librdkafka's Python binding does not tell.
_A_BROKER_MAY_HAVE_IT = {
    KafkaError._MSG_TIMED_OUT: "no acknowledgement in time",
    KafkaError._PURGE_QUEUE: "given up",
    KafkaError._PURGE_INFLIGHT: "given up",
}
MEANINGS = {
    "too large": "The record is longer than the topic, or the producer, takes.",
    "no such topic": "The brokers have no topic of that name, and make none.",
    "not authorised": "The user may not write to the topic.",
    "not authenticated": "The brokers do not know the user, or the password is another.",
    "refused": "A broker does not take such a record.",
    "no acknowledgement in time": "No broker confirmed the record in time; it may have it.",
    "given up": "It was not confirmed before its lease was another's, or the run was over.",
}
"""What each class means, in words."""
_NAMES = {**_NO_BROKER_HAS_IT, **_A_BROKER_MAY_HAVE_IT}


class RecordError(Exception):
    """A record that was not acknowledged, by the name of what went wrong."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(f"{_NAMES.get(error.code(), 'broker')}: {error.name()}")
        self.code = error.code()

    @property
    def is_not_sent(self) -> bool:
        """Whether surely no broker has it."""
        return self.code in _NO_BROKER_HAS_IT

"""A broker of our own: librdkafka's mock cluster, which speaks Kafka and keeps a little of each topic.

It lives in this process, on a thread of librdkafka's, and listens on loopback at a port that it takes
by itself. About 5 MB of each partition are kept: what nobody reads in time is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Producer

BROKERS = 1
_START_S = 10
_QUIET = 4
"""Of syslog's levels: warnings, and nothing of less weight."""


class MockBroker:
    """A mock cluster with its topics, for as long as the object lives."""

    def __init__(self, topics: Sequence[str]) -> None:
        """Start it; the topics are there when this returns."""
        self._client = Producer(
            {
                "bootstrap.servers": "127.0.0.1",
                "test.mock.num.brokers": BROKERS,
                "log_level": _QUIET,
            }
        )
        brokers = self._client.list_topics(timeout=_START_S).brokers.values()
        self.addresses = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        """Where clients begin, as they write it: "127.0.0.1:40729"."""
        for topic in topics:
            # To ask for a topic that is not there makes it, with four partitions.
            self._client.list_topics(topic, timeout=_START_S)

"""How far the platform is behind: the lag of its own consumer group, looked up each second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import gevent
from confluent_kafka import Consumer, KafkaException
from gevent.event import Event

from locustfiles.channels.kafka_probe import behind, on_a_thread
from locustfiles.channels.kafka_settings import Config

LOOK_S = 1.0


class PlatformLag:
    """Records of the command topic that the platform has not committed, over all partitions."""

    def __init__(self, config: Config, topic: str, say: Callable[[str], None]) -> None:
        """Begin, with the platform's own group in `config`; `say` is told once why it cannot be seen."""
        self._topic = topic
        self._name = f"lag of {config['group.id']}"
        self._say = say
        # Never subscribed, so that it is no member of the group, and nobody is rebalanced.
        self._consumer = Consumer(config)
        self._lag: dict[str, int] = {}
        self._told: set[int] = set()
        self._over = Event()
        self._greenlet = gevent.spawn(self._look)

    def __call__(self) -> Mapping[str, int]:
        """Return the lag as it was seen last, by its name; none while it cannot be seen."""
        return self._lag

    def close(self) -> None:
        """Look no more. A look that is on is awaited: two threads must not use one consumer."""
        self._over.set()
        self._greenlet.join()
        on_a_thread(self._consumer.close)

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                self._lag = {self._name: on_a_thread(partial(behind, self._consumer, self._topic))}
            except KafkaException as error:
                self._lag = {}
                cause = error.args[0]
                if cause.code() not in self._told:
                    self._told.add(cause.code())
                    self._say(f"the {self._name} cannot be seen: {cause.str()}")
            self._over.wait(LOOK_S)

"""How far the platform is behind: the lag of its own consumer group."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from confluent_kafka import Consumer, KafkaException

from locustfiles.channels.kafka_probe import behind
from locustfiles.channels.kafka_settings import Config
from locustfiles.channels.os_thread import on_a_thread
from locustfiles.looks import Looks, UnseenError


class PlatformLag(Looks):
    """Records of the command topic that the platform has not committed, over all partitions."""

    def __init__(self, config: Config, topic: str, say: Callable[[str], None]) -> None:
        """Begin, with the platform's own group in `config`; `say` is told once why it cannot be seen."""
        self._topic = topic
        self._name = f"lag of {config['group.id']}"
        # Never subscribed, so that it is no member of the group, and nobody is rebalanced.
        self._consumer = Consumer(config)
        # Two threads must not use one consumer: a look is awaited before it is closed.
        super().__init__(say, may_be_left=False)

    def look(self) -> dict[str, int]:
        """Return the lag, by its name. Raises UnseenError."""
        try:
            return {self._name: on_a_thread(partial(behind, self._consumer, self._topic))}
        except KafkaException as error:
            cause = error.args[0]
            told = f"the {self._name} cannot be seen: {cause.str()}"
            raise UnseenError(cause.code(), told) from error

    def close(self) -> None:
        """Look no more."""
        super().close()
        on_a_thread(self._consumer.close)

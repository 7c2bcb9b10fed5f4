"""The sandbox's options for Kafka: what is wrong is said, and what is asked for is done."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sandbox.cli import sandbox
from sandbox.kafka_options import KafkaOptions


def options(**given):
    plain = {"port": None, "only": False, "at": None, "setting": (), "partitions": 4, "store": None}
    return KafkaOptions(**{**plain, **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"only": True}, "--kafka-only needs --kafka-port"),
        ({"at": "nowhere"}, "--kafka-at 'nowhere' must be an address"),
        ({"at": "h:9092", "store": "f"}, "--kafka-store needs --kafka-port"),
        ({"at": "h:9092", "port": 0}, "leave out --kafka-port"),
        ({"port": 0, "setting": ("acks=1",)}, "give --kafka-at too"),
        ({"at": "h:9092", "setting": ("acks",)}, "--kafka-setting acks: give NAME=VALUE"),
        ({"at": "h:9092", "setting": ("group.id=x",)}, "--kafka-setting group.id"),
        ({"at": "h:9092", "setting": ("sasl.password=env:P",)}, "P is not in the environment"),
    ],
)
def test_what_cannot_be_is_said(given, said):
    """Each problem is one sentence, with what would be right."""
    (problem,) = options(**given).problems({})
    assert said in problem


def test_another_broker_is_reached_as_told():
    """Settings are librdkafka's own; a secret is read from the environment, and not shown."""
    given = options(
        at="a:9092,b:9092", setting=("sasl.username=me", "sasl.password=env:P"), partitions=9
    )
    assert given.problems({"P": "secret"}) == []
    client = given.client({"P": "secret"})
    assert client.config()["bootstrap.servers"] == "a:9092,b:9092"
    assert client.config()["sasl.password"] == "secret"
    assert client.partitions == 9
    assert "secret" not in repr(given)


def test_every_problem_is_said_at_once():
    """One line for each, also of different channels, and exit code 2."""
    done = CliRunner().invoke(sandbox, ["--kafka-only", "--mq-only"])
    assert done.exit_code == 2
    assert "--kafka-only needs --kafka-port" in done.output
    assert "--mq-only needs --mq-port" in done.output
    assert "each is a process of its own" in done.output

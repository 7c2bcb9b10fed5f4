"""The table [kafka]: what is wrong is said, what is given reaches librdkafka, secrets are not written."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer
from pydantic import ValidationError

from e2e_data.problems import Problems
from locustfiles import fault_plan, kafka_plan
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.plans import load_plan


def test_settings_reach_the_clients(monkeypatch):
    """By librdkafka's names; a record is given up within the time that its lease leaves."""
    monkeypatch.setenv("PASSWORD", "correct-horse")
    settings = KafkaSettings(
        bootstrap="a:9092, b:9092",
        acks="1",
        idempotence=False,
        compression="lz4",
        tls={"ca_file": "ca.pem", "verify": False},
        sasl={"username": "me", "password": "env:PASSWORD"},
        librdkafka={"socket.keepalive.enable": True, "ssl.key.password": "env:PASSWORD"},
    )
    config = settings.producer(settings.bootstrap, 5000)
    assert config["bootstrap.servers"] == "a:9092,b:9092"
    assert (config["acks"], config["compression.type"], config["message.timeout.ms"]) == (
        *("1", "lz4", 5000),
    )
    assert config["security.protocol"] == "SASL_SSL"
    assert (config["sasl.mechanism"], config["sasl.password"]) == ("SCRAM-SHA-512", "correct-horse")
    assert (config["ssl.ca.location"], config["ssl.key.password"]) == ("ca.pem", "correct-horse")
    assert config["enable.ssl.certificate.verification"] is False
    assert config["socket.keepalive.enable"] is True
    assert "correct-horse" not in settings.model_dump_json() + repr(settings)
    reading = settings.consumer(settings.bootstrap, "group")
    assert (reading["group.id"], reading["enable.auto.commit"]) == ("group", False)


def test_a_lost_members_share_is_anothers_after_a_leases_time():
    """In a classic group, unless it is set; in the other it is the broker's to say, and no client may."""
    Consumer(KafkaSettings(group_protocol="consumer").consumer("a:9092", "group")).close()
    classic = KafkaSettings(group_protocol="classic")
    assert classic.consumer("a:9092", "group")["session.timeout.ms"] == 10_000
    sooner = classic.model_copy(update={"librdkafka": {"session.timeout.ms": 6000}})
    assert sooner.consumer("a:9092", "group")["session.timeout.ms"] == 6000


def test_a_plan_that_kills_workers_needs_a_group_that_notices():
    """Nobody would read the lost worker's share of the events for 45 s; without Kafka nobody has to."""
    kill = 'faults=[{do="kill", to="worker", phase="payments", at_s=1, for_s=1}]'
    plan = load_plan("smoke", [kill, 'kafka={group_protocol="consumer"}'])
    (problem,) = fault_plan.check(plan, embedded=True)
    assert "kill" in problem
    assert 'group_protocol = "classic" takes 10 s' in problem
    for harmless in ([kill], [kill, 'kafka={group_protocol="classic"}']):
        assert fault_plan.check(load_plan("smoke", harmless), embedded=True) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bootstrap": "nowhere"}, "'nowhere' is no HOST:PORT"),
        ({"commands": "no topic"}, "a topic's name has"),
        ({"acks": "1"}, 'idempotence needs acks = "all"'),
        ({"tls": {"key_file": "k.pem"}}, "give its certificate_file"),
        ({"librdkafka": {"group.id": "x"}}, "group.id is paystorm's own to set"),
        ({"librdkafka": {"sasl.password": "x"}}, "sasl.password is paystorm's own to set"),
        ({"librdkafka": {"ssl.key.password": "hunter2"}}, "is a secret: name it as"),
        ({"sasl": {"username": "me", "password": "hunter2"}}, "is not written into a plan"),
        ({"librdkafka": {"session.timeout.ms": 6000}}, 'set group_protocol = "classic"'),
        ({"nonsense": 1}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said(given, said):
    """With what would be right, and without the secret that somebody wrote."""
    with pytest.raises(ValidationError) as caught:
        KafkaSettings(**given)
    told = " ".join(error["msg"] for error in caught.value.errors())
    assert said in told
    assert "hunter2" not in told


def test_a_secret_that_is_not_there_is_said_before_the_run(monkeypatch):
    """With the other problems of the plan, and its name."""
    monkeypatch.delenv("NO_SUCH", raising=False)
    sasl = '{username="me", password="env:NO_SUCH"}'
    changes = [f"kafka.sasl={sasl}", 'kafka.bootstrap="a:9092"', "channels={kafka=1}"]
    (problem,) = kafka_plan.check(load_plan("smoke", changes), embedded=False)
    assert problem.startswith("kafka: ")
    assert "NO_SUCH" in problem


def test_where_records_go_has_to_be_known():
    """A platform of the user's own has its brokers named; the sandbox brings its own."""
    named = load_plan("smoke", ["channels={kafka=1}", 'kafka.bootstrap="a:9092"'])
    unnamed = load_plan("smoke", ["channels={http=1,kafka=1}"])
    assert kafka_plan.check(named, embedded=False) == []
    assert kafka_plan.check(unnamed, embedded=True) == []
    assert "has a broker of its own" in kafka_plan.check(named, embedded=True)[0]
    assert "name the platform's brokers" in kafka_plan.check(unnamed, embedded=False)[0]
    assert kafka_plan.check(load_plan("smoke"), embedded=False) == []


def test_events_may_be_asked_for_without_sending_over_kafka():
    """The table alone has completions come from events; the embedded sandbox then has a broker."""
    plan = load_plan("smoke", ["kafka.linger_ms=1"])
    assert kafka_plan.used(plan)
    assert not kafka_plan.sends(plan)
    assert kafka_plan.sandbox_services(plan) == {"kafka": []}
    assert kafka_plan.sandbox_services(load_plan("smoke")) == {}
    there = kafka_plan.with_sandbox(plan, "127.0.0.1:1234")
    assert there.kafka.bootstrap == "127.0.0.1:1234"
    assert there.kafka.linger_ms == 1


def test_secrets_are_read_from_files_too(tmp_path):
    """And a file that is not there is named."""
    sasl = {"username": "me", "password": f"file:{tmp_path / 'nowhere'}"}
    with pytest.raises(Problems, match="nowhere"):
        KafkaSettings(sasl=sasl).client("a:9092")

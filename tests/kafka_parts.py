"""What tests of the Kafka channel put on topics, and how they read them, as any program would."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

WAIT_S = 30

QUIET = {"log_level": 0}


def creation(customer_id):
    """Return the payload that creates an account."""
    return {
        "customerId": customer_id,
        "currencyCode": "USD",
        "transitNumber": "001",
        "accountType": "CHECKING",
        "limitBased": False,
    }


def credit(account_id, amount):
    """Return the payload of an opening credit."""
    money = {"amount": amount, "currencyCode": "USD"}
    return {
        "accountId": account_id,
        "transactionType": "CREDIT",
        "amount": money,
        "description": "Opening credit",
    }


def envelope(command_type, payload, *, command_id, correlation_id="ab" * 24):
    """Return a command as it stands in a record."""
    return json.dumps(
        {
            "messageId": str(uuid.uuid4()),
            "commandId": command_id,
            "correlationId": correlation_id,
            "timestamp": "2026-11-20T12:00:00Z",
            "commandType": command_type,
            "payload": payload,
            "replyTo": "payments.events",
        }
    ).encode()


def produce(bootstrap, topic, *records, **settings):
    """Produce (key, value, headers) records, and return when the broker has them all."""
    producer = Producer({"bootstrap.servers": bootstrap, **QUIET, **settings})
    failed = []
    for key, value, headers in records:
        producer.produce(
            topic,
            value,
            key,
            headers=headers,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    assert producer.flush(WAIT_S) == 0
    assert not failed, failed


def consume(bootstrap, topic, count, *, group=None, **settings):
    """Return the first `count` records of a topic; fewer where no more come in time."""
    config = {
        "bootstrap.servers": bootstrap,
        "group.id": group or str(uuid.uuid4()),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        **QUIET,
        **settings,
    }
    with closing(Consumer(config)) as consumer:
        metadata = consumer.list_topics(topic, timeout=WAIT_S).topics[topic]
        consumer.assign(
            [TopicPartition(topic, number, OFFSET_BEGINNING) for number in metadata.partitions]
        )
        found, until_s = [], time.monotonic() + WAIT_S
        while len(found) < count and time.monotonic() < until_s:
            for message in consumer.consume(count - len(found), 0.2):
                if message.error():
                    raise KafkaException(message.error())
                found.append(message)
        return found

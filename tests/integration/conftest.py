"""What integration tests share: things that take long to start."""

from __future__ import annotations

import pytest

from tests import kafka


@pytest.fixture(scope="session")
def real_kafka():
    """Real Apache Kafka, started once; whoever stops it starts it again."""
    try:
        with kafka.broker() as running:
            yield running
    except kafka.Unavailable as why:
        kafka.cannot(why)

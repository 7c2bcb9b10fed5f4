"""Strain: what a sound platform does worse for a while, as it is told to."""

from __future__ import annotations

import json

import pytest

from sandbox.processor import Processor
from sandbox.strain import Strain
from tests.unit.test_sandbox_http import Client, account_body, uuid


def told(client, **strain):
    status, answer = client.request("PUT", "/sandbox/strain", json.dumps(strain).encode())
    return status, json.loads(answer)


@pytest.mark.parametrize(("field", "status"), [("errors_percent", 503), ("throttled_percent", 429)])
def test_what_it_turns_away_has_no_effect(field, status):
    """Until it is told to be at ease."""
    client = Client()
    assert told(client, **{field: 100})[0] == 200
    assert client.post("/api/accounts", uuid(1), account_body())[0] == status
    assert client.queue == []
    assert told(client) == (200, dict.fromkeys(Strain.__slots__, 0.0))
    assert client.post("/api/accounts", uuid(1), account_body())[0] == 202


@pytest.mark.parametrize("value", [-1, "much", True, None, float("inf")])
def test_a_strain_that_is_none_is_refused_and_changes_nothing(value):
    """With the name of the field."""
    client = Client()
    told(client, slow_ms=0, errors_percent=100)
    status, answer = told(client, errors_percent=value)
    assert status in (400, 422)
    assert status == 400 or "errors_percent" in answer["reason"]
    assert client.post("/api/accounts", uuid(1), account_body())[0] == 503


def test_a_capacity_is_the_most_decisions_in_a_second():
    """However many are due; without it all that is due is decided."""
    now_s, decided, strain = [100.0], [], Strain(capacity_per_s=10)
    processor = Processor(0, lambda: now_s[0], strain)
    for number in range(50):
        processor.enqueue(str(number))
    for _ in range(20):
        wait_s = processor.decide_due(decided.append)
        now_s[0] += wait_s
    assert len(decided) in (20, 21)
    assert now_s[0] == pytest.approx(102, abs=0.11)
    strain.capacity_per_s = 0
    processor.decide_due(decided.append)
    assert len(decided) == 50

"""The plan `failure-recovery`, scaled down: what is killed comes back, and the judge knows what was lost."""

from __future__ import annotations

import json
from typing import Any

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, Ended, run
from tests.mq_parts import needs_ibmmq
from tests.toxiproxy import toxiproxy

pytestmark = needs_ibmmq

PAYMENTS = "phases.payments"
SCALED = [
    "pool.accounts=20",
    "pool.accounts_per_shard=5",
    "pool.payments=[14, 18]",
    "pool.funding=[6, 8]",
    "users=40",
    "mq.connections=16",
    "phases.accounts.rate_per_s=60",
    "phases.opening-credits.rate_per_s=60",
    f"{PAYMENTS}.rate_per_s=60",
    # A busy machine takes its time to start what was killed. Nobody hears of some that were decided then.
    f"{PAYMENTS}.settle_s=8",
    "kafka.librdkafka={'session.timeout.ms'=3000, 'heartbeat.interval.ms'=500}",
    "fleet.lease_s=2",
    # How long a busy machine takes to be as before says nothing of the plan, nor does its lag.
    "slos=[]",
    "fitness.lag_below_ms=20000",
    "fitness.loop_lag_below_ms=20000",
]


KILLED = [
    ("platform", 2),
    ("queue manager", 3.5),
    ("broker", 5),
    ("worker", 6.5),
]


def played(runs: list[str], *more: str) -> Ended:
    """Run the plan with a fleet and the kills, each for half a second."""
    written = ", ".join(
        f"{{do='kill', to='{to}', phase='payments', at_s={at_s}, for_s=0.5}}" for to, at_s in KILLED
    )
    changes = [*SCALED, f"faults=[{written}]"]
    settings = [word for change in changes for word in ("--set", change)]
    return run([*PAYSTORM, "run", "failure-recovery", "--workers", "2", *settings, *more, *runs])


def timeline(ended: Ended) -> list[dict[str, Any]]:
    """Return the events of the run."""
    rows = map(json.loads, (ended.directory / "timeline.jsonl").open())
    return [row for row in rows if "event" in row]


def test_what_was_killed_comes_back_and_nothing_is_wrong(runs: list[str]) -> None:
    """With -9: the platform, its queue manager, its broker and a worker; all of it reconciles."""
    ended = played(runs)
    assert ended.findings() == {}, ended.out
    assert {check["status"] for check in ended.summary["checks"]} == {"holds"}, ended.out
    assert ended.code == Exit.GOOD, ended.out + ended.err
    done = [row["note"] for row in timeline(ended) if row["event"] == "fault ended"]
    assert done == [f"kill the {to}" for to, _ in KILLED]
    platform, manager, broker, _ = ended.summary["faults"]
    assert sum(platform["during"].values()) > 0
    assert platform["noticed_ms"] is not None
    assert [one["channel"] for one in (manager, broker)] == ["MQ", "KAFKA"]
    assert any(row["event"] == "worker lost" for row in timeline(ended))


def test_a_platform_that_forgets_when_it_is_killed_does_not_reconcile(runs: list[str]) -> None:
    """The same with a defect switched on: it writes to its book late, and loses what it had told."""
    ended = played(runs, "--set", "sandbox.defects.forget=1")
    assert ended.code == Exit.NOT_RIGHT, ended.out + ended.err
    lost = sum(ended.summary["classes"]["lost in the platform"].values())
    assert lost > 0
    assert ended.findings() == {"lost in the platform": lost}


def test_what_breaks_on_the_wire_breaks_there_alone(runs: list[str]) -> None:
    """A reset on HTTP, black holes on MQ and Kafka, by Toxiproxy: seen there, and nothing is lost."""
    written = [
        "{do='reset', channel='http', phase='payments', at_s=1, for_s=0.5}",
        "{do='black hole', channel='mq', phase='payments', at_s=2.5, for_s=0.5}",
        "{do='black hole', channel='kafka', phase='payments', at_s=4, for_s=0.5}",
        "{do='latency', ms=100, channel='http', phase='payments', at_s=5.5, for_s=0.5}",
    ]
    changes = [*SCALED, "timeout_s=2", f"faults=[{', '.join(written)}]"]
    with toxiproxy() as api:
        settings = [word for change in changes for word in ("--set", change)]
        wire = ["--set", f'wire.toxiproxy="{api}"']
        ended = run([*PAYSTORM, "run", "failure-recovery", *settings, *wire, *runs])
    assert ended.findings() == {}, ended.out
    assert ended.code == Exit.GOOD, ended.out + ended.err
    reset, hole, *_ = ended.summary["faults"]
    assert [row["channel"] for row in ended.summary["faults"]] == ["HTTP", "MQ", "KAFKA", "HTTP"]
    assert reset["during"].get("unanswered", 0) + reset["during"].get("not sent", 0) > 0
    assert hole["noticed_ms"] is not None
    assert [row["event"] for row in timeline(ended)].count("fault ended") == 4

"""A platform in two regions, each with addresses of its own and a book of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pyarrow.dataset as ds

from e2e_data import manifest as manifests
from e2e_data.commands import Channel
from e2e_data.exits import Exit
from e2e_data.pool import Pool
from reports.journal import Fact
from reports.rundir import RunDirectory
from tests.e2e.conftest import PAYSTORM, Ended, Sandbox, finish, start
from tests.e2e.fleets import Fleet, resume_fleet
from tests.mq_parts import needs_ibmmq

REGIONS = ("north", "south")
SENT_BEFORE = 80
"""So many of 213 commands are sent, some of them payments, before the run is killed: seconds are left."""
PLAN = """
name = "regions"
users = 24
channels = { http = 1, mq = 1, kafka = 1 }

[pool]
preset = "smoke"
accounts = 16
accounts_per_shard = 4
regions = ["north", "south"]

[http.regions]
north = "NORTH"
south = "SOUTH"

[mq]
binding = "sandbox"

[mq.regions]
north = ["MQ-NORTH"]
south = ["MQ-SOUTH"]

[kafka.regions]
north = "KAFKA-NORTH"
south = "KAFKA-SOUTH"

[phases.accounts]
sends = ["account"]
rate_per_s = 100

[phases.opening-credits]
sends = ["opening credit"]
rate_per_s = 100

[phases.payments]
sends = ["funding", "payment"]
rate_per_s = 30

[[slos]]
errors_below_percent = 1
region = "south"

[[slos]]
latency = "completion"
percentile = 50
below_ms = 60000
to_other_region = true

[fitness]
lag_percentile = 50
lag_below_ms = 60000
loop_lag_below_ms = 60000
may_lose_workers = true
"""


def commands_in(sandbox: Sandbox) -> list[str]:
    """Return the ids of the commands that a region's platform has in its book."""
    with urlopen(f"{sandbox.url}/api/statements/commands") as answer:
        return [json.loads(line)["commandId"] for line in answer.read().splitlines()[:-1]]


def check_each_at_its_own(ended: Ended, platforms: dict[str, Sandbox]) -> None:
    """Each region's platform has the commands of its own accounts, all of them, and no other."""
    directory = RunDirectory(ended.directory)
    pool, ids = Pool.of_manifest(manifests.read(directory.pool)), directory.record().ids
    total = 0
    for region, platform in platforms.items():
        places = ids.decode(commands_in(platform))
        assert places.known.all()
        for number in range(pool.shard_count):
            shard = pool.shard(number)
            own = np.flatnonzero(shard.regions[shard.account_number] == region)
            assert sorted(places.index[places.shard == number].tolist()) == own.tolist()
            total += len(own)
    assert total == len(pool)


def check_events(ended: Ended) -> None:
    """Every event of each cluster was read by the fleet's group there, and each stage has them all."""
    told = {
        name: json.loads((ended.directory / "events" / f"{name}.json").read_text())
        for name in ("start", "end", "local-2")
    }
    assert told["start"]["clusters"] == {name: name for name in REGIONS}
    assert told["end"]["ends"] == told["end"]["committed"]
    events = told["end"]["committed"]["payments.events"]
    for region in REGIONS:
        assert sum(many for place, many in events.items() if place.startswith(region)) > 0
    counted = told["local-2"]["counted"]
    assert counted["ours"] > 0
    assert (counted["misdirected"], counted["orphan"], counted["foreign"]) == (0, 0, 0)
    (stages,) = (one for one in ended.summary["checks"] if one["invariant"] == "pipeline")
    assert stages["status"] == "holds"


def check_audit(log: Path, platforms: dict[str, Sandbox]) -> None:
    """Whoever started and resumed the run is named, and every address that its commands went to."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["start", "resume", "end"]
    assert all(line["user"] for line in lines)
    for line in lines[:2]:
        for region, platform in platforms.items():
            assert (
                f"http.regions.{region} is {platform.url.removeprefix('http://')}" in line["detail"]
            )
            assert f"kafka.regions.{region} is {platform.kafka}" in line["detail"]
            assert f"mq.regions.{region} is " in line["detail"]


@needs_ibmmq
def test_commands_go_to_their_region_also_when_the_run_is_resumed(
    sandbox: Callable[..., Sandbox], runs: list[str]
) -> None:
    """Over each channel; results are told by region, and payments from one to the other.

    The events of all clusters are read, whatever channel their commands went over. The run is killed in
    the middle and goes on from its directory: nothing is lost then, or sent to another region.
    """
    south_host = ("--http-host", "127.0.0.2")
    platforms = {
        name: sandbox("--mq-port", "0", "--kafka-port", "0", *host)
        for name, host in zip(REGIONS, ((), south_host), strict=True)
    }
    text = PLAN
    for name, platform in platforms.items():
        text = text.replace(f"MQ-{name.upper()}", platform.mq)
        text = text.replace(f"KAFKA-{name.upper()}", platform.kafka)
        text = text.replace(name.upper(), platform.url)
    plan = Path(runs[1]).parent / "regions.toml"
    plan.write_text(text)

    first = Fleet(start([*PAYSTORM, "run", str(plan), *runs]), Path(runs[1]), "regions")
    first.wait_for("phase began", "payments")
    first.wait_until_sent(SENT_BEFORE)
    first.process.kill()
    first.process.communicate()
    ended = finish(resume_fleet(first, 0).process)
    assert ended.code == Exit.GOOD, ended.out + ended.err
    check_each_at_its_own(ended, platforms)
    chunks = list((ended.directory / "journal").glob("*.parquet"))
    sent = ds.dataset(chunks).to_table(filter=ds.field("fact") == Fact.SENT)
    assert set(sent["channel"].to_pylist()) == {*Channel}
    check_events(ended)
    check_audit(Path(runs[1]) / "audit.jsonl", platforms)

    summary = ended.summary
    rows = {row["region"]: row for row in summary["regions"]}
    assert list(rows) == list(REGIONS)
    for row in rows.values():
        assert row["accounts"] > 0
        assert row["sent"] > 0
        assert row["rate_per_s"] > 0
        assert row["response_p50_ms"] > 0
        assert row["error_percent"] == 0
        assert 0 < row["to_other_region"] <= row["payments"]
    assert sum(row["sent"] for row in rows.values()) == summary["commands"]
    assert {slo["status"] for slo in summary["slos"]} == {"holds"}
    assert summary["slos"][0]["samples"] == rows["south"]["sent"], "under both masters"

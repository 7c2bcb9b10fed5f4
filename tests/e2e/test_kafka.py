"""Runs over Kafka with the real commands: a life across channels, a fleet, and what cannot begin."""

from __future__ import annotations

import json

import pyarrow.parquet as pq

from e2e_data.commands import Channel
from e2e_data.exits import Exit
from reports.journal import Fact
from tests.e2e.conftest import PAYSTORM, run

FAST = [
    *("--set", "phases.accounts.rate_per_s=100", "--set", "phases.opening-credits.rate_per_s=100"),
    *("--set", "phases.payments.rate_per_s=200"),
]
ACROSS = [
    *("--set", "phases.accounts.channels={http=1}"),
    *("--set", "phases.opening-credits.channels={kafka=1}"),
    *("--set", "phases.payments.channels={http=50,kafka=50}"),
]
"""Accounts are created over HTTP, and have their opening credit over Kafka."""


def rows_of(ended, folder, *columns):
    """Return columns of all Parquet files of a folder of the run directory, row by row."""
    tables = [
        pq.read_table(path, columns=list(columns))
        for path in sorted((ended.directory / folder).glob("*.parquet"))
    ]
    return [
        row
        for table in tables
        for row in zip(*(table[name].to_pylist() for name in columns), strict=True)
    ]


def test_an_accounts_life_goes_across_channels(runs):
    """Created over HTTP, funded over Kafka, paid over both; every end is told by an event."""
    hostile = ["--set", "pool.hostile_percentage=30", "--set", "pool.accounts_per_shard=5"]
    ended = run([*PAYSTORM, "run", "smoke", *FAST, *ACROSS, *hostile, *runs])
    assert ended.code == Exit.GOOD, ended.out + ended.err
    assert ended.summary["classes"]["dead-lettered"]["payment"] > 0
    assert "pipeline. every stage" in ended.out
    counted = json.loads((ended.directory / "events" / "local.json").read_text())["counted"]
    assert counted["dead_letters"] > 0
    assert (counted["foreign"], counted["malformed"], counted["trimmed"]) == (0, 0, 0)
    rows = rows_of(ended, "journal", "fact", "channel")
    for channel in (Channel.HTTP, Channel.KAFKA):
        assert rows.count((Fact.COMPLETED, channel)) > 0
    assert rows.count((Fact.SENT, Channel.KAFKA)) == rows.count((Fact.COMPLETED, Channel.KAFKA))
    start = json.loads((ended.directory / "events" / "start.json").read_text())
    end = json.loads((ended.directory / "events" / "end.json").read_text())
    assert end["ends"] == end["committed"], "all that was read is in the journal"
    assert set(start["offsets"]) == {"payments.events", "payments.commands.dlq"}
    seconds = [json.loads(line) for line in (ended.directory / "timeline.jsonl").open()]
    lags = [row["queues"]["lag of paystorm-sandbox"] for row in seconds if row.get("queues")]
    assert lags, "how far the platform was behind is in the timeline"
    assert min(lags) >= 0


def test_a_fleet_reads_each_event_once(runs):
    """Two workers, one group: whoever reads an event, its sender waits no longer than for its own.

    Neither sees the run directory: what each read goes to the master with its journal.
    """
    small = ["--set", "pool.accounts=24", "--set", "pool.accounts_per_shard=4"]
    ended = run(
        [
            *PAYSTORM,
            "run",
            "smoke",
            *FAST,
            *small,
            *("--channels", "kafka=100", "--workers", "2", "--set", "fleet.journals=master"),
            *runs,
        ]
    )
    assert ended.code == Exit.GOOD, ended.out + ended.err
    assert "commands were pending" not in ended.out
    read = [path.stem for path in (ended.directory / "events").glob("*.json")]
    assert len(read) == 2 + 2, "what each read is told, beside where the topics began and ended"
    # A member that joins later makes the group divide anew: what was not committed is read once more.
    assert len(set(rows_of(ended, "events", "partition", "offset"))) == ended.summary["commands"]


def test_a_run_without_its_broker_does_not_begin(sandbox, runs):
    """Nobody there: one line that says where, and what to do; exit code 2, and no traceback."""
    platform = sandbox()
    nowhere = ["--set", 'kafka.bootstrap="127.0.0.1:1"', "--channels", "kafka=100"]
    ended = run([*PAYSTORM, "run", "smoke", "--host", platform.url, *nowhere, *runs])
    assert ended.code == Exit.WRONG_USE, ended.out + ended.err
    assert "no Kafka broker serves us at 127.0.0.1:1" in ended.err
    assert "start it, or correct bootstrap in [kafka]" in ended.err
    assert "Traceback" not in ended.err
    ended = run([*PAYSTORM, "run", "smoke", "--host", platform.url, "--channels", "kafka=1", *runs])
    assert ended.code == Exit.WRONG_USE
    assert "kafka: name the platform's brokers" in ended.err

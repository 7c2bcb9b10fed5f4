"""All knobs of the pool on, end to end: what must have no effect has none, and the report tells it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from e2e_data import manifest as manifests
from e2e_data.commands import Label
from e2e_data.exits import Exit
from e2e_data.ids import REPLAY_ATTEMPT
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from reports.journal import Fact
from tests.e2e.conftest import PAYSTORM, Ended, Sandbox, run

SETTINGS = (
    "pool.accounts=20",
    "pool.accounts_per_shard=10",
    "pool.payments=[20, 25]",
    "pool.hot_account_share=10",
    "pool.hot_payment_share=20",
    "pool.boundary_percentage=10",
    "pool.pattern_percentage=40",
    "pool.hostile_percentage=35",
    'pool.regions=["north", "south"]',
    "phases.accounts.rate_per_s=100",
    "phases.opening-credits.rate_per_s=100",
    "phases.payments.rate_per_s=200",
)
HOSTILE = [label for label in Label if label.is_hostile]


def play(runs: list[str], *options: str) -> Ended:
    """Run the smoke plan with every knob on."""
    settings = [text for setting in SETTINGS for text in ("--set", setting)]
    return run([*PAYSTORM, "run", "smoke", *settings, *options, *runs])


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run against the embedded sandbox, for the tests that only look at it."""
    return play(["--runs-dir", str(tmp_path_factory.mktemp("runs"))])


def test_hostile_commands_and_replays_have_no_effect(ended: Ended) -> None:
    """Every flavour is sent, answered as it should be, and a success in every count; the run is right."""
    assert ended.code == Exit.GOOD, ended.out + ended.err
    summary = ended.summary
    labels = {row["label"]: row for row in summary["labels"]}
    assert {label.text for label in HOSTILE} <= set(labels)
    for label in HOSTILE:
        right = {"answered as invalid"} if Label.NEGATIVE <= label < Label.REPLAY else {"rejected"}
        right |= {"settled"} if label.is_replay else set()
        assert set(labels[label.text]["classes"]) <= right, labels[label.text]
    assert sum(row["commands"] for row in labels.values()) == summary["commands"]
    with (ended.directory / "locust_stats.csv").open() as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    assert int(rows["Aggregated"]["Request Count"]) == summary["commands"]
    assert int(rows["Aggregated"]["Failure Count"]) == 0


def test_the_report_has_labels_flags_and_regions(ended: Ended) -> None:
    """The embedded sandbox flags behaviours where the pool has them; each table is in both reports."""
    summary = ended.summary
    assert summary["flagged"] > 0
    assert [row["region"] for row in summary["regions"]] == ["north", "south"]
    assert sum(row["accounts"] for row in summary["regions"]) == 20
    page = (ended.directory / "report.html").read_text()
    assert all(f"<h3>{title}</h3>" in page for title in ("By label", "Behaviours", "By region"))
    text = (ended.directory / "report.md").read_text()
    assert all(f"## {title}" in text for title in ("Labels", "Behaviours", "Regions"))
    assert all(label.text.capitalize() in page for label in HOSTILE)


def test_replays_are_journaled_as_themselves_after_their_originals(ended: Ended) -> None:
    """Each has facts of its own; one that waits is sent after its original was observed complete."""
    table = pq.read_table(sorted((ended.directory / "journal").glob("*.parquet")))
    sent: dict[tuple[int, int], int] = {}
    completed: dict[tuple[int, int], int] = {}
    for row in table.to_pylist():
        place, fact = (row["shard"], row["index"]), row["fact"]
        if fact in (Fact.SENT, Fact.COMPLETED):
            (sent if fact == Fact.SENT else completed)[place] = row["at_ns"]
    pool = Pool.of_manifest(manifests.read(ended.directory / "pool"))
    counted = {False: 0, True: 0}
    for shard in pool.shards():
        found = replays_of(shard)
        for own, original, racing in zip(found.rows, found.originals, found.racing, strict=True):
            place, first = (shard.number, int(own)), (shard.number, int(original))
            counted[bool(racing)] += 1
            assert sent[place] > (sent if racing else completed)[first]
            assert place in completed
    assert min(counted.values()) > 0
    assert set(table["attempt"].to_pylist()) == {0, REPLAY_ATTEMPT}


@pytest.mark.parametrize(
    ("defect", "finding"),
    [("apply-twice", "applied more than once"), ("lose", "lost in the platform")],
)
def test_a_defect_is_counted_once_however_often_a_command_was_sent(
    defect: str, finding: str, sandbox: Callable[..., Sandbox], runs: list[str]
) -> None:
    """Replays of a command that was doubled or lost are no second case of it."""
    platform = sandbox("--defect", f"{defect}=0.1", "--flags")
    impatient = [
        text
        for phase in ("accounts", "opening-credits", "payments")
        for text in ("--set", f"phases.{phase}.settle_s=1.5")
    ]
    ended = play(runs, "--host", platform.url, *impatient)
    struck = re.search(rf"{defect}\D*(\d+)", platform.end())
    assert ended.code == Exit.NOT_RIGHT, ended.out + ended.err
    assert struck is not None
    assert ended.findings() == {finding: int(struck[1])}

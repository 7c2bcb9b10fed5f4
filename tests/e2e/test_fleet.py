"""A fleet of real processes: whatever befalls it, what came of the run is as if nothing had.

The runs are started a few at a time, since each of them mostly waits; each test looks at one of them.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, Ended, Sandbox, finish, run, start_sandbox
from tests.e2e.fleets import (
    WAIT_S,
    Fleet,
    Outcome,
    grants_of,
    resume_fleet,
    start_fleet,
)

AT_ONCE = 3
QUICK = ("--set", "fleet.lease_s=3")
TAKEN_OVER_S = 15


class Play:
    """One run: a platform and a folder of its own, and processes that end with it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.platform: Sandbox = stack.enter_context(start_sandbox("--latency", "20"))

    def start(self, workers: int, *options: str, impatient: bool = False) -> Fleet:
        """Start a run with workers; an `impatient` master soon forgets who is dead."""
        fleet = start_fleet(self.folder, self.platform.url, workers, *options, impatient=impatient)
        self._stack.callback(fleet.end)
        return fleet

    def resume(self, before: Fleet, workers: int) -> Fleet:
        """Go on with a run."""
        fleet = resume_fleet(before, workers)
        self._stack.callback(fleet.end)
        return fleet


def undisturbed(play: Play) -> Ended:
    """Two workers, whose journals go to the master in pieces."""
    return finish(play.start(2, *QUICK, "--set", "fleet.journals=master").process)


def killed_in_each_phase(play: Play) -> Ended:
    """Of three workers, one is killed with -9 in each phase; another joins late, and is the last."""
    fleet = play.start(3, *QUICK, impatient=True)
    fleet.wait_for("phase began", "accounts")
    fleet.join()
    for number, sent in enumerate((6, 50, 160)):
        fleet.wait_until_sent(sent)
        if number == 1:
            with fleet.paused():
                fleet.wait_for("worker joined", count=4)
        os.kill(fleet.workers()[0].pid, signal.SIGKILL)
        fleet.wait_for("worker lost", count=number + 1)
    return finish(fleet.process)


def stopped_and_cut_off(play: Play) -> Ended:
    """By default settings one worker is stopped, one is cut off, both for longer than their leases."""
    store = (play.folder / "store").as_uri()
    allowed = ("--set", "fitness.may_lose_workers=true")
    fleet = play.start(2, "--set", f"fleet.journals={store}", *allowed)
    fleet.wait_for("phase began", "accounts")
    with fleet.paused():
        line = fleet.join_by_line()
        fleet.wait_for("worker joined", count=3)
    fleet.wait_for("phase began", "payments")
    fleet.wait_until_sent(160)
    line.cut()
    victim = fleet.workers()[0]
    victim.suspend()
    fleet.wait_for("worker lost", count=2)
    with fleet.paused():
        victim.resume()
        line.mend()
        fleet.wait_for("worker back", count=2)
    return finish(fleet.process)


def master_killed(play: Play) -> Ended:
    """Its workers end with it, and another master goes on with one of its own.

    It has the journals of the first from a storage by URL, or it would not know the accounts.
    """
    store = (play.folder / "store").as_uri()
    first = play.start(2, *QUICK, "--set", f"fleet.journals={store}")
    first.wait_for("phase began", "payments")
    first.wait_until_sent(170)
    workers = first.workers()
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.communicate()
    assert not psutil.wait_procs(workers, timeout=WAIT_S)[1], "a worker outlived its master"
    ended = finish(play.resume(first, 1).process)
    assert ended.directory == first.directory
    return ended


def alone(play: Play) -> Ended:
    """A run of a single process is killed and resumed, and cannot be once more."""
    first = play.start(0)
    first.wait_for("phase began", "payments")
    first.wait_until_sent(120)
    first.process.kill()
    first.process.communicate()
    ended = finish(play.resume(first, 0).process)
    again = run([*PAYSTORM, "run", "--resume", str(first.directory)])
    assert again.code == Exit.WRONG_USE
    assert "the run has ended: there is nothing to go on with" in again.err
    return ended


SCENARIOS = (killed_in_each_phase, stopped_and_cut_off, master_killed, undisturbed, alone)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Ended]]:
    """A function that returns how a scenario ended; all of them are under way."""

    def play(scenario: Callable[[Play], Ended]) -> Ended:
        with ExitStack() as stack:
            return scenario(Play(tmp_path_factory.mktemp(scenario.__name__), stack))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way: dict[str, Future[Ended]] = {
            scenario.__name__: pool.submit(play, scenario) for scenario in SCENARIOS
        }
        yield lambda scenario: under_way[scenario.__name__].result()
        for future in under_way.values():
            future.cancel()


@pytest.fixture(scope="module")
def expected(played: Callable[..., Ended]) -> Outcome:
    """What came of the run that nothing happened to."""
    return Outcome.of(played(undisturbed))


def events(ended: Ended, name: str) -> list[dict[str, Any]]:
    """Return what happened of a kind."""
    rows = map(json.loads, (ended.directory / "timeline.jsonl").open())
    return [row for row in rows if row.get("event") == name]


def assert_taken_over_in_time(ended: Ended) -> None:
    """Assert that whoever was lost at work was replaced in time, and that the reports say how long it took."""
    lost = [event["note"] for event in events(ended, "worker lost")]
    at_work = {note.split(":")[0] for note in lost if "; 0 commands" not in note}
    replaced = [event["note"] for event in events(ended, "worker replaced")]
    assert at_work
    assert at_work <= {note.split(":")[0] for note in replaced}
    for note in replaced:
        took_s = re.search(r"([\d.]+) s after it was last heard of", note)
        assert took_s, note
        assert float(took_s[1]) < TAKEN_OVER_S, note
        assert took_s[0] in (ended.directory / "report.md").read_text()
        assert took_s[0] in (ended.directory / "report.html").read_text()


def test_an_undisturbed_fleet_is_right_and_keeps_the_rate(
    played: Callable[..., Ended], expected: Outcome
) -> None:
    """Two processes share pool and rate: every command once, at the plan's rate, all journals there."""
    ended = played(undisturbed)
    assert ended.code == Exit.GOOD, ended.out + ended.err
    summary = ended.summary
    assert len(expected.sent) == expected.decided == summary["commands"]
    assert expected.sent == expected.booked
    assert {status for status, _ in expected.identities.values()} == {"holds"}
    assert summary["phases"][2]["rate_per_s"] == pytest.approx(120, rel=0.1)
    names = {path.name.rpartition("-")[0] for path in ended.directory.glob("journal/*.parquet")}
    assert len(names) == 2
    grants = grants_of(ended)
    assert {grant["worker"] for grant in grants if "worker" in grant} == names
    assert {grant["closed"] for grant in grants if "closed" in grant} == names


def test_each_workers_figures_are_in_the_report(played: Callable[..., Ended]) -> None:
    """What the workers reported adds up to all answers; each is told by itself, a slow one too."""
    summary = played(undisturbed).summary
    assert sum(row["answered"] for row in summary["workers"]) == summary["commands"]
    assert all(row["journal_complete"] for row in summary["workers"])
    assert "agree to within" in summary["facts"]["clocks"]
    for name in ("report.md", "report.html"):
        text = (played(undisturbed).directory / name).read_text()
        assert all(row["worker"] in text for row in summary["workers"])


def test_workers_killed_in_each_phase_change_nothing(
    played: Callable[..., Ended], expected: Outcome
) -> None:
    """However many die, in whatever phase: what they were sending is sent again, and all is as it was."""
    ended = played(killed_in_each_phase)
    assert ended.code == Exit.UNFIT, ended.out + ended.err
    assert Outcome.of(ended) == expected
    assert_taken_over_in_time(ended)
    # On a busy machine one may be silent for longer than a lease, and come back.
    lost, back = (
        {event["note"].split(":")[0] for event in events(ended, f"worker {fate}")}
        for fate in ("lost", "back")
    )
    lost -= back
    told = next(rule for rule in ended.summary["fitness"] if rule["title"].endswith("died"))
    assert len(lost) == 3
    assert all(name in told["note"] for name in lost)
    rows = {row["worker"]: row for row in ended.summary["workers"]}
    assert {name for name, row in rows.items() if not row["journal_complete"]} == lost
    grants = [grant for grant in grants_of(ended) if "worker" in grant]
    assert any(grant.get("attempt") for grant in grants), "nothing was sent again"


def test_a_dead_worker_does_not_reload_the_shape(played: Callable[..., Ended]) -> None:
    """Locust forgets who is dead, and deals out all users anew: the run goes on where it was."""
    ended = played(killed_in_each_phase)
    assert ended.err.count("Sending spawn jobs of 24 users") > 1, "nobody was given up"
    began = [event["phase"] for event in events(ended, "phase began")]
    assert began == ["accounts", "opening-credits", "payments"]
    dues = [
        row["due"]
        for row in map(json.loads, (ended.directory / "timeline.jsonl").open())
        if "due" in row
    ]
    assert dues == sorted(dues), "the schedule began again"


def test_a_late_joiner_gets_work(played: Callable[..., Ended]) -> None:
    """Whoever joins in the middle of a run sends a part of it."""
    summary = played(killed_in_each_phase).summary
    joined = [event["note"] for event in events(played(killed_in_each_phase), "worker joined")]
    assert len(joined) == 4
    late = next(row for row in summary["workers"] if row["worker"] == joined[-1])
    assert late["answered"] > 0
    assert late["journal_complete"]


def test_workers_that_hang_or_are_cut_off_change_nothing(
    played: Callable[..., Ended], expected: Outcome
) -> None:
    """Gone for longer than their leases, they send nothing of their old grants, and come back.

    By default settings they are found out and replaced within 15 s; the plan may allow such losses.
    The journals went to a storage by URL, and all of them are there.
    """
    ended = played(stopped_and_cut_off)
    assert ended.code == Exit.GOOD, ended.out + ended.err
    assert "the plan allows it" in (ended.directory / "report.md").read_text()
    assert Outcome.of(ended) == expected
    assert_taken_over_in_time(ended)
    assert sum("closed" in grant for grant in grants_of(ended)) == 3
    stored = {path.name for path in (ended.directory.parents[2] / "store").rglob("*.parquet")}
    assert stored == {path.name for path in ended.directory.glob("journal/*.parquet")} != set()
    assert all(row["journal_complete"] for row in ended.summary["workers"])


def test_a_killed_master_changes_nothing(played: Callable[..., Ended], expected: Outcome) -> None:
    """`--resume` takes the run directory for a checkpoint: old grants are in doubt, nothing is lost."""
    ended = played(master_killed)
    assert ended.code == Exit.UNFIT, ended.out + ended.err
    assert Outcome.of(ended) == expected
    grants = [grant for grant in grants_of(ended) if "worker" in grant]
    names = [grant["worker"] for grant in grants]
    old = set(names[: names.index(names[-1])])
    assert max(grant["epoch"] for grant in grants if grant["worker"] in old) < grants[-1]["epoch"]
    assert [event["note"] for event in events(ended, "run resumed")] == ["master 2"]


def test_one_process_alone_is_resumed_too(played: Callable[..., Ended], expected: Outcome) -> None:
    """A run of a single process that was killed goes on under a new name, with the same ids."""
    ended = played(alone)
    assert ended.code == Exit.UNFIT, ended.out + ended.err
    assert Outcome.of(ended) == expected

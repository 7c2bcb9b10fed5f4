"""The web UI starts a run as often as one likes, and stops it in good order."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import finish
from tests.e2e.web_uis import WebUi, serving


@pytest.fixture
def web(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[WebUi]:
    """The web UI of the locustfile, with the smoke plan; options come as the fixture's parameter."""
    with serving(tmp_path / "runs", *getattr(request, "param", ())) as served:
        yield served


def test_runs_follow_each_other_and_each_starts_clean(web: WebUi) -> None:
    """Two whole runs, one stopped, one that cannot begin, one ended by SIGTERM: each stands alone."""
    assert "paystorm_" not in web.metrics(), "no run, no figures"
    for _ in range(2):
        web.run_through()
        metrics = web.metrics()
        assert "paystorm_exit_code 0.0" in metrics
        assert 'kind="account",outcome="settled",phase="accounts"} 10.0' in metrics
    first, second = web.summaries()
    assert first["verdict"] == second["verdict"]
    assert first["exit"] == second["exit"] == Exit.GOOD
    assert first["commands"] == second["journaled"]
    assert second["foreign"] == 0, "each run has a sandbox of its own"

    web.swarm(paystorm_rate="5")
    web.wait_for("running")
    time.sleep(4)
    web.stop()
    stopped = web.summaries()[-1]
    assert stopped["surely_not_sent"] > 0
    assert {check["status"] for check in stopped["checks"]} == {"holds"}

    web.swarm(paystorm_plan="nope", paystorm_rate="")
    time.sleep(2)
    web.wait_for("stopped")
    assert "no plan 'nope'" in json.dumps(web.get("/exceptions"))
    (problem,) = web.get("/payments/figures")["problems"]
    assert "no plan 'nope'" in problem, "who looks at the page alone is told as well"
    assert len(web.summaries()) == 3

    web.swarm(paystorm_plan="smoke", paystorm_rate="5")
    web.wait_for("running")
    time.sleep(3)
    web.process.terminate()
    ended = finish(web.process)
    assert len(web.summaries()) == 4, ended.out + ended.err
    assert {check["status"] for check in web.summaries()[-1]["checks"]} == {"holds"}


FORKED = (
    *("--processes", "2", "--master-bind-port", "{port}", "--master-port", "{port}"),
    *("--set", "pool.accounts=5"),
)


@pytest.mark.parametrize("web", [FORKED], indirect=True)
def test_a_fleet_starts_clean_each_time(web: WebUi) -> None:
    """The same workers serve run after run: each has all its commands and figures, and no others'.

    They are forks of their master, made after the locustfile was loaded: each has clients of its own.
    """
    web.wait_for_workers(2)
    for _ in range(2):
        web.run_through(paystorm_rate="200")
    first, second = web.summaries()
    for summary in (first, second):
        assert summary["exit"] == Exit.GOOD, summary["reasons"]
        assert summary["journaled"] == summary["commands"]
        assert summary["foreign"] == 0
        assert len(summary["workers"]) == 2
        assert all(row["journal_complete"] for row in summary["workers"])
        assert sum(row["answered"] for row in summary["workers"]) == summary["commands"]
    assert first["run_id"] != second["run_id"]
    requests = web.get("/stats/requests")["stats"]
    assert (
        next(row for row in requests if row["name"] == "Aggregated")["num_requests"]
        == (second["commands"])
    )


def test_the_form_offers_the_plan_and_cannot_redirect_files(web: WebUi, tmp_path: Path) -> None:
    """The form has plan, rate and duration; a hostile form cannot choose where files are written."""
    with urllib.request.urlopen(web.url, timeout=30) as answer:
        page = answer.read().decode()
    assert '"paystorm_plan"' in page
    assert '"paystorm_runs_dir"' not in page
    assert '"host": "embedded sandbox"' in page
    assert '"missing_host_warning": false' in page
    elsewhere = str(tmp_path / "elsewhere")
    web.run_through(host="embedded sandbox", paystorm_runs_dir=elsewhere, paystorm_rate="50")
    assert not (tmp_path / "elsewhere").exists()
    assert web.summaries()[-1]["exit"] == Exit.GOOD

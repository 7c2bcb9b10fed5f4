"""A run takes the platform's own metrics along, and is judged by them."""

from __future__ import annotations

import pandas as pd

from tests.e2e.conftest import PAYSTORM, run
from tests.prometheus import answering, series, success


def test_a_metric_above_its_bound_is_a_missed_slo(tmp_path):
    """The command, its exit code, the file beside the journal, and the report: one axis, one verdict."""

    def answer(asked):
        began_s = float(asked["start"])
        return success(series({"pod": "ledger-0"}, [(began_s + n, str(70 + n)) for n in range(4)]))

    with answering(answer) as prometheus:
        metric = '{ name = "CPU", query = "cpu", unit = "%", below = 72 }'
        done = run(
            [
                *PAYSTORM, "run", "smoke", "--runs-dir", str(tmp_path),
                "--set", f'server.prometheus="{prometheus.url}"',
                "--set", f"server.metrics=[{metric}]",
            ]
        )  # fmt: skip
    assert done.code == 10, done.out
    assert "CPU below 72 %" in done.out
    directory = done.directory
    assert len(pd.read_parquet(directory / "server_metrics.parquet")) == 4
    assert "CPU, %: pod=ledger-0 at most 73" in (directory / "report.html").read_text()
    assert 'name="CPU below 72 %' in (directory / "junit.xml").read_text()

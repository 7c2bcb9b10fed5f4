"""`paystorm report` of a directory that another locustfile's run wrote: what its CSV files hold."""

from __future__ import annotations

import csv
import time

import pytest
from click.testing import CliRunner
from locust.env import Environment
from locust.stats import (
    PERCENTILES_TO_REPORT,
    StatsCSVFileWriter,
)

from reports.cli import report
from reports.locust_csv import prefixes, read_locust

HISTORY = ("Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s", "50%", "99%")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Have Locust's own writer write the statistics of a few requests."""
    path = tmp_path_factory.mktemp("locust")
    environment = Environment(events=None)
    now = time.time()
    for number in range(200):
        environment.stats.log_request("GET", "/orders", 10 + number, 100)
        environment.stats.history.append({"time": now, "user_count": 3})
    environment.stats.log_request("POST", "/<script>alert(1)</script>", 500, 1)
    environment.stats.log_error("POST", "/<script>alert(1)</script>", "no answer")
    writer = StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, str(path / "shop"))
    for name, rows in (
        ("stats", writer._requests_data_rows),
        ("failures", writer._failures_data_rows),
    ):
        columns = {
            "stats": writer.requests_csv_columns,
            "failures": writer.failures_columns,
        }[name]
        with (path / f"shop_{name}.csv").open("w", newline="") as file:
            made = csv.writer(file)
            made.writerow(columns)
            rows(made)
    lines = [",".join(HISTORY)]
    for second in range(30):
        lines.append(f"{1_700_000_000 + second},3,GET,/orders,5.0,0.0,20,80")
        told = "N/A,N/A" if second == 0 else f"{20 + second},{80 + second}"
        lines.append(f"{1_700_000_000 + second},3,,Aggregated,6.5,0.1,{told}")
    (path / "shop_stats_history.csv").write_text("\n".join(lines) + "\n")
    return path


def invoke(path):
    result = CliRunner().invoke(report, [str(path)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_what_locust_wrote_is_read_with_pandas(directory):
    """Requests and failures as Locust counted them; the history over all requests, by second."""
    assert prefixes(directory) == ["shop"]
    run = read_locust(directory, "shop")
    assert (run.requests, run.failed) == (201, 1)
    assert run.history["t_s"].tolist() == list(range(30))
    assert run.history["requests"].unique().tolist() == [6.5]
    assert run.history["99%"].isna().tolist() == [True] + [False] * 29
    assert run.failures["Error"].tolist() == ["no answer"]


def test_its_report_says_what_is_known_and_what_is_not(directory):
    """How fast, never whether right; what came over the network stays text."""
    result = invoke(directory)
    assert result.exit_code == 0
    assert result.output.strip() == str(directory / "report.html")
    page = (directory / "report.html").read_text()
    assert "201 requests were made over 29 s; 1 of them failed (0.5 %)" in page
    assert "not whether it was right" in page
    assert "coordinated" in page
    assert "/orders" in page
    assert page.count("<svg") == 1
    assert "<script>" not in page


def test_statistics_alone_are_enough(directory, tmp_path):
    """Without history and failures there is less to tell, and nothing breaks."""
    (tmp_path / "a_stats.csv").write_bytes((directory / "shop_stats.csv").read_bytes())
    assert invoke(tmp_path).exit_code == 0
    assert "nothing was measured" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Type,Name\n", "has no column Request Count, Failure Count, Requests/s"),
        ("Type,Name,Request Count,Failure Count,Requests/s\nGET,/,1,0,1\n", "no row 'Aggregated'"),
        ("", "cannot be read as CSV"),
        ('"a\n', "cannot be read as CSV"),
    ],
)
def test_what_is_no_file_of_locust_s_is_named(tmp_path, text, told):
    """Exit code 2, with the file and what is wrong with it."""
    (tmp_path / "x_stats.csv").write_text(text)
    result = invoke(tmp_path)
    assert result.exit_code == 2
    assert "x_stats.csv" in result.output
    assert told in result.output

"""`paystorm reconcile` and `paystorm report`: exit codes, files, and no traceback ever."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from e2e_data.commands import Kind, Outcome
from reports.cli import reconcile, report
from reports.reconcile import reconcile as judge
from reports.rundir import RunDirectory
from tests.fates import Fate
from tests.histories import History
from tests.tiny_pools import keys_of, tiny_pool

SURE = keys_of(tiny_pool()[0], Kind.PAYMENT, Outcome.SETTLED)
FILES = ("report.html", "report.md", "junit.xml", "summary.json", "findings.json")


def invoke(command, path):
    result = CliRunner().invoke(command, [str(path)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_good_run_exits_with_0_and_has_its_reports(tmp_path):
    """The verdict is printed, and the reports stand beside the evidence."""
    history = History(tmp_path / "run")
    result = invoke(reconcile, history.directory.path)
    assert result.exit_code == 0
    assert "RIGHT, and as fast as asked" in result.output
    assert all((history.directory.path / name).is_file() for name in FILES)


def test_a_bad_run_exits_with_20(tmp_path):
    """The exit code is the verdict's, and the finding is in the files."""
    history = History(tmp_path / "run", {SURE[0]: Fate.LOST})
    result = invoke(reconcile, history.directory.path)
    assert result.exit_code == 20
    summary = json.loads((history.directory.path / "summary.json").read_text())
    assert summary["exit"] == 20
    assert "lost in the platform" in (history.directory.path / "findings.json").read_text()


def test_report_says_where_it_is_and_exits_with_0(tmp_path):
    """Writing the report of a bad run is a success."""
    history = History(tmp_path / "run", {SURE[0]: Fate.LOST})
    result = invoke(report, history.directory.path)
    assert result.exit_code == 0
    assert result.output.strip() == str(history.directory.path / "report.html")


@pytest.mark.parametrize("command", [reconcile, report])
def test_a_directory_that_is_no_run_is_wrong_use(tmp_path, command):
    """No run.json, no such directory, a file: told in a sentence, exit code 2."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "none", tmp_path / "file"):
        result = invoke(command, path)
        assert result.exit_code == 2
        assert result.output.startswith(f"paystorm: {path} is no run directory")
        assert result.output.count("\n") == 1


def test_a_run_that_was_judged_is_not_judged_again(tmp_path):
    """The report is made of what the judge wrote, even where the evidence is no more."""
    history = History(tmp_path / "run", {SURE[0]: Fate.LOST})
    invoke(reconcile, history.directory.path)
    before = (history.directory.path / "report.html").read_text()
    (history.directory.path / "report.html").unlink()
    (history.directory.path / "pool" / "manifest.json").unlink()
    assert invoke(report, history.directory.path).exit_code == 0
    assert (history.directory.path / "report.html").read_text() == before


def test_a_report_tells_what_changed_since_the_run_before_and_goes_on_telling_it(tmp_path):
    """Written again when there are later runs, it is the same to the byte."""

    def moved(directory, hours):
        at_ns = directory.record().epoch_utc_ns + hours * 3_600_000_000_000
        directory.write_record(directory.record().model_copy(update={"epoch_utc_ns": at_ns}))

    first = History(tmp_path / "first", {SURE[0]: Fate.LOST}).directory
    assert invoke(reconcile, first.path).exit_code == 20
    assert "No earlier run" in (first.path / "report.html").read_text()
    moved(first, -1)
    second = History(tmp_path / "second").directory
    assert invoke(reconcile, second.path).exit_code == 0
    before = [(second.path / name).read_bytes() for name in FILES]
    assert b"| gone | lost in the platform (invariant 1) | 1 case |" in before[1]
    assert b"Another verdict" in before[0]
    moved(RunDirectory(shutil.copytree(second.path, tmp_path / "later")), 1)
    assert invoke(report, second.path).exit_code == 0
    assert [(second.path / name).read_bytes() for name in FILES] == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", b""),
        ("run.json", b"[]"),
        ("run.json", b"{}"),
        ("run.json", b"\xff"),
        ("pool/manifest.json", b"{}"),
        ("journal/grants.jsonl", b"nonsense\n"),
        ("timeline.jsonl", b"7\n"),
        ("bindings/w0.jsonl", b'{"place":7}\n'),
        ("journal/w0-000000.parquet", b"nonsense"),
        ("book/commands.parquet", b""),
    ],
)
def test_a_damaged_file_is_named_and_exits_with_2(tmp_path, name, content):
    """Whatever was damaged, its name is told with what is wrong: nothing was judged."""
    history = History(tmp_path / "run")
    path = history.directory.path / name
    assert path.is_file()
    path.write_bytes(content)
    result = invoke(reconcile, history.directory.path)
    assert result.exit_code == 2
    assert result.output.startswith("paystorm: ")
    assert path.name in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["pool/manifest.json", "book/accounts.parquet"])
def test_a_missing_file_is_named_and_exits_with_2(tmp_path, name):
    """What a judgement cannot do without is told where it is missing."""
    history = History(tmp_path / "run")
    (history.directory.path / name).unlink()
    result = invoke(reconcile, history.directory.path)
    assert result.exit_code == 2
    assert name.split("/")[-1] in result.output


def test_judging_tells_how_far_it_has_come(tmp_path, monkeypatch):
    """On a terminal, by shards and commands, from none to all of them."""
    told = []

    class Watched:
        def __init__(self, what, steps):
            told.append((what, steps))

        def __enter__(self):
            return lambda *done: told.append(done)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("reports.reconcile.Bar", Watched)
    history = History(tmp_path / "run")
    judge(history.directory)
    shards = len(history.pool.manifest.shards)
    assert told[0] == ("judging", shards)
    assert told[1:] == sorted(told[1:])
    assert (told[1], told[-1]) == ((0, 0), (shards, len(history.pool)))

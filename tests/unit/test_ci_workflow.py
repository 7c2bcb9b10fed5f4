"""The workflow for a hosted CI: in order by its schema, and its scripts do what they are there for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from locustfiles.cli import run
from reports.rundir import RunDirectory

WORKFLOW = Path(__file__).resolve().parents[2] / "docs/ci/github-actions.yml"
STEPS = yaml.safe_load(WORKFLOW.read_text())["jobs"]["load-test"]["steps"]
BY_NAME = {step.get("name", step.get("uses")): step for step in STEPS}


def script(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script as the service does."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", BY_NAME[name]["run"]],
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_service_takes_the_file():
    """Valid by the schema of GitHub's workflows."""
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, *command, str(WORKFLOW)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("url", ["", "https://staging.example"])
def test_the_run_is_given_what_was_asked_for(tmp_path, url):
    """Plan and platform reach `paystorm run`, whose options they are; its exit code is the step's."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "paystorm"
    program.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\nexit 20\n')
    program.chmod(0o755)
    done = script("Run", tmp_path, PLAN="a plan.toml", PLATFORM_URL=url)
    assert done.returncode == 20
    words = done.stdout.splitlines()
    assert words[:2] == ["run", "a plan.toml"]
    assert words[2:4] == (["--host", url] if url else ["--workers", "2"])
    options = {text for each in run.params for text in each.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_report_becomes_the_summary(tmp_path):
    """The Markdown report is shown; a run that never began makes no second failure."""
    summary = tmp_path / "summary.md"
    assert script("Summary", tmp_path, GITHUB_STEP_SUMMARY=str(summary)).returncode == 0
    assert not summary.exists()
    directory = RunDirectory.create(tmp_path / "runs", "smoke")
    (directory.path / "report.md").write_text("# The verdict\n")
    assert script("Summary", tmp_path, GITHUB_STEP_SUMMARY=str(summary)).returncode == 0
    assert summary.read_text() == "# The verdict\n"


def test_files_are_looked_for_where_runs_put_them(tmp_path):
    """JUnit and artifact patterns match a run directory once, and not its link as well."""
    directory = RunDirectory.create(tmp_path / "runs", "smoke")
    (directory.path / "junit.xml").touch()
    pattern = BY_NAME["Invariants and SLOs"]["with"]["report_paths"]
    assert list(tmp_path.glob(pattern)) == [directory.path / "junit.xml"]
    assert list(tmp_path.glob(BY_NAME["Run directory"]["with"]["path"])) == [directory.path]


def test_nothing_that_is_typed_becomes_a_command():
    """Inputs reach scripts as variables, never as text of the script."""
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@v\d+", step["uses"])
    after = STEPS[STEPS.index(BY_NAME["Run"]) + 1 :]
    assert all(step["if"] == "${{ !cancelled() }}" for step in after), "wanted of failed runs, too"

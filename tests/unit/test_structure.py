"""The project's shape: which way imports go, how long files and functions are, what is not named."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("e2e_data", "reports", "locustfiles", "sandbox")
STAND_IN = "sandbox.mqbinding"
"""The one part of the sandbox that the tester may load: it knows MQ, and no payments."""
MAY_IMPORT = {
    "e2e_data": {"e2e_data"},
    "reports": {"reports", "e2e_data"},
    "locustfiles": {"locustfiles", "reports", "e2e_data", STAND_IN},
    "sandbox": {"sandbox", STAND_IN},
}
LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def modules() -> list[Path]:
    """Return our own modules."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Return the top names that a module imports, wherever it does so; the stand-in's name whole."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {
        STAND_IN if f"{name}.".startswith(f"{STAND_IN}.") else name.split(".")[0] for name in names
    }


def tracked() -> list[Path]:
    """Return the files that are committed, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    """`locustfiles` → `reports` → `e2e_data`, never back; the sandbox shares nothing with the tester."""
    package = path.relative_to(ROOT).parts[0]
    ours = imported(path) & {*PACKAGES, STAND_IN, "paystorm", "tests"}
    assert ours <= MAY_IMPORT[package], f"{package} must not import {ours - MAY_IMPORT[package]}"


def test_the_stand_in_of_the_mq_binding_knows_no_payments() -> None:
    """The tester may load it, so it must not bring the platform under test along."""
    for path in (ROOT / "sandbox" / "mqbinding").glob("*.py"):
        assert "sandbox" not in imported(path), path


@pytest.mark.parametrize("package", ["e2e_data", "reports"])
def test_the_pool_and_the_judge_know_no_locust(package: str) -> None:
    """What is sent and what is judged can be used without Locust or gevent."""
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & {"locust", "gevent"}, path


def test_the_command_line_does_not_patch_the_standard_library() -> None:
    """`paystorm` imports no Locust: its patches would stop the sandbox's threads."""
    code = "import paystorm, sys; print('locust' in sys.modules, 'gevent.monkey' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_a_trial_loads_no_locust() -> None:
    """`paystorm try` walks through without its patches, over whatever channel."""
    code = "import locustfiles.trial, locustfiles.mq_trial, sys; print('locust' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]


def test_no_package_takes_the_locustfiles_name() -> None:
    """Locust registers the locustfile as `payments`, so nothing else may have that name."""
    assert not (ROOT / "payments.py").exists()
    assert not (ROOT / "payments").exists()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    """A file beyond 400 lines or a function beyond 60 is several things: name them, and part them."""
    text = path.read_text()
    assert text.count("\n") <= LINES_MAX, f"{path.name} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml", "Makefile", ".ci/run"])
def test_a_set_up_names_no_place_to_fetch_from(name: str) -> None:
    """Versions are pinned without saying where they come from: a bank's own mirror serves as well."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index" not in text


def test_no_file_puts_work_off() -> None:
    """Nothing in the project says that it is to be done later."""
    later = re.compile(r"\b(TODO|FIXME|HACK)\b")
    for path in tracked():
        if path != Path(__file__):
            assert not later.search(path.read_text(errors="replace")), path


def test_every_dependency_is_pinned() -> None:
    """Each dependency of pyproject.toml has one version in constraints.txt, and a reason beside it."""
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = {re.match(r"[a-z0-9-]+", one.lower())[0] for one in wanted}
    assert {"locust", "numpy", "pytest"} <= names
    assert names <= pinned, names - pinned

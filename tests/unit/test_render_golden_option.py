"""The golden fixture says what to do, and never passes by having nothing to compare with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "golden" / "conftest.py"


def _pytest(directory, *options):
    shutil.copy(CONFTEST, directory / "conftest.py")
    (directory / "test_one.py").write_text("def test_it(golden): golden('a.txt', b'now\\n')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    command += [f"--rootdir={directory}", str(directory), *options]
    # Plugins, the measuring of coverage and what else the outer pytest has are not asked here.
    environment = {"PATH": os.environ["PATH"], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=directory, env=environment
    )


def test_a_missing_file_fails_and_says_how_to_make_it(tmp_path):
    done = _pytest(tmp_path)
    assert done.returncode == 1
    assert "there is no golden file a.txt" in done.stdout
    assert "--update-golden" in done.stdout


def test_the_option_writes_the_file_and_then_it_passes(tmp_path):
    assert _pytest(tmp_path, "--update-golden").returncode == 0
    assert (tmp_path / "files" / "a.txt").read_bytes() == b"now\n"
    assert _pytest(tmp_path).returncode == 0


def test_a_difference_fails_and_names_the_file(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_bytes(b"then\n")
    done = _pytest(tmp_path)
    assert done.returncode == 1
    assert "a.txt differs" in done.stdout

"""The embedded sandbox lives no longer than whoever started it."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20

# In a process of its own: gevent's child watcher would reap the children of other tests.
STARTER = """
import os
from locustfiles.embedded import EmbeddedSandbox
sandbox = EmbeddedSandbox()
print(sandbox.url, flush=True)
input()
{end}
"""


def answers(url: str) -> bool:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(
            "part = sandbox.parts['platform']; sandbox.stop();"
            "print(part._process.returncode, flush=True); input()",
            id="stopped",
        ),
        pytest.param("os._exit(1)", id="its starter died"),
    ],
)
def test_it_ends_when_its_standard_input_closes(end):
    """A sandbox answers until it is stopped, or whoever started it is gone without a word."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(end=end)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = starter.stdout.readline().strip()
        assert answers(url)
        starter.stdin.write("\n")
        starter.stdin.flush()
        if "stop()" in end:
            assert starter.stdout.readline() == "0\n", "it ended by itself"
            assert not answers(url)
        else:
            starter.wait(DEADLINE_S)
            deadline = time.monotonic() + DEADLINE_S
            while answers(url):
                assert time.monotonic() < deadline, "the sandbox outlived its starter"
    finally:
        starter.kill()
        starter.communicate()


def test_what_does_not_start_is_a_problem(tmp_path):
    """A sandbox that cannot start is told in one line, with what to try."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    code = (
        "import sys; from locustfiles import embedded; from e2e_data.problems import Problems\n"
        f"sys.executable = {str(broken)!r}\n"
        "try:\n    embedded.EmbeddedSandbox()\n"
        "except Problems as found:\n    print(found.problems)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert ran.stdout == (
        "('the embedded sandbox did not start; try it alone with: paystorm sandbox',)\n"
    )

"""The embedded sandbox lives no longer than whoever started it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
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


def is_stopped(pid: str) -> bool:
    """Tell whether the operating system has a process as stopped."""
    # After the name, which is in brackets and may have anything in it, comes the state.
    _, _, state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")
    return state.startswith("T")


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


PAUSER = """
from types import SimpleNamespace
import gevent
from locustfiles.embedded import EmbeddedSandbox
from locustfiles.faults import Faults
from locustfiles.phases import State
from locustfiles.plan_parts.faults import Fault
pause = Fault(do="pause", to="platform", phase="payments", at_s=0, for_s=600)
director = SimpleNamespace(
    plan=SimpleNamespace(faults=[pause]), phase_name="payments", faults=set(),
    clock=SimpleNamespace(now_ns=lambda: 0), event=lambda *_, **__: None,
    machine=SimpleNamespace(state=State.SENDING, sent_for_ns=lambda now_ns: now_ns),
)
sandbox = EmbeddedSandbox()
print(sandbox.url, sandbox.parts["platform"]._process.pid, flush=True)
input()
faults = Faults(director, sandbox, None)
faults.start()
faults.look()
gevent.sleep(0)
input()
faults.stop()
gevent.sleep(0)
input()
sandbox.stop()
"""


def test_a_pause_stops_the_process_until_it_ends():
    """It is stopped as the operating system has it, and answers again afterwards."""
    pauser = subprocess.Popen(
        [sys.executable, "-c", PAUSER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    url, pid = pauser.stdout.readline().split()
    try:
        assert not is_stopped(pid)
        for stopped in (True, False):
            pauser.stdin.write("\n")
            pauser.stdin.flush()
            deadline = time.monotonic() + DEADLINE_S
            while is_stopped(pid) is not stopped:
                assert time.monotonic() < deadline, f"is it stopped? {not stopped}"
                time.sleep(0.01)
        assert answers(url)
        pauser.communicate("\n", timeout=DEADLINE_S)
        assert pauser.returncode == 0
    finally:
        # A platform that is stopped would not notice that its starter is gone.
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGCONT)
        pauser.kill()
        pauser.communicate()


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

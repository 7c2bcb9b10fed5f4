"""The commands for a queue manager: load a file, look at what was put aside, put it back, try."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from e2e_data.exits import Exit
from paystorm import main
from tests.mq_parts import needs_ibmmq
from tests.mq_process import ENVIRONMENT, ROOT, platform

pytestmark = needs_ibmmq

BACKOUT = "COMMAND.QUEUE.BO"
SCRIPT_S = 60
POISON = {"commandId": "c-1", "commandType": "SomeCommand", "correlationId": "ab" * 24}


@pytest.fixture(scope="module")
def sandbox():
    with platform("--mq-port", "0") as found:
        yield found


@pytest.fixture
def paystorm(sandbox, monkeypatch):
    """Call a command, with the queue manager that the environment names; return its result."""
    named = {"MQ_HOST": sandbox.mq, "MQ_BINDING": "sandbox"}
    for variable, value in named.items():
        monkeypatch.setenv(variable, value)

    def call(*words, code=Exit.GOOD):
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    yield call
    call("mq", "dlq", "retry", "--all", "--to", "REPLY.QUEUE")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text(
        "".join(json.dumps({**POISON, "commandId": f"c-{n}"}) + "\n" for n in (1, 2, 3))
    )
    return path


def test_a_file_is_put_on_a_queue_and_looked_at(paystorm, file):
    """Each line is a message; the list names commands, and shows what the queue keeps."""
    loaded = paystorm("mq", "load", str(file), "--queue", BACKOUT, "--rate", "100")
    assert loaded.output.strip().endswith(f"3 messages put on {BACKOUT}")
    listed = paystorm("mq", "dlq", "list", "--limit", "2").output
    assert [name in listed for name in ("c-1", "c-2", "c-3")] == [True, True, False]
    assert f"3 messages on {BACKOUT}, the first 2 shown" in listed
    assert listed.count("no header says why") == 2
    shown = paystorm("mq", "dlq", "show", "c-2").output
    assert '"commandId": "c-2"' in shown
    assert "ab" * 24 in shown
    again = paystorm("mq", "load", str(file), "--queue", BACKOUT, "--resume")
    assert "3 messages put" in again.output
    assert f"3 messages on {BACKOUT}" in paystorm("mq", "dlq", "list").output


def test_messages_are_put_back_by_name_or_all(paystorm, file):
    """By a command's id or a message's; each is then on the other queue."""
    paystorm("mq", "load", str(file), "--queue", BACKOUT)
    moved = paystorm("mq", "dlq", "retry", "c-1", "c-3", "--to", "REPLY.QUEUE").output
    assert f"2 messages put back from {BACKOUT}" in moved
    left = paystorm("mq", "dlq", "list").output
    assert [name in left for name in ("c-1", "c-2", "c-3")] == [False, True, False]
    assert "c-3" in paystorm("mq", "dlq", "list", "--queue", "REPLY.QUEUE").output


def test_what_cannot_be_put_is_named_and_exits_with_20(paystorm, file):
    """The other lines are put."""
    file.write_text('{"commandId":"c-1"}\nnonsense\n')
    result = paystorm("mq", "load", str(file), "--queue", BACKOUT, code=Exit.NOT_RIGHT)
    assert "1 message put" in result.output
    errors = Path(f"{file}.errors.jsonl").read_text()
    assert json.loads(errors) == {"line": 2, "why": "not a JSON object"}


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (("dlq", "list"), {"MQ_QMGR": "QM2"}, "2058 MQRC_Q_MGR_NAME_ERROR"),
        (("dlq", "list"), {"MQ_CHANNEL": "NO.SUCH"}, "2540 MQRC_UNKNOWN_CHANNEL_NAME"),
        (("dlq", "list"), {"MQ_PORT": "x"}, "MQ_PORT is 'x'"),
        (("dlq", "list"), {"MQ_USER": "u"}, "MQ_PASSWORD is not set"),
        (("dlq", "list", "--queue", "NO.SUCH"), {}, "2085 MQRC_UNKNOWN_OBJECT_NAME"),
        (("dlq", "show", "nothing"), {}, "no message on"),
        (("dlq", "retry"), {}, "name the messages to put back, or say --all"),
        (("dlq", "retry", "x", "--all"), {}, "name the messages to put back, or say --all"),
        (("load", "FILE", "--queue", "NO.SUCH"), {}, "2085 MQRC_UNKNOWN_OBJECT_NAME"),
        (("load", "FILE", "--queue", "Q", "--resume"), {}, "does not say how far"),
    ],
)
def test_mistakes_are_told_in_one_line(paystorm, monkeypatch, file, words, environment, told):
    """With what to do, and exit code 2."""
    with monkeypatch.context() as patched:
        for variable, value in environment.items():
            patched.setenv(variable, value)
        words = [str(file) if word == "FILE" else word for word in words]
        assert told in paystorm("mq", *words, code=Exit.WRONG_USE).output


def test_one_accounts_life_is_walked_through_over_mq(paystorm, sandbox):
    """Every message and every reply is shown."""
    told = paystorm("try", "--host", sandbox.url, "--channel", "mq").output
    assert "every step was understood" in told
    assert told.count("-> COMMAND.QUEUE") == 4
    assert told.count("<- REPLY.QUEUE") == 8
    assert "read as: settled" in told


def test_the_exports_script_is_a_wrapper(sandbox, file):
    """`load-mq.sh FILE QUEUE RATE`, with the same environment."""
    script = ROOT / "e2e_data/exporters/scripts/load-mq.sh"
    host, port = sandbox.mq.rstrip(")").split("(")
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    done = subprocess.run(
        ["bash", str(script), str(file), BACKOUT, "0"],
        env={
            **ENVIRONMENT,
            "MQ_HOST": host,
            "MQ_PORT": port,
            "MQ_BINDING": "sandbox",
            "PAYSTORM": str(Path(sys.executable).with_name("paystorm")),
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        timeout=SCRIPT_S,
    )
    assert done.returncode == 0, done.stderr
    assert f"3 messages put on {BACKOUT}" in done.stdout

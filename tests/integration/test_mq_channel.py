"""The MQ channel against the sandbox's queue manager, over each binding: what happens, and what is said.

IBM's Python layer on the stand-in, as demonstrations have it; and the real C modules of both bindings,
whose calls are on OS threads, as production has them. All three must behave the same.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.test_mq_client_c import built
from tests.mq_parts import needs_ibmmq
from tests.mq_process import ENVIRONMENT, ROOT, queue_manager

PROGRAM = Path(__file__).with_name("mq_channel.py")
RUN_S = 300
DEPTH = 60
"""Of a queue; the program has the same."""
NAMES = ("sandbox", "ibmmq", "pymqi")


class Programs:
    """The program over each binding, started together since they mostly wait."""

    def __init__(self, config):
        self._config = config
        self._stack = ExitStack()
        self._started = {}
        self._seen = {}

    def start(self, name):
        if name in self._started:
            return
        library, path = "-", []
        if name != "sandbox":
            _, found, site = built(self._config, name)
            library, path = str(found), [str(site)] if site else []
        running = self._stack.enter_context(queue_manager("--mq-depth", str(DEPTH)))
        paths = [*path, ENVIRONMENT.get("PYTHONPATH", "")]
        self._started[name] = self._stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(PROGRAM), name, library, running.mq],
                cwd=ROOT,
                env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def seen(self, name):
        if name not in self._seen:
            self.start(name)
            out, err = self._started[name].communicate(timeout=RUN_S)
            assert self._started[name].returncode == 0, err
            assert "hunter2" not in out + err
            self._seen[name] = json.loads(out)
        return self._seen[name]

    def end(self):
        for process in self._started.values():
            process.kill()
        self._stack.close()


@pytest.fixture(scope="module")
def programs(request):
    found = Programs(request.config)
    for name in NAMES:
        try:
            found.start(name)
        except pytest.skip.Exception:
            continue  # said by the tests of that binding
    yield found
    found.end()


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=needs_ibmmq) for name in NAMES[:2]] + ["pymqi"]
)
def seen(request, programs):
    return programs.seen(request.param)


def test_users_share_connections_and_one_reader(seen):
    """Each gets its own reply, once; account ids are bound; the hub goes on."""
    assert seen["exchanges"] == {
        "ended": {"answered": 100},
        "acknowledged": [100, 100],
        "settled": [100, 100],
        "accounts": 100,
        "hub went on": True,
        "counts": {},
        "said": [],
        "left behind": [0, 0, 0],
    }


def test_each_user_can_get_its_own_reply(seen):
    """By its correlation id; one that comes after its time is gleaned, and late."""
    assert seen["own_gets"] == {
        "ended": {"answered": 23, "no reply in time: 1.5 s": 1},
        "settled": [24, 24],
        "late": "account-3",
        "counts": {"late": 1},
        "left behind": [0, 0, 0],
    }


def test_replies_by_message_id(seen):
    """The MsgId is the correlation id too; put under syncpoint, persistent."""
    assert seen["message_ids"] == {
        "ended": "answered",
        "same": True,
        "persistent": 1,
        "left behind": [0, 0, 0],
    }


def test_replies_that_should_not_be_are_counted(seen):
    """Never, late, twice; for nobody, for another run, under another's id: no command counts twice."""
    found = seen["odd_replies"]
    late = "no reply in time: 1.2 s"
    assert found["ended"] == ["answered", late, late]
    assert found["counts"] == {
        "late": 2,
        "repeated": 1,
        "foreign": 1,
        "orphans": 1,
        "misdirected": 1,
        "unreadable": 1,
    }
    assert (found["acknowledged"], found["settled"]) == ([1, 1], [0, 1])
    assert found["late account"] == "account-1"


def test_a_command_on_the_backout_queue_is_dead_lettered(seen):
    """Its user waits no longer; it stays there until somebody puts it back, and that once."""
    assert seen["put_asides"] == {
        "ended": "put aside",
        "facts": [1, 1],
        "counts": {"dead_lettered": 1},
        "found": True,
        "moved": [True, False],
        "depths": [0, 1],
        "left": [1],
        "left behind": [0, 0, 0],
    }


def test_what_a_full_queue_does_not_take_is_not_sent(seen):
    """As many as fit are put, the others not; and it goes on when there is room."""
    late = "no reply in time: 2 s"
    assert seen["full"] == {
        "ended": {late: DEPTH, "not put: MQPUT 2053 MQRC_Q_FULL": 5},
        "left": [DEPTH],
        "after": "answered",
        "awaited": DEPTH,
        "left behind": [0, 0, 0],
    }


def test_processes_that_share_a_run_do_not_take_each_others_replies(seen):
    """Each reader has a reply queue of its own, made of the model."""
    assert seen["own_queues"] == {
        "queues": 32,
        "ended": [{"answered": 20}, {"answered": 20}],
        "counts": [{}, {}],
        "left behind": [0, 0, 0],
    }


def test_mistakes_are_said_before_anything_is_sent(seen):
    """Each with IBM's reason and what to check; of two queues that are missing, both."""
    found = seen["mistakes"]
    for name, reasons, hint in (
        ("queues", [2085, 2085], "there is no queue of that name"),
        ("queue manager", [2058], "check queue_manager"),
        ("channel", [2540], "check channel"),
        ("host", [2538], "check hosts"),
        ("WRONG_PASSWORD", [2035], "check user and password"),
    ):
        assert [int(re.search(r": (\d{4}) MQRC_", text)[1]) for text in found[name]] == reasons
        assert all(hint in text for text in found[name]), found[name]
    assert found["secret"] == ["env:NOT_SET: the environment variable NOT_SET is not set"]
    assert found["RIGHT_PASSWORD"] == []


def test_a_queue_manager_that_is_killed_and_comes_back(seen):
    """The run goes on; each command is answered once or known to be in doubt; going and coming are said."""
    found = seen["killed"]
    assert found["went on"]
    assert set(found["kinds"]) <= {"answered", "no reply in time", "put in doubt", "not put"}
    assert "answered" in found["kinds"]
    assert (found["twice"], found["unlike"]) == ([], [])
    assert "back" in found["said"]

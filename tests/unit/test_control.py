"""Controlling a run from outside: requests as lines, each obeyed once, by the name that the system knows."""

from __future__ import annotations

import json
import os
import pwd
import signal
from types import SimpleNamespace

import gevent
import pytest

from e2e_data.problems import Problems
from locustfiles.control import PATIENCE_S, Requests, ask, await_answer, user_name
from locustfiles.pulse import Listener
from reports.audit import Audit
from reports.lines import LineLog
from reports.rundir import RunDirectory, RunRecord
from reports.timeline import Event


@pytest.fixture
def directory(tmp_path):
    """The directory of a run that is on."""
    made = RunDirectory.create(tmp_path, "smoke")
    made.write_record(
        RunRecord(
            **dict.fromkeys(("run_id", "plan_name", "host"), "x"),
            plan={},
            phases=(),
            completion_deadline_s=1,
            key="0" * 32,
            nonce=1,
            embedded_sandbox=True,
            versions={},
            epoch_utc_ns=0,
        )
    )
    return made


def test_a_request_is_read_once(directory):
    """With its command, and the name of who made it; what was asked before is over."""
    ask(directory, "pause")
    requests = Requests(directory)
    assert list(requests.news()) == []
    asked = [ask(directory, "resume"), ask(directory, "stop")]
    assert list(requests.news()) == asked
    assert list(requests.news()) == []
    assert {one.user for one in asked} == {user_name()}


def test_what_is_no_request_is_passed_over(directory):
    """A line of something else is nobody's order, and does not hide those that follow."""
    requests = Requests(directory)
    log = LineLog(directory.control)
    for entry in ({}, {"id": "1", "command": "explode", "user": "a"},
                  {"id": "1", "command": "stop", "user": "a\nb"}, {"id": "", "command": "stop"}):  # fmt: skip
        log.write(entry)
    asked = ask(directory, "skip")
    assert list(requests.news()) == [asked]


def test_half_a_line_waits_for_the_rest_and_a_bad_one_ends_the_reading(directory):
    """Whoever is still writing is not misread; and no crash comes of bytes that are no JSON."""
    requests = Requests(directory)
    directory.control.write_bytes(b'{"id": "ab", "command": "stop"')
    assert list(requests.news()) == []
    directory.control.write_bytes(b'{"id": "ab", "command": "stop", "user": "ada"}\nnonsense\n')
    assert [one.command for one in requests.news()] == ["stop"]
    assert list(requests.news()) == []


def test_the_answer_is_in_the_timeline(directory):
    """The command returns once the run has noted the request, and not before."""
    request = ask(directory, "pause")
    log = LineLog(directory.timeline)
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            log.write(Event(1, "pause asked", "payments", request.note))

    await_answer(directory, request, lambda: 0, nap)
    assert len(naps) == 3


def test_a_run_that_does_not_answer_is_told(directory):
    """After its patience the command says what may be, and what to do."""
    clock = iter(range(100))
    with pytest.raises(Problems, match=f"did not answer in {PATIENCE_S} s"):
        await_answer(directory, ask(directory, "pause"), lambda: next(clock), lambda _: None)


def test_a_run_that_has_ended_cannot_be_controlled(directory):
    """What it has become is told."""
    directory.write_record(directory.record().model_copy(update={"state": "ended"}))
    with pytest.raises(Problems, match="the run has ended: there is nothing to control"):
        ask(directory, "pause")


def test_the_name_is_the_systems(monkeypatch):
    """An environment variable cannot change who did it; a user without a name has a number."""
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert user_name() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
    assert user_name() == f"uid {os.getuid()}"


def test_the_audit_log_is_of_all_runs(directory):
    """One line for each thing that was done, appended: who, to which run, what."""
    for _ in range(2):
        audit = Audit(directory, "ada")
        audit.write("change", "pause: by bob")
        audit.close()
    lines = (directory.path.parent.parent / "audit.jsonl").read_text().splitlines()
    assert len(lines) == 2
    entry = json.loads(lines[-1])
    assert (entry["user"], entry["what"], entry["detail"]) == ("ada", "change", "pause: by bob")
    assert entry["run"] == f"{directory.path.parent.name}/{directory.name}"
    assert entry["at"].endswith("+00:00")


def test_signals_control_a_run_as_commands_do(directory):
    """SIGUSR1 pauses, and resumes what is paused, whoever paused it; SIGUSR2 is the emergency stop."""
    obeyed = []
    listener = Listener(
        SimpleNamespace(directory=directory, control=lambda *asked: obeyed.append(asked))
    )

    def told(count):
        with gevent.Timeout(30):
            while len(obeyed) < count:
                gevent.sleep(0.01)

    try:
        for count, number in enumerate(
            (signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2), start=1
        ):
            os.kill(os.getpid(), number)
            told(count)
        by_ada = ask(directory, "pause", "ada")
        told(5)
        os.kill(os.getpid(), signal.SIGUSR1)
        told(6)
    finally:
        listener.stop()
    assert obeyed == [
        *(("pause", "SIGUSR1"), ("resume", "SIGUSR1"), ("pause", "SIGUSR1")),
        *(("emergency", "SIGUSR2"), ("pause", by_ada.note), ("resume", "SIGUSR1")),
    ]

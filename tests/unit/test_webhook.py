"""The webhook: what it is told, and what becomes of its address."""

from __future__ import annotations

import socket

import pytest

from e2e_data.exits import Exit
from e2e_data.problems import Problems
from locustfiles import webhook


def summary(**other):
    """A summary of the judge's, of a run that was good unless told otherwise."""
    good = {
        "run_id": "r-1",
        "plan_name": "peak",
        "exit": int(Exit.GOOD),
        "verdict": "RIGHT",
        "checks": [],
        "slos": [],
        "fitness": [],
    }
    return {**good, **other}


def test_nobody_is_told_of_a_good_run():
    """An alert is for somebody to act upon."""
    assert webhook.alert_of(summary(), "runs/peak/1") is None


def test_an_alert_says_what_is_wrong_in_words_and_as_data():
    """Causes and not their consequences, what was missed and not what holds."""
    findings = [
        {"name": "lost in the platform", "count": 3, "consequence_of": ""},
        {"name": "balance differs", "count": 2, "consequence_of": "lost in the platform"},
    ]
    alert = webhook.alert_of(
        summary(
            exit=int(Exit.NOT_RIGHT),
            verdict="NOT RIGHT",
            checks=[{"invariant": "1", "findings": findings}],
            slos=[
                {"title": "response p99", "status": "violated", "note": "900 ms"},
                {"title": "response p50", "status": "holds", "note": "1 ms"},
                {"title": "service p50", "status": "not asked", "note": ""},
            ],
            fitness=[{"title": "CPU", "status": "unknown", "note": "no timeline"}],
        ),
        "runs/peak/1",
    )
    assert alert == {
        "text": "peak: NOT RIGHT\n"
        "- invariant 1: lost in the platform, 3\n"
        "- response p99: violated, 900 ms\n"
        "- CPU: unknown, no timeline\n"
        "run directory: runs/peak/1",
        "run": "r-1",
        "plan": "peak",
        "exit": 20,
        "verdict": "NOT RIGHT",
        "findings": [{"invariant": "1", "name": "lost in the platform", "count": 3}],
        "slos": [{"title": "response p99", "status": "violated", "note": "900 ms"}],
        "fitness": [{"title": "CPU", "status": "unknown", "note": "no timeline"}],
        "directory": "runs/peak/1",
    }


def test_the_address_is_a_secret(monkeypatch):
    """It is named and not written, must be there, and must be an address; it is never repeated."""
    monkeypatch.setenv("HOOK", "https://chat.example/token")
    assert webhook.url_of("env:HOOK") == "https://chat.example/token"
    monkeypatch.setenv("HOOK", "file:///etc/passwd")
    with pytest.raises(Problems, match="--webhook env:HOOK: what it holds is no http") as told:
        webhook.url_of("env:HOOK")
    assert "passwd" not in str(told.value)
    with pytest.raises(Problems, match="--webhook: a secret is not written") as told:
        webhook.url_of("https://chat.example/token")
    assert "token" not in str(told.value)
    with pytest.raises(Problems, match="NOWHERE is not set"):
        webhook.url_of("env:NOWHERE")


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "nobody.invalid", "[broken"])
def test_a_webhook_that_fails_is_logged_without_its_address(host, caplog):
    """It changes no verdict, and no log has the token."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://{host.format(port=nobody.getsockname()[1])}/token"
        assert webhook.post(url, {"text": "hello"}) is False
    assert "the webhook did not take the alert" in caplog.text
    assert "token" not in caplog.text

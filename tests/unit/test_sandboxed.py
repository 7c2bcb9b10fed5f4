"""The embedded sandbox has every channel; a plan may use them there without naming any address."""

from __future__ import annotations

import logging
from argparse import Namespace

import pytest

from e2e_data.commands import Channel
from locustfiles import sandboxed as module
from locustfiles.mq_target import check, sandbox_services, with_sandbox
from locustfiles.options import OPTIONS
from locustfiles.plans import load_plan
from locustfiles.sandboxed import sandboxed
from locustfiles.settings import read_settings
from tests.mq_parts import needs_ibmmq

BOTH = {Channel.HTTP: 60, Channel.MQ: 40}


def options(**given):
    values = {option.name: option.default for option in OPTIONS}
    return Namespace(**{**values, "num_users": 8, **given})


def demo(*changes):
    return load_plan("demo", list(changes))


@needs_ibmmq
def test_the_demonstration_is_over_http_and_mq():
    """Where the sandbox is embedded; elsewhere it needs no queue manager."""
    assert read_settings(options(), None).plan.channels == BOTH
    elsewhere = read_settings(options(), "http://127.0.0.1:1").plan
    assert elsewhere.channels == {Channel.HTTP: 100}


def test_who_names_channels_gets_those():
    """--channels goes before what a plan has for the sandbox."""
    plan = read_settings(options(paystorm_channels="http=100"), None).plan
    assert plan.channels_used == (Channel.HTTP,)


def test_a_channel_that_cannot_be_reached_from_here_is_left_out(monkeypatch, caplog):
    """And said: there is no wheel of ibmmq for every machine."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING):
        assert sandboxed(demo()).channels == {Channel.HTTP: 60}
    assert "MQ is left out: there is no package ibmmq" in caplog.text


def test_a_plan_without_channels_for_the_sandbox_stays_as_it_is():
    """Nothing is sent over what nobody asked for."""
    plan = load_plan("smoke")
    assert sandboxed(plan) is plan


@pytest.mark.parametrize(
    ("changes", "embedded", "told"),
    [
        ([], True, None),
        (["mq.hosts=['h']"], True, "without --host the platform is the embedded sandbox"),
        ([], False, "mq: name the platform's queue manager"),
        (["mq.hosts=['h']"], False, None),
        (["mq.ccdt='/c.json'"], False, None),
        (
            ["mq.hosts=['h']", "mq.user='u'", "mq.password='env:NOT_SET'"],
            False,
            "NOT_SET is not set",
        ),
    ],
)
def test_where_messages_go_is_checked_before_anything_starts(changes, embedded, told):
    """With every remedy."""
    found = check(demo("channels={mq=1}", *changes), embedded=embedded)
    assert [told in problem for problem in found] == ([True] if told else [])
    assert check(demo("channels={http=1}", *changes), embedded=embedded) == []


def test_the_sandboxs_queue_manager_is_where_it_listens():
    """As the plan wants replies matched; a binding that was chosen stays."""
    plan = demo("channels={mq=1}", "mq.reply_match='msg-id'", "mq.application='us'")
    assert sandbox_services(plan) == {"mq": ["--mq-reply-id", "msg-id"]}
    there = with_sandbox(plan, "127.0.0.1(1500)").mq
    assert (there.hosts, there.binding, there.application) == (
        ("127.0.0.1(1500)",),
        "sandbox",
        "us",
    )
    chosen = with_sandbox(demo("mq.binding='pymqi'"), "127.0.0.1(1500)").mq
    assert chosen.binding == "pymqi"
    assert with_sandbox(plan, None) is plan
    assert sandbox_services(demo("channels={http=1}")) == {}

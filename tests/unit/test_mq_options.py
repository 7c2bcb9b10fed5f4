"""The sandbox's options about MQ: what they ask for, and what is wrong with them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sandbox.cli import sandbox
from sandbox.message_log import MessageLog
from sandbox.mq_options import PASSWORD_VARIABLE, MqOptions
from sandbox.mq_replies import Replies, ReplyId

SECRET = {PASSWORD_VARIABLE: "secret"}


def options(**changes):
    defaults = {
        "host": "127.0.0.1",
        "port": 1414,
        "only": False,
        "at": None,
        "library": None,
        "store": None,
        "qmgr": "QM1",
        "channel": "DEV.APP.SVRCONN",
        "user": None,
        "depth": 10,
        "replies": "both",
        "reply_id": "correl-id",
    }
    return MqOptions(**{**defaults, **changes})


def test_a_queue_manager_is_defined_by_them():
    """Its name, channel and user, its queues with their depth, backout threshold and queue."""
    settings = options(user="app").manager(SECRET)
    assert (settings.name, settings.channels) == ("QM1", ("DEV.APP.SVRCONN",))
    assert settings.credentials == {"app": "secret"}
    assert [(queue.name, queue.depth_max) for queue in settings.queues] == [
        ("COMMAND.QUEUE", 10),
        ("COMMAND.QUEUE.BO", 10),
        ("REPLY.QUEUE", 10),
    ]
    assert settings.queues[0].backout_queue == "COMMAND.QUEUE.BO"
    assert settings.queues[0].backout_threshold == 3


def test_another_queue_manager_is_named_by_them():
    """Its address, and how it lets the platform in; more readers, since the network makes them wait."""
    given = options(
        port=None, at="queues.example(1415)", user="app", replies="final", reply_id="msg-id"
    )
    address = given.address(SECRET)
    assert (address.host, address.port, address.user) == ("queues.example", 1415, "app")
    assert address.manager == "QM1"
    assert "secret" not in str(address)
    assert given.front.readers > 1
    assert (given.front.replies, given.front.reply_id) == (Replies.FINAL, ReplyId.MSG_ID)
    assert options().address() is None
    assert options().front.readers == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"only": True, "port": None}, "--mq-only needs --mq-port"),
        ({"at": "host:1414", "port": None}, "--mq-at 'host:1414' must be an address such as"),
        ({"at": "host(1414)"}, "--mq-at names another queue manager"),
        ({"library": "libmqm_r.so"}, "--mq-library is for a queue manager of IBM's: give --mq-at"),
        ({"store": "file", "port": None}, "--mq-store is for the messages of a queue manager"),
        ({"user": "app"}, f"--mq-user needs the password in the environment, {PASSWORD_VARIABLE}"),
        ({"qmgr": "A B"}, "--mq-qmgr 'A B' must have 1 to 48 letters"),
        ({"channel": ""}, "--mq-channel '' must have 1 to 48 letters"),
    ],
)
def test_what_contradicts_itself_says_how_to_put_it_right(changes, problem):
    """With the value, and the remedy."""
    found = options(**changes).problems({})
    assert len(found) == 1
    assert problem in found[0]


def test_the_defaults_have_no_problem():
    """Nor has any option by itself."""
    assert options().problems({}) == []
    assert options(user="app").problems(SECRET) == []


def test_every_problem_is_told_at_once():
    """One a line, exit code 2, before anything listens."""
    done = CliRunner().invoke(sandbox, ["--mq-only", "--mq-at", "x", "--mq-qmgr", "?"])
    assert done.exit_code == 2
    assert done.output.count("--mq-") >= 4


def test_a_store_that_cannot_be_used_is_told_in_one_line(tmp_path):
    """Another file, one that another queue manager has, one that cannot be written."""
    diary = tmp_path / "diary"
    diary.write_text("dear diary")
    taken = tmp_path / "taken"
    holder = MessageLog(taken)
    missing = tmp_path / "no" / "such"
    for path, problem in (
        (diary, "is not a message log; name a file of its own"),
        (taken, "another queue manager uses this file"),
        (missing, "No such file or directory"),
    ):
        arguments = ["--http-port", "0", "--mq-port", "0", "--mq-store", str(path)]
        done = CliRunner().invoke(sandbox, arguments)
        assert (done.exit_code, problem in done.output) == (2, True), done.output
    holder.close()

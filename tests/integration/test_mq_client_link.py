"""The platform at a queue manager of IBM's: IBM's own C module, on the client library for tests.

That library speaks to the sandbox's queue manager, so what is proven is the link: its calls, its thread, and
what it makes of IBM's reasons.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from sandbox.cli import sandbox
from sandbox.mq_options import PASSWORD_VARIABLE
from tests.integration.test_mq_client_c import built
from tests.integration.test_mq_process import Sender, lived, statement
from tests.mq_parts import needs_ibmmq
from tests.mq_process import END_S, platform, queue_manager
from tests.mq_process import sandbox as process

pytestmark = needs_ibmmq

SECRET = {PASSWORD_VARIABLE: "correct-horse"}
POISON = b"no envelope"


@pytest.fixture(scope="module")
def library(request):
    return str(built(request.config, "ibmmq")[1])


@contextmanager
def at(queues, library, *options, **how):
    """Run a platform that reads at a queue manager by the client library."""
    with platform("--mq-at", queues.mq, "--mq-library", library, *options, **how) as running:
        yield running


def ended(running):
    running.process.send_signal(signal.SIGTERM)
    return running.ended()


@pytest.fixture(scope="module")
def running(library):
    """A queue manager, a platform that reads there, and a sender."""
    with queue_manager() as queues, at(queues, library) as there:
        yield there, Sender(queues.mq)


def test_an_accounts_life(running):
    """Opened, credited, paid from, refused; the statements over HTTP say the same."""
    there, sender = running
    account, _ = lived(sender)
    ours = [row for row in statement(there.url, "commands") if row["accountId"] == account]
    assert [row["accountSeq"] for row in ours] == [1, 2, 3, 4]


def test_poison_ends_on_the_backout_queue(running):
    """After as many backouts as the queue says, as it came; what comes behind it is served."""
    _, sender = running
    sender.commands.put(POISON, sender.mq.MD(CorrelId=b"c" * 24, ReplyToQ=b"REPLY.QUEUE"))
    sender.open_account()
    aside = sender.mq.Queue(sender.qm, "COMMAND.QUEUE.BO", sender.codes.MQOO_INPUT_SHARED)
    md, wait = sender.mq.MD(), sender.mq.GMO(Options=sender.codes.MQGMO_WAIT, WaitInterval=20_000)
    assert aside.get(None, md, wait) == POISON
    assert md.CorrelId == b"c" * 24
    assert md.ReplyToQ.rstrip(b" \0") == b"REPLY.QUEUE"


def test_a_queue_manager_that_comes_back_is_connected_to_again(library):
    """What happened is told on the log; a platform that is stopped has nobody wait for its threads."""
    with queue_manager() as first:
        port = str(first.port)
        with at(first, library) as running:
            Sender(first.mq).open_account()
            first.process.send_signal(signal.SIGTERM)
            first.process.wait(END_S)
            with process("--mq-only", "--mq-port", port) as second:
                Sender(second.mq).open_account()
            code, complaints = ended(running)
    assert code == 0
    assert "the queue manager is gone: MQRC 2009" in complaints
    assert complaints.count("\n") < 20


def test_it_logs_in_and_who_is_not_let_in_says_why(library):
    """With the right password it reads; a wrong one is IBM's reason 2035, and never shown."""
    with queue_manager("--mq-user", "app", **SECRET) as queues:
        with at(queues, library, "--mq-user", "app", **SECRET):
            Sender(queues.mq, "app", SECRET[PASSWORD_VARIABLE]).open_account()
        wrong = {PASSWORD_VARIABLE: "wrong-one"}
        with at(queues, library, "--mq-user", "app", **wrong) as running:
            complaint = running.process.stderr.readline().decode()
            code, more = ended(running)
    assert code == 0
    assert f"the queue manager at {queues.mq} lets nobody in: MQRC 2035" in complaint
    assert "wrong-one" not in complaint + more


@pytest.mark.parametrize("name", ["no-such-library.so", __file__])
def test_a_library_that_cannot_be_loaded_is_one_clear_line(name):
    """With its name and the loader's reason, before anything listens."""
    done = CliRunner().invoke(sandbox, ["--mq-at", "127.0.0.1(1)", "--mq-library", name])
    assert done.exit_code == 2
    assert f"--mq-library: {name} cannot be loaded: " in done.output

"""IBM's own Python layer, as it is, on the stand-in: every verb, and the reasons programs meet."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox import mqbinding
from tests.mq_parts import needs_ibmmq
from tests.mq_process import ROOT, queue_manager

pytestmark = needs_ibmmq

CHANNEL = "DEV.APP.SVRCONN"
QUEUE, REPLIES = "COMMAND.QUEUE", "REPLY.QUEUE"
MODEL = "SYSTEM.DEFAULT.MODEL.QUEUE"
KILLS = Path(__file__).with_name("mq_kills.py")


@pytest.fixture(scope="module")
def mq():
    """The package, with the stand-in below it."""
    mqbinding.install()
    import ibmmq

    return ibmmq


@pytest.fixture(scope="module")
def running():
    """A queue manager that the tests of this module share; each leaves it empty."""
    with queue_manager("--mq-depth", "3") as found:
        yield found


@pytest.fixture
def qm(mq, running):
    found = mq.connect("QM1", CHANNEL, running.mq)
    yield found
    with suppress(mq.Error):
        found.disconnect()


@pytest.fixture
def queue(mq, qm):
    options = mq.CMQC.MQOO_INPUT_SHARED | mq.CMQC.MQOO_OUTPUT | mq.CMQC.MQOO_INQUIRE
    found = mq.Queue(qm, QUEUE, options | mq.CMQC.MQOO_BROWSE | mq.CMQC.MQOO_SET)
    yield found
    assert drained(mq, qm) == 0


def drained(mq, qm):
    """Return how many messages a test left behind."""
    try:
        queue = mq.Queue(qm, QUEUE, mq.CMQC.MQOO_INQUIRE)
    except mq.Error:
        return 0
    return queue.inquire(mq.CMQC.MQIA_CURRENT_Q_DEPTH)


def reason_of(mq, call, *args, **kwargs):
    with pytest.raises(mq.MQMIError) as failed:
        call(*args, **kwargs)
    return failed.value.reason


# -- verbs ----------------------------------------------------------------------------------------


def test_put_and_get(mq, queue):
    """The body, and a descriptor that both sides completed."""
    md = mq.MD(Format=mq.CMQC.MQFMT_STRING, CorrelId=b"c" * 24, ReplyToQ=b"R", Expiry=600)
    pmo = mq.PMO(Options=mq.CMQC.MQPMO_NO_SYNCPOINT | mq.CMQC.MQPMO_FAIL_IF_QUIESCING)
    queue.put("grüße", md, pmo)
    assert md.MsgId.startswith(b"AMQ QM1 ")
    assert pmo.ResolvedQName.rstrip() == QUEUE.encode()
    got, gmo = mq.MD(), mq.GMO()
    assert queue.get(None, got, gmo).decode() == "grüße"
    assert (got.MsgId, got.CorrelId, got.CodedCharSetId) == (md.MsgId, b"c" * 24, 1208)
    assert 500 < got.Expiry <= 600
    assert gmo.ResolvedQName.rstrip() == QUEUE.encode()
    assert gmo.ReturnedLength == len("grüße".encode())


def test_put1(mq, qm, queue):
    """Without opening the queue."""
    qm.put1(QUEUE, b"one", mq.MD(), mq.PMO())
    assert queue.get() == b"one"


def test_request_and_reply_by_correl_id(mq, qm, queue):
    """The reply is found among others by what was passed back."""
    replies = mq.Queue(qm, REPLIES, mq.CMQC.MQOO_INPUT_SHARED | mq.CMQC.MQOO_OUTPUT)
    for number in (1, 2, 3):
        replies.put(b"%d" % number, mq.MD(CorrelId=b"%d" % number * 24))
    match = mq.GMO(MatchOptions=mq.CMQC.MQMO_MATCH_CORREL_ID)
    for number in (2, 3, 1):
        assert replies.get(None, mq.MD(CorrelId=b"%d" % number * 24), match) == b"%d" % number


def test_units_of_work(mq, qm, queue):
    """Backed out, the message is there again and counted; committed, it is gone."""
    syncpoint = mq.GMO(Options=mq.CMQC.MQGMO_SYNCPOINT)
    queue.put(b"a", mq.MD(), mq.PMO(Options=mq.CMQC.MQPMO_SYNCPOINT))
    assert reason_of(mq, queue.get) == mq.CMQC.MQRC_NO_MSG_AVAILABLE
    qm.commit()
    for backouts in range(3):
        md = mq.MD()
        assert queue.get(None, md, syncpoint) == b"a"
        assert md.BackoutCount == backouts
        qm.backout()
    queue.get(None, mq.MD(), syncpoint)
    qm.commit()


def test_browse(mq, queue):
    """First, next, and off with the message under the cursor."""
    for body in (b"a", b"b"):
        queue.put(body)
    browse = mq.GMO(Options=mq.CMQC.MQGMO_BROWSE_FIRST)
    assert queue.get(None, mq.MD(), browse) == b"a"
    browse.Options = mq.CMQC.MQGMO_BROWSE_NEXT
    assert queue.get(None, mq.MD(), browse) == b"b"
    assert reason_of(mq, queue.get, None, mq.MD(), browse) == mq.CMQC.MQRC_NO_MSG_AVAILABLE
    browse.Options = mq.CMQC.MQGMO_MSG_UNDER_CURSOR
    assert queue.get(None, mq.MD(), browse) == b"b"
    assert queue.get() == b"a"


def test_truncation(mq, queue):
    """2080 leaves the message, 2079 takes it; without a length IBM's layer asks again."""
    queue.put(b"x" * 5000)
    with pytest.raises(mq.MQMIError) as failed:
        queue.get(10)
    assert failed.value.reason == mq.CMQC.MQRC_TRUNCATED_MSG_FAILED
    assert (failed.value.message, failed.value.original_length) == (b"x" * 10, 5000)
    assert queue.get() == b"x" * 5000
    queue.put(b"x" * 50)
    accept = mq.GMO(Options=mq.CMQC.MQGMO_ACCEPT_TRUNCATED_MSG)
    assert reason_of(mq, queue.get, 10, mq.MD(), accept) == mq.CMQC.MQRC_TRUNCATED_MSG_ACCEPTED


def test_dynamic_queues(mq, qm):
    """A name of its own at the open, gone at the close."""
    od = mq.OD(ObjectName=MODEL, DynamicQName=b"TEST.*")
    own = mq.Queue(qm, od, mq.CMQC.MQOO_INPUT_EXCLUSIVE)
    name = od.ObjectName.rstrip()
    assert name.startswith(b"TEST.")
    qm.put1(name, b"to it", mq.MD(), mq.PMO())
    assert own.get() == b"to it"
    own.close()
    assert reason_of(mq, qm.put1, name, b"", mq.MD(), mq.PMO()) == mq.CMQC.MQRC_UNKNOWN_OBJECT_NAME


def test_inquire_and_set(mq, qm, queue):
    """One attribute, several, of the queue and of the queue manager."""
    queue.put(b"")
    assert queue.inquire(mq.CMQC.MQIA_CURRENT_Q_DEPTH) == 1
    found = queue.inquire(
        [
            mq.CMQC.MQCA_Q_NAME,
            mq.CMQC.MQIA_BACKOUT_THRESHOLD,
            mq.CMQC.MQCA_BACKOUT_REQ_Q_NAME,
            mq.CMQC.MQIA_MAX_Q_DEPTH,
        ]
    )
    assert [value.rstrip() if isinstance(value, bytes) else value for value in found.values()] == [
        QUEUE.encode(),
        3,
        b"COMMAND.QUEUE.BO",
        3,
    ]
    assert qm.inquire(mq.CMQC.MQCA_Q_MGR_NAME).rstrip() == b"QM1"
    assert b"not IBM MQ" in qm.inquire(mq.CMQC.MQCA_Q_MGR_DESC)
    assert qm.is_connected
    queue.set(mq.CMQC.MQIA_INHIBIT_PUT, mq.CMQC.MQQA_PUT_INHIBITED)
    assert reason_of(mq, queue.put, b"") == mq.CMQC.MQRC_PUT_INHIBITED
    queue.set({mq.CMQC.MQIA_INHIBIT_PUT: 0, mq.CMQC.MQIA_INHIBIT_GET: 1})
    assert reason_of(mq, queue.get) == mq.CMQC.MQRC_GET_INHIBITED
    queue.set(mq.CMQC.MQIA_INHIBIT_GET, 0)
    queue.get()


def test_rfh2_headers_go_through(mq, queue):
    """As a part of the body, with the format that says so."""
    header = mq.RFH2()
    header.add_folder(b"<usr><a>1</a></usr>")
    header["Format"] = mq.CMQC.MQFMT_STRING
    md = mq.MD(Format=mq.CMQC.MQFMT_RF_HEADER_2)
    queue.put_rfh2(b"body", md, mq.PMO(), [header])
    gmo = mq.GMO(Options=mq.CMQC.MQGMO_NO_PROPERTIES)
    got = mq.MD()
    assert queue.get(None, got, gmo) == b"body"
    assert got.Format == mq.CMQC.MQFMT_STRING


# -- connecting -----------------------------------------------------------------------------------


def test_a_disconnect_commits_and_an_old_handle_is_none(mq, running):
    """What MQDISC does; then 2018 for the handle."""
    qm = mq.connect("QM1", CHANNEL, running.mq)
    queue = mq.Queue(qm, QUEUE, mq.CMQC.MQOO_INPUT_SHARED | mq.CMQC.MQOO_OUTPUT)
    queue.put(b"a", mq.MD(), mq.PMO(Options=mq.CMQC.MQPMO_SYNCPOINT))
    handle = qm.get_handle()
    qm.disconnect()
    assert mq.ibmmqc.MQCMIT(handle) == (2, mq.CMQC.MQRC_HCONN_ERROR)
    again = mq.connect("QM1", CHANNEL, running.mq)
    assert mq.Queue(again, QUEUE).get() == b"a"


def test_several_addresses_are_tried_in_turn(mq, running):
    """The first that answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1({free.getsockname()[1]})"
    assert mq.connect("QM1", CHANNEL, f"{nobody},{running.mq}").is_connected
    refused = reason_of(mq, mq.connect, "QM1", CHANNEL, nobody)
    assert refused == mq.CMQC.MQRC_HOST_NOT_AVAILABLE


def test_the_environment_says_where_to(mq, running, monkeypatch):
    """MQSERVER, as IBM's client reads it."""
    monkeypatch.setenv("MQSERVER", f"{CHANNEL}/TCP/{running.mq}")
    assert mq.QueueManager("QM1").is_connected
    monkeypatch.delenv("MQSERVER")
    assert reason_of(mq, mq.QueueManager, "QM1") == mq.CMQC.MQRC_Q_MGR_NOT_AVAILABLE


def test_wrong_names_have_their_reasons(mq, running):
    """The queue manager's, the channel's, and a channel that asks for TLS."""
    connect = mq.connect
    assert reason_of(mq, connect, "QM2", CHANNEL, running.mq) == mq.CMQC.MQRC_Q_MGR_NAME_ERROR
    assert reason_of(mq, connect, "QM1", "NO", running.mq) == mq.CMQC.MQRC_UNKNOWN_CHANNEL_NAME
    cd = mq.CD(SSLCipherSpec="ANY_TLS12_OR_HIGHER")
    refused = reason_of(mq, connect, "QM1", CHANNEL, running.mq, cd=cd)
    assert refused == mq.CMQC.MQRC_SSL_INITIALIZATION_ERROR


def test_user_and_password_are_asked_for(mq):
    """2035 without them, or with wrong ones; the application's name is told."""
    secret = {"PAYSTORM_SANDBOX_MQ_PASSWORD": "secret"}
    with queue_manager("--mq-user", "app", **secret) as running:
        denied = mq.CMQC.MQRC_NOT_AUTHORIZED
        for given in ((), ("app", "wrong"), ("other", "secret")):
            assert reason_of(mq, mq.connect, "QM1", CHANNEL, running.mq, *given) == denied
        csp = mq.CSP(CSPUserId="app", CSPPassword="secret")
        cno = mq.CNO(ApplName="load generator", Options=mq.CMQC.MQCNO_CLIENT_BINDING)
        qm = mq.connect("QM1", CHANNEL, running.mq, csp=csp, cno=cno)
        md = mq.MD()
        qm.put1(QUEUE, b"", md, mq.PMO())
        assert md.PutApplName.rstrip() == b"load generator"
        assert md.UserIdentifier.rstrip() == b"app"


# -- reasons --------------------------------------------------------------------------------------


def test_a_full_queue(mq, queue):
    """2053, and there is room again after a get."""
    for _ in range(3):
        queue.put(b"x")
    assert reason_of(mq, queue.put, b"x") == mq.CMQC.MQRC_Q_FULL
    for _ in range(3):
        queue.get()


def test_a_message_that_is_too_long(mq, queue):
    """2030; the longest that is allowed goes through, in and out."""
    longest = bytes(4 * 1024 * 1024)
    queue.put(longest)
    assert queue.get() == longest
    assert reason_of(mq, queue.put, longest + b"!") == mq.CMQC.MQRC_MSG_TOO_BIG_FOR_Q


def test_unknown_queues_and_uses(mq, qm, queue):
    """2085, 2037, 2019."""
    unknown = mq.CMQC.MQRC_UNKNOWN_OBJECT_NAME
    assert reason_of(mq, mq.Queue, qm, "NO.SUCH", mq.CMQC.MQOO_OUTPUT) == unknown
    writer = mq.Queue(qm, QUEUE, mq.CMQC.MQOO_OUTPUT)
    assert reason_of(mq, writer.get) == mq.CMQC.MQRC_NOT_OPEN_FOR_INPUT
    writer.set_handle(999)
    assert reason_of(mq, writer.put, b"") == mq.CMQC.MQRC_HOBJ_ERROR


def waiting(mq, queue, wait_ms):
    """Get on a thread of its own; returns it, and a list that the body or the reason will be in."""
    wait, results = mq.GMO(Options=mq.CMQC.MQGMO_WAIT, WaitInterval=wait_ms), []

    def get():
        while not results:
            try:
                results.append(queue.get(None, mq.MD(), wait))
            except mq.MQMIError as error:
                if error.reason != mq.CMQC.MQRC_CALL_IN_PROGRESS:
                    results.append(error.reason)

    thread = threading.Thread(target=get, daemon=True)
    thread.start()
    return thread, results


def test_a_second_call_waits_for_the_first(mq, qm):
    """As a program that shares a connection among threads expects, and IBM's layer asks for."""
    thread, results = waiting(mq, mq.Queue(qm, REPLIES, mq.CMQC.MQOO_INPUT_SHARED), 100)
    deadline = time.monotonic() + 10
    while not results:
        qm.commit()
        assert time.monotonic() < deadline
    thread.join(10)
    assert results == [mq.CMQC.MQRC_NO_MSG_AVAILABLE]


def test_a_second_call_is_told_where_the_program_asked_for_that(mq, running):
    """2219 as long as the first is in progress."""
    cno = mq.CNO(Options=mq.CMQC.MQCNO_HANDLE_SHARE_NO_BLOCK)
    qm = mq.connect("QM1", CHANNEL, running.mq, cno=cno)
    thread, results = waiting(mq, mq.Queue(qm, REPLIES, mq.CMQC.MQOO_INPUT_SHARED), 20_000)
    deadline = time.monotonic() + 10
    while mq.ibmmqc.MQCMIT(qm.get_handle()) != (2, mq.CMQC.MQRC_CALL_IN_PROGRESS):
        assert time.monotonic() < deadline
        assert results == []
    mq.connect("QM1", CHANNEL, running.mq).put1(REPLIES, b"end", mq.MD(), mq.PMO())
    thread.join(10)
    assert results == [b"end"]


def test_a_queue_manager_that_is_killed(mq):
    """2009 in the middle of a wait, for every call after it, and 2538 for a new connection."""
    with queue_manager(to_be_killed=True) as running:
        qm = mq.connect("QM1", CHANNEL, running.mq)
        queue = mq.Queue(qm, QUEUE, mq.CMQC.MQOO_INPUT_SHARED)
        wait = mq.GMO(Options=mq.CMQC.MQGMO_WAIT, WaitInterval=mq.CMQC.MQWI_UNLIMITED)
        killing = threading.Timer(0.2, running.process.kill)
        killing.start()
        broken = mq.CMQC.MQRC_CONNECTION_BROKEN
        assert reason_of(mq, queue.get, None, mq.MD(), wait) == broken
        killing.join()
        running.process.wait(10)
        assert reason_of(mq, queue.get) == broken
        assert reason_of(mq, qm.commit) == broken
        assert reason_of(mq, qm.disconnect) == broken
        refused = reason_of(mq, mq.connect, "QM1", CHANNEL, running.mq)
        assert refused == mq.CMQC.MQRC_HOST_NOT_AVAILABLE


def test_a_queue_manager_that_is_told_to_end(mq):
    """2161 for a get that asked to be told, and a clean end."""
    with queue_manager() as running:
        qm = mq.connect("QM1", CHANNEL, running.mq)
        queue = mq.Queue(qm, QUEUE, mq.CMQC.MQOO_INPUT_SHARED)
        options = mq.CMQC.MQGMO_WAIT | mq.CMQC.MQGMO_FAIL_IF_QUIESCING
        wait = mq.GMO(Options=options, WaitInterval=20_000)
        telling = threading.Timer(0.2, running.process.send_signal, [signal.SIGTERM])
        telling.start()
        told = reason_of(mq, queue.get, None, mq.MD(), wait)
        assert told == mq.CMQC.MQRC_Q_MGR_QUIESCING
        telling.join()
        qm.disconnect()
        assert running.ended() == (0, "")


# -- with gevent ----------------------------------------------------------------------------------


def test_killed_waits_lose_no_message_and_break_no_connection():
    """Greenlets are killed and timed out in the middle of their gets, again and again.

    Each message is got exactly once, though nobody uses units of work; and while all wait, the hub
    goes on.
    """
    with queue_manager() as running:
        done = subprocess.run(
            [sys.executable, str(KILLS), running.mq],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["got"] == sorted(range(found["put"]))
    assert found["killed"] > 50
    assert found["timed out"] > 50
    assert found["broken"] == 0
    assert found["ticks while all waited"] > 10

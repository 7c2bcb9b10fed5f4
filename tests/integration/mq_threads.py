"""A program that uses a real C module, on OS threads beside gevent's hub; prints what it saw as JSON.

Run by test_mq_client_c.py: mq_threads.py BINDING LIBRARY ADDRESS SCENARIO.
"""

# ruff: noqa: E402 - the standard library is patched before anything uses it

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import ctypes
import json
import os
import signal
import sys

import gevent
from gevent.threadpool import ThreadPool

binding, library, address, scenario = sys.argv[1:5]
# Else IBM's layer asks for message handles, of which the library for tests knows nothing, wherever
# OpenTelemetry's package is installed.
os.environ["MQIPY_NOOTEL"] = "true"
# The library first, and for all to see: then the C module finds it by its name.
ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
if binding == "ibmmq":
    import ibmmq as mq
    from ibmmq import CMQC
else:
    import pymqi as mq
    from pymqi import CMQC

CHANNEL = "DEV.APP.SVRCONN"
QUEUE, REPLIES = "COMMAND.QUEUE", "REPLY.QUEUE"
USERS, PAIRS = 8, 25


def connect(
    *, queue_manager="QM1", channel=CHANNEL, at=address, sharing=CMQC.MQCNO_HANDLE_SHARE_BLOCK
):
    """Connect as each binding wants it done."""
    if binding == "ibmmq":
        cno = mq.CNO(Options=CMQC.MQCNO_CLIENT_BINDING | sharing)
        return mq.connect(queue_manager, channel, at, cno=cno)
    qm = mq.QueueManager(None)
    cd = mq.CD(
        ChannelName=channel.encode(),
        ConnectionName=at.encode(),
        ChannelType=mq.CMQXC.MQCHT_CLNTCONN,
        TransportType=mq.CMQXC.MQXPT_TCP,
    )
    qm.connect_with_options(queue_manager.encode(), cd=cd, opts=sharing)
    return qm


def gmo(options=0, wait_ms=0, match=0):
    return mq.GMO(Version=2, Options=options, WaitInterval=wait_ms, MatchOptions=match)


def pmo(options=0):
    return mq.PMO(Options=options)


def reason_of(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except mq.MQMIError as error:
        return error.reason
    return 0


def verbs():
    """Call each verb, and meet the usual reasons."""
    qm = connect()
    uses = CMQC.MQOO_INPUT_SHARED | CMQC.MQOO_OUTPUT | CMQC.MQOO_INQUIRE | CMQC.MQOO_BROWSE
    queue = mq.Queue(qm, QUEUE, uses | CMQC.MQOO_SET)
    seen = {}
    md = mq.MD(Format=CMQC.MQFMT_STRING, CorrelId=b"c" * 24, ReplyToQ=b"R", Expiry=600)
    queue.put(b"hello", md, pmo(CMQC.MQPMO_SYNCPOINT))
    seen["uncommitted"] = reason_of(queue.get)
    qm.commit()
    backouts = []
    for _ in range(3):
        got = mq.MD()
        queue.get(None, got, gmo(CMQC.MQGMO_SYNCPOINT))
        backouts.append(got.BackoutCount)
        qm.backout()
    seen["backouts"] = backouts
    seen["depth"] = queue.inquire(CMQC.MQIA_CURRENT_Q_DEPTH)
    seen["name"] = queue.inquire(CMQC.MQCA_BACKOUT_REQ_Q_NAME).decode().strip()
    seen["browsed"] = queue.get(None, mq.MD(), gmo(CMQC.MQGMO_BROWSE_FIRST)).decode()
    seen["truncated"] = reason_of(queue.get, 2, mq.MD(), gmo())
    got = mq.MD()
    body = queue.get(None, got, gmo(match=CMQC.MQMO_MATCH_MSG_ID | CMQC.MQMO_MATCH_CORREL_ID))
    same = (got.MsgId, got.CorrelId, got.ReplyToQ.rstrip()) == (md.MsgId, b"c" * 24, b"R")
    seen["got"] = [body.decode(), same, 500 < got.Expiry <= 600]
    queue.put(b"x" * 100_000)
    seen["long"] = len(queue.get())
    qm.put1(QUEUE, b"1", mq.MD(), pmo())
    seen["put1"] = queue.get().decode()
    own = mq.OD(ObjectName=b"SYSTEM.DEFAULT.MODEL.QUEUE", DynamicQName=b"TEST.*")
    dynamic = mq.Queue(qm, own, CMQC.MQOO_INPUT_EXCLUSIVE)
    seen["dynamic"] = own.ObjectName[:5].decode()
    dynamic.close()
    queue.set(CMQC.MQIA_INHIBIT_PUT, CMQC.MQQA_PUT_INHIBITED)
    seen["inhibited"] = reason_of(queue.put, b"")
    queue.set(CMQC.MQIA_INHIBIT_PUT, CMQC.MQQA_PUT_ALLOWED)
    seen["empty"] = reason_of(queue.get, None, mq.MD(), gmo(CMQC.MQGMO_WAIT, 10))
    seen["begin"] = reason_of(qm.begin)
    seen["unknown queue"] = reason_of(mq.Queue, qm, "NO.SUCH", CMQC.MQOO_OUTPUT)
    seen["unknown channel"] = reason_of(connect, channel="NO.SUCH")
    seen["other manager"] = reason_of(connect, queue_manager="QM2")
    seen["nobody there"] = reason_of(connect, at="127.0.0.1(1)")
    several = connect(at=f"127.0.0.1(1),{address}")
    several.disconnect()
    qm.disconnect()
    return seen


class User:
    """A connection with an OS thread of its own, as a load generator's user has it."""

    def __init__(self, *, sharing=CMQC.MQCNO_HANDLE_SHARE_BLOCK):
        self.thread = ThreadPool(1)
        self.qm = self.on_thread(connect, sharing=sharing)
        self.queues = {}

    def on_thread(self, call, *args, **kwargs):
        return self.thread.apply(call, args, kwargs)

    def queue(self, name, options):
        self.queues[name] = self.on_thread(mq.Queue, self.qm, name, options)
        return self.queues[name]

    def put(self, name, body, **md):
        self.on_thread(self.queues[name].put, body, mq.MD(**md), pmo())

    def get(self, name, wait_ms, **md):
        match = CMQC.MQMO_MATCH_CORREL_ID if md else 0
        wait = gmo(CMQC.MQGMO_WAIT, wait_ms, match)
        got = mq.MD(**md)
        return self.on_thread(self.queues[name].get, None, got, wait), got


def threads():
    """Many users ask and get their own answers, while the hub goes on."""
    ticks = 0

    def answer():
        one = User()
        one.queue(QUEUE, CMQC.MQOO_INPUT_SHARED)
        one.queue(REPLIES, CMQC.MQOO_OUTPUT)
        for _ in range(USERS * PAIRS // 2):
            body, md = one.get(QUEUE, 20_000)
            one.put(REPLIES, b"re: " + body, CorrelId=md.CorrelId)

    def ask(number):
        one = User()
        one.queue(QUEUE, CMQC.MQOO_OUTPUT)
        one.queue(REPLIES, CMQC.MQOO_INPUT_SHARED)
        right = 0
        for pair in range(PAIRS):
            body = b"%d of %d" % (pair, number) * (1 + pair)
            correl_id = b"%d/%d" % (pair, number)
            one.put(QUEUE, body, CorrelId=correl_id)
            reply, _ = one.get(REPLIES, 20_000, CorrelId=correl_id)
            right += reply == b"re: " + body
        return right

    answering = [gevent.spawn(answer) for _ in range(2)]
    asking = [gevent.spawn(ask, number) for number in range(USERS)]
    while not all(one.ready() for one in asking):
        gevent.sleep(0.002)
        ticks += 1
    gevent.joinall(answering, timeout=60)
    return {"right": sum(one.get() for one in asking), "hub went on": ticks > 10}


def sharing():
    """A connection that is not shared belongs to its thread; one that is has its turns, or 2219."""
    seen = {}
    alone = User(sharing=CMQC.MQCNO_HANDLE_SHARE_NO_BLOCK)
    alone.queue(REPLIES, CMQC.MQOO_INPUT_SHARED)
    waiting = gevent.spawn(alone.get, REPLIES, 20_000)
    while (reason := reason_of(alone.qm.commit)) == 0:
        gevent.sleep(0.001)
    seen["no block"] = reason
    other = User()
    other.queue(REPLIES, CMQC.MQOO_OUTPUT)
    other.put(REPLIES, b"end")
    seen["got"] = waiting.get(timeout=60)[0].decode()
    if binding == "pymqi":
        bound = User(sharing=CMQC.MQCNO_HANDLE_SHARE_NONE)
        seen["other thread"] = reason_of(bound.qm.commit)
        seen["own thread"] = bound.on_thread(reason_of, bound.qm.commit)
    return seen


def module():
    """What IBM's C module offers."""
    c_module = mq.ibmmqc
    versions = c_module.__strucversions__
    return {
        "functions": [name for name in dir(c_module) if name.startswith("MQ")],
        "versions": {name: versions[name] for name in versions if isinstance(versions[name], int)},
        "version": c_module.__version__,
        "level": c_module.__cmdlevel__,
    }


def broken():
    """The queue manager is killed in the middle of waits; its process id is the next argument."""
    users = [User() for _ in range(4)]
    for one in users:
        one.queue(REPLIES, CMQC.MQOO_INPUT_SHARED)
    waits = [gevent.spawn(reason_of, one.get, REPLIES, 20_000) for one in users]
    gevent.sleep(0.2)
    os.kill(int(sys.argv[5]), signal.SIGKILL)
    reasons = {one.get(timeout=60) for one in waits}
    return {"in the wait": list(reasons), "after it": reason_of(users[0].qm.commit)}


print(json.dumps({"build": mq.__mqbuild__, **globals()[scenario]()}))

"""A program that kills its own greenlets in the middle of gets, and counts what they got.

Run by test_mq_ibmmq.py with a queue manager's address; prints what it saw as JSON.
"""

# ruff: noqa: E402 - the standard library is patched before anything uses it

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json
import random
import sys
from collections import Counter
from pathlib import Path

import gevent

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sandbox import mqbinding

mqbinding.install()

import ibmmq
from ibmmq import CMQC

MESSAGES = 600
READERS = 6
QUEUE = "REPLY.QUEUE"

address = sys.argv[1]
dice = random.Random(7)
seen: list[int] = []
counts: Counter[str] = Counter()


def connect():
    return ibmmq.connect("QM1", "DEV.APP.SVRCONN", address)


class Reader:
    """A connection that outlives the greenlets which use it, one after the other."""

    def __init__(self):
        self.qm = connect()
        self.queue = ibmmq.Queue(self.qm, QUEUE, CMQC.MQOO_INPUT_SHARED)

    def read(self):
        wait = ibmmq.GMO(Options=CMQC.MQGMO_WAIT, WaitInterval=20_000)
        while True:
            try:
                with gevent.Timeout(dice.uniform(0.0005, 0.01)):
                    seen.append(int(self.queue.get(None, ibmmq.MD(), wait)))
            except gevent.Timeout:
                counts["timed out"] += 1
            except ibmmq.MQMIError:
                counts["broken"] += 1
                return


def put_all():
    queue = ibmmq.Queue(connect(), QUEUE, CMQC.MQOO_OUTPUT)
    for number in range(MESSAGES):
        queue.put(b"%d" % number)
        gevent.sleep(dice.uniform(0, 0.004))


def ticks_while_all_wait(readers):
    """Count a ticker's turns while every reader waits for a message that does not come."""
    ticks = 0
    wait = ibmmq.GMO(Options=CMQC.MQGMO_WAIT, WaitInterval=200)

    def get(reader):
        try:
            reader.queue.get(None, ibmmq.MD(), wait)
        except ibmmq.MQMIError as error:
            counts["broken"] += error.reason != CMQC.MQRC_NO_MSG_AVAILABLE

    waits = [gevent.spawn(get, reader) for reader in readers]
    while not all(one.ready() for one in waits):
        gevent.sleep(0.005)
        ticks += 1
    return ticks


readers = [Reader() for _ in range(READERS)]
putting = gevent.spawn(put_all)
reading = {reader: gevent.spawn(reader.read) for reader in readers}
while not putting.ready():
    gevent.sleep(dice.uniform(0, 0.01))
    reader = dice.choice(readers)
    reading[reader].kill()
    counts["killed"] += 1
    reading[reader] = gevent.spawn(reader.read)
with gevent.Timeout(20):
    while len(seen) < MESSAGES:
        gevent.sleep(0.01)
gevent.killall(list(reading.values()))
ticks = ticks_while_all_wait(readers)
found = {"put": MESSAGES, "got": sorted(seen), "ticks while all waited": ticks, "broken": 0}
print(json.dumps({**found, **counts}))

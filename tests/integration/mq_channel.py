"""A program that puts the MQ channel through all that may happen to it; prints what it saw as JSON.

Run by test_mq_channel.py: mq_channel.py BINDING LIBRARY ADDRESS, with "-" for no library.
"""

# ruff: noqa: E402 - the standard library is patched before anything uses it

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import gevent

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import Correlation, Ids
from e2e_data.mq import MqMessage
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.mq_access import Desk, MqAccess
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_replies import Awaited
from locustfiles.channels.mq_session import Put
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.mq_dlq import look
from locustfiles.mq_dlq import retry as put_back
from tests.mq_process import queue_manager

binding, library, address = sys.argv[1:4]
IDS, OTHERS = Ids(bytes(range(16)), 7), Ids(bytes(16), 8)
COMMANDS, REPLIES, BACKOUT = "COMMAND.QUEUE", "REPLY.QUEUE", "COMMAND.QUEUE.BO"
DEPTH = 60
TIMEOUT_S = 10


def settings(**given):
    given = {"hosts": (address,), "binding": binding, **given}
    return MqSettings(library=None if library == "-" else library, **given)


class Ledger:
    """Writes down what it is told, with how often."""

    def __init__(self):
        self.facts = Counter()
        self.accounts = {}
        self.pending = set()

    def acknowledged(self, place, answer, attempt=0):
        self.facts["acknowledged", place[2]] += 1
        if answer.account_id:
            self.accounts[place[2]] = answer.account_id
        return time.monotonic_ns()

    def completed(self, place, completion):
        self.facts[completion.outcome.label, place[2]] += 1

    def bound(self, place, account_id):
        self.accounts[place[2]] = account_id

    def unreadable(self, place, attempt):
        self.facts.append(("unreadable", place, attempt))

    def misdirected(self, place):
        self.facts.append(("misdirected", place))

    def other_account(self, place, attempt):
        self.facts.append(("other account", place, attempt))

    def dead_lettered(self, place, attempt, reason):
        self.facts["dead-lettered", place[2]] += 1
        return time.monotonic_ns()

    def count(self, fact):
        """Return of how many commands a fact was told, and how often in all."""
        times = [count for (name, _), count in self.facts.items() if name == fact]
        return [len(times), sum(times)]


class Tester:
    """The channel with users; `send` gives how an exchange ended."""

    def __init__(self, timeout_s=TIMEOUT_S, *, shared=False, **given):
        self.ledger, self.said = Ledger(), []
        self.access = MqAccess(
            settings(**given),
            Platform(),
            IDS,
            self.ledger,
            timeout_s,
            self.said.append,
            shared=shared,
        )

    def __enter__(self):
        self.access.open()
        return self

    def __exit__(self, *_):
        self.access.close()

    def send(self, index):
        key = key_of(index)
        body = json.dumps({"commandId": command_id(index), "correlationId": key.hex()})
        awaited = Awaited((0, 0, index), 0, command_id(index), (0, 0, index))
        try:
            reply_to = self.access.next_reply_queue()
            self.access.exchange(MqMessage(body.encode(), key), reply_to, awaited)
        except (NotSentError, UnansweredError) as error:
            return str(error)
        return "answered" if awaited.answer else "put aside"

    def send_all(self, count, users=8):
        ended, numbers = Counter(), iter(range(count))

        def use():
            for number in numbers:
                ended[self.send(number)] += 1

        gevent.joinall([gevent.spawn(use) for _ in range(users)], timeout=60, raise_error=True)
        return dict(ended)

    @property
    def counts(self):
        counts = self.access.replies.counts
        return {name: n for name in counts.__slots__ if (n := getattr(counts, name))}


def key_of(index, ids=IDS):
    place = (0, 0, index)
    kind = Kind.ACCOUNT
    return Correlation(ids.tag, *place, 0, kind, Channel.MQ, Outcome.SETTLED, 0, 0).pack()


def command_id(index):
    return IDS.command_ids(0, 0, [index])[0]


class Sessions:
    """Links of the test's own."""

    def __init__(self, **given):
        self.desk = Desk.of(settings(**given), lambda _: None)

    def link(self):
        return self.desk.link()


@contextmanager
def platform(answer, of=None, readers=2):
    """Have commands answered: `answer(index)` gives statuses, each with the wait before it."""
    desk, stopping = (of or Sessions()).desk, []

    def reply_to(got, status, index):
        body = {
            "commandId": command_id(index),
            "correlationId": got.md.correl_id.hex(),
            "status": status,
            "accountId": f"account-{index}",
        }
        return Put(json.dumps(body).encode(), got.md.correl_id)

    def later(link, got, queue, status, index, wait_s):
        gevent.sleep(wait_s)
        link.use(lambda session: session.put(queue, reply_to(got, status, index)))

    def read():
        link, late = desk.link(), []
        while not stopping:
            try:
                got = link.use(lambda session: session.get(COMMANDS, 50))
                if got is None:
                    continue
                index = Correlation.unpack(got.md.correl_id).index
                queue = got.md.reply_to.decode()
                for status, wait_s in answer(index):
                    if wait_s:
                        own = desk.link()
                        late.append(gevent.spawn(later, own, got, queue, status, index, wait_s))
                    else:
                        put = reply_to(got, status, index)
                        link.use(lambda session, q=queue, p=put: session.put(q, p))
            except MqError:
                gevent.sleep(0.01)
        gevent.joinall(late, timeout=60)
        link.close()

    reading = [gevent.spawn(read) for _ in range(readers)]
    try:
        yield
    finally:
        stopping.append(True)
        gevent.joinall(reading, timeout=60)


def until(true, seconds=10):
    with gevent.Timeout(seconds, False):
        while not true():
            gevent.sleep(0.01)
    return bool(true())


def emptied(*queues):
    """Take everything off queues, and return how much that was."""
    link, found = Sessions().link(), []
    for queue in queues:
        count = 0
        while link.use(lambda session, q=queue: session.get(q)) is not None:
            count += 1
        found.append(count)
    link.close()
    return found


def both(_):
    return [("ACCEPTED", 0), ("SETTLED", 0)]


# -- what may happen ------------------------------------------------------------------------------


def exchanges():
    """Users share a few connections and one reader; the hub goes on meanwhile."""
    ticks = []
    ticker = gevent.spawn(lambda: [ticks.append(gevent.sleep(0.002)) for _ in range(10**6)])
    with platform(both), Tester(connections=3) as tester:
        ended = tester.send_all(100)
        until(lambda: len(tester.access.replies) == 0)
    ticker.kill()
    return {
        "ended": ended,
        "acknowledged": tester.ledger.count("acknowledged"),
        "settled": tester.ledger.count("settled"),
        "accounts": len(set(tester.ledger.accounts.values())),
        "hub went on": len(ticks) > 10,
        "counts": tester.counts,
        "said": tester.said,
    }


def own_gets():
    """Each user gets its own reply by correlation id; what comes late is gleaned."""
    with (
        platform(lambda n: [("SETTLED", 2.5 if n == 3 else 0)]),
        Tester(timeout_s=1.5, replies="own-get", connections=8) as tester,
    ):
        ended = tester.send_all(24)
        until(lambda: len(tester.access.replies) == 0)
    return {
        "ended": ended,
        "settled": tester.ledger.count("settled"),
        "late": tester.ledger.accounts[3],
        "counts": tester.counts,
    }


def message_ids():
    """A platform that copies the MsgId finds the correlation id there."""
    with Tester(reply_match="msg-id", syncpoint=True, expiry_s=30, persistence="yes") as tester:
        sending = gevent.spawn(tester.send, 0)
        link = Sessions().link()
        got = link.use(lambda session: session.get(COMMANDS, 5000))
        body = json.dumps({"commandId": command_id(0), "status": "SETTLED"}).encode()
        link.use(lambda session: session.put(got.md.reply_to.decode(), Put(body, got.md.msg_id)))
        ended = sending.get(timeout=60)
        link.close()
    return {"ended": ended, "same": got.md.msg_id == key_of(0), "persistent": got.md.persistence}


def odd_replies():
    """Late, twice, never; for nobody, for another run, under another's id, and none at all."""

    def answer(n):
        return {
            0: [("SETTLED", 0), ("SETTLED", 0)],
            1: [("ACCEPTED", 2), ("SETTLED", 2.1)],
            2: [],
        }[n]

    with platform(answer), Tester(timeout_s=1.2) as tester:
        ended = [tester.send(n) for n in range(3)]
        until(lambda: tester.ledger.facts["settled", 1])
        link = Sessions().link()
        own = {"commandId": command_id(2), "status": "SETTLED"}
        for key, body in (
            (b"x" * 24, own),
            (key_of(0, OTHERS), own),
            (key_of(2), {**own, "commandId": command_id(1)}),
            (key_of(2), {"nothing": 1}),
        ):
            put = Put(json.dumps(body).encode(), key)
            link.use(lambda session, p=put: session.put(REPLIES, p))
        until(lambda: sum(tester.counts.values()) >= 6)
        link.close()
    return {
        "ended": ended,
        "counts": tester.counts,
        "acknowledged": tester.ledger.count("acknowledged"),
        "settled": sorted(n for name, n in tester.ledger.facts if name == "settled"),
        "late account": tester.ledger.accounts.get(1),
    }


def put_asides():
    """A command on the backout queue was dead-lettered; its user waits no longer, and it stays there."""
    with Tester(timeout_s=5) as tester:
        sending = gevent.spawn(tester.send, 0)
        link = Sessions().link()

        def move(session):
            got = session.get(COMMANDS, 5000)
            session.put(BACKOUT, Put(got.body, got.md.correl_id, got.md.msg_id))

        link.use(move)
        ended = sending.get(timeout=60)
        found = link.use(lambda session: [aside.command_id for aside in look(session, BACKOUT)])
        by = link.use(lambda session: [aside.got.md.msg_id for aside in look(session, BACKOUT)])
        moved = [link.use(lambda s: put_back(s, BACKOUT, COMMANDS, by[0])) for _ in range(2)]
        depths = link.use(lambda session: [session.depth(q) for q in (BACKOUT, COMMANDS)])
        link.close()
    return {
        "ended": ended,
        "facts": tester.ledger.count("dead-lettered"),
        "counts": tester.counts,
        "found": found == [command_id(0)],
        "moved": moved,
        "depths": depths,
        "left": emptied(COMMANDS),
    }


def full():
    """What a full queue does not take is not sent; when there is room, sending goes on."""
    with Tester(timeout_s=2, connections=2, syncpoint=False) as tester:
        ended = tester.send_all(DEPTH + 5, users=DEPTH + 5)
        left = emptied(COMMANDS)
        with platform(both):
            after = tester.send(1000)
    return {"ended": ended, "left": left, "after": after, "awaited": len(tester.access.replies)}


def own_queues():
    """Of processes that share a run each has a reply queue of its own."""
    with (
        platform(both),
        Tester(shared=True) as one,
        Tester(shared=True) as other,
    ):
        queues = {tester.access.next_reply_queue() for tester in (one, other) for _ in range(32)}
        ended = [one.send_all(20), other.send_all(20)]
        counts = [one.counts, other.counts]
    return {"queues": len(queues - {REPLIES}), "ended": ended, "counts": counts}


def mistakes():
    """What a newcomer gets wrong is said before anything is sent, all of it and without any secret."""
    os.environ["WRONG_PASSWORD"] = "hunter2"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1({unused.getsockname()[1]})"
    found = {}
    for name, given in (
        ("queues", {"command_queue": "NO.SUCH", "reply_queue": "NOR.THIS", "backout_queue": None}),
        ("queue manager", {"queue_manager": "QM2"}),
        ("channel", {"channel": "NO.SUCH"}),
        ("host", {"hosts": (nobody,)}),
        ("secret", {"user": "u", "password": "env:NOT_SET"}),
    ):
        try:
            with Tester(**given):
                found[name] = "nothing was said"
        except Problems as problems:
            found[name] = list(problems.problems)
    password = "PAYSTORM_SANDBOX_MQ_PASSWORD"
    with queue_manager("--mq-user", "tester", **{password: "right"}) as guarded:
        os.environ["RIGHT_PASSWORD"] = "right"
        for name in ("WRONG_PASSWORD", "RIGHT_PASSWORD"):
            try:
                with Tester(hosts=(guarded.mq,), user="tester", password=f"env:{name}") as tester:
                    found[name] = tester.said
            except Problems as problems:
                found[name] = list(problems.problems)
    return found


def killed():
    """The queue manager is killed in the middle of puts and waits, and is there again later."""
    with ExitStack() as servers:
        folder = servers.enter_context(TemporaryDirectory())
        options = ("--mq-store", str(Path(folder, "messages")))
        first = servers.enter_context(queue_manager(*options, to_be_killed=True))
        at, port = first.mq, str(first.port)
        sessions = Sessions(hosts=(at,))
        tester = Tester(timeout_s=4, hosts=(at,), persistence="yes", connections=4)
        ended, stop = {}, []

        def use(user):
            for number in range(user, 10**6, 8):
                if stop:
                    return
                ended[number] = tester.send(number)

        with platform(both, of=sessions), tester:
            users = [gevent.spawn(use, user) for user in range(8)]
            until(lambda: len(ended) > 40)
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            gevent.sleep(0.3)
            before = len(ended)
            servers.enter_context(queue_manager("--mq-port", port, *options, to_be_killed=True))
            went_on = until(lambda: len(ended) > before + 40)
            stop.append(True)
            gevent.joinall(users, timeout=60, raise_error=True)
            until(lambda: len(tester.access.replies) == 0, 1)
    facts = tester.ledger.facts
    return {
        "went on": went_on,
        "kinds": sorted({text.split(":")[0] for text in ended.values()}),
        "twice": [key for key, count in facts.items() if key[0] == "acknowledged" and count > 1],
        "unlike": [
            n
            for n, text in ended.items()
            if (text == "answered") != (facts["acknowledged", n] == 1)
        ],
        "said": [
            text.split(":")[0] if "back after" not in text else "back" for text in tester.said
        ],
    }


SCENARIOS = (
    *(exchanges, own_gets, message_ids, odd_replies, put_asides, full, own_queues),
    *(mistakes, killed),
)

if __name__ == "__main__":
    seen = {}
    for scenario in SCENARIOS:
        began_s = time.monotonic()
        seen[scenario.__name__] = scenario()
        seen[scenario.__name__]["left behind"] = emptied(COMMANDS, REPLIES, BACKOUT)
        print(f"{scenario.__name__}: {time.monotonic() - began_s:.1f} s", file=sys.stderr)
    print(json.dumps(seen))
    sys.stdout.flush()
    os._exit(0)

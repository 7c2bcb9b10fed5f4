"""What becomes of a command over HTTP, whatever the platform does: in the journal and in Locust's statistics."""

from __future__ import annotations

import struct
from dataclasses import replace
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket

from e2e_data.commands import Channel, Outcome
from e2e_data.ids import RETRY_ATTEMPT, Correlation
from e2e_data.platform import Completion, HttpAnswer, Platform
from locustfiles.channels.gate import Gate
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.retry_after import retry_after_s
from tests.helpers_wire import answer, serving
from tests.stages import Stage

with pytest.MonkeyPatch.context() as patched:
    # A user's rules need no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locust.env import Environment

    from locustfiles import conductor as conductors
    from locustfiles.http_sender import HttpLine
    from locustfiles.statistics import feed_all
    from locustfiles.users import PaymentsUser

PATIENT_S = 60
SHORT_S = 0.2
RESET = struct.pack("ii", 1, 0)
"""The SO_LINGER that makes a close a reset."""
ACCEPTED = answer(b'{"commandId":"c","status":"ACCEPTED","accountId":"acc-1"}')


class Desk:
    """One user of a run, at its first command: an account's creation."""

    def __init__(self, path, origin, *, timeout_s=PATIENT_S, **http) -> None:
        self.stage = Stage(path)
        self.run = self.stage.run
        self.expected = []
        self.run.completions = SimpleNamespace(
            expect=lambda place, command_id: self.expected.append(command_id)
        )
        self.gate = Gate(origin, HttpSettings.model_validate(http), timeout_s)
        self.environment = Environment(user_classes=[PaymentsUser])
        self.environment.create_local_runner()
        self.run.lines = {Channel.HTTP: HttpLine(self.gate)}
        conductors._CONDUCTORS[self.environment] = SimpleNamespace(run=self.run)
        self.user = PaymentsUser(self.environment)
        self.stage.begin()
        self.stage.pass_time(100)

    def send(self) -> None:
        """Send the next command."""
        turn = self.run.take(self.user._seat_in(self.run))
        self.user._sender(self.run, turn.channel).send(turn)
        feed_all(self.environment)

    def facts(self):
        """Return the names and reasons of the journal's facts."""
        return [(fact.name, reason) for fact, reason in self.stage.facts().elements()]

    @property
    def errors(self):
        """The failures in Locust's statistics, with how often each occurred."""
        return {
            repr(error.error): error.occurrences for error in self.environment.stats.errors.values()
        }

    @property
    def requests(self) -> int:
        """The requests in Locust's statistics."""
        return self.environment.stats.total.num_requests


def says(raw):
    return lambda connection, _request: connection.sendall(raw)


def close(connection, _request):
    connection.close()


def reset(connection, _request):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def cuts_off(connection, _request):
    connection.sendall(ACCEPTED[:-3])
    connection.close()


def trickles(connection, _request):
    for at in range(len(ACCEPTED)):
        connection.sendall(ACCEPTED[at : at + 1])
        gevent.sleep(0)


def in_turn(*replies):
    """Reply to the first request as the first of `replies` does, and so on."""
    left = iter(replies)

    def reply(connection, request):
        next(left)(connection, request)

    return reply


@pytest.mark.parametrize("reply", [says(ACCEPTED), trickles], ids=["at once", "byte by byte"])
def test_an_accepted_command(tmp_path, reply):
    """Sent and acknowledged, one request in the statistics, and its outcome is looked for."""
    with serving(reply) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.send()
    assert sorted(desk.facts()) == [("ACKNOWLEDGED", ""), ("SENT", "")]
    assert (desk.requests, desk.errors) == (1, {})
    assert len(desk.expected) == 1


faults = pytest.mark.parametrize(
    ("reply", "fault", "error"),
    [
        (close, "cut off: the connection was closed", "CutOffError"),
        (cuts_off, "cut off: the connection was closed", "CutOffError"),
        (reset, "reset: Connection reset by peer", "ResetError"),
        (says(b"garbage\r\n\r\n"), "not HTTP: ", "NotHttpError"),
        (lambda *_: gevent.sleep(PATIENT_S), "no answer in time: 0.2 s", "TimedOutError"),
        (
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 17_000_000),
            "too long: the answer is longer",
            "TooLongError",
        ),
    ],
    ids=["closes", "cuts off", "resets", "garbage", "silence", "100 MB"],
)


@faults
def test_a_fault_leaves_a_command_unknown(tmp_path, reply, fault, error):
    """Journal and statistics name it; the command is unknown, never failed: its outcome is awaited."""
    timeout_s = SHORT_S if error == "TimedOutError" else PATIENT_S
    with serving(reply) as peer:
        desk = Desk(tmp_path, peer.origin, timeout_s=timeout_s)
        desk.send()
    (why,) = [reason for name, reason in desk.facts() if name == "UNANSWERED"]
    assert why.startswith(fault)
    assert desk.requests == 1
    ((told, count),) = desk.errors.items()
    assert (told.startswith(error), count) == (True, 1)
    assert len(desk.expected) == 1
    assert len(peer.requests) == 1, "never sent again without need"


@faults
def test_a_fault_is_that_of_the_command_on_the_wire(tmp_path, reply, fault, error):
    """A user that goes on by itself loses nothing: those before have their answers, one is unknown."""
    timeout_s = SHORT_S if error == "TimedOutError" else PATIENT_S
    with serving(in_turn(says(ACCEPTED), says(ACCEPTED), reply, reply)) as peer:
        desk = Desk(tmp_path, peer.origin, timeout_s=timeout_s)
        desk.send()
        seat = desk.user._seat_in(desk.run)
        turn = desk.run.take(seat)
        sender = desk.user._sender(desk.run, turn.channel)
        sender.send(turn, lambda: desk.run.at_once(seat))
        feed_all(desk.environment)
    facts = desk.facts()
    # A connection that was kept and is closed at once may be a keep-alive race: it is sent once more.
    races = len([name for name, _ in facts if name == "SENT"]) - 3
    assert races == (error in ("CutOffError", "ResetError") and reply is not cuts_off)
    assert [name for name, _ in facts].count("ACKNOWLEDGED") == 2
    assert desk.run.tracker.tally.waiting == 0
    assert [why for name, why in facts if name == "UNANSWERED"][-1].startswith(fault)
    assert len(desk.expected) == 3
    assert desk.requests == 3 + races


def test_a_user_that_is_to_leave_goes_on_with_nothing(tmp_path):
    """Nor does one whose seat is at another channel by now."""
    with serving(says(ACCEPTED)) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.send()
        user = desk.user
        user._channel = Channel.HTTP
        user._leaving = True
        assert user._more() is None
        user._leaving = False
        user._channel = Channel.MQ
        assert user._more() is None
        user._channel = Channel.HTTP
        desk.run.dealer.open.clear()
        assert user._more() is None, "the phase is not open"
        desk.run.dealer.open.set()
        assert user._more() is not None


def test_a_refused_connection_sends_nothing(tmp_path):
    """Where nobody listens the command is over, without effect, under that name."""
    with serving(close) as peer:
        pass
    desk = Desk(tmp_path, peer.origin)
    desk.send()
    assert sorted(desk.facts()) == [("NOT_SENT", "refused: Connection refused"), ("SENT", "")]
    assert not desk.expected
    assert next(iter(desk.errors)).startswith("RefusedError")


def test_a_redirect_has_its_name(tmp_path):
    """An answer that sends elsewhere leaves the command unknown, and is told apart."""
    with serving(says(answer(b"", "302 Found", b"Location: /x\r\n"))) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.send()
    assert ("ACKNOWLEDGED", "HTTP 302") in desk.facts()
    assert next(iter(desk.errors)).startswith("RedirectedError")
    assert len(desk.expected) == 1


# -- keep-alive races -------------------------------------------------------------------------


@pytest.mark.parametrize("end", [close, reset])
def test_a_keep_alive_race_is_repeated_under_the_same_id(tmp_path, end):
    """Sent once more with its command id and another correlation id; both attempts are written down."""
    with serving(in_turn(says(ACCEPTED), end, says(ACCEPTED))) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.send()
        desk.send()
    first, again = peer.requests[1:]
    assert header(first, b"Idempotency-Key") == header(again, b"Idempotency-Key")
    assert first.partition(b"\r\n\r\n")[2] == again.partition(b"\r\n\r\n")[2]
    attempts = [
        Correlation.unpack(bytes.fromhex(header(request, b"X-Correlation-Id").decode()))
        for request in (first, again)
    ]
    assert [attempt.attempt for attempt in attempts] == [0, RETRY_ATTEMPT]
    assert attempts[0].index == attempts[1].index
    names = sorted(name for name, _ in desk.facts())
    assert names == ["ACKNOWLEDGED", "ACKNOWLEDGED", "SENT", "SENT", "SENT", "UNANSWERED"]
    tally = desk.run.tracker.tally
    assert (tally.sent, tally.retried, tally.acknowledged, tally.waiting) == (2, 1, 2, 0)
    assert desk.requests == 3
    assert next(iter(desk.errors)).startswith("ClosedIdleError")
    assert len(desk.expected) == 2


def test_a_second_race_is_not_repeated(tmp_path):
    """One repetition: what is closed again is unknown."""
    with serving(in_turn(says(ACCEPTED), close, close)) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.send()
        desk.send()
        assert len(peer.requests) == 3
    assert desk.run.tracker.tally.retried == 1
    assert [name for name, _ in desk.facts()].count("UNANSWERED") == 2
    assert len(desk.expected) == 2


def test_without_idempotency_nothing_is_repeated(tmp_path, monkeypatch):
    """Where the platform does not know a command by its id, it might take effect twice."""
    monkeypatch.setattr(Platform, "idempotent", False)
    with serving(in_turn(says(ACCEPTED), close)) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.send()
        desk.send()
        assert len(peer.requests) == 2
    assert desk.run.tracker.tally.retried == 0


def header(request: bytes, name: bytes) -> bytes:
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return next(line.split(b": ")[1] for line in lines if line.startswith(name))


# -- Retry-After ------------------------------------------------------------------------------


class Over:
    """The end of a phase that does not come: waits are written down, and pass at once."""

    def __init__(self) -> None:
        self.waited = []

    def wait(self, seconds=None):
        self.waited.append(seconds)
        return False

    def set(self):
        """Nobody waits."""

    def is_set(self):
        return False


@pytest.mark.parametrize(
    ("status", "waits"), [("429 Too Many", [7.0]), ("503 Busy", [7.0]), ("202 Accepted", [])]
)
def test_a_user_waits_as_the_platform_asks(tmp_path, status, waits):
    """After 429 or 503 with Retry-After the user stays away so long; a 429's command is refused."""
    body = b'{"commandId":"c","status":"ACCEPTED","accountId":"acc-1"}'
    with serving(says(answer(body, status, b"Retry-After: 7\r\n"))) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.run.dealer.work.over = Over()
        desk.send()
        assert desk.run.dealer.work.over.waited == waits
    assert desk.run.tracker.tally.held_back == len(waits)
    assert bool(desk.expected) == (not status.startswith("429"))


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "120", 120),
        (503, " 0 ", 0),
        (429, "Sat, 21 Nov 2026 10:00:30 GMT", 30),
        (429, "Sat, 21 Nov 2026 09:00:00 GMT", 0),
        (429, "soon", 0),
        (429, "-5", 0),
        (429, "", 0),
        (200, "120", 0),
        (429, "9" * 400, 999_999_999),
    ],
)
def test_retry_after_is_seconds_or_a_date(status, value, seconds):
    """RFC 9110, 10.2.3; whatever else stands there asks for nothing."""
    at_s = 1795255200.0
    assert retry_after_s(HttpAnswer(status, {"retry-after": value}, b""), at_s) == seconds


# -- adapters ---------------------------------------------------------------------------------


def test_an_adapters_own_request_is_sent(tmp_path):
    """An adapter that writes requests itself is asked for each of them."""

    class Mine(Platform):
        def http_command(self, sending):
            return replace(super().http_command(sending), path="/mine")

    with serving(says(ACCEPTED)) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.run.platform = Mine()
        desk.run.addresser._platform = desk.run.platform
        desk.send()
    assert peer.requests[0].startswith(b"POST /mine HTTP/1.1\r\n")


def test_an_adapters_fault_does_not_lose_the_command(tmp_path, monkeypatch, caplog):
    """It leaves the command unknown, with the fault as the reason; the log says which attempt it was."""
    with serving(says(ACCEPTED)) as peer:
        desk = Desk(tmp_path, peer.origin)
        monkeypatch.setattr(Platform, "read_acknowledgement", lambda *_: 1 / 0)
        desk.send()
    assert any(reason.startswith("adapter: ZeroDivisionError") for _, reason in desk.facts())
    assert len(desk.expected) == 1
    logged = next(one for one in caplog.records if one.name == "locustfiles.intake")
    sent = peer.requests[0].decode()
    assert f"X-Correlation-Id: {logged.correlation_id}\r\n" in sent
    assert f"Idempotency-Key: {logged.command_id}\r\n" in sent


def test_a_whole_task_sends_one_command_after_the_other(tmp_path):
    """A task goes on until the phase has no more, over one connection."""
    with serving(says(ACCEPTED)) as peer:
        desk = Desk(tmp_path, peer.origin)
        task = gevent.spawn(desk.user.send_next)
        with gevent.Timeout(PATIENT_S):
            while len(peer.requests) < 3:
                gevent.sleep(0.01)
        gevent.sleep(0)
        for place in list(desk.run.tracker.pending):
            desk.run.tracker.completed(place, Completion(Outcome.SETTLED))
        desk.stage.director.advance()
        task.kill()
        assert peer.connections == 1
    assert desk.run.tracker.tally.sent == 3

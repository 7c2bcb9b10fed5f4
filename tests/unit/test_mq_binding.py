"""The stand-in for IBM's C module: how it is put in place, where it connects, how it calls."""

from __future__ import annotations

import ctypes
import json
import socket
import struct
import subprocess
import sys
import threading

import pytest

from sandbox import mqbinding
from sandbox.mqbinding import channels, codes, connection, verbs
from sandbox.mqbinding.connection import Connection
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.protocol import ANSWER, CALL, FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, Verb
from tests.mq_parts import needs_ibmmq

BROKEN = (codes.MQCC_FAILED, codes.MQRC_CONNECTION_BROKEN, b"")
CNO = b"CNO " + bytes(268)


# -- in its place ---------------------------------------------------------------------------------


def python(code):
    """Run code in a fresh interpreter and return what it prints, as JSON."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@needs_ibmmq
def test_ibms_python_layer_runs_on_it():
    """Of the pinned version; installing it again changes nothing; it says what it is."""
    found = python(
        "import json; from sandbox import mqbinding; mqbinding.install(); mqbinding.install()\n"
        "import ibmmq; mqbinding.install()\n"
        "print(json.dumps([ibmmq.__version__, ibmmq.__mqbuild__, mqbinding.is_installed(),"
        " 'not IBM MQ' in ibmmq.ibmmqc.__doc__, ibmmq.get_versions()]))"
    )
    versions = {"module": mqbinding.PACKAGE_VERSION, "MQ": 1001}
    assert found == [mqbinding.PACKAGE_VERSION, "stand-in", True, True, versions]


@needs_ibmmq
def test_ibms_python_layer_adds_no_traces_of_its_own():
    """It would wherever OpenTelemetry's package is installed, as it is here: to each message, on each call."""
    found = python(
        "import json, opentelemetry.trace; from locustfiles.channels import mq_binding\n"
        "from sandbox import mqbinding; mq = mq_binding.load('sandbox').mq\n"
        "hooks = [value for name, value in vars(mq.OTelFunctions).items() if name[0] != '_']\n"
        "print(json.dumps([len(hooks), hooks.count(None)]))"
    )
    assert found[0] == found[1] > 0


def test_it_does_not_replace_what_is_loaded():
    """A process has one or the other: the error says what to do."""
    found = python(
        "import json, sys, types; sys.modules['ibmmq'] = types.ModuleType('ibmmq')\n"
        "from sandbox import mqbinding\n"
        "try: mqbinding.install()\n"
        "except RuntimeError as error: print(json.dumps([str(error), mqbinding.is_installed()]))"
    )
    assert found[0].endswith("install it first, or start anew")
    assert found[1] is False


@needs_ibmmq
def test_what_is_not_supported_says_so():
    """2298, in the shape that IBM's Python layer expects of each function."""
    found = python(
        "import json; from sandbox import mqbinding; mqbinding.install(); import ibmmq\n"
        "reasons = []\n"
        "qm = ibmmq.QueueManager(None)\n"
        "for call in (qm.begin, lambda: ibmmq.MessageHandle(qm), lambda: qm.stat(0),\n"
        "    lambda: qm.ctl(1, ibmmq.CTLO()), lambda: ibmmq.Subscription(qm).subrq(),):\n"
        "    qm._QueueManager__handle = 7\n"
        "    try: call()\n"
        "    except ibmmq.MQMIError as error: reasons.append(error.reason)\n"
        "qm._QueueManager__handle = None\n"
        "print(json.dumps(reasons))"
    )
    assert found == [codes.MQRC_FUNCTION_NOT_SUPPORTED] * 5


# -- where to -------------------------------------------------------------------------------------


def cd(channel=b"CH", connection=b"host(1414)", cipher=b""):
    """Pack a channel descriptor of the size that ibmmq packs."""
    packed = bytearray(2000)
    packed[: len(channel)] = channel
    packed[1024 : 1024 + len(connection)] = connection
    packed[1688 : 1688 + len(cipher)] = cipher
    return bytes(packed)


def reason_of(call, *args):
    with pytest.raises(Failed) as failed:
        call(*args)
    return failed.value.reason


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("host(1415)", [("host", 1415)]),
        ("host", [("host", 1414)]),
        ("a(1), b(2),c", [("a", 1), ("b", 2), ("c", 1414)]),
        ("::1(1414)", [("::1", 1414)]),
    ],
)
def test_a_connection_name_has_one_or_more_addresses(name, found):
    """As IBM writes them, in the order in which they are tried."""
    assert channels.addresses(name) == tuple(found)


@pytest.mark.parametrize("name", ["", "host(port)", "host(1414", "a,,b", "ho st"])
def test_a_connection_name_that_is_none_names_no_host(name):
    """2538, as a host that does not answer."""
    assert reason_of(channels.addresses, name) == codes.MQRC_HOST_NOT_AVAILABLE


def test_the_channel_is_the_descriptors_then_the_environments():
    """MQCD before MQSERVER; 2059 where nobody names one."""
    server = {"MQSERVER": "ENV.CH/TCP/there(1),here(2)"}
    assert channels.channel_for(b"QM1", CNO, cd(), server).name == b"CH"
    found = channels.channel_for(b"QM1", CNO, None, server)
    assert (found.name, found.addresses) == (b"ENV.CH", (("there", 1), ("here", 2)))
    refused = reason_of(channels.channel_for, b"QM1", CNO, None, {})
    assert refused == codes.MQRC_Q_MGR_NOT_AVAILABLE


def test_tls_is_refused_not_pretended():
    """2393 for a channel that asks for a cipher, however it does."""
    refused = reason_of(channels.channel_for, b"QM1", CNO, cd(cipher=b"ANY_TLS12"), {})
    assert refused == codes.MQRC_SSL_INITIALIZATION_ERROR


TABLE = {
    "channel": [
        {
            "name": "CH.TWO",
            "clientConnection": {"queueManager": "QM2", "connection": [{"host": "two"}]},
        },
        {
            "name": "CH.ONE",
            "clientConnection": {
                "queueManager": "QM1",
                "connection": [{"host": "a", "port": 1}, {"host": "b", "port": 2}],
            },
        },
        {
            "name": "CH.TLS",
            "clientConnection": {"queueManager": "QM3", "connection": [{"host": "c"}]},
            "transmissionSecurity": {"cipherSpecification": "ANY_TLS12_OR_HIGHER"},
        },
    ]
}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a table.json"
    path.write_text(json.dumps(TABLE))
    return path


def test_a_table_of_channels_has_the_queue_managers(table):
    """By the file's name or its URL; any one where none is named, or a group."""
    for url in (str(table), table.as_uri()):
        found = channels.channel_for(b"QM1", CNO, None, {"MQCCDTURL": url})
        assert (found.name, found.addresses) == (b"CH.ONE", (("a", 1), ("b", 2)))
    for name in (b"", b"*", b"*QM2"):
        found = channels.channel_for(name, CNO, None, {"MQCCDTURL": str(table)})
        assert (found.name, found.addresses) == (b"CH.TWO", (("two", 1414),))


def test_a_table_in_the_connect_options_goes_before_the_environment(table):
    """MQCNO's CCDTUrl is a pointer to the text."""
    url = ctypes.create_string_buffer(str(table).encode())
    cno = bytearray(CNO)
    struct.pack_into("<QII", cno, 200, ctypes.addressof(url), 0, len(url) - 1)
    found = channels.channel_for(b"QM1", bytes(cno), None, {"MQSERVER": "X/TCP/x(1)"})
    assert found.name == b"CH.ONE"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (b"QM9", json.dumps(TABLE), codes.MQRC_Q_MGR_NAME_ERROR),
        (b"QM3", json.dumps(TABLE), codes.MQRC_SSL_INITIALIZATION_ERROR),
        (b"QM1", "not JSON", codes.MQRC_Q_MGR_NAME_ERROR),
        (b"QM1", "[]", codes.MQRC_Q_MGR_NAME_ERROR),
        (b"QM1", None, codes.MQRC_Q_MGR_NAME_ERROR),
    ],
)
def test_a_table_that_does_not_help_has_a_reason(tmp_path, name, content, reason):
    """2058 where the queue manager is not in it, or it cannot be read."""
    path = tmp_path / "table.json"
    if content is not None:
        path.write_text(content)
    environment = {"MQCCDTURL": str(path)}
    assert reason_of(channels.channel_for, name, CNO, None, environment) == reason


def test_credentials_are_what_the_security_parameters_point_to():
    """User and password where they are given so; the application's name beside."""
    user, password = ctypes.create_string_buffer(b"app"), ctypes.create_string_buffer(b"secret")
    csp = bytearray(104)
    struct.pack_into("<i", csp, 8, 1)
    struct.pack_into("<QII", csp, 16, ctypes.addressof(user), 0, 3)
    struct.pack_into("<QII", csp, 40, ctypes.addressof(password), 0, 6)
    cno = bytearray(CNO)
    cno[224:230] = b"loader"
    found = channels.credentials_in(bytes(cno), bytes(csp))
    assert (found.user, found.password, found.application) == (b"app", b"secret", b"loader")
    nobody = channels.credentials_in(CNO, None)
    assert (nobody.user, nobody.password, nobody.application) == (b"", b"", b"")


# -- calls ----------------------------------------------------------------------------------------


class Peer:
    """The other end of a connection, played by the test."""

    def __init__(self, *, shared=True):
        near, self.socket = socket.socketpair()
        self.socket.settimeout(10)
        self.connection = Connection(near, shared=shared)

    def call(self):
        """Return number, verb and body of the next call."""
        length, number, verb = CALL.unpack(self._exactly(CALL.size))
        return number, verb, self._exactly(length - 8)

    def answer(self, number, body=b"", reason=0):
        self.socket.sendall(ANSWER.pack(12 + len(body), number, 0, reason) + body)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            data += self.socket.recv(size - len(data))
        return data

    def calling(self, verb=Verb.COMMIT, *parts):
        """Call on a thread of its own; returns it, and a list that the answer will be in."""
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(self.connection.call(verb, *parts)), daemon=True
        )
        thread.start()
        return thread, answers


def test_a_call_takes_its_own_answer():
    """Answers of calls that were given up are passed over."""
    peer = Peer()
    thread, answers = peer.calling(Verb.PUT, b"ab", b"c")
    number, verb, body = peer.call()
    assert (verb, body) == (Verb.PUT, b"abc")
    peer.answer(number - 1, b"stale")
    peer.answer(number, b"mine", reason=2049)
    thread.join(10)
    assert answers == [(0, 2049, b"mine")]


@pytest.mark.parametrize(
    "head",
    [
        ANSWER.pack(11, 1, 0, 0),
        ANSWER.pack(FRAME_BYTES_MAX + 1, 1, 0, 0),
        b"",
        ANSWER.pack(50, 1, 0, 0) + b"cut",
    ],
    ids=["too short", "too long", "nothing", "cut off"],
)
def test_an_answer_that_is_none_breaks_the_connection(head):
    """2009 for that call and all that follow."""
    peer = Peer()
    thread, answers = peer.calling()
    peer.call()
    peer.socket.sendall(head)
    peer.socket.close()
    thread.join(10)
    assert answers == [BROKEN]
    assert peer.connection.call(Verb.COMMIT) == BROKEN


def test_a_second_caller_waits_or_is_told():
    """By what the program asked for when it connected: its turn, or 2219."""
    for shared in (True, False):
        peer = Peer(shared=shared)
        first, firsts = peer.calling(Verb.GET)
        number, _, _ = peer.call()
        second, seconds = peer.calling(Verb.COMMIT)
        if not shared:
            second.join(10)
            assert seconds == [(codes.MQCC_FAILED, codes.MQRC_CALL_IN_PROGRESS, b"")]
        peer.answer(number)
        first.join(10)
        assert len(firsts) == 1
        if shared:
            assert peer.call()[:2] == (number + 1, Verb.COMMIT)
            peer.answer(number + 1)
            second.join(10)
            assert seconds == [(0, 0, b"")]


class Interrupted(BaseException):
    """What is thrown into a wait."""


class Faulty:
    """A socket whose next call of a method raises."""

    def __init__(self, real, method):
        self._real = real
        self._method = method

    def __getattr__(self, name):
        if name == self._method:
            self._method = ""
            raise Interrupted
        return getattr(self._real, name)


def test_a_call_that_is_interrupted_is_given_up_and_the_connection_goes_on():
    """The queue manager is told which call; its late answer is not taken for another's."""
    peer = Peer()
    peer.connection._socket = Faulty(peer.connection._socket, "recv")
    with pytest.raises(Interrupted):
        peer.connection.call(Verb.GET, b"wait")
    number, verb, _ = peer.call()
    assert verb == Verb.GET
    assert peer.call() == (0, Verb.CANCEL, struct.pack("<I", number))
    peer.answer(number, b"late")
    thread, answers = peer.calling()
    number, _, _ = peer.call()
    peer.answer(number, b"own")
    thread.join(10)
    assert answers == [(0, 0, b"own")]


def test_a_call_that_is_interrupted_while_it_is_sent_breaks_the_connection():
    """Half a call cannot be followed by another."""
    peer = Peer()
    peer.connection._socket = Faulty(peer.connection._socket, "send")
    with pytest.raises(Interrupted):
        peer.connection.call(Verb.GET)
    assert peer.connection.call(Verb.COMMIT) == BROKEN


class Time:
    """Stands for the module `time`: sleeping runs what the test has for that moment."""

    def __init__(self):
        self.now_s = 100.0
        self.sleeps = 0
        self.meanwhile = []

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        assert seconds > 0, "gevent would go on with this greenlet before all others"
        self.sleeps += 1
        self.now_s += seconds
        if self.meanwhile:
            self.meanwhile.pop()()


def test_calls_that_never_wait_give_others_a_turn(monkeypatch):
    """Every two milliseconds, however many calls there are in between."""
    stopped = Time()
    monkeypatch.setattr(connection, "time", stopped)
    turns = connection._Turns()
    for _ in range(1000):
        turns.give()
        stopped.now_s += 0.0001
    assert 45 <= stopped.sleeps <= 50


def test_those_who_slept_together_share_the_time_until_the_next_turn(monkeypatch):
    """The first of them to wake begins it; the others do not begin it anew."""
    stopped = Time()
    monkeypatch.setattr(connection, "time", stopped)
    turns = connection._Turns()

    def another():
        """Another greenlet sleeps, wakes, and works for a while before the first one wakes."""
        turns.give()
        stopped.now_s += 0.0015

    stopped.meanwhile.append(another)
    turns.give()
    assert stopped.sleeps == 2
    stopped.now_s += 0.001
    turns.give()
    assert stopped.sleeps == 3


def test_a_handle_that_is_none_has_a_reason():
    """2018, in the shape of each verb."""
    nobody = 99
    failed = (codes.MQCC_FAILED, codes.MQRC_HCONN_ERROR)
    md, pmo, gmo, od = bytes(364), b"PMO " + bytes(180), b"GMO " + bytes(108), b"OD  " + bytes(420)
    assert verbs.MQDISC(nobody) == failed
    assert verbs.MQCMIT(nobody) == verbs.MQBACK(nobody) == failed
    assert verbs.MQCLOSE(nobody, 2, 0) == verbs.MQSET(nobody, 2, [1], [1], b"") == failed
    assert verbs.MQOPEN(nobody, od, 16) == (codes.MQHO_UNUSABLE_HOBJ, od, *failed)
    assert verbs.MQPUT(nobody, 2, md, pmo, b"") == (md, pmo, *failed)
    assert verbs.MQPUT1(nobody, od, md, pmo, b"") == (md, pmo, *failed)
    assert verbs.MQGET(nobody, 2, md, gmo, 10) == (b"", md, gmo, 0, *failed)
    assert verbs.MQINQ(nobody, 2, [3], [], 1, 0, 0) == ([], b"", *failed)


def test_what_cannot_be_sent_has_a_reason():
    """Structures that are none, and lengths out of bounds: each by its own code."""
    md, zeros = bytes(364), bytes(424)
    assert verbs.MQOPEN(1, zeros, 16)[2:] == (2, codes.MQRC_OD_ERROR)
    assert verbs.MQPUT1(1, zeros, md, zeros, b"")[2:] == (2, codes.MQRC_OD_ERROR)
    assert verbs.MQPUT(1, 2, md, zeros, b"")[2:] == (2, codes.MQRC_PMO_ERROR)
    assert verbs.MQGET(1, 2, md, zeros, 1)[4:] == (2, codes.MQRC_GMO_ERROR)
    gmo = b"GMO " + bytes(108)
    assert verbs.MQGET(1, 2, md, gmo, -1)[4:] == (2, codes.MQRC_BUFFER_LENGTH_ERROR)
    huge = bytes(MESSAGE_BYTES_MAX + 1)
    pmo = b"PMO " + bytes(180)
    assert verbs.MQPUT(1, 2, md, pmo, huge)[2:] == (2, codes.MQRC_MSG_TOO_BIG_FOR_Q)


def test_a_host_that_does_not_answer_has_a_reason():
    """2538 when no address of the list does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nowhere = cd(connection=f"127.0.0.1({port}),127.0.0.1({port})".encode())
    refused = (codes.MQHC_UNUSABLE_HCONN, codes.MQCC_FAILED, codes.MQRC_HOST_NOT_AVAILABLE)
    assert verbs.MQCONNX(b"QM1", CNO, nowhere) == refused

"""Loading a file on a queue: at its rate, in units of work, and on from where it ended."""

from __future__ import annotations

import json

import pytest

from e2e_data.problems import Problems
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_structs import NO_ID
from locustfiles.mq_load import UNIT_MAX, Job, Loader, State, message_of


class Queue:
    """A queue behind sessions that can be told to go wrong."""

    def __init__(self):
        self.messages = []
        self.sessions = 0
        self.faults = []
        """(verb, at which of its calls, reason, whether it took effect all the same)."""
        self.calls = {"MQPUT": 0, "MQCMIT": 0, "MQCONNX": 0}
        self.room = None

    def fault(self, verb):
        self.calls[verb] += 1
        for fault in self.faults:
            if fault[:2] == (verb, self.calls[verb]):
                return fault
        return None

    def connect(self):
        if fault := self.fault("MQCONNX"):
            raise MqError("MQCONNX", fault[2], "QM1")
        self.sessions += 1
        return Session(self)


class Session:
    def __init__(self, queue):
        self._queue, self._unit = queue, []

    def put(self, name, message, *, syncpoint):
        assert (name, syncpoint) == ("Q", True)
        queue = self._queue
        if fault := queue.fault("MQPUT"):
            raise MqError("MQPUT", fault[2], name)
        if queue.room is not None and len(queue.messages) + len(self._unit) >= queue.room:
            raise MqError("MQPUT", 2053, name)
        self._unit.append(message)

    def commit(self):
        fault = self._queue.fault("MQCMIT")
        if fault is None or fault[3]:
            self._queue.messages += self._unit
            self._unit = []
        if fault is not None:
            raise MqError("MQCMIT", fault[2], "QM1")

    def close(self):
        self._unit = []


class Clock:
    def __init__(self):
        self.s = 50.0
        self.slept = 0.0

    def now_s(self):
        return self.s

    def sleep(self, seconds):
        self.s += seconds
        self.slept += seconds


@pytest.fixture
def file(tmp_path):
    return tmp_path / "all.jsonl"


def loader(file, queue, clock=None, **job):
    clock = clock or Clock()
    said = []
    job = {"queue": "Q", "queue_manager": "QM1", "rate_per_s": 0, **job}
    made = Loader(
        Job(file, **job), queue.connect, say=said.append, now_s=clock.now_s, sleep=clock.sleep
    )
    return made, said


def written(file, count):
    file.write_text("".join(f'{{"n":{number}}}\n' for number in range(count)))


def numbers(queue):
    return [json.loads(message.body)["n"] for message in queue.messages]


def test_every_line_is_a_message_in_the_files_order(file):
    """And what is put is tracked."""
    written(file, 2 * UNIT_MAX + 7)
    queue = Queue()
    state = loader(file, queue)[0].load()
    assert numbers(queue) == list(range(207))
    assert (state.put, state.refused, state.again, queue.sessions) == (207, 0, 0, 1)
    assert queue.calls["MQCMIT"] == 3
    assert json.loads(file.with_name("all.jsonl.load.json").read_bytes())["put"] == 207


def test_a_message_has_the_ids_that_its_envelope_names():
    """So that its reply can be told; what names none, or nonsense, is put all the same."""
    key = "ab" * 24
    full = message_of(f'{{"correlationId":"{key}","replyTo":"R"}}\r\n'.encode())
    assert (full.correl_id, full.reply_to) == (bytes.fromhex(key), "R")
    assert full.body.endswith(b"}")
    for text in (b"{}", b'{"correlationId":"zz","replyTo":5}', b'{"correlationId":"abcd"}'):
        plain = message_of(text)
        assert (plain.correl_id, plain.reply_to) == (NO_ID, "")
    assert message_of(b"[]") is None
    assert message_of(b"{") is None


def test_messages_are_put_at_the_rate(file):
    """From absolute times, so that what takes longer is caught up with."""
    written(file, 101)
    clock = Clock()
    queue = Queue()
    loader(file, queue, clock, rate_per_s=20)[0].load()
    assert clock.slept == pytest.approx(5)
    assert queue.calls["MQCMIT"] == 26


def test_lines_that_are_no_messages_are_named_and_passed_over(file):
    """With their number and why; the others are put."""
    file.write_text('{"n":0}\nnonsense\n[1]\n{"n":1}')
    queue = Queue()
    queue.faults = [("MQPUT", 2, 2030, False)]
    made, _ = loader(file, queue)
    state = made.load()
    errors = file.with_name("all.jsonl.errors.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in errors] == [2, 3, 4]
    assert "2030 MQRC_MSG_TOO_BIG_FOR_Q" in errors[2]
    assert (state.put, state.refused, numbers(queue)) == (1, 3, [0])
    assert "3 lines not: see" in made.told()


def test_a_connection_that_breaks_in_a_put_loses_and_doubles_nothing(file):
    """The unit of work is backed out, and put again."""
    written(file, 250)
    queue = Queue()
    queue.faults = [("MQPUT", 150, 2009, False), ("MQCONNX", 2, 2538, False)]
    made, said = loader(file, queue)
    state = made.load()
    assert numbers(queue) == list(range(250))
    assert (state.put, state.again, queue.sessions) == (250, 0, 2)
    assert len(said) == 1
    assert "trying again for 60 s" in said[0]


@pytest.mark.parametrize("took_effect", [True, False])
def test_a_commit_in_doubt_is_put_again_and_said(file, took_effect):
    """Nothing is lost; what may be there twice is counted."""
    written(file, 150)
    queue = Queue()
    queue.faults = [("MQCMIT", 1, 2009, took_effect)]
    made, said = loader(file, queue)
    state = made.load()
    assert sorted(set(numbers(queue))) == list(range(150))
    assert len(queue.messages) == 150 + (100 if took_effect else 0)
    assert (state.put, state.again) == (150, 100)
    assert "100 messages may be there already" in said[0]
    assert "perhaps twice" in made.told()


def test_a_full_queue_is_waited_for(file):
    """What fits is committed, and the rest follows when somebody takes messages off."""
    written(file, 10)
    queue, clock = Queue(), Clock()
    queue.room = 3
    taken = []

    def sleep(seconds):
        clock.sleep(seconds)
        taken.extend(numbers(queue))
        queue.messages.clear()

    made, said = loader(file, queue, clock)
    made.sleep = sleep
    state = made.load()
    assert taken + numbers(queue) == list(range(10))
    assert (state.put, len(said) >= 1) == (10, True)


def test_a_queue_that_stays_full_ends_the_load(file):
    """After as long as was asked for; what is put is known, and the rest can follow."""
    written(file, 10)
    queue, clock = Queue(), Clock()
    queue.room = 3
    with pytest.raises(Problems, match=r"2053 MQRC_Q_FULL.*3 messages put on Q"):
        loader(file, queue, clock, give_up_s=5)[0].load()
    assert clock.slept == pytest.approx(6, abs=1)
    queue.room = None
    state = loader(file, queue, resume=True)[0].load()
    assert numbers(queue) == list(range(10))
    assert (state.put, state.lines) == (10, 10)


def test_what_waiting_does_not_help_ends_the_load_at_once(file):
    """No such queue, no authority."""
    written(file, 1)
    for reason in (2085, 2035):
        queue, clock = Queue(), Clock()
        queue.faults = [("MQPUT", 1, reason, False)]
        with pytest.raises(Problems, match=str(reason)):
            loader(file, queue, clock)[0].load()
        assert clock.slept == 0


def test_a_load_goes_on_where_it_ended(file):
    """Behind the last commit; the errors of before stay named."""
    written(file, 250)
    queue = Queue()
    queue.faults = [("MQPUT", 150, 2085, False)]
    with pytest.raises(Problems):
        loader(file, queue)[0].load()
    assert len(queue.messages) == 100
    state = loader(file, queue, resume=True)[0].load()
    assert numbers(queue) == list(range(250))
    assert (state.put, state.lines) == (250, 250)
    again = loader(file, queue, resume=True)[0].load()
    assert (again.put, len(queue.messages)) == (250, 250)


def test_a_load_without_a_state_cannot_go_on(file):
    """Nor one of another queue: both are said."""
    written(file, 1)
    with pytest.raises(Problems, match=r"all\.jsonl\.load\.json does not say"):
        loader(file, Queue(), resume=True)[0].load()
    State("OTHER", "QM1").write(file.with_name("all.jsonl.load.json"))
    with pytest.raises(Problems, match="was loaded to OTHER of QM1"):
        loader(file, Queue(), resume=True)[0].load()

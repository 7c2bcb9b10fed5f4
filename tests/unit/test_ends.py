"""Ends: what one worker saw of another's commands comes to it once, whatever messages are lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.fleet.ends import ENDS_MAX, Inbox, Outbox, Router, ends_of, flat
from locustfiles.fleet.messages import Answer, Ask
from tests.helpers_fleet import Office, Told


@given(st.lists(st.sampled_from(["say", "send", "lose", "double", "late"]), max_size=60))
def test_words_come_once_and_in_order(events):
    """Messages may be lost, doubled and late, and so may their acknowledgements."""
    outbox, inbox, taken, said = Outbox(), Inbox(), [], 0
    on_the_way = []
    for event in [*events, "send", "send"]:
        if event == "say":
            outbox.put((0, said, 1))
            said += 1
        elif event == "late":
            on_the_way.append((outbox.said, outbox.now()))
        else:
            on_the_way += [(outbox.said, outbox.now())] * (2 if event == "double" else 1)
            if event == "lose":
                on_the_way.pop()
                continue
            for first, words in on_the_way[::-1]:
                taken += inbox.take(first, words)
            on_the_way = on_the_way[:1]
            outbox.heard(inbox.through)
    assert taken == [(0, number, 1) for number in range(said)]
    assert len(outbox) == 0


def test_a_message_has_no_more_than_it_may():
    """The rest comes with the next ones."""
    outbox, inbox = Outbox(), Inbox()
    for number in range(ENDS_MAX + 5):
        outbox.put((1, number, 1))
    assert len(inbox.take(outbox.said, outbox.now())) == ENDS_MAX
    outbox.heard(inbox.through)
    assert len(inbox.take(outbox.said, outbox.now())) == 5


def test_ends_go_to_whoever_may_have_sent_the_command():
    """Not to who saw it, not to who has nothing of the shard, not to who is lost."""
    router = Router()
    for worker in ("a", "b", "c"):
        router.holds(worker, 7)
    router.holds("d", 8)
    router.lose("c")
    router.take("a", 0, ((7, 1, 1), (9, 2, 1)))
    router.take("a", 0, ((7, 1, 1), (9, 2, 1), (7, 3, 2)))
    assert router.through("a") == 3
    assert router.outbox("b").now() == ((7, 1, 1), (7, 3, 2))
    assert not any(len(router.outbox(worker)) for worker in ("a", "c", "d"))
    router.begin()
    router.take("a", 3, ((7, 4, 1),))
    assert len(router.outbox("b")) == 2


def test_two_workers_tell_each_other_over_the_master():
    """Said in an ask, passed on in the other's next answer, and no more once it was heard."""
    office = Office()
    saw, sent = Told(), Told()
    observer, sender = office.worker("a", sender=saw), office.worker("b", sender=sent)
    office.ask(sender)
    shard = sender.holder.held()[0].shard
    observer.say_over((shard, 3, 2))
    office.ask(observer)
    first = office.ask(sender)
    assert sent.ended == [(shard, 3, 2)]
    assert first.ends == ((shard, 3, 2),)
    assert office.ask(sender).ends == ()
    assert office.asked(observer).ends == ()


@pytest.mark.parametrize(
    "raw", [[1], [1, 2], [1, 2, -1], [1, 2, 256], [0] * (3 * ENDS_MAX + 3), "no list", [1, 2, "x"]]
)
def test_what_is_no_ends_is_refused(raw):
    """It comes from the network."""
    ask = Office().worker("a")
    packed = Office().asked(ask).packed()
    with pytest.raises(ValueError, match=r".+"):
        Ask.read({**packed, "ends": raw})


def test_ends_come_through_what_msgpack_can_carry():
    """As a flat list of numbers."""
    office = Office()
    agent = office.worker("a")
    agent.say_over((2, 5, 1))
    asked = office.asked(agent)
    assert Ask.read(asked.packed()) == asked
    answer = office.desk.receive(asked)
    assert Answer.read(answer.packed()) == answer
    assert list(ends_of(flat(((2, 5, 1), (3, 4, 2))))) == [(2, 5, 1), (3, 4, 2)]

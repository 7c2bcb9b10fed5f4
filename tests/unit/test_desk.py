"""The master's desk: a test for each cell of the tables in its module, and what answers are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2e_data.commands import Channel, Kind
from locustfiles.fleet.counts import Counts, Oldest
from locustfiles.fleet.desk import ASK_EACH_NS, ASK_NS, BOUND_MAX
from locustfiles.fleet.messages import Answer, Ask, Slice
from locustfiles.leases import RECALL_POSITIONS
from tests.helpers_fleet import LEASE_NS, SECOND_NS, Office, Told, drawn


@pytest.fixture
def office():
    return Office()


# -- asks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [{"run": "another"}, {"term": 2}])
def test_whoever_follows_another_master_is_told_that_it_is_over(office, other):
    """An ask of another run or term changes nothing."""
    agent = office.worker("a")
    answer = office.desk.receive(replace(office.asked(agent), **other))
    assert answer.over
    assert (answer.leases, office.desk.members) == ((), {})


def test_an_ask_is_answered_with_work(office):
    """The first answer has leases, their first grants, and how to go on."""
    agent = office.worker("a")
    answer = office.ask(agent)
    assert [(lease.shard, lease.grants) for lease in answer.leases] == [
        (0, ((0, 64, 0),)),
        (2, ((0, 4, 0),)),
    ]
    assert (answer.phase, answer.sending, answer.over) == (0, True, False)
    assert (answer.number, answer.sent_ns, answer.at_ns) == (1, SECOND_NS, SECOND_NS)
    assert office.told == [("worker joined", "a")]


def test_a_repeated_ask_gets_the_same_answer(office):
    """Doubled on the way, it is answered the same, whatever happened in between."""
    agent = office.worker("a")
    ask = office.asked(agent)
    answer = office.desk.receive(ask)
    office.desk.settle(finally_=True)
    assert office.desk.receive(ask) is answer
    assert len(office.log.written) == 2


def test_an_older_ask_gets_no_answer(office):
    """What is overtaken by a newer one says nothing true any more."""
    agent = office.worker("a")
    old, new = office.asked(agent), office.asked(agent)
    office.desk.receive(new)
    assert office.desk.receive(old) is None


def test_a_disk_that_is_full_grants_nothing(office):
    """The error is the caller's to tell; the next ask gets what this one would have."""
    agent = office.worker("a")
    office.log.fails = True
    with pytest.raises(OSError, match="disk full"):
        office.ask(agent)
    office.log.fails = False
    office.ask(agent)
    assert len(drawn(agent)) == 68


# -- workers ----------------------------------------------------------------------------------


def test_a_worker_that_is_silent_for_too_long_is_lost(office):
    """Its leases end, once, and the timeline is told how much is in doubt."""
    office.ask(office.worker("a"))
    office.pass_time(10 - 1e-9)
    assert office.desk.tick() == []
    office.pass_time(1e-9)
    assert office.desk.tick() == ["a"]
    assert office.desk.tick() == []
    assert office.told[-1] == ("worker lost", "a: not heard of for 10.0 s; 68 commands in doubt")
    other = office.worker("b")
    office.ask(other)
    assert {attempt for *_, attempt in drawn(other)} == {1}


def test_how_long_a_lost_workers_shards_were_nobodys_is_told(office):
    """From when it was last heard of until the last of its shards is with another, once."""
    office.ask(office.worker("a"))
    office.pass_time(10)
    office.desk.tick()
    office.pass_time(0.5)
    small, large = office.worker("b", room=1), office.worker("c")
    office.ask(small)
    assert "worker replaced" not in dict(office.told)
    office.pass_time(0.25)
    office.ask(large)
    replaced = "a: 2 shards were taken over 10.8 s after it was last heard of"
    assert office.told[-1] == ("worker replaced", replaced)
    office.ask(small)
    office.ask(large)
    assert [event for event, _ in office.told].count("worker replaced") == 1


def test_whoever_held_nothing_need_not_be_replaced(office):
    """A worker without leases is lost, and that is all; so is one when the phase has nothing left."""
    office.ask(office.worker("a"))
    office.ask(office.worker("b"))
    office.pass_time(10)
    office.desk.tick()
    office.ask(office.worker("c"))
    replaced = [note for event, note in office.told if event == "worker replaced"]
    assert [note[:1] for note in replaced] == ["a"]
    office.pass_time(10)
    office.desk.tick()
    office.desk.begin(1, [0, 0, 0], office.clock.ns)
    office.ask(office.worker("d"))
    assert [note for event, note in office.told if event == "worker replaced"] == replaced


def test_a_lost_worker_comes_back_without_its_leases(office):
    """Heard again, it is alive, and gets new leases like anybody."""
    agent = office.worker("a")
    office.ask(agent)
    [*old] = agent.holder.leases
    office.pass_time(11)
    office.desk.tick()
    office.ask(agent)
    assert "worker back" in dict(office.told)
    assert all(lease.gone for lease in old)
    assert {lease.epoch for lease in agent.holder.leases} == {3, 4}


def test_a_worker_that_left_is_nobodys_loss(office):
    """With its journal closed and nothing out, it is gone without a word of loss."""
    agent = office.worker("a")
    office.ask(agent)
    office.ask(agent, leaving=True)
    assert office.book.leases_of("a") == {}
    office.desk.leave("a")
    assert office.desk.members["a"].closed
    office.pass_time(20)
    assert office.desk.tick() == []
    assert "worker lost" not in dict(office.told)


@pytest.mark.parametrize("how", [{"idle": True}, {"leaving": True}])
def test_whoever_cannot_send_gets_nothing(office, how):
    """A worker without users, or on its way out, returns what it has, and others get it."""
    agent, other = office.worker("a"), office.worker("b")
    office.ask(agent)
    office.ask(agent, **how)
    assert agent.holder.held() == []
    office.ask(other)
    assert len(drawn(other)) == 68


def test_leases_are_shared_out_fairly():
    """Nobody gets more than an even share while others are there."""
    office = Office([10] * 6)
    agents = [office.worker(name) for name in "abc"]
    for agent in agents[1:]:
        office.ask(agent, idle=True)
        office.ask(agent)
    for agent in agents:
        office.ask(agent)
    assert [office.book.held(name) for name in "abc"] == [2, 2, 2] or sum(
        office.book.held(name) for name in "abc"
    ) == 6


def test_a_late_joiner_gets_work_at_once():
    """With everything leased, the busiest returns something, and it goes to the one that came."""
    office = Office([1000] * 4)
    busy, late = office.worker("a"), office.worker("b")
    office.ask(busy)
    assert office.book.held("a") == 4
    office.ask(late)
    for _ in range(2):
        office.ask(busy)
        office.ask(late)
    for _ in range(3):
        office.ask(busy)
        office.ask(late)
    assert (office.book.held("a"), office.book.held("b")) == (2, 2)
    shards = {shard for shard, _, _ in drawn(late)}
    assert len(shards) == 2
    assert not shards & {lease.shard for lease in busy.holder.held()}


def test_almost_done_nothing_is_moved():
    """What is nearly sent stays where it is."""
    office = Office([RECALL_POSITIONS] * 4)
    busy, late = office.worker("a"), office.worker("b")
    office.ask(busy)
    office.ask(late)
    office.ask(busy)
    assert office.book.held("a") == 4


# -- accounts ---------------------------------------------------------------------------------

BOUND = (0, 7, 1, "id-7")


def test_what_is_known_of_accounts_travels_with_a_shard(office):
    """Another holder learns it with the lease, until it shows that it has it; the source does not."""
    first, told = office.worker("a"), Told()
    office.ask(first)
    first.say(BOUND)
    answer = office.ask(first)
    assert answer.bound_through == 1
    office.pass_time(11)
    office.desk.tick()
    second = office.worker("b", sender=told)
    answer = office.ask(second)
    assert answer.leases[0].bound == (BOUND,)
    assert ("learn", (BOUND,)) in told.said
    assert office.ask(second).leases[0].bound == ()


def test_words_on_accounts_are_said_until_they_are_heard(office):
    """A lost ask loses nothing; said twice, they count once."""
    agent = office.worker("a")
    agent.say(BOUND)
    office.asked(agent)
    agent.say((0, 8, 1, "id-8"))
    assert office.ask(agent).bound_through == 2
    assert office.asked(agent).bound == ()
    assert len(list(office.desk.accounts.news_for("anybody", 0, 0))) == 2


def test_what_is_done_counts_only_with_its_accounts(office):
    """While there is more to say of accounts than an ask can carry, leases are as they were."""
    agent = office.worker("a")
    office.ask(agent)
    for lease in agent.holder.held():
        while taken := lease.draw():
            lease.done(taken[0])
    for number in range(BOUND_MAX + 1):
        agent.say((0, number, 1, "x"))
    ask = office.asked(agent)
    assert ask.partial
    agent.follow(office.desk.receive(ask))
    assert office.book.leases_of("a")[1].open == [(0, 100)], "64 more were granted, none is done"
    ask = office.asked(agent)
    assert not ask.partial
    agent.follow(office.desk.receive(ask))
    assert office.book.leases_of("a")[1].open == [(64, 100)]


def test_a_gap_in_the_words_is_not_believed(office):
    """Words that came before their predecessors wait for these."""
    agent = office.worker("a")
    ask = replace(office.asked(agent), bound_first=3, bound=(BOUND,))
    assert office.desk.receive(ask).bound_through == 0


# -- phases -----------------------------------------------------------------------------------


def test_a_phase_is_over_when_every_worker_says_so(office):
    """Somebody who has not said that it stopped may still be sending."""
    agent = office.worker("a")
    office.ask(agent)
    office.desk.settle(finally_=True)
    assert office.desk.progress().busy
    office.ask(agent, stopped=True)
    assert office.desk.progress().busy, "it had not heard of it when it said so"
    office.ask(agent, stopped=True)
    assert not office.desk.progress().busy


def test_a_lost_worker_is_not_waited_for(office):
    """Its own clock has ended its leases, so it sends nothing."""
    office.ask(office.worker("a"))
    office.desk.settle(finally_=True)
    office.pass_time(11)
    office.desk.tick()
    assert not office.desk.progress().busy


def test_commands_in_hand_are_still_to_be_sent(office):
    """A phase is not exhausted while users hold commands."""
    agent = office.worker("a")
    office.ask(agent)
    for _ in range(4):
        drawn(agent)
        office.ask(agent, counts=Counts(in_hand_now=1))
    assert not office.desk.progress().exhausted
    office.ask(agent)
    assert office.desk.progress().exhausted
    assert office.desk.progress().pending == 104


def test_the_end_is_told_to_all(office):
    """After the end an ask is answered with `over`, and nothing is given."""
    agent = office.worker("a")
    office.ask(agent)
    office.desk.end()
    assert office.ask(agent).over
    assert agent.over


def test_a_worker_follows_its_master_through_the_phases(office):
    """It begins, learns its arrivals, stops, and begins the next phase, each once."""
    told = Told()
    agent = office.worker("a", sender=told)
    office.ask(agent)
    office.ask(agent)
    office.desk.settle(finally_=False)
    office.ask(agent)
    office.desk.begin(1, [5, 0, 0], 9 * SECOND_NS)
    office.ask(agent)
    words = [said if said[0] != "extend" else ("extend",) for said in told.said]
    assert [word for word in words if word != ("extend",)] == [
        ("begin", 0, 2 * SECOND_NS),
        ("go on", True),
        ("go on", False),
        ("begin", 1, 9 * SECOND_NS),
        ("go on", True),
    ]


def test_a_sender_hears_of_a_pause_and_of_how_much_later_all_is(office):
    """It stops; then the phase has begun later by the pause and the lead, and its arrivals are told anew."""
    told = Told()
    agent = office.worker("a", sender=told)
    office.ask(agent)
    office.pass_time(3)
    office.ask(agent)
    office.desk.pause()
    office.ask(agent)
    told.said.clear()
    office.pass_time(4)
    office.desk.go_on(SECOND_NS)
    office.ask(agent)
    began_ns = 2 * SECOND_NS + 4 * SECOND_NS + SECOND_NS
    assert told.said[0] == ("move", began_ns)
    assert told.said[-1] == ("go on", True)
    [(_, slices)] = [said for said in told.said if said[0] == "extend"]
    assert slices[0].from_ns == 0
    told.said.clear()
    office.ask(agent)
    assert [said[0] for said in told.said if said[0] != "extend"] == []


# -- time -------------------------------------------------------------------------------------


def test_arrivals_are_decided_ahead_and_once(office):
    """A worker knows its arrivals before they are due; asking again it hears only what is new."""
    agent = office.worker("a")
    office.ask(agent)
    first = office.ask(agent).slices
    assert first == (Slice(0, 2 * ASK_NS + SECOND_NS, 1, (0,)),)
    office.pass_time(1.5)
    [more] = office.ask(agent).slices
    assert more.from_ns == first[0].until_ns < more.until_ns


def test_the_rate_follows_who_is_there(office):
    """A silent worker has no part of the time that is decided without it, and all is covered."""
    one, other = office.worker("a", room=1), office.worker("b", room=1)
    for agent in (one, other, one, other):
        office.ask(agent)
    [*shares] = [office.desk._shares.of(name, 0)[0].mine for name in "ab"]
    assert not set(shares[0]) & set(shares[1])
    office.pass_time(2.5)
    office.ask(one)
    office.pass_time(1)
    office.ask(one)
    assert office.desk._shares.of("b", 0)[-1].mine == ()


def test_the_more_workers_the_rarer_they_ask():
    """The master has a budget of asks a second, and a lease is long enough for several."""
    office = Office([10])
    assert office.desk.ask_ns == ASK_NS
    for number in range(300):
        office.ask(office.worker(f"w{number}"))
    assert office.desk.ask_ns == 300 * ASK_EACH_NS
    for number in range(300, 1000):
        office.ask(office.worker(f"w{number}"))
    assert office.desk.ask_ns == LEASE_NS // 4


# -- on the wire ------------------------------------------------------------------------------


def test_messages_survive_the_wire(office):
    """What is packed and read again is the same, with everything in it."""
    agent = office.worker("a")
    agent.say(BOUND)
    oldest = Oldest(5, 0, 1, 2, Kind.PAYMENT, 1, Channel.MQ)
    ask = office.asked(agent, counts=Counts(sent=3, moved_ns=9, oldest=oldest))
    answer = office.desk.receive(ask)
    agent.follow(answer)
    drawn(agent)
    second = office.asked(agent)
    for message in (ask, second):
        assert Ask.read(message.packed()) == message
    for message in (answer, office.desk.receive(second)):
        assert Answer.read(message.packed()) == message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run", 7),
        ("run", ""),
        ("run", "x" * 1000),
        ("number", -1),
        ("number", "1"),
        ("number", True),
        ("room", 2**70),
        ("leases", 5),
        ("leases", [[1, 2]]),
        ("leases", [[1, 0, 0, False, [4, 2], []]]),
        ("leases", [[1, 0, 0, False, [4], []]]),
        ("counts", [1]),
        ("bound", [[0, 1, 2, 3]]),
        ("bound", [[0, 1, 2]]),
    ],
)
def test_what_no_worker_says_is_refused(office, field, value):
    """Whatever comes from the network is checked; the error names what it is."""
    raw = office.asked(office.worker("a")).packed()
    with pytest.raises(ValueError, match=r"\w"):
        Ask.read({**raw, field: value})
    with pytest.raises(ValueError, match="not a message"):
        Ask.read([raw])


@pytest.mark.parametrize(
    "change", [{"slices": [[5, 2, 1, [0]]]}, {"slices": [[0, 9, 2, [2]]]}, {"leases": [[1]]}]
)
def test_what_no_master_says_is_refused(office, change):
    """A worker checks as well."""
    raw = office.desk.receive(office.asked(office.worker("a"))).packed()
    with pytest.raises(ValueError, match=r"\w"):
        Answer.read({**raw, **change})


def test_a_sender_hears_of_a_search_and_its_steps(office):
    """Each has a rate of its own, and arrivals that count from its beginning; a late worker hears too."""
    told = Told()
    agent = office.worker("a", sender=told)
    office.desk.step(40, 3 * SECOND_NS)
    office.ask(agent)
    assert told.said[:2] == [("begin", 0, 3 * SECOND_NS), ("step", 3 * SECOND_NS, 40)]
    office.pass_time(3)
    office.desk.settle(finally_=False)
    office.ask(agent)
    told.said.clear()
    office.desk.step(80, 9 * SECOND_NS)
    office.ask(agent)
    assert told.said[0] == ("step", 9 * SECOND_NS, 80)
    assert told.said[-1] == ("go on", True)
    # Whose its arrivals are is decided once everybody has heard of it.
    office.ask(agent)
    [(_, slices)] = [said for said in told.said if said[0] == "extend"]
    assert slices[0].from_ns == 0
    office.desk.begin(1, [5, 0, 0], 12 * SECOND_NS)
    told.said.clear()
    office.ask(agent)
    assert told.said[0] == ("begin", 1, 12 * SECOND_NS)
    assert "step" not in [said[0] for said in told.said]

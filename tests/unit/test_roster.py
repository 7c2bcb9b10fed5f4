"""The roster: every channel has its share of a process's users, whoever comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from e2e_data.commands import Channel
from locustfiles.mix import Mix
from locustfiles.roster import Roster

MIX = Mix.of({Channel.HTTP: 60, Channel.MQ: 30, Channel.KAFKA: 10})
HTTP_ONLY = Mix.of({Channel.HTTP: 1})


def counts(roster: Roster) -> dict[str, int]:
    return {channel.name: roster.count(channel) for channel in Channel}


def test_who_comes_is_seated_where_most_are_wanted():
    """Each channel has a user as soon as there are enough, and then its share."""
    roster = Roster()
    roster.follow(MIX)
    assert [roster.join().channel.name for _ in range(3)] == ["HTTP", "MQ", "KAFKA"]
    for _ in range(10):
        roster.join()
    assert counts(roster) == {"HTTP": 7, "MQ": 4, "KAFKA": 2}


def test_the_last_of_a_channel_is_replaced():
    """Where the only user of a channel leaves, one of the others takes over, and is told."""
    moved = []
    roster = Roster(lambda: moved.append(1))
    roster.follow(MIX)
    seats = [roster.join() for _ in range(6)]
    moved.clear()
    roster.leave(next(seat for seat in seats if seat.channel is Channel.KAFKA))
    assert counts(roster)["KAFKA"] == 1
    assert moved


def test_seats_follow_the_mix_of_the_phase():
    """A phase over HTTP only has all users; the next one divides them again."""
    roster = Roster()
    seats = [roster.join() for _ in range(4)]
    roster.follow(HTTP_ONLY)
    assert {seat.channel for seat in seats} == {Channel.HTTP}
    roster.follow(MIX)
    assert {channel: roster.count(channel) for channel in Channel} == MIX.quotas(4)
    assert {seat.channel for seat in seats} == set(Channel)
    assert roster.least == 3


def test_nobody_moves_without_need():
    """Who joins a divided roster moves nobody but for the seats that the shares ask for."""
    roster = Roster()
    roster.follow(MIX)
    seats = [roster.join() for _ in range(40)]
    before = [seat.channel for seat in seats]
    roster.join()
    assert sum(seat.channel is not was for seat, was in zip(seats, before, strict=True)) <= 1


@given(st.lists(st.one_of(st.just("join"), st.just("leave"), st.sampled_from([MIX, HTTP_ONLY]))))
def test_the_shares_hold_whatever_happens(steps):
    """After each coming, going and change of mix the seats are divided as the mix says."""
    roster, seats, mix = Roster(), [], HTTP_ONLY
    for step in steps:
        if step == "join":
            seats.append(roster.join())
        elif step == "leave":
            if seats:
                roster.leave(seats.pop(len(seats) // 2))
        else:
            mix = step
            roster.follow(mix)
        quotas = mix.quotas(len(seats))
        assert {c: roster.count(c) for c in Channel if roster.count(c)} == {
            c: quota for c, quota in quotas.items() if quota
        }

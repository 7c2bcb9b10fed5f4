"""The lease protocol under any history: lost, doubled, late messages, crashes, pauses, other masters."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace

import pytest

from locustfiles.fleet.agent import Agent
from locustfiles.fleet.desk import Desk
from locustfiles.fleet.holder import Holder
from locustfiles.leases import LeaseBook
from tests import fleetsim
from tests.fleetsim import BrokenError, Fault, Parts, Plan, play, smallest

HISTORIES = int(os.environ.get("PAYSTORM_HISTORIES", "20000"))
"""Give more before a change of the protocol is trusted."""


def test_no_history_breaks_the_protocol():
    """Each command in one live grant, sent inside of it, once unless its worker was lost; all ends.

    Where one breaks it, the test names its seed, and the smallest history that still does.
    """
    for seed in range(HISTORIES):
        try:
            play(Plan.of(seed))
        except BrokenError as broken:
            raise smallest(broken.plan) from broken


def test_histories_are_rich():
    """The histories have what they are about: losses, sending again, watching, several masters."""
    worlds = [play(Plan.of(seed)) for seed in range(60)]
    assert sum(bool(world.lost) for world in worlds) > 10
    assert sum(any(grant.attempt for grant in world.grants) for world in worlds) > 5
    assert sum(world.term > 1 for world in worlds) > 3
    assert sum(world.plan.resend for world in worlds) > 20
    assert sum(len(world.workers) > world.plan.workers + 1 for world in worlds) > 10
    assert sum(bool(world.recalled) for world in worlds) > 5


# -- it bites ---------------------------------------------------------------------------------


class Deaf(Holder):
    """A worker that does not mind its own clock."""

    def may_send(self, lease):
        return not lease.gone

    def expire(self):
        return False


class Credulous(Holder):
    """A worker that takes any answer, however late."""

    def is_news(self, answer):
        return answer.number <= self.number


class Late(Holder):
    """A worker that counts its lease's time from when the answer came."""

    def take(self, answer):
        return super().take(replace(answer, sent_ns=self._now_ns()))


def with_holder(kind: type[Holder]):
    def made(*args, **kwargs):
        agent = Agent(*args, **kwargs)
        agent.holder = kind(args[4], kwargs["lease_ns"], kwargs["ahead_ns"])
        return agent

    return made


class Forgetful(LeaseBook):
    """A book that offers a lost worker's commands as if they had never been sent."""

    def _next_attempt(self, attempt):
        return 0


class Generous(LeaseBook):
    """A book that takes what is out for unsent when a lease is returned."""

    def give_back(self, lease):
        lease.unsent = lease.open
        super().give_back(lease)


class Careless(LeaseBook):
    """A book that answers before it has written down."""

    def extend(self, wants, worker):
        log, self._log = self._log, self
        super().extend(wants, worker)
        self._log = log

    def write_all(self, grants):
        """Write nothing."""


class Hasty(Desk):
    """A desk that begins the next phase before everybody said that the last one is over."""

    def progress(self):
        return replace(super().progress(), busy=False)


class Confused(Desk):
    """A desk that takes a late ask for the newest."""

    def receive(self, ask):
        member = self.members.get(ask.worker)
        if member is not None:
            member.number = min(member.number, ask.number - 1)
        return super().receive(ask)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(Parts(agent=with_holder(Deaf)), id="a worker deaf to its clock"),
        pytest.param(Parts(agent=with_holder(Credulous)), id="a worker that takes late answers"),
        pytest.param(Parts(agent=with_holder(Late)), id="a lease counted from its answer"),
        pytest.param(Parts(book=Forgetful), id="doubts forgotten"),
        pytest.param(Parts(book=Generous), id="what is out given away"),
        pytest.param(Parts(book=Careless), id="grants not written down"),
        pytest.param(Parts(desk=Hasty), id="no barrier"),
        pytest.param(Parts(desk=Confused), id="late asks believed"),
    ],
)
def test_a_broken_protocol_is_found_out(parts):
    """Each way to break the protocol breaks some history, and the report has its seed and form."""
    plans = (Plan.of(seed) for seed in range(3000))
    with pytest.raises(BrokenError) as caught:
        deque((play(plan, parts) for plan in plans), maxlen=0)
    assert f"seed={caught.value.plan.seed}" in str(caught.value)


def test_a_broken_history_is_made_small():
    """What has nothing to do with the breaking is left out of the history that is shown."""
    broken = Parts(book=Careless)
    large = Plan(
        seed=3,
        workers=3,
        sizes=(40, 40, 5),
        phases=2,
        resend=True,
        duration_s=None,
        faults=(Fault(5, "join"), Fault(9, "storm", steps=14)),
        loss=0.1,
    )
    found = smallest(large, broken).plan
    assert (found.workers, found.phases, found.faults, found.sizes) == (1, 1, (), (1,))


def test_the_command_names_what_breaks(monkeypatch, capsys):
    """Run by hand over a range of seeds, it prints the first breaking and its smallest form."""
    monkeypatch.setattr(fleetsim, "play", lambda plan, parts=None: fleetsim_play(plan))
    assert fleetsim.main(0, 3) == 3
    assert "its smallest form" in capsys.readouterr().out


def fleetsim_play(plan):
    raise BrokenError(plan, "broken on purpose")

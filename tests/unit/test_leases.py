"""The lease book: a test for each cell of the tables in its module."""

from __future__ import annotations

import pytest

from locustfiles.leases import (
    ATTEMPTS_MAX,
    PREFER_NS,
    RECALL_POSITIONS,
    WATCH,
    Known,
    Lease,
    LeaseBook,
)
from reports.grants import Grant
from tests.helpers_fleet import Log
from tests.helpers_wire import Clock


class Desk:
    """A book of shards with 10, no and 4 positions in phase 2, its log and its clock."""

    def __init__(self, sizes=(10, 0, 4), **how) -> None:
        self.log, self.clock = Log(), Clock(77)
        self.book = LeaseBook(self.log, self.clock.now_ns, **how)
        self.book.open(2, list(sizes))

    def lease(self, worker="a", total=0) -> Lease:
        [lease] = self.book.offer(worker, 1)
        if total:
            self.book.extend({lease.epoch: total}, worker)
        return lease

    def report(self, lease, unsent=(), out=()):
        self.book.report(lease, len(lease.grants), list(unsent), list(out))


@pytest.fixture
def desk():
    return Desk()


# -- offers -----------------------------------------------------------------------------------


def test_a_free_shard_is_offered(desk):
    """Free shards are leased in order, each under an epoch of its own; empty ones are not."""
    leases = desk.book.offer("a", 9)
    assert [(lease.epoch, lease.worker, lease.shard) for lease in leases] == [
        (1, "a", 0),
        (2, "a", 2),
    ]


def test_no_more_is_offered_than_was_asked_for(desk):
    """A worker gets at most as many leases as it asks for; what is leased is offered to nobody."""
    assert [lease.shard for lease in desk.book.offer("a", 1)] == [0]
    assert [lease.shard for lease in desk.book.offer("b", 1)] == [2]
    assert desk.book.offer("c", 1) == []


@pytest.mark.parametrize("count", [0, -3])
def test_nothing_is_offered_to_whoever_wants_nothing(desk, count):
    """A worker whose hands are full gets no lease, and takes none away from others."""
    assert desk.book.offer("a", count) == []
    assert len(desk.book.offer("b", 9)) == 2


def test_a_shard_goes_to_the_worker_that_held_it_before(desk):
    """In the next phase each worker is offered its own shards; others' only after a while."""
    desk.book.offer("a", 1)
    desk.book.offer("b", 1)
    desk.book.open(3, [5, 0, 5])
    assert [lease.shard for lease in desk.book.offer("b", 9)] == [2]
    desk.clock.ns += PREFER_NS - 1
    assert desk.book.offer("c", 9) == []
    desk.clock.ns += 1
    assert [lease.shard for lease in desk.book.offer("c", 9)] == [0]


def test_nobody_waits_for_a_worker_that_was_lost(desk):
    """A lost worker's shards are offered to anybody at once, in the next phase too."""
    desk.book.offer("a", 9)
    desk.book.open(3, [5, 0, 5])
    desk.book.lose("a")
    assert len(desk.book.offer("b", 9)) == 2


# -- a held lease -----------------------------------------------------------------------------


def test_a_grant_is_written_down_before_it_is_known(desk):
    """Extending is by totals: what is missing to them is granted, one line for each range."""
    lease = desk.lease(total=6)
    desk.book.extend({lease.epoch: 99}, "a")
    common = {"epoch": 1, "worker": "a", "lap": 0, "shard": 0, "phase": 2, "at_ns": 77}
    assert desk.log.written == [
        Grant(start=0, stop=6, attempt=0, **common),
        Grant(start=6, stop=10, attempt=0, **common),
    ]
    assert lease.grants == [(0, 6, 0), (6, 10, 0)]


def test_asking_again_for_the_same_total_grants_nothing_more(desk):
    """A request that comes twice, or late, changes nothing: neither does one of somebody else."""
    lease = desk.lease(total=6)
    desk.book.extend({lease.epoch: 6}, "a")
    desk.book.extend({lease.epoch: 3}, "a")
    desk.book.extend({lease.epoch: 9}, "b")
    desk.book.extend({99: 9}, "a")
    assert len(desk.log.written) == 1


def test_what_could_not_be_written_down_was_not_granted(desk):
    """When the log fails, so does the grant; the same positions are granted later."""
    lease = desk.lease()
    desk.log.fails = True
    with pytest.raises(OSError, match="disk full"):
        desk.book.extend({lease.epoch: 6}, "a")
    assert (lease.grants, lease.total) == ([], 0)
    desk.log.fails = False
    desk.book.extend({lease.epoch: 6}, "a")
    assert lease.grants == [(0, 6, 0)]


def test_what_a_worker_has_not_heard_of_counts_as_unsent(desk):
    """A report covers the grants that were known when it was made; later ones are open."""
    lease = desk.lease(total=4)
    desk.book.extend({lease.epoch: 8}, "a")
    desk.book.report(lease, 1, [(3, 4)], [(0, 1)])
    assert lease.unsent == [(3, 8)]
    assert lease.open == [(0, 1), (3, 8)]
    assert desk.book.awaited == 1


def test_a_book_is_exhausted_when_nothing_is_left_or_unsent(desk):
    """Neither an ungranted position nor one that its worker has not begun may be forgotten."""
    first, second = desk.book.offer("a", 9)
    desk.book.extend({first.epoch: 10, second.epoch: 4}, "a")
    desk.report(first, out=[(0, 10)])
    assert not desk.book.exhausted
    desk.report(second, out=[(1, 2)])
    assert desk.book.exhausted
    assert desk.book.awaited == 11


# -- returned ---------------------------------------------------------------------------------


def test_what_was_not_sent_is_free_again(desk):
    """A returned lease's unsent positions go to the next worker, with the same attempt number."""
    lease = desk.lease(total=6)
    desk.report(lease, unsent=[(2, 3), (5, 6)])
    desk.book.give_back(lease)
    assert not desk.book.leases_of("a")
    again = next(one for one in desk.book.offer("b", 9) if one.shard == 0)
    desk.book.extend({again.epoch: 3}, "b")
    assert again.epoch > lease.epoch
    assert again.grants == [(2, 3, 0), (5, 6, 0), (6, 7, 0)]


def test_returned_with_commands_out_it_is_in_custody(desk):
    """The shard is free, and its worker is still the one that knows what became of those."""
    lease = desk.lease(total=10)
    desk.report(lease, out=[(7, 9)])
    desk.book.give_back(lease)
    assert lease.custody
    assert (desk.book.held("a"), desk.book.awaited) == (0, 2)
    assert [one.shard for one in desk.book.offer("b", 9)] == [2]
    desk.report(lease, out=[(8, 9)])
    assert desk.book.awaited == 1
    desk.report(lease)
    assert not desk.book.leases_of("a")


def test_returning_twice_changes_nothing(desk):
    """The second time there is nothing more to give back."""
    lease = desk.lease(total=10)
    desk.report(lease, unsent=[(3, 10)], out=[(2, 3)])
    desk.book.give_back(lease)
    desk.book.give_back(lease)
    again = next(one for one in desk.book.offer("b", 9) if one.shard == 0)
    desk.book.extend({again.epoch: 99}, "b")
    assert again.grants == [(3, 10, 0)]
    assert desk.book.held("a") == 0


def test_in_custody_what_was_not_sent_after_all_is_free_again(desk):
    """A user may have held a command when its lease was returned; said often, it is freed once."""
    lease = desk.lease(total=10)
    desk.report(lease, out=[(4, 6)])
    desk.book.give_back(lease)
    for _ in range(2):
        desk.report(lease, unsent=[(4, 5)], out=[(5, 6)])
    again = next(one for one in desk.book.offer("b", 9) if one.shard == 0)
    desk.book.extend({again.epoch: 99}, "b")
    assert again.grants == [(4, 5, 0)]
    assert lease.open == [(5, 6)]


def test_a_lease_in_custody_is_not_extended(desk):
    """Nothing is granted under a returned lease."""
    lease = desk.lease(total=4)
    desk.report(lease, out=[(0, 1)])
    desk.book.give_back(lease)
    desk.book.extend({lease.epoch: 9}, "a")
    assert lease.total == 4


# -- lost -------------------------------------------------------------------------------------


def test_what_was_open_at_a_lost_worker_is_in_doubt(desk):
    """It is granted again before anything else, with the next attempt number."""
    lease = desk.lease(total=6)
    desk.report(lease, unsent=[(4, 6)], out=[(1, 2)])
    assert desk.book.lose("a") == 3
    assert desk.book.awaited == 3
    again = next(one for one in desk.book.offer("b", 9) if one.shard == 0)
    desk.book.extend({again.epoch: 4}, "b")
    assert again.grants == [(1, 2, 1), (4, 6, 1), (6, 7, 0)]
    desk.book.lose("b")
    third = next(one for one in desk.book.offer("c", 9) if one.shard == 0)
    desk.book.extend({third.epoch: 4}, "c")
    assert third.grants == [(1, 2, 2), (4, 6, 2), (6, 7, 1)]


def test_an_extension_takes_what_is_in_doubt_first_then_what_came_back_then_the_new():
    """Each with its attempt, and each range written down as it was granted."""
    desk = Desk([10])
    first = desk.lease(total=6)
    desk.report(first, unsent=[(4, 6)], out=[(2, 4)])
    desk.book.give_back(first)
    desk.book.lose("a")
    second = desk.lease("b", total=10)
    assert second.grants == [(2, 4, 1), (4, 6, 0), (6, 10, 0)]
    assert desk.log.ranges()[1:] == [
        ("b", 0, 2, 4, 1),
        ("b", 0, 4, 6, 0),
        ("b", 0, 6, 10, 0),
    ]
    assert not desk.book.more(second)


def test_custody_is_lost_as_well(desk):
    """Commands that a lost worker was waiting for are in doubt, whoever holds the shard now."""
    lease = desk.lease(total=10)
    desk.report(lease, out=[(3, 4)], unsent=[(9, 10)])
    desk.book.give_back(lease)
    [now] = [one for one in desk.book.offer("b", 9) if one.shard == 0]
    desk.book.extend({now.epoch: 1}, "b")
    assert not desk.book.more(now)
    assert desk.book.lose("a") == 1
    assert desk.book.more(now)
    desk.book.extend({now.epoch: 5}, "b")
    assert now.grants == [(9, 10, 0), (3, 4, 1)]


def test_where_sending_again_is_not_allowed_doubts_are_watched():
    """Their outcome is looked for; that is no permission to send, so no grant is written."""
    desk = Desk(resend=False)
    desk.lease(total=6)
    desk.book.lose("a")
    again = next(one for one in desk.book.offer("b", 9) if one.shard == 0)
    desk.book.extend({again.epoch: 8}, "b")
    assert again.grants == [(0, 6, WATCH), (6, 8, 0)]
    assert [line[1:] for line in desk.log.ranges()] == [(0, 0, 6, 0), (0, 6, 8, 0)]
    desk.book.lose("b")
    third = next(one for one in desk.book.offer("c", 9) if one.shard == 0)
    desk.book.extend({third.epoch: 8}, "c")
    assert third.grants == [(0, 6, WATCH), (6, 8, WATCH)]


def test_attempts_end_where_an_id_cannot_hold_more():
    """After very many losses a command is watched, not sent with a number that has no place."""
    desk = Desk()
    desk.book.open(2, [1], {0: Known(1, ((0, 1, ATTEMPTS_MAX),))})
    lease = desk.lease(total=1)
    assert lease.grants == [(0, 1, ATTEMPTS_MAX)]
    desk.book.lose("a")
    assert desk.lease("b", total=1).grants == [(0, 1, WATCH)]


def test_losing_a_worker_without_leases_is_nothing(desk):
    """Whoever held nothing leaves nothing in doubt."""
    assert desk.book.lose("nobody") == 0


# -- sending, settling ------------------------------------------------------------------------


def test_when_the_time_is_up_nothing_is_granted_for_sending(desk):
    """What is left stays unsent; doubts may be watched, and only if it is final."""
    lease = desk.lease(total=4)
    desk.book.allow(sending=False, watching=False)
    desk.book.extend({lease.epoch: 9}, "a")
    assert lease.total == 4
    desk.book.lose("a")
    assert desk.book.offer("b", 9) == []
    desk.book.allow(sending=False, watching=True)
    [again] = desk.book.offer("b", 9)
    desk.book.extend({again.epoch: 9}, "b")
    assert again.grants == [(0, 4, WATCH)]
    assert desk.book.awaited == 4


def test_a_phase_may_go_on(desk):
    """Where sending is allowed again, what came into doubt meanwhile is granted for it."""
    desk.lease(total=4)
    desk.book.allow(sending=False, watching=False)
    desk.book.lose("a")
    desk.book.allow(sending=True, watching=False)
    again = next(one for one in desk.book.offer("b", 9) if one.shard == 0)
    desk.book.extend({again.epoch: 4}, "b")
    assert again.grants == [(0, 4, 1)]


def test_a_lease_ends_with_its_phase(desk):
    """The next phase's positions begin at 0, and older epochs mean nothing."""
    lease = desk.lease(total=3)
    desk.book.open(3, [5, 0, 0])
    desk.book.extend({lease.epoch: 9}, "a")
    assert lease.total == 3
    assert desk.lease(total=9).grants == [(0, 5, 0)]


def test_a_master_that_takes_over_goes_on_where_another_left_off():
    """It knows what was granted and what is in doubt; its epochs are higher than any before."""
    desk = Desk(epoch=41)
    desk.book.open(2, [10, 0, 4], {0: Known(7, ((2, 3, 1), (5, 7, 1)))})
    lease = desk.lease(total=5)
    assert lease.epoch == 42
    assert lease.grants == [(2, 3, 1), (5, 7, 1), (7, 9, 0)]


# -- recalls ----------------------------------------------------------------------------------


def test_a_busy_worker_is_asked_to_return_a_lease():
    """For an idle one, the lease with the most left; and no more than to a fair share."""
    desk = Desk([100, 300, 200, RECALL_POSITIONS])
    leases = desk.book.offer("a", 9)
    desk.book.recall(3, 1)
    desk.book.recall(3, 1)
    assert [lease.recalled for lease in leases] == [False, True, False, False]
    desk.book.recall(4, 1)
    assert sum(lease.recalled for lease in leases) == 1


def test_what_is_almost_done_is_not_recalled():
    """A lease with little left would be gone before it arrived."""
    desk = Desk([RECALL_POSITIONS - 1] * 4)
    leases = desk.book.offer("a", 9)
    desk.book.recall(1, 9)
    assert not any(lease.recalled for lease in leases)


def test_a_recalled_shard_is_for_anybody():
    """Once it is returned, nobody waits for the worker that gave it away."""
    desk = Desk([100, 300])
    _, second = desk.book.offer("a", 9)
    desk.book.recall(1, 9)
    desk.book.give_back(second)
    assert [lease.shard for lease in desk.book.offer("b", 9)] == [1]


def test_with_nobody_at_work_nothing_is_recalled():
    """An empty fleet has no busy worker."""
    Desk().book.recall(0, 1)

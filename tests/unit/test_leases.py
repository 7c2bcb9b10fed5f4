"""The lease book: a test for each cell of the table in its module."""

from __future__ import annotations

import pytest

from locustfiles.leases import Lease, LeaseBook
from reports.grants import Grant


class Log:
    """Grants that were written down; one that fails writes nothing."""

    def __init__(self) -> None:
        self.written: list[Grant] = []
        self.fails = False

    def write(self, grant: Grant) -> None:
        if self.fails:
            raise OSError("disk full")
        self.written.append(grant)


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def book(log):
    """A book of three shards with 10, no and 4 positions in phase 2; it is always 77 ns."""
    made = LeaseBook(log, lambda: 77)
    made.open(2, [10, 0, 4])
    return made


def test_a_free_shard_is_offered(book):
    """Free shards are leased in order, each under an epoch of its own; empty ones are not."""
    assert book.offer("a", 9) == [Lease(1, "a", 0, 0, 2), Lease(2, "a", 0, 2, 2)]


def test_no_more_is_offered_than_was_asked_for(book):
    """A worker gets at most as many leases as it asks for."""
    assert [lease.shard for lease in book.offer("a", 1)] == [0]
    assert [lease.shard for lease in book.offer("b", 1)] == [2]
    assert book.offer("c", 1) == []


@pytest.mark.parametrize("count", [0, -3])
def test_nothing_is_offered_to_whoever_wants_nothing(book, count):
    """A worker whose hands are full gets no lease, and takes none away from others."""
    assert book.offer("a", count) == []
    assert len(book.offer("b", 9)) == 2


def test_a_leased_shard_is_not_offered(book):
    """What one worker holds is offered to nobody, with positions left or without."""
    [first, second] = book.offer("a", 9)
    book.grant(first, 3)
    book.grant(second, 4)
    assert book.offer("b", 9) == []


def test_a_grant_is_written_down_before_it_is_answered(book, log):
    """A grant is a line in the log with its worker, epoch, range and time."""
    lease = book.offer("a", 1)[0]
    assert book.grant(lease, 6) == range(6)
    assert book.grant(lease, 6) == range(6, 10)
    common = {"epoch": 1, "worker": "a", "lap": 0, "shard": 0, "phase": 2, "at_ns": 77}
    assert log.written == [Grant(start=0, stop=6, **common), Grant(start=6, stop=10, **common)]


def test_when_nothing_is_left_the_grant_is_empty(book, log):
    """An empty grant is an answer, and no line in the log."""
    lease = book.offer("a", 1)[0]
    book.grant(lease, 10)
    assert not book.grant(lease, 5)
    assert len(log.written) == 1


def test_what_could_not_be_written_down_was_not_granted(book, log):
    """When the log fails, so does the grant; the same positions are granted later."""
    lease = book.offer("a", 1)[0]
    log.fails = True
    with pytest.raises(OSError, match="disk full"):
        book.grant(lease, 6)
    log.fails = False
    assert book.grant(lease, 6) == range(6)


def test_what_was_not_granted_can_be_leased_again(book):
    """A returned lease goes to the next worker, from the first position not granted."""
    lease = book.offer("a", 1)[0]
    book.grant(lease, 6)
    book.give_back(lease)
    again = next(lease for lease in book.offer("b", 9) if lease.shard == 0)
    assert again.epoch > lease.epoch
    assert book.grant(again, 100) == range(6, 10)


def test_a_shard_with_nothing_left_is_done(book):
    """A returned lease with nothing left is offered to nobody again."""
    lease = book.offer("a", 1)[0]
    book.grant(lease, 10)
    book.give_back(lease)
    assert [lease.shard for lease in book.offer("b", 9)] == [2]


FREE = Lease(0, "a", 0, 0, 2)


def returned(book, granted: int) -> Lease:
    lease = book.offer("a", 1)[0]
    book.grant(lease, granted)
    book.give_back(lease)
    return lease


@pytest.mark.parametrize(
    "lease",
    [
        pytest.param(lambda book: FREE, id="free"),
        pytest.param(lambda book: returned(book, 3), id="returned with positions left"),
        pytest.param(lambda book: returned(book, 10), id="done"),
        pytest.param(lambda book: Lease(1, "a", 0, 1, 2), id="a shard without positions"),
        pytest.param(lambda book: Lease(1, "a", 0, 99, 2), id="no such shard"),
    ],
)
@pytest.mark.parametrize("act", [lambda book, lease: book.grant(lease, 1), LeaseBook.give_back])
def test_a_lease_that_is_not_held_is_refused(book, log, lease, act):
    """Without a lease there is no grant and no return: the commands may be somebody else's."""
    lost = lease(book)
    written = len(log.written)
    with pytest.raises(ValueError, match="is not held"):
        act(book, lost)
    assert len(log.written) == written


def test_an_old_lease_is_refused_while_another_holds_the_shard(book):
    """After a shard went on to another worker, the first one's lease is worth nothing."""
    lease = returned(book, 3)
    assert {held.shard for held in book.offer("b", 9)} == {0, 2}
    with pytest.raises(ValueError, match="is not held"):
        book.grant(lease, 1)


def test_a_lease_ends_with_its_phase(book):
    """A lease of an earlier phase is refused; the next phase's positions begin at 0."""
    lease = book.offer("a", 1)[0]
    book.grant(lease, 3)
    book.open(3, [5, 0, 0])
    with pytest.raises(ValueError, match="is not held"):
        book.grant(lease, 1)
    assert book.grant(book.offer("a", 1)[0], 9) == range(5)

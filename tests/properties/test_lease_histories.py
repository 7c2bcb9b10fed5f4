"""Leases under any history of offers, grants, returns and failing disks."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from locustfiles.leases import Lease, LeaseBook
from reports.grants import Grant


class Leases(RuleBasedStateMachine):
    """Workers take leases, ask for grants and give back; the model is a set of positions."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Grant] = []
        self.fails = False
        self.granted: set[tuple[int, int]] = set()
        self.holders: dict[int, Lease] = {}
        self.book = LeaseBook(self, lambda: 0)

    def write(self, grant: Grant) -> None:
        if self.fails:
            raise OSError
        self.written.append(grant)

    @initialize(sizes=st.lists(st.integers(0, 12), max_size=5))
    def open(self, sizes):
        self.sizes = sizes
        self.book.open(0, sizes)

    @rule(target=held, worker=st.sampled_from("abc"), count=st.integers(0, 4))
    def offer(self, worker, count):
        leases = self.book.offer(worker, count)
        assert len(leases) <= count
        for lease in leases:
            assert lease.shard not in self.holders, "leased twice"
            self.holders[lease.shard] = lease
        return multiple(*leases)

    @rule(lease=held, count=st.integers(1, 6), fails=st.booleans())
    def grant(self, lease, count, fails):
        self.fails, before = fails, len(self.written)
        try:
            granted = self.book.grant(lease, count)
        except OSError:
            return
        finally:
            self.fails = False
        positions = {(lease.shard, position) for position in granted}
        assert not positions & self.granted, "a position in two grants"
        self.granted |= positions
        lines = self.written[before:]
        assert [(line.start, line.stop) for line in lines] == (
            [(granted.start, granted.stop)] if granted else []
        ), "written before it is answered, and only once"
        left = self.left(lease.shard)
        assert len(granted) == count or not left, "less than asked for although more was left"

    def left(self, shard):
        return self.sizes[shard] - sum(1 for other, _ in self.granted if other == shard)

    @rule(lease=consumes(held))
    def give_back(self, lease):
        self.book.give_back(lease)
        del self.holders[lease.shard]

    @invariant()
    def every_grant_is_written(self):
        """The log says exactly what was granted."""
        lines = [
            (grant.shard, position)
            for grant in self.written
            for position in range(grant.start, grant.stop)
        ]
        assert len(lines) == len(set(lines))
        assert set(lines) == self.granted

    def teardown(self):
        """In the end, what was given back is granted to the last worker: everything, once."""
        if not hasattr(self, "sizes"):
            return
        for lease in list(self.holders.values()):
            self.book.give_back(lease)
        for lease in self.book.offer("last", 99):
            granted = self.book.grant(lease, 99)
            assert granted, "offered although nothing was left"
            self.granted |= {(lease.shard, position) for position in granted}
        self.every_grant_is_written()
        every = {(shard, at) for shard, size in enumerate(self.sizes) for at in range(size)}
        assert self.granted == every


Leases.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class TestLeases(Leases.TestCase):
    """No position in two grants, each grant written first, everything granted exactly once."""

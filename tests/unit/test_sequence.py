"""The order of a phase: kinds are interleaved evenly, and sender and judge compute the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from e2e_data.sequence import interleave

sizes = st.lists(st.integers(0, 60), max_size=4)


def ranges(counts, start=5):
    made = []
    for count in counts:
        made.append(range(start, start + count))
        start += count
    return made


@given(sizes)
def test_every_command_stands_in_the_phase_once(counts):
    """Positions are a permutation of the indices: none is left out and none comes twice."""
    parts = ranges(counts)
    merged = interleave(parts).tolist()
    assert sorted(merged) == [index for part in parts for index in part]
    assert interleave(parts).tolist() == merged


@given(sizes)
def test_each_kind_keeps_its_own_order(counts):
    """Within a kind the shard's order stays."""
    parts = ranges(counts)
    merged = interleave(parts).tolist()
    for part in parts:
        assert [index for index in merged if index in part] == list(part)


@given(sizes)
def test_kinds_are_spread_over_the_whole_phase(counts):
    """After any part of the phase each kind is as far as the phase, give or take one command."""
    parts = ranges(counts)
    merged = interleave(parts).tolist()
    total = len(merged)
    for part in parts:
        seen = 0
        for position, index in enumerate(merged, 1):
            seen += index in part
            assert abs(seen - len(part) * position / total) <= len(parts)


def test_two_kinds_take_turns():
    """Two of one and four of another: x a a x a a is not even, a x a a x a is; ties go first."""
    assert interleave([range(2), range(2, 6)]).tolist() == [2, 0, 3, 4, 1, 5]
    assert interleave([range(2), range(2, 4)]).tolist() == [0, 2, 1, 3]


def test_a_shard_of_the_largest_size_does_not_overflow():
    """2**20 commands of a kind still spread exactly."""
    merged = interleave([range(2**20 - 1), range(2**20 - 1, 2**20)])
    assert merged[2**19].item() == 2**20 - 1
    assert len(interleave([])) == 0


def test_by_weight_so_many_of_each_kind_come_in_the_same_time():
    """Three of one kind to each of the other; when one has no more, the other goes on."""
    assert interleave([range(2), range(2, 10)], (1, 3)).tolist() == [2, 0, 3, 4, 5, 1, 6, 7, 8, 9]


def test_weights_that_are_the_sizes_change_nothing():
    """Without weights each kind is spread over the whole phase: as with its size for a weight."""
    parts = [range(5), range(5, 12), range(12, 90)]
    assert interleave(parts, (5, 7, 78)).tolist() == interleave(parts).tolist()

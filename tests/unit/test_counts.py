"""How a fleet stands: sums of what its workers count, and the worst, the latest and the oldest of the rest."""

from __future__ import annotations

import pytest

from e2e_data.commands import Channel, Kind
from locustfiles.fleet.counts import Counts, Oldest


def sent_at(sent_ns: int, index: int = 0) -> Oldest:
    return Oldest(sent_ns, 0, 3, index, Kind.FUNDING, 2, Channel.KAFKA)


def test_the_fleets_oldest_is_the_one_that_was_sent_first():
    """Of all living workers; a lost one's commands are somebody else's by now, and none is none."""
    words = [
        (Counts(oldest=sent_at(20, 1)), False),
        (Counts(), False),
        (Counts(oldest=sent_at(10, 2)), False),
        (Counts(oldest=sent_at(5, 3)), True),
    ]
    assert Counts.over(words).oldest == sent_at(10, 2)
    assert Counts.over(words[1:2]).oldest is None


def test_what_stands_now_is_not_counted_of_lost_ones():
    """What they sent was sent all the same."""
    words = [
        (Counts(sent=3, pending_now=2, lag_us=7), False),
        (Counts(sent=4, pending_now=1), True),
    ]
    whole = Counts.over(words)
    assert (whole.sent, whole.pending_now, whole.lag_us) == (7, 2, 7)


@pytest.mark.parametrize("oldest", [None, sent_at(10)])
def test_counts_survive_the_wire(oldest):
    """With a pending command and without."""
    counts = Counts(sent=3, oldest=oldest)
    assert Counts.read(counts.packed()) == counts


@pytest.mark.parametrize(
    "oldest",
    [[1], [1, 0, 3, 0, 9, 2, 0], [1, 0, 3, 0, 2, 2, 7], [-1, 0, 3, 0, 2, 2, 0], "payment", 7],
)
def test_what_is_no_command_is_refused(oldest):
    """A worker's word is checked: a kind or a channel that there is none of, a time before the run."""
    *numbers, _ = Counts().packed()
    with pytest.raises(ValueError, match=r"."):
        Counts.read([*numbers, oldest])

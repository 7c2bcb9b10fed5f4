"""Progress: on a terminal, for what takes a while, with the rate of this run and the time left."""

import io

import pytest

from e2e_data.progress import QUIET_S, Bar


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


def drawn(calls, stream):
    """Return what a bar over 100 steps writes for calls (at_s, steps, commands)."""
    clock = Clock()
    with Bar("generating", 100, stream=stream, clock_s=clock) as bar:
        for clock.now_s, steps, commands in calls:
            bar(steps, commands)
    return stream.getvalue()


def test_rate_and_time_left():
    """Commands per second and the time left, both as measured since the first call."""
    told = drawn([(0, 0, 0), (4, 20, 20_000)], Terminal())
    assert "generating" in told
    assert "5,000 commands/s, 0:00:16 left" in told


def test_what_was_done_before_is_not_counted():
    """Work that goes on after 60 steps is as fast as what this run does, not as both together."""
    told = drawn([(1, 60, 600_000), (3, 80, 602_000)], Terminal())
    assert "1,000 commands/s, 0:00:02 left" in told


@pytest.mark.parametrize(
    ("calls", "stream"),
    [
        ([(0, 0, 0), (QUIET_S / 2, 50, 500), (QUIET_S * 0.9, 100, 1000)], Terminal()),
        ([(0, 0, 0), (60, 50, 500)], io.StringIO()),
    ],
    ids=["soon done", "no terminal"],
)
def test_nothing_is_drawn(calls, stream, monkeypatch):
    """What is soon done, and whatever is not watched, leaves no trace: colours or none."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert drawn(calls, stream) == ""


def test_the_first_call_alone_tells_no_rate():
    """Nothing is known of the rate before anything was done."""
    assert "commands/s" not in drawn([(5, 0, 0)], Terminal())

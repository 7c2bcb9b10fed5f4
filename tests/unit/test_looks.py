"""Looks: what waits is seen each second, and why it cannot be is said once of each cause."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from locustfiles import looks
from locustfiles.looks import Looks, UnseenError


class Told(Looks):
    """Looks at what a test tells, one after the other, and then at nothing any more."""

    def __init__(self, *several, may_be_left=True):
        self.several, self.said = list(several), []
        self.all_seen, self.may_go_on = Event(), Event()
        super().__init__(self.said.append, may_be_left=may_be_left)

    def look(self):
        if not self.several:
            self.all_seen.set()
            self.may_go_on.wait()
            return {"last": 1}
        told = self.several.pop(0)
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No second passes between two looks."""
    monkeypatch.setattr(looks, "LOOK_S", 0)


def seen(told: Told) -> None:
    assert told.all_seen.wait(60)


def test_what_was_seen_last_is_told():
    """By the place's name."""
    told = Told({"queue": 3}, {"queue": 7})
    seen(told)
    assert told() == {"queue": 7}
    told.close()


def test_what_cannot_be_seen_is_nothing_and_is_said_once_of_each_cause():
    """An old figure is worse than none; an outage that everybody knows of is not said here."""
    broken = UnseenError(2009, "")
    told = Told({"queue": 3}, UnseenError(1, "one"), UnseenError(1, "one"), UnseenError(2, "two"))
    seen(told)
    assert (told(), told.said) == ({}, ["one", "two"])
    told.close()
    quiet = Told({"queue": 3}, broken)
    seen(quiet)
    assert (quiet(), quiet.said) == ({}, [])
    quiet.close()


def test_a_look_that_may_be_left_is_left():
    """Nobody waits for an answer that may never come."""
    told = Told()
    seen(told)
    told.close()
    assert told() == {}


def test_a_look_that_may_not_be_left_is_awaited():
    """Whoever closes what it looks with closes it afterwards."""
    told = Told(may_be_left=False)
    seen(told)
    closing = gevent.spawn(told.close)
    gevent.sleep(0)
    assert not closing.ready()
    told.may_go_on.set()
    closing.get(timeout=60)
    assert told() == {"last": 1}

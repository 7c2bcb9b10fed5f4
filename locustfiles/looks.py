"""Looks at how much waits somewhere, once each second, and says once of each cause why it cannot be seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import gevent
from gevent.event import Event

LOOK_S = 1.0


class UnseenError(Exception):
    """A look failed, for a `cause` that is the same each time; its text is for people, empty to say nothing."""

    def __init__(self, cause: Hashable, told: str) -> None:
        super().__init__(told)
        self.cause = cause


class Looks:
    """Keeps what was seen last. Whoever extends it says what there is to see, with `look`."""

    def __init__(self, say: Callable[[str], None], *, may_be_left: bool) -> None:
        """Begin; `may_be_left` tells whether a look that is on may be given up in the middle."""
        self._say = say
        self._may_be_left = may_be_left
        self._seen: Mapping[str, int] = {}
        self._told: set[Hashable] = set()
        self._over = Event()
        self._greenlet = gevent.spawn(self._look_on)

    def __call__(self) -> Mapping[str, int]:
        """Return how much was seen last, by the place's name; nothing while it cannot be seen."""
        return self._seen

    def look(self) -> Mapping[str, int]:
        """Return how much waits now, by the place's name. Raises UnseenError."""
        raise NotImplementedError

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        if self._may_be_left:
            self._greenlet.kill()
        self._greenlet.join()

    def _look_on(self) -> None:
        while not self._over.is_set():
            try:
                self._seen = self.look()
            except UnseenError as error:
                self._seen = {}
                if str(error) and error.cause not in self._told:
                    self._told.add(error.cause)
                    self._say(str(error))
            self._over.wait(LOOK_S)

"""Replays that wait: they repeat a command that must have been observed complete before.

the original is          a replay that is drawn      and when the original ends
observed complete        may be sent                 -
over without an outcome  is blocked                  -
under way                is set aside                comes back, to be sent or blocked
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from locustfiles.completions import Place
from locustfiles.hand import Card

WHY_NOT_COMPLETE = "the command that it repeats was not observed complete"


class SetAside:
    """The replays of a phase that wait, and what their originals have come to."""

    def __init__(self) -> None:
        self._complete: dict[Place, bool] = {}
        """Originals that are over and whose replay is still to come: observed complete or not."""
        self._waiting: dict[Place, Card] = {}
        """By the place of the original."""
        self._back: deque[Card] = deque()

    def ended(self, original: Place, at_ns: int, *, complete: bool) -> None:
        """Note that a command with a replay is over, and have that come back if it waits."""
        self._complete[original] = complete
        card = self._waiting.pop(original, None)
        if card is not None:
            self._back.append(replace(card, ready_ns=at_ns))

    def admits(self, card: Card) -> bool:
        """Tell whether a replay need not wait; one that must is set aside."""
        original = card.original_place
        if original in self._complete:
            return True
        self._waiting[original] = card
        return False

    def blocked(self, card: Card) -> str | None:
        """Return why an admitted replay may not be sent, None when it may; its original is done with."""
        return None if self._complete.pop(card.original_place) else WHY_NOT_COMPLETE

    def take(self) -> Card | None:
        """Return a replay that has come back."""
        return self._back.popleft() if self._back else None

    @property
    def waiting(self) -> bool:
        """Whether any replay waits for its original."""
        return bool(self._waiting)

    @property
    def back(self) -> bool:
        """Whether any replay has come back."""
        return bool(self._back)

    def give_up(self, at_ns: int) -> None:
        """Have all that wait come back: their originals will not be observed any more."""
        for original in list(self._waiting):
            self.ended(original, at_ns, complete=False)

    def clear(self) -> None:
        """Forget everything: the phase is over."""
        self._complete.clear()
        self._waiting.clear()
        self._back.clear()

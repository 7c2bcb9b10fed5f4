"""Replays that wait: they repeat a command that must have been observed complete before.

the original is          a replay that is drawn      and when the original ends
observed complete        may be sent                 -
over without an outcome  is blocked                  -
under way                is set aside                comes back, to be sent or blocked

The original may be under way in another process, which lets the fleet know how it ended. A replay
whose lease is returned is put back: whoever gets it next is told the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum

from e2e_data.commands import Channel
from locustfiles.card import Card
from locustfiles.completions import Place

WHY_NOT_COMPLETE = "the command that it repeats was not observed complete"


class Ending(IntEnum):
    """How a command ended, in the words of the fleet: the higher one holds."""

    OVER = 1
    COMPLETE = 2

    @classmethod
    def of(cls, *, complete: bool) -> Ending:
        """Return how a command ended that was observed complete, or not."""
        return cls.COMPLETE if complete else cls.OVER


class SetAside:
    """The replays of a phase that wait, and what their originals have come to."""

    def __init__(self) -> None:
        self._complete: dict[Place, bool] = {}
        """Originals that are over: observed complete, by anybody, or not."""
        self._waiting: dict[Place, Card] = {}
        """By the place of the original."""
        self._back: deque[Card] = deque()

    def ended(self, original: Place, at_ns: int, *, complete: bool) -> None:
        """Note that a command with a replay is over, and have that come back if it waits."""
        self._complete[original] = complete or self._complete.get(original, False)
        card = self._waiting.pop(original, None)
        if card is not None:
            self._back.append(card._replace(ready_ns=at_ns))

    def admits(self, card: Card) -> bool:
        """Tell whether a replay need not wait; one that must is set aside."""
        original = card.original_place
        if original in self._complete:
            return True
        self._waiting[original] = card
        card.keep()
        return False

    def blocked(self, card: Card) -> str | None:
        """Return why an admitted replay may not be sent, None when it may."""
        return None if self._complete[card.original_place] else WHY_NOT_COMPLETE

    def take(self, channel: Channel) -> Card | None:
        """Return a replay for a channel that has come back, and may still be sent here."""
        if not self._back:
            return None
        self.let_go()
        card = next((card for card in self._back if card.channel is channel), None)
        if card is not None:
            self._back.remove(card)
        return card

    def __len__(self) -> int:
        """Return how many replays wait or have come back."""
        return len(self._waiting) + len(self._back)

    def waits(self, channel: Channel) -> bool:
        """Tell whether any replay for a channel waits for its original."""
        return any(card.channel is channel for card in self._waiting.values())

    @property
    def back(self) -> bool:
        """Whether any replay has come back."""
        return bool(self._back)

    def give_up(self, channel: Channel, at_ns: int) -> None:
        """Have all that wait for a channel come back: their originals will not be observed any more."""
        for original, card in list(self._waiting.items()):
            if card.channel is channel:
                self.ended(original, at_ns, complete=False)

    def let_go(self) -> None:
        """Put those back whose lease was returned."""
        self._put_back(lambda card: card.is_returned)

    def lay_down(self) -> None:
        """Put all back that wait or have come back: nothing more is sent for now."""
        self._put_back(lambda _: True)

    def clear(self) -> None:
        """Forget everything: another phase has begun."""
        self.lay_down()
        self._complete.clear()

    def _put_back(self, chosen: Callable[[Card], bool]) -> None:
        for card in filter(chosen, [*self._waiting.values(), *self._back]):
            card.put_back()
        self._waiting = {key: card for key, card in self._waiting.items() if not chosen(card)}
        self._back = deque(card for card in self._back if not chosen(card))

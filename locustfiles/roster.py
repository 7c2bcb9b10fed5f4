"""The roster: which user of a process serves which channel, so that each channel has its share of them.

Locust deals out classes of users without a look at which process gets which: with one class for each
channel, some process might have nobody for a channel, and its commands would lie there. So there is
one class, and each process divides the users that it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from e2e_data.commands import Channel
from locustfiles.mix import Mix


@dataclass(slots=True, eq=False)
class Seat:
    """A user's place in the roster."""

    channel: Channel
    """Which channel it serves. It changes when users come and go, and from phase to phase."""


class Roster:
    """Divides seats by the weights of a mix: at least one for each channel, while there are enough."""

    def __init__(self, moved: Callable[[], None] = lambda: None) -> None:
        """Call `moved` when somebody who may be waiting has another channel than before."""
        self._moved = moved
        self._mix = Mix.of({Channel.HTTP: 1})
        self._seats: dict[Channel, dict[Seat, None]] = {}

    @property
    def least(self) -> int:
        """How many users it takes to serve every channel."""
        return len(self._mix.channels)

    def count(self, channel: Channel) -> int:
        """Return how many serve a channel."""
        return len(self._seats.get(channel, ()))

    def join(self) -> Seat:
        """Give a new user a seat, at the channel that lacks the most."""
        quotas = self._mix.quotas(self._taken + 1)
        channel = max(quotas, key=lambda channel: quotas[channel] - self.count(channel))
        seat = Seat(channel)
        self._seats.setdefault(channel, {})[seat] = None
        self._divide()
        return seat

    def leave(self, seat: Seat) -> None:
        """Take the seat of a user that is no more."""
        self._seats[seat.channel].pop(seat, None)
        self._divide()

    def follow(self, mix: Mix) -> None:
        """Divide the seats by another mix."""
        self._mix = mix
        self._divide()

    @property
    def _taken(self) -> int:
        return sum(map(len, self._seats.values()))

    def _divide(self) -> None:
        """Move as few as possible to where they are wanted; those who joined last."""
        quotas = self._mix.quotas(self._taken)
        spare = [
            seat
            for channel, seats in self._seats.items()
            for seat in islice(reversed(seats), max(len(seats) - quotas.get(channel, 0), 0))
        ]
        for channel, quota in quotas.items():
            seats = self._seats.setdefault(channel, {})
            for _ in range(quota - len(seats)):
                seat = spare.pop()
                del self._seats[seat.channel][seat]
                seat.channel = channel
                seats[seat] = None
                self._moved()

"""What is kept apart by region where regions have addresses of their own: lines, and completions.

Where all regions have the same address there is nothing to keep apart, and nothing of this is used.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from locustfiles.completions import CompletionSource, Place
from locustfiles.lines import Line, More, Sender

if TYPE_CHECKING:
    from locustfiles.card import Card
    from locustfiles.run import Run
    from locustfiles.statistics import Statistics
    from locustfiles.work import Turn

Address = TypeVar("Address", bound=Hashable)
Made = TypeVar("Made")
Own = TypeVar("Own", bound=Line)


def region_of(card: Card) -> str:
    """Return the region of a command's account; empty without regions."""
    return str(card.shard.regions[card.account])


def lines_of(
    regions: Sequence[str],
    address: Callable[[str], Address],
    line: Callable[[Address], Own],
    together: Callable[[Mapping[str, Own]], Line] | None = None,
) -> Line:
    """Return the line to a pool's regions: `line` opens one to each `address`. Raises what it raises.

    Where there are several, they are used `together`, or one command after the other by its region.
    """
    with ExitStack() as undoing:

        def opened(at: Address) -> Own:
            one = line(at)
            undoing.callback(one.close)
            return one

        lines = _by_region(regions, address, opened)
        undoing.pop_all()
    if len(set(lines.values())) == 1:
        return next(iter(lines.values()))
    return (together or RegionalLine)(lines)


def completions_of(
    regions: Sequence[str],
    address: Callable[[str], Address],
    source: Callable[[Address], CompletionSource],
    card_of: Callable[[Place], Card],
) -> CompletionSource:
    """Return what tells how the commands of a pool's regions ended: `source` asks at an `address`.

    `card_of` gives the command at a place that an end is expected of.
    """
    sources = _by_region(regions, address, source)
    several = len(set(sources.values())) > 1
    return RegionalSource(sources, card_of) if several else next(iter(sources.values()))


def _by_region(
    regions: Sequence[str], address: Callable[[str], Address], make: Callable[[Address], Made]
) -> dict[str, Made]:
    """Return what is made for each region, once for each address."""
    addresses = {region: address(region) for region in (regions or ("",))}
    made = {at: make(at) for at in dict.fromkeys(addresses.values())}
    return {region: made[at] for region, at in addresses.items()}


class RegionalLine:
    """A channel with several addresses: each command goes to that of its account's region."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self._lines = lines

    def sender(self, run: Run, statistics: Statistics) -> RegionalSender:
        """Return a sender for one user."""
        return RegionalSender(lambda region: self._lines[region].sender(run, statistics))

    def close(self) -> None:
        """Close the line to each address."""
        for line in dict.fromkeys(self._lines.values()):
            line.close()


class RegionalSender:
    """Sends one user's commands, over a sender of its own for each region that it met."""

    def __init__(self, make: Callable[[str], Sender]) -> None:
        self._make = make
        self._senders: dict[str, Sender] = {}

    def send(self, turn: Turn, more: More | None = None) -> None:  # noqa: ARG002 - another region's may be next
        """Send a command to its region."""
        region = region_of(turn.card)
        sender = self._senders.get(region)
        if sender is None:
            sender = self._senders[region] = self._make(region)
        sender.send(turn)

    def close(self) -> None:
        """Close what this user alone had."""
        for sender in self._senders.values():
            sender.close()


class RegionalSource(CompletionSource):
    """Sources of completions that ask at several addresses, each for its own region's commands."""

    def __init__(
        self, sources: Mapping[str, CompletionSource], card_of: Callable[[Place], Card]
    ) -> None:
        self._sources, self._card_of = sources, card_of

    def expect(self, place: Place, command_id: str) -> None:
        """Ask about a command where its account is."""
        self._sources[region_of(self._card_of(place))].expect(place, command_id)

    def stop(self) -> None:
        """Look no further."""
        for source in dict.fromkeys(self._sources.values()):
            source.stop()

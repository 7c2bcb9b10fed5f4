"""What every format of an export says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from e2e_data.commands import Channel, Kind
from e2e_data.exporters.portions import Pass, Portion

FILES = {
    Kind.ACCOUNT: "accounts",
    Kind.OPENING_CREDIT: "opening-credits",
    Kind.FUNDING: "funding-txns",
    Kind.PAYMENT: "payments",
}
"""What the commands of each kind are called in the names of files, in the order of sending."""

Lines = tuple[str, list[str]]
"""A file's name, and lines to append to it."""


class Format(ABC):
    """How a pool's commands become the lines of files."""

    channel: Channel
    """What the correlation ids name as the way in."""
    passes: Sequence[Pass]
    """In which order commands are asked for; see `portions`."""
    scripts: tuple[str, ...] = ()
    """The scripts that come with the files."""

    @abstractmethod
    def headings(self) -> dict[str, str]:
        """Return the files by their names, with the line that each begins with; empty for none."""

    @abstractmethod
    def lines(self, portion: Portion) -> Iterator[Lines]:
        """Go through what a portion adds to the files."""

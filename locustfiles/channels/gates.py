"""The gates to a platform: one for all regions, or one for each address that regions have of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from locustfiles.channels.gate import Gate
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from reports.site import Site


class Gates:
    """Where a run's commands go over HTTP, by region; the one place that knows."""

    def __init__(
        self,
        origin: Origin,
        settings: HttpSettings,
        timeout_s: float,
        allow: Sequence[str] = (),
        regions: Sequence[str] = (),
    ) -> None:
        """Lead to `origin`, but where one of the pool's `regions` has an address of its own.

        The rest is as for a Gate. Raises Problems.
        """
        origins = {region: settings.origin_of(region, origin) for region in (regions or ("",))}
        self._gates = {
            one: Gate(one, settings, timeout_s, allow) for one in (origin, *origins.values())
        }
        self._of = {region: self._gates[one] for region, one in origins.items()}
        self._main = self._gates[origin]
        self._one_book = settings.one_book

    def __iter__(self) -> Iterator[Gate]:
        return iter(self._gates.values())

    def of(self, region: str) -> Gate:
        """Return the gate of a region; that of a pool without regions is ""."""
        return self._of[region]

    @property
    def sites(self) -> list[Site]:
        """Where statements are read: together they are the platform's book."""
        telling = [self._main] if self._one_book else dict.fromkeys(self._of.values())
        return [gate.site for gate in telling]

    def open(self) -> None:
        """Open all. Raises Problems."""
        for gate in self._gates.values():
            gate.open()

    def close(self) -> None:
        """Close all."""
        for gate in self._gates.values():
            gate.close()

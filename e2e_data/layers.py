"""Layers over a platform adapter: one that does as another, but for what the layer overrides."""

from __future__ import annotations

from typing import Any

from e2e_data.platform import Platform


def layered(layer: type[Platform], platform: Platform, **own: Any) -> Platform:
    """Return an adapter with the methods of `layer` before those of `platform`, whose state it has.

    `own` are the layer's attributes; what is below it is its `beneath`. What the layer overrides is called
    one by one, when each command is sent: of what is made ahead, many at once, it would know nothing.
    """
    made: Platform = type(layer.__name__.strip("_"), (layer, type(platform)), {})()
    made.__dict__.update(platform.__dict__, **own, beneath=platform)
    return made

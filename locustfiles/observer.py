"""The observer: shows a Locust process to whoever watches it from outside."""

from __future__ import annotations

import os
from weakref import WeakKeyDictionary

from locust.env import Environment

from locustfiles.endpoint import Endpoint, address_of
from locustfiles.worker import LAUNCHED_BY


class Observer:
    """What one Locust process shows."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.endpoint: Endpoint | None = None
        """The port of `--metrics-port`, if that was asked for."""

    def prepare(self) -> None:
        """Begin to listen, where that was asked for. Raises Problems."""
        # A worker that its master started has its environment, and the port is the master's.
        launched = os.environ.get(LAUNCHED_BY)
        address = None if launched else address_of(self._environment.parsed_options)
        if address is not None:
            self.endpoint = Endpoint(address, {})


_OBSERVERS: WeakKeyDictionary[Environment, Observer] = WeakKeyDictionary()


def observer_of(environment: Environment) -> Observer:
    """Return what observes a Locust environment's process; there is one of each."""
    if environment not in _OBSERVERS:
        _OBSERVERS[environment] = Observer(environment)
    return _OBSERVERS[environment]

"""The load shape: Locust asks it once a second, and it moves the run through its phases.

The users are one bounded set for the whole run; the pacer shapes the load. So the shape says how
many users, and when the run is over.
"""

from __future__ import annotations

from locust import LoadTestShape

from locustfiles.conductor import Conductor, conductor_of


class PhasedShape(LoadTestShape):
    """The barrier between phases: the next begins when the one before has its completions."""

    use_common_options = True
    """-u, -r and -t mean something here: the users' bound, their spawn rate, and an early end."""

    def tick(self) -> tuple[int, float] | None:
        """Return (users, spawn rate), or None when the run is over, judged and reported."""
        assert self.runner is not None
        conductor = conductor_of(self.runner.environment)
        assert isinstance(conductor, Conductor), "a worker has no shape"
        return conductor.tick()

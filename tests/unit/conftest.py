"""What unit tests share."""

from __future__ import annotations

import pytest


@pytest.fixture
def stage(tmp_path):
    """Make runs; their users end with the test."""
    # Loaded where it is wanted: Locust patches the libraries.
    import gevent

    from tests.stages import Stage

    made = []

    def make(*changes):
        made.append(Stage(tmp_path / str(len(made)), *changes))
        return made[-1]

    yield make
    for each in made:
        gevent.killall(each.users)

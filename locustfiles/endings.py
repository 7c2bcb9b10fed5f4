"""What is written down of the world around a run once nothing more is sent, before the book is taken."""

from __future__ import annotations

import logging

from locustfiles import kafka_launch
from locustfiles.director import Director

log = logging.getLogger(__name__)


NOT_ASKED = "the plan asks for metrics of the platform, and nobody said where they are: set server.prometheus"


def end(director: Director) -> None:
    """Write down where topics end, and what the platform's own monitoring saw of the run."""
    kafka_launch.end(director.plan, director.directory, director.desk.term)
    if director.plan.server is not None:
        _take_server_metrics(director)


def _take_server_metrics(director: Director) -> None:
    # Loaded where it is wanted: it takes its time.
    from locustfiles.prometheus import fetch
    from reports.server_metrics import write_server_metrics

    server, clock = director.plan.server, director.clock
    assert server is not None
    if server.prometheus is None:
        director.event("warning", note=NOT_ASKED)
        return
    table, problems = fetch(server, clock.epoch_utc_ns, clock.now_ns())
    write_server_metrics(director.directory, table)
    for problem in problems:
        # What was not measured is UNKNOWN to the judge; the run directory tells why.
        log.warning(problem)
        director.event("warning", note=problem)

"""The observer: shows a Locust process, and the run in it, to whoever watches from outside."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from gevent.event import Event
from locust.env import Environment
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric

from locustfiles.conductor import Conductor, conductor_of
from locustfiles.endpoint import Endpoint, address_of
from locustfiles.launch import Launched
from locustfiles.launched import LAUNCHED_BY
from locustfiles.logs import checked, use_json
from locustfiles.metrics import View, families
from locustfiles.options import OPTIONS, OTEL, given
from locustfiles.tracing import ENABLED
from locustfiles.webhook import alert_of, post, url_of

log = logging.getLogger(__name__)

METRICS = "/metrics"
LOG_FORMAT = next(option.env_var for option in OPTIONS if option.flag == "--log-format")
LINGER_MAX_S = 60
ONE_SCRAPE_LINGER_S = 15
"""Whoever looked once may come again after so long; who comes regularly is waited for twice as long."""


class Observer:
    """What one Locust process shows. Its metrics are there where it directs runs."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.endpoint: Endpoint | None = None
        """The port of `--metrics-port`, if that was asked for."""
        self.is_watched = environment.web_ui is not None
        """Whether anybody may want to see more of a run than is counted anyway."""
        self._webhook = ""
        self._launched: Launched | None = None
        self._verdict: dict[str, Any] | None = None
        self._told = False
        self._scrapes_s: tuple[float, ...] = ()
        """When the last two came."""
        self._seen_to_the_end = Event()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def prepare(self) -> None:
        """Begin to log and to listen as was asked for. Raises Problems."""
        options = self._environment.parsed_options
        if checked(given(options, "--log-format")) == "json":
            # The workers that this process starts log as it does.
            os.environ[LOG_FORMAT] = "json"
            use_json(self._context)
        if getattr(options, OTEL, False):
            os.environ[ENABLED] = "true"
        reference = given(options, "--webhook")
        if reference and self._conductor is not None:
            self._webhook = url_of(reference)
        # A worker that its master started has its environment, and the port is the master's.
        launched = os.environ.get(LAUNCHED_BY)
        address = None if launched else address_of(options)
        pages = {METRICS: self.page} if self._conductor is not None else {}
        if address is not None:
            self.endpoint = Endpoint(address, pages)
            self.is_watched = True
        web_ui = self._environment.web_ui
        if web_ui is not None:
            assert web_ui.app is not None, "a web UI is made with its application"
            for path in pages:
                served = web_ui.auth_required_if_enabled(self._flask_page)
                web_ui.app.add_url_rule(path, "paystorm_metrics", served)

    def follow(self) -> None:
        """Show the run that has just begun, until another does."""
        conductor = self._conductor
        if conductor is None or conductor.launched is None:
            return
        self._launched, self._verdict = conductor.launched, None
        self._told = False
        self._seen_to_the_end.clear()
        run = self._launched.run
        if run is not None and self.is_watched:
            run.let_watch()

    def tell(self) -> None:
        """Tell the webhook, if there is one, of a run that has ended and was not good."""
        self._look_for_verdict()
        if not self._webhook or self._launched is None or self._verdict is None or self._told:
            return
        self._told = True
        alert = alert_of(self._verdict, str(self._launched.director.directory.path))
        if alert is not None:
            post(self._webhook, alert)

    def linger(self) -> None:
        """Wait, as long as it is likely to come, for a scrape that shows how the run ended."""
        if self.endpoint is None or self._launched is None or not self._scrapes_s:
            return
        spacing_s = self._scrapes_s[-1] - self._scrapes_s[0]
        patience_s = min(2 * spacing_s or ONE_SCRAPE_LINGER_S, LINGER_MAX_S)
        if not self._seen_to_the_end.is_set():
            log.info("waiting for a last scrape of the metrics, up to %.0f s", patience_s)
        if not self._seen_to_the_end.wait(patience_s):
            log.warning("nobody scraped the metrics of the run's end")

    def page(self) -> tuple[str, bytes]:
        """Return the metrics in the text format of Prometheus."""
        self._scrapes_s = (*self._scrapes_s, time.monotonic())[-2:]
        body = generate_latest(self._registry)
        if self._verdict is not None:
            self._seen_to_the_end.set()
        return CONTENT_TYPE_PLAIN_0_0_4, body

    def _flask_page(self) -> tuple[bytes, int, dict[str, str]]:
        content_type, body = self.page()
        return body, 200, {"Content-Type": content_type}

    # -- a collector, as prometheus_client calls it ----------------------------------------------

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the run that is on, or was last."""
        return families(self.view())

    def view(self) -> View | None:
        """Return what there is to see of the run that is on, or was last; None before the first."""
        launched, conductor = self._launched, self._conductor
        if launched is None or conductor is None:
            return None
        self._look_for_verdict()
        director, post = launched.director, conductor.post
        if launched.run is not None:
            director.figures.take(launched.run.counting.snapshot())
        error_ns = post.clock_error_ns if post is not None else 0
        return View(director, director.figures, error_ns, self._verdict)

    def _context(self) -> dict[str, str]:
        """Return what a log's record belongs to, at this moment."""
        conductor = conductor_of(self._environment)
        run = conductor.run
        if run is not None:
            return {
                "run": run.service.run,
                "worker": run.service.worker,
                "phase": run.phase_name,
            }
        director = conductor.director if isinstance(conductor, Conductor) else None
        if director is None:
            return {}
        return {"run": director.directory.name, "worker": "master", "phase": director.phase_name}

    def _look_for_verdict(self) -> None:
        """Read the verdict, once the run is judged."""
        launched, conductor = self._launched, self._conductor
        if launched is None or conductor is None or conductor.launched is launched:
            return
        if self._verdict is None:
            self._verdict = _summary(launched.director.directory.path / "summary.json")

    @property
    def _conductor(self) -> Conductor | None:
        conductor = conductor_of(self._environment)
        return conductor if isinstance(conductor, Conductor) else None


def _summary(path: Path) -> dict[str, Any] | None:
    """Read what the judge wrote; None where it could not."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        log.warning("the metrics have no verdict: %s", error)
        return None
    return found


_OBSERVERS: WeakKeyDictionary[Environment, Observer] = WeakKeyDictionary()


def observer_of(environment: Environment) -> Observer:
    """Return what observes a Locust environment's process; there is one of each."""
    if environment not in _OBSERVERS:
        _OBSERVERS[environment] = Observer(environment)
    return _OBSERVERS[environment]

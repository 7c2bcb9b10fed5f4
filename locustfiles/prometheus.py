"""Asks the platform's Prometheus, once a run has ended, for what the plan names."""

from __future__ import annotations

import http.client
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson
import pandas as pd

from e2e_data.problems import Problems
from locustfiles.channels.secret import Secret
from locustfiles.plan_parts.server import Server
from reports.hostile import visible
from reports.server_metric import ServerMetric
from reports.server_metrics import COLUMNS

TIMEOUT_S = 20
ANSWER_BYTES_MAX = 32_000_000
POINTS_MAX = 2_000
"""Of each series; Prometheus itself gives eleven thousand at most."""
SERIES_MAX = 10
"""Of each metric: more could not be told apart."""

Row = tuple[float, str, str, float]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the token is for the address that the plan names."""

    def redirect_request(self, *_: object) -> None:
        return None


def fetch(server: Server, epoch_utc_ns: int, ended_ns: int) -> tuple[pd.DataFrame, list[str]]:
    """Return the metrics of a run as COLUMNS, and what could not be had, each with its reason.

    The run began at `epoch_utc_ns` by the wall clock, and ended `ended_ns` later.
    """
    rows: list[Row] = []
    problems: list[str] = []
    for metric in server.metrics:
        try:
            found = list(_series(server, metric, epoch_utc_ns, ended_ns))
        except Problems as error:
            problems += [f"server metric {metric.name!r}: {one}" for one in error.problems]
            continue
        if not found:
            problems.append(f"server metric {metric.name!r}: the query has no result in this time")
        rows += found
    return pd.DataFrame(rows, columns=list(COLUMNS)), problems


def _series(
    server: Server, metric: ServerMetric, epoch_utc_ns: int, ended_ns: int
) -> Iterator[Row]:
    step_s = max(1, math.ceil(ended_ns / 1e9 / POINTS_MAX))
    query = {
        "query": metric.query,
        "start": f"{epoch_utc_ns / 1e9:.3f}",
        "end": f"{(epoch_utc_ns + ended_ns) / 1e9:.3f}",
        "step": str(step_s),
    }
    assert server.prometheus is not None, "whoever asks has an address"
    address = f"{server.prometheus.rstrip('/')}/api/v1/query_range?{urllib.parse.urlencode(query)}"
    answer = _json(address, server.token)
    try:
        if answer["status"] != "success":
            raise Problems([visible(f"{answer.get('errorType')}: {answer.get('error')}"[:300])])
        result = answer["data"]["result"]
        if len(result) > SERIES_MAX:
            raise Problems([f"{len(result)} series; sum them, or ask for {SERIES_MAX} at most"])
        for one in result:
            labels = {key: text for key, text in one["metric"].items() if key != "__name__"}
            name = ", ".join(f"{key}={text}" for key, text in sorted(labels.items()))[:200]
            for at_s, value in one["values"]:
                yield float(at_s) - epoch_utc_ns / 1e9, metric.name, name, float(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Problems([f"the answer is not Prometheus's ({type(error).__name__})"]) from error


def _json(address: str, token: str | None) -> Any:
    request = urllib.request.Request(address)  # noqa: S310 - the plan's pattern allows http(s) alone
    if token is not None:
        request.add_header("Authorization", f"Bearer {Secret(token).read()}")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            content = answer.read(ANSWER_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        raise Problems([f"Prometheus answered with {error.code}{_said(error)}"]) from error
    except (OSError, http.client.HTTPException) as error:
        raise Problems([f"Prometheus cannot be asked ({error})"]) from error
    if len(content) > ANSWER_BYTES_MAX:
        raise Problems([f"the answer is longer than {ANSWER_BYTES_MAX:,} bytes"])
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Problems([f"the answer is not JSON ({error})"]) from error


def _said(error: urllib.error.HTTPError) -> str:
    """Return what Prometheus says is wrong with a query."""
    try:
        told = orjson.loads(error.read(100_000))
        return f": {visible(str(told['error'])[:300])}"
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError, KeyError, TypeError):
        return ""

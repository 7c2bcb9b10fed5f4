"""Tells a webhook of a run that was not good: what is wrong, in words and as data."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Mapping
from typing import Any

import orjson

from e2e_data.exits import Exit
from e2e_data.problems import Problems
from locustfiles.channels.secret import Secret

log = logging.getLogger(__name__)

TIMEOUT_S = 10
HOLDS = "holds"
NOT_ASKED = "not asked"


def url_of(reference: str) -> str:
    """Return the URL that a secret holds; it often has a token in it. Raises Problems."""
    try:
        url = Secret(reference).read()
    except ValueError as error:
        raise Problems([f"--webhook: {error}"]) from error
    if not url.startswith(("http://", "https://")):
        raise Problems([f"--webhook {reference}: what it holds is no http:// or https:// address"])
    return url


def alert_of(summary: Mapping[str, Any], directory: str) -> dict[str, Any] | None:
    """Return what to tell of the judge's summary; None of a run that was good.

    `text` is for people, and is what chat services show; the rest is for programs.
    """
    if summary["exit"] == Exit.GOOD:
        return None
    findings = [
        {"invariant": check["invariant"], "name": finding["name"], "count": finding["count"]}
        for check in summary["checks"]
        for finding in check["findings"]
        if not finding["consequence_of"]
    ]
    missed = {
        table: [
            {"title": row["title"], "status": row["status"], "note": row["note"]}
            for row in summary[table]
            if row["status"] not in (HOLDS, NOT_ASKED)
        ]
        for table in ("slos", "fitness")
    }
    lines = [f"{summary['plan_name']}: {summary['verdict']}"]
    lines += [f"- invariant {f['invariant']}: {f['name']}, {f['count']}" for f in findings]
    lines += [
        f"- {row['title']}: {row['status']}, {row['note']}"
        for rows in missed.values()
        for row in rows
    ]
    return {
        "text": "\n".join([*lines, f"run directory: {directory}"]),
        "run": summary["run_id"],
        "plan": summary["plan_name"],
        "exit": summary["exit"],
        "verdict": summary["verdict"],
        "findings": findings,
        **missed,
        "directory": directory,
    }


def post(url: str, alert: Mapping[str, Any]) -> bool:
    """Send an alert, and tell whether it was taken. A failure is logged, without the address."""
    content = {"Content-Type": "application/json"}
    try:
        # The scheme was checked when the address was read.
        request = urllib.request.Request(url, orjson.dumps(alert), content)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            return True
    except (OSError, ValueError) as error:
        # Its text may have the address in it, and that a token.
        reason = getattr(error, "code", None) or type(error).__name__
        log.warning("the webhook did not take the alert (%s)", reason)
        return False

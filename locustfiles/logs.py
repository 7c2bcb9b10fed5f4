"""Logs as JSON, a line for each record, with the run, the worker and the phase that it belongs to."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from e2e_data.problems import Problems

FORMATS = ("text", "json")
EXTRAS = ("command_id", "correlation_id")
"""What a record may say of the command that it is about, by logging's `extra`."""
NAMES = ("", "locust", "locust.stats_logger")
"""The loggers that have handlers of their own, as Locust sets them up."""

Context = Callable[[], Mapping[str, str]]


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; empty fields are left out."""

    def __init__(self, context: Context) -> None:
        """Add to each record what `context` says then, such as {"run": …, "phase": …}."""
        super().__init__()
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._context(),
            **{name: getattr(record, name, "") for name in EXTRAS},
            "exception": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: value for name, value in fields.items() if value != ""})


def checked(text: str | None) -> str:
    """Return the format that --log-format names. Raises Problems."""
    if text not in FORMATS:
        raise Problems([f"--log-format {text}: give {' or '.join(FORMATS)}"])
    return text


def use_json(context: Context) -> None:
    """Have all that goes to the console or a file go there as JSON; what the web UI shows stays text."""
    formatter = JsonLines(context)
    for name in NAMES:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(formatter)

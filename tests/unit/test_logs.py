"""Logs as JSON: a line is a record, whatever is in it."""

from __future__ import annotations

import io
import json
import logging
from datetime import datetime

import pytest

from e2e_data.problems import Problems
from locustfiles import logs


@pytest.fixture
def logged(monkeypatch):
    """A logger whose handler was set up as Locust does, and a function that reads its lines."""
    stream = io.StringIO()
    logger = logging.getLogger("a.logger")
    logger.setLevel(logging.INFO)
    console, shown = logging.StreamHandler(stream), logging.NullHandler()
    logger.addHandler(console)
    logger.addHandler(shown)
    monkeypatch.setattr(logs, "NAMES", ("a.logger",))
    context = {"run": "r-1", "worker": "w-1", "phase": ""}
    logs.use_json(lambda: context)
    assert shown.formatter is None, "what is no stream stays as it is"

    def lines():
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield logger, context, lines
    logger.removeHandler(console)
    logger.removeHandler(shown)


def test_a_record_is_a_line_with_its_context(logged):
    """The context is that of the moment; what is empty is left out."""
    logger, context, lines = logged
    logger.warning("%d lost\nin two lines", 3, extra={"command_id": "c-9"})
    context["phase"] = "payments"
    logger.info("next")
    first, second = lines()
    assert datetime.fromisoformat(first.pop("time")).utcoffset().total_seconds() == 0
    assert first == {
        "level": "WARNING",
        "logger": "a.logger",
        "message": "3 lost\nin two lines",
        "run": "r-1",
        "worker": "w-1",
        "command_id": "c-9",
    }
    assert second["phase"] == "payments"
    assert "command_id" not in second


def test_an_exception_is_in_its_record(logged):
    """A traceback makes no lines of its own."""
    logger, _, lines = logged
    try:
        {}["of this kind"]
    except KeyError:
        logger.exception("failed")
    [line] = lines()
    assert line["message"] == "failed"
    assert line["exception"].endswith("KeyError: 'of this kind'")


def test_what_is_no_format_is_told():
    """The value is in the message, and what would be right."""
    assert logs.checked("json") == "json"
    with pytest.raises(Problems, match="--log-format xml: give text or json"):
        logs.checked("xml")

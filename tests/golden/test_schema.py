"""The published schema of summary.json is the judgement's own, and what is written obeys it."""

from __future__ import annotations

import json

import jsonschema
import pytest

from reports.plain import to_json
from reports.schema import FILE, summary_schema
from tests import samples
from tests.golden.conftest import OPTION, REMEDY


def test_the_schema_is_published_as_it_is(request):
    """A pipeline's authors read the file: it changes only on purpose."""
    written = json.dumps(summary_schema(), indent=2) + "\n"
    if request.config.getoption(OPTION, default=False):
        FILE.write_text(written, "utf-8")
        return
    assert FILE.read_text("utf-8") == written, REMEDY


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json.loads(FILE.read_text("utf-8")))


@pytest.mark.parametrize("name", ["good", "bad", "special", "empty", "bare"])
def test_what_is_written_obeys_the_schema(name):
    """Summaries of runs of every sort."""
    summary = json.loads(to_json(getattr(samples, name)().judgement))
    jsonschema.validate(summary, json.loads(FILE.read_text("utf-8")))


def test_the_schema_refuses_what_is_none():
    """A schema that anything obeys would say nothing."""
    schema = json.loads(FILE.read_text("utf-8"))
    summary = json.loads(to_json(samples.good().judgement))
    for wrong in ({**summary, "exit": "good"}, {**summary, "checks": [{}]}, {"run_id": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)

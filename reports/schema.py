"""The JSON schema of summary.json, made from the judgement's own fields and their descriptions."""

from __future__ import annotations

import ast
import inspect
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from reports import fault_row, judgement
from reports.judgement import Judgement

FILE = Path(__file__).parent / "schemas" / "summary.schema.json"


def summary_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12), as it is published in FILE."""
    made = TypeAdapter(Judgement).json_schema(mode="serialization")
    described = _descriptions()
    for name, table in (("Judgement", made), *made.get("$defs", {}).items()):
        for field, about in table.get("properties", {}).items():
            text = described.get((name, field))
            if text:
                about["description"] = text
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "summary.json of a paystorm run",
    }


def _descriptions() -> dict[tuple[str, str], str]:
    """Return (class, field) -> the text that stands below the field in the source."""
    found: dict[tuple[str, str], str] = {}
    parts = [ast.parse(inspect.getsource(module)).body for module in (judgement, fault_row)]
    for each in chain.from_iterable(parts):
        if not isinstance(each, ast.ClassDef):
            continue
        for field, below in zip(each.body, each.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[each.name, field.target.id] = inspect.cleandoc(str(below.value.value))
    return found

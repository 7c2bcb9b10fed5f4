"""Dataclasses as plain JSON values, whatever the network put into their strings."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import orjson

from reports.hostile import encodable


def to_json(value: object) -> bytes:
    """Write dataclasses, enums, tuples and dictionaries as indented JSON that ends with a newline.

    Enums become their values and numbers that JSON lacks become null. Lone surrogates are replaced,
    for no JSON reader would take them.
    """
    return orjson.dumps(_plain(value), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

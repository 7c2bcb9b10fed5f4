"""docs/reference.md, made from the code: what a setting, an option or a metric is, it says itself there."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import click
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from e2e_data.config import PoolConfig
from e2e_data.exits import PRECEDENCE, Exit
from locustfiles.channels import faults, kafka_faults, mq_faults
from locustfiles.control import COMMANDS
from locustfiles.metrics import MEASURES
from locustfiles.options import OPTIONS
from locustfiles.plans import Plan
from paystorm import main

HEAD = """\
# Reference

Made from the code by `pytest tests/golden --update-golden`; a test fails where the two differ. In
examples: [plans](plans.md), [channels](channels.md), [pools](pools.md).
"""
TYPES = {
    "Seconds": "duration",
    "Rate": "rate",
    "KindName": "kind",
    "ChannelName": "channel",
    "LabelName": "label",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "None": "nothing",
    "Any": "any",
    "Host": "host, or host(port)",
    "Name": "text",
    "Path": "path",
    "Percent": "percent",
    "Count": "whole number",
    "Quote": "number",
    "Reference": "secret",
    "Url": "URL",
    "Topic": "topic",
    "QueueName": "queue",
    "Share": "percent",
    "Latency": "latency",
    "ProfileName": "profile",
    "Limits": "table of limits",
    "Band": "band",
    "OpeningBalance": "table",
    "Weights": "weights by kind",
    "AccountTypes": "shares of types",
    "HostileFlavours": "flavours",
    "Patterns": "patterns",
    "Channels": "shares of channels",
    "Allowed": "host",
}
"""What a type is called in a plan; a model is a table, told of below."""
HAS_TO_BE_GIVEN = "**has to be given**"
BOUNDS = {Gt: "above {}", Ge: "from {}", Lt: "below {}", Le: "up to {}"}


def reference() -> str:
    """Return the whole page."""
    parts = [HEAD, "## Commands\n", *_commands(main, "paystorm")]
    parts += ["## Options of the locustfile\n", _options()]
    parts += ["## Exit codes\n", _exits()]
    parts += ["## Control\n", _table(("command", "what it does"), _ticked(COMMANDS.items()))]
    parts += ["## Settings of a plan\n", DURATIONS, *_models(Plan, "", set())]
    parts += ["### `[pool]`: any setting of a pool\n", PRESETS, _fields(PoolConfig)]
    parts += ["## Error classes\n", ERRORS, _errors()]
    parts += ["## Metrics\n", _metrics()]
    return "\n".join(parts)


DURATIONS = """\
A duration is a number of seconds, or text such as `"90s"`, `"2m"`, `"8h"`. A secret is never written
into a plan: it is named as `"env:NAME"` or `"file:PATH"`.
"""
PRESETS = """\
A preset gives all of them; what stands here replaces what it gives.
"""
ERRORS = """\
As they stand in the journal, in Locust's statistics and in the report.
"""


def _table(heads: tuple[str, ...], rows: Any) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: object) -> str:
    return " ".join(str(text).replace("|", "\\|").split())


def _ticked(pairs: Any) -> list[tuple[str, str]]:
    return [(f"`{name}`", text) for name, text in pairs]


def _commands(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        words = f"{path} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, words)
            continue
        assert command is not None
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        told = " ".join(one.make_metavar(click.Context(command)) for one in arguments)
        yield f"### `{f'{words} {told}'.strip()}`\n\n{inspect.cleandoc(command.help or '')}\n"
        options = [one for one in command.params if isinstance(one, click.Option)]
        rows = [
            (f"`{max(one.opts, key=len)}`", one.help or "", _option_default(one))
            for one in options
            if "--help" not in one.opts
        ]
        if rows:
            yield _table(("option", "what it does", "without it"), rows)


def _option_default(option: click.Option) -> str:
    """Return what holds where an option is left out; click has a marker of its own for nothing."""
    if option.required:
        return HAS_TO_BE_GIVEN
    default = option.to_info_dict()["default"]
    return "" if option.is_flag or (option.multiple and not default) else _default(default)


def _options() -> str:
    rows = [
        (
            f"`{one.flag}`",
            f"`{one.env_var}`",
            one.help,
            f"`{one.default}`" if one.default else "",
            "yes" if one.in_web_ui else "",
        )
        for one in OPTIONS
    ]
    heads = ("option", "environment variable", "what it does", "without it", "in the web UI's form")
    return _table(heads, rows)


def _exits() -> str:
    told = _attribute_texts(Exit)
    rows = [(int(one), told.get(one.name, "Right, and as fast as asked.")) for one in PRECEDENCE]
    return "The first that applies:\n\n" + _table(("code", "meaning"), rows)


def _errors() -> str:
    rows = [
        (f"*{one.fault}*", where, effect, (one.__doc__ or "").strip())
        for module, where in ((faults, "HTTP"), (mq_faults, "IBM MQ"))
        for base, effect in (
            (faults.NotSentError, "nothing was sent"),
            (faults.UnansweredError, "unknown: it may take effect"),
        )
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, base) and one.__module__ == module.__name__
    ]
    for names, effect in (
        (kafka_faults._NO_BROKER_HAS_IT, "nothing was sent"),
        (kafka_faults._A_BROKER_MAY_HAVE_IT, "unknown: it may take effect"),
    ):
        rows += [
            (f"*{name}*", "Kafka", effect, kafka_faults.MEANINGS[name])
            for name in dict.fromkeys(names.values())
        ]
    return _table(("class", "channel", "the command", "what happened"), rows)


def _metrics() -> str:
    rows = [
        (f"`{one.name}`", ", ".join(f"`{label}`" for label in one.labels), one.help)
        for one in MEASURES
    ]
    return _table(("metric", "labels", "what it is"), rows)


# -- a plan's models ------------------------------------------------------------------------------


def _models(model: type[BaseModel], path: str, seen: set[type]) -> Iterator[str]:
    """Yield a table for a model, and then for those that its settings are."""
    seen.add(model)
    if path:
        yield f"### `{path}`\n\n{inspect.cleandoc(model.__doc__ or '')}\n"
    yield _fields(model)
    for name, field in model.model_fields.items():
        for inner in _inner(field.annotation):
            if inner in seen:
                continue
            plain = f"{path.strip('[]')}.{name}" if path else name
            several = "dict" in str(field.annotation)
            wrapped = f"[[{plain}]]" if "tuple" in str(field.annotation) else f"[{plain}]"
            yield from _models(inner, f"[{plain}.NAME]" if several else wrapped, seen)


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)


def _fields(model: type[BaseModel]) -> str:
    texts: dict[str, str] = {}
    types: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            texts |= _attribute_texts(one)
            types |= _written_types(one)
    rows = []
    for name, field in model.model_fields.items():
        if name == "overrides":
            continue  # Not written: it is what stands in the table beside the others.
        told = _type(types[name]) + "".join(f", {bound}" for bound in _bounds(field))
        text = texts.get(name) or _text_of_table(field)
        rows.append((f"`{name}`", told, _field_default(field), text))
    return _table(("setting", "what it takes", "without it", "what it is"), rows)


def _text_of_table(field: FieldInfo) -> str:
    """Return what a table says of itself, where the setting that it is says nothing."""
    docs = (inspect.cleandoc(inner.__doc__ or "") for inner in _inner(field.annotation))
    return next((doc.splitlines()[0] for doc in docs), "")


def _bounds(field: FieldInfo) -> Iterator[str]:
    for one in field.metadata:
        for kind, form in BOUNDS.items():
            if isinstance(one, kind):
                yield form.format(next(iter(vars_of(one))))


def vars_of(bound: Any) -> Iterator[object]:
    """Yield the figure of a bound, whatever its attribute is called."""
    return (getattr(bound, name) for name in bound.__dataclass_fields__)


def _type(written: str) -> str:
    tree = ast.parse(written, mode="eval").body
    return _named(tree)


def _named(tree: ast.expr) -> str:
    match tree:
        case ast.BinOp(left=left, right=ast.Constant(value=None)):
            return _named(left)
        case ast.BinOp(left=left, right=right):
            return f"{_named(left)} or {_named(right)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return " or ".join(f"`{ast.literal_eval(one)!r}`".replace("'", '"') for one in values)
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[first, *_])):
            return f"list of {_named(first)}"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, value])):
            return f"table, each {_named(value)}"
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *_])):
            return _named(first)
        case ast.Name(id=name):
            return TYPES.get(name, "table")
    return ast.unparse(tree)


def _field_default(field: FieldInfo) -> str:
    if field.is_required():
        return HAS_TO_BE_GIVEN
    return _default(field.get_default(call_default_factory=True))


def _default(value: Any) -> str:
    if isinstance(value, Path):
        return f"`{value}`"
    if isinstance(value, BaseModel) or not isinstance(value, bool | int | float | str | Enum):
        empty = isinstance(value, tuple | list | dict) and value
        return f"`{_written(value)}`" if empty and len(str(value)) < 60 else ""
    return f"`{_written(value)}`" if value != "" else ""


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Enum():
            return value.name.lower()
        case float() if value == int(value):
            return str(int(value))
        case str():
            return f'"{value}"'
        case tuple() | list():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            return "{ " + ", ".join(f"{_key(k)} = {_written(v)}" for k, v in value.items()) + " }"
    return str(value)


def _key(key: Any) -> str:
    return key.name.lower() if isinstance(key, Enum) else str(key)


def _body(cls: type) -> list[ast.stmt]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    return tree.body


def _attribute_texts(cls: type) -> dict[str, str]:
    """Return what stands below each attribute of a class."""
    body = _body(cls)
    found = {}
    for one, after in pairwise(body):
        name = _target(one)
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if name and is_text:
            found[name] = inspect.cleandoc(str(after.value.value))
    return found


def _written_types(cls: type) -> dict[str, str]:
    return {
        one.target.id: ast.unparse(one.annotation)
        for one in _body(cls)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }


def _target(statement: ast.stmt) -> str:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""

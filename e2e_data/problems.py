"""Errors for people: everything that is wrong, at once, each with its value and its remedy."""

from __future__ import annotations

from collections.abc import Iterable

import click
from pydantic import ValidationError

from e2e_data.exits import Exit


class Problems(click.ClickException):
    """What a user has to mend before anything can be done; ends a command with exit code 2."""

    exit_code = Exit.WRONG_USE

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        """Print each problem on a line of its own, to standard error."""
        for problem in self.problems:
            click.echo(f"paystorm: {problem}", err=True)


def of_validation(where: str, error: ValidationError) -> Problems:
    """Tell pydantic's findings about the file or option `where`, one line each, with the value."""
    return Problems(f"{where}: {_sentence(dict(item))}" for item in error.errors())


def _sentence(item: dict[str, object]) -> str:
    location = item.get("loc", ())
    path = ".".join(str(part) for part in location) if isinstance(location, tuple) else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    if not path or item["type"] == "missing":
        return f"{path}: {message}" if path else message
    if item["type"] == "extra_forbidden":
        return f"{path}: there is no such setting; check the spelling"
    value = repr(item.get("input"))
    shown = value if len(value) <= 80 else value[:77] + "..."
    return f"{path} = {shown}: {message}"

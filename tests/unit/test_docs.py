"""The documentation is true: every command and option is in the README, and has help."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from locustfiles.options import OPTIONS
from locustfiles.plans import load_plan, shipped_plans
from paystorm import main
from sandbox.defects import DEFECTS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def commands(group: click.Group, path: str = "paystorm") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = list(commands(main))


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[words for words, _ in COMMANDS])
def test_every_command_and_option_is_documented(words: str, command: click.Command) -> None:
    """The README names the command and each of its options; each has help of its own."""
    assert words in README
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            option = max(parameter.opts, key=len)
            assert parameter.help, f"{words} {option} has no help"
            assert re.search(rf"`{option}\b", README), f"{words} {option} is not in the README"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_every_option_of_the_locustfile_is_documented(option: object) -> None:
    """The README names the option, its environment variable, and its help is not empty."""
    assert f"`{option.flag}" in README
    assert f"`{option.env_var}`" in README
    assert option.help


def test_every_shipped_plan_is_documented_and_valid() -> None:
    """Each plan has a line in the README, its file's name, and no problem."""
    assert shipped_plans()
    for name in shipped_plans():
        assert f"`{name}`" in README
        assert load_plan(name).name == name


def test_every_defect_is_documented() -> None:
    """The README has a line for each defect of the sandbox."""
    for defect in DEFECTS:
        assert f"`{defect}`" in README


def test_every_make_target_is_documented() -> None:
    """The README names the make targets that users call."""
    stack = ("stack-up", "stack-down", "validate-pipeline")
    for target in ("demo", "test", "test-fast", "test-e2e", "lint", "bench", "audit", *stack):
        assert f"make {target}" in README


def test_links_between_documents_lead_somewhere() -> None:
    """A link to a file of the project names one that is there."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for document in documents:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_plan_in_the_readme_is_valid(tmp_path: Path) -> None:
    """The plan that the README shows can be run as it stands."""
    shown = re.search(r"```toml\n(.*?)```", README, re.S)
    assert shown is not None
    tomllib.loads(shown[1])
    file = tmp_path / "shown.toml"
    file.write_text(shown[1])
    assert load_plan(str(file)).phases

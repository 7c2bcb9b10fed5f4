"""The documentation is true: every command and option is in the guide, and has help."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from locustfiles.options import OPTIONS
from locustfiles.plans import SHIPPED, Plan, load_plan, shipped_plans
from paystorm import main
from sandbox.defects import DEFECTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text()
GUIDE = "\n".join(page.read_text() for page in PAGES)
PLANS = (ROOT / "docs/plans.md").read_text()


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
    """The guide names the command and each of its options; each has help of its own."""
    assert words in GUIDE
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            option = max(parameter.opts, key=len)
            assert parameter.help, f"{words} {option} has no help"
            assert re.search(rf"`{option}\b", GUIDE), f"{words} {option} is not in the guide"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_every_option_of_the_locustfile_is_documented(option: object) -> None:
    """The guide names the option, its environment variable, and its help is not empty."""
    assert f"`{option.flag}" in GUIDE
    assert f"`{option.env_var}`" in GUIDE
    assert option.help


def test_every_shipped_plan_is_documented_and_valid() -> None:
    """Each plan has a line in the guide, its file's name, and no problem."""
    assert shipped_plans()
    for name in shipped_plans():
        assert f"| `{name}` |" in README
        assert load_plan(name).name == name


def test_every_defect_is_documented() -> None:
    """The README has a line for each defect of the sandbox."""
    for defect in DEFECTS:
        assert f"`{defect}`" in README


def test_every_make_target_is_documented() -> None:
    """The guide names the make targets that users call."""
    stack = ("stack-up", "stack-down", "validate-pipeline")
    for target in ("demo", "test", "test-fast", "test-e2e", "lint", "bench", "audit", *stack):
        assert f"make {target}" in GUIDE


def test_links_between_documents_lead_somewhere() -> None:
    """A link to a file of the project names one that is there."""
    documents = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "tests/README.md"]
    for document in documents:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are linked by."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_to_headings_lead_somewhere() -> None:
    """A link to a part of a page names a heading that is there."""
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
            named = (page.parent / target).resolve() if target else page
            assert anchor in anchors(named), f"{page.name}: {target}#{anchor}"


def test_every_page_is_in_the_guides_table() -> None:
    """Nobody has to know of a page to find it."""
    table = (ROOT / "docs/README.md").read_text()
    for page in PAGES[1:]:
        assert page.name == "README.md" or f"({page.name})" in table, page.name


def test_the_first_plan_of_the_guide_is_valid(tmp_path: Path) -> None:
    """The plan that is shown can be run as it stands."""
    shown = re.search(r"```toml\n(.*?)```", PLANS, re.S)
    assert shown is not None
    tomllib.loads(shown[1])
    file = tmp_path / "shown.toml"
    file.write_text(shown[1])
    assert load_plan(str(file)).phases


def settings_shown() -> list[tuple[str, str]]:
    """Return each example of settings in the pages on plans, channels and fleets."""
    pages = ("plans.md", "channels.md", "distributed.md")
    return [
        (name, shown)
        for name in pages
        for shown in re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / name).read_text(), re.S)
        if not shown.startswith("name =")
    ]


@pytest.mark.parametrize(("page", "shown"), settings_shown())
def test_each_example_of_settings_is_understood(page: str, shown: str, tmp_path: Path) -> None:
    """Added to a plan, what is shown is known by name and type; secrets are only named."""
    ours = tomllib.loads(shown)
    base = tomllib.loads((SHIPPED / "smoke.toml").read_text())
    phases = base["phases"] | {
        name: base["phases"]["payments"] | phase for name, phase in ours.pop("phases", {}).items()
    }
    assert Plan.model_validate({**base, **ours, "phases": phases})


def texts_of(folder: str) -> Iterator[str]:
    """Yield every text of a folder's code, as one line; what is filled in is an ellipsis."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            told = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
            if isinstance(node, ast.JoinedStr | ast.Constant):
                yield "".join(told)


def test_every_message_of_the_troubleshooting_is_one_that_is_given() -> None:
    """What is quoted as seen is said somewhere in the code; an ellipsis stands for what varies."""
    table = (ROOT / "docs/troubleshooting.md").read_text()
    seen = [
        message
        for cell in re.findall(r"^\| (.+?) \|", table, re.M)
        for message in re.findall(r"`([^`]+)`", cell)
    ]
    assert len(seen) > 5
    given = [text for folder in ("locustfiles", "reports", "sandbox") for text in texts_of(folder)]
    for message in seen:
        parts = [part.strip() for part in message.split("…") if part.strip()]
        pattern = re.compile(".*".join(map(re.escape, parts)), re.S)
        assert any(map(pattern.search, given)), message

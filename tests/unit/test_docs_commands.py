"""What the guide shows can be typed as it stands: programs, options, files, make targets, services."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

import click
import pytest
import yaml

from locustfiles.options import OPTIONS
from locustfiles.plans import shipped_plans
from paystorm import main
from tests.locust_options import flags_and_variables

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = ".venv/bin/"
"""Where a set-up puts programs: a new user has none of them on the path."""
OF_THE_SYSTEM = ("git", "cd", "kill", "export", "docker", "kubectl", "kind")
MADE_BEFORE = ("exports/large/run-vegeta.sh",)
"""Programs that a command shown before has made."""
FOLDERS = "benchmarks|docker|docs|e2e_data|k8s|locustfiles|observability|reports|sandbox|tests"
BETWEEN = {"&&", "&"}


def unfenced(page: Path) -> str:
    """Return a page without its outputs, settings and messages, which are fenced."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)


def blocks(page: Path) -> Iterator[str]:
    """Yield what a page shows indented, which is how commands are, in whole lines."""
    yield from re.findall(r"^    (.+)$", re.sub(r"\\\n +", "", unfenced(page)), re.M)


def words_of(line: str) -> Iterator[list[str]]:
    """Yield each command of a line as its words, as a shell would read it."""
    reader = shlex.shlex(re.sub(r" >> \S+", "", line), posix=True, punctuation_chars="&")
    reader.whitespace_split = True
    for is_between, words in groupby(reader, lambda word: word in BETWEEN):
        if not is_between:
            yield list(words)


SHOWN = [
    pytest.param(words, id=f"{page.stem}: {' '.join(words)}")
    for page in PAGES
    for line in blocks(page)
    for words in words_of(line)
]


def resolved(words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words call, and what is left of them for it; a sentence may stop at a group."""
    command: click.Command = main
    left = list(words)
    while isinstance(command, click.Group) and left:
        found = command.get_command(click.Context(command), left[0])
        assert found is not None, f"there is no command {' '.join(words)}"
        command, left = found, left[1:]
    return command, left


def parsed(command: click.Command, words: list[str]) -> dict[str, object]:
    """Return what a command line gives, by the name of the parameter; fails for an unknown option."""
    context = click.Context(command)
    given, extra, _ = command.make_parser(context).parse_args(args=list(words))
    assert not extra, f"{extra} is too much"
    return given


def check_paystorm(words: list[str]) -> None:
    """Every option is known, everything that is needed is given, and a choice is one of those there are."""
    command, left = resolved(words)
    assert not isinstance(command, click.Group)
    given = parsed(command, left)
    for parameter in command.params:
        value = given.get(parameter.name or "")
        assert not parameter.required or value, f"{parameter.name} is missing"
        if isinstance(parameter.type, click.Choice) and value:
            for one in value if isinstance(value, list | tuple) else [value]:
                assert one in parameter.type.choices
    plan = given.get("plan")
    assert not isinstance(plan, str) or plan.endswith(".toml") or plan in shipped_plans()


def check_locust(words: list[str]) -> None:
    """Every option is Locust's or ours, and the locustfile is there."""
    known = flags_and_variables()[0] | {option.flag for option in OPTIONS}
    assert {word for word in words if word.startswith("-")} <= known
    assert words[:2] == ["-f", "locustfiles/payments.py"]


def check_python(words: list[str]) -> None:
    """The program is there."""
    file = f"{words[1].replace('.', '/')}.py" if words[0] == "-m" else words[0]
    assert (ROOT / file).is_file()


def check_make(words: list[str]) -> None:
    """The Makefile has the target."""
    assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.M)


def check_docker(words: list[str]) -> None:
    """The stack has the profiles and services that are named."""
    if words[0] != "compose":
        return
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {name for service in stack.values() for name in service.get("profiles", ())}
    named = [after for word, after in pairwise(words) if word == "--profile"]
    assert set(named) <= profiles
    services = {word.split("=")[0] for word in words if word.startswith("worker=")}
    assert {*services, *(word for word in words[-1:] if word.isalpha())} <= {*stack}


CHECKS = {
    f"{OURS}paystorm": check_paystorm,
    f"{OURS}locust": check_locust,
    f"{OURS}python": check_python,
    f"{OURS}pip": lambda words: None,
    "make": check_make,
    "docker": check_docker,
}


@pytest.mark.parametrize("words", SHOWN)
def test_each_command_that_is_shown_can_be_typed(words: list[str]) -> None:
    """Its program is one that a new user has, and everything behind it is understood."""
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    program, *left = words
    assert program in CHECKS or program in OF_THE_SYSTEM or program in MADE_BEFORE, program
    CHECKS.get(program, lambda words: None)(left)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_and_file_that_a_sentence_names_is_there(page: Path) -> None:
    """What is called paystorm, Python or make in passing has its commands, options and files, too."""
    for told in re.findall(r"`([^`\n]+)`", unfenced(page)):
        words = told.removeprefix(OURS).split()
        match words:
            case ["paystorm", name, *_] if name.islower():
                command, left = resolved(words[1:])
                known = {flag for one in command.params for flag in one.opts}
                assert {word for word in left if word.startswith("--")} <= known | {"--help"}, told
            case ["python", *left]:
                assert told.startswith(OURS), f"{told} is not the environment's Python"
                check_python(left)
            case ["make", target] if target.islower():
                check_make([target])
            case _ if re.fullmatch(rf"(?:{FOLDERS})/[\w./-]+\.\w+", told):
                assert (ROOT / told).exists() or told.startswith("reports/runs/"), told

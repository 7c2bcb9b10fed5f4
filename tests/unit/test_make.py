"""What `make` does with the stack and the audit: in which order, what it says, and how it ends."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from sandbox.cli import sandbox

ROOT = Path(__file__).resolve().parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Make a target in a folder, with nothing but these variables."""
    return subprocess.run(
        ["make", "--no-print-directory", "--file", str(ROOT / "Makefile"), *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Engine:
    """A stand-in for Compose that notes what `make` asks of it, and with which environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "compose"
        self.verdict = 0
        self.client = folder / "client"
        (self.client / "lib64").mkdir(parents=True)
        (self.client / "lib64" / "libmqm_r.so").touch()

    def make(self, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Make a target on it."""
        self.program.write_text(
            '#!/bin/sh\necho "$*" >> asked\nenv > environment\n'
            f'case "$*" in *" wait "*) exit {self.verdict};; esac\n'
        )
        self.program.chmod(0o755)
        (self.folder / "asked").unlink(missing_ok=True)
        return make(self.folder, target, **{"COMPOSE": str(self.program), **environment})

    @property
    def asked(self) -> list[str]:
        """What Compose was asked for, less the profiles."""
        lines = (self.folder / "asked").read_text().splitlines()
        return [re.sub(r"--profile \S+ ", "", line) for line in lines]

    def given(self, variable: str) -> str:
        """An environment variable that Compose was given."""
        text = (self.folder / "environment").read_text()
        return re.search(rf"^{variable}=(.*)$", text, re.M)[1]


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


def test_the_pipeline_is_validated_on_a_healthy_stack_and_judged_twice(engine):
    """Up and healthy, the run, its exit code, its log, and judged again; a bad verdict fails it."""
    assert engine.make("validate-pipeline", MQ_LICENSE="accept").returncode == 0
    order = ["version", "up --build --detach --wait", "up --detach --force-recreate master worker"]
    order += ["wait master", "logs --no-log-prefix master"]
    order += ["run --rm --no-deps master paystorm reconcile /runs/smoke/latest"]
    assert engine.asked == order
    engine.verdict = 20
    assert engine.make("validate-pipeline", MQ_LICENSE="accept").returncode == 2
    assert engine.asked == order[:-1]


def test_the_pipeline_goes_over_every_broker_that_can_be_reached(engine):
    """IBM MQ only where its client is there; sandbox and workers then reach it as the code does."""
    engine.make("validate-pipeline", MQ_LICENSE="accept")
    assert engine.given("CHANNELS") == "http=60,kafka=40"
    assert "mq" not in engine.given("SANDBOX_OPTIONS")
    there = {"MQ_CLIENT": str(engine.client), "MQ_PASSWORD": "secret", "MQ_QMGR": "QM7"}
    assert engine.make("validate-pipeline", MQ_LICENSE="accept", **there).returncode == 0
    assert engine.given("CHANNELS") == "http=40,kafka=30,mq=30"
    options = shlex.split(engine.given("SANDBOX_OPTIONS"))
    assert "--mq-qmgr=QM7" in options
    assert {word.partition("=")[0] for word in options} <= {
        text for each in sandbox.params for text in each.opts
    }
    library = SERVICES["master"]["environment"]["MQ_LIBRARY"]
    assert f"--mq-library={library}" in options


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"COMPOSE": "no-such-engine"}, "There is no 'no-such-engine' here: install a container"),
        ({"MQ_LICENSE": ""}, "read them, then set MQ_LICENSE=accept"),
        ({"MQ_CLIENT": "/no/such"}, "MQ_CLIENT=/no/such has no lib64/libmqm_r.so: name the"),
        ({"MQ_CLIENT": "CLIENT"}, "MQ_PASSWORD is not set: choose the one"),
    ],
)
@pytest.mark.parametrize("target", ["stack-up", "validate-pipeline"])
def test_what_the_stack_lacks_is_said_before_anything_is_built(engine, target, environment, said):
    """In one line, which says what to do."""
    given = {**environment}
    if given.get("MQ_CLIENT") == "CLIENT":
        given["MQ_CLIENT"] = str(engine.client)
    done = engine.make(target, **{"MQ_LICENSE": "accept", **given})
    assert done.returncode == 2
    assert said in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "output", "error", "said"),
    [
        (0, "No known vulnerabilities found", None, "No known vulnerabilities found\n"),
        (1, "Found 1 known vulnerability in 1 package\nurllib3 2.0 X-1", 1, "urllib3 2.0 X-1\n"),
        (1, "Found 2 known vulnerabilities in 1 package", 1, "Found 2 known vulnerabilities"),
        (
            1,
            "Traceback (most recent call last):\nSSLError: no",
            3,
            "SSLError: no\n== audit: whether",
        ),
        (1, "ERROR: six: Dependency not found", 3, "not found\n== audit: whether anything is"),
    ],
)
def test_an_audit_that_could_not_ask_is_told_from_one_that_found(
    tmp_path, code, output, error, said
):
    """What is vulnerable is error 1, what nobody knows error 3, in a line and not a traceback."""
    program = tmp_path / "venv/audit/bin/pip-audit"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\nexit {code}\n")
    program.chmod(0o755)
    for name in (".python", ".audit"):
        (tmp_path / "venv" / name).touch()
    done = make(tmp_path, "audit", "VENV=venv")
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert done.returncode == (2 if error else 0)
    assert not error or done.stderr.rstrip().endswith(f"audit] Error {error}")

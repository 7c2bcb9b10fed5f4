"""Image and stack: in order by their schema, safe, and true to the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from locustfiles.channels.mq_settings import from_environment
from locustfiles.channels.origin import Origin
from locustfiles.options import OPTIONS
from locustfiles.plan_parts.allowed import Address, hosts_in, refused
from sandbox.cli import sandbox
from sandbox.mq_options import PASSWORD_VARIABLE
from tests.locust_options import flags_and_variables
from tests.unit.test_mq_definitions import Asked

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
STACK = yaml.safe_load(COMPOSE.read_text())
SERVICES = STACK["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("paystorm")}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def interpolated(text) -> str:
    """Return a text with the defaults of the variables that Compose puts in."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    """Check a file against the schema of the Compose specification."""
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_stack_is_in_order_by_the_schema_of_compose(tmp_path):
    """Compose knows each field; one that is misspelt is told."""
    assert checked(COMPOSE).returncode == 0, checked(COMPOSE).stdout
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:", 1))
    assert "healthchek" in checked(wrong).stdout


@every_service
def test_every_service_is_bounded_watched_and_optional(service):
    """It has limits and a health check, and starts only where its profile is asked for."""
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["healthcheck"]["interval"]
    assert service["profiles"]


@every_service
def test_everything_is_published_on_loopback_only(service):
    """Nobody else on the network reaches a service, and nobody at all the master's own port."""
    for port in map(interpolated, service.get("ports", [])):
        assert port.startswith("127.0.0.1:"), port
        assert not port.endswith(":5557"), "Locust's port is neither encrypted nor authenticated"


@every_service
def test_images_have_a_version(service):
    """What runs today runs tomorrow."""
    tag = interpolated(service["image"]).rpartition(":")[2]
    assert tag == "local" or re.search(r"\d+\.\d+", tag), service["image"]


@every_service
def test_a_service_starts_when_what_it_needs_is_healthy(service):
    """Started is not ready. What belongs to another profile is waited for only where it is."""
    for name, how in service.get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert "healthcheck" in SERVICES[name]
        same_profile = set(SERVICES[name]["profiles"]) <= set(service["profiles"])
        assert how.get("required", True) is same_profile, name


@every_service
def test_files_that_are_mounted_are_there(service):
    """A missing file would be made as an empty folder."""
    for volume in map(interpolated, service.get("volumes", [])):
        source = volume.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).is_file(), source
            assert volume.endswith(":ro")
        else:
            assert source in STACK["volumes"]


def test_the_start_order_is_platform_master_workers():
    """Brokers, then the platform, then the master, then the workers."""
    order = {name: set(one.get("depends_on", {})) for name, one in SERVICES.items()}
    assert {"kafka", "mq"} <= order["sandbox"]
    assert "sandbox" in order["toxiproxy"] & order["master"]
    assert order["worker"] == {"master"}


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_our_own_processes_may_do_nothing_special(service):
    """No privileges, no capabilities, and a root that cannot be written to."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"] == "."


def test_commands_and_environment_are_those_of_the_code():
    """Each argument is an option of its program, and each variable is read by somebody."""
    flags, variables = flags_and_variables()
    options = {
        "locust": flags | {option.flag for option in OPTIONS},
        "paystorm": {text for each in sandbox.params for text in each.opts},
    }
    known = variables | {option.env_var for option in OPTIONS} | {PASSWORD_VARIABLE, "MQ_PASSWORD"}
    known |= Asked.by(from_environment)
    for service in OURS.values():
        command = service["command"]
        words = shlex.split(interpolated(command)) if isinstance(command, str) else command
        program, *arguments = map(interpolated, words)
        given = [word.partition("=")[0] for word in arguments if word.startswith("--")]
        assert set(given) <= options[program]
        assert set(service.get("environment", {})) <= known
    master = SERVICES["master"]
    assert (
        f"--master-bind-port={master['environment']['LOCUST_MASTER_NODE_PORT']}"
        in master["command"]
    )
    assert master["environment"]["LOCUST_MASTER_NODE_HOST"] == "master"
    assert interpolated(master["environment"]["LOCUST_HOST"]) == "http://sandbox:8080"


def test_commands_may_go_where_the_stack_has_them_go():
    """A run that its own allow-list refuses would never begin: not by itself, nor by `make`."""
    settings = SERVICES["master"]["environment"]
    allow = hosts_in([interpolated(settings["PAYSTORM_ALLOW"])])
    origin = Origin.parse(interpolated(settings["LOCUST_HOST"]))
    mq = from_environment(settings)["hosts"][0].partition("(")[0]
    (broker,) = re.findall(r"PAYSTORM_SET \?= kafka\.bootstrap=([a-z]+):9092\n", MAKEFILE)
    assert broker in SERVICES
    assert f"--kafka-at={broker}:9092\n" in MAKEFILE
    assert not refused([Address(origin.host, origin.port, ""), Address(broker, 9092, "")], allow)
    assert not refused([Address("toxiproxy", 8080, ""), Address(mq, 1414, "")], allow)


def test_the_start_waits_for_as_many_workers_as_there_are():
    """The barrier and the number of workers are one variable."""
    replicas = SERVICES["worker"]["deploy"]["replicas"]
    assert f"--expect-workers={replicas}" in SERVICES["master"]["command"]


def test_the_image_is_small_pinned_and_not_root():
    """Built apart from what runs; versions from the constraints file; nobody is root."""
    assert DOCKERFILE.count("\nFROM ") + DOCKERFILE.startswith("FROM ") == 2
    assert "USER 10001:10001" in DOCKERFILE
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert len(installs) == 2
    assert "--constraint constraints.txt" in installs[0]
    assert "--no-deps" in installs[1]


def test_the_image_has_all_packages_and_the_locustfile_where_it_says():
    """What pyproject.toml names is copied in, and not kept out by .dockerignore."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    for package in project["tool"]["setuptools"]["packages"]:
        top = package.partition(".")[0]
        assert f"COPY {top} {top}\n" in DOCKERFILE
        assert any(fnmatch(top, pattern) for pattern in kept), top
        # While dependencies are installed there are only empty folders, which must all be there.
        assert re.search(rf"mkdir .*\b{package.replace('.', '/')}\b", DOCKERFILE), package
    python = re.search(r"FROM python:(\d+\.\d+)-slim\n", DOCKERFILE)
    locustfile = re.search(
        r"LOCUST_LOCUSTFILE=/opt/paystorm/lib/python([\d.]+)/site-packages/(\S+)", DOCKERFILE
    )
    assert python[1] == locustfile[1]
    assert (ROOT / locustfile[2]).is_file()
    variables = set(re.findall(r"^\s+(?:ENV )?((?:PAYSTORM|LOCUST)_\w+)=", DOCKERFILE, re.M))
    assert variables <= flags_and_variables()[1] | {option.env_var for option in OPTIONS}


def test_the_make_targets_use_profiles_that_there_are():
    """`make stack-up` and its kin name profiles and services of the stack."""
    profiles = {profile for one in SERVICES.values() for profile in one["profiles"]}
    assert {"sandbox", "brokers", "toxiproxy", "observability", "run"} <= profiles
    assert set(re.findall(r"--profile ([a-z]+)", MAKEFILE)) <= profiles
    for target in ("stack-up", "stack-down", "validate-pipeline"):
        assert re.search(rf"^{target}:", MAKEFILE, re.M)

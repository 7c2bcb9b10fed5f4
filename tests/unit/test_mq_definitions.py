"""What is defined for IBM MQ, in MQSC and for compose, is what the code uses; and docs/mq.md is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from locustfiles.channels.mq_reasons import REASONS
from locustfiles.channels.mq_settings import MqSettings, from_environment
from locustfiles.plans import load_plan
from sandbox import mq_front
from sandbox.cli import sandbox
from sandbox.mq_options import _BACKOUT_THRESHOLD, PASSWORD_VARIABLE
from sandbox.queue_manager import DEAD_LETTER_QUEUE

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/mq.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DEFAULTS = MqSettings.model_validate({})


def statements(text):
    """Return MQSC commands, each as (its words up to the first parameter, parameters)."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("*")]
    joined = re.sub(r"\s*\+\n\s*", " ", "\n".join(lines))
    found = []
    for statement in joined.splitlines():
        parameters = dict(re.findall(r"([A-Z]+)\('?([^')]*)'?\)", statement))
        words = re.sub(r"\([^)]*\)", "", statement).split()
        found.append((" ".join(words[:2]), parameters))
    return found


MQSC = statements((ROOT / "docker/mq/paystorm.mqsc").read_text())


def defined(what):
    return [parameters for words, parameters in MQSC if words == what]


def test_the_queues_are_those_that_a_run_uses():
    """And the sandbox's: a command is put aside as often as there."""
    queues = {parameters["QLOCAL"]: parameters for parameters in defined("DEFINE QLOCAL")}
    assert list(queues) == [
        DEFAULTS.backout_queue,
        DEFAULTS.command_queue,
        DEFAULTS.reply_queue,
    ], "the backout queue first: the command queue names it"
    assert queues.keys() == {
        mq_front.BACKOUT_QUEUE,
        mq_front.COMMAND_QUEUE,
        mq_front.REPLY_QUEUE,
    }
    commands = queues[DEFAULTS.command_queue]
    assert commands["BOQNAME"] == DEFAULTS.backout_queue
    assert int(commands["BOTHRESH"]) == _BACKOUT_THRESHOLD
    for name in (DEFAULTS.command_queue, DEFAULTS.reply_queue):
        assert queues[name]["DEFSOPT"] == "SHARED"


def test_the_channel_asks_for_a_password():
    """Nobody comes in without one."""
    [channel] = defined("DEFINE CHANNEL")
    assert (channel["CHANNEL"], channel["CHLTYPE"]) == (DEFAULTS.channel, "SVRCONN")
    [rule] = defined("SET CHLAUTH")
    assert (rule["CHLAUTH"], rule["CHCKCLNT"]) == (DEFAULTS.channel, "REQUIRED")


def test_every_queue_has_its_authorities():
    """What a run does, and what the platform does, and nothing for others."""
    granted = {one.get("PROFILE", ""): one["AUTHADD"].split(",") for one in defined("SET AUTHREC")}
    assert granted[""] == ["CONNECT", "INQ"]
    queues = (DEFAULTS.command_queue, DEFAULTS.reply_queue, DEFAULTS.backout_queue)
    for queue in queues:
        assert {"PUT", "GET", "INQ", "BROWSE"} == set(granted[queue])
    assert granted[DEAD_LETTER_QUEUE] == ["PUT"]
    ours = {*queues, DEFAULTS.reply_model, "PAYSTORM.**"}
    assert granted.keys() == {"", *ours, DEAD_LETTER_QUEUE}
    assert {one["PRINCIPAL"] for one in defined("SET AUTHREC")} == {"app"}


def test_the_compose_service_is_the_one_that_a_run_expects():
    """Asked for by its profile, on loopback, with the definitions and no password of its own."""
    service = COMPOSE["services"]["mq"]
    assert service["profiles"] == ["brokers"]
    assert service["ports"] == ["127.0.0.1:${MQ_PORT:-1414}:1414"]
    environment = service["environment"]
    assert environment["MQ_QMGR_NAME"] == f"${{MQ_QMGR:-{DEFAULTS.queue_manager}}}"
    assert environment["MQ_APP_PASSWORD"] == "${MQ_PASSWORD:-}"
    assert environment["LICENSE"] == "${MQ_LICENSE:-view}"
    assert service["image"].startswith("${MQ_IMAGE:-")
    mounted = [volume.split(":")[0] for volume in service["volumes"] if volume.startswith("./")]
    assert mounted == ["./docker/mq/paystorm.mqsc"]
    assert all((ROOT / path).is_file() for path in mounted)


def test_whoever_sends_and_reads_in_the_stack_is_let_in():
    """As the user and with the password that the queue manager is given, to its name and its port."""
    services = COMPOSE["services"]
    queues = services["mq"]["environment"]
    [principal] = {one["PRINCIPAL"] for one in defined("SET AUTHREC")}
    [(channel, to)] = [(one["CHANNEL"], one["MCAUSER"]) for one in defined("DEFINE CHANNEL")]
    assert services["mq"]["healthcheck"]["test"] == ["CMD", "chkmqready"]
    assert to == principal
    for name in ("master", "worker"):
        settings = services[name]["environment"]
        sends = from_environment(settings)
        assert sends["hosts"] == ("mq(1414)",)
        assert (sends["user"], settings["MQ_PASSWORD"]) == (principal, queues["MQ_APP_PASSWORD"])
        assert sends["queue_manager"] == queues["MQ_QMGR_NAME"]
        assert sends["library"] == "/opt/mqm/lib64/libmqm_r.so"
        assert {"channel", "binding"}.isdisjoint(sends)
    assert DEFAULTS.channel == channel
    reads = services["sandbox"]["environment"]
    assert reads == {PASSWORD_VARIABLE: queues["MQ_APP_PASSWORD"]}
    options = re.search(r"'--mq-at=(\S+)' --mq-user=(\w+)", MAKEFILE).groups()
    assert options == ("mq(1414)", principal)
    [default] = [option.default for option in sandbox.params if option.name == "mq_channel"]
    assert default == channel


class Asked(dict[str, str]):
    """An environment that notes what it is asked for."""

    def get(self, name, default=None):
        self[name] = "1"
        return self[name]

    @classmethod
    def by(cls, reader):
        """Return the names of the variables that a function reads."""
        asked = cls()
        reader(asked)
        return set(asked)


def test_every_variable_that_is_read_is_in_the_guide():
    """With the setting that it stands for; the settings themselves are in the reference."""
    environment = Asked()
    found = from_environment(environment)
    rows = re.findall(r"^\| ((?:`MQ_\w+`(?:, )?)+) \|([^|]*)\|", GUIDE, re.M)
    told = {name: text for names, text in rows for name in re.findall(r"`(\w+)`", names)}
    assert told.keys() == {*environment, "MQ_PASSWORD"}
    for setting in found:
        assert any(f"`{setting}`" in text or f"`{setting} =" in text for text in told.values())


@pytest.mark.parametrize("plan", re.findall(r"```toml\n(.*?)```", GUIDE, re.S))
def test_the_guides_tables_can_be_used_as_they_stand(plan, tmp_path):
    """In a plan."""
    file = tmp_path / "plan.toml"
    phase = '\n[phases.accounts]\nsends = ["account"]\nrate_per_s = 1\n'
    file.write_text(f'name = "shown"\n{plan}{phase}')
    assert load_plan(str(file)).mq.hosts


def test_the_guides_reason_codes_are_the_programs():
    """Name and advice, to the letter."""
    rows = re.findall(r"^\| (\d{4}) `(\w+)` \| (.*) \|$", GUIDE, re.M)
    assert len(rows) > 10
    for reason, name, advice in rows:
        assert REASONS[int(reason)] == (name, advice)

"""What a pool holds, and each of its commands explained, by its place or by any of its ids."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from e2e_data.cli import pool as group
from e2e_data.commands import Channel, Kind, Label, Outcome
from e2e_data.config import load
from e2e_data.explain import amount_text
from e2e_data.ids import REPLAY_ATTEMPT, Correlation, Ids
from e2e_data.platform import Platform, Sending
from e2e_data.pool import Pool
from reports.rundir import RunDirectory, RunRecord
from tests.times import EPOCH_UTC_NS

IDS = Ids(bytes(range(16)), 2**63 + 5)
CONFIG = load(
    "small",
    {
        "accounts": 60,
        "accounts_per_shard": 30,
        "fx_percentage": 40,
        "regions": ["north", "south"],
        "hot_account_share": 5,
        "hot_payment_share": 30,
        "boundary_percentage": 10,
        "pattern_percentage": 30,
        "hostile_percentage": 20,
    },
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    target = tmp_path_factory.mktemp("pools") / "pool"
    Pool.generate(CONFIG, 7, target, jobs=1)
    return target


@pytest.fixture(scope="module")
def pool(directory):
    return Pool.open(directory)


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory, pool):
    """A run of that pool: its record, and the manifest alone."""
    directory = RunDirectory.create(tmp_path_factory.mktemp("runs"), "plan")
    record = RunRecord(
        run_id=directory.name,
        plan_name="plan",
        plan={},
        phases=(),
        completion_deadline_s=30,
        key=IDS.key.hex(),
        nonce=IDS.nonce,
        host="http://127.0.0.1",
        embedded_sandbox=True,
        versions={},
        epoch_utc_ns=EPOCH_UTC_NS,
    )
    directory.write_record(record)
    pool.manifest.write(directory.pool / "manifest.json")
    return directory


def show(directory, *arguments):
    return CliRunner().invoke(group, ["show", str(directory), *map(str, arguments)])


def told(directory, *arguments):
    """Return what is told of a command, by the names of the lines."""
    done = show(directory, "--command", *arguments)
    assert done.exit_code == 0, done.output
    title, *lines = done.output.splitlines()
    return {"title": title, **{line[2:14].strip(): line[15:] for line in lines}}


def refused(directory, *arguments):
    done = show(directory, "--command", *arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    return done.stderr


def some(pool, wanted):
    """Return the first command of the pool for which `wanted` is true."""
    every = (shard.command(index) for shard in pool.shards() for index in range(len(shard)))
    return next(command for command in every if wanted(command))


def correlation(command, ids=IDS, **changes):
    fields = {
        "tag": ids.tag,
        "lap": 2,
        "shard": command.shard,
        "index": command.index,
        "attempt": 3,
        "kind": command.kind,
        "channel": Channel.MQ,
        "expected": command.expected,
        "phase": 1,
        "intended_us": 1_500_000,
    }
    return Correlation(**{**fields, **changes}).pack().hex()


def test_the_pool(directory):
    """Knobs that are set show: what is particular, how often, and the regions."""
    done = show(directory)
    assert done.exit_code == 0
    for words in (
        "racing replay",
        "velocity",
        "payments of hot accounts",
        "north",
        "to another region",
    ):
        assert words in done.output


def test_a_plain_pool_has_nothing_particular(tmp_path):
    """Without any knob there are neither labels nor regions to show."""
    Pool.generate(load("smoke"), 7, tmp_path, jobs=1)
    done = show(tmp_path)
    assert "expected rejections" in done.output
    assert "particular" not in done.output
    assert "Regions" not in done.output


def test_a_payment(directory, pool):
    """A payment is told with its account, amount, band, exchange, right outcomes, why, and body."""
    command = some(
        pool,
        lambda one: (
            one.label is Label.NONE
            and one.account.limit_based
            and one.credit_currency != one.account.currency
            and one.expected == Outcome.REJECTED
        ),
    )
    account, other = command.account, command.credit_currency
    lines = told(directory, f"{command.shard}:{command.index}")
    assert lines["title"] == f"payment {command.shard}:{command.index}"
    assert lines["account"].startswith(f"{account.shard}:{account.number}, {account.currency}, ")
    assert (
        f"limit-based, transit {account.transit_number}, region {account.region}"
        in (lines["account"])
    )
    assert lines["opens with"] == amount_text(account.opening_balance_minor, account.currency)
    assert lines["limits"].count(account.currency) == 5
    assert lines["amount"] == amount_text(command.amount_minor, account.currency)
    share = 100 * command.amount_minor / account.limits_minor[1]
    assert lines["band"].startswith(f"{share:,.2f} % of the HOUR limit: in the band from ")
    rate = CONFIG.rates[f"{account.currency}/{other}"]
    assert lines["exchange"] == (
        f"credits {amount_text(command.credit_minor, other)}, at {rate} {account.currency}/{other}"
    )
    assert lines["expected"] == "rejected"
    limit = amount_text(account.limits_minor[0], account.currency)
    assert f"above the account's MINUTE limit of {limit}" in lines["because"]
    assert lines["request"] == "POST /api/payments"
    assert json.loads(lines["body"])["debitAccountId"] == "<account id>"
    assert (
        f"{command.shard}:{command.index}" in lines["its payments"]
        or "more" in (lines["its payments"])
    )
    assert "settled" in lines["its funding"]


@pytest.mark.parametrize("kind", [Kind.ACCOUNT, Kind.OPENING_CREDIT, Kind.FUNDING])
def test_other_kinds(directory, pool, kind):
    """What is no payment has neither band nor beneficiary, and can only be settled."""
    command = some(pool, lambda one: one.kind is kind)
    lines = told(directory, f"{command.shard}:{command.index}")
    assert lines["title"].startswith(kind.label)
    assert lines["expected"] == "settled"
    assert lines.keys().isdisjoint({"band", "to", "value date", "exchange", "label"})
    assert ("amount" in lines) == (kind is not Kind.ACCOUNT)


@pytest.mark.parametrize("label", [label for label in Label if label is not Label.NONE])
def test_labels(directory, pool, label):
    """A command's label is named; of a replay what it repeats, and that is what is sent."""
    command = some(pool, lambda one: one.label is label)
    lines = told(directory, f"{command.shard}:{command.index}")
    assert lines["label"] == label.text
    if label.is_replay:
        original = told(directory, f"{command.shard}:{command.original}")
        assert lines["repeats"] == f"{command.shard}:{command.original}"
        assert (lines["body"], lines["amount"]) == (original["body"], original["amount"])
    elif label.is_hostile:
        assert lines["because"].startswith(f"hostile: {label.text}")
        assert "and hostile" in lines


def test_outcomes_by_channel(directory, pool):
    """Where channels answer otherwise, the right outcomes are told for each."""
    command = some(pool, lambda one: one.label is Label.MALFORMED)
    assert told(directory, f"{command.shard}:{command.index}")["expected"] == (
        "invalid over HTTP, dead-lettered over MQ and KAFKA"
    )


def test_an_unknown_account_is_not_made_up(directory, pool):
    """Without a run nobody knows which id it would be."""
    command = some(pool, lambda one: one.label is Label.UNKNOWN_ACCOUNT)
    body = told(directory, f"{command.shard}:{command.index}")["body"]
    assert '"debitAccountId":"<an account id that nobody has>"' in body


def test_by_the_ids_of_a_run(run_directory, pool):
    """In a run's pool its ids are understood at once, and the body is what was sent."""
    command = some(pool, lambda one: one.kind is Kind.PAYMENT and one.label is Label.NONE)
    command_id = IDS.command_ids(2, command.shard, [command.index])[0]
    customer_id = IDS.customer_ids(2, command.shard, [command.account.number])[0]
    lines = told(run_directory.pool, command_id)
    assert lines["title"] == f"payment {command.shard}:{command.index}"
    assert (lines["command id"], lines["customer id"]) == (command_id, customer_id)
    day = f"2026-11-{20 + command.value_day}"
    sending = Sending(command, command_id, customer_id, "", "<account id>", day)
    assert lines["body"] == Platform().body(sending)
    assert told(run_directory.pool, command_id.upper()) == lines


def test_by_a_customer(run_directory, pool):
    """A customer's id names the account, which is told with what happens to it."""
    shown = told(run_directory.pool, IDS.customer_ids(0, 1, [4])[0])
    assert shown["title"] == "account 4 of shard 1"
    assert "its payments" in shown
    assert "body" not in shown


def test_by_a_correlation_id(directory, run_directory, pool):
    """A correlation id tells of its attempt too, and needs no key to be read."""
    command = some(pool, lambda one: one.kind is Kind.FUNDING)
    for where in (directory, run_directory.pool):
        lines = told(where, correlation(command))
        assert lines["title"] == f"funding {command.shard}:{command.index}"
        assert lines["attempt"] == (
            "3 in lap 2, over MQ, in phase 1, intended 1.500000 s after the run's epoch "
            f"(run tag {IDS.tag:08x})"
        )


def test_a_replay_by_its_correlation_id(directory, pool):
    """A replay goes out under its original's ids; its correlation id says that it was one."""
    command = some(pool, lambda one: one.kind is Kind.PAYMENT)
    lines = told(directory, correlation(command, attempt=REPLAY_ATTEMPT + 1))
    assert lines["title"] == f"payment {command.shard}:{command.index}"
    assert lines["attempt"].startswith("1 of a replay of it in lap 2, over MQ")


def test_with_a_file_of_ids(directory, tmp_path):
    """A file with key and nonce serves as well; without a date the day is told from the first."""
    file = tmp_path / "ids.json"
    file.write_text(json.dumps({"key": IDS.key.hex(), "nonce": IDS.nonce, "more": 1}))
    command_id = IDS.command_ids(0, 1, [100])[0]
    lines = told(directory, command_id, "--ids", file)
    assert lines["command id"] == command_id
    assert re.search("<the run's first day|^{", lines["body"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "is no id; give SHARD:INDEX such as 3:97"),
        ("", "is no id"),
        ("1:2:3", "is no id"),
        ("-1:3", "is no id"),
        ("2:0", "names shard 2, but the pool has shards 0 to 1"),
        ("0:999999999", "names command 999999999 of shard 0, which has commands 0 to "),
        ("6f9619ff-8b86-4011-b42d-00c04fc964ff", "give --ids with that run's run.json"),
        ("0" * 48, "its check sum is wrong; copy all of it"),
        ("0" * 47, "is no id"),
    ],
)
def test_what_names_nothing(directory, text, words):
    """What is no id of the pool is refused with what is wrong with it and what to do."""
    assert words in refused(directory, text)


def test_ids_of_others(run_directory, directory, pool):
    """Ids of another run or pool are told to be that, never explained as one's own."""
    command = some(pool, lambda one: one.kind is Kind.PAYMENT)
    other = Ids(bytes(16), 7)
    assert "is foreign" in refused(run_directory.pool, other.command_ids(0, 0, [0])[0])
    assert "is foreign" in refused(run_directory.pool, uuid4())
    assert "is of another run" in refused(run_directory.pool, correlation(command, other))
    beyond = IDS.customer_ids(0, 0, [30])[0]
    assert "names account 30 of shard 0, which has accounts 0 to 29" in (
        refused(run_directory.pool, beyond)
    )
    changed = refused(directory, correlation(command, kind=Kind.ACCOUNT))
    assert (
        f"is of another pool: in that {command.shard}:{command.index} is of the kind account"
        in (changed)
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not JSON"),
        ("[]", "ids.json: "),
        ('{"key": "00"}', "nonce: "),
        ('{"key": "00", "nonce": 0}', "key = '00'"),
        (b"\xff", "is not JSON"),
    ],
)
def test_a_file_that_has_no_ids(directory, tmp_path, content, words):
    """A file without key and nonce is refused by its name, with everything that is wrong."""
    file = tmp_path / "ids.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refused(directory, uuid4(), "--ids", file)


def test_ids_without_a_command(directory, tmp_path):
    """A file of ids alone asks for nothing, which is said instead of ignored."""
    done = show(directory, "--ids", tmp_path / "ids.json")
    assert done.exit_code == 2
    assert "add --command ID" in done.stderr


GUIDE = (Path(__file__).parents[2] / "docs/pools.md").read_text(encoding="utf-8")


def test_the_explanation_in_the_readme(tmp_path):
    """What the guide shows of a command is what is printed; an ellipsis stands for the rest."""
    Pool.generate(load("small"), 7, tmp_path, jobs=1)
    shown = re.search(
        r"paystorm pool show pools/small --command (\S+)\n\n```\n(.*?)```", GUIDE, re.S
    )
    printed = show(tmp_path, "--command", shown[1]).output.splitlines()
    assert len(shown[2].splitlines()) > 10
    for line in shown[2].splitlines():
        begun = line.removesuffix("…")
        assert any(other.startswith(begun) for other in printed), line
        assert line != begun or line in printed


def test_the_configuration_in_the_readme(tmp_path):
    """The file that the guide shows is a configuration."""
    shown = re.search(r"A file:\n\n```toml\n(.*?)```", GUIDE, re.S)
    file = tmp_path / "shown.toml"
    file.write_text(shown[1], encoding="utf-8")
    assert load(file=file).accounts == 500

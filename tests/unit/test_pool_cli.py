"""The `pool` commands as people and pipelines use them."""

import pytest
from click.testing import CliRunner

from e2e_data.cli import pool
from e2e_data.generate import Interrupted
from e2e_data.pool import Pool


def run(*arguments):
    return CliRunner().invoke(pool, [str(argument) for argument in arguments])


@pytest.fixture
def directory(tmp_path):
    target = tmp_path / "pool"
    assert run("generate", "--preset", "smoke", "--seed", 7, "--out", target).exit_code == 0
    return target


def test_generate_and_keep(directory):
    """Generating again says that the pool was kept."""
    again = run("generate", "--seed", 7, "--out", directory)
    assert again.exit_code == 0
    assert "was kept" in again.output
    assert "expected rejections" in again.output


def test_options(tmp_path):
    """Every option reaches the configuration; one number is a range of one."""
    done = run(
        *("generate", "--out", tmp_path / "pool", "--accounts", 4, "--payments", "1-2"),
        *("--funding", 3, "--currencies", "USD, EUR", "--fx-percentage", 100, "--jobs", 1),
        *("--limit-based-percentage", 100),
    )
    assert done.exit_code == 0, done.output
    shown = run("show", tmp_path / "pool").output
    assert "4 accounts in 4 shards" in shown
    assert "CAD" not in shown
    assert "100.0 %" in shown


def test_every_problem_at_once(tmp_path):
    """Wrong options end with exit code 2, each told on a line, and nothing is written."""
    target = tmp_path / "pool"
    done = run("generate", "--out", target, "--payments", "9-3", "--accounts", 0)
    assert done.exit_code == 2
    assert done.stderr.count("paystorm: pool (smoke): ") == 2
    assert "Traceback" not in done.output
    assert not target.exists()


def test_interrupted(tmp_path, monkeypatch):
    """Ctrl-C ends with exit code 130, and with what is done and how to go on."""

    def stopped(*_, tell, **__):
        tell("going on after 1 of 10 shards")
        raise Interrupted("interrupted after 4 of 10 shards")

    monkeypatch.setattr(Pool, "generate", stopped)
    done = run("generate", "--out", tmp_path / "pool")
    assert done.exit_code == 130
    assert done.stderr.splitlines() == [
        "paystorm: going on after 1 of 10 shards",
        "paystorm: interrupted after 4 of 10 shards",
    ]


@pytest.mark.parametrize("text", ["ten", "1-x", "-", ""])
def test_bad_range(tmp_path, text):
    """A range that is none is refused with an example."""
    done = run("generate", "--out", tmp_path / "pool", "--payments", text)
    assert done.exit_code == 2
    assert "10-50 would be one" in done.output


def test_validate(directory):
    """A sound pool validates; what it is too small for is said."""
    done = run("validate", directory)
    assert done.exit_code == 0
    assert "valid; 138 commands" in done.output
    assert "note: too few cases " in done.output


def test_validate_a_changed_pool(directory):
    """Errors end with exit code 20 and are listed."""
    path = directory / "shard-00001.parquet"
    path.write_bytes((directory / "shard-00001.parquet").read_bytes()[::-1])
    done = run("validate", directory)
    assert done.exit_code == 20
    assert "every shard can be read: 1 time" in done.stderr


@pytest.mark.parametrize("command", ["validate", "show"])
def test_no_pool(tmp_path, command):
    """Without a pool the exit code is 2, with how to make one."""
    done = run(command, tmp_path)
    assert done.exit_code == 2
    assert "paystorm pool generate" in done.stderr


def test_show(directory):
    """The share of expected rejections is always shown."""
    done = run("show", directory)
    assert done.exit_code == 0
    assert "expected rejections, of limit-based accounts' payments" in done.output
    for word in ("opening credit", "JPY", "HOUR limit", "known beforehand"):
        assert word in done.output


def test_help():
    """Every option and command has a help text."""
    for command in pool.commands.values():
        assert command.help
        for option in command.params:
            assert option.param_type_name == "argument" or option.help

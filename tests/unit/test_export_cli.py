"""`paystorm pool export`: what it says, and how it ends."""

from __future__ import annotations

import errno
import os
import signal

import orjson
import pytest
from click.testing import CliRunner

from e2e_data import export_cli
from e2e_data.cli import pool
from e2e_data.config import load
from e2e_data.export_cli import FORMATS, NEXT_STEPS
from e2e_data.exporters import export as exporting
from e2e_data.pool import Pool


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pool in a directory."""
    directory = tmp_path_factory.mktemp("pools") / "pool"
    Pool.generate(load("smoke", {"accounts": 5}), 3, directory)
    return directory


def call(*arguments):
    """Run the command; return its result."""
    return CliRunner().invoke(pool, ["export", *map(str, arguments)])


def refused(*arguments):
    """Run the command with wrong use; return what it said."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize("form", FORMATS)
def test_a_pool_is_exported(form, made, tmp_path):
    """With its count, what can be done with the files, and how an id in them is explained."""
    out = tmp_path / form
    result = call(made, "--format", form, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"{out}: {len(Pool.open(made)):,} commands as {form}" in result.output
    assert NEXT_STEPS[form].format(out=out) in result.output
    assert f"paystorm pool show {made} --ids {out}/ids.json --command ID" in result.output
    assert len(list(out.iterdir())) > 4
    for script in out.glob("*.sh"):
        assert script.stat().st_mode & 0o777 == 0o755


def test_an_exported_id_is_explained(made, tmp_path):
    """`pool show` finds the command of an id in the files, with the dates that they have."""
    call(made, "--format", "csv", "--out", tmp_path / "out", "--first-day", "2031-12-30")
    row = (tmp_path / "out" / "payments.csv").read_text().splitlines()[1].split(",")
    told = CliRunner().invoke(
        pool,
        ["show", str(made), "--ids", str(tmp_path / "out" / "ids.json"), "--command", row[0]],
    )
    assert told.exit_code == 0, told.output
    assert f"payment {row[1]}:{row[2]}" in told.output
    assert f'"valueDate":"{row[9]}"' in told.output
    assert row[9] >= "2031-12-30"


def test_addresses_and_names_are_the_options(made, tmp_path):
    """Vegeta's host without its last slash, and the queue or topic that is to be answered to."""
    call(made, "--format", "vegeta", "--out", tmp_path / "v", "--host", "https://bank.example/")
    line = (tmp_path / "v" / "01-accounts.json").read_text().splitlines()[0]
    assert orjson.loads(line)["url"] == "https://bank.example/api/accounts"
    for form, options, name in (
        ("mq", (), "REPLY.QUEUE"),
        ("kafka", (), "payments.events"),
        ("mq", ("--reply-to", "MY.QUEUE"), "MY.QUEUE"),
    ):
        out = tmp_path / name
        call(made, "--format", form, "--out", out, *options)
        (file,) = out.glob("all-messages.*")
        assert file.read_text().count(f'"replyTo":"{name}"') == len(Pool.open(made))


def test_an_adapter_of_ones_own_is_used(made, tmp_path):
    """Its requests are exported, whatever they look like."""
    (tmp_path / "mine.py").write_text(
        "from e2e_data.platform import Platform\n"
        "class Mine(Platform):\n"
        "    def payload(self, sending):\n"
        "        return sending.command.kind.label\n"
    )
    spec = f"{tmp_path / 'mine.py'}:Mine"
    assert (
        call(made, "--format", "vegeta", "--out", tmp_path / "o", "--platform", spec).exit_code == 0
    )
    assert "\n\nopening credit\n\n" in (tmp_path / "o" / "02-opening-credits.txt").read_text()
    said = refused(made, "--format", "vegeta", "--out", tmp_path / "p", "--platform", "no.py:Mine")
    assert "--platform no.py:Mine" in said


@pytest.mark.parametrize("host", ["bank.example", "ftp://bank", "http://bank/api", "http://u@bank", "http://bank:x", "http://bank:0", "http://bank?a"])  # fmt: skip
def test_an_address_that_is_none_is_refused(host, made, tmp_path):
    """With what would be one."""
    said = refused(made, "--format", "vegeta", "--out", tmp_path / "out", "--host", host)
    assert f"--host {host}: give an address such as http://127.0.0.1:8080" in said


def test_addresses_of_regions_that_there_are_not_are_refused(made, tmp_path):
    """All at once: what is no region of the pool, and what is no address."""
    wrong = ("--region-host", "west=http://w", "--region-host", "ftp://n")
    said = refused(made, "--format", "vegeta", "--out", tmp_path / "out", *wrong)
    assert "--region-host west=http://w: 'west' is none of the pool's regions: it has none" in said
    assert "--region-host ftp://n: 'ftp://n' is none of the pool's regions" in said
    assert "--region-host ftp://n=: give an address such as http://127.0.0.1:8080" in said


def test_wrong_use_is_said_with_the_remedy(made, tmp_path):
    """A format or date that is none, a day too late, no pool, no room: nothing is written."""
    out = ("--out", tmp_path / "out")
    assert "'vegeta', 'mq', 'kafka', 'csv'" in refused(made, "--format", "xml", *out)
    assert "--format" in refused(made, *out)
    assert "--out" in refused(made, "--format", "csv")
    assert "'%Y-%m-%d'" in refused(made, "--format", "csv", *out, "--first-day", "tomorrow")
    late = refused(made, "--format", "csv", *out, "--first-day", "9999-12-31")
    assert "--first-day 9999-12-31: " in late
    assert "give an earlier day" in late
    nothing = refused(tmp_path / "none", "--format", "csv", *out)
    assert f"{tmp_path / 'none'}: there is no such directory" in nothing
    taken = refused(made, "--format", "csv", "--out", made)
    assert f"--out {made}: is not empty; choose another --out, or empty it" in taken
    assert not list(tmp_path.iterdir())


def test_a_changed_shard_is_not_exported(tmp_path):
    """A pool that is not what its manifest says would be reconciled in vain."""
    first, second = (tmp_path / name for name in ("first", "second"))
    Pool.generate(load("smoke", {"accounts": 5}), 3, first)
    Pool.generate(load("smoke", {"accounts": 5}), 4, second)
    shard = "shard-00000.parquet"
    (first / shard).write_bytes((second / shard).read_bytes())
    assert shard in refused(first, "--format", "csv", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing(made, tmp_path, monkeypatch):
    """The message has the remedy."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(exporting, "_append", full)
    said = refused(made, "--format", "csv", "--out", tmp_path / "out")
    assert (
        f"--out {tmp_path / 'out'}: cannot be written: No space left on device; make room" in said
    )
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request):
    """A signal with its usual meaning: a shell's background jobs are started without Ctrl-C's."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = signal.signal(request.param, usual[request.param])
    yield request.param
    signal.signal(request.param, before)


def test_an_interrupted_export_leaves_nothing(number, made, tmp_path, monkeypatch):
    """Ctrl-C, or being told to end: exit code 130, and the signal's own meaning is back after."""
    before = signal.getsignal(number)

    class Interrupting(export_cli.Bar):
        def __call__(self, steps, commands):
            assert list(tmp_path.iterdir()), "it should be in the middle of its work"
            os.kill(os.getpid(), number)

    monkeypatch.setattr(export_cli, "Bar", Interrupting)
    result = call(made, "--format", "vegeta", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "interrupted, nothing was written" in result.output
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(number) is before

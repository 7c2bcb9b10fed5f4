"""Scenario pools through the real command: stopped and resumed, full disks, damage, explanations."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import ENVIRONMENT, PAYSTORM, ROOT, Ended, finish, run, start

DEADLINE_S = 300
SHARDS = 400
LONG = f"accounts = {2 * SHARDS}\naccounts_per_shard = 2\n"
"""So many tiny shards are seconds of work, in which a signal surely comes in the middle."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a pool that takes some seconds."""
    file = tmp_path_factory.mktemp("config") / "long.toml"
    file.write_text(LONG)
    return file


@pytest.fixture(scope="module")
def undisturbed(config: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """That pool, made without any interruption, where nobody watches."""
    target = tmp_path_factory.mktemp("whole") / "pool"
    return assert_made(run(generating(config, target), FORCE_COLOR="1")), target


@pytest.fixture(scope="module")
def whole(undisturbed: tuple[Ended, Path]) -> dict[str, bytes]:
    """The files of that pool."""
    return contents(undisturbed[1])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "pool"


def generating(config: Path, target: Path, *options: str) -> list[str]:
    command = [*PAYSTORM, "pool", "generate", "--config", str(config), "--seed", "7"]
    return [*command, "--out", str(target), *options]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def in_the_middle(process: subprocess.Popen[str], target: Path, shards: int = 30) -> None:
    """Wait until some shards are finished; the log's first line is its header."""
    log = target.with_name(f".{target.name}.partial") / "generation.jsonl"
    end_s = time.monotonic() + DEADLINE_S
    while not log.exists() or log.read_bytes().count(b"\n") <= shards:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end_s, "no shards were finished"
        time.sleep(0.005)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c(config: Path, target: Path, whole: dict[str, bytes], jobs: str) -> None:
    """Ctrl-C says what is done and how to go on, leaves only whole files, and nothing is lost."""
    process = start(generating(config, target, "--jobs", jobs))
    in_the_middle(process, target)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == Exit.INTERRUPTED
    assert ended.err.startswith("paystorm: interrupted after ")
    assert f"of {SHARDS} shards" in ended.err
    assert "the same command goes on from there" in ended.err
    assert "Traceback" not in ended.err
    assert not target.exists()

    kept = contents(target.with_name(".pool.partial"))
    kept.pop("generation.jsonl")
    assert len(kept) >= 30
    assert kept.items() <= whole.items()
    assert "going on after " in assert_made(run(generating(config, target))).err
    assert contents(target) == whole


def test_kill(config: Path, target: Path, whole: dict[str, bytes]) -> None:
    """After kill -9 no process is left, there is no pool, and the same command goes on."""
    process = start(generating(config, target, "--jobs", "2"))
    in_the_middle(process, target)
    writers = psutil.Process(process.pid).children(recursive=True)
    assert len(writers) == 2
    process.kill()
    finish(process)
    _, alive = psutil.wait_procs(writers, timeout=DEADLINE_S)
    assert not alive
    assert not target.exists()
    assert "going on after " in assert_made(run(generating(config, target))).err
    assert contents(target) == whole
    assert [path.name for path in target.parent.iterdir()] == ["pool"]


def test_a_writing_process_is_killed(config: Path, target: Path) -> None:
    """Where one of its processes is killed, generating ends with a message, and can go on."""
    process = start(generating(config, target, "--jobs", "2"))
    in_the_middle(process, target)
    psutil.Process(process.pid).children(recursive=True)[0].kill()
    ended = finish(process)
    assert ended.code == Exit.WRONG_USE
    assert "a generating process ended early (killed for want of memory?) after " in ended.err
    assert "Traceback" not in ended.err
    assert "going on after " in assert_made(run(generating(config, target))).err


def test_two_at_once(config: Path, target: Path, whole: dict[str, bytes]) -> None:
    """Of two commands for one directory the second is refused, and does the first no harm."""
    first = start(generating(config, target))
    in_the_middle(first, target)
    first.send_signal(signal.SIGSTOP)
    second = run(generating(config, target))
    first.send_signal(signal.SIGCONT)
    assert second.code == Exit.WRONG_USE
    assert "another process is generating this pool; wait until it has ended" in second.err
    assert_made(finish(first))
    assert contents(target) == whole


def assert_made(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err
    assert "made in" in ended.out
    return ended


def limited(command: list[str], limit: str) -> subprocess.CompletedProcess[str]:
    """Run a command under a shell's limit, without coverage, whose files would be hit too."""
    return subprocess.run(
        ["bash", "-c", f'{limit} && exec "$@"', "bash", *command],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_files_that_cannot_grow(target: Path, jobs: str) -> None:
    """Where the system refuses a file's next byte, it is said why, and nothing is left."""
    command = [*PAYSTORM, "pool", "generate", "--preset", "medium", "--out", str(target)]
    done = limited([*command, "--jobs", jobs], "ulimit -f 8")
    assert done.returncode == Exit.WRONG_USE, done.stderr
    assert done.stderr == (
        f"paystorm: {target}: cannot be written: File too large; choose another --out; what was "
        "written is removed\n"
    )
    assert list(target.parent.iterdir()) == []


def test_full_disk(tmp_path: Path) -> None:
    """A disk that is full leaves nothing behind, and what is needed is told against what is free."""
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = f'mount -t tmpfs -o size=300k none "{tmp_path}"'
    if subprocess.run([*private, "bash", "-c", mount], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system of his own")
    command = [*PAYSTORM, "pool", "generate", "--preset", "medium", "--out", str(tmp_path / "pool")]
    told = f'{mount} && "$@"; code=$?; ls -A "{tmp_path}"; exit $code'
    done = subprocess.run(
        [*private, "bash", "-c", told, "bash", *command],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == Exit.WRONG_USE, done.stderr
    assert "No space left on device; the pool needs up to 1.4 MB, 0.3 MB are free" in done.stderr
    assert "what was written is removed" in done.stderr
    assert done.stdout == ""


@pytest.fixture
def smoke(target: Path) -> Path:
    """A small pool, finished."""
    assert_made(run([*PAYSTORM, "pool", "generate", "--seed", "7", "--out", str(target)]))
    return target


def test_a_changed_byte(smoke: Path) -> None:
    """One byte of a shard, changed in place: found, named, with the way to a sound pool."""
    shard = smoke / "shard-00004.parquet"
    sound = shard.read_bytes()
    for place in (4, len(sound) // 2, len(sound) - 10):
        shard.write_bytes(sound[:place] + bytes([sound[place] ^ 0x10]) + sound[place + 1 :])
        ended = run([*PAYSTORM, "pool", "validate", str(smoke)])
        assert ended.code == Exit.NOT_RIGHT
        assert str(shard) in ended.err or "shard 4 has" in ended.err
        ended = run([*PAYSTORM, "pool", "show", str(smoke), "--command", "4:5"])
        assert ended.code == Exit.WRONG_USE
        assert f"{shard}: was changed" in ended.err
        assert f"paystorm pool generate --seed 7 --out {smoke}" in ended.err


def test_a_manifest_without_its_shards(smoke: Path) -> None:
    """Each missing shard is named, a few of many, with the command that makes them again."""
    for shard in smoke.glob("shard-*"):
        shard.unlink()
    for command in ("validate", "show"):
        ended = run([*PAYSTORM, "pool", command, str(smoke)])
        assert ended.code == Exit.WRONG_USE
        assert "shard-00000.parquet: is missing" in ended.err
        assert f"paystorm pool generate --seed 7 --out {smoke}" in ended.err
        assert "Traceback" not in ended.err


CONTRADICTIONS = """
payments = [9, 3]
fx_percentage = 101
currencies = ["USD", "XYZ"]
account_types = { checking = 50 }
accounts = 0
"""


def test_contradictory_configuration(target: Path, tmp_path: Path) -> None:
    """Every contradiction is told at once, each on a line with its value, and nothing is made."""
    file = tmp_path / "wrong.toml"
    file.write_text(CONTRADICTIONS)
    ended = run(generating(file, target))
    assert ended.code == Exit.WRONG_USE
    lines = ended.err.splitlines()
    for setting in ("payments", "fx_percentage", "currencies", "account_types", "accounts = 0"):
        assert sum(f": {setting}" in line for line in lines) == 1, ended.err
    assert len(lines) == 5
    assert not target.exists()


def test_a_terminal_sees_how_far_it_is(target: Path) -> None:
    """On a terminal the rate and the time left are shown while it works."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PAYSTORM, "pool", "generate", "--accounts", "2000000", "--out", str(target)],
        cwd=ROOT,
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    while b"left" not in shown:
        assert select.select([ours], [], [], DEADLINE_S)[0], shown
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    while chunk := read(ours):
        shown += chunk
    assert finish(process).code == Exit.INTERRUPTED
    assert re.search(rb"generating .* [\d,]+ commands/s, \d+:\d\d:\d\d left", shown)
    assert b"paystorm: interrupted after " in shown


def read(terminal: int) -> bytes:
    """Read what is written to a terminal; nothing once its last writer has closed it."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody is left to write
        os.close(terminal)
        return b""


def test_no_terminal_sees_nothing(undisturbed: tuple[Ended, Path]) -> None:
    """Where nobody watches, nothing is drawn, even where colours are asked for."""
    assert undisturbed[0].err == ""

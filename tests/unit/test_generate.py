"""Generating a pool: all or nothing, going on where an earlier attempt was stopped, one at a time."""

import errno
import fcntl
import io
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from e2e_data import writer
from e2e_data.config import load
from e2e_data.generate import Interrupted, default_jobs, write_pool
from e2e_data.partial import LOG_NAME, locked
from e2e_data.pool import Pool
from e2e_data.problems import Problems

SMOKE = load("smoke")
SHARDS = SMOKE.shard_count


def stopping(after, error):
    """Return a progress that raises `error` when so many shards are done."""

    def progress(shards, commands):
        if shards == after:
            raise error

    return progress


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
def target(tmp_path):
    return tmp_path / "pool"


@pytest.fixture
def hidden(tmp_path):
    return tmp_path / ".pool.partial"


@pytest.fixture
def whole(tmp_path):
    """What the directory holds when nothing went wrong."""
    Pool.generate(SMOKE, 7, tmp_path / "whole", jobs=1)
    return contents(tmp_path / "whole")


def begun(target, shards=4, seed=7):
    """Generate, and be interrupted after so many shards."""
    progress = stopping(shards, KeyboardInterrupt())
    with pytest.raises(Interrupted) as stopped:
        Pool.generate(SMOKE, seed, target, jobs=1, progress=progress)
    return str(stopped.value)


def resumed(target, seed=7):
    """Generate to the end; return what was told, and the shards that were written."""
    told, steps = [], []
    Pool.generate(
        *(SMOKE, seed, target),
        jobs=1,
        tell=told.append,
        progress=lambda done, _: steps.append(done),
    )
    return told, steps


def test_interrupted(target, hidden):
    """Ctrl-C keeps the finished shards, nothing else, and says what to do with them."""
    told = begun(target)
    assert told == (
        f"interrupted after 4 of 10 shards, which are kept in {hidden}; the same command goes on "
        "from there, removing that directory cleans up"
    )
    assert sorted(path.name for path in hidden.iterdir()) == [
        LOG_NAME,
        *(f"shard-0000{number}.parquet" for number in range(4)),
    ]
    assert not target.exists()


def test_interrupted_at_once(target, hidden):
    """Where nothing is finished, nothing is left."""
    assert begun(target, shards=0) == "interrupted before anything was written"
    assert not hidden.exists()


def test_going_on(target, hidden, whole):
    """The same command makes what is missing, says so, and gives the identical pool."""
    begun(target)
    told, steps = resumed(target)
    assert told == ["going on after 4 of 10 shards"]
    assert steps == list(range(4, 11))
    assert contents(target) == whole
    assert not hidden.exists()


def test_going_on_with_nothing_left(target, whole):
    """All shards were there, only the manifest was not."""
    begun(target, shards=SHARDS)
    assert resumed(target)[0] == ["going on after 10 of 10 shards"]
    assert contents(target) == whole


@pytest.mark.parametrize("tail", [b'{"number": 4, "ent', b'{"number": 4}\n', b"\0" * 50])
def test_half_a_line(target, hidden, whole, tail):
    """What stands at the log's end and is no whole line is forgotten, as is what comes after."""
    begun(target)
    with (hidden / LOG_NAME).open("ab") as log:
        log.write(tail)
    assert resumed(target)[0] == ["going on after 4 of 10 shards"]
    assert contents(target) == whole


def test_a_line_without_its_end(target, hidden, whole):
    """A line may be whole but for its end: its shard is made again."""
    begun(target)
    log = hidden / LOG_NAME
    log.write_bytes(log.read_bytes()[:-1])
    assert resumed(target)[0] == ["going on after 3 of 10 shards"]
    assert contents(target) == whole


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(b"PAR1")])
def test_a_finished_shard_that_is_not_there(target, hidden, whole, damage):
    """The log alone is not believed: a shard whose file is missing or cut off is made again."""
    begun(target)
    damage(hidden / "shard-00002.parquet")
    assert resumed(target)[0] == ["going on after 3 of 10 shards"]
    assert contents(target) == whole


def test_half_written_files_go(target, hidden, whole):
    """What a killed process was writing is no part of the pool."""
    begun(target)
    (hidden / f"{writer.TEMPORARY}00004.12345").write_bytes(b"PAR1")
    resumed(target)
    assert contents(target) == whole


def test_another_pool_was_begun(target, hidden, whole):
    """What was begun for another seed is discarded, and that is said."""
    begun(target, seed=8)
    told, steps = resumed(target)
    assert told == [
        f"{hidden}: was begun with another configuration, seed or version; that is discarded"
    ]
    assert steps[0] == 0
    assert contents(target) == whole


def test_another_version_was_begun(target, hidden, whole):
    """What another version wrote may be something else, so it is discarded."""
    begun(target)
    log = hidden / LOG_NAME
    header, *lines = log.read_text().splitlines(keepends=True)
    log.write_text(json.dumps({**json.loads(header), "version": 1}) + "\n" + "".join(lines))
    assert "another configuration, seed or version" in resumed(target)[0][0]
    assert contents(target) == whole


def test_killed_before_the_header_was_whole(target, hidden, whole):
    """Half a header is as good as none."""
    begun(target)
    log = hidden / LOG_NAME
    log.write_bytes(log.read_bytes()[:20])
    assert resumed(target) == ([], list(range(11)))
    assert contents(target) == whole


def test_strangers_are_not_removed(target, hidden):
    """A directory of the same name that is not ours is refused and left alone."""
    hidden.mkdir()
    (hidden / "thesis.txt").write_text("x")
    with pytest.raises(Problems, match="something else than an unfinished pool"):
        Pool.generate(SMOKE, 7, target)
    assert contents(hidden) == {"thesis.txt": b"x"}


def test_one_at_a_time(target, hidden, monkeypatch):
    """While one process writes a pool, another is refused; the lock ends with its holder."""
    monkeypatch.setattr("e2e_data.partial.WAIT_S", 0)
    with locked(target), pytest.raises(Problems, match="another process is generating this pool"):
        Pool.generate(SMOKE, 7, target)
    assert len(Pool.generate(SMOKE, 7, target, jobs=1)) > 0


@pytest.mark.parametrize("again", [False, True])
def test_the_lock_of_a_finished_pool_is_worth_nothing(target, hidden, monkeypatch, again):
    """Whoever gets the lock when its directory has gone elsewhere tries again, in a new one."""
    real, calls = fcntl.flock, []

    def finished_meanwhile(log, flags):
        calls.append(flags)
        if len(calls) == 1:
            hidden.rename(hidden.with_name("finished"))
            if again:
                hidden.mkdir()
                (hidden / LOG_NAME).touch()
        real(log, flags)

    monkeypatch.setattr(fcntl, "flock", finished_meanwhile)
    Pool.generate(SMOKE, 7, target, jobs=1)
    assert len(calls) == 2
    assert list(hidden.with_name("finished").iterdir()) == [hidden.with_name("finished") / LOG_NAME]


def test_the_directory_goes_while_it_is_looked_at(target, hidden, monkeypatch):
    """Whoever finds that the directory has just been finished by another tries again."""
    real, calls = Path.iterdir, []

    def finished_meanwhile(path):
        if path == hidden and not calls:
            calls.append(path)
            path.rmdir()
        return real(path)

    monkeypatch.setattr(Path, "iterdir", finished_meanwhile)
    assert len(Pool.generate(SMOKE, 7, target, jobs=1)) > 0
    assert calls


def test_the_other_one_finishes_first(target, whole):
    """Who waited for the lock finds the finished pool and keeps it."""
    Pool.generate(SMOKE, 7, target, jobs=1)
    write_pool(SMOKE, 7, target, jobs=1, progress=stopping(0, AssertionError()))
    assert contents(target) == whole
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


def test_full_disk(target, hidden, monkeypatch):
    """A full disk leaves nothing, and what is needed is told against what is free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=700_000))
    full = stopping(3, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(Problems) as caught:
        Pool.generate(load("medium"), 7, target, jobs=1, progress=full)
    assert str(caught.value.problems[0]) == (
        f"{target}: cannot be written: No space left on device; the pool needs up to 1.4 MB, 0.7 MB "
        "are free; make room, have fewer --accounts, or choose another --out; what was written is removed"
    )
    assert not hidden.exists()
    assert not target.exists()


def test_another_error(target, hidden):
    """Whatever else goes wrong with the files is told by its reason, and leaves nothing."""
    broken = stopping(3, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(
        Problems,
        match=r"pool: cannot be written: Input/output error; choose another --out; what was",
    ):
        Pool.generate(SMOKE, 7, target, jobs=1, progress=broken)
    assert not hidden.exists()


def test_mount_point(target, monkeypatch):
    """A mount point cannot be given another name, which is said before any work."""
    target.mkdir()
    monkeypatch.setattr("pathlib.Path.is_mount", lambda path: path == target.resolve())
    with pytest.raises(Problems, match="is a mount point; choose a directory inside of it"):
        Pool.generate(SMOKE, 7, target)


def test_current_directory(tmp_path, monkeypatch):
    """Nor can the directory that the user is in, who would be left in one that is gone."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problems, match="is the current directory; choose a directory inside of it"):
        Pool.generate(SMOKE, 7, Path())
    assert list(tmp_path.iterdir()) == []


def test_a_writer_is_whole_or_not(tmp_path, monkeypatch):
    """A file that could not be written to its end is not there at all."""

    def cut_off(shard, path):
        path.write_bytes(b"PAR1")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("e2e_data.parquet.write_shard", cut_off)
    with pytest.raises(OSError, match="Input/output"):
        writer.Job(SMOKE, 7, tmp_path).write(0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "jobs"),
    [(SMOKE, 1), (load("stress"), 64), (load("stress", {"accounts_per_shard": 3400}), 30)],
)
def test_jobs(monkeypatch, config, jobs):
    """One process for a small pool, one for each core for a large one, but none without a shard."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert default_jobs(config) == jobs


def asked(monkeypatch, capsys, *lines):
    """Return what another writing process answers to lines of input."""
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    writer.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_other_process_answers_line_by_line(tmp_path, monkeypatch, capsys):
    """Each number is answered with a shard as it was written, or with the error and its number."""
    monkeypatch.setattr("sys.argv", ["writer", str(tmp_path), "7"])
    ask = partial(asked, monkeypatch, capsys)
    (made,) = ask(SMOKE.canonical_json(), "3")
    assert writer.Made.model_validate(made) == writer.Job(SMOKE, 7, tmp_path).write(3)
    monkeypatch.setattr("sys.argv", ["writer", str(tmp_path / "none"), "7"])
    (failed,) = ask(SMOKE.canonical_json(), "3")
    assert failed["errno"] == errno.ENOENT


def test_the_other_process_ends_with_whoever_asks(tmp_path, monkeypatch, capsys):
    """Without a configuration, and when nobody reads its answers, it ends without a word."""
    monkeypatch.setattr("sys.argv", ["writer", str(tmp_path), "7"])
    assert asked(monkeypatch, capsys) == []
    monkeypatch.setattr("builtins.print", Mock(side_effect=BrokenPipeError))
    assert asked(monkeypatch, capsys, SMOKE.canonical_json(), "3", "4") == []
    assert [path.name for path in tmp_path.iterdir()] == ["shard-00003.parquet"]


def test_another_process_that_does_not_start(target, hidden, monkeypatch):
    """A process that ends before it answers is told; nothing that was finished is lost."""
    begun(target)
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(Problems, match=r"a generating process ended early .* after 4 of 10"):
        Pool.generate(SMOKE, 7, target, jobs=2)
    assert (hidden / LOG_NAME).exists()

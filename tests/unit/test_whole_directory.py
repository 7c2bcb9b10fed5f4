"""A directory that appears with everything in it, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from e2e_data.exporters.whole import check_room, whole_directory
from e2e_data.problems import Problems


def problem(raised):
    (text,) = raised.value.problems
    return text


def written(directory, then=None):
    """Write one file into a whole directory, then do or raise something more."""
    with whole_directory(directory, "--out") as partial:
        (partial / "file").write_text("all")
        if isinstance(then, BaseException):
            raise then
        if then:
            then()


def test_it_appears_with_everything_in_it(tmp_path):
    """Not before the end; its parents are made."""
    target = tmp_path / "a" / "b"
    with whole_directory(target, "--out") as partial:
        (partial / "file").write_text("all")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["file"]
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_directory_is_taken(tmp_path):
    """Someone made it for this."""
    (tmp_path / "out").mkdir()
    written(tmp_path / "out")
    assert (tmp_path / "out" / "file").read_text() == "all"


def test_a_relative_name_is_of_the_working_directory(tmp_path, monkeypatch):
    """Where the command was called."""
    monkeypatch.chdir(tmp_path)
    written(Path("out"))
    assert (tmp_path / "out" / "file").exists()


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_whatever_goes_wrong_nothing_is_left(error, tmp_path):
    """Neither the directory nor what was written so far."""
    with pytest.raises(type(error)):
        written(tmp_path / "out", error)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_with_the_remedy(tmp_path):
    """And what was written is gone, so that there is room again."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(Problems) as raised:
        written(tmp_path / "out", full)
    assert "--out" in problem(raised)
    assert "No space left on device; make room or choose another --out" in problem(raised)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_holds_anything_is_left_alone(tmp_path):
    """Before anything is written, and if someone was quicker, after."""
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(Problems, match="is not empty; choose another --out, or empty it"):
        written(tmp_path)

    def be_quicker():
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").write_text("theirs")

    with pytest.raises(Problems, match="choose another --out"):
        written(tmp_path / "out", be_quicker)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine", "out", "theirs"]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_what_cannot_be_a_directory_is_said(name, tmp_path):
    """A file stands in its place, or in that of a parent."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Problems, match=r"--out .*file.*; choose another --out"):
        written(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_mount_point_cannot_be_replaced():
    """It is known before hours of work end in an error."""
    with pytest.raises(Problems, match="is a mount point; choose a directory inside"):
        check_room(Path("/proc"), "--out")


def test_what_a_killed_writer_left_is_removed(tmp_path):
    """But not what another one is writing just now."""
    (tmp_path / ".out.0badcafe.partial").mkdir()
    (tmp_path / ".out.0badcafe.partial" / "half").write_text("half")
    (tmp_path / ".another.0badcafe.partial").mkdir()
    with whole_directory(tmp_path / "out", "--out") as first:
        (first / "file").write_text("first")
        with pytest.raises(ValueError, match="x"):
            written(tmp_path / "out", ValueError("x"))
        assert (first / "file").exists()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".another.0badcafe.partial", "out"]

"""Journals of workers that do not see the run directory: whole and once, over a network that loses."""

from __future__ import annotations

from random import Random

import gevent
import pytest

from e2e_data.problems import Problems
from locustfiles.fleet import shipping
from locustfiles.fleet.shipping import ByMaster, ByUrl, Here, Receiver, fetch, place_of, spool
from locustfiles.plans import load_plan
from reports.rundir import RunDirectory

PATIENT_S = 60


@pytest.fixture
def there(tmp_path):
    """The master's run directory."""
    return RunDirectory.create(tmp_path / "runs", "smoke")


@pytest.fixture
def here():
    """A worker's spool, which its test clears."""
    return spool("{}")


def fill(directory, random=None):
    """Write a large chunk, a small one, one that is being written, some bindings, and what was read."""
    random = random or Random(3)
    contents = {"w1-000000.parquet": random.randbytes(300_000), "w1-000001.parquet": b"small"}
    for name, content in contents.items():
        (directory.journal / name).write_bytes(content)
    (directory.journal / ".w1-000002.parquet").write_bytes(b"half")
    (directory.bindings / "w1.jsonl").write_bytes(b'{"place":[0,0,0],"account_id":"x"}\n')
    events = {"w1-000000.parquet": b"events", "w1.json": b'{"read": 1}'}
    for name, content in events.items():
        (directory.events / name).write_bytes(content)
    return contents | {f"events/{name}": content for name, content in events.items()}


def found(directory):
    """Return what is whole: the journal's files by their names, and those of the events."""
    journal = {path.name: path.read_bytes() for path in directory.journal.glob("[!.]*")}
    events = {f"events/{path.name}": path.read_bytes() for path in directory.events.glob("[!.]*")}
    return journal | events


class Line:
    """A worker and its master with a line between them that a test spoils."""

    def __init__(self, here, there, loses=0.0, monkeypatch=None) -> None:
        self.random, self.loses = Random(5), loses
        self.receiver = Receiver(there)
        self.store = ByMaster(here, self.send, resend_s=0.001)
        self.sent = 0

    def send(self, piece):
        self.sent += 1
        for _ in range(self.random.choice((1, 2)) if self.loses else 1):
            if self.random.random() >= self.loses:
                answer = self.receiver.take(piece)
                if self.random.random() >= self.loses:
                    self.store.acknowledged(answer)


@pytest.mark.parametrize("loses", [0.0, 0.5])
def test_files_arrive_whole_however_many_pieces_are_lost(here, there, loses):
    """Each byte of each finished file, in its place, and nothing of what is not finished."""
    contents = fill(here)
    line = Line(here, there, loses)
    with gevent.Timeout(PATIENT_S):
        line.store.store()
    assert found(there) == contents
    assert (there.bindings / "w1.jsonl").read_bytes() == (here.bindings / "w1.jsonl").read_bytes()
    line.store.clear()
    assert not here.path.exists()


def test_what_is_there_is_not_sent_again(here, there):
    """A second storing sends what has grown or is new, and nothing else."""
    fill(here)
    line = Line(here, there)
    line.store.store()
    before = line.sent
    line.store.store()
    assert line.sent == before
    with (here.bindings / "w1.jsonl").open("ab") as file:
        file.write(b'{"place":[0,0,1],"account_id":"y"}\n')
    (here.journal / "w1-000002.parquet").write_bytes(b"third")
    line.store.store()
    assert line.sent == before + 2
    assert (there.bindings / "w1.jsonl").read_bytes().count(b"\n") == 2
    assert found(there)["w1-000002.parquet"] == b"third"


def test_pieces_are_bounded(here, there, monkeypatch):
    """No message is larger than a piece, whatever the size of a file."""
    monkeypatch.setattr(shipping, "PIECE_BYTES", 1000)
    fill(here)
    line, sizes = Line(here, there), []
    send = line.store._send
    line.store._send = lambda piece: (sizes.append(len(piece["data"])), send(piece))
    line.store.store()
    assert max(sizes) == 1000
    assert len(sizes) == 300 + 1 + 2 + 1


def test_storing_waits_for_a_master_that_is_silent(here, there):
    """A journal is not called safe before somebody has it."""
    fill(here)
    store = ByMaster(here, lambda _: None, resend_s=0.001)
    storing = gevent.spawn(store.store)
    gevent.sleep(0.05)
    assert not storing.dead
    storing.kill()
    assert found(there) == {}


@pytest.mark.parametrize(
    "name",
    [
        "journal/../../etc/passwd.parquet",
        "journal/.hidden.parquet",
        "book/book.jsonl",
        "journal/a.py",
        "/x.parquet",
        "w1.parquet",
    ],
)
def test_a_piece_goes_nowhere_else(there, name):
    """What comes from the network names a file of the journal or the bindings, or is refused."""
    with pytest.raises(ValueError, match="has no place in a run directory"):
        Receiver(there).take({"file": name, "at": 0, "data": b"x", "last": True})


def test_what_the_master_wrote_itself_is_not_written_over(here, there):
    """A piece for a file that is there changes nothing: it is taken for one that came twice."""
    there.write("events/start.json", b"the master's")
    answer = Receiver(there).take(
        {"file": "events/start.json", "at": 0, "data": b"x", "last": True}
    )
    assert answer["size"] == len(b"the master's")
    assert found(there) == {"events/start.json": b"the master's"}


def test_by_url_files_are_copied_and_fetched(here, there, tmp_path):
    """What workers stored by URL is brought into the run directory at the end."""
    url = f"file://{tmp_path}/bucket"
    contents = fill(here)
    store = ByUrl(here, url, "the-run")
    store.store()
    store.store()
    fetch(url, "the-run", there)
    assert found(there) == contents
    assert (there.bindings / "w1.jsonl").exists()
    store.clear()
    assert not here.path.exists()


def test_a_storage_that_cannot_be_read_is_named(there, tmp_path):
    """Whoever resumes a run is told where its journals should have been, and what is wrong."""
    (tmp_path / "the-run").mkdir()
    (tmp_path / "the-run" / "journal").write_text("no folder")
    with pytest.raises(Problems, match=f"file://{tmp_path}: what is there cannot be read"):
        fetch(f"file://{tmp_path}", "the-run", there)


def test_nothing_stored_is_nothing_fetched(there, tmp_path):
    """A fleet whose workers all died before they stored anything leaves no file."""
    fetch(f"file://{tmp_path}", "no-such-run", there)
    assert found(there) == {}


def test_a_url_that_cannot_be_used_is_named():
    """What pyarrow does not know is a problem with the setting's name, not a traceback."""
    with pytest.raises(Problems, match=r"fleet\.journals = nowhere://x"):
        place_of("nowhere://x", "run")


@pytest.mark.parametrize(
    ("value", "said"),
    [("somewhere", "auto, master, or a URL"), ("s3://key:secret@bucket", "leave credentials out")],
)
def test_a_plan_says_where_journals_are_kept(value, said):
    """Settings that make no sense, or would write down a secret, are refused."""
    with pytest.raises(Problems, match=said):
        load_plan("smoke", [f"fleet.journals={value}"])


def test_in_the_run_directory_there_is_nothing_to_do():
    """What is written where it belongs is safe, and nothing is to be cleared."""
    Here().store()
    Here().clear()

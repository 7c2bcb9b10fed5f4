"""A pool in a directory: whole or not there, kept or refused, and recognised when it was changed."""

import json

import pytest

from e2e_data.commands import Kind
from e2e_data.config import load
from e2e_data.pool import Pool
from e2e_data.problems import Problems

SMOKE = load("smoke")


@pytest.fixture
def directory(tmp_path):
    target = tmp_path / "pool"
    Pool.generate(SMOKE, 7, target, jobs=1)
    return target


def problem_of(action):
    with pytest.raises(Problems) as caught:
        action()
    return "\n".join(caught.value.problems)


def edit_manifest(directory, change):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def hashes(pool):
    return [shard.hash for shard in pool.shards()]


def test_the_same_with_any_number_of_processes(directory, tmp_path):
    """Written by one process, by two, or never written: the shards and the manifest are equal."""
    two = Pool.generate(SMOKE, 7, tmp_path / "two", jobs=2)
    one, memory = Pool.open(directory), Pool.in_memory(SMOKE, 7)
    assert hashes(one) == hashes(two) == hashes(memory)
    assert one.manifest == two.manifest
    assert memory.manifest.metrics == one.manifest.metrics
    assert [entry.hash for entry in one.manifest.shards] == hashes(memory)


@pytest.mark.parametrize("make", [Pool.in_memory, lambda config, seed: None])
def test_counts(directory, make):
    """Counts are known per shard, per kind and in total, with a manifest and without."""
    pool = make(SMOKE, 7) or Pool.open(directory)
    counts = [pool.shard_counts(number) for number in range(pool.shard_count)]
    assert counts == [shard.counts for shard in Pool.in_memory(SMOKE, 7).shards()]
    assert [pool.count_of(kind) for kind in Kind] == [
        sum(each[kind] for each in counts) for kind in Kind
    ]
    assert len(pool) == sum(map(sum, counts))


def test_read_is_what_was_made(directory):
    """A command read from a file is the command that the generator makes."""
    read, made = Pool.open(directory).shard(3), Pool.in_memory(SMOKE, 7).shard(3)
    assert len(read) == len(made)
    for index in range(len(made)):
        assert read.command(index) == made.command(index)


def test_equal_pool_is_kept(directory):
    """Generating an equal pool again touches nothing."""
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert Pool.kept(SMOKE, 7, directory) is not None
    Pool.generate(SMOKE, 7, directory)
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_empty_directory_is_used(tmp_path):
    """An empty directory is as good as none."""
    assert len(Pool.generate(SMOKE, 7, tmp_path, jobs=1)) > 0


def test_another_pool_is_not_replaced(directory):
    """A directory with another pool is refused, with what to do."""
    told = problem_of(lambda: Pool.generate(SMOKE, 8, directory))
    assert "holds the pool of seed 7; choose another --out, or delete it" in told
    other = load("smoke", {"accounts": 11})
    assert "of another configuration" in problem_of(lambda: Pool.generate(other, 7, directory))


def test_foreign_directory_is_not_touched(tmp_path):
    """A directory with anything else is refused and left alone."""
    (tmp_path / "thesis.txt").write_text("x", encoding="utf-8")
    assert "something else than a pool" in problem_of(lambda: Pool.generate(SMOKE, 7, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_unwritable(tmp_path):
    """Where no directory can be made, the reason is told."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    told = problem_of(lambda: Pool.generate(SMOKE, 7, tmp_path / "file" / "pool"))
    assert "Not a directory" in told


def test_bad_seed(tmp_path):
    """A seed has 64 bits."""
    assert "seed = -1: must be from 0" in problem_of(lambda: Pool.in_memory(SMOKE, -1))


@pytest.mark.parametrize("name", ["manifest.json", "shard-00004.parquet"])
def test_missing_file(directory, name):
    """A pool without its manifest, or without one of its shards, is not opened."""
    (directory / name).unlink()
    told = problem_of(lambda: Pool.open(directory))
    assert name in told
    assert "paystorm pool generate" in told


def test_missing_directory(tmp_path):
    """A directory that is not there is named, with how to make it."""
    told = problem_of(lambda: Pool.open(tmp_path / "none"))
    assert "there is no such directory" in told
    assert "paystorm pool generate" in told


def test_truncated_shard(directory):
    """A shard that was cut off is noticed when the pool is opened."""
    path = directory / "shard-00004.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    told = problem_of(lambda: Pool.open(directory))
    assert "shard-00004.parquet: has" in told
    assert "paystorm pool generate --seed 7" in told


def test_changed_byte(directory):
    """Any byte of a shard that changes is noticed when the shard is read, wherever it stands."""
    path = directory / "shard-00004.parquet"
    sound = path.read_bytes()
    for place in (*range(0, len(sound), 397), len(sound) - 1):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x10]) + sound[place + 1 :])
        told = problem_of(lambda: Pool.open(directory).shard(4))
        assert f"{path}: was changed: its bytes have the hash " in told
        assert f"paystorm pool generate --seed 7 --out {directory}" in told


def test_changed_columns(directory):
    """Other columns are noticed though the manifest was made to fit the file that has them."""
    path = directory / "shard-00004.parquet"
    path.write_bytes((directory / "shard-00005.parquet").read_bytes())

    def fit(manifest):
        for name in ("file_bytes", "file_hash"):
            manifest["shards"][4][name] = manifest["shards"][5][name]

    edit_manifest(directory, fit)
    assert "its columns have the hash" in problem_of(lambda: Pool.open(directory).shard(4))


def test_unreadable_file(directory):
    """A file that cannot be read is told with the system's reason."""
    path = directory / "shard-00004.parquet"
    pool = Pool.open(directory)
    path.unlink()
    path.mkdir()
    assert f"{path}: cannot be read: Is a directory" in problem_of(lambda: pool.shard(4))


def test_exchanged_shards(directory):
    """A sound shard in another's place is noticed."""
    (directory / "shard-00004.parquet").write_bytes(
        (directory / "shard-00005.parquet").read_bytes()
    )
    told = problem_of(lambda: Pool.open(directory).shard(4))
    assert "shard-00004.parquet" in told


def test_not_a_parquet_file(directory):
    """A file of the right size that is none is named when it is read, however it is read."""
    path = directory / "shard-00004.parquet"
    path.write_bytes(b"\0" * path.stat().st_size)
    assert "was changed" in problem_of(lambda: Pool.open(directory).shard(4))
    told = problem_of(lambda: Pool.open(directory).unchecked_shard(4))
    assert "cannot be read as a shard" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda manifest: manifest.update(version=1), "version = 1: this paystorm reads 3"),
        (lambda manifest: manifest.update(format="zip"), "is not the manifest of a pool"),
        (lambda manifest: manifest.update(seed=-1), "seed = -1"),
        (lambda manifest: manifest.update(colour="red"), "colour: there is no such setting"),
        (lambda manifest: manifest["config"].update(accounts=0), "config.accounts = 0"),
        (lambda manifest: manifest["shards"].pop(), "names 9 shards"),
        (lambda manifest: manifest["counts"].pop("funding"), "counts has the kinds"),
        (lambda manifest: manifest["rates"].update({"USD/EUR": "2"}), "its rates are not"),
        (lambda manifest: manifest.update(vocabulary_hash="00"), "install that version"),
    ],
)
def test_manifest_of_something_else(directory, change, told):
    """A manifest of another version, or one that contradicts itself, is refused with the value."""
    edit_manifest(directory, change)
    assert told in problem_of(lambda: Pool.open(directory))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00"])
def test_garbled_manifest(directory, text):
    """A manifest that is no JSON, or not an object, is refused by its name."""
    (directory / "manifest.json").write_text(text, encoding="utf-8")
    told = problem_of(lambda: Pool.open(directory))
    assert "manifest.json" in told
    assert "paystorm pool generate" in told


def test_manifest_without_files(directory):
    """Who has only the manifest makes the shards, and notices when they come out otherwise."""
    manifest = Pool.open(directory).manifest
    assert hashes(Pool.of_manifest(manifest)) == [entry.hash for entry in manifest.shards]
    wrong = manifest.shards[0].model_copy(update={"hash": "00"})
    other = manifest.model_copy(update={"shards": (wrong, *manifest.shards[1:])})
    told = problem_of(lambda: Pool.of_manifest(other).shard(0))
    assert "use the same version everywhere" in told


def test_memory_is_bounded():
    """However many shards are asked for, only a few stay in memory."""
    pool = Pool.in_memory(SMOKE, 7)
    list(pool.shards())
    assert len(pool._recent) == 8
    assert pool.shard(9) is pool.shard(9)


def test_what_somebody_has_is_not_made_again():
    """However many others were asked for meanwhile: making one stops whoever else waits."""
    pool = Pool.in_memory(SMOKE, 7)
    held = pool.shard(0)
    list(pool.shards())
    assert 0 not in pool._recent
    assert pool.shard(0) is held

"""A shard's file: what is written is read, and what is no shard is refused."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e2e_data import parquet
from e2e_data.config import load
from e2e_data.problems import Problems
from e2e_data.shard import COLUMNS, make_shard

CONFIG = load("small", {"hostile_percentage": 20, "pattern_percentage": 20})


@pytest.fixture
def path(tmp_path):
    target = tmp_path / parquet.file_name(3)
    parquet.write_shard(make_shard(CONFIG, 7, 3), target)
    return target


def test_round_trip(path):
    """Every column comes back with its values and its type, and so does the hash."""
    made, read = make_shard(CONFIG, 7, 3), parquet.read_shard(path, CONFIG, 7, 3)
    assert read.hash == made.hash
    assert read.counts == made.counts
    for name, kind in COLUMNS.items():
        assert getattr(read, name).dtype.type is kind
        assert getattr(read, name).tolist() == getattr(made, name).tolist()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda table: table.drop_columns(["label"]), "its columns are not those of a shard"),
        (lambda table: table.take(list(range(len(table)))[::-1]), "not ordered by kind"),
        (
            lambda table: table.set_column(
                table.schema.get_field_index("expected"),
                "expected",
                pa.nulls(len(table), pa.uint8()),
            ),
            "expected is missing in",
        ),
    ],
)
def test_what_is_no_shard(path, change, told):
    """A file with other columns, other kinds of rows or holes is refused by its name."""
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(Problems) as caught:
        parquet.read_shard(path, CONFIG, 7, 3)
    assert str(path) in caught.value.problems[0]
    assert told in caught.value.problems[0]

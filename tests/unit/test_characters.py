"""Texts as columns: the same as Python writes one by one."""

from __future__ import annotations

import re
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data.characters import (
    as_bytes,
    bytes_of,
    bytes_of_uuids,
    hexadecimal,
    nine_digits,
    rows_of,
    strings,
    texts,
    uuids,
    whole_numbers,
    woven,
)


def rows(texts, width):
    return np.frombuffer(b"".join(texts), dtype=np.uint8).reshape(-1, width)


@given(st.lists(st.binary(min_size=16, max_size=16)))
def test_uuids_and_hexadecimal_digits(raw):
    """Lower case, with dashes where a UUID has them; of none there is nothing."""
    assert strings(uuids(rows(raw, 16))) == [str(UUID(bytes=one)) for one in raw]
    assert texts(uuids(rows(raw, 16))).to_pylist() == [str(UUID(bytes=one)) for one in raw]
    assert strings(hexadecimal(rows(raw, 16))) == [one.hex() for one in raw]


def spoilt(written):
    """Yield any texts, among them such as are right, in either case, and such as are nearly so."""
    right = st.binary(min_size=16, max_size=16).map(written)
    one_off = st.tuples(right, st.integers(0, 31), st.characters()).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
    )
    return st.lists(st.one_of(right, right.map(str.upper), one_off, st.text(max_size=40)))


@given(spoilt(bytes.hex))
def test_hexadecimal_digits_are_read(told):
    """As bytes.fromhex reads them, but for its blanks; whatever else comes, from outside, is told as such."""
    raw, whole = bytes_of(rows_of(told, 32))
    digits = re.compile("[0-9a-fA-F]{32}")
    assert whole.tolist() == [digits.fullmatch(text) is not None for text in told]
    right = [text for text in told if digits.fullmatch(text)]
    assert [row.tobytes() for row in raw[whole]] == [bytes.fromhex(text) for text in right]


@given(spoilt(lambda raw: str(UUID(bytes=raw))))
def test_uuids_are_read(told):
    """With dashes where a UUID has them and nowhere else."""
    raw, whole = bytes_of_uuids(rows_of(told, 36))
    uuid = re.compile("-".join(f"[0-9a-fA-F]{{{width}}}" for width in (8, 4, 4, 4, 12)))
    assert whole.tolist() == [uuid.fullmatch(text) is not None for text in told]
    right = [text for text in told if uuid.fullmatch(text)]
    assert [row.tobytes() for row in raw[whole]] == [UUID(text).bytes for text in right]


@given(st.lists(st.integers(0, 10**9 - 1)))
def test_nine_digits(numbers):
    """With leading zeros."""
    column = np.array(numbers, dtype=np.int32)
    assert strings(nine_digits(column)) == [f"{number:09d}" for number in numbers]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
@settings(deadline=None)  # libraries are loaded the first time
def test_whole_numbers(numbers):
    """To the last digit."""
    assert whole_numbers(np.array(numbers, dtype=np.int64)).to_pylist() == list(map(str, numbers))


words = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("template", ["%s%s", "<%s, %s>", "%s: \N{SNOWMAN} %s."])
@given(told=st.lists(st.tuples(words, words)))
@settings(deadline=None)  # libraries are loaded the first time
def test_columns_are_woven(template, told):
    """As the operator % fills a template, row by row; as bytes in UTF-8."""
    columns = (pa.array([row[place] for row in told], pa.string()) for place in (0, 1))
    filled = woven(template, *columns)
    assert filled.to_pylist() == [template % row for row in told]
    assert as_bytes(filled) == [(template % row).encode() for row in told]


def test_each_place_has_its_column():
    """A column too few or too many is a mistake of ours."""
    with pytest.raises(ValueError, match="zip"):
        woven("%s and %s", pa.array(["one"]))

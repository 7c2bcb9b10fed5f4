"""Texts of one width, written by numpy: the same as Python writes one by one."""

from __future__ import annotations

from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.characters import hexadecimal, nine_digits, strings, uuids


def rows(texts, width):
    return np.frombuffer(b"".join(texts), dtype=np.uint8).reshape(-1, width)


@given(st.lists(st.binary(min_size=16, max_size=16)))
def test_uuids_and_hexadecimal_digits(raw):
    """Lower case, with dashes where a UUID has them; of none there is nothing."""
    assert strings(uuids(rows(raw, 16))) == [str(UUID(bytes=one)) for one in raw]
    assert strings(hexadecimal(rows(raw, 16))) == [one.hex() for one in raw]


@given(st.lists(st.integers(0, 10**9 - 1)))
def test_nine_digits(numbers):
    """With leading zeros."""
    column = np.array(numbers, dtype=np.int32)
    assert strings(nine_digits(column)) == [f"{number:09d}" for number in numbers]

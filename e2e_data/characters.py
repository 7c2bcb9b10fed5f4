"""Texts as columns: Arrow weaves thousands of them at once, and numpy writes those of one width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Texts: TypeAlias = pa.StringArray
Bytes = NDArray[np.uint8]
"""Shape (texts, width); as characters they are ASCII."""

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint16)
_THOUSAND = np.frombuffer(b"".join(b"%03d" % n for n in range(1000)), np.uint8).reshape(-1, 3)
_UUID_PARTS = (8, 4, 4, 4, 12)
_DIGITS = "0123456789abcdefABCDEF"
_NO_BYTE = 256
_BYTES = np.full(1 << 16, _NO_BYTE, dtype=np.uint16)
"""The byte that two digits are, both in one number."""
for _two in map("".join, product(_DIGITS, repeat=2)):
    _BYTES[np.frombuffer(_two.encode(), np.uint16)] = int(_two, 16)


def hexadecimal(raw: Bytes) -> Bytes:
    """Write bytes as hexadecimal digits, two each."""
    return _HEX[raw].view(np.uint8)


def uuids(raw: Bytes) -> Bytes:
    """Write 16 bytes each as UUIDs, 36 characters."""
    digits = hexadecimal(raw)
    written = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    start = 0
    for dashes, width in enumerate(_UUID_PARTS):
        written[:, start + dashes : start + dashes + width] = digits[:, start : start + width]
        start += width
    return written


def rows_of(texts: Sequence[str], width: int) -> Bytes:
    """Return texts as rows of `width` characters: NUL for one that is not so wide, or not in ASCII."""
    joined = "".join(texts)
    if not (
        joined.isascii() and len(joined) == width * len(texts) and set(map(len, texts)) == {width}
    ):
        nothing = "\0" * width
        joined = "".join(
            [text if len(text) == width and text.isascii() else nothing for text in texts]
        )
    return np.frombuffer(joined.encode("ascii"), np.uint8).reshape(-1, width)


def bytes_of(digits: Bytes) -> tuple[Bytes, NDArray[np.bool_]]:
    """Undo `hexadecimal`, digits of either case; and tell which rows have nothing else. Theirs count."""
    values = _BYTES[np.ascontiguousarray(digits).view(np.uint16)]
    return values.astype(np.uint8), np.bitwise_or.reduce(values, axis=1) < _NO_BYTE


def bytes_of_uuids(written: Bytes) -> tuple[Bytes, NDArray[np.bool_]]:
    """Undo `uuids`, and tell which rows are written as one. Only theirs count."""
    ends = np.cumsum(_UUID_PARTS) + np.arange(len(_UUID_PARTS))
    dashes = ends[:-1]
    raw, whole = bytes_of(np.delete(written, dashes, axis=1))
    return raw, whole & (written[:, dashes] == ord("-")).all(axis=1)


def nine_digits(numbers: NDArray[np.integer[Any]], prefix: bytes = b"") -> Bytes:
    """Write numbers below 10**9 with nine digits, leading zeros included, behind a prefix."""
    thousands, ones = np.divmod(numbers.astype(np.int64), 1000)
    parts = (*np.divmod(thousands, 1000), ones)
    heads = np.broadcast_to(np.frombuffer(prefix, dtype=np.uint8), (len(numbers), len(prefix)))
    return np.concatenate([heads, *(_THOUSAND[part] for part in parts)], axis=1)


def strings(characters: Bytes) -> list[str]:
    """Return rows of characters as texts."""
    width = characters.shape[1]
    joined = characters.tobytes().decode("ascii")
    return [joined[at : at + width] for at in range(0, len(joined), width)]


def texts(characters: Bytes) -> Texts:
    """Return rows of characters as a column."""
    rows, width = characters.shape
    ends = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    written = pa.py_buffer(np.ascontiguousarray(characters))
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), written)


def whole_numbers(numbers: NDArray[np.integer[Any]]) -> Texts:
    """Write whole numbers."""
    return pa.array(numbers).cast(pa.string())


def woven(template: str, *columns: Texts) -> Texts:
    """Return what the operator % gives for each row of `columns`, one at least, all of one length."""
    first, *pieces, nothing = _pieces(template)
    parts = [first] if first is not None else []
    for column, piece in zip(columns, pieces, strict=True):
        parts += [column] if piece is None else [column, piece]
    return pc.binary_join_element_wise(*parts, nothing)


@cache
def _pieces(template: str) -> list[pa.Scalar | None]:
    """Return what is between a template's gaps, None for nothing, and an empty text."""
    # Made once: to make them takes longer than to weave a few texts.
    pieces = [pa.scalar(piece) if piece else None for piece in template.split("%s")]
    return [*pieces, pa.scalar("")]


def as_bytes(column: Texts) -> list[bytes]:
    """Return each text in UTF-8."""
    encoded: list[bytes] = column.view(pa.binary()).to_pylist()
    return encoded

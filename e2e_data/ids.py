"""Ids that are derived, not stored: any id of a run can be turned back into what it names.

A command id is a UUID of version 8. Its 122 free bits are a keyed permutation (a Feistel network,
Luby and Rackoff 1988) of

    run nonce 64 | namespace 2 | lap 16 | shard 20 | index 20

so ids are unique by construction, look random, and decode with the key of `run.json`. An id that
decodes to another nonce was made by somebody else: it is foreign. The permutation is for telling
ids apart, not for secrecy.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from e2e_data.characters import bytes_of, bytes_of_uuids, hexadecimal, rows_of, strings, uuids
from e2e_data.commands import Channel, Kind, Outcome

REPLAY_ATTEMPT = 1 << 7
"""This bit of an attempt marks a replay: a command of the pool that is sent under another's ids."""
RETRY_ATTEMPT = 1 << 4
"""Each retry by the tester adds this to an attempt; below it stands how often it was granted before."""
RETRIES_MAX = 7
RETRIES = RETRIES_MAX * RETRY_ATTEMPT
"""The bits of an attempt that count its retries."""
ACCOUNT_NAMESPACE = UUID("66a9f0a5-4eb2-43ae-a258-a6cca245ca95")
"""In which files that are made beforehand name accounts, since no platform has done so yet."""
LAPS = 1 << 16
SHARDS = 1 << 20
INDICES = 1 << 20

UUID_CHARACTERS = 36
_HALF = (1 << 61) - 1
_WORD = (1 << 64) - 1
_ROUNDS = 6

Words = NDArray[np.uint64]


class Namespace(IntEnum):
    """What an id names, so that a customer's id is never mistaken for a command's."""

    COMMAND = 0
    CUSTOMER = 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a column of ids names; the numbers mean something only where `known` is true."""

    known: NDArray[np.bool_]
    """False where the text is no id of this run and namespace: foreign, or no UUID at all."""
    lap: NDArray[np.int64]
    shard: NDArray[np.int64]
    index: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one run, given by its key (16 bytes) and its nonce (64 bits, never zero)."""

    key: bytes
    nonce: int
    shards: int = 0
    """Where the pool is played in laps, how many shards a lap has: a shard of a later lap is known by a
    number from there on, which its ids part into lap and shard. 0 where no laps are counted so."""
    tag: int = field(init=False)
    """32 bits, never zero, that mark the run's correlation ids."""

    def __post_init__(self) -> None:
        if len(self.key) != 16 or not 0 < self.nonce <= _WORD:
            msg = "a run's key has 16 bytes and its nonce is between 1 and 2**64 - 1"
            raise ValueError(msg)
        digest = blake2b(self.nonce.to_bytes(8, "big"), key=self.key, digest_size=4).digest()
        object.__setattr__(self, "tag", int.from_bytes(digest, "big") or 1)

    @classmethod
    def fresh(cls, shards: int = 0) -> Ids:
        """Draw a key and a nonce for a new run; `shards` as above."""
        return cls(secrets.token_bytes(16), secrets.randbits(64) or 1, shards)

    def parted(self, lap: int, shard: int) -> tuple[int, int]:
        """Return the lap and the shard that stand in an id."""
        if not self.shards:
            return lap, shard
        laps, within = divmod(shard, self.shards)
        return lap + laps, within

    def command_ids(
        self, lap: int, shard: int, indices: Sequence[int] | NDArray[np.int64]
    ) -> list[str]:
        """Return the ids of the commands `indices` of a shard, in their order."""
        return self._encode(Namespace.COMMAND, lap, shard, indices)

    def command_id(self, lap: int, shard: int, index: int) -> str:
        """Return the id of one command."""
        return self.command_ids(lap, shard, [index])[0]

    def customer_ids(
        self, lap: int, shard: int, accounts: Sequence[int] | NDArray[np.int64]
    ) -> list[str]:
        """Return the ids of the customers who hold the shard's `accounts`, in their order."""
        return self._encode(Namespace.CUSTOMER, lap, shard, accounts)

    def decode(self, ids: Sequence[str], namespace: Namespace = Namespace.COMMAND) -> Decoded:
        """Tell what each of `ids` names; any text is taken, since ids come from the network."""
        raw, whole = bytes_of_uuids(rows_of(ids, UUID_CHARACTERS))
        # Of version 8, and of the variant of RFC 9562.
        whole &= (raw[:, 6] >> 4 == 8) & (raw[:, 8] >> 6 == 0b10)
        words = raw.view(">u8").astype(np.uint64)
        left, right = _unwrap(words[:, 0], words[:, 1])
        left, right = _unmix(left, right, _round_keys(self.key))
        nonce = left << np.uint64(3) | right >> np.uint64(58)
        plain = right & np.uint64((1 << 58) - 1)
        known = whole & (nonce == self.nonce)
        known &= plain >> np.uint64(56) == namespace
        lap = (plain >> np.uint64(40) & np.uint64(LAPS - 1)).astype(np.int64)
        shard = (plain >> np.uint64(20) & np.uint64(SHARDS - 1)).astype(np.int64)
        known, lap, shard = _joined(known, lap, shard, self.shards)
        return Decoded(
            known=known,
            lap=lap,
            shard=shard,
            index=(plain & np.uint64(INDICES - 1)).astype(np.int64),
        )

    def _encode(
        self, namespace: Namespace, lap: int, shard: int, indices: Sequence[int] | NDArray[np.int64]
    ) -> list[str]:
        lap, shard = self.parted(lap, shard)
        if not (0 <= lap < LAPS and 0 <= shard < SHARDS):
            msg = f"lap {lap} or shard {shard} is beyond what an id can hold"
            raise ValueError(msg)
        index = np.asarray(indices, dtype=np.uint64)
        if index.size and int(index.max()) >= INDICES:
            msg = f"index {index.max()} is beyond what an id can hold ({INDICES})"
            raise ValueError(msg)
        head = (self.nonce & 7) << 58 | namespace << 56 | lap << 40 | shard << 20
        left = np.full_like(index, self.nonce >> 3)
        left, right = _mix(left, index | np.uint64(head), _round_keys(self.key))
        high, low = _wrap(left, right)
        raw = np.stack([high, low], axis=-1).astype(">u8").view(np.uint8)
        return strings(uuids(raw))


@lru_cache(maxsize=16)
def _round_keys(key: bytes) -> tuple[int, ...]:
    digest = blake2b(b"paystorm ids", key=key, digest_size=8 * _ROUNDS).digest()
    return struct.unpack(f">{_ROUNDS}Q", digest)


def _mix(left: Words, right: Words, keys: tuple[int, ...]) -> tuple[Words, Words]:
    for key in keys:
        left, right = right, left ^ _scramble(right, key)
    return left, right


def _unmix(left: Words, right: Words, keys: tuple[int, ...]) -> tuple[Words, Words]:
    for key in reversed(keys):
        left, right = right ^ _scramble(left, key), left
    return left, right


def _scramble(half: Words, key: int) -> Words:
    """Spread every bit of `half` over 61 bits: the finaliser of MurmurHash3, keyed."""
    word = half + np.uint64(key)
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xFF51AFD7ED558CCD)
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xC4CEB9FE1A85EC53)
    word ^= word >> np.uint64(33)
    return word & np.uint64(_HALF)


def _wrap(left: Words, right: Words) -> tuple[Words, Words]:
    """Put two halves of 61 bits around the version and variant bits of a UUID (RFC 9562)."""
    version, variant = np.uint64(0x8000), np.uint64(0b10 << 62)
    high = (
        left >> np.uint64(13) << np.uint64(16) | version | left >> np.uint64(1) & np.uint64(0xFFF)
    )
    return high, variant | (left & np.uint64(1)) << np.uint64(61) | right


def _unwrap(high: Words, low: Words) -> tuple[Words, Words]:
    left = high >> np.uint64(16) << np.uint64(13) | (high & np.uint64(0xFFF)) << np.uint64(1)
    return left | low >> np.uint64(61) & np.uint64(1), low & np.uint64(_HALF)


def _joined(
    known: NDArray[np.bool_], lap: NDArray[np.int64], shard: NDArray[np.int64], shards: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Undo `Ids.parted` for many; a shard that no lap has was made by nobody."""
    if not shards:
        return known, lap, shard
    return known & (shard < shards), np.zeros_like(lap), lap * shards + shard


def static_account_id(customer_id: str) -> str:
    """Return the id that files made beforehand use for a customer's account: a UUID of version 5."""
    return str(uuid5(ACCOUNT_NAMESPACE, customer_id))


@dataclass(frozen=True, slots=True)
class Correlation:
    """What an observer needs to classify and time one attempt, in 24 bytes.

    tag 4 | lap 2 | shard and index 5 | attempt 1 | kind 2 bits, channel 2 bits, expected 4 bits |
    phase 1 | intended time, microseconds since the run's epoch 6 | CRC-32 of the rest 4
    """

    tag: int
    lap: int
    shard: int
    index: int
    attempt: int
    kind: Kind
    channel: Channel
    expected: Outcome
    phase: int
    intended_us: int

    def pack(self) -> bytes:
        """Return the 24 bytes, as they stand in MQMD.CorrelId; `.hex()` of them elsewhere."""
        place = self.shard << 20 | self.index
        body = _CORRELATION.pack(
            self.tag,
            self.lap,
            place >> 32,
            place & 0xFFFFFFFF,
            self.attempt,
            self.kind << 6 | self.channel << 4 | self.expected,
            self.phase,
            self.intended_us >> 32,
            self.intended_us & 0xFFFFFFFF,
        )
        return body + zlib.crc32(body).to_bytes(4, "big")

    @classmethod
    def unpack(cls, raw: bytes, shards: int = 0) -> Correlation | None:
        """Read 24 bytes back; None where they are no correlation id of any run.

        `shards` are those of a lap, as in Ids.
        """
        if len(raw) != CORRELATION_BYTES or zlib.crc32(raw[:-4]) != int.from_bytes(raw[-4:], "big"):
            return None
        tag, lap, high, low, attempt, packed, phase, us_high, us_low = _CORRELATION.unpack(raw[:-4])
        place = high << 32 | low
        shard = place >> 20
        if shards:
            lap, shard = 0, lap * shards + shard
        try:
            channel = Channel(packed >> 4 & 3)
        except ValueError:
            return None
        return cls(
            tag=tag,
            lap=lap,
            shard=shard,
            index=place & (INDICES - 1),
            attempt=attempt,
            kind=Kind(packed >> 6),
            channel=channel,
            expected=Outcome(packed & 15),
            phase=phase,
            intended_us=us_high << 32 | us_low,
        )


_CORRELATION = struct.Struct(">IHBIBBBHI")
TIME_BYTES, CHECK_BYTES = 6, 4
"""What a correlation id ends with: the intended time, then the check sum of all before."""
CORRELATION_BYTES = _CORRELATION.size + CHECK_BYTES
_ROWS = np.dtype(
    [
        ("tag", ">u4"),
        ("lap", ">u2"),
        ("place_high", "u1"),
        ("place_low", ">u4"),
        ("attempt", "u1"),
        ("codes", "u1"),
        ("phase", "u1"),
        ("us_high", ">u2"),
        ("us_low", ">u4"),
    ]
)
"""The same layout, for many at a time."""
_CHECKED = np.dtype([("row", _ROWS), ("check", ">u4")])


@dataclass(frozen=True, slots=True)
class Correlations:
    """The correlation ids of many commands of one shard, a row for each; see Correlation."""

    tag: int
    lap: int
    shard: int
    index: NDArray[np.int64]
    attempt: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    channel: Channel
    expected: NDArray[np.uint8]
    phase: NDArray[np.uint8]

    def heads(self) -> NDArray[np.uint8]:
        """Return what each begins with: all but the intended time and the check sum."""
        rows = self._rows()
        return rows.view(np.uint8).reshape(-1, _ROWS.itemsize)[:, :-TIME_BYTES]

    def texts(self) -> list[str]:
        """Return what `pack` gives for each, as 48 hexadecimal digits; intended at the epoch."""
        rows = self._rows()
        raw, size = rows.tobytes(), _ROWS.itemsize
        checks = [zlib.crc32(raw[at : at + size]) for at in range(0, len(raw), size)]
        body = rows.view(np.uint8).reshape(-1, size)
        check = np.array(checks, dtype=">u4").view(np.uint8).reshape(-1, CHECK_BYTES)
        return strings(hexadecimal(np.concatenate([body, check], axis=1)))

    def _rows(self) -> NDArray[np.void]:
        rows = np.zeros(len(self.index), dtype=_ROWS)
        place = self.shard << 20 | self.index
        rows["tag"], rows["lap"] = self.tag, self.lap
        rows["place_high"], rows["place_low"] = place >> 32, place & 0xFFFFFFFF
        rows["attempt"], rows["phase"] = self.attempt, self.phase
        rows["codes"] = self.kind << 6 | self.channel << 4 | self.expected
        return rows


@dataclass(frozen=True, slots=True)
class ReadCorrelations:
    """What a column of correlation ids says; where it is not `known`, the rest means nothing."""

    known: NDArray[np.bool_]
    """Whole, and with the run's tag."""
    lap: NDArray[np.int64]
    shard: NDArray[np.int64]
    index: NDArray[np.int64]
    attempt: NDArray[np.int64]
    kind: NDArray[np.int64]
    channel: NDArray[np.int64]
    phase: NDArray[np.int64]
    intended_us: NDArray[np.int64]


def read_correlations(texts: Sequence[str], tag: int, shards: int = 0) -> ReadCorrelations:
    """Read many correlation ids, each 48 hexadecimal digits; any text is taken: they come from outside.

    `shards` are those of a lap, as in Ids.
    """
    characters, whole = bytes_of(rows_of(texts, 2 * CORRELATION_BYTES))
    raw, body = characters.tobytes(), CORRELATION_BYTES - CHECK_BYTES
    table = np.frombuffer(raw, dtype=_CHECKED)
    checks = [zlib.crc32(raw[at : at + body]) for at in range(0, len(raw), CORRELATION_BYTES)]
    rows = table["row"]
    codes = rows["codes"].astype(np.int64)
    place = rows["place_high"].astype(np.int64) << 32 | rows["place_low"]
    channel = codes >> 4 & 3
    known = whole & (table["check"] == np.array(checks, dtype=np.int64)) & (rows["tag"] == tag)
    lap, shard = rows["lap"].astype(np.int64), place >> 20
    known, lap, shard = _joined(known & (channel < len(Channel)), lap, shard, shards)
    return ReadCorrelations(
        known=known,
        lap=lap,
        shard=shard,
        index=place & (INDICES - 1),
        attempt=rows["attempt"].astype(np.int64),
        kind=codes >> 6,
        channel=channel,
        phase=rows["phase"].astype(np.int64),
        intended_us=rows["us_high"].astype(np.int64) << 32 | rows["us_low"],
    )

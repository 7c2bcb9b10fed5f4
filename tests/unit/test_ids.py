"""Ids: derived from a run's key and nonce, and turned back into what they name."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import (
    CORRELATION_BYTES,
    INDICES,
    LAPS,
    SHARDS,
    Correlation,
    Correlations,
    Ids,
    Namespace,
    read_correlations,
    static_account_id,
)

KEY = bytes(range(16))
FIXED = "4dbc6126-b35d-8c51-af72-452512f0e998"
FIXED_TAG = 0x24B255BC
runs = st.builds(Ids, st.binary(min_size=16, max_size=16), st.integers(1, 2**64 - 1))
laps = st.integers(0, LAPS - 1)
shards = st.integers(0, SHARDS - 1)
indices = st.lists(st.integers(0, INDICES - 1), max_size=20)
correlations = st.builds(
    Correlation,
    tag=st.integers(1, 2**32 - 1),
    lap=laps,
    shard=shards,
    index=st.integers(0, INDICES - 1),
    attempt=st.integers(0, 255),
    kind=st.sampled_from(Kind),
    channel=st.sampled_from(Channel),
    expected=st.builds(Outcome, st.integers(0, 15)),
    phase=st.integers(0, 255),
    intended_us=st.integers(0, 2**48 - 1),
)


@given(runs, laps, shards, indices)
def test_decoding_turns_encoding_back(ids, lap, shard, wanted):
    """Whatever key, nonce, lap, shard and index: the id names exactly them, in either namespace."""
    for made, namespace in (
        (ids.command_ids(lap, shard, wanted), Namespace.COMMAND),
        (ids.customer_ids(lap, shard, wanted), Namespace.CUSTOMER),
    ):
        found = ids.decode(made, namespace)
        assert found.known.all()
        assert found.lap.tolist() == [lap] * len(wanted)
        assert found.shard.tolist() == [shard] * len(wanted)
        assert found.index.tolist() == wanted


@given(runs, laps, shards)
def test_an_id_is_a_uuid_of_version_8(ids, lap, shard):
    """Every id is in a UUID's text form, with version 8 and the variant of RFC 9562."""
    for text in ids.command_ids(lap, shard, [0, 1, INDICES - 1]):
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 8
        assert parsed.variant == uuid.RFC_4122


def test_ids_of_a_run_are_all_different():
    """Two laps, two namespaces, two shards and 5,000 indices give 40,000 different ids."""
    ids = Ids(KEY, 1)
    every = [
        text
        for lap in (0, 1)
        for shard in (0, SHARDS - 1)
        for make in (ids.command_ids, ids.customer_ids)
        for text in make(lap, shard, range(5000))
    ]
    assert len(set(every)) == 40_000


@given(runs, runs, laps, shards, indices)
def test_ids_of_another_run_are_foreign(ids, other, lap, shard, wanted):
    """What was made with another key or nonce is known to neither run as its own."""
    if (ids.key, ids.nonce) == (other.key, other.nonce):
        return
    assert not ids.decode(other.command_ids(lap, shard, wanted)).known.any()
    assert not other.decode(ids.command_ids(lap, shard, wanted)).known.any()


def test_a_new_nonce_alone_makes_other_ids():
    """The same pool can be run again with the same key: the ids of the second run are all new."""
    first, second = Ids(KEY, 1), Ids(KEY, 2)
    made = first.command_ids(0, 0, range(1000))
    assert not set(made) & set(second.command_ids(0, 0, range(1000)))
    assert not second.decode(made).known.any()


def test_a_customer_is_no_command():
    """A customer's id is never mistaken for a command's, nor the other way round."""
    ids = Ids(KEY, 1)
    assert not ids.decode(ids.customer_ids(0, 0, range(100))).known.any()
    assert not ids.decode(ids.command_ids(0, 0, range(100)), Namespace.CUSTOMER).known.any()


@given(st.lists(st.one_of(st.text(max_size=60), st.uuids().map(str)), max_size=10))
def test_any_text_can_be_decoded(texts):
    """Ids come from the network: whatever is no id of this run is unknown, and never an error."""
    assert Ids(KEY, 1).decode(texts).known.tolist() == [False] * len(texts)


def test_good_ids_are_found_among_garbage():
    """Rubbish beside an id does not shift the others; capitals name the same command."""
    ids = Ids(KEY, 1)
    one, two = ids.command_ids(3, 5, [7, 8])
    found = ids.decode(["", one.upper(), one[:-1], "\N{FULLWIDTH DIGIT ONE}" * 36, two])
    assert found.known.tolist() == [False, True, False, False, True]
    assert found.index[[1, 4]].tolist() == [7, 8]
    assert found.lap[[1, 4]].tolist() == [3, 3]


def test_the_scheme_is_fixed():
    """Run directories outlive versions: key, nonce and place give the same ids for ever."""
    ids = Ids(KEY, 41)
    assert ids.decode(ids.command_ids(0, 0, [0])).known.all()
    assert ids.command_ids(1, 2, np.array([3])) == ids.command_ids(1, 2, [3])
    assert ids.command_ids(1, 2, [3]) == [FIXED]
    assert ids.tag == FIXED_TAG


@pytest.mark.parametrize(
    ("lap", "shard", "index"),
    [(LAPS, 0, 0), (-1, 0, 0), (0, SHARDS, 0), (0, -1, 0), (0, 0, INDICES)],
)
def test_what_an_id_cannot_hold_is_refused(lap, shard, index):
    """A number beyond its bits would be another command's id: that is an error."""
    with pytest.raises(ValueError, match="beyond what an id can hold"):
        Ids(KEY, 1).command_ids(lap, shard, [index])


@pytest.mark.parametrize(("key", "nonce"), [(b"short", 1), (KEY, 0), (KEY, 2**64), (KEY, -1)])
def test_a_run_has_a_whole_key_and_a_nonce(key, nonce):
    """A key of 16 bytes and a nonce of 64 bits that is not zero, or nothing."""
    with pytest.raises(ValueError, match="16 bytes"):
        Ids(key, nonce)


def test_fresh_runs_differ():
    """A new run draws its own key and nonce."""
    assert Ids.fresh() != Ids.fresh()


@settings(max_examples=300)
@given(runs)
def test_a_tag_is_never_zero(ids):
    """Tag 0 means a command of nobody's, so no run has it."""
    assert 0 < ids.tag < 2**32


def test_a_digest_of_zero_gives_another_tag(monkeypatch):
    """Even where the digest is 0, the tag is not."""

    class Nothing:
        def digest(self):
            return bytes(4)

    monkeypatch.setattr("e2e_data.ids.blake2b", lambda *_, **__: Nothing())
    assert Ids(KEY, 1).tag == 1


@given(correlations)
def test_a_correlation_id_says_everything_again(correlation):
    """24 bytes, and back to every field."""
    raw = correlation.pack()
    assert len(raw) == CORRELATION_BYTES == 24
    assert Correlation.unpack(raw) == correlation


@settings(max_examples=25)
@given(correlations)
def test_every_flipped_bit_is_noticed(correlation):
    """A correlation id with one bit wrong is nobody's: it is never taken for another command's."""
    raw = correlation.pack()
    for bit in range(8 * len(raw)):
        broken = bytearray(raw)
        broken[bit // 8] ^= 1 << bit % 8
        assert Correlation.unpack(bytes(broken)) is None


@given(st.binary(max_size=40))
def test_any_bytes_can_be_unpacked(raw):
    """Whatever else comes as a correlation id is None, and never an error."""
    found = Correlation.unpack(raw)
    assert found is None or found.pack() == raw


def test_a_channel_that_does_not_exist_is_no_correlation():
    """Right check sum, impossible channel: it was made by somebody else."""
    body = bytearray(
        Correlation(1, 0, 0, 0, 0, Kind.ACCOUNT, Channel.HTTP, Outcome.SETTLED, 0, 0).pack()[:-4]
    )
    body[12] |= 3 << 4
    assert Correlation.unpack(bytes(body) + zlib.crc32(body).to_bytes(4, "big")) is None


@given(laps, shards, st.sampled_from(Channel), st.lists(correlations, max_size=9))
def test_many_correlation_ids_are_those_of_each(lap, shard, channel, told):
    """In bulk they are the same 48 digits, for attempts without an intended time."""

    def column(name):
        return np.array([getattr(one, name) for one in told], dtype=np.int64)

    codes = {
        name: column(name).astype(np.uint8) for name in ("attempt", "kind", "expected", "phase")
    }
    many = Correlations(
        tag=7, lap=lap, shard=shard, index=column("index"), channel=channel, **codes
    )
    same = {"tag": 7, "lap": lap, "shard": shard, "channel": channel, "intended_us": 0}
    assert many.texts() == [replace(one, **same).pack().hex() for one in told]


def test_a_static_account_id_is_made_of_the_customers():
    """A UUID of version 5, the same for the same customer."""
    one, other = (static_account_id(text) for text in Ids(KEY, 1).customer_ids(0, 0, [0, 1]))
    assert one != other
    assert one == static_account_id(Ids(KEY, 1).customer_ids(0, 0, [0])[0])
    assert uuid.UUID(one).version == 5


def test_shards_are_numbered_on_through_the_laps():
    """Whoever knows how many shards a lap has reads the number again; who does not, lap and shard."""
    counted, plain = Ids(KEY, 1, 10), Ids(KEY, 1)
    texts = counted.command_ids(0, 37, [5])
    assert texts == plain.command_ids(3, 7, [5])
    assert counted.parted(0, 37) == (3, 7)
    joined, parted = counted.decode(texts), plain.decode(texts)
    assert (joined.lap.tolist(), joined.shard.tolist()) == ([0], [37])
    assert (parted.lap.tolist(), parted.shard.tolist()) == ([3], [7])


def test_a_shard_that_no_lap_has_is_nobodys():
    """It would be taken for one of a later lap."""
    assert not Ids(KEY, 1, 10).decode(Ids(KEY, 1).command_ids(0, 10, [5])).known[0]


def test_correlation_ids_have_the_lap_apart():
    """They are read as numbers on through the laps, one by one and many at a time."""
    ids = Ids(KEY, 1, 10)
    lap, shard = ids.parted(0, 37)
    one = Correlation(ids.tag, lap, shard, 5, 0, Kind.PAYMENT, Channel.MQ, Outcome.SETTLED, 2, 9)
    back = Correlation.unpack(one.pack(), 10)
    assert (back.lap, back.shard) == (0, 37)
    read = read_correlations([one.pack().hex()], ids.tag, 10)
    assert (read.known.tolist(), read.lap.tolist(), read.shard.tolist()) == ([True], [0], [37])

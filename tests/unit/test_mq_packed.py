"""Structures packed beforehand are, byte for byte, what IBM's own classes pack."""

from __future__ import annotations

import pytest

from tests.mq_parts import needs_ibmmq

pytestmark = needs_ibmmq


@pytest.fixture(scope="module")
def binding():
    from locustfiles.channels.mq_binding import load

    return load("sandbox")


def test_a_descriptor_is_ibms_with_other_ids(binding):
    """The same bytes as with all fields set one by one."""
    ids = b"m" * 24, b"c" * 24
    fields = {"Format": b"MQSTR   ", "Expiry": 600, "Persistence": 1, "ReplyToQ": b"REPLY.QUEUE"}
    ours = binding.structs.descriptor(*ids, **fields)
    theirs = binding.mq.MD(MsgId=ids[0], CorrelId=ids[1], **fields)
    assert ours.pack() == theirs.pack()
    other = binding.structs.descriptor(bytes(24), ids[1], **{**fields, "Expiry": -1})
    assert other.pack() == binding.mq.MD(CorrelId=ids[1], **{**fields, "Expiry": -1}).pack()


def test_options_are_ibms(binding):
    """Of a put and of a get; a get's version is one that knows what is to be matched."""
    mq = binding.mq
    assert binding.structs.put_options(0x2042).pack() == mq.PMO(Options=0x2042).pack()
    get = mq.GMO(Version=2, Options=0x2001, WaitInterval=250, MatchOptions=2)
    assert binding.structs.get_options(0x2001, 250, 2).pack() == get.pack()


def test_a_descriptor_that_came_is_read(binding):
    """Padding, NULs or blanks, is left out of texts."""
    from locustfiles.channels.mq_structs import Descriptor, read

    came = binding.mq.MD(
        MsgId=b"m" * 24,
        CorrelId=b"c" * 24,
        Format=b"MQHRF2  ",
        Encoding=0x111,
        CodedCharSetId=500,
        Persistence=1,
        BackoutCount=3,
        ReplyToQ=b"REPLY.QUEUE".ljust(48),
    ).pack()
    filled = binding.structs.descriptor(bytes(24), bytes(24)).unpack(came)
    assert read(filled) == Descriptor(
        0x111, 500, b"MQHRF2", 1, b"m" * 24, b"c" * 24, 3, b"REPLY.QUEUE"
    )


def test_the_binding_takes_them_for_its_own(binding):
    """It checks their classes."""
    mq, structs = binding.mq, binding.structs
    assert isinstance(structs.descriptor(bytes(24), bytes(24)), mq.MD)
    assert isinstance(structs.put_options(0), mq.PMO)
    assert isinstance(structs.get_options(0, 0, 0), mq.GMO)

"""The structures and constants are IBM's, to the byte."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sandbox.mqbinding import structs
from sandbox.mqbinding.structs import Descriptor
from tests.mq_parts import needs_ibmmq


def test_a_descriptor_comes_back_as_it_was():
    """364 bytes there and back; a text that is shorter than its field is padded with NULs."""
    md = Descriptor(format=b"MQSTR   ", correl_id=bytes(range(24)), expiry=600, backout_count=3)
    packed = md.pack()
    assert len(packed) == structs.MD_BYTES == 364
    back = Descriptor.unpack(packed)
    assert back.pack() == packed
    assert back[:9] == md[:9]
    assert (back.correl_id, back.expiry, back.backout_count) == (bytes(range(24)), 600, 3)
    assert back.reply_to_q == bytes(48)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (b"QM1\0\0\0", b"QM1"),
        (b"QM1   ", b"QM1"),
        (b"QM1\0rest", b"QM1"),
        (b"A B \0", b"A B"),
        (b"\0\0", b""),
        (b"    ", b""),
    ],
)
def test_a_field_ends_at_its_first_nul_or_its_last_letter(field, says):
    """Programs pad with NULs, queue managers with blanks."""
    assert structs.text(field) == says


def test_padding_fits_the_field():
    """Blanks up to the size; what is longer is cut."""
    assert structs.padded(b"Q", 4) == b"Q   "
    assert structs.padded(b"QUEUE", 4) == b"QUEU"


COMPARE = """
import json
from sandbox.mqbinding import codes, install
install()
import ibmmq
from ibmmq import CMQC
ours = {name: value for name, value in vars(codes).items() if name.startswith("MQ")}
structures = (ibmmq.MD, ibmmq.OD, ibmmq.GMO, ibmmq.PMO, ibmmq.CNO, ibmmq.CD, ibmmq.CSP, ibmmq.SCO)
print(json.dumps({
    "constants": len(ours),
    "wrong": [name for name, value in ours.items() if getattr(CMQC, name) != value],
    "sizes": {each.__name__: each().get_length() for each in structures},
}))
"""


@needs_ibmmq
def test_constants_and_sizes_are_those_of_the_package():
    """Every constant has IBM's value; every structure is as long as IBM's Python layer packs it."""
    command = [sys.executable, "-c", COMPARE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["constants"] > 100
    assert found["wrong"] == []
    assert found["sizes"] == {
        "MD": 364,
        "OD": 424,
        "GMO": 112,
        "PMO": 184,
        "CNO": 272,
        "CD": 2000,
        "CSP": 104,
        "SCO": 672,
    }

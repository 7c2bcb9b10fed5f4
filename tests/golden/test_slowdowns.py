"""The table of detectable slowdowns in docs/comparing.md is what the method gives."""

from __future__ import annotations

import re
from pathlib import Path

from tests.golden.conftest import OPTION, REMEDY
from tests.slowdowns import table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "comparing.md"
BLOCK = re.compile(r"\| baseline runs .*?(?=\n\n)", re.S)


def test_the_table_of_slowdowns_is_in_the_document(request):
    """By number of runs and their variation; the simulations of the property tests hold it."""
    text = DOCUMENT.read_text("utf-8")
    if request.config.getoption(OPTION, default=False):
        DOCUMENT.write_text(BLOCK.sub(lambda _: table(), text), "utf-8")
        return
    found = BLOCK.search(text)
    assert found is not None
    assert found[0] == table(), REMEDY

"""The reference in the guide is what the code says of itself."""

from __future__ import annotations

import re
from pathlib import Path

from tests.golden.conftest import OPTION, REMEDY
from tests.reference import reference

SAYS_WHAT_IT_IS = ("what it is", "what it does", "what happened", "meaning")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"


def test_the_reference_is_what_the_code_says(request):
    """Each setting with its type, bounds and default; options, exit codes, error classes, metrics."""
    made = reference()
    if request.config.getoption(OPTION, default=False):
        PAGE.write_text(made, "utf-8")
        return
    assert PAGE.read_text("utf-8") == made, REMEDY


def test_nothing_is_left_without_a_word():
    """Each option, setting, error class and metric says what it is."""
    for table in re.findall(r"(?:^\|.*\n)+", PAGE.read_text("utf-8"), re.M):
        heads, _, *rows = (re.split(r" *(?<!\\)\| *", line)[1:-1] for line in table.splitlines())
        told = next(place for place, head in enumerate(heads) if head in SAYS_WHAT_IT_IS)
        for row in rows:
            assert row[told], f"{row[0]} says nothing"

"""The reference in the guide is what the code says of itself."""

from __future__ import annotations

from pathlib import Path

from tests.golden.conftest import OPTION, REMEDY
from tests.reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"


def test_the_reference_is_what_the_code_says(request):
    """Each setting with its type, bounds and default; options, exit codes, error classes, metrics."""
    made = reference()
    if request.config.getoption(OPTION, default=False):
        PAGE.write_text(made, "utf-8")
        return
    assert PAGE.read_text("utf-8") == made, REMEDY

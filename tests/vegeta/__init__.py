"""Real Vegeta, built from the pinned source beside this file."""

from __future__ import annotations

from pathlib import Path

from tests import golang

MODULE = Path(__file__).parent
PACKAGE = "github.com/tsenart/vegeta/v12"


def vegeta() -> Path:
    """Return the program, for a test; where it cannot be built, that is skipped, but fails in CI."""
    return golang.built_for_a_test("vegeta", MODULE, PACKAGE)


def built() -> Path:
    """Return the program, built once and kept in the user's cache. Raises golang.NotBuiltError."""
    return golang.built("vegeta", MODULE, PACKAGE)

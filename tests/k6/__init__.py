"""Real k6, built from the pinned source beside this file."""

from __future__ import annotations

from pathlib import Path

from tests import golang


def built() -> Path:
    """Return the program, built once and kept in the user's cache. Raises golang.NotBuiltError."""
    return golang.built("k6", Path(__file__).parent, "go.k6.io/k6")

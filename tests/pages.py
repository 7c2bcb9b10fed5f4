"""The pages of the sample runs; drawing one takes seconds, so that each is drawn once in a process."""

from __future__ import annotations

from functools import cache

from reports.html import to_html
from tests import samples


@cache
def page_of(name: str) -> str:
    """Return report.html of a sample run."""
    return to_html(getattr(samples, name)())

"""Retry-After: how long a platform asks to be left alone (RFC 9110, 10.2.3)."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from e2e_data.platform import HttpAnswer

STATUSES = frozenset({429, 503})


def retry_after_s(answer: HttpAnswer, utc_s: float | None = None) -> float:
    """Return the seconds to wait after an answer, given the wall clock; 0 where it asks for nothing."""
    if answer.status not in STATUSES:
        return 0.0
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until = parsedate_to_datetime(asked).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(until - (time.time() if utc_s is None else utc_s), 0.0)

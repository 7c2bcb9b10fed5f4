"""Durations as people write them: "90s", "2m", "1h30m"."""

from __future__ import annotations

import re

_PARTS = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d+)?)s)?", re.ASCII)
_NUMBER = re.compile(r"()()(\d{1,9}(?:\.\d+)?)", re.ASCII)


def parse_duration_s(text: str) -> float:
    """Return the seconds that `text` means. Raises ValueError with examples of what would do.

    A number alone is seconds; after hours or minutes it would be a guess, so it is refused.
    """
    match = _NUMBER.fullmatch(text.strip()) or _PARTS.fullmatch(text.strip())
    if not text.strip() or match is None:
        raise ValueError(f"{text!r} is no duration; write 90s, 2m or 1h30m")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)

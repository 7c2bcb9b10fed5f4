"""The table of docs/comparing.md: which slowdowns are found, by how many runs there are."""

from __future__ import annotations

from reports.differences import detectable

VARIATIONS = (0.01, 0.02, 0.05, 0.10)
RUNS = ((3, 1), (3, 3), (5, 1), (5, 3), (5, 5), (10, 1), (10, 5), (10, 10), (20, 20))
FAMILY = 5
"""Figures that `paystorm compare` compares of a phase."""
THRESHOLD = 0.05


def table() -> str:
    """Return the table in Markdown."""
    heads = " | ".join(f"runs vary by {100 * one:g} %" for one in VARIATIONS)
    lines = [f"| baseline runs | compared runs | {heads} |", f"|{'---|' * (len(VARIATIONS) + 2)}"]
    for base, new in RUNS:
        cells = (detectable(base, new, one, FAMILY, THRESHOLD) for one in VARIATIONS)
        lines.append(f"| {base} | {new} | {' | '.join(f'{100 * one:.0f} %' for one in cells)} |")
    return "\n".join(lines)

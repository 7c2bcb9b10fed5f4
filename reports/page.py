"""What pages have in common: tables with their captions, and templates that escape everything."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import tables
from reports.answers import STATUS_TONES, Tone
from reports.hostile import visible
from reports.quantities import count, counted, sentence_case
from reports.since import FOUND_TONES

_NUMBERS = {
    *("Examined", "Faults", "Measured", "Samples", "No end", *tables.PERCENTILES),
    *("Began", "Ended", "Sent", "Intended per s", "Sent per s", "At", "Amount", "Count"),
    *("Answered", "Response p50", "Response p99", "Rate per s", "Answered per s"),
    *("Intended", "Acknowledged", "Completed", "Total", "Commands"),
    *("Requests", "Failures", "Requests per s"),
    *("p99 before", "p99 during"),
    *("Before", "Now", "Change", "Matters from", "Change of p99"),
}
_PROSE = {
    *("Verdict", "Interval", "Name", "Last time", "This time", "Check", "Finding"),
    *("Note", "Invariant", "SLO", "Rule", "What", "Value", "Reason", "Evidence"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text with its caption; `numbers` are the columns that stand flush right."""

    caption: str
    frame: pd.DataFrame
    numbers: frozenset[str]
    total: bool = False
    """Whether the last row adds up the others."""

    @property
    def headers(self) -> list[str]:
        """The columns' names."""
        return [str(name) for name in self.frame.columns]

    @property
    def rows(self) -> list[list[str]]:
        """The cells, row by row."""
        return [[str(cell) for cell in row] for row in self.frame.itertuples(index=False)]

    def column_class(self, header: str) -> str:
        """Return the CSS class of a column."""
        if header in self.numbers:
            return "number"
        return "prose" if header in _PROSE else "word"


def table(caption: str, frame: pd.DataFrame, *, total: bool = False, counts: bool = False) -> Table:
    """Return a table without its empty columns; of `counts` all but the first column are numbers."""
    frame = tables.filled(frame) if len(frame) else frame
    names = [str(name) for name in frame.columns]
    # All columns of counts but the name's; elsewhere the names tell.
    numbers = names[1:] if total or counts else [name for name in names if name in _NUMBERS]
    return Table(caption, frame, frozenset(numbers), total)


COMPARED_TONES: dict[str, Tone] = {
    "faster": "good",
    "no difference seen": "good",
    "slower": "bad",
    "more": "bad",
    "fewer": "good",
    "not enough data": "warn",
}
"""What a comparison says (differences.Answer), which pages of one run need not import."""


@cache
def environment() -> Environment:
    """Make the templates' environment: every value is escaped, and what cannot be seen is shown."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.filters["count"] = count
    environment.filters["counted"] = counted
    environment.filters["described"] = tables.described
    environment.filters["sentence_case"] = sentence_case
    environment.globals["status_tones"] = {
        **{status.value: tone for status, tone in STATUS_TONES.items()},
        **COMPARED_TONES,
        **FOUND_TONES,
    }
    return environment


def _shown(value: object) -> object:
    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value)

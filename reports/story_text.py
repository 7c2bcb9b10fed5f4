"""A story in a terminal, or as plain columns where its output is piped on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.hostile import visible
from reports.story import HEADINGS, Cells, Story

_RIGHT = frozenset({"no.", "amount", "sent", "acknowledged", "completed", "decided", "posted"})


def tell(story: Story, console: Console) -> None:
    """Print a story: the account, its commands in order, what is wrong; times are seconds of the run."""
    lines = [*story.lines(), ""]
    rows = [tuple(map(visible, row)) for row in story.rows()]
    findings = [visible(line) for line in story.findings()]
    if console.is_terminal:
        for line in lines:
            console.print(Text(line))
        console.print(_table(rows))
        for line in findings:
            console.print(Text(line, style="bold red"))
        return
    # A pipe gets whole lines, however long.
    for line in [*lines, *_columns([HEADINGS, *rows]), *([""] if findings else []), *findings]:
        console.print(Text(line), soft_wrap=True)


def _table(rows: Sequence[Cells]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in HEADINGS:
        table.add_column(name, justify="right" if name in _RIGHT else "left")
    for row in rows:
        table.add_row(*map(Text, row), style="bold red" if row[-1] else "")
    return table


def _columns(rows: Sequence[Cells]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for name, cell, width in zip(HEADINGS, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()

"""How fast a report is made, and in how much memory: the command as users start it.

    python benchmarks/reports.py            a million commands
    python benchmarks/reports.py --large    ten million: half an hour, most of it to make and judge the run
    python benchmarks/reports.py --quick    a hundredth of a million, to see that it runs

A report is made of what the judge wrote, so it does not grow with the run's commands; what it needs is
gathered while the run is judged (`benchmarks/reconcile.py` times that). Both are told. The peer reads
the same journal with pandas and draws one line, the 99th percentile of each second: what one would do by
hand. That of the smoke run imports pandas and matplotlib, and does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

if __package__ in (None, ""):
    # Instead of this folder, whose modules must not be taken for others of their names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import PAYSTORM, Row, Usage, by_scale, measured, megabytes
from benchmarks.synthetic_run import ACCOUNTS_BY_SCALE, write_run

SMOKE_ACCOUNTS = 10

_BY_HAND = """
import sys, pandas as pd
from matplotlib.figure import Figure
facts = pd.read_parquet(sys.argv[1] + '/journal', columns=['fact', 'shard', 'index', 'at_ns'])
sent, answered = (facts[facts['fact'] == fact] for fact in (1, 2))
both = sent.merge(answered, on=['shard', 'index'])
took = (both['at_ns_y'] - both['at_ns_x']).groupby(both['at_ns_y'] // 10**9).quantile(0.99)
figure = Figure()
figure.add_subplot().plot(took)
figure.savefig(sys.argv[1] + '/by-hand.svg')
"""
_IMPORTS = "import pandas; from matplotlib.figure import Figure"


def rows(accounts: int, directory: Path) -> Iterator[Row]:
    """Yield the table's rows, as they are measured."""
    run = directory / "whole"
    commands = write_run(run, accounts)
    judged = measured((*PAYSTORM, "reconcile", str(run)))
    made = _report(run)
    # The grants are lines beside the chunks, which pandas would take for Parquet.
    (run / "journal" / "grants.jsonl").unlink()
    peer = measured((sys.executable, "-c", _BY_HAND, str(run)))
    yield Row(
        f"report of {commands:,} commands",
        f"{made.wall_s:.1f} s ({made.cpu_s:.1f} s of CPU)",
        "< 60 s for ten million",
        f"{made.cpu_s / peer.cpu_s:.2f} times the CPU of one line by hand ({peer.cpu_s:.1f} s)",
    )
    yield Row(
        "memory, at most",
        megabytes(made.parent_peak_bytes),
        "< 1.5 GB for ten million",
        f"{made.parent_peak_bytes / peer.parent_peak_bytes:.2f} times that by hand "
        f"({megabytes(peer.parent_peak_bytes)})",
    )
    yield Row(
        "judging the same run, report included",
        f"{judged.wall_s:.1f} s ({judged.cpu_s:.1f} s of CPU), {megabytes(judged.parent_peak_bytes)}",
        "",
        f"{judged.cpu_s / made.cpu_s:.1f} times the CPU of the report alone",
    )
    yield _smoke(directory / "smoke")


def _smoke(run: Path) -> Row:
    commands = write_run(run, SMOKE_ACCOUNTS)
    measured((*PAYSTORM, "reconcile", str(run)))
    made, peer = _report(run), measured((sys.executable, "-c", _IMPORTS))
    return Row(
        f"report of a smoke run, {commands:,} commands",
        f"{made.wall_s:.1f} s ({made.cpu_s:.1f} s of CPU)",
        "< 3 s",
        f"{made.cpu_s / peer.cpu_s:.1f} times the CPU of importing pandas and matplotlib",
    )


def _report(run: Path) -> Usage:
    return measured((*PAYSTORM, "report", str(run)))


def main() -> None:
    """Measure, and print the table."""
    by_scale(
        __doc__, "reporting", lambda scale, directory: rows(ACCOUNTS_BY_SCALE[scale], directory)
    )


if __name__ == "__main__":
    main()

"""How fast a run is judged, and in how much memory: the whole command, replay and report included.

    python benchmarks/reconcile.py            a million commands, and a quarter of it for the memory
    python benchmarks/reconcile.py --large    ten million, and a tenth of it: a quarter of an hour
    python benchmarks/reconcile.py --quick    a hundredth of a million, to see that it runs

The runs are made in bulk, by rules of their own (`synthetic_run`), and are right: every command is
journaled, booked and replayed. The peer is what any reconciliation has to do at least: pandas reads
the same journal and book and joins them by the command, without asking anything. No figure makes it
fail, but a run that is not found right does.
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

_JOIN = """
import sys, pandas as pd
journal = pd.read_parquet(sys.argv[1] + '/journal', filters=[('fact', '=', 4)])
book = pd.read_parquet(sys.argv[1] + '/book/commands.parquet')
joined = journal.merge(book, on=['lap', 'shard', 'index'], suffixes=('', '_book'))
assert len(joined) == len(book)
assert (joined['code'] == joined['outcome']).all()
"""


def rows(accounts: int, growth: int, directory: Path) -> Iterator[Row]:
    """Yield the table's rows, as they are measured; memory is compared for so many times fewer."""
    write_run(directory / "part", accounts // growth)
    part = judged(directory / "part")
    commands = write_run(directory / "whole", accounts)
    took = judged(directory / "whole")
    # The grants are lines beside the chunks, which pandas would take for Parquet.
    (directory / "whole" / "journal" / "grants.jsonl").unlink()
    peer = measured((sys.executable, "-c", _JOIN, str(directory / "whole")))
    yield Row(
        f"judge {commands:,} commands, one process",
        f"{took.wall_s:.1f} s ({took.cpu_s:.1f} s of CPU)",
        "< 20 s for a million",
        f"{took.cpu_s / peer.cpu_s:.1f} times the CPU of pandas' join alone ({peer.cpu_s:.1f} s)",
    )
    yield Row(
        "memory, at most",
        megabytes(took.parent_peak_bytes),
        "< 1 GB for ten million",
        f"{took.parent_peak_bytes / part.parent_peak_bytes:.2f} times that for 1/{growth} of them; "
        f"{took.parent_peak_bytes / peer.parent_peak_bytes:.2f} times pandas'",
    )


def judged(run: Path) -> Usage:
    """Judge a run; raises CalledProcessError where it is not found right."""
    return measured((*PAYSTORM, "reconcile", str(run)))


def main() -> None:
    """Measure, and print the table."""
    by_scale(
        __doc__,
        "judging",
        lambda scale, directory: rows(
            ACCOUNTS_BY_SCALE[scale], 10 if scale == "large" else 4, directory
        ),
    )


if __name__ == "__main__":
    main()

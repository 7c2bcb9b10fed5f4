"""Random histories of a correct platform, judged: none may be accused.

A history is an account's: its own commands, order, times and network, through the sandbox's ledger;
they are judged by the real reconciliation, some hundred in a run. The tests play a share of them:

    python -m tests.soundness 100000
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pyarrow.parquet as pq

from e2e_data.commands import Channel, Kind
from e2e_data.exits import Exit
from e2e_data.model.rules import Rules
from e2e_data.pool import Pool
from locustfiles.limit_watch import Limits
from locustfiles.vigil import Vigil
from reports.journal import ROW
from tests.fates import Fate, Options
from tests.histories import History
from tests.judgements import findings
from tests.times import EPOCH_UTC_NS
from tests.tiny_pools import Key, keys_of, tiny_pool

HARMLESS = (
    Fate.UNANSWERED,
    Fate.SILENT,
    Fate.VANISHED,
    Fate.REFUSED,
    Fate.NOT_SENT,
    Fate.BLOCKED,
    Fate.LATE,
    Fate.UNGRANTED,
)
ACCOUNTS = 200
"""Of a run."""


def harmless(draw: Random, pool: Pool) -> dict[Key, Fate]:
    """Draw what a network does to some commands: between none and a third of them."""
    every = [key for kind in Kind for key in keys_of(pool, kind)]
    chosen = draw.sample(every, draw.randint(0, len(every) // 3))
    return {key: draw.choice(HARMLESS) for key in chosen}


def accusations(histories: int, seed: int, directory: Path) -> Iterator[tuple[int, str]]:
    """Play so many histories; yield, after each run, how many so far, and what it accuses, if any."""
    played, number = 0, seed
    while played < histories:
        draw = Random(f"sound {number}")
        options = Options(
            seed=number,
            pools=2**31,
            accounts=min(ACCOUNTS, histories - played),
            foreign=draw.choice((0, 0, 1)),
            spread=draw.random() < 0.8,
            special=draw.random() < 0.5,
            channel=draw.choice((Channel.HTTP, Channel.KAFKA)),
            settings=_settings(draw),
        )
        pool = tiny_pool(
            options.seed, options.accounts, special=options.special, settings=options.settings
        )[0]
        history = History(directory / str(number), harmless(draw, pool), options)
        judgement = history.judge()
        counted = sum(sum(counts.values()) for counts in judgement.classes.values())
        wrong = [f"run {number}: {name} {what}" for name, what in findings(judgement).items()]
        told = judgement.surely_not_sent + judgement.perhaps_sent + judgement.journaled
        wrong += [f"run {number}: said while it was on: {note}" for note in said_meanwhile(history)]
        if {counted, told} != {len(pool)}:
            wrong.append(
                f"run {number}: of {len(pool)} commands {counted} have a class, {told} a trace"
            )
        if judgement.exit is not Exit.GOOD and not wrong:
            wrong.append(f"run {number}: {'; '.join(judgement.reasons)}")
        played, number = played + options.accounts, number + 1
        yield played, "; ".join(wrong)


def said_meanwhile(history: History) -> list[str]:
    """Return what a process would have said of its journal while the run was on."""
    said: list[str] = []
    vigil = Vigil(history.pool, history.ids, Limits(Rules(), EPOCH_UTC_NS, 0))
    vigil.say = said.append
    for chunk in sorted(history.directory.journal.glob("*.parquet")):
        table = pq.read_table(chunk)
        rows = np.zeros(len(table), ROW)
        for name in ("fact", "shard", "index", "attempt", "code", "at_ns"):
            rows[name] = table[name].to_numpy()
        vigil.facts(rows)
        vigil.look()
    return said


def _settings(draw: Random) -> tuple[tuple[str, object], ...]:
    """Draw how many payments the accounts make, and of which sort they are."""
    return (
        ("payments", draw.choice(((1, 2), (1, 4), (2, 6), (5, 12)))),
        ("funding", (1, 2)),
        ("limit_based_percentage", draw.choice((0, 50, 100))),
        ("boundary_percentage", draw.choice((0, 0, 50))),
    )


def main() -> None:
    """Play as many histories as the command line says; exit with 1 where any was accused."""
    wanted = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began_s, accused, played = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as directory:
        for played, wrong in accusations(wanted, seed, Path(directory)):
            if wrong:
                accused += 1
                print(wrong, flush=True)
            print(f"{played} histories, {accused} runs accused", end="\r", flush=True)
    took_s = time.monotonic() - began_s
    print(f"{played} histories in {took_s:.0f} s, {accused} runs accused")
    sys.exit(accused > 0)


if __name__ == "__main__":
    main()

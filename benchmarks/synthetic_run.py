"""A run directory of any size whose platform was right, made in bulk: what the judge is timed on."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from e2e_data import manifest as manifests
from e2e_data.commands import PERIODS, Channel, Kind, Outcome
from e2e_data.config import load
from e2e_data.ids import Ids
from e2e_data.model.rules import Rules
from e2e_data.platform import Acknowledged
from e2e_data.pool import Pool
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from reports.book import ACCOUNTS, COMMANDS
from reports.grants import Grant, GrantLog
from reports.journal import Fact, Journal
from reports.lines import LineLog
from reports.rundir import PhaseRecord, RunDirectory, RunRecord
from reports.timeline import Event, Second

Ints = NDArray[np.int64]

EPOCH_UTC_NS = 1_795_176_000 * 10**9
APART_NS = 2_000_000
"""Between two commands of a shard."""
BLOCK = 1000
"""Commands in a grant."""
ACCOUNTS_BY_SCALE = {"": 4_400, "quick": 44, "large": 44_000}
"""Of the preset `stress`, by the scale of a benchmark: the first make a million commands."""
PHASES = (
    PhaseRecord(name="accounts", sends=(Kind.ACCOUNT,)),
    PhaseRecord(name="opening-credits", sends=(Kind.OPENING_CREDIT,)),
    PhaseRecord(name="payments", sends=(Kind.FUNDING, Kind.PAYMENT)),
)


def write_run(path: Path, accounts: int) -> int:
    """Write the run of a pool of the preset `stress` with so many accounts; return its commands."""
    pool = Pool.in_memory(load("stress", {"accounts": accounts}), 7)
    directory = RunDirectory(path)
    for place in ("pool", "journal", "bindings", "book", "latency"):
        (path / place).mkdir(parents=True)
    pool.manifest.write(directory.pool / manifests.FILE_NAME)
    ids = Ids(bytes(range(16)), 0xC0FFEE)
    grants = GrantLog(directory.grants)
    bindings = LineLog(directory.bindings / "w0.jsonl")
    journal = Journal(directory.journal, "w0")
    clearing = np.zeros(len(pool.config.currencies), dtype=np.int64)
    with (
        pq.ParquetWriter(directory.book / "commands.parquet", COMMANDS) as commands,
        pq.ParquetWriter(directory.book / "accounts.parquet", ACCOUNTS) as customers,
    ):
        for shard in pool.shards():
            made = _Played(shard, ids)
            grants.write_all(made.grants())
            bindings.write_all(made.bindings())
            made.journal(journal)
            journal.flush()
            commands.write_table(made.commands())
            customers.write_table(made.accounts())
            clearing += made.clearing()
        customers.write_table(_own_accounts(pool.config.currencies, clearing))
    grants.write_closed("w0", journal.chunks)
    grants.close()
    bindings.close()
    directory.write("book/book.json", orjson.dumps({"as_of": len(pool)}))
    _write_rest(directory, ids)
    return len(pool)


class _Played:
    """A shard's commands, in the order in which they are sent, decided by the rules."""

    def __init__(self, shard: Shard, ids: Ids) -> None:
        self.shard, self.ids = shard, ids
        self.order = np.concatenate(
            [interleave([shard.range_of(kind) for kind in phase.sends]) for phase in PHASES]
        )
        self.sent_ns = np.empty(len(shard), dtype=np.int64)
        self.sent_ns[self.order] = np.arange(len(shard)) * APART_NS
        self.decided_ns = self.sent_ns + 5_000_000
        self.settled, self.after, self.seq, self.reason = _decide(
            shard, self.order, self.decided_ns
        )
        self.own = np.where(shard.kind == Kind.PAYMENT, -1, 1) * shard.amount_minor
        self.own[~self.settled] = 0
        self.ids_of = [f"acc-{shard.number}-{n}" for n in range(shard.counts.account)]

    def grants(self) -> list[Grant]:
        found, number = [], self.shard.number
        for phase, record in enumerate(PHASES):
            size = sum(len(self.shard.range_of(kind)) for kind in record.sends)
            found += [
                Grant(1, "w0", 0, number, phase, start, min(start + BLOCK, size), 0)
                for start in range(0, size, BLOCK)
            ]
        return found

    def bindings(self) -> list[dict[str, object]]:
        number = self.shard.number
        return [{"place": (0, number, n), "account_id": one} for n, one in enumerate(self.ids_of)]

    def journal(self, journal: Journal) -> None:
        phases = np.minimum(self.shard.kind, 2).tolist()
        sent, settled, reasons = self.sent_ns.tolist(), self.settled.tolist(), self.reason.tolist()
        for index in self.order.tolist():
            place, phase, at_ns = (0, self.shard.number, index), phases[index], sent[index]
            at = (place, 0, phase, Channel.HTTP)
            journal.sent(*at, at_ns=at_ns, intended_ns=at_ns, free_ns=at_ns)
            journal.add(
                Fact.ACKNOWLEDGED, *at, at_ns=at_ns + APART_NS // 2, code=Acknowledged.ACCEPTED
            )
            outcome = Outcome.SETTLED if settled[index] else Outcome.REJECTED
            told_ns = at_ns + 10_000_000
            journal.add(Fact.COMPLETED, *at, at_ns=told_ns, code=outcome, reason=reasons[index])

    def commands(self) -> pa.Table:
        shard, size = self.shard, len(self.shard)
        currencies = np.array(shard.config.currencies, dtype=object)
        account = shard.account_number
        own_id = np.array(self.ids_of, dtype=object)[account]
        moves = self.settled & (shard.kind != Kind.ACCOUNT)
        other = np.where(shard.kind == Kind.PAYMENT, shard.credit_minor, -shard.amount_minor)
        other_currency = currencies[shard.credit_currency]

        def where(values: NDArray[Any]) -> NDArray[Any]:
            return np.where(moves, values, "")

        columns = {
            "known": np.ones(size, dtype=bool),
            "lap": np.zeros(size),
            "shard": np.full(size, shard.number),
            "index": np.arange(size),
            "command_id": self.ids.command_ids(0, shard.number, list(range(size))),
            "account_id": own_id,
            "outcome": np.where(self.settled, Outcome.SETTLED, Outcome.REJECTED),
            "reason": self.reason,
            "decided_ns": EPOCH_UTC_NS + self.decided_ns,
            "account_seq": self.seq,
            "legs": np.where(moves, 2, 0),
            "own_account_id": where(own_id),
            "own_minor": self.own,
            "own_currency": where(currencies[shard.currency[account]]),
            "other_minor": np.where(moves, other, 0),
            "other_currency": where(other_currency),
            "other_account_id": where("clearing-" + other_currency),
        }
        arrays = [pa.array(columns[name]).cast(COMMANDS.field(name).type) for name in columns]
        after = pa.array(self.after, mask=~moves)
        return pa.Table.from_arrays([*arrays, after], schema=COMMANDS)

    def accounts(self) -> pa.Table:
        shard, size = self.shard, self.shard.counts.account
        balance = np.zeros(size, dtype=np.int64)
        np.add.at(balance, shard.account_number, self.own)
        currencies = np.array(shard.config.currencies, dtype=object)
        columns = [
            np.ones(size, dtype=bool),
            np.zeros(size),
            np.full(size, shard.number),
            np.arange(size),
            self.ids_of,
            self.ids.customer_ids(0, shard.number, list(range(size))),
            currencies[shard.currency],
            balance,
        ]
        return _table(columns)

    def clearing(self) -> Ints:
        shard = self.shard
        other = np.where(shard.kind == Kind.PAYMENT, shard.credit_minor, -shard.amount_minor)
        sums = np.zeros(len(shard.config.currencies), dtype=np.int64)
        np.add.at(sums, shard.credit_currency, np.where(self.settled, other, 0))
        return sums


def _decide(
    shard: Shard, order: Ints, decided_ns: Ints
) -> tuple[NDArray[np.bool_], Ints, Ints, NDArray[np.object_]]:
    """Decide all commands, the first of each account at once, then the second of each, and so on."""
    size, accounts, rules = len(shard), shard.counts.account, Rules()
    settled, after, seq = np.ones(size, dtype=bool), *np.zeros((2, size), dtype=np.int64)
    reason = np.full(size, "", dtype=object)
    by_account = order[np.argsort(shard.account_number[order], kind="stable")]
    account = shard.account_number[by_account]
    first = np.searchsorted(account, np.arange(accounts))
    seq[by_account] = np.arange(size) - first[account] + 1
    balance = np.zeros(accounts, dtype=np.int64)
    windows, spent = np.full((len(PERIODS), accounts), -1), np.zeros((len(PERIODS), accounts))
    spent = spent.astype(np.int64)
    for turn in range(1, int(seq.max()) + 1):
        rows = by_account[seq[by_account] == turn]
        who, minor = shard.account_number[rows], shard.amount_minor[rows]
        pays = shard.kind[rows] == Kind.PAYMENT
        limited = shard.limit_based[who] & pays
        why = np.where(
            pays & ~shard.limit_based[who] & (minor > balance[who]), "INSUFFICIENT_FUNDS", ""
        )
        for number in reversed(range(len(PERIODS))):
            period = PERIODS[number]
            window = rules.window_start_ns(period, EPOCH_UTC_NS + decided_ns[rows])
            spent[number, who[window != windows[number, who]]] = 0
            windows[number, who] = window
            beyond = limited & (spent[number, who] + minor > shard.limits_minor[who, number])
            why = np.where(beyond, f"LIMIT_EXCEEDED_{period}", why)
        good = why == ""
        settled[rows], reason[rows] = good, why
        balance[who] += np.where(good, np.where(pays, -minor, minor), 0)
        spent[:, who] += np.where(good & limited, minor, 0)
        after[rows] = balance[who]
    return settled, after, seq, reason


def _own_accounts(currencies: tuple[str, ...], clearing: Ints) -> pa.Table:
    size = len(currencies)
    names = [f"clearing-{currency}" for currency in currencies]
    nowhere = np.full(size, -1)
    columns = [np.zeros(size, dtype=bool), nowhere, nowhere, nowhere, names, [""] * size]
    return _table([*columns, list(currencies), clearing])


def _table(columns: list[object]) -> pa.Table:
    arrays = [
        pa.array(column).cast(field.type) for column, field in zip(columns, ACCOUNTS, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=ACCOUNTS)


def _write_rest(directory: RunDirectory, ids: Ids) -> None:
    log = LineLog(directory.timeline)
    log.write(Event(0, "run began"))
    counts = dict.fromkeys((field.name for field in fields(Second)), 0)
    log.write({**counts, "at_ns": 10**9, "phase": PHASES[0].name, "queues": {}})
    log.write(Event(2 * 10**9, "run ended"))
    log.close()
    directory.write_record(
        RunRecord(
            run_id="synthetic",
            plan_name="synthetic",
            plan={},
            phases=PHASES,
            completion_deadline_s=30,
            key=ids.key.hex(),
            nonce=ids.nonce,
            host="http://127.0.0.1:1",
            embedded_sandbox=False,
            versions={},
            epoch_utc_ns=EPOCH_UTC_NS,
            state="ended",
            drained=True,
            ended_ns=2 * 10**9,
        )
    )

"""How fast a scenario pool is made, checked, rendered and exported, and what that takes.

    python benchmarks/pool.py            the whole `stress` preset, about two minutes
    python benchmarks/pool.py --quick    a hundredth of it, to see that it runs

Commands run as users run them, each in a process of its own. Every figure is compared with another
of the same run, since machines differ and so do their days. No figure makes it fail.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import cycle, islice
from pathlib import Path

import orjson
from faker import Faker

if __package__ in (None, ""):
    # Instead of this folder, whose modules must not be taken for others of their names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import PAYSTORM, Row, Usage, measured, megabytes, rate_per_cpu_s, table
from e2e_data import bulk
from e2e_data.commands import Channel, Kind
from e2e_data.exporters.portions import Addressing, portions
from e2e_data.ids import Ids
from e2e_data.money import MINOR_DIGITS
from e2e_data.platform import PATHS, Platform, Sending
from e2e_data.pool import Pool

JOBS = 2
FIRST_DAY = date(2026, 11, 20)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    accounts: int
    shards: int
    export_accounts: int
    least_s: float
    """How long what runs in this process is repeated."""


FULL = Scale(accounts=100_000, shards=400, export_accounts=4_000, least_s=4)
QUICK = Scale(accounts=500, shards=40, export_accounts=100, least_s=0.1)
GROWTH = 4
"""Memory is compared with that for so many times fewer shards of the same size."""


@dataclass(frozen=True, slots=True)
class Made:
    """A pool that was made, and what that took."""

    directory: Path
    usage: Usage

    @property
    def commands(self) -> int:
        """The commands in it."""
        return len(Pool.open(self.directory))

    @property
    def file_bytes(self) -> int:
        """What its files take on the disk."""
        return sum(path.stat().st_size for path in self.directory.iterdir())


def made(directory: Path, accounts: int, *, shards: int) -> Made:
    """Generate a pool of the `stress` preset with so many accounts."""
    config = directory.with_suffix(".toml")
    config.write_text(f"accounts_per_shard = {-(-accounts // shards)}\n")
    command = (*PAYSTORM, "pool", "generate", "--preset", "stress", "--accounts", str(accounts))
    options = ("--config", str(config), "--jobs", str(JOBS), "--out", str(directory))
    return Made(directory, measured((*command, *options)))


def exported(directory: Path, out: Path) -> Usage:
    """Export a pool for Vegeta."""
    options = ("--format", "vegeta", "--out", str(out))
    return measured((*PAYSTORM, "pool", "export", str(directory), *options))


def faker_records(fake: Faker, count: int = 100) -> int:
    """Draw payments with Faker, field by field, as most test data is made."""
    for _ in range(count):
        amount = fake.pydecimal(left_digits=5, right_digits=2, positive=True)
        _ = {
            "customerId": fake.uuid4(),
            "debitAccountId": fake.uuid4(),
            "debitAmount": {"amount": amount, "currencyCode": fake.currency_code()},
            "creditAmount": {"amount": amount, "currencyCode": fake.currency_code()},
            "valueDate": fake.date_this_month().isoformat(),
            "beneficiary": {
                "name": fake.name(),
                "accountNumber": fake.bothify("ACC#########"),
                "transitNumber": fake.numerify("###"),
                "bankName": fake.company(),
            },
            "description": fake.sentence(nb_words=3),
        }
    return count


def dictionary(sending: Sending) -> dict[str, object]:
    """Return a payment as nested dictionaries, as JSON is written by most programs."""
    command = sending.command
    to = command.beneficiary
    assert to is not None, "only payments are asked for"
    return {
        "customerId": sending.customer_id,
        "debitAccountId": sending.account_id,
        "debitAmount": _money(command.amount_minor, command.account.currency),
        "creditAmount": _money(command.credit_minor, command.credit_currency),
        "valueDate": sending.value_date,
        "beneficiary": {
            "name": to.name,
            "accountNumber": to.account_number,
            "transitNumber": to.transit_number,
            "bankName": to.bank_name,
        },
        "description": command.description,
    }


def _money(minor: int, currency: str) -> dict[str, object]:
    return {"amount": minor / 10 ** MINOR_DIGITS[currency], "currencyCode": currency}


def target(sending: Sending) -> bytes:
    """Return a payment as Vegeta takes it, from dictionaries."""
    body = b64encode(orjson.dumps(dictionary(sending))).decode()
    header = {
        "Content-Type": ["application/json"],
        "Idempotency-Key": [sending.command_id],
        "X-Correlation-Id": [sending.correlation_id],
    }
    url = f"http://127.0.0.1:8080{PATHS[Kind.PAYMENT]}"
    return orjson.dumps({"method": "POST", "url": url, "header": header, "body": body})


@dataclass(frozen=True, slots=True)
class Rendering:
    """How many payments are written per core and second, in bulk and from dictionaries."""

    bodies_per_s: float
    body_bytes: float
    dictionaries_per_s: float
    targets_per_s: float
    """Vegeta's targets, from dictionaries."""

    @classmethod
    def of(cls, pool: Pool, least_s: float) -> Rendering:
        """Measure, with the payments of some shards in the order of sending."""
        addressing = Addressing(Ids(bytes(16), 1), Channel.HTTP, FIRST_DAY)
        some = list(islice(portions(pool, addressing, ([[Kind.PAYMENT]],)), 50))
        batches, platform = cycle(portion.batch for portion in some), Platform()
        bodies = bulk.bodies(platform, some[0].batch)

        def one_by_one(write: Callable[[Sending], bytes]) -> float:
            return rate_per_cpu_s(lambda: len(bulk.one_by_one(write, next(batches))), least_s)

        return cls(
            bodies_per_s=rate_per_cpu_s(lambda: len(bulk.bodies(platform, next(batches))), least_s),
            body_bytes=sum(map(len, bodies)) / len(bodies),
            dictionaries_per_s=one_by_one(lambda one: orjson.dumps(dictionary(one))),
            targets_per_s=one_by_one(target),
        )


def rows(scale: Scale, directory: Path) -> Iterator[Row]:
    """Measure everything, and yield a row for each figure."""
    fake = Faker()
    faker_per_s = rate_per_cpu_s(lambda: faker_records(fake), scale.least_s)
    part = made(directory / "part", scale.accounts // GROWTH, shards=scale.shards // GROWTH)
    whole = made(directory / "whole", scale.accounts, shards=scale.shards)
    commands, took = whole.commands, whole.usage
    made_per_cpu_s = commands / took.cpu_s
    yield Row(
        f"generate {commands:,} commands, {JOBS} processes",
        f"{took.wall_s:.1f} s ({took.cpu_s:.1f} s of CPU)",
        "< 12 s",
        f"{commands / took.wall_s:,.0f} commands/s",
    )
    yield Row(
        "commands per core and second, against Faker record by record",
        f"{made_per_cpu_s:,.0f}",
        "≥ 200 times Faker",
        f"{made_per_cpu_s / faker_per_s:,.0f} times Faker's {faker_per_s:,.0f}",
    )
    for name, before, after in (
        ("the command", part.usage.parent_peak_bytes, took.parent_peak_bytes),
        ("a writing process", part.usage.child_peak_bytes, took.child_peak_bytes),
    ):
        yield memory_row(f"memory of {name} while generating", before, after)
    checked = measured((*PAYSTORM, "pool", "validate", str(whole.directory)))
    checked_part = measured((*PAYSTORM, "pool", "validate", str(part.directory)))
    yield Row(
        "validate all of it, one process",
        f"{checked.wall_s:.1f} s ({checked.cpu_s:.1f} s of CPU)",
        "< 60 s",
        f"{checked.cpu_s / took.cpu_s:.2f} times the CPU of generating",
    )
    yield memory_row(
        "memory while validating", checked_part.parent_peak_bytes, checked.parent_peak_bytes
    )
    yield from rendering_rows(scale, directory, whole)


def memory_row(what: str, before: int, after: int) -> Row:
    """Return a row on the most memory of a process, for GROWTH times the shards of `before`."""
    grown = f"{after / before:.2f} times that for 1/{GROWTH} of the shards"
    return Row(f"{what}, at most", megabytes(after), "< 400 MB, not growing", grown)


def rendering_rows(scale: Scale, directory: Path, whole: Made) -> Iterator[Row]:
    """Measure what turns commands into text."""
    rendering = Rendering.of(Pool.open(whole.directory), scale.least_s)
    yield Row(
        "disk",
        megabytes(whole.file_bytes),
        "< 1 GB",
        f"1/{rendering.body_bytes * whole.commands / whole.file_bytes:.0f} of as many payments in JSON",
    )
    yield Row(
        "JSON bodies of payments per core and second",
        f"{rendering.bodies_per_s:,.0f}",
        "≥ 300,000",
        f"{rendering.bodies_per_s / rendering.dictionaries_per_s:.1f} times orjson.dumps of "
        f"dictionaries ({rendering.dictionaries_per_s:,.0f})",
    )
    small = made(directory / "small", scale.export_accounts, shards=16)
    export = exported(small.directory, directory / "vegeta")
    per_s = small.commands / export.cpu_s
    yield Row(
        f"Vegeta export of {small.commands:,} commands (json and text), per core and second",
        f"{per_s:,.0f}",
        "≥ 150,000",
        f"{per_s / rendering.targets_per_s:.1f} times the json of payments by orjson.dumps "
        f"({rendering.targets_per_s:,.0f})",
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="paystorm-bench-") as directory:
        told = table("scenario pool", rows(QUICK if quick else FULL, Path(directory)))
    print(told)
    if quick:
        print("This was a hundredth of the work, mostly starting up; no goal applies to it.")


if __name__ == "__main__":
    main()

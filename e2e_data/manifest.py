"""A pool's manifest: what it was made from, what is in it, and how to recognise every shard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from e2e_data import tables
from e2e_data.commands import Kind, Label
from e2e_data.config import PoolConfig
from e2e_data.distributions import BANDS, REGIONS, SIDES
from e2e_data.problems import Problems, of_validation
from e2e_data.shard import Counts, Shard
from e2e_data.tally import Tally
from e2e_data.vocabulary import vocabulary

VERSION = 3
"""Changes when the same configuration and seed would give another pool, or the file's form does."""
FILE_NAME = "manifest.json"
LIBRARIES = ("faker", "numpy", "pyarrow")

Share = Annotated[float, Field(ge=0, le=100)] | None
"""In percent; None where there is nothing to take a share of."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShardEntry(_Record):
    """What the manifest knows of one shard."""

    counts: tuple[int, int, int, int]
    """Commands by Kind."""
    hash: str
    file_bytes: int
    """The size of its file; 0 when the pool has no files."""
    file_hash: str
    """A digest of its file's bytes, in which any change shows; empty when the pool has no files."""

    @classmethod
    def of(cls, shard: Shard, file_bytes: int = 0, file_hash: str = "") -> ShardEntry:
        """Count one shard, and hash it."""
        counts = tuple(shard.counts)
        return cls(counts=counts, hash=shard.hash, file_bytes=file_bytes, file_hash=file_hash)


class Metrics(_Record):
    """What people want to know about a pool; shares in percent."""

    amount_minor: dict[str, dict[str, int]]
    """Currency -> kind -> sum in minor units."""
    credit_minor: dict[str, int]
    """Currency -> what payments credit in it, in minor units."""
    worth_usd: dict[str, str]
    """Kind -> the sum over all currencies at the quotes of the configuration, in US dollars."""
    band_shares: tuple[Share, ...]
    below_break_share: Share
    limit_based_share: Share
    regions: dict[str, int]
    """Region -> its accounts."""
    to_other_region_share: Share
    """Payments whose beneficiary is in another region than the account, of all payments."""
    labels: dict[str, int]
    """Label -> payments with it, for those that there are."""
    hot_share: Share
    """Payments of hot accounts, of all payments."""
    fx_share: Share
    """Of the payments that are not hostile, as in all that is said of money."""
    certain_reject_share: Share
    """Of all payments."""
    certain_reject_share_limit_based: Share
    """Of the limit-based accounts' payments."""
    determined_share: Share
    """Payments whose outcome is known beforehand, of all payments."""

    @classmethod
    def of(cls, config: PoolConfig, tally: Tally) -> Metrics:
        """Return the metrics of a pool with this tally."""
        by_kind = dict(zip(Kind, tally.amount_minor, strict=True))
        bands = tally.drawn[BANDS]
        return cls(
            amount_minor={
                currency: {kind.label: by_kind[kind][index] for kind in list(Kind)[1:]}
                for index, currency in enumerate(config.currencies)
            },
            credit_minor=dict(zip(config.currencies, tally.credit_minor, strict=True)),
            worth_usd={kind.label: _worth(config, by_kind[kind]) for kind in list(Kind)[1:]},
            band_shares=tuple(share(count, sum(bands)) for count in bands),
            below_break_share=share(sum(tally.drawn[SIDES][:1]), config.accounts),
            limit_based_share=share(tally.limit_based, config.accounts),
            regions=dict(zip(config.regions, tally.drawn[REGIONS], strict=True)),
            to_other_region_share=share(tally.to_other_region, tally.payments),
            labels={label.text: tally.labels[label] for label in Label if tally.labels[label]},
            hot_share=share(tally.payments_hot, tally.payments),
            fx_share=share(tally.fx, sum(tally.labels[: Label.UNKNOWN_ACCOUNT])),
            certain_reject_share=share(tally.certain_rejects, tally.payments),
            certain_reject_share_limit_based=share(
                tally.certain_rejects_limit_based, tally.payments_limit_based
            ),
            determined_share=share(tally.determined, tally.payments),
        )


def share(part: int, whole: int) -> float | None:
    """Return `part` in percent of `whole`, to four decimals; None when there is no whole."""
    return round(100 * part / whole, 4) if whole else None


def _worth(config: PoolConfig, amounts_minor: Iterable[int]) -> str:
    worth = sum(
        (
            Decimal(minor).scaleb(-digits) * config.usd_quotes[currency]
            for minor, digits, currency in zip(
                amounts_minor, config.digits, config.currencies, strict=True
            )
        ),
        Decimal(0),
    )
    return format(worth.quantize(Decimal("0.01")), "f")


class Manifest(_Record):
    """All that is needed to make a pool again and to notice a difference."""

    format: Literal["paystorm pool"] = "paystorm pool"
    version: Literal[3] = 3
    config: PoolConfig
    seed: Annotated[int, Field(ge=0, le=tables.SEED_MAX)]
    libraries: dict[str, str]
    """The versions that it was generated with."""
    rates: dict[str, str]
    """"DEBIT/CREDIT" -> the exact decimal rate of every payment between these currencies."""
    vocabulary_hash: str
    counts: dict[str, int]
    """Commands by kind."""
    metrics: Metrics
    tally: Tally
    shards: tuple[ShardEntry, ...]

    def is_of(self, config: PoolConfig, seed: int) -> bool:
        """Tell whether this is the manifest of the pool of `config` and `seed`."""
        return self.seed == seed and self.config.canonical_json() == config.canonical_json()

    def count_of(self, kind: Kind) -> int:
        """Return the number of commands of one kind."""
        return self.counts[kind.label]

    def shard_counts(self, number: int) -> Counts:
        """Return what one shard has of each kind."""
        return Counts(*self.shards[number].counts)

    def write(self, path: Path) -> None:
        """Write the manifest; raises OSError when that is not possible."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def build(config: PoolConfig, seed: int, entries: Sequence[ShardEntry], tally: Tally) -> Manifest:
    """Return the manifest of a pool with these shards, in order, which add up to `tally`."""
    return Manifest(
        config=config,
        seed=seed,
        libraries=library_versions(),
        rates=config.rates,
        vocabulary_hash=vocabulary(config.locale, seed).hash,
        counts={kind.label: sum(entry.counts[kind] for entry in entries) for kind in Kind},
        metrics=Metrics.of(config, tally),
        tally=tally,
        shards=tuple(entries),
    )


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a pool's words and files come from."""
    return {name: metadata.version(name) for name in LIBRARIES}


def remedy(directory: Path, manifest: Manifest | None = None) -> str:
    """Say how to get a sound pool in place of the one in `directory`."""
    seed = f"--seed {manifest.seed} " if manifest else ""
    return (
        "delete the directory and generate it again, with the options it was made with: "
        f"paystorm pool generate {seed}--out {directory}"
    )


def read(directory: Path) -> Manifest:
    """Read the manifest of the pool in `directory`; raises Problems with all that is wrong."""
    path = directory / FILE_NAME
    again = remedy(directory)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Problems([f"{directory}: is no pool, for it has no {FILE_NAME}; {again}"]) from None
    except OSError as error:
        raise Problems([f"{path}: cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise Problems([f"{path}: is not JSON ({error}); {again}"]) from None
    if not isinstance(found, dict) or found.get("format") != "paystorm pool":
        raise Problems([f"{path}: is not the manifest of a pool; {again}"])
    if found.get("version") != VERSION:
        raise Problems(
            [f"{path}: version = {found.get('version')!r}: this paystorm reads {VERSION}; {again}"]
        )
    try:
        manifest = Manifest.model_validate(found)
    except ValidationError as error:
        raise Problems([*of_validation(str(path), error).problems, again]) from None
    wrong = [f"{path}: {fault}; {remedy(directory, manifest)}" for fault in _faults(manifest)]
    if wrong:
        raise Problems(wrong)
    return manifest


def _faults(manifest: Manifest) -> Iterable[str]:
    config = manifest.config
    if len(manifest.shards) != config.shard_count:
        yield f"names {len(manifest.shards)} shards where its configuration has {config.shard_count}"
    if manifest.counts.keys() != {kind.label for kind in Kind}:
        yield f"counts has the kinds {', '.join(manifest.counts)}; not those of a pool"
    if manifest.rates != config.rates:
        yield "its rates are not those of its configuration's usd_quotes"
    words = vocabulary(config.locale, manifest.seed).hash
    if manifest.vocabulary_hash != words:
        made, here = manifest.libraries.get("faker"), metadata.version("faker")
        yield (
            f"vocabulary_hash = {manifest.vocabulary_hash!r}: Faker {here} draws other names "
            f"({words!r}) than Faker {made}, with which the pool was made; install that version"
        )

"""The words of a pool: names, banks and descriptions, drawn once from Faker and then indexed."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from faker import Faker
from faker.config import AVAILABLE_LOCALES

NAMES = 512
BANKS = 128
FUNDING_TEXTS = 128
PAYMENT_TEXTS = 512
"""How many of each there are: fixed, so that shards can be drawn without the words."""

OPENING_TEXT = "Opening credit"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a shard's indices stand for."""

    names: tuple[str, ...]
    banks: tuple[str, ...]
    funding_texts: tuple[str, ...]
    payment_texts: tuple[str, ...]

    @property
    def descriptions(self) -> tuple[tuple[str, ...], ...]:
        """The texts that a command's description is an index into, by its Kind."""
        return (("",), (OPENING_TEXT,), self.funding_texts, self.payment_texts)

    @property
    def hash(self) -> str:
        """A digest of all words: it tells when another version of Faker draws others."""
        parts = [self.names, self.banks, self.funding_texts, self.payment_texts]
        text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def locale_fault(locale: str) -> str | None:
    """Say what is wrong with a locale and which one may have been meant; None if it is known."""
    if locale in AVAILABLE_LOCALES:
        return None
    near = difflib.get_close_matches(locale.replace("-", "_"), AVAILABLE_LOCALES, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else "en_US is one"
    return f"Faker has no such locale; {hint}"


@lru_cache(maxsize=8)
def vocabulary(locale: str, seed: int) -> Vocabulary:
    """Return the words of a pool, a pure function of its arguments and of Faker's version.

    Raises ValueError for an unknown locale.
    """
    fault = locale_fault(locale)
    if fault:
        raise ValueError(f"{locale!r}: {fault}")
    fake = Faker(locale)
    fake.seed_instance(seed)
    company = fake.company
    payment_forms = (
        lambda: f"Invoice {fake.random_number(digits=6, fix_len=True)} {company()}",
        lambda: f"Card payment {company()}",
        lambda: f"Order {fake.random_number(digits=8, fix_len=True)} {company()}",
        lambda: f"Rent {fake.last_name()}",
        lambda: f"Subscription {company()}",
    )
    funding_forms = (
        lambda: f"Salary {company()}",
        lambda: f"Transfer from {fake.name()}",
        lambda: f"Refund {company()}",
        lambda: f"Deposit {fake.random_number(digits=6, fix_len=True)}",
    )
    return Vocabulary(
        names=tuple(fake.name() for _ in range(NAMES)),
        banks=tuple(f"{company()} Bank" for _ in range(BANKS)),
        funding_texts=tuple(funding_forms[i % len(funding_forms)]() for i in range(FUNDING_TEXTS)),
        payment_texts=tuple(payment_forms[i % len(payment_forms)]() for i in range(PAYMENT_TEXTS)),
    )

"""Invariant 7 on what events tell beside outcomes: the account and the amount."""

from __future__ import annotations

import re

import pyarrow.parquet as pq
import pytest

from e2e_data.commands import Channel, Kind
from e2e_data.exits import Exit
from reports.journal import Fact, Journal
from sandbox import defects, telling
from tests import tellers
from tests.defective import Defective
from tests.fates import Options
from tests.histories import History
from tests.judgements import causes, findings, statuses
from tests.matrix import MATRIX
from tests.tiny_pools import keys_of

PAYMENT = b'"commandType":"InitiateSimplePaymentCommand"'


def judged(tmp_path, monkeypatch, change, defect=defects.LOSE_EVENT):
    """Judge a run of which each event on a payment was changed; return it and how many there were."""
    changed = set()

    def events_of(decided, of):
        bodies = telling.events_of(decided, of)
        if change is None or not all(PAYMENT in body for body in bodies):
            return bodies
        told = tuple(change(body) for body in bodies)
        changed.update(body for body in told if body not in bodies)
        return told

    monkeypatch.setattr(tellers, "events_of", events_of)
    expected = MATRIX[defect] if defect != defects.LOSE_EVENT else MATRIX[defect].off()
    history = Defective(tmp_path / "run", defect, expected)
    return history, history.judge(), len(changed)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (
            lambda body: re.sub(rb'("amount":\{"amount":)', rb"\g<1>1", body),
            "told another amount than the pool's",
        ),
        (
            lambda body: re.sub(rb'(currencyCode":")...', rb"\g<1>ZAR", body),
            "told another amount than the pool's",
        ),
        (
            lambda body: re.sub(rb'("accountId":"[^"]*)"', rb'\g<1>x"', body),
            "told another account than the book's",
        ),
    ],
)
def test_an_event_agrees_with_the_pool_and_the_book(tmp_path, monkeypatch, change, name):
    """What it tells of amount, currency and account; each that does not is counted."""
    _, judgement, changed = judged(tmp_path, monkeypatch, change)
    assert changed > 0
    assert causes(judgement) == {name: changed}
    assert statuses(judgement)["7"] == "violated"


def test_a_reply_agrees_with_the_book_on_the_account(tmp_path):
    """Each command that a reply named another account for, as it was written down."""
    history = History(tmp_path / "run", {}, Options())
    key = keys_of(history.pool, Kind.PAYMENT)[0]
    journal = Journal(history.directory.journal, "w9")
    journal.add(Fact.OTHER_ACCOUNT, (0, *key), 0, 2, Channel.MQ, at_ns=1)
    journal.flush()
    assert causes(history.judge()) == {"told another account than the book's": 1}


@pytest.mark.parametrize(
    "change",
    [
        None,
        lambda body: re.sub(rb'"amount":\{[^}]*\}', b'"amount":null', body),
        lambda body: re.sub(rb'"amount":\{[^}]*\}', b'"amount":{"value":7}', body),
        lambda body: re.sub(rb'"amount":\{"amount":([0-9.]*)', rb'"amount":{"amount":"\1"', body),
    ],
)
def test_what_an_event_does_not_tell_is_not_held_against_it(tmp_path, monkeypatch, change):
    """An adapter's platform may have its amounts elsewhere, or in another form."""
    _, judgement, _ = judged(tmp_path, monkeypatch, change)
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD


def test_events_that_were_kept_without_it_are_judged_all_the_same(tmp_path, monkeypatch):
    """A run directory of before these columns."""
    history, _, _ = judged(tmp_path, monkeypatch, None)
    for path in history.directory.events.glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(["account", "amount", "currency"]), path)
    assert history.judge().exit is Exit.GOOD

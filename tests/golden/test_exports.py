"""Exported files that other tools read: their bytes change only on purpose."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from e2e_data.config import load
from e2e_data.exporters import messages
from e2e_data.exporters.export import export
from e2e_data.exporters.messages import Kafka, Mq
from e2e_data.exporters.tables import Tables
from e2e_data.exporters.vegeta import Vegeta
from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.pool import Pool

MADE = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
POOL = Pool.in_memory(
    load("smoke", {"accounts": 2, "payments": (2, 2), "funding": (1, 1), "fx_percentage": 50}), 7
)
FORMATS = {
    "vegeta": lambda: Vegeta(Platform(), "http://127.0.0.1:8080"),
    "mq": lambda: Mq(Platform(), "REPLY.QUEUE", MADE),
    "kafka": lambda: Kafka(Platform(), "payments.events", MADE),
    "csv": Tables,
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_of_a_format(name, golden, tmp_path, monkeypatch):
    """All files of two accounts' commands, with ids of a fixed run and numbered message ids."""
    drawn = iter(range(1000))
    monkeypatch.setattr(
        messages, "message_ids", lambda count: [f"message-{next(drawn)}" for _ in range(count)]
    )
    ids = Ids(bytes(range(16)), 0x1122334455667788)
    export(POOL, FORMATS[name](), tmp_path / name, first_day=date(2026, 11, 20), ids=ids)
    for file in sorted((tmp_path / name).iterdir()):
        if file.suffix != ".sh":
            golden(f"exports/{name}/{file.name}", file.read_bytes())

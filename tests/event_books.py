"""Books by replay: the event topic that a platform in process would have filled, kept with its run."""

from __future__ import annotations

import zlib
from collections import Counter

from reports.book_events import START, Record, take_event_snapshot
from sandbox.defects import Defects
from sandbox.platform import Decided
from sandbox.telling import events_of

PARTITIONS = 4


def records_of(history, defects=None):
    """Return the event topic's records, as a platform publishes them: in the order of its decisions."""
    decided = [entry for entry in history.ledger.entries().rows if entry.decision is not None]
    decided.sort(key=lambda entry: (entry.decision.decided_ns, entry.decision.account_seq or 0))
    ends = Counter()
    records = []
    for entry in decided:
        partition = zlib.crc32(entry.account_id.encode()) % PARTITIONS
        for body in events_of(Decided(entry, ""), defects or Defects({})):
            records.append(Record(partition, ends[partition], body))
            ends[partition] += 1
    return records


def rebook(history, records):
    """Give a run the book that is replayed from records, in place of its own."""
    directory = history.directory
    for path in directory.book.iterdir():
        path.unlink()
    directory.write(START, b"{}")
    return take_event_snapshot([records], history.platform, history.ids, directory)

"""The pipeline: as many commands at each stage as at the one before, or the stage that lost or doubled.

sent → acknowledged by the broker → on the command topic → decided (or put away) → on the event topic

What the topics hold is known from their offsets before the first command and after the last; what was
decided is known from the book. A stage with less than the one before lost the difference; one with
more doubled, or somebody else writes there too, which is told and not judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from e2e_data.commands import Channel, Outcome
from e2e_data.platform import Acknowledged
from reports.event_log import Sort
from reports.evidence import Evidence
from reports.judgement import Check, FitnessResult, Status
from reports.rundir import RunDirectory

TITLE = "every stage of the pipeline has what the one before has, and each outcome one event"
_DECIDED = int(Outcome.SETTLED | Outcome.REJECTED)


@dataclass(slots=True)
class Stages:
    """How many commands came so far."""

    sent: int = 0
    """Over Kafka."""
    acknowledged: int = 0
    """Of these by the broker."""
    reached: int = 0
    """Of these decided in the book, or read from the dead letters."""
    decided: int = 0
    """In the book, over whatever channel they came."""
    told: int = 0
    """Of these on the event topic."""
    untold: int = 0
    unbooked: int = 0
    """Told on the event topic, and not in the book."""
    again: int = 0
    """Told once more under the same event id: at-least-once delivery."""
    doubled: int = 0
    """With two event ids."""
    misdirected: int = 0
    orphans: int = 0


@dataclass(slots=True)
class Pipeline:
    """Counts over all shards; nothing is asked of a run that read no events."""

    directory: RunDirectory
    stages: Stages = field(default_factory=Stages)

    @property
    def is_asked(self) -> bool:
        """Whether the run read events."""
        return (self.directory.events / "start.json").is_file()

    def add(self, evidence: Evidence) -> None:
        """Count a shard."""
        seen, booked, events, stages = evidence.seen, evidence.booked, evidence.events, self.stages
        if events is None:
            return
        size = len(evidence.shard)
        over_kafka = seen.channel == Channel.KAFKA
        delivered = over_kafka & (seen.acknowledged == Acknowledged.ACCEPTED)
        own = ~evidence.is_replay
        stages.sent += int((over_kafka & ~seen.not_sent).sum())
        stages.acknowledged += int((delivered & own).sum())
        sort = events["sort"].to_numpy()
        stages.misdirected += int((sort == Sort.MISDIRECTED).sum())
        stages.orphans += int((sort == Sort.ORPHAN).sum())
        told = np.zeros(size, np.bool_)
        rows = np.flatnonzero((sort == Sort.OURS) & (events["dead_letter"].to_numpy() == 0))
        if len(rows):
            self._told(evidence, rows, told)
        if booked is not None:
            decided = (booked.rows > 0) & (booked.outcome & _DECIDED != 0)
            put_away = seen.outcomes & Outcome.DEAD_LETTERED != 0
            stages.reached += int((delivered & own & (decided | put_away)).sum())
            stages.decided += int(decided.sum())
            stages.untold += int((decided & ~told).sum())
            stages.unbooked += int((told & ~decided).sum())

    def _told(self, evidence: Evidence, rows: np.ndarray, told: np.ndarray) -> None:
        """Mark the commands that have events, and count those with several."""
        events = evidence.events
        assert events is not None
        names = ("index", "partition", "offset", "event_high", "event_low")
        columns = [events[name].to_numpy()[rows].astype(np.uint64) for name in names]
        # The same place read twice is our own doing, after another member left.
        places = np.unique(np.stack(columns, axis=1), axis=0)
        index = places[:, 0].astype(np.int64)
        told[index] = True
        distinct = np.unique(places[:, [0, 3, 4]], axis=0)
        per_command = np.bincount(distinct[:, 0].astype(np.int64), minlength=len(told))
        self.stages.told += int(told.sum())
        self.stages.doubled += int((per_command > 1).sum())
        self.stages.again += len(places) - len(distinct)

    def checks(self) -> Iterator[Check]:
        """Say whether the stages agree, naming each that does not."""
        if not self.is_asked:
            return
        stages, wrong = self.stages, list(self._faults())
        status = Status.VIOLATED if wrong else Status.HOLDS
        note = "; ".join(wrong)
        if any(result.status is not Status.HOLDS for result in self.fitness()):
            # Whoever has not read everything cannot say what is missing.
            status, note = Status.NOT_ASKED, "not all events were read"
        yield Check("pipeline", TITLE, status, stages.sent + stages.decided, note=note)

    def _faults(self) -> Iterator[str]:
        stages = self.stages
        on_topic = self._grown("commands")
        if on_topic is not None and on_topic < stages.acknowledged:
            yield (
                f"the command topic lost {stages.acknowledged - on_topic:,} of "
                f"{stages.acknowledged:,} that the broker acknowledged"
            )
        if stages.decided:
            if stages.reached < stages.acknowledged:
                yield (
                    f"the platform lost {stages.acknowledged - stages.reached:,} between the command "
                    "topic and its book"
                )
            if stages.untold:
                yield f"the event topic lacks {stages.untold:,} of {stages.decided:,} decisions"
            if stages.unbooked:
                yield f"{stages.unbooked:,} events tell of what the book has not decided"
        for count, what in (
            (stages.doubled, "outcomes have two event ids"),
            (stages.misdirected, "events are misdirected"),
            (stages.orphans, "events tell of commands that the pool does not have"),
        ):
            if count:
                yield f"{count:,} {what}"

    def fitness(self) -> Iterator[FitnessResult]:
        """Say whether all events were read: what is gone unread is the generator's own loss."""
        if not self.is_asked:
            return
        counted = [told.get("counted", {}) for told in self._workers()]
        trimmed = sum(int(one.get("trimmed", 0)) for one in counted)
        problems = sorted({text for told in self._workers() for text in told.get("problems", ())})
        behind = self._behind()
        read = {
            name: sum(int(one.get(name, 0)) for one in counted)
            for name in ("ours", "foreign", "malformed")
        }
        notes = [f"{count:,} {name}" for name, count in read.items()]
        if behind is None:
            yield FitnessResult(
                "every event was read", Status.UNKNOWN, "it is not known where they end"
            )
            return
        if trimmed or behind or problems:
            notes = [f"{trimmed:,} were gone unread", f"{behind:,} were not read", *problems]
        status = Status.VIOLATED if trimmed or behind or problems else Status.HOLDS
        yield FitnessResult("every event was read", status, ", ".join(notes))

    def _behind(self) -> int | None:
        """Return how many records of the event topics were not committed as read."""
        end = self._json("end.json")
        if "ends" not in end or "committed" not in end:
            return None
        return sum(
            max(int(offset) - max(int(end["committed"].get(topic, {}).get(number, 0)), 0), 0)
            for topic, numbers in end["ends"].items()
            for number, offset in numbers.items()
        )

    def _grown(self, topic: str) -> int | None:
        """Return by how many records a topic grew during the run; None where that is not known."""
        start, end = self._json("start.json").get(topic), self._json("end.json").get(topic)
        if not start or not end:
            return None
        return sum(map(int, end.values())) - sum(map(int, start.values()))

    def _workers(self) -> list[dict[str, Any]]:
        files = sorted(self.directory.events.glob("*.json"))
        return [self._json(one.name) for one in files if one.name not in ("start.json", "end.json")]

    def _json(self, name: str) -> dict[str, Any]:
        path = self.directory.events / name
        try:
            told = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

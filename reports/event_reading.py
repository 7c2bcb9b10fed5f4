"""Whether all events were read: only then does one that is not there say anything of the platform."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reports.judgement import FitnessResult, Status
from reports.rundir import RunDirectory


@dataclass(frozen=True, slots=True)
class EventReading:
    """What the processes of a run wrote down of their reading."""

    directory: RunDirectory

    @property
    def is_asked(self) -> bool:
        """Whether the run read events."""
        return (self.directory.events / "start.json").is_file()

    @property
    def is_whole(self) -> bool:
        """Whether it read every one."""
        return self.is_asked and all(one.status is Status.HOLDS for one in self.fitness())

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

    def grown(self, topic: str) -> dict[str, int]:
        """Return by how many records a topic grew during the run, by cluster; empty where nobody knows."""
        start, end = self._json("start.json").get(topic), self._json("end.json").get(topic)
        if not start or not end:
            return {}
        grown: Counter[str] = Counter()
        for numbers, sign in ((end, 1), (start, -1)):
            for place, offset in numbers.items():
                grown[place.rpartition(" ")[0]] += sign * int(offset)
        return dict(grown)

    @property
    def clusters(self) -> dict[str, str]:
        """The name of each region's cluster, of those that have one of their own; all else has no name."""
        return {
            str(one): str(at) for one, at in self._json("start.json").get("clusters", {}).items()
        }

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

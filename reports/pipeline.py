"""The pipeline: as many commands at each stage as at the one before, or the stage that lost or doubled.

sent → acknowledged by the broker → on the command topic → decided (or put away) → on the event topic

What the topics hold is known from their offsets before the first command and after the last; what was
decided is known from the book. A stage with less than the one before lost the difference; one with
more doubled, or somebody else writes there too, which is told and not judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from e2e_data.commands import Channel, Outcome
from e2e_data.platform import Acknowledged
from reports.event_log import Sort
from reports.event_reading import EventReading
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
    elsewhere: Counter[str] = field(default_factory=Counter)
    """Of the acknowledged: those of each cluster that is some region's own, by its name."""
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


@dataclass
class Pipeline:
    """Counts over all shards; nothing is asked of a run that read no events."""

    directory: RunDirectory
    stages: Stages = field(default_factory=Stages)

    @cached_property
    def _clusters(self) -> dict[str, str]:
        return self._reading.clusters

    def add(self, evidence: Evidence) -> None:
        """Count a shard."""
        seen, booked, events, stages = evidence.seen, evidence.booked, evidence.events, self.stages
        if events is None:
            return
        over_kafka = seen.channel == Channel.KAFKA
        delivered = over_kafka & (seen.acknowledged == Acknowledged.ACCEPTED)
        own = ~evidence.is_replay
        stages.sent += int((over_kafka & ~seen.not_sent).sum())
        stages.acknowledged += int((delivered & own).sum())
        if self._clusters:
            regions = evidence.shard.regions[evidence.account[delivered & own]]
            for region, count in Counter(regions.tolist()).items():
                if self._clusters.get(region):
                    stages.elsewhere[self._clusters[region]] += count
        sort = events["sort"].to_numpy()
        stages.misdirected += int((sort == Sort.MISDIRECTED).sum())
        stages.orphans += int((sort == Sort.ORPHAN).sum())
        told = evidence.events_on > 0
        stages.told += int(told.sum())
        stages.doubled += int((evidence.events_on > 1).sum())
        stages.again += evidence.events_again
        if booked is not None:
            decided = (booked.rows > 0) & (booked.outcome & _DECIDED != 0)
            put_away = seen.outcomes & Outcome.DEAD_LETTERED != 0
            stages.reached += int((delivered & own & (decided | put_away)).sum())
            stages.decided += int(decided.sum())
            stages.untold += int((decided & ~told).sum())
            stages.unbooked += int((told & ~decided).sum())

    def checks(self) -> Iterator[Check]:
        """Say whether the stages agree, naming each that does not."""
        if not self._reading.is_asked:
            return
        stages, wrong = self.stages, list(self._faults())
        status = Status.VIOLATED if wrong else Status.HOLDS
        note = "; ".join(wrong) or self._remark()
        if not self._reading.is_whole:
            # Whoever has not read everything cannot say what is missing.
            status, note = Status.NOT_ASKED, "not all events were read"
        yield Check("pipeline", TITLE, status, stages.sent + stages.decided, note=note)

    def _remark(self) -> str:
        """Say what is no fault, and still worth knowing."""
        again = self.stages.again
        return f"{again:,} events came once more under the same id" if again else ""

    def _faults(self) -> Iterator[str]:
        stages = self.stages
        for cluster, on_topic in self._reading.grown("commands").items():
            acknowledged = stages.elsewhere[cluster]
            if not cluster:
                acknowledged = stages.acknowledged - stages.elsewhere.total()
            if on_topic < acknowledged:
                where = f" at {cluster}" if cluster else ""
                yield (
                    f"the command topic{where} lost {acknowledged - on_topic:,} of "
                    f"{acknowledged:,} that the broker acknowledged"
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
        return self._reading.fitness()

    @property
    def _reading(self) -> EventReading:
        return EventReading(self.directory)

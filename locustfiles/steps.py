"""The steps of a search while its phase is on: what is tried, and what was seen of it.

What is seen here only leads the search; what a step held is judged afterwards, by all that is known
then (`reports.search`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from locustfiles.fleet.counts import Counts
from locustfiles.plan_parts.phase import Phase
from locustfiles.profiles import SECOND_NS
from locustfiles.watch import Look, Seen, missed
from reports.lines import LineLog
from reports.slos import Fitness, Slo
from reports.steps import Step


@dataclass(slots=True)
class _Trying:
    """The step that is on."""

    rate_per_s: int
    from_ns: int
    first: list[Look] = field(default_factory=list)
    """What was seen first after the warm-up, for each SLO."""
    load: list[tuple[int, int]] = field(default_factory=list)
    """CPU in thousandths of a core, and lag of the event loop in µs, of the process that had most."""
    spoiled: bool = False


class Steps:
    """One phase that searches."""

    def __init__(
        self,
        name: str,
        phase: Phase,
        slos: Iterable[Slo],
        fitness: Fitness,
        log: LineLog,
        before: Sequence[Step] = (),
    ) -> None:
        """Search by those of `slos` that are seen while the run is on; go on from steps `before`."""
        search = phase.search()
        assert search is not None, "the phase searches"
        self._name, self._phase, self._fitness, self._log = name, phase, fitness, log
        self._slos = [slo for slo in slos if slo.steers]
        self._search = search
        self._trying: _Trying | None = None
        for step in before:
            if step.phase == name:
                search.tell(step.rate_per_s, held=not step.missed)

    @property
    def next_per_s(self) -> int | None:
        """The rate that is tried next; None where all is found out."""
        return self._search.next()

    @property
    def found(self) -> str:
        """What was found so far, in words."""
        low, high = self._search.bearable, self._search.too_high
        held = "no rate held" if low is None else f"{low}/s held"
        return held if high is None else f"{held}, {high}/s did not"

    def begin(self, rate_per_s: int, from_ns: int) -> int:
        """Begin a step whose first arrival is due `from_ns`, and return when it is over."""
        self._trying = _Trying(rate_per_s, from_ns)
        return from_ns + self._phase.step_ns

    def look(self, now_ns: int, counts: Counts, seen: Seen) -> None:
        """See how the step stands; called about once a second while it sends."""
        step = self._trying
        warm_ns = round(self._phase.warm_up_s * SECOND_NS)
        if step is None or now_ns < step.from_ns + warm_ns:
            return
        if not step.first:
            step.first = [Look(now_ns, counts, seen(slo)) for slo in self._slos]
        else:
            step.load.append((counts.cpu_permille, counts.lag_us))

    def spoil(self) -> None:
        """Take the step that is on for nothing: it was paused."""
        if self._trying is not None:
            self._trying.spoiled = True

    def end(self, now_ns: int, counts: Counts, seen: Seen, pending: int) -> Step | None:
        """End the step, since it is settled with so many commands pending; None if it was for nothing."""
        step, self._trying = self._trying, None
        if step is None or step.spoiled:
            return None
        why = [f"{pending} commands were pending"] if pending else []
        for slo, first in zip(self._slos, step.first, strict=False):
            if missed(slo, (first, Look(now_ns, counts, seen(slo)))):
                why.append(slo.title)
        why += self._overloaded(step.load)
        until_ns = step.from_ns + self._phase.step_ns
        ended = Step(self._name, step.rate_per_s, step.from_ns, until_ns, "; ".join(why))
        self._search.tell(step.rate_per_s, held=not why)
        self._log.write(ended)
        return ended

    def _overloaded(self, load: Sequence[tuple[int, int]]) -> Iterator[str]:
        """Say that the generator was at its limit: what it does not send is not the platform's fault."""
        if not load:
            return
        cpu, lag_us = (sorted(column)[len(column) // 2] for column in zip(*load, strict=True))
        if cpu / 10 >= self._fitness.cpu_below_percent:
            yield f"the generator did not keep up: its CPU was at {cpu / 10:.0f} %"
        if lag_us / 1000 >= self._fitness.loop_lag_below_ms:
            yield f"the generator did not keep up: its event loop was {lag_us / 1000:.0f} ms late"

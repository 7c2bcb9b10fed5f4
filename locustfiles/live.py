"""A run as it stands, for people: the same picture for the web UI's page, its tab, and the terminal.

Nothing is counted for it: like the metrics it is made of what the director, the workers' figures and,
in the end, the verdict say. `picture` returns what JSON can carry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from e2e_data.commands import Channel, Kind, Outcome
from locustfiles.director import Director
from locustfiles.fleet.buckets import percentile_ms
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.facts import AGAIN
from locustfiles.fleet.figures import LATENCIES
from locustfiles.metrics import View, region_name
from locustfiles.phases import State
from locustfiles.plan_parts.phase import Phase
from locustfiles.profiles import SECOND_NS
from locustfiles.vigil import VIOLATES
from reports.invariants import INVARIANTS
from reports.journal import Fact
from reports.judgement import Status
from reports.quantities import counted, duration, money
from reports.timeline import COUNTED, FAULT_BEGAN, FAULT_ENDED, VIOLATION

Picture = dict[str, Any]

RATE_OVER_S = 5
"""Rates are those of the last seconds, so that one late row does not make them jump."""
WORKERS_MAX = 100
"""So many workers have a row; a fleet may have a thousand."""
NEWS = frozenset(
    {
        *("worker lost", "worker replaced", "worker back", "aborted", "warning", "stop asked"),
        *(FAULT_BEGAN, FAULT_ENDED, VIOLATION),
    }
)
"""Events that are findings, rather than the run's course."""


def picture(view: View | None) -> Picture:
    """Return how a run stands; {"state": "none"} where there has not been a run yet."""
    if view is None:
        return {"state": "none"}
    director = view.director
    state = director.machine.state
    return {
        "state": state.name.lower(),
        "run": director.directory.name,
        "plan": director.plan.name,
        "at_s": _now_ns(director) / SECOND_NS,
        "phase": _phase(view),
        "phases": [
            {"name": name, "sends": ", ".join(kind.label for kind in phase.sends)}
            for name, phase in director.plan.phases.items()
        ],
        "load": _load(view),
        "recent": [
            {
                "at_s": row.at_ns / SECOND_NS,
                "due": row.due,
                "sent": row.sent,
                "completed": row.completed,
            }
            for row in director.recent
        ],
        "kinds": list(_kinds(view)),
        "responses": list(_responses(view)),
        "regions": list(_regions(view)),
        "latencies": {name: _percentiles(view.figures.counts(latency=name)) for name in LATENCIES},
        "right": _right(view),
        "invariants": list(_invariants(view)),
        "fitness": list(_fitness(view)),
        "workers": list(_workers(view)),
        "findings": list(_findings(view)),
        "verdict": _verdict(view),
    }


def _now_ns(director: Director) -> int:
    """Return the time of the run; where it has ended, when it did."""
    if director.machine.state is State.ENDED and director.recent:
        return director.recent[-1].at_ns
    return director.clock.now_ns()


# -- phase and load -------------------------------------------------------------------------------


def _phase(view: View) -> Picture:
    director = view.director
    number = director.machine.phase
    name, phase = list(director.plan.phases.items())[number]
    sent, size = _sent_of_phase(view, number), _size(director, phase)
    now_ns = _now_ns(director)
    return {
        "name": name,
        "number": number + 1,
        "of": len(director.plan.phases),
        "sends": ", ".join(kind.label for kind in phase.sends),
        "rate": str(phase.rates),
        "sent": sent,
        "commands": size,
        "share": _share(phase, sent, size, director.machine.sent_for_ns(now_ns)),
        "waits_for": _waits_for(view, phase, sent, size),
    }


def _size(director: Director, phase: Phase) -> int:
    size = sum(director.pool.count_of(kind) for kind in phase.sends)
    return min(size, phase.count) if phase.count is not None else size


def _sent_of_phase(view: View, number: int) -> int:
    return sum(
        count
        for about, count in view.figures.facts().items()
        if about.fact == Fact.SENT and about.code != AGAIN and about.phase == number
    )


def _share(phase: Phase, sent: int, size: int, for_ns: int) -> float:
    """Return how much of a phase's sending is done, from 0 to 1: by time or by number."""
    by_time = for_ns / phase.duration_ns if phase.duration_ns else 0.0
    return max(0.0, min(1.0, max(by_time, sent / size if size else 1.0)))


def _waits_for(view: View, phase: Phase, sent: int, size: int) -> str:
    director, total = view.director, view.total
    now_ns = _now_ns(director)
    match director.machine.state:
        case State.WAITING:
            return "users, and the workers they are on"
        case State.PAUSED:
            return "somebody to resume it"
        case State.SENDING:
            until = [f"all commands to be sent: {max(size - sent, 0):,} are left"]
            if phase.duration_ns is not None:
                left_ns = max(phase.duration_ns - director.machine.sent_for_ns(now_ns), 0)
                until.append(f"its time to be up: {duration(left_ns // SECOND_NS)} are left")
            return ", or ".join(until)
        case State.SETTLING:
            quiet_s = max(now_ns - total.moved_ns, 0) / SECOND_NS
            return (
                f"{counted(total.pending_now, 'completion')}; nothing has moved for {quiet_s:.0f} s, "
                f"and after {duration(phase.settle_ns / SECOND_NS)} it goes on without them"
            )
    return "the verdict" if view.verdict is None else ""


def _load(view: View) -> Picture:
    total, director = view.total, view.director
    return {
        **{name: getattr(total, name) for name in _SHOWN},
        "pool": len(director.pool),
        **rates(director),
        "oldest": director.oldest() if total.oldest is not None else "",
        "queues": dict(director.recent[-1].queues) if director.recent else {},
    }


_SHOWN = (*COUNTED, "pending_now", "waiting_now", "users_now")


def rates(director: Director) -> Picture:
    """Return what was due, sent and completed in a second, of late."""
    rows = list(director.recent)[-RATE_OVER_S - 1 :]
    span_s = (rows[-1].at_ns - rows[0].at_ns) / SECOND_NS if rows else 0
    return {
        f"{name}_per_s": (getattr(rows[-1], name) - getattr(rows[0], name)) / span_s
        if span_s
        else 0.0
        for name in ("due", "sent", "completed")
    }


def _kinds(view: View) -> Iterator[Picture]:
    """Yield the progress through the pool, by kind."""
    facts = view.figures.facts()
    for kind in Kind:
        of_kind: Counter[tuple[int, int]] = Counter()
        for about, count in facts.items():
            if about.kind == kind:
                of_kind[about.fact, about.code] += count
        ends = {code: count for (fact, code), count in of_kind.items() if fact == Fact.COMPLETED}
        yield {
            "kind": kind.label,
            "pool": view.director.pool.count_of(kind),
            # What has an outcome was sent, though that counts a little later, once it is written down.
            "sent": max(of_kind[Fact.SENT, 0], sum(ends.values())),
            "settled": ends.get(Outcome.SETTLED, 0),
            "rejected": ends.get(Outcome.REJECTED, 0),
        }


# -- how fast -------------------------------------------------------------------------------------


def _percentiles(counts: Any) -> Picture:
    return {
        "count": int(counts.sum()),
        **{
            f"p{percent:g}_ms": percentile_ms(counts, percent)
            for percent in (50, 95, 99, 99.9, 100)
        },
    }


def _responses(view: View) -> Iterator[Picture]:
    """Yield the response times, and those of completion, by phase, channel and kind."""
    names = list(view.director.plan.phases)
    completions = view.figures.responses("completion")
    for scope, responses in sorted(view.figures.responses().items()):
        phase, kind, channel = scope
        completion = completions.get(scope)
        yield {
            "phase": names[phase] if phase < len(names) else "other",
            "channel": Channel(channel).name.lower(),
            "kind": Kind(kind).label,
            **_percentiles(responses.counts),
            "completion": _percentiles(completion.counts) if completion else None,
        }


def _regions(view: View) -> Iterator[Picture]:
    """Yield the response times by region, of all phases together; none where the pool has none."""
    found: dict[int, Any] = {}
    for (*_, region), responses in view.figures.responses_by_region().items():
        found[region] = responses.counts + found.get(region, 0)
    for region, counts in sorted(found.items()):
        if name := region_name(view, region):
            yield {"region": name, **_percentiles(counts)}


# -- how right ------------------------------------------------------------------------------------


def _right(view: View) -> Picture:
    """Return whether all is right so far, and what was seen of outcomes.

    Each command's first outcome counts, where it was sent. What came after that, to another worker
    perhaps, and cannot be right beside it, is among the violations.
    """
    outcomes = view.figures.outcomes()
    answer, tone = _answer(view)
    return {
        "answer": answer,
        "tone": tone,
        "seen": outcomes.seen,
        "wrong": outcomes.wrong,
        "payments": outcomes.payments,
        "moved": [money(minor, one) for one, minor in sorted(outcomes.moved_minor.items())],
    }


def _answer(view: View) -> tuple[str, str]:
    """Return whether all is right, in a word or two, and its tone; the judge's, once there is one."""
    if view.verdict is not None:
        found = {check["status"] for check in view.verdict["checks"]}
        if Status.VIOLATED in found:
            return "not right", "bad"
        return ("not shown", "warn") if Status.UNKNOWN in found else ("right", "good")
    outcomes, violations = view.figures.outcomes(), view.figures.violations()
    if outcomes.wrong:
        return f"{outcomes.wrong:,} wrong", "bad"
    if violations:
        return counted(violations.total(), "violation"), "bad"
    return ("100 %", "good") if outcomes.seen else ("—", "none")


def _invariants(view: View) -> Iterator[Picture]:
    """Yield each invariant: as the judge has it, or what can be said until then."""
    judged = {str(check["invariant"]): check for check in (view.verdict or {}).get("checks", ())}
    for invariant in INVARIANTS:
        check = judged.get(invariant.number)
        status, note = (
            (check["status"], check["note"]) if check else _so_far(view, invariant.number)
        )
        yield {
            "invariant": invariant.number,
            "title": invariant.title,
            "status": status,
            "note": note,
        }


def _so_far(view: View, number: str) -> tuple[str, str]:
    total, outcomes = view.total, view.figures.outcomes()
    violations = view.figures.violations()
    seen = {kind: times for kind, times in violations.items() if VIOLATES[kind] == number}
    if number == "6a" and outcomes.wrong:
        return Status.VIOLATED, f"{counted(outcomes.wrong, 'outcome')} of {outcomes.seen:,}"
    if seen:
        return Status.VIOLATED, ", ".join(f"{kind}: {times:,}" for kind, times in seen.items())
    if number == "6a":
        return "so far", f"all of {counted(outcomes.seen, 'outcome')}"
    if number == "1":
        return "so far", f"{total.completed:,} have theirs, {total.pending_now:,} are awaited"
    return "at the end", ""


def _fitness(view: View) -> Iterator[Picture]:
    """Yield whether the load generator could judge, by the plan's bounds, of late."""
    director, rules = view.director, view.director.plan.fitness
    rows = director.recent
    lag_ms = float(np.median([row.loop_lag_ms for row in rows] or [0]))
    cpu_percent = float(np.median([row.cpu_percent for row in rows] or [0]))
    yield _bounded("event loop late, median", lag_ms, rules.loop_lag_below_ms, "ms")
    yield _bounded("CPU of a core, median", cpu_percent, rules.cpu_below_percent, "%")
    lost = sum(one.lost and not one.closed for one in director.desk.members.values())
    fine = not lost or rules.may_lose_workers
    yield {
        "title": "processes lost",
        "fine": fine,
        "note": f"{lost}" + (", which the plan allows" if lost and fine else ""),
    }


def _bounded(title: str, found: float, below: float, unit: str) -> Picture:
    return {
        "title": title,
        "fine": found < below,
        "note": f"{found:.0f} {unit}, has to be below {below:g}",
    }


def _workers(view: View) -> Iterator[Picture]:
    desk = view.director.desk
    whole = max(view.total.sent, 1)
    for name, member in list(desk.members.items())[:WORKERS_MAX]:
        counts: Counts = member.counts
        state = "closed" if member.closed else "lost" if member.lost else "alive"
        yield {
            "worker": name,
            "state": state,
            "share": counts.sent / whole,
            "sent": counts.sent,
            "pending": counts.pending_now,
            "users": counts.users_now,
            "leases": desk.book.held(name),
            "lag_ms": counts.lag_us / 1000,
            "cpu_percent": counts.cpu_permille / 10,
        }


def _findings(view: View) -> Iterator[Picture]:
    """Yield what is not as it should be, and what was done to the run; the newest comes first."""
    for check in (view.verdict or {}).get("checks", ()):
        for found in check["findings"]:
            if not found["consequence_of"]:
                note = f"{counted(found['count'], 'case')}; {found['first']['text']}"
                yield {"at_s": None, "what": found["name"], "note": note, "tone": "bad"}
    for case in view.figures.outcomes().cases if view.verdict is None else ():
        note = f"{Kind(case.kind).label} {case.shard}:{case.number}: {case.text}"
        yield {"at_s": None, "what": "wrong outcome", "note": note, "tone": "bad"}
    for event in reversed(view.director.told):
        asked = event.event.endswith(" asked")
        if event.event in NEWS or asked:
            where = f" ({event.phase})" if event.phase else ""
            yield {
                "at_s": event.at_ns / SECOND_NS,
                "what": f"{event.event}{where}",
                "note": event.note,
                "tone": "bad" if event.event == VIOLATION else "none" if asked else "warn",
            }


def _verdict(view: View) -> Picture | None:
    if view.verdict is None:
        return None
    return {name: view.verdict[name] for name in ("verdict", "exit", "reasons")}

"""A run as a terminal shows it, drawn from the same picture as the web UI's page; and as a line of a log."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from locustfiles.director import Director
from locustfiles.live import Picture, rates
from reports.hostile import visible
from reports.judgement import Status
from reports.quantities import count, duration, figure, milliseconds

FINDINGS, WORKERS = 4, 8
"""So many rows of each: of a block that is higher than the terminal the end is not shown."""
BAR = 24
TONES = {"good": "green", "bad": "bold red", "warn": "yellow", "none": ""}


def line(director: Director) -> str:
    """Return how a run stands in one line."""
    total, found = director.total(), rates(director)
    name = list(director.plan.phases)[director.machine.phase]
    state = director.machine.state.name.lower()
    told = [
        f"{count(total.sent)} of {count(len(director.pool))} sent ({figure(found['sent_per_s'])}/s "
        f"of {figure(found['due_per_s'])}/s due)",
        f"{count(total.completed)} completed",
        f"{count(total.pending_now)} pending",
    ]
    late = total.overdue + total.dropped
    told += [f"{count(late)} late"] if late else []
    told += [f"{count(total.unanswered)} without an answer"] if total.unanswered else []
    return f"phase {name}, {state}: {', '.join(told)}"


# -- the block ------------------------------------------------------------------------------------


def block(found: Picture) -> RenderableType:
    """Return what a terminal shows of a run."""
    if found["state"] == "none":
        return Text("the run is being made …", "dim")
    return Group(
        *_head(found),
        _tiles(found),
        _kinds(found),
        *_queues(found),
        *_invariants(found),
        *_fitness(found),
        *_findings(found),
        *_workers(found),
    )


def _head(found: Picture) -> Iterator[RenderableType]:
    phase = found["phase"]
    title = Text(f"{found['plan']} ", "bold")
    title.append(f"{found['run']}, {duration(int(found['at_s']))}, ", "dim")
    title.append(found["state"], "bold green" if found["state"] == "sending" else "bold yellow")
    yield title
    where = Text(f"phase {phase['name']} ({phase['number']} of {phase['of']}) ")
    where.append(f"{phase['sends']} at {phase['rate']}", "dim")
    yield where
    yield Text(f"  waits for {phase['waits_for']}" if phase["waits_for"] else "", "dim")


def _tiles(found: Picture) -> Table:
    load, right = found["load"], found["right"]
    grid = Table.grid(padding=(0, 3))
    per_s = [f"{name} {figure(load[f'{name}_per_s'])}/s" for name in ("due", "sent", "completed")]
    so_far = "" if found["verdict"] else "right so far: "
    answer = Text(f"{so_far}{right['answer']}", TONES[right["tone"]])
    grid.add_row(*per_s, f"{count(load['pending_now'])} pending")
    grid.add_row(
        *(f"{count(load[name])} in all" for name in ("due", "sent", "completed")),
        Text(load["oldest"], "dim"),
    )
    late = f"{count(load['overdue'])} overdue, {count(load['dropped'])} given up"
    for number, (name, took) in enumerate(found["latencies"].items()):
        told = (f"p{percent} {milliseconds(took[f'p{percent}_ms'])}" for percent in ("50", "99"))
        grid.add_row(name, *told, "" if number else late)
    grid.add_row(
        *(f"{count(right['seen'])} outcomes seen", answer),
        f"{count(load['unanswered'])} unanswered",
        Text(", ".join(right["moved"][:3]), "dim"),
    )
    return grid


def _kinds(found: Picture) -> Table:
    grid = Table.grid(padding=(0, 3))
    for one in found["kinds"]:
        grid.add_row(
            one["kind"],
            ProgressBar(max(one["pool"], 1), min(one["sent"], one["pool"]), width=BAR),
            f"{count(one['sent'])} of {count(one['pool'])} sent",
            f"{count(one['settled'])} settled, {count(one['rejected'])} rejected",
        )
    return grid


def _queues(found: Picture) -> Iterator[Text]:
    queues = found["load"]["queues"]
    if queues:
        told = ", ".join(f"{visible(name)} {count(depth)}" for name, depth in queues.items())
        yield Text(f"queues: {told}", "dim")


def _invariants(found: Picture) -> Iterator[Text]:
    """Yield one line of what can be said now, and one of each that is violated."""
    of_status: dict[str, list[str]] = {}
    for one in found["invariants"]:
        of_status.setdefault(one["status"], []).append(one["invariant"])
    told = "; ".join(f"{', '.join(numbers)} {status}" for status, numbers in of_status.items())
    yield Text(f"invariants: {told}", "dim")
    for one in found["invariants"]:
        if one["status"] == Status.VIOLATED:
            said = f"invariant {one['invariant']}, {one['title']}: violated, {one['note']}"
            yield Text(visible(said), TONES["bad"])


def _workers(found: Picture) -> Iterator[RenderableType]:
    workers = found["workers"]
    if len(workers) < 2:
        return
    grid = Table.grid(padding=(0, 3))
    for one in workers[:WORKERS]:
        grid.add_row(
            Text(visible(one["worker"]), "bold red" if one["state"] == "lost" else ""),
            *(
                one["state"],
                f"{one['share']:.0%} of what was sent",
                f"{count(one['leases'])} leases",
            ),
            f"loop late {milliseconds(one['lag_ms'])}, CPU {one['cpu_percent']:.0f} %",
        )
    yield grid
    if len(workers) > WORKERS:
        yield Text(f"and {count(len(workers) - WORKERS)} processes more", "dim")


def _fitness(found: Picture) -> Iterator[Text]:
    """Yield one line of what is fine with the load generator, and one of each rule that it breaks."""
    told: dict[bool, list[str]] = {True: [], False: []}
    for rule in found["fitness"]:
        told[rule["fine"]].append(f"{rule['title']} {rule['note']}")
    if told[True]:
        yield Text(f"load generator: {'; '.join(told[True])}", "dim")
    for unfit in told[False]:
        yield Text(f"load generator: {unfit}", TONES["warn"])


def _findings(found: Picture) -> Iterator[Text]:
    for one in found["findings"][:FINDINGS]:
        at = "" if one["at_s"] is None else f"{one['at_s']:.0f} s "
        yield Text(f"{at}{one['what']}: {visible(one['note'])}", TONES[one["tone"]])

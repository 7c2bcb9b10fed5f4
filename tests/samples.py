"""Sample runs as the judge would tell them: good, bad, special, and one that was killed at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from e2e_data.exits import Exit
from reports.judgement import (
    Case,
    Check,
    Class,
    Finding,
    FitnessResult,
    Judgement,
    LabelRow,
    LatencyRow,
    PatternRow,
    PhaseRow,
    RegionRow,
    SloResult,
    Status,
)
from reports.slos import Latency
from reports.timeline import Event, Second

COLUMNS = (
    *("t_s", "phase", "intended", "sent", "acknowledged", "completed"),
    *("response_p50_ms", "response_p99_ms", "completion_p50_ms", "completion_p99_ms"),
)
"""What `render.write_all` asks of its seconds."""

INVARIANTS = (
    ("1", "Every acknowledged command has exactly one final outcome"),
    ("2", "No command is posted twice, and postings explain every balance change"),
    ("3", "Nothing was decided that was never granted for sending"),
    ("4a", "The book's balances are the sums of what it settled"),
    ("4b", "Balances lie within what the tester knows"),
    ("5", "No balance below zero, no window above its limit"),
    ("6", "Every outcome is one that a correct platform may give"),
    ("7", "Replies and events agree with the book"),
    ("8", "Order per account is kept"),
)
NOT_PROMISED = "the platform promises no order per account"
PHASES = (("accounts", 0, 12, 300), ("opening credits", 12, 24, 300), ("payments", 24, 90, 5400))
"""Name, first and last second, commands sent."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What `render.write_all` is given of a run."""

    judgement: Judgement
    seconds: pd.DataFrame
    timeline: tuple[list[Second], list[Event]]


def good() -> Sample:
    """Return a run that is right and fast; order was not asked of its platform."""
    return Sample(_good(), _seconds(slow=1.0), (_rows(held_up=0), _events()))


def bad() -> Sample:
    """Return a run that lost and doubled money, missed SLOs, and kept its users waiting."""
    return Sample(
        _bad(),
        _seconds(slow=6.0),
        (
            _rows(held_up=37),
            [*_events(), Event(58_000_000_000, "warning", "payments", "arrivals are overdue")],
        ),
    )


def special() -> Sample:
    """Return a run of hostile commands, replays, behaviours and regions; one zero amount was settled."""
    zero = replace(case("settled, where only invalid is correct", 7), label="zero")
    plain = case("settled, where only rejected is correct", 8)
    finding = Finding("hostile command settled", 2, zero, zero, plain)
    sound = _good()
    checks = tuple(
        replace(check, status=Status.VIOLATED, findings=(finding,))
        if check.invariant == "6"
        else check
        for check in sound.checks
    )
    judgement = replace(
        sound,
        exit=Exit.NOT_RIGHT,
        verdict="not right: hostile command settled (2)",
        reasons=("invariant 6 is violated: hostile command settled (2)",),
        classes={
            **sound.classes,
            Class.SETTLED: {"account": 300, "opening credit": 300, "payment": 4900},
            Class.WRONG_OUTCOME: {"payment": 2},
            Class.INVALID: {"payment": 209},
        },
        checks=checks,
        labels=(
            _label("none", {Class.SETTLED: 5395, Class.REJECTED: 210}, 31.2),
            _label(
                "velocity", {Class.SETTLED: 99, Class.SETTLED_LATE: 1, Class.REJECTED: 24}, 30.0
            ),
            _label("unknown account", {Class.REJECTED: 50}, None),
            _label("zero", {Class.WRONG_OUTCOME: 2, Class.INVALID: 209}, 29.5),
            _label("replay", {Class.SETTLED: 6, Class.REJECTED: 4}, None),
        ),
        flagged=131,
        patterns=(PatternRow("velocity", 124, 93, 5066, 38),),
        regions=(RegionRow("north", 120, 2160, 2000), RegionRow("south", 180, 3240, 2900)),
    )
    return Sample(judgement, _seconds(slow=1.0), (_rows(held_up=0), _events()))


def _label(name: str, classes: dict[str, int], p99_ms: float | None) -> LabelRow:
    commands = sum(classes.values())
    return LabelRow(name, commands, dict(classes), commands, 12.5, p99_ms)


def empty() -> Sample:
    """Return a run that was killed at once: nothing was measured and everything is unknown."""
    unknown = "the book was not read"
    judgement = Judgement(
        run_id="20261120T120000Z-0000aa",
        plan_name="smoke",
        exit=Exit.INTERRUPTED,
        verdict="interrupted before anything was sent",
        reasons=("interrupted by signal 15",),
        commands=6000,
        classes={Class.NOT_SENT: {"payment": 5400, "account": 300, "opening credit": 300}},
        surely_not_sent=6000,
        perhaps_sent=0,
        journaled=0,
        foreign=0,
        checks=tuple(Check(no, title, Status.UNKNOWN, 0, (), unknown) for no, title in INVARIANTS),
        slos=(SloResult("response p99 below 200 ms", Status.UNKNOWN, None, 0, "no sample"),),
        fitness=(FitnessResult("lag p99 below 100 ms", Status.UNKNOWN, "no sample"),),
        latencies=(),
        phases=(),
        settled_minor={},
        expected_rejections=0,
    )
    return Sample(judgement, pd.DataFrame(columns=list(COLUMNS)), ([], []))


def bare() -> Sample:
    """Return less than `empty`: a judgement that could look at nothing whatever."""
    sample = empty()
    judgement = replace(
        sample.judgement, exit=Exit.NOT_RIGHT, commands=0, classes={}, surely_not_sent=0,
        checks=(), slos=(), fitness=(), reasons=(), verdict="not shown to be right: no evidence",
    )  # fmt: skip
    return replace(sample, judgement=judgement)


def case(text: str, index: int, *, completed: bool = True) -> Case:
    """Return a payment as evidence; `index` makes its ids and times."""
    intended_ns = 24_000_000_000 + index * 12_345_678
    return Case(
        command_id=f"7d3c9a10-0000-8000-a000-{index:012x}",
        shard=index % 3,
        index=index,
        kind="payment",
        account_id=f"ACC-{index % 100:08d}",
        channel=("HTTP", "MQ", "KAFKA")[index % 3],
        phase="payments",
        intended_ns=intended_ns,
        sent_ns=intended_ns + 1_200_000,
        acknowledged_ns=intended_ns + 24_000_000,
        completed_ns=intended_ns + 180_000_000 if completed else None,
        text=text,
    )


def _good() -> Judgement:
    checks = tuple(
        Check(no, title, Status.NOT_ASKED, 0, (), NOT_PROMISED)
        if no == "8"
        else Check(no, title, Status.HOLDS, 300 if no in {"4a", "4b", "5"} else 6000)
        for no, title in INVARIANTS
    )
    return Judgement(
        run_id="20261120T120000Z-3f9a1c",
        plan_name="smoke",
        exit=Exit.GOOD,
        verdict="right (order not asked) and fast enough",
        reasons=(),
        commands=6000,
        classes={
            Class.SETTLED: {"account": 300, "opening credit": 300, "payment": 5111},
            Class.SETTLED_LATE: {"payment": 1},
            Class.REJECTED: {"payment": 288},
        },
        surely_not_sent=0,
        perhaps_sent=0,
        journaled=6000,
        foreign=0,
        checks=checks,
        slos=(
            SloResult("response p99 below 200 ms", Status.HOLDS, 87.412, 6000),
            SloResult("completion p99 below 2000 ms (phase payments)", Status.HOLDS, 412.9, 5400),
        ),
        fitness=(
            FitnessResult("lag p99 below 100 ms", Status.HOLDS, "p99 2.31 ms of 6,000 samples"),
            FitnessResult("no worker was lost", Status.HOLDS, "4 of 4 reported"),
        ),
        latencies=_latencies(slow=1.0, censored=0),
        phases=_phases(),
        settled_minor={"USD": 1_234_567_89, "EUR": 98_765_43, "JPY": 4_500_000},
        expected_rejections=288,
        facts={
            "host": "http://127.0.0.1:8080",
            "pool": "smoke, seed 7, 300 accounts",
            "key": "000102030405060708090a0b0c0d0e0f",
            "nonce": "41",
            "paystorm": "0.1.0",
        },
    )


def _bad() -> Judgement:
    lost = Finding(
        "lost in the platform", 12, case("acknowledged by HTTP, and the book has no row", 17),
        case("acknowledged by HTTP 61.2 s before the drain ended", 23, completed=False),
        case("acknowledged by MQ, and the book has no row", 4711),
    )  # fmt: skip
    once = case("2 sets of postings of -125.00 USD where 1 is right", 300)
    apart = Finding("book balance differs", 1, once, once, once, consequence_of="settled twice")
    broken = {
        "1": Check("1", INVARIANTS[0][1], Status.VIOLATED, 6000, (lost,)),
        "2": Check(
            "2", INVARIANTS[1][1], Status.VIOLATED, 6000,
            (Finding("settled twice", 1, once, once, once), apart),
        ),
        "7": Check(
            "7", INVARIANTS[7][1], Status.UNKNOWN, 0, (),
            "the event topic was not read to its end: 14 records are left",
        ),
    }  # fmt: skip
    sound = _good()
    return replace(
        sound,
        run_id="20261120T130000Z-b4d001",
        plan_name="payments",
        exit=Exit.NOT_RIGHT,
        verdict="not right: 12 commands lost, 1 settled twice; too slow: response p99",
        reasons=(
            "invariant 1 is violated: lost in the platform (12)",
            "invariant 2 is violated: settled twice (1)",
            "response p99 below 200 ms: 1,204 ms",
        ),
        classes={
            Class.SETTLED: {"account": 300, "opening credit": 300, "payment": 4800},
            Class.SETTLED_LATE: {"payment": 201},
            Class.REJECTED: {"payment": 280},
            Class.LOST: {"payment": 12},
            Class.DUPLICATED: {"payment": 1},
            Class.UNKNOWN: {"payment": 6},
            Class.NOT_SENT: {"payment": 100},
        },
        surely_not_sent=96,
        perhaps_sent=4,
        journaled=5900,
        foreign=3,
        checks=tuple(broken.get(check.invariant, check) for check in sound.checks),
        slos=(
            SloResult("response p99 below 200 ms", Status.VIOLATED, 1204.0, 5900),
            SloResult(
                "completion p99.9 below 5000 ms", Status.UNKNOWN, None, 18, "18 samples are too few"
            ),
        ),
        latencies=_latencies(slow=6.0, censored=100),
        phases=_phases(note="its time was up with 18 commands pending"),
    )


def _latencies(*, slow: float, censored: int) -> tuple[LatencyRow, ...]:
    rows: list[LatencyRow] = []
    scale: dict[Latency, float] = {
        "lag": 0.4, "queueing": 0.01 * slow, "service": 11.0 * slow, "response": 12.5 * slow, "completion": 96.0 * slow,
    }  # fmt: skip
    scopes = (
        ("accounts", "HTTP", "account", 300),
        ("opening credits", "HTTP", "opening credit", 300),
        ("payments", "HTTP", "payment", 3240),
        ("payments", "MQ", "payment", 1620),
        ("payments", "KAFKA", "payment", 540),
    )
    for latency, p50_ms in scale.items():
        for number, (phase, channel, kind, count) in enumerate(scopes):
            endless = censored if latency == "completion" and phase == "payments" else 0
            base_ms = p50_ms * (1 + number / 10)
            percentiles_ms: dict[str, float | None] = {
                "p50": base_ms, "p90": base_ms * 2, "p95": base_ms * 2.6, "p99": base_ms * 4.3,
                "p99.9": base_ms * 7 if count >= 1000 else None, "p99.99": None, "max": base_ms * 9,
            }  # fmt: skip
            rows.append(LatencyRow(latency, phase, channel, kind, count, endless, percentiles_ms))
    return tuple(rows)


def _phases(note: str = "") -> tuple[PhaseRow, ...]:
    return tuple(
        PhaseRow(
            name, began * 1_000_000_000, ended * 1_000_000_000, sent,
            sent / (ended - began - 1), sent / (ended - began), note if name == "payments" else "",
        )
        for name, began, ended, sent in PHASES
    )  # fmt: skip


def _seconds(*, slow: float) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for phase, began, ended, sent in PHASES:
        for t_s in range(began, ended):
            # The last two seconds of a phase only wait for what is under way.
            busy = t_s < ended - 2
            wave = 1 + 0.25 * math.sin(t_s / 5)
            rate = round(sent / (ended - began - 2)) if busy else 0
            p50_ms = 12.5 * slow * wave if busy else math.nan
            rows.append(
                (
                    t_s, phase, rate, rate, rate, round(rate * wave / 1.25),
                    p50_ms, p50_ms * 4.3, p50_ms * 7, p50_ms * 30,
                )
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(*, held_up: int) -> list[Second]:
    rows: list[Second] = []
    sent = 0
    for phase, began, ended, total in PHASES:
        for t_s in range(began, ended):
            sent += round(total / (ended - began))
            waiting = min(40, 8 + held_up) if phase == "payments" else 3
            pending = round(waiting * (1.5 + math.sin(t_s / 7)))
            rows.append(
                Second(
                    at_ns=t_s * 1_000_000_000, phase=phase, due=sent, sent=sent, acknowledged=sent,
                    completed=sent - pending, unanswered=waiting, blocked=0,
                    overdue=held_up * t_s, dropped=held_up, pending_now=pending, users_now=40,
                    waiting_now=waiting, loop_lag_ms=1.5 + math.cos(t_s / 3),
                    cpu_percent=38 + 12 * math.sin(t_s / 11),
                )
            )  # fmt: skip
    return rows


def _events() -> list[Event]:
    events = [Event(0, "run began")]
    for phase, began, ended, _ in PHASES:
        events.append(Event(began * 1_000_000_000, "phase began", phase))
        events.append(Event((ended - 2) * 1_000_000_000, "phase settles", phase))
        events.append(Event(ended * 1_000_000_000, "phase ended", phase, "drained"))
    return [*events, Event(90_000_000_000, "run ended")]

"""Sample runs as the judge would tell them: good, bad, special, and one that was killed at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from statistics import NormalDist
from urllib.parse import quote

import numpy as np
import pandas as pd

from e2e_data.exits import Exit
from reports.hdr import Histogram
from reports.judgement import (
    BandRow,
    Case,
    Check,
    Class,
    Cost,
    ErrorRow,
    Finding,
    FitnessResult,
    Judgement,
    LabelRow,
    LatencyRow,
    PatternRow,
    PhaseRow,
    RegionRow,
    RejectionRow,
    SloResult,
    Status,
)
from reports.previous import LookedBack, Told, whole_phases
from reports.results import Results
from reports.seconds import HEAT, METRICS
from reports.slos import Latency
from reports.timeline import Event, Second

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


def region_row(name, accounts, payments, settled, *, sent, failed, to_other) -> RegionRow:
    """Return how a region of a run of a minute fared."""
    return RegionRow(
        region=name,
        accounts=accounts,
        payments=payments,
        settled=settled,
        sent=sent,
        rate_per_s=sent / 60,
        error_percent=100 * failed / sent,
        response_p50_ms=4.2,
        response_p99_ms=19.5,
        completion_p99_ms=81.0,
        to_other_region=to_other,
        to_other_completion_p99_ms=None if failed else 95.5,
    )


def _sample(
    judgement: Judgement, timeline: tuple[list[Second], list[Event]], slow: float
) -> Results:
    return Results(
        judgement=judgement,
        metrics=_metrics(slow=slow),
        heat=_heat(slow=slow),
        timeline=timeline,
        histograms=_histograms(judgement),
    )


def good() -> Results:
    """Return a run that is right and fast; order was not asked of its platform."""
    return _sample(_good(), (_rows(held_up=0), _events()), 1.0)


def bad() -> Results:
    """Return a run that lost and doubled money, missed SLOs, and kept its users waiting."""
    warning = Event(58_000_000_000, "warning", "payments", "arrivals are overdue")
    return _sample(_bad(), (_rows(held_up=37), [*_events(), warning]), 6.0)


def looked_back(then: Results, now: Results) -> LookedBack:
    """Return a run and the one an hour before it, made by another version on another machine."""
    runs = (
        Told(
            results.judgement.run_id,
            (1_795_176_000 + 3600 * hour) * 1_000_000_000,
            {"machine": f"host-{hour}", "paystorm": f"0.{hour + 1}.0", "python": "3.11.7"},
            results.judgement,
            whole_phases(results.judgement, results.histograms),
        )
        for hour, results in enumerate((then, now))
    )
    before, after = runs
    return LookedBack(
        after, before, ("20261120T124500Z-c0ffee did not end in good order (failed)",)
    )


def special() -> Results:
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
        regions=(
            region_row("north", 120, 2160, 2000, sent=2400, failed=0, to_other=1080),
            region_row("south", 180, 3240, 2900, sent=3600, failed=9, to_other=1620),
        ),
    )
    return _sample(judgement, (_rows(held_up=0), _events()), 1.0)


def _label(name: str, classes: dict[str, int], p99_ms: float | None) -> LabelRow:
    commands = sum(classes.values())
    return LabelRow(name, commands, dict(classes), commands, 12.5, p99_ms)


def empty() -> Results:
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
    nothing = pd.DataFrame(columns=list(METRICS)), pd.DataFrame(columns=list(HEAT))
    return Results(judgement, *nothing, ([], []))


def bare() -> Results:
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
        rejections=(
            RejectionRow("LIMIT_EXCEEDED_MINUTE", 260, 260),
            RejectionRow("INSUFFICIENT_FUNDS", 28, 28),
        ),
        bands=(
            BandRow("0 to 10 % of the HOUR limit", 2700, 2690, 10),
            BandRow("100 to 150 % of the HOUR limit", 270, 0, 270),
        ),
        cost=Cost(12.5, 2446.18),
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
        errors=(
            ErrorRow(Class.LOST, "payments", "MQ", "payment", "", 12),
            ErrorRow(Class.UNKNOWN, "payments", "HTTP", "payment", "no answer in 5 s", 6),
            ErrorRow(Class.DUPLICATED, "payments", "HTTP", "payment", "", 1),
        ),
        cost=None,
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


def _scopes() -> Iterator[tuple[int, str, str, str, int, bool]]:
    """Yield each second with phase, channel, kind, the commands in it, and whether any were sent."""
    kinds = {"accounts": "account", "opening credits": "opening credit", "payments": "payment"}
    for phase, began, ended, sent in PHASES:
        channels = {"HTTP": 0.6, "MQ": 0.3, "KAFKA": 0.1} if phase == "payments" else {"HTTP": 1.0}
        for t_s in range(began, ended):
            # The last two seconds of a phase only wait for what is under way.
            busy = t_s < ended - 2
            for channel, share in channels.items():
                rate = round(sent * share / (ended - began - 2)) if busy else 0
                yield t_s, phase, channel, kinds[phase], rate, busy


def _wave(t_s: int) -> float:
    return 1 + 0.25 * math.sin(t_s / 5)


def _metrics(*, slow: float) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for t_s, phase, channel, kind, rate, busy in _scopes():
        completed = round(rate * _wave(t_s) / 1.25)
        failed = int(slow > 1 and busy and t_s % 7 == 0)
        p50_ms = 12.5 * slow * _wave(t_s) if busy else math.nan
        took_ms = (p50_ms, p50_ms * 4.3, p50_ms * 7, p50_ms * 30)
        rows.append((t_s, phase, channel, kind, rate, rate, rate, completed, failed, *took_ms))
    return pd.DataFrame(rows, columns=list(METRICS))


def _heat(*, slow: float) -> pd.DataFrame:
    rows = [
        (latency, t_s, 12.5 * slow * factor * _wave(t_s) * spread, max(rate * share // 100, 1))
        for latency, factor in (("response", 1.0), ("completion", 7.0))
        for t_s, _, _, _, rate, busy in _scopes()
        if busy
        for spread, share in ((0.6, 20), (1.0, 50), (1.8, 25), (4.3, 5))
    ]
    return pd.DataFrame(rows, columns=list(HEAT))


def _histograms(judgement: Judgement) -> dict[str, Histogram]:
    """Return the histograms of a judgement's rows, by the tags of the latency log."""
    found = {}
    for row in judgement.latencies:
        sigma = 0.6
        nines = np.linspace(0.5 / row.count, 1 - 0.5 / row.count, row.count)
        spread = [NormalDist(0, sigma).inv_cdf(share) for share in nines.tolist()]
        took_ns = (row.percentiles_ms["p50"] or 0) * 1e6 * np.exp(spread)
        tag = (
            f"{quote(row.phase, safe='')}/{row.channel}/{row.kind.replace(' ', '-')}/{row.latency}"
        )
        found[tag] = Histogram.of(took_ns.astype(np.int64))
    return found


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

"""SLOs: what each of them measures, over which commands and windows, and when it is unknown or missed."""

from __future__ import annotations

import pandas as pd
import pytest
from pydantic import ValidationError

from e2e_data.commands import Channel, Kind, Label
from reports.attempted import GivenUp, given_up
from reports.columns import NEVER
from reports.judgement import Status
from reports.measures import judged_slos, measure_of
from reports.sending import SendingTime
from reports.slos import Slo
from reports.timeline import RESUMED, Event, Second
from tests.unit.test_latencies import DIGITS, MS, PHASES, S, frame


def judged(slo, *frames, given_up=(), phases=PHASES, timeline=([], [])):
    """Return the result of an SLO over frames of commands."""
    measure = measure_of(slo, phases, SendingTime(timeline))
    for each in frames:
        measure.add(each)
    measure.give_up(given_up)
    return measure.result()


def responses(*took_ms, end=None):
    return frame(*[(1, 0, 0, 1, took, end) for took in took_ms])


@pytest.mark.parametrize(
    ("slo", "rows", "status", "measured"),
    [
        (Slo(latency="response", percentile=50, below_ms=11), (10, 10, 99), Status.HOLDS, 10.0),
        (Slo(latency="response", percentile=50, below_ms=10), (10, 10, 99), Status.VIOLATED, 10.0),
        (Slo(latency="response", percentile=99, below_ms=999), (10,) * 99, Status.UNKNOWN, None),
        (Slo(latency="response", percentile=99, below_ms=999), (10,) * 100, Status.HOLDS, 10.0),
        (Slo(latency="completion", percentile=50, below_ms=999), (9, 9), Status.VIOLATED, None),
        (Slo(latency="response", percentile=50, below_ms=9, phase="accounts"), (9, 9),
         Status.UNKNOWN, None),
        (Slo(latency="response", percentile=50, below_ms=99, phase="payments"), (9, 9),
         Status.HOLDS, 9.0),
        (Slo(latency="response", percentile=50, below_ms=9, phase="none"), (9, 9),
         Status.UNKNOWN, None),
        (Slo(latency="response", percentile=50, below_ms=99, kind=Kind.PAYMENT), (9, 9),
         Status.HOLDS, 9.0),
        (Slo(latency="response", percentile=50, below_ms=99, kind=Kind.ACCOUNT), (9, 9),
         Status.UNKNOWN, None),
    ],
)  # fmt: skip
def test_an_slo_is_met_only_by_what_was_measured(slo, rows, status, measured):
    """Below is below; too few samples or none are unknown; what never ended is a miss."""
    result = judged(slo, responses(*rows))
    assert result.status == status
    assert result.measured == (measured and pytest.approx(measured, DIGITS))
    assert bool(result.note) == (measured is None)


def test_an_slo_on_nothing_is_unknown():
    """A run that sent nothing met no SLO."""
    slo = Slo(latency="lag", percentile=50, below_ms=1, phase="payments")
    assert judged(slo).note == "nothing was sent"


def test_an_slo_on_a_phase_that_is_not_there_says_so():
    """A name that was misspelt is told, with those that exist."""
    slo = Slo(latency="lag", percentile=50, below_ms=1, phase="paiments")
    result = judged(slo, responses(1, 1))
    assert result.note == "there is no phase paiments, only accounts, payments"


def test_an_slos_title_says_what_it_asks():
    """The report and JUnit name an SLO by its title."""
    slo = Slo(latency="response", percentile=99.9, below_ms=200, phase="x", kind=Kind.PAYMENT)
    assert slo.title == "response p99.9 below 200 ms (phase x, kind payment)"


def test_a_platform_that_keeps_users_waiting_misses_its_slo():
    """A command that was overdue because all users waited counts from when it was due."""
    late = frame(*[(1, 0, 9000, 9001, 9500, 9600)] * 100)
    assert judged(P99, late).status is Status.VIOLATED


P99 = Slo(latency="response", percentile=99, below_ms=1000)
P50 = Slo(latency="response", percentile=50, below_ms=100)


def steady(*took_ms, phase=1, every_ms=100, kind=Kind.PAYMENT, **columns):
    """Return commands that are due every so often and answered after so long; None is never."""
    rows = frame(
        *[
            (
                phase,
                n * every_ms,
                0,
                n * every_ms,
                None if took is None else n * every_ms + took,
                None,
            )
            for n, took in enumerate(took_ms)
        ],
        kind=kind,
    )
    return rows.assign(**columns)


@pytest.mark.parametrize(
    ("scope", "columns"),
    [
        ({"phase": "payments"}, {"phase": 0}),
        ({"channel": Channel.HTTP}, {"channel": int(Channel.MQ)}),
        ({"kind": Kind.PAYMENT}, {"kind": int(Kind.FUNDING)}),
        ({"region": "north"}, {"region": "south"}),
        ({"to_other_region": True}, {"to_other_region": False}),
        ({"to_other_region": False}, {"to_other_region": True, "region": "south"}),
        ({"label": Label.HOT}, {"label": int(Label.ROUND)}),
    ],
)
def test_an_slo_is_about_its_commands_alone(scope, columns):
    """Fast commands of its scope hold it, whatever others do; without any of its own it is unknown."""
    same = {"region": "north", "label": int(Label.HOT)}
    same["to_other_region"] = scope.get("to_other_region", True)
    own = steady(9, 9, 9, **same)
    others = steady(*[900] * 9).assign(**{**same, **columns})
    slo = P50.model_copy(update=scope)
    assert judged(slo, own, others).status is Status.HOLDS
    assert judged(P50, own, others).status is Status.VIOLATED
    assert judged(slo, others).status is Status.UNKNOWN


def test_what_was_due_in_the_warm_up_is_left_out():
    """It counts from the beginning of its phase, which the timeline tells, and ends exactly."""
    phases = (PHASES[0], PHASES[1].model_copy(update={"warm_up_s": 0.3}))
    rows = steady(900, 900, 900, 900, 9, 9, 9)
    cold = P50.model_copy(update={"percentile": 30})

    def samples(*events):
        return judged(cold, rows, phases=phases, timeline=([], [*events])).samples

    assert samples(Event(100 * MS, "phase began", "payments")) == 3
    assert samples(Event(99 * MS, "phase began", "payments")) == 3
    assert samples(Event(0, "phase began", "payments")) == 4
    assert samples() == 7


SECONDS = {"window_s": 1}
BREAKS = {
    "a pause": (
        [],
        [
            Event(0, "phase began", "payments"),
            Event(500 * MS, "phase paused", "payments"),
            Event(60 * S, "phase resumed", "payments"),
        ],
    ),
    "two masters": (
        [Second(500 * MS, "payments", *[0] * 11, 0.0, 0.0)],
        [
            Event(0, "phase began", "payments"),
            Event(59 * S, RESUMED, "payments"),
            Event(60 * S, "phase began", "payments"),
        ],
    ),
    "two phases": (
        [],
        [
            Event(0, "phase began", "accounts"),
            Event(500 * MS, "phase settles", "accounts"),
            Event(60 * S, "phase began", "payments"),
        ],
    ),
}  # fmt: skip


def apart(*took_ms):
    """Return commands, observed when answered; those due after half a second came a minute later."""
    rows = steady(*took_ms)
    rows["completed_ns"] = rows["acknowledged_ns"]
    times = rows[[name for name in rows if name.endswith("_ns")]]
    later = times.where(times == NEVER, times + 60 * S - 500 * MS)
    return rows.assign(**times.where(rows["intended_ns"] < 500 * MS, later, axis=0))


@pytest.mark.parametrize("timeline", BREAKS.values(), ids=BREAKS)
def test_a_break_is_no_time_in_which_commands_were_due(timeline):
    """Half of them came after it: there are as many per second of sending, and they are as fresh."""
    rows = apart(*[50] * 11)
    throughput, fresh = Slo(throughput_above_per_s=9.9), Slo(freshness_below_s=1)
    assert judged(throughput, rows, timeline=timeline).measured == 10
    assert judged(fresh, rows, timeline=timeline).measured == pytest.approx(0.15, abs=0.011)
    assert judged(throughput, rows).status is judged(fresh, rows).status is Status.VIOLATED


def test_a_window_is_told_by_when_it_was():
    """Not by how long the run had been sending until then."""
    slo = Slo(throughput_above_per_s=9, **SECONDS)
    told = judged(slo, apart(*[50] * 10, *[None] * 11), timeline=BREAKS["a pause"]).note
    assert told == "1 of 2 windows; the worst, at 60.5 s, has 0 /s"


@pytest.mark.parametrize(
    ("dropped", "status", "note"),
    [
        ([], Status.HOLDS, ""),
        ([GivenUp(1, 0, 1)], Status.HOLDS, ""),
        ([GivenUp(1, 0, 4)], Status.VIOLATED,
         "4 commands had no end, so the percentile is more than was seen"),
        ([GivenUp(0, 0, 4)], Status.HOLDS, ""),
    ],
)  # fmt: skip
def test_an_arrival_that_was_given_up_was_never_served(dropped, status, note):
    """It counts as slower than anything, in its own phase; nobody's lag is longer for it."""
    result = judged(P50, steady(9, 9, 9), given_up=dropped)
    assert (result.status, result.note) == (status, note)
    lag = Slo(latency="lag", percentile=50, below_ms=100)
    assert judged(lag, steady(9, 9, 9), given_up=dropped).status is Status.HOLDS


@pytest.mark.parametrize(
    ("failed", "below", "status", "measured"),
    [(0, 1, Status.HOLDS, 0), (1, 10, Status.VIOLATED, 10), (1, 10.1, Status.HOLDS, 10)],
)
def test_errors_are_a_share_of_what_was_sent(failed, below, status, measured):
    """Below is below; the note has the counts."""
    rows = steady(*[9] * 10).assign(failed=[n < failed for n in range(10)])
    result = judged(Slo(errors_below_percent=below), rows)
    assert (result.status, result.measured, result.unit) == (status, measured, "%")
    assert result.note == f"{failed} of 10 commands"


def test_errors_of_nothing_are_unknown():
    """Who sent nothing has shown nothing."""
    assert judged(Slo(errors_below_percent=5)).status is Status.UNKNOWN


def test_what_could_not_be_sent_is_an_error_and_has_no_latency():
    """A refused connection counts among errors; its time says nothing of the platform's."""
    refused = steady(1, sent=False, failed=True)
    rows = pd.concat([steady(9, 9, 9), refused])
    assert judged(Slo(errors_below_percent=50), rows).measured == 25
    assert judged(P50, rows).samples == 3


@pytest.mark.parametrize(
    ("took_ms", "above", "status", "measured"),
    [
        ([50] * 11, 9.9, Status.HOLDS, 10),
        ([50] * 11, 10, Status.VIOLATED, 10),
        ([50] * 6 + [5000] * 5, 5.9, Status.HOLDS, 6),
        ([50] * 6 + [None] * 5, 6.1, Status.VIOLATED, 6),
    ],
)
def test_throughput_is_what_was_answered_while_commands_were_due(took_ms, above, status, measured):
    """What is answered only after the last was due does not count, nor what never is."""
    result = judged(Slo(throughput_above_per_s=above), steady(*took_ms))
    assert (result.status, result.measured, result.unit) == (status, measured, "/s")


def test_throughput_of_a_moment_is_unknown():
    """One command has no rate."""
    slo = Slo(throughput_above_per_s=1)
    assert judged(slo).note == judged(slo, steady(1)).note == "too little was due"


@pytest.mark.parametrize(
    ("asked", "rows", "status", "measured", "note"),
    [
        ({}, steady(*[9] * 10, *[200] * 10), Status.VIOLATED, 50,
         "1 of 2 windows; the worst, at 1 s, has 200 ms"),
        ({"windows_percent": 50}, steady(*[9] * 10, *[200] * 10), Status.HOLDS, 50,
         "1 of 2 windows; the worst, at 1 s, has 200 ms"),
        ({}, steady(*[9] * 10, *[None] * 10), Status.VIOLATED, 50,
         "1 of 2 windows; the worst, at 1 s, has no end"),
        ({}, steady(9, 9, 200, every_ms=1000), Status.VIOLATED, pytest.approx(66.67, 0.01),
         "2 of 3 windows; the worst, at 2 s, has 200 ms"),
        ({"windows_percent": 66}, steady(9, 9, 200, every_ms=1000), Status.HOLDS,
         pytest.approx(66.67, 0.01), "2 of 3 windows; the worst, at 2 s, has 200 ms"),
    ],
)  # fmt: skip
def test_each_window_is_judged_by_itself(asked, rows, status, measured, note):
    """By when commands were due; of a few in a window, the slowest stands for the percentile."""
    result = judged(P50.model_copy(update={**SECONDS, **asked}), rows)
    assert (result.status, result.measured, result.unit) == (status, measured, "%")
    assert result.note == note


def test_errors_and_throughput_have_windows_too():
    """A second full of errors, or one in which nothing is answered, is a bad one."""
    rows = pd.concat(
        [
            steady(*[9] * 10),
            steady(*[9] * 10, failed=True).assign(intended_ns=lambda r: r.intended_ns + S),
        ]
    )
    errors = judged(Slo(errors_below_percent=5, **SECONDS), rows)
    assert errors.note == "1 of 2 windows; the worst, at 1 s, has 100 %"
    stalled = judged(Slo(throughput_above_per_s=5, **SECONDS), steady(*[9] * 10, *[None] * 11))
    assert stalled.note == "1 of 2 windows; the worst, at 1 s, has 0 /s"


def test_without_a_whole_window_nothing_is_known():
    """A run shorter than a window cannot hold it."""
    slo = Slo(throughput_above_per_s=5, window_s=60)
    assert judged(slo, steady(9, 9, 9)).status is Status.UNKNOWN
    assert judged(P50.model_copy(update=SECONDS)).note == "there is no whole window"


def test_an_slo_that_ended_the_run_was_missed():
    """A short bad time may not show in the whole run; that it was ended for it does."""
    measures = [
        measure_of(slo, PHASES, SendingTime()) for slo in (P50, Slo(errors_below_percent=5))
    ]
    for measure in measures:
        measure.add(steady(9, 9, 9))
    missed, held = judged_slos(measures, [Event(1, "aborted", "payments", P50.title)])
    assert (missed.status, missed.note) == (Status.VIOLATED, "the run was ended for it")
    assert missed.measured == pytest.approx(9, DIGITS)
    assert held.status is Status.HOLDS


def row(at_s, dropped):
    return Second(at_s * S, "payments", *[0] * 7, dropped, 0, 0, 0, 0.0, 0.0)


def test_what_was_given_up_is_known_by_the_second():
    """The rows tell when; what none of them tells was given up at the phase's end."""
    events = [
        Event(1 * S, "phase began", "payments"),
        Event(4 * S, "phase ended", "payments", "", 10),
        Event(5 * S, "phase ended", "nobody's", "", 10),
    ]
    rows = [row(0, 3), row(2, 3), row(3, 8)]
    assert given_up(rows, events, PHASES) == [GivenUp(1, 3 * S, 5), GivenUp(1, 4 * S, 5)]
    assert given_up([], events, PHASES) == [GivenUp(1, 4 * S, 10)]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "this asks nothing"),
        ({"errors_below_percent": 1, "throughput_above_per_s": 1},
         "this asks errors_below_percent and throughput_above_per_s"),
        ({"latency": "response", "percentile": 9}, "a latency takes both"),
        ({"errors_below_percent": 1, "below_ms": 9}, "percentile and below_ms are for a latency"),
        ({"errors_below_percent": 1, "windows_percent": 9}, "windows_percent is for windows"),
        ({"errors_below_percent": 1, "channel": "fax"}, "the channels are http, mq, kafka"),
        ({"errors_below_percent": 1, "label": "cold"}, "the labels are hot, boundary"),
    ],
)  # fmt: skip
def test_an_slo_that_makes_no_sense_is_refused(asked, told):
    """What is missing, too much or unknown is named, with what there is."""
    with pytest.raises(ValidationError) as found:
        Slo(**asked)
    assert told in str(found.value)


@pytest.mark.parametrize(
    ("slo", "title"),
    [
        (Slo(errors_below_percent=0.1, channel="mq", label="unknown account"),
         "errors below 0.1 % (channel mq, label unknown account)"),
        (Slo(throughput_above_per_s=9900, region="north", window_s=10, windows_percent=99),
         "throughput above 9900/s (region north, 99 % of windows of 10 s)"),
        (Slo(errors_below_percent=1, to_other_region=True),
         "errors below 1 % (to another region)"),
        (Slo(errors_below_percent=1, region="north", to_other_region=False),
         "errors below 1 % (region north, not to another region)"),
    ],
)  # fmt: skip
def test_a_title_tells_scope_and_windows(slo, title):
    """As it stands in the report and in JUnit; and an SLO survives a run's record."""
    assert slo.title == title
    assert Slo.model_validate(slo.model_dump(mode="json")) == slo


# -- freshness --------------------------------------------------------------------------------


def observed(*after_ms, every_ms=100, **columns):
    """Return commands due every so often, whose outcomes were observed so long after; None is never."""
    rows = [
        (1, n * every_ms, 0, n * every_ms, n * every_ms, None if t is None else n * every_ms + t)
        for n, t in enumerate(after_ms)
    ]
    return frame(*rows).assign(**columns)


@pytest.mark.parametrize(
    ("after_ms", "age_s"),
    [
        ([0] * 20, 0.11),
        ([250] * 20, 0.35),
        ([0] * 5 + [None] * 10 + [0] * 5, 1.11),
        ([0, 900, 0, 0, 0], 0.21),
        ([2000] * 11, 1.0),
        ([None] * 11, 1.0),
    ],
)
def test_freshness_is_the_age_of_the_newest_outcome(after_ms, age_s):
    """At its oldest, while commands are due; an old command that comes late does not make it older."""
    result = judged(Slo(freshness_below_s=5), observed(*after_ms))
    assert result.measured == pytest.approx(age_s, abs=0.011)
    assert result.status is Status.HOLDS
    assert judged(Slo(freshness_below_s=0.1), observed(*after_ms)).status is Status.VIOLATED


def test_freshness_is_asked_over_all_shards():
    """What one shard's outcomes lack, another's make up for."""
    late, early = observed(*[900] * 20), observed(*[10] * 20)
    assert judged(Slo(freshness_below_s=0.2), late, early).status is Status.HOLDS
    assert judged(Slo(freshness_below_s=0.2), early, late).status is Status.HOLDS


def test_freshness_in_windows():
    """The share of seconds in which nothing was older."""
    rows = observed(*[0] * 31, *[None] * 7, *[0] * 12)
    slo = Slo(freshness_below_s=0.5, window_s=1, windows_percent=75)
    result = judged(slo, rows)
    assert result.status is Status.HOLDS
    assert result.measured == 80
    assert "the worst, at 3 s, has 0.81 s" in result.note


@pytest.mark.parametrize("rows", [(), (observed(0),), (observed(0, 0, every_ms=1),)])
def test_freshness_of_nothing_is_unknown(rows):
    """Too little was due to say anything."""
    for slo in (Slo(freshness_below_s=5), Slo(freshness_below_s=5, window_s=1)):
        assert judged(slo, *rows).status is Status.UNKNOWN

"""SLOs that end a run: a test for each line of the table in watch.py, with a clock that is given."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from e2e_data.commands import Kind
from locustfiles.fleet.buckets import counted
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.parts import Part
from locustfiles.plans import load_plan
from locustfiles.profiles import SECOND_NS
from locustfiles.watch import Watch
from reports.slos import Slo

SLOW = Slo(latency="response", percentile=50, below_ms=100, abort_after_s=3)
LAME = Slo(throughput_above_per_s=5, abort_after_s=3, window_s=2)
WRONG = Slo(errors_below_percent=10, abort_after_s=3)
OF_PAYMENTS = Slo(throughput_above_per_s=5, kind="payment", abort_after_s=3)
OLD = Slo(freshness_below_s=2, kind="payment", abort_after_s=3)


class Played:
    """A watch, and a platform that answers as it is told."""

    def __init__(self, *slos) -> None:
        self.watch = Watch(slos, lambda phase: [slo for slo in slos if slo.phase in (None, phase)])
        self.now_ns = 0
        self.counts = Counts()
        self.parts = {}

    def second(self, *took_ms, due=10, silent=0, phase="payments", kind=Kind.PAYMENT, **seen):
        """Let a second pass in which these answers came, and look."""
        self.now_ns += SECOND_NS
        self.counts = replace(
            self.counts,
            due=self.counts.due + due,
            acknowledged=self.counts.acknowledged + len(took_ms),
        )
        part = self.parts.get((phase, kind), Part())
        more = {"sent": due, "answered": len(took_ms), "silent": silent, "failed": silent, **seen}
        self.parts[phase, kind] = replace(
            part,
            **{name: getattr(part, name) + count for name, count in more.items()},
            took=part.took + counted(np.array(took_ms, np.int64) * 1_000_000),
        )
        return self.watch.look(self.now_ns, phase, self.counts, self.seen)

    def seen(self, slo):
        asked = [
            part
            for (phase, kind), part in self.parts.items()
            if slo.phase in (None, phase) and slo.kind in (None, kind)
        ]
        return replace(Part.total(asked), at_ns=self.now_ns)


def test_a_platform_that_is_fast_goes_on():
    """Nothing is held against it."""
    played = Played(SLOW, LAME, WRONG)
    assert [played.second(*[9] * 10) for _ in range(30)] == [None] * 30


@pytest.mark.parametrize(
    ("slo", "answers"),
    [
        (SLOW, {"took": [900] * 10}),
        (SLOW, {"took": []}),
        (LAME, {"took": [9] * 5}),
        (LAME, {"took": []}),
        (WRONG, {"took": [9] * 9, "silent": 1}),
        (WRONG, {"took": [9] * 10, "failed": 1}),
        (OF_PAYMENTS, {"took": [9] * 4}),
        (OF_PAYMENTS, {"took": []}),
        (OLD, {"took": [9] * 10, "age_ns": 1_500_000_000}),
    ],
)
def test_missed_without_a_break_for_its_time_it_ends_the_run(slo, answers):
    """Slow, lame, in error, or silent though commands are due: at abort_after_s, and not before."""
    played = Played(slo)
    took = answers.pop("took")
    seen = [played.second(*took, **answers) for _ in range(5)]
    # The first look has nothing to compare with.
    assert seen == [None, None, None, None, slo]


def test_a_break_forgives():
    """Met once in between, it has to be missed for its whole time again."""
    played = Played(LAME)
    for _ in range(4):
        assert played.second() is None
    played.second(*[9] * 50)
    assert [played.second() for _ in range(5)] == [None, None, None, None, LAME]


def test_where_nothing_is_due_nothing_is_missed():
    """A phase that has sent everything waits for nobody."""
    played = Played(SLOW, LAME, WRONG)
    assert [played.second(due=0) for _ in range(20)] == [None] * 20


@pytest.mark.parametrize("phase", ["", "accounts"])
def test_only_its_own_phase_counts(phase):
    """Between phases, in a warm-up and in another phase nothing is held against it; then it begins anew."""
    played = Played(SLOW.model_copy(update={"phase": "payments"}))
    for _ in range(3):
        played.second(900)
    assert [played.second(900, phase=phase) for _ in range(9)] == [None] * 9
    assert [bool(played.second(900)) for _ in range(5)] == [False] * 4 + [True]


def test_a_kind_is_told_apart():
    """Slow funding does not end a run for its payments."""
    played = Played(SLOW.model_copy(update={"kind": Kind.PAYMENT}))
    for _ in range(9):
        played.second(900, kind=Kind.FUNDING, due=0)
        assert played.second(9) is None


def test_only_the_last_while_counts():
    """Ten good minutes do not hide a bad one: what is looked at is the last ten seconds."""
    played = Played(SLOW)
    for _ in range(600):
        played.second(*[9] * 10)
    assert any(played.second(*[900] * 10) for _ in range(11))


def test_what_is_sent_again_has_another_chance():
    """Refused and then taken is no error; refused twice is one."""
    played = Played(WRONG)
    assert [played.second(*[9] * 10, failed=5, again=5) for _ in range(9)] == [None] * 9
    assert any(played.second(*[9] * 10, failed=9, again=5) for _ in range(9))


@pytest.mark.parametrize("slo", [OF_PAYMENTS, OLD, WRONG.model_copy(update={"kind": Kind.PAYMENT})])
def test_where_none_of_its_commands_is_sent_nothing_is_missed(slo):
    """The rest of a phase's commands are not held against it; one that waits for its answer is."""
    played = Played(slo)
    played.second(*[9] * 10, age_ns=5_000_000_000)
    funding = {"kind": Kind.FUNDING}
    assert [played.second(*[9] * 10, **funding) for _ in range(20)] == [None] * 20


def test_what_may_take_long_is_given_its_time():
    """Of outcomes that may take half a minute, none is missed before half a minute is over."""
    played = Played(
        Slo(latency="completion", percentile=50, below_ms=30_000, window_s=1, abort_after_s=1)
    )
    seen = [bool(played.second(due=1)) for _ in range(40)]
    assert seen.index(True) == 31


def test_an_slo_is_looked_at_only_where_something_of_it_is_sent():
    """In a phase without its kind or channel nobody answers, which is held against nobody."""
    asked = [
        {"kind": "payment", "latency": "response", "percentile": 50, "below_ms": 100},
        {"channel": "mq", "latency": "response", "percentile": 50, "below_ms": 100},
        {"phase": "payments", "errors_below_percent": 1},
        {"errors_below_percent": 1},
    ]
    slos = [f"{{{', '.join(f'{k}={json.dumps(v)}' for k, v in one.items())}}}" for one in asked]
    plan = load_plan("smoke", [f"slos=[{', '.join(slos)}]", "phases.payments.channels={mq=1}"])
    assert plan.slos_of("accounts") == (plan.slos[3],)
    assert plan.slos_of("payments") == plan.slos

"""SLOs that end a run: a test for each line of the table in watch.py, with a clock that is given."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from e2e_data.commands import Channel, Kind
from locustfiles.director import Director
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.figures import BUCKETS, Figures, FleetFigures, bucket_of
from locustfiles.plans import load_plan
from locustfiles.profiles import SECOND_NS
from locustfiles.watch import Look, Watch, missed
from reports.slos import Slo

SLOW = Slo(latency="response", percentile=50, below_ms=100, abort_after_s=3)
LAME = Slo(throughput_above_per_s=5, abort_after_s=3, window_s=2)
WRONG = Slo(errors_below_percent=10, abort_after_s=3)


class Played:
    """A watch, and a platform that answers as it is told."""

    def __init__(self, *slos) -> None:
        self.watch = Watch(slos, lambda phase: [slo for slo in slos if slo.phase in (None, phase)])
        self.now_ns = 0
        self.counts = Counts()
        self.took = {}

    def second(self, *took_ms, due=10, unanswered=0, phase="payments", kind=Kind.PAYMENT):
        """Let a second pass in which these answers came, and look."""
        self.now_ns += SECOND_NS
        self.counts = replace(
            self.counts,
            due=self.counts.due + due,
            acknowledged=self.counts.acknowledged + len(took_ms),
            unanswered=self.counts.unanswered + unanswered,
        )
        counts = self.took.setdefault((phase, kind), np.zeros(BUCKETS, np.int64))
        np.add.at(counts, bucket_of(np.array(took_ms, np.int64) * 1_000_000), 1)
        return self.watch.look(self.now_ns, phase, self.counts, self.took_by)

    def took_by(self, phase, slo):
        chosen = [one for (p, k), one in self.took.items() if p == phase and slo.kind in (None, k)]
        return sum(chosen, np.zeros(BUCKETS, np.int64))


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
        (WRONG, {"took": [9] * 9, "unanswered": 1}),
    ],
)
def test_missed_without_a_break_for_its_time_it_ends_the_run(slo, answers):
    """Slow, lame, in error, or silent though commands are due: at abort_after_s, and not before."""
    played = Played(slo)
    took, unanswered = answers["took"], answers.get("unanswered", 0)
    seen = [played.second(*took, unanswered=unanswered) for _ in range(5)]
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


def test_an_slo_that_may_not_end_the_run_is_not_watched():
    """Response times are counted only for whoever asks."""
    assert not Watch([SLOW.model_copy(update={"abort_after_s": None}), LAME], list).needs_figures
    assert Watch([SLOW], list).needs_figures


@pytest.mark.parametrize("scope", [{"channel": "mq"}, {"region": "south"}, {"kind": "funding"}])
def test_a_part_of_the_commands_may_end_the_run(scope):
    """Slow answers of a channel, region or kind count for what asks of it, and for nothing else."""
    figures = FleetFigures()
    own, scale = Figures(), 1_000_000
    for took_ms, at in ((9, (Kind.PAYMENT, Channel.HTTP, 1)), (900, (Kind.FUNDING, Channel.MQ, 2))):
        kind, channel, region = at
        for _ in range(50):
            own.add(2, kind, took_ms * scale, channel, region)
    figures.take(own.snapshot("a", 1))
    plan = load_plan("smoke", ['pool.regions=["north","south"]', "channels={http=1,mq=1}"])
    director = SimpleNamespace(
        plan=plan, figures=figures, pool=SimpleNamespace(config=plan.pool.config())
    )
    for asked, is_slow in (
        (scope, True),
        ({"channel": "http"}, False),
        ({"region": "north"}, False),
    ):
        slo = Slo(latency="response", percentile=50, below_ms=100, abort_after_s=3, **asked)
        nothing = Look(0, Counts(), np.zeros(BUCKETS, np.int64))
        look = Look(SECOND_NS, Counts(due=100), Director._took(director, "payments", slo))
        assert missed(slo, (nothing, look)) is is_slow


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

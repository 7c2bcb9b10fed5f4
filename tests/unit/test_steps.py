"""The steps of a search while it is on: what leads it, with a clock that is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from locustfiles.fleet.buckets import counted
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.parts import Part
from locustfiles.plan_parts.phase import Phase
from locustfiles.profiles import SECOND_NS
from locustfiles.steps import Steps
from reports.lines import LineLog
from reports.slos import Fitness, Slo
from reports.steps import Step, read_steps

SLOW = Slo(latency="response", percentile=50, below_ms=100)
ERRORS = Slo(errors_below_percent=10)
UNSEEN = Slo(throughput_above_per_s=1_000)
PHASE = {
    "sends": ("payment",),
    "profile": "search",
    "from_per_s": 10,
    "rate_per_s": 40,
    "step_s": 4,
    "warm_up_s": 1,
    "tries": 1,
}


class Searched:
    """A search that tries rates against a platform that answers as it is told."""

    def __init__(self, path, *slos, before=(), **changes):
        self.path = path / "steps.jsonl"
        phase = Phase.model_validate(PHASE | changes)
        self.steps = Steps("payments", phase, slos, Fitness(), LineLog(self.path), before)
        self.now_ns = 7 * SECOND_NS
        self.counts, self.part = Counts(), Part()

    def second(self, took_ms=9, *, unanswered=0, **load):
        self.now_ns += SECOND_NS
        self.part = replace(
            self.part,
            sent=self.part.sent + 10 + unanswered,
            answered=self.part.answered + 10,
            silent=self.part.silent + unanswered,
            failed=self.part.failed + unanswered,
            took=self.part.took + counted(np.full(10, took_ms * 1_000_000)),
        )
        self.counts = replace(self.counts, due=self.counts.due + 10, **load)
        self.steps.look(self.now_ns, self.counts, lambda _: self.part)

    def step(self, *took_ms, pending=0, **how):
        """Play a step of so many seconds, and return why its rate is too high."""
        self.steps.begin(self.steps.next_per_s, self.now_ns)
        for each in took_ms:
            self.second(each, **how)
        ended = self.steps.end(self.now_ns, self.counts, lambda _: self.part, pending)
        return ended and ended.missed


@pytest.mark.parametrize(
    ("slos", "answers", "how", "why"),
    [
        ((SLOW, ERRORS), (9, 9, 9, 9), {}, ""),
        ((SLOW, ERRORS), (900, 9, 9, 9), {}, ""),
        ((SLOW, ERRORS), (9, 9, 900, 900), {}, "response p50 below 100 ms"),
        ((SLOW, ERRORS), (9, 9, 9, 9), {"unanswered": 2}, "errors below 10 %"),
        ((SLOW,), (9, 9, 9, 9), {"unanswered": 11}, "response p50 below 100 ms"),
        ((SLOW,), (9, 9, 9, 9), {"pending": 3}, "3 commands were pending"),
        ((SLOW, UNSEEN), (9, 9, 9, 9), {}, ""),
        ((SLOW,), (9,) * 4, {"cpu_permille": 960},
         "the generator did not keep up: its CPU was at 96 %"),
        ((SLOW,), (9,) * 4, {"lag_us": 600_000},
         "the generator did not keep up: its event loop was 600 ms late"),
    ],
)  # fmt: skip
def test_what_makes_a_rate_too_high(tmp_path, slos, answers, how, why):
    """An SLO that is seen while it is on, after the warm-up; what is left behind; or the generator."""
    assert Searched(tmp_path, *slos).step(*answers, **how) == why


def test_each_step_is_seen_by_itself(tmp_path):
    """A slow step is not held against the one after it."""
    searched = Searched(tmp_path, SLOW)
    assert searched.step(9, 9, 9, 9) == ""
    assert searched.step(9, 900, 900, 900) != ""
    assert searched.steps.next_per_s == 15
    assert searched.step(9, 9, 9, 9) == ""
    assert searched.steps.found == "15/s held, 20/s did not"


def test_steps_are_written_down(tmp_path):
    """With when they were, so that they can be judged by all that is known afterwards."""
    searched = Searched(tmp_path, SLOW)
    searched.step(9, 9, 9, 9)
    assert read_steps(searched.path) == [Step("payments", 10, 7 * SECOND_NS, 11 * SECOND_NS, "")]


def test_a_step_that_was_paused_is_tried_again(tmp_path):
    """What it would say is neither the platform's nor the generator's doing."""
    searched = Searched(tmp_path, SLOW)
    searched.steps.begin(10, searched.now_ns)
    searched.second(900)
    searched.steps.spoil()
    assert searched.steps.end(searched.now_ns, searched.counts, lambda _: searched.part, 0) is None
    assert searched.steps.next_per_s == 10
    assert read_steps(searched.path) == []


def test_a_master_that_takes_over_goes_on_with_the_steps_of_the_one_before(tmp_path):
    """They are told to the search again; those of another phase are not its own."""
    before = [
        Step("payments", 10, 0, 1, ""),
        Step("payments", 20, 1, 2, "slow"),
        Step("x", 15, 2, 3, ""),
    ]
    assert Searched(tmp_path, SLOW, before=before).steps.next_per_s == 15

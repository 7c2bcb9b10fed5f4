"""The verdict: what SLOs, fitness and checks add up to, and which exit code wins."""

from __future__ import annotations

from itertools import combinations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from e2e_data.exits import PRECEDENCE, Exit, worst
from e2e_data.problems import Problems, of_validation
from reports.judgement import Case, Check, Finding, FitnessResult, SloResult, Status
from reports.slos import Fitness
from reports.timeline import Second
from reports.verdict import Losses, conclude, judge_fitness
from tests.unit.test_latencies import frame, latencies

CASE = Case("id", 0, 0, "payment", "A", "HTTP", "payments", 0, 0, 0, 0, "")


def test_exit_codes_are_what_pipelines_rely_on():
    """The numbers are published, and never change."""
    assert {code.name: int(code) for code in Exit} == {
        "GOOD": 0, "WRONG_USE": 2, "SLOW": 10, "NOT_RIGHT": 20, "UNFIT": 30, "INTERRUPTED": 130,
    }  # fmt: skip


def test_the_worst_exit_wins_by_the_published_precedence():
    """2, 130, 20, 30, 10, 0: of any two the one that stands first, in whatever order they came."""
    assert [int(code) for code in PRECEDENCE] == [2, 130, 20, 30, 10, 0]
    assert set(PRECEDENCE) == set(Exit)
    for first, second in combinations(PRECEDENCE, 2):
        assert worst([first, second]) is worst([second, first]) is first
    assert worst([]) is Exit.GOOD


def row(phase="payments", loop_lag_ms=1.0, cpu_percent=50.0) -> Second:
    return Second(0, phase, *[0] * 11, loop_lag_ms, cpu_percent)


CALM = [row()]
IN_TIME, LATE = (1, 0, 0, 5, 9, 9), (1, 0, 0, 100, 200, 200)


@pytest.mark.parametrize(
    ("sample", "losses", "seconds", "wanted"),
    [
        (IN_TIME, Losses(), CALM, "holds holds holds holds holds"),
        (LATE, Losses(), CALM, "violated holds holds holds holds"),
        (IN_TIME, Losses(crashed=("w1",)), CALM, "holds holds holds violated holds"),
        (IN_TIME, Losses(lost=("w1: silent",)), CALM, "holds holds holds violated holds"),
        (IN_TIME, Losses(resumed=1), CALM, "holds holds holds violated holds"),
        (IN_TIME, Losses(), [], "holds holds unknown"),
        (IN_TIME, Losses(), [row(loop_lag_ms=500)], "holds violated holds holds holds"),
        (IN_TIME, Losses(), [row(cpu_percent=95)], "holds holds violated holds holds"),
    ],
)
def test_a_generator_is_fit_by_lag_load_losses_and_evidence(sample, losses, seconds, wanted):
    """Its own delay, a busy loop or core, a process that died, no timeline: each makes it unfit."""
    results = judge_fitness(Fitness(), latencies(frame(sample)), losses, seconds)
    assert " ".join(result.status for result in results) == wanted


def test_a_busy_moment_is_not_a_busy_generator():
    """Load is judged by the median second of those in which something was sent."""
    seconds = [row("", cpu_percent=100)] * 9 + [
        row(cpu_percent=cpu) for cpu in (10, 99, 20, 99, 15)
    ]
    _, _, cpu, *_ = judge_fitness(Fitness(), latencies(frame(IN_TIME)), Losses(), seconds)
    assert (cpu.status, cpu.note) == (Status.HOLDS, "20.0 % over 5 seconds")


def test_a_platform_that_keeps_users_waiting_is_not_the_generators_fault():
    """A command that was overdue because all users waited has no lag, but a response."""
    late = latencies(frame(*[(1, 0, 9000, 9001, 9500, 9600)] * 100))
    results = judge_fitness(Fitness(), late, Losses(), CALM)
    assert {result.status for result in results} == {Status.HOLDS}


@pytest.mark.parametrize("allowed", [False, True])
def test_the_plan_says_whether_a_run_with_losses_is_judged(allowed):
    """What was lost is told either way, and how much of the latency is missing with it."""
    losses = Losses(crashed=("w1",), lost=("w1: not heard of for 10.0 s",), resumed=1, unseen=3)
    rule = Fitness(may_lose_workers=allowed)
    result = list(judge_fitness(rule, latencies(frame(IN_TIME)), losses, CALM))[3]
    assert result.status is (Status.HOLDS if allowed else Status.VIOLATED)
    assert result.note.startswith(
        "died: w1; lost: w1: not heard of for 10.0 s; another master took over 1 times; "
        "latency covers 1 of 4 commands"
    )


def test_nothing_sent_shows_no_fitness():
    """Without a sample of its lag the generator is not fit to judge."""
    first = next(iter(judge_fitness(Fitness(), latencies(), Losses(), CALM)))
    assert (first.status, first.note) == (Status.UNKNOWN, "nothing was sent")


def check(status, number="1", findings=(), note=""):
    return Check(number, "title", status, 1, findings, note)


def faults(*names, of=""):
    return tuple(Finding(name, 2, CASE, CASE, CASE, of) for name in names)


HOLDS = check(Status.HOLDS)
FIT = FitnessResult("lag", Status.HOLDS, "")
UNFIT = FitnessResult("lag", Status.UNKNOWN, "nothing was sent")
MET = SloResult("response", Status.HOLDS, 1.0, 1)
MISSED = SloResult("response", Status.VIOLATED, 12.34, 1)


@pytest.mark.parametrize(
    ("checks", "fitness", "slos", "code", "line"),
    [
        ([HOLDS], [FIT], [MET], 0, "RIGHT, and as fast as asked"),
        ([HOLDS], [FIT], [MISSED], 10, "RIGHT, but too slow"),
        ([HOLDS], [UNFIT], [MISSED], 30, "NO JUDGEMENT"),
        ([check(Status.UNKNOWN)], [UNFIT], [MISSED], 20, "NOT SHOWN TO BE RIGHT"),
        ([check(Status.VIOLATED), check(Status.UNKNOWN)], [FIT], [MET], 20, "NOT RIGHT: "),
        ([check(Status.NOT_ASKED, "4a")], [FIT], [MET], 0, "RIGHT"),
    ],
)
def test_the_verdict_is_the_worst_of_what_was_found(checks, fitness, slos, code, line):
    """Wrong beats unfit beats slow; unknown is as bad as violated, but is called by its name."""
    verdict = conclude(checks, slos, fitness, "ended")
    assert int(verdict.exit) == code
    assert verdict.line.startswith(line)
    assert bool(verdict.reasons) == (code != 0)


def test_reasons_name_causes_and_not_their_consequences():
    """Consequences are told only where no cause is known."""
    both = check(Status.VIOLATED, "4a", faults("wrong amount") + faults("off", of="wrong amount"))
    only = check(Status.VIOLATED, "4b", faults("off", of="wrong amount"))
    verdict = conclude([both, only], [MISSED], [UNFIT], "ended")
    assert verdict.reasons == (
        "invariant 4a violated: wrong amount (2)",
        "invariant 4b violated: off (2)",
        "generator: lag: nothing was sent",
        "SLO missed: response: 12.3 ms",
    )


@pytest.mark.parametrize(
    ("state", "tail"),
    [("ended", "accounted for"), ("running", " - the run was cut off"),
     ("failed", " - the run was failed"), ("interrupted", " - the run was interrupted")],
)  # fmt: skip
def test_a_run_that_did_not_end_by_itself_says_so(state, tail):
    """Nobody takes the line of a run that was cut off for that of a whole one."""
    assert conclude([HOLDS], [], [FIT], state).line.endswith(tail)


def test_what_was_not_asked_stands_in_the_line():
    """A verdict that could not look everywhere says where it did not."""
    checks = [HOLDS, check(Status.NOT_ASKED, "4a"), check(Status.NOT_ASKED, "4b")]
    line = conclude(checks, [], [FIT], "ended").line
    assert line.endswith(": nothing lost, nothing twice (not asked: invariants 4a, 4b)")


def test_nothing_is_claimed_that_was_not_asked():
    """Each claim stands for an invariant that was looked at."""
    checks = [HOLDS, check(Status.NOT_ASKED, "2"), check(Status.NOT_ASKED, "4a")]
    line = conclude(checks, [], [FIT], "ended").line
    assert line.startswith("RIGHT, and as fast as asked: nothing lost (not asked")
    nothing = [check(Status.NOT_ASKED, number) for number in ("1", "2", "4a")]
    assert conclude(nothing, [], [FIT], "ended").line.startswith("RIGHT, and as fast as asked (not")


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rate: float = 1


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    phases: dict[str, _Inner]
    users: int


def test_problems_are_sentences_with_place_and_value():
    """All that is wrong is told at once: where, the value, and what would be right."""
    with pytest.raises(ValidationError) as raised:
        _Settings.model_validate({"phases": {"a": {"rate": "x" * 200, "rat": 1}}})
    told = of_validation("plan.toml", raised.value).problems
    assert len(told) == 3
    assert told[0].startswith("plan.toml: phases.a.rate = '" + "x" * 70)
    assert "...: Input should be a valid number" in told[0]
    assert told[1] == "plan.toml: phases.a.rat: there is no such setting; check the spelling"
    assert told[2] == "plan.toml: users: Field required"


def test_problems_end_a_command_with_2(capsys):
    """Each problem is a line of its own on standard error, and the exit code is 2."""
    problems = Problems(["one is wrong", "two is wrong"])
    problems.show()
    assert problems.exit_code == Exit.WRONG_USE
    assert capsys.readouterr().err == "paystorm: one is wrong\npaystorm: two is wrong\n"


@pytest.mark.parametrize("found", [HOLDS, check(Status.VIOLATED)])
def test_an_interrupted_run_exits_130_whatever_was_found(found):
    """The line still tells whether what was seen was right; the code tells that it was cut short."""
    verdict = conclude([found], [], [FIT], "interrupted")
    assert verdict.exit is Exit.INTERRUPTED
    assert verdict.line.startswith("RIGHT" if found is HOLDS else "NOT RIGHT")

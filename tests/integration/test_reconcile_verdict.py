"""The verdict and the exit code: what beats what, however often and in which groups a run is judged."""

from __future__ import annotations

from e2e_data.exits import Exit
from reports.invariants import INVARIANTS
from reports.reconcile import reconcile
from reports.rundir import RunDirectory
from reports.slos import Fitness, Slo
from tests.fates import Fate
from tests.judgements import ALL
from tests.plain_runs import SURE, run

SLOW_SLO = Slo(latency="response", percentile=50, below_ms=0.000001)
NO_LAG = Fitness(lag_percentile=50, lag_below_ms=1e-9)


def with_record(history, **update):
    history.directory.write_record(history.record.model_copy(update=update))
    return history


def test_an_slo_that_was_missed_exits_with_10(tmp_path):
    """Right but slow is 10, and the line says so."""
    judgement = with_record(run(tmp_path), slos=(SLOW_SLO,)).judge()
    assert judgement.exit is Exit.SLOW
    assert judgement.verdict == "RIGHT, but too slow: an SLO was missed"


def test_an_unfit_generator_beats_a_missed_slo(tmp_path):
    """A generator that held commands back itself cannot judge speed: 30."""
    judgement = with_record(run(tmp_path), slos=(SLOW_SLO,), fitness=NO_LAG).judge()
    assert judgement.exit is Exit.UNFIT
    assert judgement.verdict == "NO JUDGEMENT: the load generator was not fit to judge"


def test_what_is_wrong_beats_an_unfit_generator(tmp_path):
    """Lost money stays lost, however badly the generator did: 20."""
    history = with_record(run(tmp_path, {SURE[0]: Fate.LOST}), fitness=NO_LAG, slos=(SLOW_SLO,))
    judgement = history.judge()
    assert judgement.exit is Exit.NOT_RIGHT
    assert [reason.split()[0] for reason in judgement.reasons] == ["invariant", "generator:", "SLO"]


def test_a_missing_timeline_makes_the_generator_unfit(tmp_path):
    """The generator's own evidence is evidence: without it there is no judgement."""
    assert run(tmp_path, timeline=False).judge().exit is Exit.UNFIT


def test_a_run_that_was_interrupted_says_so(tmp_path):
    """The line of an interrupted run cannot be taken for that of a whole one."""
    judgement = run(tmp_path, state="interrupted").judge()
    assert judgement.verdict.endswith(" - the run was interrupted")


def test_judging_changes_nothing_and_can_be_repeated(tmp_path):
    """The same directory gives the same judgement, however often and wherever it is judged."""
    history = run(tmp_path, {SURE[0]: Fate.LOST})
    first = history.judge()
    moved = history.directory.path.rename(tmp_path / "elsewhere")
    assert reconcile(RunDirectory.open(moved)).results.judgement == first


def test_groups_of_shards_make_no_difference(tmp_path, monkeypatch):
    """Shards are loaded in groups to bound memory: one at a time gives the same judgement."""
    history = run(tmp_path, {SURE[0]: Fate.LOST, SURE[-1]: Fate.TWICE})
    first = history.judge()
    monkeypatch.setattr("reports.evidence.GROUP_COMMANDS", 1)
    assert history.judge() == first


def test_every_invariant_has_its_own_number():
    """The report and the documents name an invariant by its number."""
    assert tuple(invariant.number for invariant in INVARIANTS) == ALL

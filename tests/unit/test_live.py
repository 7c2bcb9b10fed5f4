"""The picture of a run: what people are shown is what the run's figures say."""

from __future__ import annotations

import json
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

from e2e_data import config
from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.pool import Pool
from locustfiles.fleet.counts import Counts, Oldest
from locustfiles.fleet.facts import AGAIN, About
from locustfiles.fleet.figures import Figures, FleetFigures
from locustfiles.fleet.outcomes import Case, Outcomes
from locustfiles.live import picture
from locustfiles.metrics import View
from locustfiles.phases import State
from locustfiles.plans import load_plan
from reports.journal import Fact
from reports.timeline import Event, Second

POOL = Pool.in_memory(config.load("smoke"), 7)
SMOKE = load_plan("smoke")
SECOND_NS = 10**9
PHASES = list(SMOKE.phases)


def second(at_s, **counts):
    names = ("due", "sent", "acknowledged", "completed", "unanswered", "blocked", "overdue")
    fields = dict.fromkeys((*names, "dropped", "pending_now", "users_now", "waiting_now"), 0)
    fields |= {"loop_lag_ms": 4.0, "cpu_percent": 50.0, **counts}
    return Second(at_ns=at_s * SECOND_NS, phase="payments", **fields)


def view(
    state=State.SENDING, phase=2, facts=(), outcomes=None, verdict=None, violations=(), **counts
):
    figures, completions, fleet = Figures(), Figures(), FleetFigures()
    for took_ms in range(1, 101):
        figures.add(2, Kind.PAYMENT, took_ms * 1_000_000, Channel.MQ)
    completions.add_all((2, Kind.PAYMENT, Channel.MQ, 0), 2_000_000 * np.arange(1, 101))
    told = {
        "facts": [[*about, count] for about, count in facts],
        "took": {"completion": completions.packed()},
        "violations": dict(violations),
    }
    fleet.take({**figures.snapshot("a", 1), **told, "outcomes": (outcomes or Outcomes()).packed()})
    oldest = Oldest(10 * SECOND_NS, 0, 0, 3, Kind.PAYMENT, 2, Channel.MQ)
    total = {"sent": 30, "completed": 25, "pending_now": 5, "moved_ns": 0, "oldest": oldest}
    total = Counts(**{**total, **counts})
    members = {
        "a": SimpleNamespace(lost=False, closed=False, counts=Counts(sent=20, pending_now=5)),
        "b": SimpleNamespace(lost=True, closed=False, counts=Counts(sent=10)),
    }
    director = SimpleNamespace(
        plan=SMOKE,
        pool=POOL,
        directory=SimpleNamespace(name="the-run"),
        machine=SimpleNamespace(state=state, phase=phase, sent_for_ns=lambda _: 5 * SECOND_NS),
        clock=SimpleNamespace(now_ns=lambda: 12 * SECOND_NS),
        desk=SimpleNamespace(members=members, book=SimpleNamespace(held=lambda name: 3)),
        total=lambda: total,
        oldest=lambda: "payment x, sent 2.0 s ago",
        recent=deque([second(8, sent=10), second(10, sent=50, due=60)]),
        told=deque(
            [
                Event(0, "phase began", "payments"),
                Event(SECOND_NS, "worker lost", "payments", "b: not heard of"),
                Event(2 * SECOND_NS, "pause asked", "payments", "by ann, request 1"),
                Event(3 * SECOND_NS, "violation", "payments", "wrong outcome: 1 so far"),
            ]
        ),
    )
    return View(director, fleet, verdict=verdict)


def test_json_can_carry_it_and_no_run_is_told():
    """What the page gets is plain data; before the first run it says so."""
    assert picture(None) == {"state": "none"}
    assert json.loads(json.dumps(picture(view())))["run"] == "the-run"


@pytest.mark.parametrize(
    ("state", "waits_for"),
    [
        (State.WAITING, "users, and the workers they are on"),
        (State.PAUSED, "somebody to resume it"),
        (State.SETTLING, "5 completions; nothing has moved for 12 s"),
        (State.ENDED, "the verdict"),
    ],
)
def test_what_a_phase_waits_for_is_said(state, waits_for):
    """Nobody has to guess why nothing is sent."""
    assert picture(view(state))["phase"]["waits_for"].startswith(waits_for)


def test_while_it_sends_it_says_what_is_left():
    """The commands of the phase that were not sent yet, by the journal's facts of this phase.

    What was sent again was not left.
    """
    sent = [
        (About(Fact.SENT, 2, Channel.MQ, Kind.PAYMENT, 0), 7),
        (About(Fact.SENT, 2, Channel.MQ, Kind.PAYMENT, AGAIN), 4),
        (About(Fact.SENT, 1, Channel.MQ, Kind.OPENING_CREDIT, 0), 10),
    ]
    phase = picture(view(facts=sent))["phase"]
    size = POOL.count_of(Kind.FUNDING) + POOL.count_of(Kind.PAYMENT)
    assert (phase["name"], phase["number"], phase["of"]) == (PHASES[2], 3, len(PHASES))
    assert (phase["sent"], phase["commands"]) == (7, size)
    assert phase["waits_for"] == f"all commands to be sent: {size - 7:,} are left"
    assert phase["share"] == pytest.approx(7 / size)


def test_rates_are_those_of_late():
    """40 commands in two seconds are 20 a second, whatever was before."""
    load = picture(view())["load"]
    assert (load["sent_per_s"], load["due_per_s"]) == (20, 30)
    assert load["oldest"] == "payment x, sent 2.0 s ago"


def test_the_pool_is_shown_by_kind():
    """Sent, settled and rejected of each kind, of as many as there are."""
    facts = [
        (About(Fact.SENT, 2, Channel.MQ, Kind.PAYMENT, 0), 9),
        (About(Fact.SENT, 2, Channel.MQ, Kind.PAYMENT, AGAIN), 3),
        (About(Fact.COMPLETED, 2, Channel.MQ, Kind.PAYMENT, Outcome.SETTLED), 5),
        (About(Fact.COMPLETED, 2, Channel.MQ, Kind.PAYMENT, Outcome.REJECTED), 2),
    ]
    kinds = {one["kind"]: one for one in picture(view(facts=facts))["kinds"]}
    assert kinds["payment"] == {
        "kind": "payment",
        "pool": POOL.count_of(Kind.PAYMENT),
        "sent": 9,
        "settled": 5,
        "rejected": 2,
    }
    assert kinds["account"]["sent"] == 0


def test_no_more_has_ended_than_was_sent():
    """Outcomes count at once, what was sent once it is in the journal: of the two the later is true."""
    facts = [
        (About(Fact.SENT, 2, Channel.MQ, Kind.PAYMENT, 0), 2),
        (About(Fact.COMPLETED, 2, Channel.MQ, Kind.PAYMENT, Outcome.SETTLED), 2),
        (About(Fact.COMPLETED, 2, Channel.MQ, Kind.PAYMENT, Outcome.DEAD_LETTERED), 1),
    ]
    payments = picture(view(facts=facts))["kinds"][Kind.PAYMENT]
    assert (payments["sent"], payments["settled"], payments["rejected"]) == (3, 2, 0)


def test_response_times_are_shown_by_phase_channel_and_kind():
    """A percentile is at most one of the fleet's fine buckets above the exact one."""
    (row,) = picture(view())["responses"]
    assert (row["phase"], row["channel"], row["kind"], row["count"]) == (
        *(PHASES[2], "mq", "payment"),
        100,
    )
    assert row["p50_ms"] == pytest.approx(50, rel=0.01)
    assert row["p100_ms"] == pytest.approx(100, rel=0.01)


def test_response_times_are_shown_by_region_where_there_are_some():
    """Of all phases and kinds together; a pool without regions has nothing to show."""
    seen = view()
    assert picture(seen)["regions"] == []
    figures = Figures()
    for phase, region, took_ms in ((1, 2, 40), (2, 2, 60), (2, 1, 5)):
        figures.add(phase, Kind.PAYMENT, took_ms * 1_000_000, region=region)
    fleet = FleetFigures()
    fleet.take(figures.snapshot("a", 1))
    regional = config.load("smoke").model_copy(update={"regions": ("north", "south")})
    seen.director.pool = Pool.in_memory(regional, 7)
    north, south = picture(View(seen.director, fleet))["regions"]
    assert (north["region"], north["count"], south["region"], south["count"]) == (
        *("north", 1),
        *("south", 2),
    )
    assert north["p99_ms"] == pytest.approx(5, rel=0.01)
    assert (south["p50_ms"], south["p99_ms"]) == pytest.approx((40, 60), rel=0.01)


def test_a_wrong_outcome_violates_its_invariant_at_once():
    """It is a finding that names the command, and no later outcome can mend it."""
    case = Case(0, 5, int(Kind.PAYMENT), int(Outcome.SETTLED), int(Outcome.REJECTED))
    found = picture(view(outcomes=Outcomes(seen=10, wrong=1, cases=[case])))
    by_number = {one["invariant"]: one for one in found["invariants"]}
    assert (by_number["6a"]["status"], by_number["6a"]["note"]) == ("violated", "1 outcome of 10")
    assert by_number["4a"]["status"] == "at the end", "only the book can tell"
    assert found["findings"][0] == {
        "at_s": None,
        "what": "wrong outcome",
        "tone": "bad",
        "note": "payment 0:5: settled, where only rejected is correct",
    }


@pytest.mark.parametrize(
    ("violations", "number", "note"),
    [
        ({"wrong outcome": 1}, "6a", "wrong outcome: 1"),
        ({"outcome taken back": 2, "unreadable reply": 3}, "7",
         "outcome taken back: 2, unreadable reply: 3"),
        ({"overdrawn": 1}, "5", "overdrawn: 1"),
    ],
)  # fmt: skip
def test_what_a_worker_saw_that_can_never_be_right_violates_its_invariant(violations, number, note):
    """Whichever worker it was: the picture is not of one process."""
    found = picture(view(violations=violations))
    by_number = {one["invariant"]: one for one in found["invariants"]}
    assert (by_number[number]["status"], by_number[number]["note"]) == ("violated", note)
    others = {one["status"] for at, one in by_number.items() if at != number}
    assert others == {"so far", "at the end"}
    assert found["right"]["tone"] == "bad"
    assert found["right"]["answer"].endswith(("violation", "violations"))


@pytest.mark.parametrize(
    ("statuses", "answer"),
    [
        ((), ("100 %", "good")),
        (("holds", "not asked"), ("right", "good")),
        (("holds", "unknown"), ("not shown", "warn")),
        (("unknown", "violated"), ("not right", "bad")),
    ],
)
def test_right_so_far_is_the_judges_word_in_the_end(statuses, answer):
    """What nobody could see on the way, such as a lost payment, is not shown as right any more."""
    checks = [{"invariant": "1", "status": one, "note": "", "findings": []} for one in statuses]
    verdict = {"verdict": "…", "exit": 0, "reasons": [], "checks": checks} if checks else None
    right = picture(view(outcomes=Outcomes(seen=1), verdict=verdict))["right"]
    assert (right["answer"], right["tone"]) == answer


def test_each_latency_is_told():
    """Of all commands together; completion beside the response of its phase, channel and kind, too."""
    found = picture(view())
    assert list(found["latencies"]) == ["lag", "service", "response", "completion"]
    assert found["latencies"]["response"]["count"] == 100
    assert found["latencies"]["completion"]["p99_ms"] == pytest.approx(2 * 99, rel=0.009)
    assert found["latencies"]["lag"] == {"count": 0} | dict.fromkeys(
        ("p50_ms", "p95_ms", "p99_ms", "p99.9_ms", "p100_ms")
    )
    (row,) = found["responses"]
    assert (row["channel"], row["completion"]["count"]) == ("mq", 100)


def test_findings_are_what_is_wrong_and_what_was_asked_newest_first():
    """The run's ordinary course is no finding."""
    found = [(one["what"], one["tone"]) for one in picture(view())["findings"]]
    assert found == [
        ("violation (payments)", "bad"),
        ("pause asked (payments)", "none"),
        ("worker lost (payments)", "warn"),
    ]


def test_the_generators_fitness_is_shown_by_the_plans_bounds():
    """A lost process is unfit, as the judge will say."""
    rules = {one["title"]: one["fine"] for one in picture(view())["fitness"]}
    assert rules == {
        "event loop late, median": True,
        "CPU of a core, median": True,
        "processes lost": False,
    }


def test_each_process_has_its_share():
    """Of what was sent: two thirds and one third."""
    workers = picture(view())["workers"]
    assert [(one["worker"], one["state"], round(one["share"], 2)) for one in workers] == [
        ("a", "alive", 0.67),
        ("b", "lost", 0.33),
    ]


def test_in_the_end_the_judge_has_the_last_word():
    """The verdict's statuses and findings take the place of what was seen on the way."""
    finding = {"name": "lost in the platform", "count": 3, "consequence_of": ""}
    finding["first"] = {"text": "acknowledged, and in no statement"}
    check = {"invariant": "1", "status": "violated", "note": "", "findings": [finding]}
    verdict = {"verdict": "NOT RIGHT", "exit": 20, "reasons": ["…"], "checks": [check]}
    found = picture(view(State.ENDED, verdict=verdict))
    assert found["verdict"]["exit"] == 20
    assert found["invariants"][0]["status"] == "violated"
    assert found["findings"][0]["note"] == "3 cases; acknowledged, and in no statement"
    assert found["phase"]["waits_for"] == ""
    assert found["at_s"] == 10, "the time stands still when it is over"

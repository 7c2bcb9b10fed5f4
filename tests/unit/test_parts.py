"""What SLOs ask about, counted while a run is on: from the journal's rows to the master's, scope by scope."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data.commands import Channel, Kind, Label, Outcome
from e2e_data.config import load
from e2e_data.ids import RETRY_ATTEMPT
from e2e_data.platform import Acknowledged
from e2e_data.pool import Pool
from locustfiles.fleet.buckets import percentile_ms
from locustfiles.fleet.figures import Figures, FleetFigures
from locustfiles.fleet.parts import HEARD_NS, Part, Parts
from locustfiles.fleet.took import Took
from reports.journal import ROW, Fact
from reports.slos import Slo

REGIONS = ("north", "south")
POOL = Pool.in_memory(
    load("smoke", {"regions": list(REGIONS), "hostile_percentage": 30, "accounts": 40}), 7
)
SHARD = POOL.shard(0)
PHASES = ("accounts", "payments")
MS = 1_000_000
ERRORS = Slo(errors_below_percent=1)
ANSWERS = (Fact.ACKNOWLEDGED, Fact.UNANSWERED, Fact.NOT_SENT)


def row(fact, index, at_ms=0, *, code=0, attempt=0, phase=1, channel=Channel.HTTP, intended_ms=0):
    made = np.zeros(1, ROW)
    values = {"fact": fact, "index": index, "at_ns": at_ms * MS, "code": code, "attempt": attempt}
    values |= {"phase": phase, "channel": channel, "intended_ns": intended_ms * MS}
    values |= {"free_ns": intended_ms * MS}
    for name, value in values.items():
        made[name] = value
    return made


def told(*chunks, slo=ERRORS, now_ms=0, others=()):
    """Return what the master has of an SLO when a process's journal has written `chunks`."""
    parts = Parts([slo, *others], PHASES, POOL, lambda: now_ms * MS)
    took = Took(POOL.shard_counts, parts.times)
    for chunk in chunks:
        rows = np.concatenate(chunk)
        took.take(rows)
        parts.take(rows)
        parts.look()
    fleet = FleetFigures()
    snapshot = {**Figures().snapshot("a", 1), "parts": parts.packed()}
    fleet.take(msgpack.loads(msgpack.dumps(snapshot), strict_map_key=False))
    return fleet.part(0)


def index_of(chosen) -> int:
    return int(np.flatnonzero(chosen)[0])


PLAIN = index_of((SHARD.kind == Kind.PAYMENT) & (SHARD.label == Label.NONE))
HOSTILE = index_of((SHARD.label >= Label.UNKNOWN_ACCOUNT) & (SHARD.label < Label.REPLAY))
HAS_RIGHT = index_of(
    (SHARD.kind == Kind.PAYMENT) & (SHARD.label < Label.UNKNOWN_ACCOUNT) & (SHARD.expected == 1)
)


@pytest.mark.parametrize(
    ("facts", "failed"),
    [
        ([(Fact.ACKNOWLEDGED, {"code": Acknowledged.ACCEPTED})], 0),
        ([(Fact.ACKNOWLEDGED, {"code": Acknowledged.REFUSED})], 1),
        ([(Fact.ACKNOWLEDGED, {"code": Acknowledged.INVALID})], 1),
        ([(Fact.UNANSWERED, {})], 1),
        ([(Fact.NOT_SENT, {})], 1),
        ([(Fact.COMPLETED, {"code": Outcome.SETTLED})], 0),
        ([(Fact.COMPLETED, {"code": Outcome.REJECTED})], 1),
        ([(Fact.COMPLETED, {"code": Outcome.REJECTED})] * 2, 1),
        ([(Fact.COMPLETED, {"code": Outcome.DEAD_LETTERED})], 1),
    ],
)
def test_what_failed_surely_did(facts, failed):
    """Nobody answered, refused, or an outcome that is not in its set, which counts once however often told."""
    rows = [row(Fact.SENT, HAS_RIGHT), *(row(fact, HAS_RIGHT, **how) for fact, how in facts)]
    assert told(rows).failed == failed
    assert told(*([one] for one in rows)).failed == failed


@pytest.mark.parametrize("fact", [Fact.ACKNOWLEDGED, Fact.COMPLETED])
def test_what_a_hostile_command_has_to_come_to_is_no_error(fact):
    """Called invalid over HTTP, and put aside elsewhere."""
    code = Acknowledged.INVALID if fact is Fact.ACKNOWLEDGED else Outcome.DEAD_LETTERED
    assert told([row(Fact.SENT, HOSTILE), row(fact, HOSTILE, code=code)]).failed == 0


def test_an_attempt_that_is_made_again_is_the_same_command():
    """It waits for the answer to the second."""
    rows = [
        row(Fact.SENT, PLAIN),
        row(Fact.ACKNOWLEDGED, PLAIN, code=Acknowledged.REFUSED),
        row(Fact.SENT, PLAIN, attempt=RETRY_ATTEMPT),
    ]
    part = told(rows)
    assert (part.sent, part.again, part.failed, part.waiting) == (1, 1, 1, 1)
    part = told([*rows, row(Fact.ACKNOWLEDGED, PLAIN, attempt=RETRY_ATTEMPT)])
    assert part.waiting == 0


SCOPES = {
    "phase": ["accounts", "payments"],
    "channel": [*Channel],
    "kind": [*Kind],
    "region": [*REGIONS],
    "label": [Label.HOT, Label.BOUNDARY, Label.REPLAY],
    "to_other_region": [True, False],
}
COMMANDS = st.lists(
    st.tuples(
        st.integers(0, len(SHARD) - 1),
        st.sampled_from(range(len(PHASES))),
        st.sampled_from([*Channel]),
        st.sampled_from(ANSWERS),
    ),
    unique_by=lambda one: one[0],
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(
    COMMANDS, st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in SCOPES.items()})
)
def test_each_scope_has_its_own_commands_and_no_others(commands, scope):
    """Any phase, channel, kind, region, label and direction together, whatever chunks they came in."""
    chunks, sent, answered, silent = [], 0, 0, 0
    for index, phase, channel, answer in commands:
        how = {"phase": phase, "channel": channel}
        chunks.append([row(Fact.SENT, index, **how), row(answer, index, **how)])
        command = {
            "phase": PHASES[phase],
            "channel": channel,
            "kind": SHARD.kind[index],
            "region": SHARD.regions[SHARD.account_number[index]],
            "label": SHARD.label[index],
            "to_other_region": SHARD.to_other_region[index],
        }
        if all(command[name] == wanted for name, wanted in scope.items()):
            sent += 1
            answered += answer is Fact.ACKNOWLEDGED
            silent += answer is not Fact.ACKNOWLEDGED
    part = told(*chunks, slo=ERRORS.model_copy(update=scope))
    assert (part.sent, part.answered, part.silent, part.waiting) == (sent, answered, silent, 0)


@pytest.mark.parametrize(
    ("latency", "ms"),
    [("lag", 30), ("queueing", 0), ("service", 100), ("response", 130), ("completion", 430)],
)
def test_each_latency_is_measured_for_whoever_asks(latency, ms):
    """From what it begins with to what it ends with, of the commands it is asked of."""
    slo = Slo(latency=latency, percentile=50, below_ms=1, kind="payment")
    rows = [
        row(Fact.SENT, PLAIN, 40, intended_ms=10),
        row(Fact.ACKNOWLEDGED, PLAIN, 140),
        row(Fact.COMPLETED, PLAIN, 440, code=Outcome.SETTLED),
    ]
    took = told(rows, slo=slo).took
    assert took.sum() == 1
    assert percentile_ms(took, 50) == pytest.approx(ms, rel=0.009, abs=0.002)
    other = slo.model_copy(update={"kind": Kind.FUNDING})
    assert told(rows, slo=other).took.sum() == 0


def test_freshness_is_the_age_of_the_newest_command_whose_outcome_is_known():
    """Before the first outcome, that of the first that was due; unknown where none was sent."""
    slo = Slo(freshness_below_s=5)
    sent = [row(Fact.SENT, PLAIN, 1_000, intended_ms=1_000)]
    assert told(sent, slo=slo, now_ms=4_000).age_ns == 3_000 * MS
    done = [row(Fact.COMPLETED, PLAIN, 3_500, code=Outcome.SETTLED)]
    later = [row(Fact.SENT, PLAIN + 1, 3_000, intended_ms=3_000)]
    assert told(sent, later, done, slo=slo, now_ms=4_000).age_ns == 3_000 * MS
    done = [row(Fact.COMPLETED, PLAIN + 1, 3_500, code=Outcome.SETTLED)]
    assert told(sent, later, done, slo=slo, now_ms=4_000).age_ns == 1_000 * MS
    assert told(sent, slo=slo.model_copy(update={"kind": Kind.FUNDING}), now_ms=9).age_ns == -1


def test_a_fleets_part_is_the_sum_and_the_newest_of_who_was_heard_of():
    """A worker that is gone does not keep everything fresh for ever."""
    now_ns = 10 * HEARD_NS
    parts = [
        Part(sent=3, answered=2, failed=1, at_ns=now_ns, age_ns=900),
        Part(sent=4, again=1, silent=5, at_ns=now_ns - 1, age_ns=700),
        Part(sent=1, at_ns=now_ns - HEARD_NS - 1, age_ns=1),
        Part(at_ns=now_ns),
    ]
    whole = Part.total(iter(parts))
    assert (whole.sent, whole.answered, whole.silent, whole.again, whole.failed) == (8, 2, 5, 1, 1)
    assert (whole.at_ns, whole.age_ns) == (now_ns, 700)


@pytest.mark.parametrize("raw", [7, [], [0] * 9, [-1, *[0] * 6, b"", b""], [*[0] * 7, b"aa", b""]])
def test_what_is_no_part_is_refused(raw):
    """The network is hostile."""
    with pytest.raises((ValueError, TypeError)):
        Part.read(raw)

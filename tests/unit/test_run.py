"""A run: phases as a barrier, commands in their time, and an orderly end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import gevent
import pyarrow.parquet as pq
import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.config_parts import HostileFlavours
from e2e_data.ids import REPLAY_ATTEMPT, Correlation, Ids
from e2e_data.platform import Acknowledged, Acknowledgement, Completion, Platform
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from locustfiles import dealer as dealer_module
from locustfiles.director import LEAD_NS, Director
from locustfiles.launch import direct
from locustfiles.pacing import SECOND_NS
from locustfiles.phases import State
from locustfiles.plans import load_plan
from locustfiles.replays import WHY_NOT_COMPLETE
from locustfiles.run import Run
from locustfiles.work import LOCAL, Service
from reports.grants import read_grants
from reports.journal import Fact
from reports.rundir import RunDirectory
from reports.steps import read_steps
from reports.timeline import read_timeline
from tests.helpers_wire import Clock

IDS = Ids(bytes(range(16)), 12345)
PATIENT_S = 60
SETTLED = Completion(Outcome.SETTLED)
ACCEPTED = Acknowledgement(Acknowledged.ACCEPTED)


class Stage:
    """A run of the smoke plan with three accounts, its clock, and users that play it."""

    def __init__(self, path, *changes: str) -> None:
        self.plan = load_plan("smoke", ["pool.accounts=3", *changes])
        one = Pool.in_memory(self.plan.pool.config(), self.plan.pool.seed)
        self.pool = one.lapped(self.plan.pool.laps)
        self.ids = replace(IDS, shards=one.shard_count)
        self.clock = Clock(5 * SECOND_NS)
        self.directory = RunDirectory.create(path, "smoke")
        self.run = Run(
            *(self.plan, self.pool, Platform(), self.ids, self.directory, self.clock),
            *(2, Service(self.directory.name), self.clock.now_ns),
        )
        self.director = Director(self.plan, self.pool, Platform(), self.directory, self.clock)
        direct(self.run, self.director)
        self._advance, self.director.advance = self.director.advance, self.advance
        self.turns = []
        self.nones = 0
        self.users = []

    def advance(self) -> State:
        """Move on, once the journal has what was recorded, as in a run that has a pulse."""
        self.run.journal.flush()
        self.run.counting.parts.look()
        self.run.release_ended(self.run.tracker.take_ended())
        return self._advance()

    def begin(self) -> None:
        self.director.begin()
        self.director.refresh()

    def pass_time(self, seconds: float) -> None:
        self.clock.ns += round(seconds * SECOND_NS)

    def user(self, sends=None, turns: int | None = None):
        """Start a user that takes turns; it sends as `sends` says, and settles them by default."""

        def play():
            left, seat = turns, self.run.roster.join()
            while left is None or left:
                turn = self.run.take(seat)
                left = left and left - 1
                if turn is None:
                    self.nones += 1
                else:
                    self.turns.append(turn)
                    (sends or self.settle)(turn)

        self.users.append(gevent.spawn(play))
        return self.users[-1]

    def sent(self, turn) -> None:
        """Send a command whose answer never comes."""
        self.run.tracker.sending(turn.card, turn.phase, turn.arrival)

    def settle(self, turn, outcome=Outcome.SETTLED) -> None:
        """Send a command that is accepted, and completed at once."""
        self.sent(turn)
        card, tracker = turn.card, self.run.tracker
        account_id = f"acc-{card.shard.number}" if card.kind is Kind.ACCOUNT else None
        accepted = Acknowledgement(Acknowledged.ACCEPTED, account_id)
        tracker.acknowledged(card.place, accepted, card.attempt)
        tracker.completed(card.place, Completion(outcome))

    def play(self, step_s: float = 100) -> None:
        """Let the users play until the run has ended; each look at it is `step_s` later."""
        with gevent.Timeout(PATIENT_S):
            while self.director.advance() is not State.ENDED:
                self.pass_time(step_s)
                self.yield_()

    def close(self) -> None:
        """Close the run as the conductor does."""
        self.run.close()
        self.director.grants.write_closed(LOCAL, self.run.journal.chunks)
        self.director.close()

    def yield_(self) -> None:
        for _ in range(3):
            gevent.sleep(0)

    def events(self):
        """Return (event, phase) of the timeline, in the order of writing."""
        return [(event.event, event.phase) for event in read_timeline(self.directory.timeline)[1]]

    def notes(self, name):
        return [e.note for e in read_timeline(self.directory.timeline)[1] if e.event == name]

    def facts(self):
        """Count (fact, reason) in the journal."""
        self.run.journal.flush()
        rows = pq.read_table(sorted(self.directory.journal.glob("*.parquet")))
        return Counter((Fact(row["fact"]), row["reason"]) for row in rows.to_pylist())


@pytest.fixture
def stage(tmp_path):
    """Make runs; their users end with the test."""
    made = []

    def make(*changes):
        made.append(Stage(tmp_path / str(len(made)), *changes))
        return made[-1]

    yield make
    for each in made:
        gevent.killall(each.users)


WHOLE = [
    ("run began", ""),
    ("phase began", "accounts"),
    ("phase settles", "accounts"),
    ("phase ended", "accounts"),
    ("phase began", "opening-credits"),
    ("phase settles", "opening-credits"),
    ("phase ended", "opening-credits"),
    ("phase began", "payments"),
    ("phase settles", "payments"),
    ("phase ended", "payments"),
    ("run ended", ""),
]


def without_warnings(events):
    return [(event, phase) for event, phase in events if event != "warning"]


def test_a_run_sends_every_command_of_the_pool_once(stage):
    """Phase by phase, each command is given to a user exactly once, and the timeline tells it."""
    played = stage()
    played.begin()
    played.user()
    played.user()
    played.play()
    assert Counter(turn.card.kind for turn in played.turns) == {
        kind: played.pool.count_of(kind) for kind in Kind
    }
    assert len({turn.card.place for turn in played.turns}) == len(played.pool)
    assert without_warnings(played.events()) == [
        (event, phase if event.startswith("phase") else "") for event, phase in WHOLE
    ]
    assert played.director.advance() is State.ENDED


def test_no_command_of_a_phase_before_the_one_before_is_complete(stage):
    """The barrier: an opening credit is drawn only once every account's creation was observed."""
    played = stage()
    played.begin()
    played.user(sends=played.sent)
    played.pass_time(100)
    played.yield_()
    assert [turn.card.kind for turn in played.turns] == [Kind.ACCOUNT] * 3
    tracker = played.run.tracker
    for number, turn in enumerate(played.turns):
        tracker.acknowledged(
            turn.card.place, Acknowledgement(Acknowledged.ACCEPTED, f"id-{number}")
        )
        assert played.director.advance() is State.SETTLING
        played.yield_()
        assert len(played.turns) == 3
        tracker.completed(turn.card.place, SETTLED)
    assert played.director.advance() is State.SENDING
    assert played.run.phase_name == "opening-credits"
    played.pass_time(100)
    played.yield_()
    assert {turn.card.kind for turn in played.turns[3:]} == {Kind.OPENING_CREDIT}


def test_a_run_is_ended_for_an_slo_that_it_misses(stage):
    """The timeline tells which, no further phase begins, and what was sent is awaited all the same."""
    slos = "slos=[{throughput_above_per_s=5000, abort_after_s=2}]"
    played = stage(slos, "phases.accounts.rate_per_s=0.2", "phases.accounts.warm_up_s=1")
    played.begin()
    played.user()
    played.play(step_s=1)
    assert played.notes("aborted") == ["throughput above 5000/s"]
    assert played.notes("stop asked") == ["missed for 2 s: throughput above 5000/s"]
    assert ("phase began", "opening-credits") not in played.events()
    assert played.notes("phase ended") == [""]


@pytest.mark.parametrize(
    "asked",
    [
        'errors_below_percent=1, region="north"',
        'errors_below_percent=1, kind="account", channel="http"',
        'errors_below_percent=1, to_other_region=false, phase="accounts"',
        'throughput_above_per_s=9, region="north"',
        'latency="completion", percentile=50, below_ms=1, kind="account"',
        'latency="service", percentile=50, below_ms=1, region="north"',
        'freshness_below_s=0.1, channel="http"',
    ],
)
def test_a_run_is_ended_for_what_a_part_of_its_commands_misses(stage, asked):
    """Whatever an SLO is about and asks of it: here each outcome is wrong, and each answer comes late."""
    played = stage(
        'pool.regions=["north"]',
        f"slos=[{{{asked}, abort_after_s=2}}]",
        *("pool.accounts=40", "phases.accounts.rate_per_s=2"),
    )

    def late(turn):
        played.sent(turn)
        played.pass_time(0.3)
        tracker, card = played.run.tracker, turn.card
        tracker.acknowledged(card.place, ACCEPTED, card.attempt)
        tracker.completed(card.place, Completion(Outcome.REJECTED))

    played.begin()
    played.user(late)
    played.play(step_s=1)
    (slo,) = played.plan.slos
    assert played.notes("aborted") == [slo.title]
    assert ("phase began", "opening-credits") not in played.events()


def test_a_count_ends_a_phase(stage):
    """So many commands are sent, and the run goes on to its end; the rest of the pool stays unsent."""
    played = stage("phases.payments.count=5")
    played.begin()
    played.user()
    played.play(step_s=1)
    assert [turn.card.kind for turn in played.turns].count(Kind.ACCOUNT) == 3
    assert len(played.turns) == 3 + 3 + 5
    assert played.events()[-1] == ("run ended", "")


def test_a_gate_that_fails_stops_the_run(stage):
    """Where the plan says so, no further phase begins while commands are pending; it is noted."""
    played = stage("phases.accounts.if_pending='stop'")
    played.begin()
    played.user(sends=played.sent)
    played.play()
    assert {turn.card.kind for turn in played.turns} == {Kind.ACCOUNT}
    assert played.notes("phase ended") == [
        "3 commands were pending, so the run stops, as the plan asks"
    ]


def test_kinds_come_by_their_weights(stage):
    """Of the commands of a phase, so many of each kind come in the same time."""
    played = stage("phases.payments.weights={funding=1,payment=3}")
    played.begin()
    played.user()
    played.play(step_s=1)
    paid = [turn.card.kind for turn in played.turns[6:26]]
    assert paid.count(Kind.PAYMENT) == pytest.approx(15, abs=1)


def test_in_a_closed_model_nothing_is_overdue(stage):
    """However late a user comes, what it takes is due then; and all of the pool is sent."""
    played = stage("phases.payments.model='closed'")
    played.begin()
    played.user()
    played.play()
    assert len(played.turns) == len(played.pool)
    closed = [turn.arrival for turn in played.turns if turn.phase == 2]
    assert all(arrival.intended_ns >= arrival.free_ns for arrival in closed)


def test_the_paused_time_is_cut_from_the_schedule(stage):
    """Nothing is sent while it is paused, and then the plan goes on where it was: no catching up."""
    played = stage("phases.accounts.rate_per_s=1")
    played.begin()
    played.user()
    played.pass_time(0.5)
    played.yield_()
    began_ns = played.turns[0].arrival.intended_ns
    played.director.control("pause", "by ada")
    assert played.director.machine.state is State.PAUSED
    for _ in range(10):
        played.pass_time(10)
        played.director.advance()
        played.yield_()
    assert len(played.turns) == 1
    played.director.control("resume", "by ada")
    resumed_ns = played.clock.ns + LEAD_NS
    played.play(step_s=1)
    intended = [turn.arrival.intended_ns for turn in played.turns if turn.phase == 0]
    # Half a second and the lead had passed of the second between the first and the next.
    assert intended == [began_ns, resumed_ns + SECOND_NS // 2 + LEAD_NS,
                        resumed_ns + SECOND_NS // 2 + LEAD_NS + SECOND_NS]  # fmt: skip
    told = [one for one in without_warnings(played.events()) if one[1] == "accounts"]
    assert [event for event, _ in told] == [
        *("phase began", "pause asked", "phase paused", "phase resumed"),
        *("phase settles", "phase ended"),
    ]
    assert len(played.turns) == len(played.pool), "no command is lost by a pause"


def test_what_is_in_hand_when_it_is_paused_is_sent_later(stage):
    """A user that waited for a command's time puts it back, and somebody sends it after the pause."""
    played = stage("phases.accounts.rate_per_s=1")
    played.begin()
    played.user()
    played.pass_time(0.5)
    played.yield_()
    assert played.run.counts().in_hand_now == 1
    played.director.control("pause", "by ada")
    played.yield_()
    assert played.run.counts().in_hand_now == 0
    played.director.control("resume", "by ada")
    played.play(step_s=1)
    assert len(played.turns) == len(played.pool)


def test_a_phase_is_skipped(stage):
    """The next one begins at once; what was pending is noted, and what was not sent stays unsent."""
    played = stage("phases.accounts.rate_per_s=1")
    played.begin()
    played.user(sends=played.sent)
    played.pass_time(0.5)
    played.yield_()
    played.director.control("skip", "by ada")
    played.yield_()
    played.director.advance()
    assert played.director.phase_name == "opening-credits"
    assert played.notes("phase ended") == ["1 commands were pending"]
    assert played.notes("skip asked") == ["by ada"]


def test_an_emergency_stop_ends_it_at_once(stage):
    """Nothing is sent any more, nothing is awaited, and the timeline tells who asked."""
    played = stage("phases.accounts.rate_per_s=1")
    audited = []
    played.director.audit = lambda *entry: audited.append(entry)
    played.begin()
    played.user(sends=played.sent)
    played.pass_time(0.5)
    played.yield_()
    played.director.control("emergency", "by ada")
    assert played.director.halted
    assert played.director.advance() is State.ENDED
    sent = len(played.turns)
    for _ in range(5):
        played.pass_time(10)
        played.director.advance()
        played.yield_()
    assert len(played.turns) == sent == 1
    assert played.notes("emergency asked") == ["by ada"]
    assert audited == [("change", "emergency: by ada")]
    played.director.control("pause", "too late")
    assert played.notes("pause asked") == []


def test_a_run_stops_by_itself_when_its_budget_is_spent(stage):
    """The limit is noted as the reason; what was sent is awaited, and nothing further begins."""
    played = stage("budget.commands=4", "phases.opening-credits.rate_per_s=1")
    played.begin()
    played.user()
    played.play(step_s=1)
    assert played.notes("stop asked") == ["the budget is spent: 4 commands were sent, of 4"]
    assert len(played.turns) == 4
    assert played.events()[-1] == ("run ended", "")


def test_nothing_is_sent_before_the_run_begins(stage):
    """Users that are there early wait for the first phase."""
    played = stage()
    played.user()
    played.yield_()
    assert played.director.advance() is State.WAITING
    assert not played.turns
    assert played.events() == []


def test_a_run_begins_once(stage):
    """Beginning again changes nothing: no phase is opened twice."""
    played = stage()
    played.begin()
    played.begin()
    assert played.events() == [("run began", ""), ("phase began", "accounts")]


def test_arrivals_have_their_intended_times(stage):
    """The n-th command of a phase is intended n / rate after the phase's beginning and its lead."""
    played = stage()
    played.begin()
    began_ns = played.clock.ns + LEAD_NS
    played.pass_time(100)
    played.user()
    played.yield_()
    intended = [turn.arrival.intended_ns - began_ns for turn in played.turns]
    assert intended == [0, SECOND_NS // 20, 2 * SECOND_NS // 20]


def test_a_user_does_not_send_before_the_intended_time(stage):
    """A user that is early waits; its turn comes with the time, and not before."""
    played = stage("phases.accounts.rate_per_s=0.001")
    played.begin()
    played.pass_time(1)
    played.user()
    played.yield_()
    assert [turn.arrival.number for turn in played.turns] == [0]
    assert not played.nones


def test_making_a_shard_is_not_the_platforms_time(stage, monkeypatch):
    """A user is free from when it asks for a command, however long it takes to make its shard."""
    played = stage("pool.accounts=40")
    played.begin()
    played.pass_time(1)
    asked_ns = played.clock.ns
    draw = played.run.hand.draw

    def slow_draw(channel):
        played.pass_time(30)
        return draw(channel)

    monkeypatch.setattr(played.run.hand, "draw", slow_draw)
    played.user(turns=1)
    played.yield_()
    assert played.turns[0].arrival.free_ns == asked_ns


def test_a_turn_carries_all_that_its_command_needs(stage):
    """Ids decode to the command's place, the account's id is the platform's, the correlation is whole."""
    played = stage()
    played.begin()
    played.user()
    played.play()
    for turn in played.turns:
        card, sending = turn.card, played.run.sending(turn)
        command = card.shard.command(card.index)
        assert sending.command == command
        assert sending.command_id == IDS.command_ids(0, card.shard.number, [card.index])[0]
        owner = None if card.kind is Kind.ACCOUNT else f"acc-{card.shard.number}"
        assert sending.account_id == owner
        assert sending.value_date == f"1970-01-{1 + command.value_day:02d}"
        assert Correlation.unpack(bytes.fromhex(sending.correlation_id)) == Correlation(
            tag=IDS.tag,
            lap=0,
            shard=card.shard.number,
            index=card.index,
            attempt=0,
            kind=card.kind,
            channel=Channel.HTTP,
            expected=command.expected,
            phase=turn.phase,
            intended_us=turn.arrival.intended_ns // 1000,
        )


# -- blocked ----------------------------------------------------------------------------------

NOT_CREATED = "the account's creation was not observed complete"
NOT_OPENED = "the account's opening credit was not observed settled"


@pytest.mark.parametrize(
    ("rejected", "reason", "sent"),
    [(Kind.ACCOUNT, NOT_CREATED, 3), (Kind.OPENING_CREDIT, NOT_OPENED, 6)],
)
def test_commands_of_accounts_that_are_not_ready_are_written_down(stage, rejected, reason, sent):
    """What may not be sent is blocked with its reason, takes no arrival, and the run goes on."""
    played = stage()

    def sends(turn):
        refused = turn.card.kind is rejected
        played.settle(turn, Outcome.REJECTED if refused else Outcome.SETTLED)

    played.begin()
    played.user(sends)
    played.play()
    assert len(played.turns) == sent
    facts = played.facts()
    assert facts[Fact.BLOCKED, reason] == len(played.pool) - sent
    assert facts[Fact.SENT, ""] == sent
    assert played.run.arrivals()[0] == sent
    assert without_warnings(played.events())[-1] == ("run ended", "")


def blocked_phase(stage, monkeypatch):
    """Return a run whose opening credits are all blocked, five at a time."""
    monkeypatch.setattr(dealer_module, "BLOCKED_AT_ONCE", 5)
    played = stage("pool.accounts=18")
    played.begin()
    played.pass_time(100)
    played.user(lambda turn: played.settle(turn, Outcome.REJECTED))
    played.yield_()
    assert played.director.advance() is State.SENDING
    return played


def test_a_phase_that_is_blocked_lets_others_have_their_turn(stage, monkeypatch):
    """However many commands are blocked in a row, the event loop is not held up by them."""
    played = blocked_phase(stage, monkeypatch)
    seen = []
    while played.run.tracker.tally.blocked < 18:
        gevent.sleep(0)
        seen.append(played.run.tracker.tally.blocked)
    assert [count for count in seen if count] == [5, 10, 15, 18]


def test_a_phase_may_end_while_its_commands_are_being_blocked(stage, monkeypatch):
    """A stop comes through in between: what is left is neither sent nor blocked."""
    played = blocked_phase(stage, monkeypatch)
    while not played.run.tracker.tally.blocked:
        gevent.sleep(0)
    played.director.stop("enough")
    assert played.director.advance() is State.ENDED
    played.yield_()
    assert played.run.tracker.tally.blocked == 5


# -- the end of a phase -----------------------------------------------------------------------

SLOW = ("phases.accounts.rate_per_s=0.001", "phases.accounts.duration_s=3")


def test_when_its_time_is_up_waiting_users_come_back_at_once(stage):
    """The end of a phase frees users that wait for an arrival minutes away; what they hold is not sent."""
    played = stage(*SLOW)
    played.begin()
    played.pass_time(1)
    user = played.user(turns=2)
    played.yield_()
    assert len(played.turns) == 1, "the second is due in a quarter of an hour"
    assert played.director.advance() is State.SENDING
    played.pass_time(2)
    played.director.advance()
    played.yield_()
    assert user.dead
    assert (len(played.turns), played.nones) == (1, 1)
    assert played.run.tracker.tally.sent == 1


def test_a_card_in_hand_when_the_phase_ends_was_granted_and_never_sent(stage):
    """What a user held in vain has a grant and no fact, so a closed journal shows it as unsent."""
    played = stage(SLOW[0])
    played.begin()
    played.pass_time(1)
    played.user(turns=2)
    played.yield_()
    played.director.stop("enough")
    played.play()
    played.close()
    assert played.facts()[Fact.SENT, ""] == 1
    book = read_grants(played.directory.grants)
    assert sum(grant.stop - grant.start for grant in book.grants) == 3
    assert not book.open_workers


def test_a_user_that_comes_late_to_its_own_time_sends_nothing_of_the_phase_before(stage):
    """A user whose time came just as the phase ended does not send into the next one."""
    played = stage("phases.accounts.rate_per_s=100", "phases.accounts.duration_s=0.001")
    played.begin()

    class OverJustAfterItsTime:
        """The user's wait is over by time, and the phase by the next look, before the user runs."""

        def __init__(self) -> None:
            self.over = False

        def is_set(self):
            return self.over

        def wait(self, _timeout=None):
            played.pass_time(1)
            played.director.advance()
            assert played.run.phase_name == ""
            return False

        def set(self):
            self.over = True

    played.run.dealer.work.over = OverJustAfterItsTime()
    played.user(turns=1).join(timeout=PATIENT_S)
    assert (played.turns, played.nones) == ([], 1)


def test_after_a_phase_that_was_cut_short_the_next_is_played_whole(stage):
    """What a phase had no time for stays unsent; the next begins with its own commands."""
    played = stage("phases.opening-credits.duration_s=1")
    opened = []

    def sends(turn):
        if turn.card.kind is Kind.OPENING_CREDIT:
            opened.append(turn.card.shard.number)
            played.pass_time(2)
            played.director.advance()
        played.settle(turn)

    played.begin()
    played.user(sends)
    played.play()
    assert len(opened) == 1
    paid = {turn.card.shard.number for turn in played.turns if turn.phase == 2}
    assert paid == set(opened)
    assert without_warnings(played.events())[-1] == ("run ended", "")


def test_a_phase_is_not_over_while_a_user_holds_a_command(stage):
    """Nothing left to draw is not nothing left to send."""
    played = stage("phases.accounts.rate_per_s=0.001")
    played.begin()
    for _ in range(4):
        played.user()
    played.yield_()
    [lane] = played.run.dealer.work.lanes.values()
    assert (lane.dry, lane.in_hand) == (True, 3)
    assert played.director.advance() is State.SENDING
    assert played.run.phase_name == "accounts"


def test_a_phase_waits_until_the_journal_has_what_the_next_builds_upon(stage):
    """Killed just after a phase, a run that is resumed must know its accounts: they are written down."""
    played = stage()
    played.begin()
    played.user()
    played.advance()
    played.pass_time(100)
    played.yield_()
    assert len(played.turns) == 3
    assert not played.run.tracker.pending
    assert played.run.settling, "nothing is to be done any more but to write down"
    assert played._advance() is State.SETTLING
    played.pass_time(1)
    assert played._advance() is State.SETTLING
    assert played.advance() is State.SENDING
    assert not played.run.settling


def test_pending_commands_are_left_behind_after_the_settle_time(stage):
    """A phase with commands that never complete ends, and the timeline says how many there were."""
    played = stage("phases.accounts.settle_s=10")
    played.begin()
    played.pass_time(1)
    played.user(lambda turn: played.settle(turn) if turn.arrival.number else played.sent(turn))
    played.yield_()
    assert played.director.advance() is State.SETTLING
    played.pass_time(9.999)
    assert played.director.advance() is State.SETTLING
    played.pass_time(0.001)
    assert played.director.advance() is State.SENDING
    assert played.notes("phase ended") == ["1 commands were pending"]


# -- stop -------------------------------------------------------------------------------------


def test_a_stop_sends_nothing_further_and_awaits_what_was_sent(stage):
    """After a stop no user gets a command, and the run has ended when the completions are in."""
    played = stage()
    played.begin()
    played.pass_time(1)
    played.user(sends=played.sent, turns=1)
    played.yield_()
    played.director.stop("Ctrl-C")
    assert played.director.advance() is State.SETTLING
    played.user()
    played.yield_()
    [turn] = played.turns
    played.run.tracker.acknowledged(turn.card.place, ACCEPTED)
    assert played.director.advance() is State.SETTLING
    played.run.tracker.completed(turn.card.place, SETTLED)
    assert played.director.advance() is State.ENDED
    assert len(played.turns) == 1
    assert ("phase began", "opening-credits") not in played.events()


def test_a_stop_is_written_down_once(stage):
    """Whoever asks again, as --run-time does each second, adds nothing; nor does a stop after the end."""
    played = stage()
    played.begin()
    for reason in ("first", "second", "third"):
        played.director.stop(reason)
    assert played.notes("stop asked") == ["first"]
    played.play()
    played.director.stop("after the end")
    assert played.notes("stop asked") == ["first"]


def test_a_stop_before_the_beginning_ends_the_run(stage):
    """A run that is stopped while its users come has ended at once, without a phase."""
    played = stage()
    played.director.stop("too early")
    assert played.director.advance() is State.ENDED
    played.begin()
    assert played.events() == [("stop asked", ""), ("run ended", "")]


# -- what is to be seen -----------------------------------------------------------------------


def test_arrivals_add_up_over_the_phases(stage):
    """Due, overdue and dropped are counted over the whole run."""
    played = stage()
    played.begin()
    played.user()
    assert played.run.arrivals() == (0, 0, 0)
    played.play()
    commands = len(played.pool)
    assert played.run.arrivals() == (commands, commands, 0)


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ("overdue", "arrivals are overdue. They count against its response time"),
        ("drop", "arrivals are dropped, as the plan asks"),
    ],
)
def test_late_arrivals_are_warned_of_once_with_the_remedy(stage, late, said):
    """When all users wait for the platform, the run says so once, and what would help."""
    played = stage(f"phases.accounts.late={late}", "phases.accounts.drop_after_s=0")
    played.begin()
    played.user()
    played.play()
    assert played.notes("warning") == [
        f"all 1 users of HTTP are waiting for the platform: {said}. More users (-u) would keep the rate."
    ]


def test_in_time_there_is_no_warning(stage):
    """Users that are free before their time are no reason to warn."""
    played = stage("phases.accounts.rate_per_s=1000000")
    played.begin()
    user = played.user(turns=1)
    user.join(timeout=PATIENT_S)
    assert len(played.turns) == 1
    assert played.notes("warning") == []


def test_a_dropped_arrival_drops_no_command(stage):
    """With late arrivals dropped, every command is sent all the same, at a later arrival."""
    played = stage(*(f"phases.{name}.late=drop" for name in ("accounts", "opening-credits")))
    played.begin()
    played.user()
    played.play()
    assert len({turn.card.place for turn in played.turns}) == len(played.pool)
    assert played.run.arrivals()[2] > 0


def test_the_oldest_pending_command_is_described(stage):
    """Whoever waits is told for what: the command that was sent first, and how long ago."""
    played = stage()
    ids = played.run.ids
    played.director.command_id = lambda lap, shard, index: ids.command_ids(lap, shard, [index])[0]
    assert played.director.oldest() == "none"
    played.begin()
    played.pass_time(1)
    played.user(sends=played.sent)
    played.yield_()
    played.pass_time(2.5)
    command_id = played.turns[0].card.command_id
    played.director.refresh()
    assert played.director.oldest() == (
        f"account {command_id} of phase accounts over http, sent 2.5 s ago"
    )


def test_what_was_sent_is_looked_for(stage):
    """A command's outcome is expected of the run's completion source."""
    played = stage()
    asked = []

    class Source:
        def expect(self, place, command_id):
            asked.append((place, command_id))

        def stop(self):
            """Nothing runs."""

    played.run.completions = Source()
    played.run.expect((0, 0, 1), "id")
    assert asked == [((0, 0, 1), "id")]


def test_closing_leaves_nothing_unwritten(stage):
    """A closed run has its facts on disk, its bindings and grants, and says that they are complete."""
    played = stage()
    played.begin()
    played.user()
    played.play()
    played.close()
    assert len(played.run.journal) == 0
    assert played.facts()[Fact.COMPLETED, ""] == len(played.pool)
    book = read_grants(played.directory.grants)
    assert not book.open_workers
    assert sum(grant.stop - grant.start for grant in book.grants) == len(played.pool)


# -- replays ----------------------------------------------------------------------------------------


def replaying(stage, *changes):
    """Return a run in whose pool many payments repeat another one, and none is hostile otherwise."""
    flavours = dict.fromkeys(HostileFlavours.model_fields, 0)
    flavours |= {"replay": 50, "racing_replay": 50}
    shares = ", ".join(f"{name} = {share}" for name, share in flavours.items())
    return stage(
        "pool.accounts_per_shard=3",
        "pool.payments=[20, 30]",
        "pool.hostile_percentage=30",
        f"pool.hostile_flavours={{{shares}}}",
        *changes,
    )


def repeats(turns):
    """Return the turns of replays, each with the turn of its original, if that was there."""
    by_place = {turn.card.place: turn for turn in turns}
    return [(turn, by_place.get(turn.card.original_place)) for turn in turns if turn.card.is_replay]


def test_a_replay_is_its_original_to_the_byte(stage):
    """Same id, same body; only the correlation id is new, names the original, and marks the attempt."""
    played = replaying(stage)
    played.begin()
    played.user()
    played.play()
    pairs = repeats(played.turns)
    assert len(pairs) > 10
    assert len({turn.card.place for turn in played.turns}) == len(played.pool)
    for turn, original in pairs:
        first, again = (
            Platform().http_command(played.run.sending(one)) for one in (original, turn)
        )
        assert (again.method, again.path, again.body) == (first.method, first.path, first.body)
        assert dict(again.headers)["Idempotency-Key"] == original.card.command_id
        named = [
            Correlation.unpack(bytes.fromhex(played.run.sending(one).correlation_id))
            for one in (original, turn)
        ]
        assert (named[0].shard, named[0].index) == (named[1].shard, named[1].index)
        assert [one.attempt for one in named] == [0, REPLAY_ATTEMPT]


def unfinished(played, originals):
    """Return what users do who leave the answers to some commands open, and settle all others."""

    def sends(turn):
        played.sent(turn) if turn.card.place in originals else played.settle(turn)

    return sends


def awaited(played):
    """Return the places of the commands that replays wait for."""
    shard = played.pool.shard(0)
    rows = replays_of(shard)
    return {(0, 0, index) for index in rows.originals[~rows.racing].tolist()}


def until_it_waits(played):
    """Play until nothing is left to send but replays that wait."""
    aside = played.run.tracker.set_aside
    played.begin()
    for _ in range(2):
        played.user(unfinished(played, awaited(played)))
    with gevent.Timeout(PATIENT_S):
        while not (len(aside) == len(awaited(played)) == played.run.counts().in_hand_now):
            played.pass_time(1)
            played.director.advance()
            played.yield_()


def test_a_replay_waits_until_its_original_was_observed_complete(stage):
    """It is set aside, also when nothing else is left; then it is sent, due when it could be."""
    played = replaying(stage)
    until_it_waits(played)
    originals = awaited(played)
    assert originals
    assert not [turn for turn, _ in repeats(played.turns) if turn.card.waits]
    assert played.director.advance() is State.SENDING
    before = len(played.turns)
    overdue = played.run.arrivals()[1]
    for place in sorted(originals):
        played.run.tracker.completed(place, SETTLED)
    completed_ns = played.clock.ns
    with gevent.Timeout(PATIENT_S):
        while played.director.advance() is State.SENDING:
            gevent.sleep(0.001)
    late = [turn for turn in played.turns[before:] if turn.card.waits]
    assert {turn.card.original_place for turn in late} == originals
    assert all(turn.arrival.intended_ns >= completed_ns for turn in late)
    assert played.run.arrivals()[1] == overdue
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == 0


def test_a_replay_whose_original_is_never_observed_is_blocked(stage):
    """After the settle time without any movement it is written down, and the phase ends."""
    played = replaying(stage)
    until_it_waits(played)
    originals = awaited(played)
    played.play()
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == len(originals)
    assert len(played.turns) == len(played.pool) - len(originals)
    assert played.run.arrivals()[0] == len(played.turns)


def test_a_replay_of_what_was_refused_is_blocked_at_once(stage):
    """A command that had no effect has no outcome to repeat: nobody waits for it."""
    played = replaying(stage)
    originals = awaited(played)

    def sends(turn):
        if turn.card.place not in originals:
            played.settle(turn)
            return
        played.sent(turn)
        refused = Acknowledgement(Acknowledged.REFUSED, None, "HTTP 429")
        played.run.tracker.acknowledged(turn.card.place, refused)

    played.begin()
    played.user(sends)
    played.play(step_s=1)
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == len(originals)


def test_a_phase_that_ends_takes_its_waiting_replays_with_it(stage):
    """A stop frees the users that wait for them; what was set aside is granted and never sent."""
    played = replaying(stage)
    until_it_waits(played)
    sent = len(played.turns)
    played.director.stop("enough")
    played.play()
    assert len(played.turns) == sent
    assert not played.run.tracker.set_aside.waits(Channel.HTTP)
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == 0


SEARCH = (
    *(
        "phases.payments.profile=search",
        "phases.payments.from_per_s=1",
        "phases.payments.rate_per_s=4",
    ),
    *("phases.payments.step_s=2", "phases.payments.tries=1", "slos=[{errors_below_percent=1}]"),
)


def test_a_search_plays_a_phase_in_steps(stage):
    """Each sends its own rate for its own time, and begins when the one before is complete."""
    played = stage(*SEARCH)
    played.begin()
    played.user()
    played.play(2)
    assert played.notes("step began") == ["1/s", "2/s", "4/s"]
    assert played.notes("step ended") == ["1/s held", "2/s held", "4/s held"]
    steps = read_steps(played.directory.steps)
    due = [turn.arrival.intended_ns for turn in played.turns if turn.phase == 2]
    sent = [sum(step.from_ns <= at < step.until_ns for at in due) for step in steps]
    assert sent == [2, 4, 8]
    assert sum(sent) == len(due)
    assert played.notes("phase ended")[-1] == "4/s held"


def test_a_search_ends_when_the_pool_has_run_out(stage):
    """What it has found until then is told; a step without all its commands says nothing."""
    played = stage(*SEARCH, "phases.payments.step_s=9", "phases.payments.rate_per_s=400")
    played.begin()
    played.user()
    played.play(9)
    [warned] = [note for note in played.notes("warning") if "pool ran out" in note]
    assert warned.startswith("the pool ran out while it searched: ")
    assert len(played.notes("step began")) == len(played.notes("step ended")) + 1
    assert len(played.turns) == len(played.pool)


def test_a_search_stops_when_the_run_is_stopped(stage):
    """No further step begins."""
    played = stage(*SEARCH)
    played.begin()
    played.user()
    while not played.notes("step began"):
        played.director.advance()
        played.pass_time(1)
        played.yield_()
    played.director.stop("enough")
    played.play(1)
    assert played.notes("step began") == ["1/s"]


def test_a_pool_is_played_in_laps(stage):
    """A phase goes on with the next lap when one has run out: new accounts, new ids, the same amounts."""
    played = stage("pool.laps=3")
    played.begin()
    played.user()
    played.play()
    one = len(played.pool) // 3
    assert len(played.turns) == 3 * one
    ids = [turn.card.command_id for turn in played.turns]
    assert len(set(ids)) == 3 * one
    decoded = IDS.decode(ids)
    places = Counter(zip(decoded.shard.tolist(), decoded.index.tolist(), strict=True))
    assert (len(places), set(places.values())) == (one, {3})
    assert Counter(decoded.lap.tolist()) == {0: one, 1: one, 2: one}
    amounts = Counter(
        turn.card.shard.command(turn.card.index).amount_minor for turn in played.turns
    )
    assert all(count % 3 == 0 for count in amounts.values())


def test_a_run_stops_when_it_has_moved_what_it_may(stage):
    """Of the payments sent, by their currency; the timeline says how much it was."""
    played = stage("budget.moved={USD=1}", "pool.currencies=['USD']")
    played.begin()
    played.user(turns=9)
    played.play(1)
    [why] = [note for note in played.notes("stop asked") if "USD were to be moved, of 1" in note]
    sent = [turn.card for turn in played.turns if turn.card.kind is Kind.PAYMENT]
    assert sent
    minor = sum(int(card.shard.amount_minor[card.index]) for card in sent)
    assert f"{minor / 100:,.2f} USD" in why


def test_what_is_overdue_together_is_put_back_when_the_phase_is_cut_short(stage):
    """One slow user takes one; the others that were made ready with it are sent by nobody, but later."""
    played = stage()
    played.begin()
    played.pass_time(5)
    user = played.user(sends=lambda _: gevent.sleep(PATIENT_S), turns=1)
    played.yield_()
    lane = played.run.dealer.work.lanes[Channel.HTTP]
    assert len(played.turns) == 1
    waiting = [ready.card for ready in lane.due]
    assert len(waiting) > 1
    assert lane.in_hand == len(waiting)
    played.director.control("pause", "")
    assert lane.in_hand == 0
    assert lane.arrivals.overdue == 1
    assert not any(ready.lease.out & {ready.position} for ready in waiting)
    user.kill()

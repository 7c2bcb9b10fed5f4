"""The phase machine: a test for each cell of the table in its docstring."""

from __future__ import annotations

import pytest

from locustfiles.phases import PhaseMachine, PhaseTimes, Progress, State

LEFT = Progress(exhausted=False, pending=3, moved_ns=0)
"""Commands are left to send and some are pending; nothing has moved since 0."""
ALL_SENT = Progress(exhausted=True, pending=3, moved_ns=0)
SETTLED = Progress(exhausted=False, pending=0, moved_ns=0)
DONE = Progress(exhausted=True, pending=0, moved_ns=0)
TWO = (PhaseTimes(duration_ns=None, settle_ns=100), PhaseTimes(duration_ns=50, settle_ns=100))


def machine_in(state: State, phase: int = 0, at_ns: int = 0) -> PhaseMachine:
    """Return a machine of two phases, the second of 50 ns, that entered a state at `at_ns`."""
    machine = PhaseMachine(TWO)
    if state is State.WAITING:
        return machine
    machine.begin(at_ns)
    nothing = Progress(exhausted=True, pending=0, moved_ns=0)
    while (machine.state, machine.phase) != (state, phase):
        assert machine.advance(at_ns, nothing), f"no way to {state} of phase {phase}"
    return machine


def step(machine: PhaseMachine, now_ns: int, progress: Progress) -> tuple[bool, State, int]:
    return machine.advance(now_ns, progress), machine.state, machine.phase


def test_waiting_until_the_users_are_there():
    """WAITING ends by `begin` alone: neither time nor progress moves it."""
    machine = machine_in(State.WAITING)
    assert step(machine, 10**12, SETTLED) == (False, State.WAITING, 0)
    assert machine.begin(7)
    assert (machine.state, machine.phase) == (State.SENDING, 0)


def test_begin_counts_once():
    """A second `begin` is told that it changed nothing, and changes nothing."""
    machine = machine_in(State.SETTLING)
    assert not machine.begin(9)
    assert machine.state is State.SETTLING


@pytest.mark.parametrize(
    ("phase", "now_ns", "progress", "moves"),
    [
        (0, 10**12, LEFT, False),
        (0, 10**12, SETTLED, False),
        (0, 0, ALL_SENT, True),
        (1, 49, LEFT, False),
        (1, 50, LEFT, True),
        (1, 10, ALL_SENT, True),
    ],
)
def test_sending_ends_when_nothing_is_left_or_the_time_is_up(phase, now_ns, progress, moves):
    """SENDING goes over to SETTLING when nothing is left or after its duration, and only then."""
    machine = machine_in(State.SENDING, phase)
    state = State.SETTLING if moves else State.SENDING
    assert step(machine, now_ns, progress) == (moves, state, phase)


def test_a_duration_counts_from_the_beginning_of_its_phase():
    """The second phase's 50 ns begin when it is entered, not when the run began."""
    machine = machine_in(State.SENDING, 1, at_ns=1000)
    assert step(machine, 1049, LEFT) == (False, State.SENDING, 1)
    assert step(machine, 1050, LEFT) == (True, State.SETTLING, 1)


def test_nothing_pending_moves_on_at_once():
    """A phase whose commands are all complete settles without waiting."""
    machine = machine_in(State.SETTLING)
    assert step(machine, 0, DONE) == (True, State.SENDING, 1)


@pytest.mark.parametrize("pending", [0, 3])
def test_a_phase_goes_on_when_something_is_to_be_sent_again(pending):
    """A lost worker's commands come back: the same phase sends them, if it still may send."""
    machine = machine_in(State.SETTLING)
    again = Progress(exhausted=False, pending=pending, moved_ns=0)
    assert step(machine, 10**6, again) == (True, State.SENDING, 0)


def test_after_its_time_a_phase_sends_nothing_again():
    """When its time is up, or after a stop, what is left stays unsent, and the next one begins."""
    machine = machine_in(State.SENDING, 1)
    machine.advance(50, LEFT)
    assert step(machine, 60, Progress(exhausted=False, pending=0, moved_ns=0))[1] is State.ENDED


def test_the_time_of_a_phase_counts_from_its_beginning_even_if_it_settled_between():
    """Going on does not make a phase longer."""
    machine = machine_in(State.SENDING, 1)
    machine.advance(20, ALL_SENT)
    assert step(machine, 30, LEFT) == (True, State.SENDING, 1)
    assert not machine.is_final(49)
    assert machine.is_final(50)


def test_nobody_may_still_send_when_a_phase_ends():
    """The barrier holds until every process has said that it stopped, however long that takes."""
    machine = machine_in(State.SETTLING)
    for pending in (0, 3):
        busy = Progress(exhausted=True, pending=pending, moved_ns=0, busy=True)
        assert not machine.advance(10**12, busy)


def test_a_phase_is_taken_over_in_the_middle():
    """Whoever resumes a run sends in the phase that was begun, for what is left of its time."""
    machine = PhaseMachine(TWO)
    machine.resume(1000, 1, 30)
    assert (machine.state, machine.phase) == (State.SENDING, 1)
    assert step(machine, 1019, LEFT) == (False, State.SENDING, 1)
    assert step(machine, 1020, LEFT) == (True, State.SETTLING, 1)


@pytest.mark.parametrize(
    ("moved_ns", "now_ns", "moves"),
    [(0, 99, False), (0, 100, True), (60, 159, False), (60, 160, True), (60, 100, False)],
)
def test_the_settle_time_counts_from_the_last_movement(moved_ns, now_ns, moves):
    """Pending commands hold the phase until nothing has moved for the settle time."""
    machine = machine_in(State.SETTLING)
    progress = Progress(exhausted=True, pending=1, moved_ns=moved_ns)
    assert machine.advance(now_ns, progress) is moves


def test_the_settle_time_never_counts_from_before_settling():
    """However long nothing moved while sending, settling gets its whole time."""
    machine = machine_in(State.SETTLING, at_ns=1000)
    assert not machine.advance(1099, ALL_SENT)
    assert machine.advance(1100, ALL_SENT)


@pytest.mark.parametrize(("now_ns", "progress"), [(0, DONE), (100, ALL_SENT)])
def test_after_the_last_phase_the_run_has_ended(now_ns, progress):
    """SETTLING of the last phase goes over to ENDED, settled or not."""
    machine = machine_in(State.SETTLING, 1)
    assert step(machine, now_ns, progress) == (True, State.ENDED, 1)


def test_the_end_is_final():
    """ENDED stays, whatever comes."""
    machine = machine_in(State.ENDED, 1)
    machine.stop()
    assert not machine.begin(5)
    assert step(machine, 10**12, SETTLED) == (False, State.ENDED, 1)


def test_advance_moves_by_one_state():
    """Each call moves on by at most one state, so that none is passed unseen."""
    machine = machine_in(State.SENDING)
    done = Progress(exhausted=True, pending=0, moved_ns=0)
    seen = [step(machine, 0, done)[1:] for _ in range(4)]
    assert seen == [
        (State.SETTLING, 0),
        (State.SENDING, 1),
        (State.SETTLING, 1),
        (State.ENDED, 1),
    ]


def test_stop_while_waiting_ends_the_run_at_once():
    """A stop in WAITING needs no users: the run has ended without a phase."""
    machine = machine_in(State.WAITING)
    assert not machine.stopping
    machine.stop()
    assert machine.stopping
    assert step(machine, 0, LEFT) == (True, State.ENDED, 0)


def test_stop_before_begin_sends_nothing():
    """When users come after a stop was asked, no phase begins."""
    machine = machine_in(State.WAITING)
    machine.stop()
    machine.begin(0)
    assert machine.state is State.ENDED


def test_stop_while_sending_settles_and_begins_no_further_phase():
    """A stop in SENDING awaits the completions of what was sent, and then the run has ended."""
    machine = machine_in(State.SENDING)
    machine.stop()
    assert step(machine, 10, LEFT) == (True, State.SETTLING, 0)
    assert step(machine, 109, LEFT) == (False, State.SETTLING, 0)
    assert step(machine, 110, LEFT) == (True, State.ENDED, 0)


@pytest.mark.parametrize(
    ("now_ns", "pending", "moves"), [(10, 0, True), (99, 1, False), (100, 1, True)]
)
def test_stop_while_settling_begins_no_further_phase(now_ns, pending, moves):
    """A stop in SETTLING changes only what follows: the end instead of the next phase."""
    machine = machine_in(State.SETTLING)
    machine.stop()
    progress = Progress(exhausted=True, pending=pending, moved_ns=0)
    state = State.ENDED if moves else State.SETTLING
    assert step(machine, now_ns, progress) == (moves, state, 0)


COUNTED = (
    PhaseTimes(duration_ns=50, settle_ns=100, count=7, count_due_ns=30),
    PhaseTimes(duration_ns=None, settle_ns=100),
)


def counted() -> PhaseMachine:
    """Return a machine that sends in a phase of seven commands, at most 50 ns long."""
    machine = PhaseMachine(COUNTED)
    machine.begin(0)
    return machine


@pytest.mark.parametrize(
    ("now_ns", "sent", "moves"), [(10, 6, False), (10, 7, True), (10, 8, True), (50, 0, True)]
)
def test_sending_ends_with_the_count_or_the_time_whichever_comes_first(now_ns, sent, moves):
    """SENDING goes over to SETTLING when as many were sent as the phase shall send."""
    progress = Progress(exhausted=False, pending=3, moved_ns=0, sent=sent)
    machine = counted()
    assert machine.advance(now_ns, progress) is moves
    assert machine.is_final(now_ns) is moves


@pytest.mark.parametrize(
    ("moved_ns", "now_ns", "moves"),
    [(0, 129, False), (0, 130, True), (90, 189, False), (90, 190, True)],
)
def test_what_a_lost_process_should_have_sent_is_not_waited_for(moved_ns, now_ns, moves):
    """Once the last is due and nothing has moved for the settle time, the count is as good as reached."""
    machine = PhaseMachine([PhaseTimes(duration_ns=None, settle_ns=100, count=7, count_due_ns=30)])
    machine.begin(0)
    progress = Progress(exhausted=False, pending=3, moved_ns=moved_ns, sent=6)
    assert machine.advance(now_ns, progress) is moves


def test_what_is_counted_stays_counted():
    """A phase that has sent its count goes on with nothing, and the next one counts anew."""
    machine = counted()
    machine.advance(10, Progress(exhausted=False, pending=3, moved_ns=0, sent=7))
    assert not machine.advance(20, Progress(exhausted=False, pending=3, moved_ns=10, sent=0))
    assert machine.advance(30, Progress(exhausted=False, pending=0, moved_ns=10, sent=7))
    assert (machine.state, machine.phase) == (State.SENDING, 1)
    assert not machine.is_final(40)


@pytest.mark.parametrize(("now_ns", "moves"), [(299, False), (300, True)])
def test_a_trickle_of_completions_does_not_hold_a_phase_for_ever(now_ns, moves):
    """With a longest time to settle, the phase ends although something moved just now."""
    times = PhaseTimes(duration_ns=None, settle_ns=100, settle_max_ns=300)
    machine = PhaseMachine([times, times])
    machine.begin(0)
    machine.advance(0, ALL_SENT)
    progress = Progress(exhausted=True, pending=1, moved_ns=now_ns - 1)
    assert machine.advance(now_ns, progress) is moves


@pytest.mark.parametrize(
    ("pending", "state"), [(0, State.SENDING), (3, State.ENDED)], ids=["passed", "failed"]
)
def test_a_gate_that_fails_stops_the_run_where_the_phase_says_so(pending, state):
    """With commands pending no further phase begins; with none the next one does."""
    strict = PhaseTimes(duration_ns=None, settle_ns=100, stop_if_pending=True)
    machine = PhaseMachine([strict, TWO[1]])
    machine.begin(0)
    machine.advance(0, ALL_SENT)
    assert machine.advance(100, Progress(exhausted=True, pending=pending, moved_ns=0))
    assert machine.state is state


# -- control ------------------------------------------------------------------------------------


def paused(phase: int = 1, at_ns: int = 20) -> PhaseMachine:
    """Return a machine that was paused in a phase; the second one began at 0 and lasts 50 ns."""
    machine = machine_in(State.SENDING, phase)
    machine.pause()
    assert step(machine, at_ns, LEFT) == (True, State.PAUSED, phase)
    return machine


@pytest.mark.parametrize("progress", [LEFT, ALL_SENT, SETTLED, DONE])
def test_a_pause_lasts_until_it_is_over(progress):
    """PAUSED waits, however long, and whatever completes meanwhile."""
    machine = paused()
    assert step(machine, 10**12, progress) == (False, State.PAUSED, 1)
    assert machine.sent_for_ns(10**12) == 20
    assert not machine.is_final(10**12)


def test_the_paused_time_is_cut_out():
    """Of 50 ns, 20 had passed: 30 are left when the pause is over, however long it was."""
    machine = paused()
    machine.pause(paused=False)
    assert step(machine, 1020, LEFT) == (True, State.SENDING, 1)
    assert step(machine, 1049, LEFT) == (False, State.SENDING, 1)
    assert step(machine, 1050, LEFT) == (True, State.SETTLING, 1)


def test_sending_that_goes_on_later_lasts_as_long():
    """What it takes until the first is sent again belongs to the pause."""
    machine = paused()
    machine.pause(paused=False)
    machine.advance(1020, LEFT)
    machine.delay(7)
    assert not machine.is_final(1056)
    assert machine.is_final(1057)


def test_what_has_nothing_left_settles_rather_than_pauses():
    """A pause that comes with the end of the sending holds the next phase, not this one."""
    machine = machine_in(State.SENDING)
    machine.pause()
    assert step(machine, 5, ALL_SENT) == (True, State.SETTLING, 0)


def test_a_pause_while_settling_holds_the_next_phase():
    """The gate stays closed until the pause is over; the last phase ends all the same."""
    machine = machine_in(State.SETTLING)
    machine.pause()
    assert step(machine, 10**6, DONE) == (False, State.SETTLING, 0)
    machine.pause(paused=False)
    assert step(machine, 10**6, DONE) == (True, State.SENDING, 1)
    last = machine_in(State.SETTLING, 1)
    last.pause()
    assert step(last, 10**6, DONE) == (True, State.ENDED, 1)


def test_a_pause_before_the_beginning():
    """WAITING stays, though the users are there, until the pause is over; a stop ends it."""
    machine = machine_in(State.WAITING)
    machine.pause()
    assert not machine.begin(5)
    assert machine.state is State.WAITING
    machine.pause(paused=False)
    assert machine.begin(6)
    stopped = machine_in(State.WAITING)
    stopped.pause()
    stopped.stop()
    assert step(stopped, 5, DONE) == (True, State.ENDED, 0)


@pytest.mark.parametrize("how", ["stop", "skip"])
def test_a_pause_ends_with_a_stop_or_when_its_phase_is_skipped(how):
    """PAUSED goes over to SETTLING; after a stop the run ends."""
    machine = paused()
    getattr(machine, how)()
    assert step(machine, 100, LEFT) == (True, State.SETTLING, 1)
    assert step(machine, 200, DONE) == (True, State.ENDED, 1)


@pytest.mark.parametrize("progress", [LEFT, ALL_SENT])
def test_a_phase_that_is_skipped_is_left_as_it_is(progress):
    """SENDING goes over to SETTLING, and that to the next phase, with what is pending."""
    machine = machine_in(State.SENDING)
    machine.skip()
    assert step(machine, 1, progress) == (True, State.SETTLING, 0)
    assert step(machine, 2, progress) == (True, State.SENDING, 1)
    assert step(machine, 3, LEFT) == (False, State.SENDING, 1), "only one phase is skipped"


def test_nobody_may_still_send_when_a_phase_is_skipped():
    """The barrier holds for a skipped phase, too."""
    machine = machine_in(State.SETTLING)
    machine.skip()
    busy = Progress(exhausted=True, pending=3, moved_ns=0, busy=True)
    assert not machine.advance(10**6, busy)


def test_skipping_is_no_gate_that_failed():
    """Whoever skips a phase knows that commands are pending: the run goes on."""
    strict = PhaseTimes(duration_ns=None, settle_ns=100, stop_if_pending=True)
    machine = PhaseMachine([strict, TWO[1]])
    machine.begin(0)
    machine.skip()
    machine.advance(0, LEFT)
    assert step(machine, 1, LEFT) == (True, State.SENDING, 1)


@pytest.mark.parametrize("state", [State.WAITING, State.SENDING, State.SETTLING, State.PAUSED])
def test_everything_stops_at_once(state):
    """From any state a run is ENDED, whatever is pending, and stays so."""
    machine = paused() if state is State.PAUSED else machine_in(state)
    machine.halt(30)
    assert machine.state is State.ENDED
    assert not machine.advance(10**6, LEFT)


def test_another_step_of_a_search_follows_for_as_long_as_it_takes():
    """SETTLING goes back to SENDING the same phase, until the step's own time is up; then it settles."""
    machine = machine_in(State.SENDING, 1)
    machine.advance(50, LEFT)
    assert machine.settled(60, SETTLED)
    assert machine.may_step
    machine.step(60, 90)
    assert (machine.state, machine.phase) == (State.SENDING, 1)
    assert step(machine, 89, LEFT) == (False, State.SENDING, 1)
    assert step(machine, 90, LEFT) == (True, State.SETTLING, 1)
    assert step(machine, 95, SETTLED)[1] is State.ENDED


def test_a_steps_time_is_its_phases_alone():
    """The phase after a search lasts as long as it shall."""
    machine = machine_in(State.SENDING, 0)
    machine.step(0, 20)
    assert step(machine, 20, LEFT)[1] is State.SETTLING
    machine.advance(20, SETTLED)
    assert step(machine, 69, LEFT) == (False, State.SENDING, 1)
    assert step(machine, 70, LEFT)[1] is State.SETTLING


def test_no_step_follows_when_anything_else_was_asked():
    """A stop, a pause and a skip come first."""
    for ask in (PhaseMachine.stop, PhaseMachine.pause, PhaseMachine.skip):
        machine = machine_in(State.SETTLING)
        ask(machine)
        assert not machine.may_step


def test_figures_that_come_later_are_waited_for():
    """Though nothing is pending, so long nothing has moved; who skips the phase does not wait."""
    machine = PhaseMachine([PhaseTimes(duration_ns=10, settle_ns=100, quiet_ns=40)])
    machine.begin(0)
    machine.advance(10, LEFT)
    done = Progress(exhausted=True, pending=0, moved_ns=12)
    assert not machine.settled(51, done)
    assert machine.settled(52, done)
    machine.skip()
    assert machine.settled(20, done)

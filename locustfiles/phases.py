"""The phases of a run as a state machine. Pure: time and progress come in, events go out.

state     what is seen                                   next
WAITING   the users are there                            SENDING the first phase
SENDING   nothing left to send, or the phase's time up   SETTLING
SENDING   so many were sent as the phase shall send      SETTLING
SENDING   so many were due, and nothing moves any more   SETTLING
SENDING   a stop was asked                               SETTLING, and no further phase
SETTLING  nothing pending                                SENDING the next phase, or ENDED
SETTLING  nothing has moved for the settle time, or      the same, with what is pending noted; ENDED
          the phase's longest time to settle is up       where the phase says to stop then
SETTLING  somebody may still send                        (waits, however long nothing has moved)
SETTLING  something is to be sent again, in its time     SENDING the same phase
SETTLING  it is paused                                   (waits before the next phase)
SETTLING  another step of a search follows               SENDING the same phase, for as long as it takes
SETTLING  the phase is to be skipped                     the same as after its settle time
SENDING   a pause was asked                              PAUSED
PAUSED    the pause is over                              SENDING the same phase, which lasts longer by it
PAUSED    a stop was asked, or to skip the phase         SETTLING
WAITING   a stop was asked                               ENDED
WAITING   it is paused                                   (waits, though the users are there)
any       everything has to stop at once                 ENDED, whatever is pending
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    """Where the run stands."""

    WAITING = auto()
    SENDING = auto()
    PAUSED = auto()
    SETTLING = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """What the machine has to know of a phase."""

    duration_ns: int | None
    """Sending ends after so long; None: when nothing is left."""
    settle_ns: int
    """Without any movement for so long, the phase ends although commands are pending."""
    settle_max_ns: int | None = None
    """After so long it does, although some still complete."""
    count: int | None = None
    """Sending ends after so many commands."""
    count_due_ns: int = 0
    """When the last of them is due."""
    quiet_ns: int = 0
    """Though nothing is pending, nothing may have moved for so long: figures come later than ends."""
    stop_if_pending: bool = False
    """Whether no further phase begins where commands were pending when this one ended."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sending of the current phase has come."""

    exhausted: bool
    """Nothing is left to send."""
    pending: int
    """Commands being sent, or sent and without a final outcome."""
    moved_ns: int
    """When something was last sent, answered or completed."""
    sent: int = 0
    """How many were sent in the phase, and arrivals given up."""
    busy: bool = False
    """A process that sends has not said yet that it stopped."""


class PhaseMachine:
    """Moves a run through its phases; `advance` is called as often as one likes."""

    def __init__(self, phases: Sequence[PhaseTimes]) -> None:
        self._phases = phases
        self.state = State.WAITING
        self.phase = 0
        """The number of the current phase; meaningful while SENDING or SETTLING."""
        self._since_ns = 0
        self._began_ns = 0
        self._counted = False
        """The phase has sent as many as it shall."""
        self._stopping = False
        self._skipping = False
        self._paused = False
        self._paused_ns = 0
        """Since when; meaningful while PAUSED."""
        self._lasts_ns: int | None = None
        """How long the phase sends, where its steps say so."""

    def pause(self, *, paused: bool = True) -> None:
        """Ask to send nothing further until `pause(paused=False)`; the time until then is cut out."""
        self._paused = paused

    def skip(self) -> None:
        """Ask to leave the current phase as it is, and to begin the next."""
        self._skipping = True

    def halt(self, now_ns: int) -> None:
        """End at once: nothing is awaited."""
        self._stopping = True
        self._enter(State.ENDED, now_ns)

    def delay(self, by_ns: int) -> None:
        """Let the current phase last longer, since its sending goes on that much later."""
        self._began_ns += by_ns

    def stop(self) -> None:
        """Ask for an orderly end: no further command, the completions of those sent awaited."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    def begin(self, now_ns: int) -> bool:
        """Leave WAITING, because the users are there, and tell whether it was so."""
        if self.state is not State.WAITING or (self._paused and not self._stopping):
            return False
        self._enter(State.ENDED if self._stopping else State.SENDING, now_ns)
        self._began_ns = now_ns
        return True

    def resume(self, now_ns: int, phase: int, sent_ns: int) -> None:
        """Take over in the middle of `phase`, which has been sending for `sent_ns` already."""
        self.phase, self._began_ns = phase, now_ns - sent_ns
        self._enter(State.SENDING, now_ns)

    def step(self, now_ns: int, until_ns: int) -> None:
        """Send in the current phase until then, whether it was SENDING or SETTLING."""
        self._lasts_ns = until_ns - self._began_ns
        self._enter(State.SENDING, now_ns)

    def advance(self, now_ns: int, progress: Progress) -> bool:
        """Move on by at most one state, and tell whether it did."""
        if self.state is State.WAITING and self._stopping:
            self._enter(State.ENDED, now_ns)
            return True
        if self.state is State.PAUSED:
            return self._leave_pause(now_ns)
        if self.state is State.SENDING and self._sent_enough(now_ns, progress):
            self._enter(State.SETTLING, now_ns)
            return True
        if self.state is State.SENDING and self._paused:
            self._paused_ns = now_ns
            self._enter(State.PAUSED, now_ns)
            return True
        if self.state is State.SETTLING and not self._sent_enough(now_ns, progress):
            self._enter(State.SENDING, now_ns)
            return True
        if self.settled(now_ns, progress):
            gate_failed = bool(progress.pending) and not self._skipping
            self._stopping |= gate_failed and self._times.stop_if_pending
            return self._pass_gate(now_ns)
        return False

    def _leave_pause(self, now_ns: int) -> bool:
        if self._stopping or self._skipping:
            self._enter(State.SETTLING, now_ns)
        elif not self._paused:
            self._began_ns += now_ns - self._paused_ns
            self._enter(State.SENDING, now_ns)
        return self.state is not State.PAUSED

    def _pass_gate(self, now_ns: int) -> bool:
        """Begin the next phase, or end."""
        if self._stopping or self.phase + 1 == len(self._phases):
            self._enter(State.ENDED, now_ns)
        elif self._paused:
            return False
        else:
            self.phase += 1
            self._began_ns, self._counted, self._skipping = now_ns, False, False
            self._lasts_ns = None
            self._enter(State.SENDING, now_ns)
        return True

    def _enter(self, state: State, now_ns: int) -> None:
        self.state = state
        self._since_ns = now_ns

    def sent_for_ns(self, now_ns: int) -> int:
        """Return how long the phase has been sending, or settling, without pauses."""
        until_ns = self._paused_ns if self.state is State.PAUSED else now_ns
        return until_ns - self._began_ns

    def is_final(self, now_ns: int) -> bool:
        """Tell whether the phase will send nothing more, whatever happens: time or count is up."""
        duration_ns = self._times.duration_ns if self._lasts_ns is None else self._lasts_ns
        time_up = duration_ns is not None and self.sent_for_ns(now_ns) >= duration_ns
        return self._stopping or self._skipping or self._counted or time_up

    @property
    def _times(self) -> PhaseTimes:
        return self._phases[self.phase]

    def _sent_enough(self, now_ns: int, progress: Progress) -> bool:
        self._counted = self._counted or self._all_counted(now_ns, progress)
        return progress.exhausted or self.is_final(now_ns)

    def _all_counted(self, now_ns: int, progress: Progress) -> bool:
        times = self._times
        if times.count is None or progress.sent >= times.count:
            return times.count is not None
        # An arrival of a process that was lost is nobody's: what it was for is not waited for.
        quiet_ns = now_ns - max(progress.moved_ns, self._began_ns + times.count_due_ns)
        return quiet_ns >= times.settle_ns

    @property
    def may_step(self) -> bool:
        """Whether another step of the phase may follow: nobody asked for anything else."""
        return not (self._stopping or self._skipping or self._paused)

    def settled(self, now_ns: int, progress: Progress) -> bool:
        """Tell whether the phase, or its step, is SETTLING and done with that."""
        if self.state is not State.SETTLING or progress.busy:
            return False
        if self._skipping:
            return True
        if progress.pending == 0:
            return now_ns - progress.moved_ns >= self._times.quiet_ns
        settled_for_ns = now_ns - self._since_ns
        longest_ns = self._times.settle_max_ns
        if longest_ns is not None and settled_for_ns >= longest_ns:
            return True
        return min(now_ns - progress.moved_ns, settled_for_ns) >= self._times.settle_ns

"""The phases of a run as a state machine. Pure: time and progress come in, events go out.

state     what is seen                                   next
WAITING   the users are there                            SENDING the first phase
SENDING   nothing left to send, or the phase's time up   SETTLING
SENDING   a stop was asked                               SETTLING, and no further phase
SETTLING  nothing pending                                SENDING the next phase, or ENDED
SETTLING  nothing has moved for the settle time          the same, with what is pending noted
SETTLING  somebody may still send                        (waits, however long nothing has moved)
SETTLING  something is to be sent again, in its time     SENDING the same phase
WAITING   a stop was asked                               ENDED
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    """Where the run stands."""

    WAITING = auto()
    SENDING = auto()
    SETTLING = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """What the machine has to know of a phase."""

    duration_ns: int | None
    """Sending ends after so long; None: when nothing is left."""
    settle_ns: int
    """Without any movement for so long, the phase ends although commands are pending."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sending of the current phase has come."""

    exhausted: bool
    """Nothing is left to send."""
    pending: int
    """Commands being sent, or sent and without a final outcome."""
    moved_ns: int
    """When something was last sent, answered or completed."""
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
        self._stopping = False

    def stop(self) -> None:
        """Ask for an orderly end: no further command, the completions of those sent awaited."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    def begin(self, now_ns: int) -> bool:
        """Leave WAITING, because the users are there, and tell whether it was so."""
        if self.state is not State.WAITING:
            return False
        self._enter(State.ENDED if self._stopping else State.SENDING, now_ns)
        self._began_ns = now_ns
        return True

    def resume(self, now_ns: int, phase: int, sent_ns: int) -> None:
        """Take over in the middle of `phase`, which has been sending for `sent_ns` already."""
        self.phase, self._began_ns = phase, now_ns - sent_ns
        self._enter(State.SENDING, now_ns)

    def advance(self, now_ns: int, progress: Progress) -> bool:
        """Move on by at most one state, and tell whether it did."""
        if self.state is State.WAITING and self._stopping:
            self._enter(State.ENDED, now_ns)
            return True
        if self.state is State.SENDING and self._sent_enough(now_ns, progress):
            self._enter(State.SETTLING, now_ns)
            return True
        if self.state is State.SETTLING and not self._sent_enough(now_ns, progress):
            self._enter(State.SENDING, now_ns)
            return True
        if self.state is State.SETTLING and self._settled(now_ns, progress):
            if self._stopping or self.phase + 1 == len(self._phases):
                self._enter(State.ENDED, now_ns)
            else:
                self.phase += 1
                self._began_ns = now_ns
                self._enter(State.SENDING, now_ns)
            return True
        return False

    def _enter(self, state: State, now_ns: int) -> None:
        self.state = state
        self._since_ns = now_ns

    def sent_for_ns(self, now_ns: int) -> int:
        """Return how long the phase has been sending, or settling."""
        return now_ns - self._began_ns

    def is_final(self, now_ns: int) -> bool:
        """Tell whether the phase will send nothing more, whatever happens: its time is up."""
        duration_ns = self._phases[self.phase].duration_ns
        time_up = duration_ns is not None and self.sent_for_ns(now_ns) >= duration_ns
        return self._stopping or time_up

    def _sent_enough(self, now_ns: int, progress: Progress) -> bool:
        return progress.exhausted or self.is_final(now_ns)

    def _settled(self, now_ns: int, progress: Progress) -> bool:
        if progress.busy:
            return False
        if progress.pending == 0:
            return True
        quiet_ns = now_ns - max(progress.moved_ns, self._since_ns)
        return quiet_ns >= self._phases[self.phase].settle_ns

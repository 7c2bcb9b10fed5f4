"""Sending a command until an attempt was the last: a plan's policy, whatever the channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from locustfiles.card import Card
from locustfiles.plan_parts.retries import IN_DOUBT, Why
from locustfiles.run import Run
from locustfiles.work import Turn


class Tried(NamedTuple):
    """An attempt that was not the last."""

    wait_s: float
    """Until the next."""
    why: Why


Attempt = Callable[[Turn, int, bool], Tried | None]
"""Makes the attempt of a turn with so many before it, of which one may have taken effect; returns what
became of it where another is to follow."""


def next_after(run: Run, why: Why, before: int) -> Tried | None:
    """Return what follows an attempt with so many before it; None where it was the last."""
    idempotent = run.platform.idempotent
    wait_s = run.plan.retries.before_next_s(why, before + 1, idempotent=idempotent)
    return None if wait_s is None else Tried(wait_s, why)


def send(run: Run, turn: Turn, attempt: Attempt) -> None:
    """Make attempts until one was the last, or none may be made any more."""
    in_doubt = False
    tried = attempt(turn, 0, in_doubt)
    if tried is not None:
        send_again(run, turn, attempt, tried)


def send_again(run: Run, turn: Turn, attempt: Attempt, tried: Tried) -> None:
    """Go on from a first attempt that was not the last."""
    with _awaited(run, turn.card):
        _send_again(run, turn, attempt, tried)


@contextmanager
def _awaited(run: Run, card: Card) -> Iterator[None]:
    """Have the phase, and the lease, wait for a command that is to be sent again."""
    tally = run.tracker.tally
    tally.retrying += 1
    card.keep()
    try:
        yield
    finally:
        tally.retrying -= 1
        card.let_go()


def _send_again(run: Run, turn: Turn, attempt: Attempt, tried: Tried | None) -> None:
    in_doubt = False
    for before in count(1):
        if tried is None:
            return
        in_doubt |= tried.why in IN_DOUBT
        later = None
        try:
            later = _when_due(run, turn, tried.wait_s)
        finally:
            # Whoever is stopped here leaves nothing that is waited for and never comes.
            if later is None:
                _let_go(run, turn, in_doubt=in_doubt)
        if later is None:
            return
        turn = later
        tried = attempt(turn, before, in_doubt)


def _when_due(run: Run, turn: Turn, wait_s: float) -> Turn | None:
    """Wait for the next attempt; None where the phase is over before, or the command is, or another's."""
    work, card = run.dealer.work, turn.card
    if wait_s and (work is None or work.over.wait(wait_s)):
        return None
    if not run.agent.holder.may_send(card.lease):
        return None
    if card.place not in run.tracker.pending:
        # An event told its outcome meanwhile.
        return None
    if not wait_s:
        return turn
    # It was not due before: the time until now is no fault of the generator's.
    return turn.at(run.clock.now_ns())


def _let_go(run: Run, turn: Turn, *, in_doubt: bool) -> None:
    card = turn.card
    if in_doubt and card.place in run.tracker.pending:
        run.expect(card.place, card.command_id)
    elif not in_doubt:
        run.tracker.give_up(card.place)

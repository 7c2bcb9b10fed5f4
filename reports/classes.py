"""Classes: what became of each command. Every command of the pool gets exactly one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged
from reports.booked import Booked
from reports.columns import NEVER, Bools, Ints
from reports.evidence import Evidence
from reports.judgement import Class

PRECEDENCE = (
    Class.UNEXPECTED,
    Class.DUPLICATED,
    Class.WRONG_AMOUNT,
    Class.WRONG_OUTCOME,
    Class.LOST_BEFORE,
    Class.LOST,
    Class.LOST_AFTER,
    Class.PENDING,
    Class.RECOVERED,
    Class.UNKNOWN,
    Class.REFUSED,
    Class.INVALID,
    Class.DEAD_LETTERED,
    Class.SETTLED_LATE,
    Class.SETTLED,
    Class.REJECTED_LATE,
    Class.REJECTED,
    Class.BLOCKED,
    Class.DROPPED,
    Class.NOT_SENT,
)
"""Where several would fit, the first one is a command's class."""

_BOTH = Outcome.SETTLED | Outcome.REJECTED

LEGS = 2
"""The legs of one set of postings: the account's, and the clearing account's."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A shard's commands with what the rules derive from the evidence, one row per command."""

    evidence: Evidence
    epoch_utc_ns: int
    final: Ints
    """The final outcome, by the book where there is one, else as observed; 0 for none.

    A replay's is what was observed of it, else its original's.
    """
    accepted: Bools
    """It was acknowledged: by an answer, or by its outcome; a replay's speaks for its original."""
    duplicated: Bools
    wrong_amount: Bools
    wrong_outcome: Bools
    taken: Bools
    """Accepted, though a correct platform cannot even understand it."""
    lost: Bools
    lost_after: Bools
    """In the book with its outcome, of which nobody was told, though the platform tells of all."""
    stored: Bools
    """A broker acknowledged it, and the platform never did."""
    unexpected: Bools
    """In the book, outside every grant; nothing is sent by the id of a replay's own row."""
    untold: Bools
    """No outcome is known, and it may have been in the journal of a process that died."""
    taken_back: Bools
    """Several final outcomes: one was observed, and then, or in the book, another."""
    no_effect: Bools
    """The platform said that it did nothing: refused, or answered as invalid, and no replay of it
    may have come through."""
    late: Bools
    classes: NDArray[np.int64]
    """Indices into PRECEDENCE."""


@dataclass(frozen=True, eq=False)
class _Told:
    """What the tester was told of its commands, each row by itself."""

    accepted: Bools
    stored: Bools
    """A broker has it; whether the platform does was not told."""
    invalid: Bools
    refused: Bools
    known: Bools
    """Accepted, or its outcome was observed."""
    open_end: Bools
    """No answer tells whether it took effect."""
    no_effect: Bools
    """It was refused, or answered as invalid, and nothing of it was left unanswered."""


def _told(evidence: Evidence) -> _Told:
    seen = evidence.seen
    accepted = seen.acknowledged == Acknowledged.ACCEPTED
    stored = accepted & (seen.channel == Channel.KAFKA)
    put_aside = stored & (evidence.expected & _BOTH == 0) & (seen.outcomes == 0)
    # What was observed was acknowledged by that; what was sent and has no further fact was not.
    known = (accepted & ~put_aside) | (seen.outcomes != 0)
    silent = evidence.sent & (seen.acknowledged < 0) & ~known
    unknown = seen.acknowledged == Acknowledged.UNKNOWN
    invalid = seen.acknowledged == Acknowledged.INVALID
    refused = (seen.acknowledged == Acknowledged.REFUSED) | seen.not_sent
    # An attempt that nobody answered may have had effect, whatever was said to the next.
    perhaps_done = evidence.in_doubt | (seen.unanswered & (seen.acknowledged >= 0))
    return _Told(
        accepted=accepted & ~stored,
        stored=stored,
        invalid=invalid,
        refused=refused,
        known=known,
        # An attempt that nobody answered is forgotten once another is accepted.
        open_end=(seen.unanswered & ~accepted) | unknown | evidence.in_doubt | silent | put_aside,
        no_effect=(refused | invalid) & ~known & ~perhaps_done,
    )


def judge_shard(
    evidence: Evidence, *, drained: bool, deadline_ns: int | Ints, epoch_utc_ns: int
) -> Judged:
    """Derive what became of each command of a shard; deadlines are for all, or one for each."""
    seen, booked, replays = evidence.seen, evidence.booked, evidence.replays
    told = _told(evidence)
    no_effect = told.no_effect.copy()
    reached = (evidence.sent | (seen.outcomes != 0)) & ~no_effect
    final = _final(evidence, reached)
    in_book = np.zeros(len(final), np.bool_) if booked is None else booked.rows > 0
    in_book[replays.rows] = in_book[replays.originals] & reached[replays.rows]
    perhaps = (reached | evidence.in_doubt)[replays.rows]
    no_effect[replays.originals] &= ~perhaps
    known = evidence.united(told.known)
    taken = told.accepted & (evidence.expected & _BOTH == 0)
    # Without a book, the outcome may be in the journal of a process that died.
    untold = evidence.incomplete & (final == 0) if booked is None else np.zeros_like(known)
    undecided = (known | in_book) & (final == 0) & ~untold
    lost = undecided & ~taken & drained & ~in_book
    duplicated = _duplicated(evidence, booked)
    wrong_amount = _wrong_amount(evidence, booked)
    taken_back = ((final | seen.outcomes) & _BOTH == _BOTH) & ~duplicated
    wrong_outcome = (
        _wrong_outcome(evidence, final, told.invalid) | (no_effect & (final != 0)) | taken
    )
    granted = evidence.united(evidence.granted) & ~evidence.is_replay
    judged = Judged(
        evidence=evidence,
        epoch_utc_ns=epoch_utc_ns,
        final=final,
        accepted=known & ~taken & ~evidence.is_replay,
        duplicated=duplicated,
        wrong_amount=wrong_amount & ~duplicated,
        wrong_outcome=wrong_outcome & ~taken_back,
        taken=taken,
        lost=lost & ~evidence.is_replay,
        lost_after=_lost_after(evidence) & drained & ~no_effect,
        stored=told.stored & (seen.outcomes == 0),
        unexpected=~granted & (False if booked is None else booked.rows > 0),
        untold=untold,
        taken_back=taken_back,
        no_effect=no_effect,
        late=_late(evidence, deadline_ns, epoch_utc_ns),
        classes=np.zeros(len(final), dtype=np.int64),
    )
    return replace(judged, classes=_classes(judged, told, lost=lost, undecided=undecided))


def _classes(judged: Judged, told: _Told, *, lost: Bools, undecided: Bools) -> Ints:
    """Return the first class of PRECEDENCE that fits each command."""
    final, late = judged.final, judged.late
    settled, rejected = final == Outcome.SETTLED, final == Outcome.REJECTED
    ended = final & _BOTH != 0
    put_aside = final & Outcome.DEAD_LETTERED != 0
    everything = np.ones(len(final), np.bool_)
    fits = {
        Class.UNEXPECTED: judged.unexpected & ~judged.evidence.is_replay,
        Class.DUPLICATED: judged.duplicated,
        Class.WRONG_AMOUNT: judged.wrong_amount,
        Class.WRONG_OUTCOME: judged.wrong_outcome | judged.taken_back,
        Class.LOST_BEFORE: lost & judged.stored,
        Class.LOST: lost,
        Class.LOST_AFTER: judged.lost_after,
        Class.PENDING: undecided,
        Class.RECOVERED: told.open_end & ended,
        Class.UNKNOWN: (told.open_end | judged.untold) & ~put_aside,
        Class.REFUSED: told.refused,
        Class.INVALID: told.invalid,
        Class.DEAD_LETTERED: put_aside,
        Class.SETTLED_LATE: settled & late,
        Class.SETTLED: settled,
        Class.REJECTED_LATE: rejected & late,
        Class.REJECTED: rejected,
        Class.BLOCKED: judged.evidence.seen.blocked,
        # Which of those whose turn never came would have been next, only the whole run tells.
        Class.DROPPED: ~everything,
        Class.NOT_SENT: everything,
    }
    return np.select([fits[name] for name in PRECEDENCE], list(range(len(PRECEDENCE))))


def expected_own_minor(evidence: Evidence) -> Ints:
    """Return what each command adds to its account's balance when it is settled."""
    shard = evidence.shard
    sign = np.where(shard.kind == Kind.PAYMENT, -1, 1)
    return np.where(evidence.inert, 0, sign * shard.amount_minor)


def expected_other_minor(evidence: Evidence) -> Ints:
    """Return what each command adds to the clearing account when it is settled."""
    shard = evidence.shard
    other = np.where(shard.kind == Kind.PAYMENT, shard.credit_minor, -shard.amount_minor)
    return np.where(evidence.inert, 0, other)


def _final(evidence: Evidence, reached: Bools) -> Ints:
    """Return the final outcomes, given which commands the platform may have got."""
    booked, rows, originals = evidence.booked, evidence.replays.rows, evidence.replays.originals
    if booked is None:
        final = evidence.observed.copy()
    else:
        # What was put aside never came so far as the book.
        put_aside = evidence.seen.outcomes & Outcome.DEAD_LETTERED
        # An event may be lost, and what it would have told was observed all the same.
        elsewhere = evidence.seen.outcomes if booked.by_events else put_aside
        final = np.where(booked.rows > 0, booked.outcome, elsewhere)
    own = evidence.seen.outcomes[rows]
    final[rows] = np.where(reached[rows], np.where(own != 0, own, final[originals]), 0)
    return final


def _lost_after(evidence: Evidence) -> Bools:
    """Tell which commands were decided, and nobody told: by an event, or else by a reply."""
    booked = evidence.booked
    nobody = np.zeros(len(evidence.shard), np.bool_)
    if booked is None:
        return nobody
    if booked.by_events:
        nobody = (booked.rows == 0) & (evidence.observed & _BOTH != 0) & ~evidence.is_replay
    if not evidence.all_told:
        return nobody
    decided = (booked.rows > 0) & (booked.outcome & _BOTH != 0) & ~evidence.is_replay
    if evidence.events is not None:
        untold = evidence.united(evidence.granted) & (evidence.events_on == 0)
    else:
        untold = (evidence.seen.channel == Channel.MQ) & evidence.sent & ~evidence.incomplete
        untold &= evidence.observed == 0
    lost: Bools = (decided & untold) | nobody
    return lost


def _duplicated(evidence: Evidence, booked: Booked | None) -> Bools:
    """Tell which commands took effect more than once; an account, when there are two of it."""
    twice = np.zeros(len(evidence.shard), np.bool_)
    if booked is None or evidence.accounts is None:
        return twice
    twice |= (booked.rows > 1) | (booked.legs > LEGS)
    twice[: len(evidence.accounts.rows)] |= evidence.accounts.rows > 1
    return twice


def _wrong_amount(evidence: Evidence, booked: Booked | None) -> Bools:
    """Tell which settled commands moved other amounts or currencies than the pool's."""
    if booked is None:
        return np.zeros(len(evidence.shard), np.bool_)
    shard = evidence.shard
    currencies = np.array(shard.config.currencies, dtype=np.object_)
    own_currency = currencies[shard.currency[evidence.account]]
    moves_money = (booked.outcome & Outcome.SETTLED != 0) & (shard.kind != Kind.ACCOUNT)
    right = (
        (booked.own_minor == expected_own_minor(evidence))
        & (booked.other_minor == expected_other_minor(evidence))
        & (booked.own_currency == own_currency)
        & (booked.other_currency == currencies[shard.credit_currency])
        & ~astray(evidence)
    )
    if booked.by_events:
        # They tell of one leg, and of none where they have no amount.
        right = (booked.own_minor == expected_own_minor(evidence)) & ~astray(evidence)
        right = (right & (booked.own_currency == own_currency)) | (booked.legs == 0)
    moved_at_all = booked.legs > 0
    # Whatever a hostile command moved, it is the outcome that is wrong.
    wrong: Bools = np.where(moves_money, ~right & ~evidence.inert, moved_at_all)
    return wrong


def astray(evidence: Evidence) -> Bools:
    """Tell which commands were posted to another account than their own."""
    booked, accounts = evidence.booked, evidence.accounts
    assert booked is not None
    assert accounts is not None
    known = (accounts.rows == 1)[evidence.account] & ~evidence.inert
    elsewhere = known & (booked.account_id != accounts.account_id[evidence.account])
    stray: Bools = (booked.legs > 0) & (elsewhere | (booked.own_minor != booked.landed_minor))
    return stray


def _wrong_outcome(evidence: Evidence, final: Ints, invalid: Bools) -> Bools:
    """Tell which outcomes, by the book, as observed or as answered, are not in the expected set.

    A replay's is its original's final outcome, and while there is none, its original's set.
    """
    expected = right_outcomes(evidence, final)
    given = final | evidence.seen.outcomes | np.where(invalid, Outcome.INVALID, 0)
    wrong: Bools = (given & ~expected) != 0
    return wrong


def right_outcomes(evidence: Evidence, final: Ints) -> Ints:
    """Return the sets of right outcomes, given the final ones."""
    rows, originals = evidence.replays.rows, evidence.replays.originals
    right = evidence.expected.copy()
    right[rows] = np.where(final[originals] != 0, final[originals], right[originals])
    return right


def _late(evidence: Evidence, deadline_ns: int | Ints, epoch_utc_ns: int) -> Bools:
    """Tell which outcomes came after the deadline: by observation, or else by the book's time."""
    seen, booked = evidence.seen, evidence.booked
    ended_ns = seen.completed_ns
    if booked is not None:
        by_book = np.where(booked.decided_ns > 0, booked.decided_ns - epoch_utc_ns, NEVER)
        ended_ns = np.where(ended_ns == NEVER, by_book, ended_ns)
    known = (ended_ns != NEVER) & (seen.intended_ns != NEVER)
    took_ns = np.where(known, ended_ns, 0) - np.where(known, seen.intended_ns, 0)
    late: Bools = known & (took_ns > deadline_ns)
    return late

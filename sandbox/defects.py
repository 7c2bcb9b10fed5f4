"""Defects: ways in which this platform can be wrong on purpose, so that checks can be checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

LOSE = "lose"
STALL = "stall"
ERROR_ANSWER = "error-answer"
APPLY_TWICE = "apply-twice"
APPLY_ON_RETRY = "apply-on-retry"
APPLY_ON_RACE = "apply-on-race"
NO_POSTINGS = "no-postings"
DROP_LEG = "drop-leg"
WRONG_AMOUNT = "wrong-amount"
ROUND_UP = "round-up"
WRONG_RATE = "wrong-rate"
SWAP_ACCOUNTS = "swap-accounts"
LOSE_UPDATE = "lose-update"
OVERDRAW = "overdraw"
IGNORE_LIMIT = "ignore-limit"
EXCLUSIVE_LIMIT = "exclusive-limit"
REJECT = "reject"
REJECT_UNDETERMINED = "reject-undetermined"
WRONG_REASON = "wrong-reason"
TAKE_BACK = "take-back"
REORDER = "reorder"
FORGET = "forget"
LOSE_EVENT = "lose-event"
REPEAT_EVENT = "repeat-event"
NEW_EVENT_ID = "new-event-id"
LOSE_REPLY = "lose-reply"
MISDIRECT_REPLY = "misdirect-reply"
CORRUPT_REPLY = "corrupt-reply"

DEFECTS: dict[str, str] = {
    LOSE: "acknowledge a command, then forget it: never decided, in no statement",
    STALL: "acknowledge a command and never decide it",
    ERROR_ANSWER: "answer a payment with 422, and carry it out all the same",
    APPLY_TWICE: "post a settled transaction or payment twice: both in its row and in the balance",
    APPLY_ON_RETRY: "apply a settled command once more when it comes again",
    APPLY_ON_RACE: "apply a command twice when it comes again before it is decided",
    NO_POSTINGS: "settle a command and post nothing",
    DROP_LEG: "post a settled command to its account alone, and not to clearing",
    WRONG_AMOUNT: "post one per cent too much",
    ROUND_UP: "credit one minor unit too much in another currency",
    WRONG_RATE: "credit another currency at a rate that is two per cent too high",
    SWAP_ACCOUNTS: "post a command to another account of the same currency",
    LOSE_UPDATE: "overwrite a balance with one that was read before the last decision",
    OVERDRAW: "settle a payment for which there is not enough money",
    IGNORE_LIMIT: "settle a payment above a limit",
    EXCLUSIVE_LIMIT: "reject a payment that meets a limit exactly",
    REJECT: "reject a payment that there is nothing against",
    REJECT_UNDETERMINED: "reject a payment once its account was asked for more than is surely there",
    WRONG_REASON: "reject rightly, for a reason that is not the right one",
    TAKE_BACK: "tell that a payment is settled, and then that it is rejected",
    REORDER: "decide a command after the others that wait for the same account",
    FORGET: "with --ledger: write to the database every two seconds, and wait for nothing",
    LOSE_EVENT: "publish no event on a decision",
    REPEAT_EVENT: "publish the event on a decision twice, under the same event id",
    NEW_EVENT_ID: "publish a second event on a decision, under another event id",
    LOSE_REPLY: "over MQ: never send the final reply to a command",
    MISDIRECT_REPLY: "over MQ: send a final reply under the correlation id of another command",
    CORRUPT_REPLY: "over MQ: cut a final reply off in its middle",
}
"""Name -> what goes wrong. Help and documentation are made from this table."""


class Defects:
    """The defects switched on, each with the share of commands that it hits, 0 to 1.

    Whether a command is hit is a pure function of seed, defect and command id: the same commands
    are hit whatever the order of arrival, the channel or the number of re-sends.
    """

    def __init__(self, rates: Mapping[str, float], seed: int = 0) -> None:
        self._seed = seed
        self._thresholds = {name: rate * 2**64 for name, rate in rates.items() if rate > 0}
        self._struck: dict[str, set[str]] = {name: set() for name in self._thresholds}

    def hits(self, name: str, command_id: str) -> bool:
        """Say whether the defect is on and `command_id` is among the commands it hits."""
        threshold = self._thresholds.get(name)
        if threshold is None:
            return False
        key = f"{self._seed}/{name}/{command_id}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest()) < threshold

    def is_on(self, name: str) -> bool:
        """Say whether a defect is on at all."""
        return name in self._thresholds

    def strikes(self, name: str, command_id: str) -> bool:
        """Say the same where the defect is about to take effect, and note that it does."""
        hits = self.hits(name, command_id)
        if hits:
            self.count(name, command_id)
        return hits

    def count(self, name: str, command_id: str) -> None:
        """Note that the defect took effect on a command."""
        self._struck[name].add(command_id)

    def struck_by(self, name: str) -> frozenset[str]:
        """Return the ids of the commands on which a defect took effect so far."""
        return frozenset(self._struck.get(name, ()))

    def struck(self) -> dict[str, int]:
        """Return on how many commands each defect that is on took effect so far."""
        return {name: len(ids) for name, ids in self._struck.items()}


def parse_rates(texts: Iterable[str]) -> dict[str, float]:
    """Read texts such as "lose=0.01" into name -> rate.

    Raises ValueError naming every problem, one a line, with the value and what would be right.
    """
    rates: dict[str, float] = {}
    problems = []
    for text in texts:
        try:
            name, rate = _parse_rate(text)
        except ValueError as error:
            problems.append(str(error))
            continue
        if name in rates:
            problems.append(f"{text!r}: {name} is given twice; give each defect once")
        rates[name] = rate
    if problems:
        raise ValueError("\n".join(problems))
    return rates


def _parse_rate(text: str) -> tuple[str, float]:
    name, equals, rate_text = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} has no '=': write NAME=RATE, such as {LOSE}=0.01")
    if name not in DEFECTS:
        raise ValueError(f"{text!r}: there is no defect {name!r}, only {', '.join(DEFECTS)}")
    try:
        rate = float(rate_text)
    except ValueError:
        raise ValueError(f"{text!r}: the rate {rate_text!r} must be a number from 0 to 1") from None
    if not 0 <= rate <= 1:
        raise ValueError(f"{text!r}: the rate {rate_text} must be from 0 to 1")
    return name, rate

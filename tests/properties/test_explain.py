"""The explanation of a set of right outcomes is worked out on its own, and is the oracle's set."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data import oracle
from e2e_data.commands import Account, AccountType, Command, Kind, Label, Outcome
from e2e_data.explain import reason_of
from e2e_data.money import from_wire

# Few amounts, so that sums meet limits and balances exactly, and miss them by one.
amounts = st.sampled_from([1, 2, 49, 50, 51, 99, 100, 101, 149, 150, 151, 300])
labels = st.one_of(
    st.just(Label.NONE), st.sampled_from([label for label in Label if not label.is_replay])
)


@st.composite
def histories(draw: st.DrawFn) -> list[Command]:
    """Everything that happens to one account."""
    account = Account(
        *(0, 0, draw(st.sampled_from(["JPY", "EUR", "KWD"])), "001", AccountType.SAVINGS),
        limit_based=draw(st.booleans()),
        opening_balance_minor=draw(amounts),
        limits_minor=(draw(amounts), 500, 500, 500, 500),
    )
    kinds = [Kind.ACCOUNT, Kind.OPENING_CREDIT]
    kinds += [Kind.FUNDING] * draw(st.integers(0, 3)) + [Kind.PAYMENT] * draw(st.integers(0, 6))
    history: list[Command] = []
    for index, kind in enumerate(kinds):
        label, original = Label.NONE, None
        if kind is Kind.PAYMENT:
            label = draw(labels)
            plain = [
                one.index
                for one in history
                if one.kind is kind and one.label < Label.UNKNOWN_ACCOUNT
            ]
            if plain and draw(st.booleans()):
                label = draw(st.sampled_from([Label.REPLAY, Label.RACING_REPLAY]))
                original = draw(st.sampled_from(plain))
        amount = account.opening_balance_minor if kind is Kind.OPENING_CREDIT else draw(amounts)
        history.append(
            Command(
                *(0, index, kind, account, amount, amount, account.currency, "", None, 0),
                expected=Outcome.NONE,
                label=label,
                original=original,
            )
        )
    return history


def expected_by_the_oracle(history: list[Command]) -> list[Outcome]:
    """The sets of the payments of one account, as the oracle works them out over columns."""
    account = history[0].account
    funding = [one for one in history if one.kind is Kind.FUNDING]
    payments = [one for one in history if one.kind is Kind.PAYMENT]
    row = {one.index: row for row, one in enumerate(payments)}
    book = oracle.Book(
        limit_based=np.array([account.limit_based]),
        minute_limit_minor=np.array([account.limits_minor[0]]),
        opening_balance_minor=np.array([account.opening_balance_minor]),
        funding_account=np.zeros(len(funding), dtype=np.int32),
        funding_minor=np.array([one.amount_minor for one in funding], dtype=np.int64),
        payment_account=np.zeros(len(payments), dtype=np.int32),
        payment_minor=np.array([one.amount_minor for one in payments], dtype=np.int64),
        payment_label=np.array([one.label for one in payments], dtype=np.uint8),
        payment_original=np.array(
            [-1 if one.original is None else row[one.original] for one in payments], dtype=np.int64
        ),
    )
    return [Outcome(flags) for flags in oracle.expected_of_payments(book).tolist()]


@given(history=histories())
def test_the_reason_agrees_with_the_oracle(history: list[Command]) -> None:
    """Whatever happens to an account, each payment's reason gives the oracle's very set."""
    payments = [one for one in history if one.kind is Kind.PAYMENT]
    reasons = [reason_of(one, history) for one in payments]
    assert [reason.expected for reason in reasons] == expected_by_the_oracle(history)


def figures(sentence: str, currency: str) -> list[int]:
    """The amounts that a sentence names, in minor units."""
    found = re.findall(rf"[\d,]+(?:\.\d+)?(?= {currency})", sentence)
    return [from_wire(text.replace(",", ""), currency) for text in found]


@given(history=histories())
def test_the_sentence_agrees_with_its_set(history: list[Command]) -> None:
    """What is called above is above, what is called not above is not, by the figures told."""
    account = history[0].account
    bound = account.limits_minor[0] if account.limit_based else account.opening_balance_minor
    for one in (one for one in history if one.kind is Kind.PAYMENT and not one.label.is_hostile):
        reason = reason_of(one, history)
        told = figures(reason.sentence, account.currency)
        assert bound in told
        if reason.expected == Outcome.REJECTED:
            assert reason.sentence.startswith("above ")
            assert one.amount_minor > told[-1]
        elif reason.expected == Outcome.SETTLED:
            assert "not above" in reason.sentence
            assert one.amount_minor <= told[0] <= told[1] == bound
        else:
            assert reason.sentence.startswith("either, because ")
            assert told[0] > told[1] == bound
            assert one.amount_minor <= told[-1]


@given(history=histories())
def test_hostile_commands_are_told_by_their_label(history: list[Command]) -> None:
    """A hostile command's reason is what it is; a replay's is its original's, which is named."""
    for one in (one for one in history if one.label.is_hostile):
        sentence = reason_of(one, history).sentence
        if one.original is None:
            assert sentence.startswith(f"hostile: {one.label.text}, which ")
        else:
            original = next(other for other in history if other.index == one.original)
            assert f"a replay of 0:{one.original}," in sentence
            assert sentence.endswith(reason_of(original, history).sentence)


@pytest.mark.parametrize("kind", [Kind.ACCOUNT, Kind.OPENING_CREDIT, Kind.FUNDING])
@given(history=histories())
def test_credits_are_settled(kind: Kind, history: list[Command]) -> None:
    """Nothing that comes before the payments can be rejected."""
    for one in history:
        if one.kind is kind:
            assert reason_of(one, history).expected == Outcome.SETTLED

"""A budget: what a run may spend before it stops by itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from locustfiles.plan_parts.budget import Budget


@pytest.mark.parametrize(
    ("budget", "commands", "seconds", "told"),
    [
        (Budget(), 10**9, 10**9, []),
        (Budget(commands=1000), 999, 0, []),
        (Budget(commands=1000), 1000, 0, ["1,000 commands were sent, of 1,000"]),
        (Budget(duration_s="1m"), 0, 59.9, []),
        (Budget(duration_s="1m"), 0, 60, ["it took 60 s, of 60"]),
        (Budget(cost=10, cost_per_command=0.01), 999, 9999, []),
        (Budget(cost=10, cost_per_command=0.01), 1000, 0, ["it cost 10.00, of 10.00"]),
        (Budget(cost=10, cost_per_hour=5), 0, 7200, ["it cost 10.00, of 10.00"]),
        (Budget(commands=1, duration_s=1), 1, 1,
         ["1 commands were sent, of 1", "it took 1 s, of 1"]),
    ],
)  # fmt: skip
def test_each_limit_is_told_when_it_is_reached(budget, commands, seconds, told):
    """With the value and the limit; without a limit nothing is too much."""
    assert list(budget.spent(commands, seconds, {})) == told


@pytest.mark.parametrize(
    ("moved_minor", "told"),
    [
        ({}, []),
        ({"EUR": 99_999, "JPY": 999}, []),
        ({"EUR": 100_000}, ["1,000.00 EUR were to be moved, of 1,000"]),
        ({"JPY": 1000}, ["1,000 JPY were to be moved, of 1,000"]),
        ({"USD": 10**9}, []),
    ],
)
def test_money_is_counted_by_currency(moved_minor, told):
    """In its minor units, exactly; a currency without a limit may move any amount."""
    budget = Budget(moved={"EUR": 1000, "JPY": 1000})
    assert list(budget.spent(0, 0, moved_minor)) == told


def test_a_cost_that_nothing_adds_to_is_refused():
    """It would never be reached; what a command or an hour costs may be one of both."""
    with pytest.raises(ValidationError, match="cost = 5 is never reached"):
        Budget(cost=5)
    assert Budget(cost=5, cost_per_command=0.01).cost == 5
    assert Budget(cost_per_hour=2).cost is None

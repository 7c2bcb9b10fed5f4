"""Defects hit a fixed share of commands, and their rates are read strictly."""

from __future__ import annotations

from uuid import UUID

import pytest

from sandbox.defects import APPLY_TWICE, DEFECTS, LOSE, Defects, parse_rates

IDS = [str(UUID(int=number)) for number in range(4000)]


def hit(rates, seed=0, ids=IDS, name=LOSE):
    defects = Defects(rates, seed)
    return {command_id for command_id in ids if defects.hits(name, command_id)}


def test_a_hit_depends_on_seed_name_and_id_only():
    """The order of asking changes nothing; another seed or defect hits others."""
    both = {LOSE: 0.5, APPLY_TWICE: 0.5}
    assert hit(both) == hit(both, ids=IDS[::-1])
    assert hit(both) != hit(both, seed=1)
    assert hit(both) != hit(both, name=APPLY_TWICE)


@pytest.mark.parametrize(("rate", "least", "most"), [(0, 0, 0), (0.1, 300, 500), (1, 4000, 4000)])
def test_the_rate_is_the_share_of_commands(rate, least, most):
    """0 hits none, 1 hits all, and what a rate hits a higher one hits too."""
    assert least <= len(hit({LOSE: rate})) <= most
    assert hit({LOSE: rate / 2}) <= hit({LOSE: rate})


def test_rates_are_read():
    """NAME=RATE, from 0 to 1 inclusive."""
    assert parse_rates(["lose=0", "apply-twice=1.0"]) == {LOSE: 0, APPLY_TWICE: 1}
    assert parse_rates([]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lose", "'lose' has no '=': write NAME=RATE"),
        ("loose=1", "there is no defect 'loose', only lose, stall, error-answer, apply-twice"),
        ("lose=often", "the rate 'often' must be a number from 0 to 1"),
        ("lose=1.5", "the rate 1.5 must be from 0 to 1"),
        ("lose=-0.1", "the rate -0.1 must be from 0 to 1"),
        ("lose=nan", "the rate nan must be from 0 to 1"),
        ("lose=", "the rate '' must be a number"),
    ],
)
def test_wrong_rates_say_what_would_be_right(text, message):
    """The value and the remedy are in the message, and every problem is told at once."""
    with pytest.raises(ValueError, match=message) as failed:
        parse_rates([text, "lose=0.5", "lose=0.5"])
    assert "lose is given twice" in str(failed.value)


def test_every_defect_has_one_line_that_says_what_goes_wrong():
    """Help and documentation are made from the table."""
    assert all(what and "\n" not in what for what in DEFECTS.values())

"""The contract is true: what it names exists, what is missing is said to be, and it is short."""

from __future__ import annotations

import re

from e2e_data import config
from e2e_data.commands import COMMAND_TYPES
from e2e_data.model.rules import Rules
from e2e_data.platform import Platform
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan
from tests.contract import CONTRACT, PLAIN


def test_settings_that_are_named_exist():
    """A name in code style that looks like a setting is one: of the pool, the plan, the adapter or its rules."""
    known = {*config.PoolConfig.model_fields, *Plan.model_fields, *Phase.model_fields}
    known |= {*vars(Platform), *vars(Rules)}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = \w+)?`", CONTRACT))
    assert {"limit_based_percentage", "enable_limit_violations", "settle_s"} <= named
    assert named <= known


def test_command_types_are_the_codes():
    """Each command type on the wire is named, and no other."""
    named = re.findall(r"`((?:Create|Initiate)[A-Z]\w+)`", CONTRACT)
    assert set(named) == set(COMMAND_TYPES.values())


def test_what_is_missing_is_said_to_be():
    """The last section names what is planned."""
    missing = PLAIN.partition("## Not in this version")[2]
    for word in ("debits", "Not told apart"):
        assert word in missing


def test_the_document_is_short():
    """A contract that nobody reads binds nobody."""
    assert CONTRACT.count("\n") < 520

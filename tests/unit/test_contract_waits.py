"""The contract is true: how long a run waits, and what it does not send, are the code's."""

from __future__ import annotations

import inspect

from e2e_data.commands import Label
from locustfiles import bindings
from locustfiles.completions import PollingSource
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan
from locustfiles.replays import WHY_NOT_COMPLETE
from reports import book
from tests.contract import PLAIN, table


def test_times_are_the_plans_defaults():
    """Settle time, deadline, time-out, polling intervals and tries at the statements."""
    for setting, model in (
        ("settle_s", Phase),
        ("completion_deadline_s", Plan),
        ("timeout_s", Plan),
    ):
        assert f"`{setting}` ({model.model_fields[setting].default} s)" in PLAIN
    polling = inspect.signature(PollingSource.__init__).parameters
    first_ms = polling["first_wait_ns"].default // 10**6
    longest_ms = polling["longest_wait_ns"].default // 10**6
    assert f"first {first_ms} ms after the answer" in PLAIN
    assert f"double up to {longest_ms:,} ms" in PLAIN
    assert f"until their `asOf` agree, {book.TRIES} times at most" in PLAIN


def test_reasons_for_blocking_are_the_codes():
    """What each kind needs before it is sent, and what is said where that is missing."""
    *stages, unbound, (repeats, _, why) = table("to send")
    assert (repeats, why) == (Label.REPLAY.text, WHY_NOT_COMPLETE)
    shown = {name: why for names, _, why in stages for name in names.split(", ")}
    needs = {kind: stage for kind, stage in bindings.NEEDS.items() if stage}
    assert shown == {
        kind.label: bindings.WHY_BLOCKED[bindings.Stage(stage - 1)] for kind, stage in needs.items()
    }
    assert unbound[2] == bindings.WHY_UNBOUND

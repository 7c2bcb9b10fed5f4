"""The verdict can be bad: each defect of the sandbox is found, named and counted exactly."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, Sandbox, run
from tests.mq_parts import needs_ibmmq

FAST = ["--set", "phases.payments.rate_per_s=200"]
IMPATIENT = [
    text
    for phase in ("accounts", "opening-credits", "payments")
    for text in ("--set", f"phases.{phase}.settle_s=1.5")
]


@pytest.mark.parametrize(
    ("defect", "channel", "finding", "invariant"),
    [
        ("lose", "http", "lost in the platform", "1"),
        ("lose-event", "kafka", "lost after the platform", "7"),
        pytest.param("lose-reply", "mq", "lost after the platform", "7", marks=needs_ibmmq),
    ],
)
def test_a_defect_is_the_one_cause_that_is_named(
    defect: str,
    channel: str,
    finding: str,
    invariant: str,
    sandbox: Callable[..., Sandbox],
    runs: list[str],
) -> None:
    """A platform with a defect ends with exit 20, its one finding named, and counted to the command."""
    port = [] if channel == "http" else [f"--{channel}-port", "0"]
    platform = sandbox("--defect", f"{defect}=0.05", "--seed", "4", *port)
    over = ["--channels", f"{channel}=100"]
    if channel == "kafka":
        over += ["--set", f'kafka.bootstrap="{platform.kafka}"']
    if channel == "mq":
        over += ["--set", f'mq.hosts=["{platform.mq}"]', "--set", "mq.binding='sandbox'"]
    host = ["--host", platform.url]
    ended = run([*PAYSTORM, "run", "smoke", *host, *over, *FAST, *IMPATIENT, *runs])
    struck = re.search(rf"{defect}\D*(\d+)", platform.end())
    assert ended.code == Exit.NOT_RIGHT, ended.out + ended.err
    assert struck is not None
    assert ended.findings() == {finding: int(struck[1])}
    status = {check["invariant"]: check["status"] for check in ended.summary["checks"]}
    assert status[invariant] == "violated"
    cases = next(c for c in ended.summary["checks"] if c["invariant"] == invariant)["findings"][0]
    for which in ("first", "worst", "last"):
        assert re.fullmatch(r"[0-9a-f-]{36}", cases[which]["command_id"])
        assert cases[which]["command_id"] in (ended.directory / "report.html").read_text()
    assert finding in ended.out

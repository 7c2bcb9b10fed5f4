"""The trial: one account's life, and the step at which it is not understood."""

from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from click.testing import CliRunner
from rich.console import Console

from e2e_data.exits import Exit
from e2e_data.problems import Problems
from locustfiles import trial
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.trial import Trial, TrialError
from paystorm import main
from tests.helpers_wire import answer, serving

ROWS = b'{"asOf":0,"rows":0}\n'


class Fake:
    """A platform that accepts everything and decides as the trial's commands want it.

    That is: it settles all but the payment, which is above its account's limit.
    """

    def __init__(self) -> None:
        self.said: dict[str, bytes] = {}
        """What is answered to a request whose line begins so, instead of what is right."""
        self.sent: list[dict] = []
        self.asks_for = ""
        """A header line without which nobody is let in."""

    def __call__(self, connection, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        line, *headers = head.decode().splitlines()
        if self.asks_for and self.asks_for not in headers:
            connection.sendall(answer(b"", "401 Unauthorized"))
            return
        if body:
            self.sent.append(json.loads(body))
        for begin, said in self.said.items():
            if line.startswith(begin):
                connection.sendall(said)
                return
        connection.sendall(self.right(line))

    def right(self, line: str) -> bytes:
        if line.startswith("GET /api/statements"):
            return answer(ROWS, "200 OK")
        if line.startswith("GET /api/commands"):
            return answer(b'{"status":"SETTLED"}', "200 OK")
        account = ',"accountId":"acc-1"' if line.startswith("POST /api/accounts") else ""
        return answer(f'{{"status":"ACCEPTED"{account}}}'.encode())


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def walk(fake, monkeypatch):
    """Walk through the fake platform, and return what was printed."""
    monkeypatch.setattr(trial, "ASK_AGAIN_S", 0)
    monkeypatch.setattr(trial, "ANSWER_S", 0.2)
    monkeypatch.setattr(trial, "DECISION_S", 0)
    out = StringIO()

    def walked(spec=None, http=None):
        with serving(fake) as peer:
            Trial(str(peer.origin), spec, Console(file=out, width=200), http).walk()
        return out.getvalue()

    walked.out = out
    return walked


def test_one_command_of_each_kind_is_sent(fake, walk):
    """An account is created, opened, funded and pays, under the id that the platform gave it."""
    text = walk()
    assert text.rstrip().endswith(
        "every step was understood: commands out, answers and outcomes back"
    )
    created, opened, funded, paid = fake.sent
    assert "customerId" in created
    assert opened["accountId"] == funded["accountId"] == paid["debitAccountId"] == "acc-1"
    assert opened["description"] == "Opening credit"


def test_everything_is_shown(walk):
    """What goes out and what comes back is printed, with how it was read."""
    lines = walk().splitlines()
    for shown in (
        "-> POST /api/accounts",
        "   Content-Type: application/json",
        '<- 202 {"status":"ACCEPTED","accountId":"acc-1"}',
        "  read as: accepted ",
        '<- 200 {"status":"SETTLED"}',
        "  read as: settled ",
        "-> POST /api/payments",
    ):
        assert shown in lines
    assert sum(line.startswith("-> GET /api/commands/") for line in lines) == 4
    keys = [line for line in lines if line.startswith("   Idempotency-Key: ")]
    assert len(set(keys)) == 4


REFUSED = answer(b'{"error":"x","reason":"no such thing"}', "422 Unprocessable")


@pytest.mark.parametrize(
    ("line", "said", "step"),
    [
        (
            "POST /api/accounts",
            REFUSED,
            "account: read_acknowledgement reads this answer as INVALID",
        ),
        (
            "POST /api/accounts",
            answer(b"", "429 Slow Down"),
            "account: read_acknowledgement reads this answer as REFUSED",
        ),
        (
            "POST /api/accounts",
            answer(b"", "500 Oops"),
            "account: read_acknowledgement reads this answer as UNKNOWN",
        ),
        (
            "POST /api/accounts",
            answer(b'{"status":"ACCEPTED"}'),
            "account: read_acknowledgement found no account id in the answer",
        ),
        (
            "POST /api/transactions",
            REFUSED,
            "opening credit: read_acknowledgement reads this answer as INVALID",
        ),
        (
            "POST /api/payments",
            REFUSED,
            "payment: read_acknowledgement reads this answer as INVALID",
        ),
        (
            "POST /api/payments",
            b"oops\r\n\r\n",
            "payment: send: POST /api/payments: not HTTP: ",
        ),
        (
            "GET /api/commands",
            answer(b'{"status":"PENDING"}', "200 OK"),
            "account: read_status finds no final outcome within 0 s",
        ),
        (
            "GET /api/commands",
            answer(b"", "404 Not Found"),
            "account: read_status finds no final outcome within 0 s",
        ),
        (
            "GET /api/commands",
            answer(b'{"status":"REJECTED","reason":"x"}', "200 OK"),
            "account: the platform says rejected, where settled is correct",
        ),
        ("GET /api/commands", b"", "account: outcome: GET /api/commands/"),
    ],
)
def test_the_step_that_failed_is_named(fake, walk, line, said, step):
    """Each misunderstanding ends the trial with the step at which it came up."""
    fake.said[line] = said
    with pytest.raises(TrialError) as failed:
        walk()
    assert str(failed.value).startswith(step)


ADAPTER = """
from e2e_data.platform import Platform

class Mine(Platform):
    def {step}(self, given):
        raise KeyError("no such field")
"""


@pytest.mark.parametrize(
    "step", ["http_command", "read_acknowledgement", "http_status", "read_status"]
)
def test_an_adapters_own_fault_is_named(walk, tmp_path, step):
    """When a step of the adapter raises, the trial says which one, and what it raised."""
    file = tmp_path / "mine.py"
    file.write_text(ADAPTER.format(step=step))
    with pytest.raises(TrialError, match=rf"account: {step} raised KeyError\('no such field'\)"):
        walk(f"{file}:Mine")


@pytest.mark.parametrize("reason", ["[/red] over", "[bold]big[/bold]", "x\\u001b[31my"])
def test_a_platforms_words_are_text(fake, walk, reason):
    """What a platform says is shown as it is: no markup, and nothing that a terminal would obey."""
    fake.said["POST /api/accounts"] = answer(
        f'{{"error":"x","reason":"{reason}"}}'.encode(), "400 Bad"
    )
    with pytest.raises(TrialError):
        walk()
    shown = reason.replace("\\u001b", "?")
    assert f"  read as: invalid {shown}" in walk.out.getvalue().splitlines()
    assert "\x1b" not in walk.out.getvalue()


def test_a_long_answer_is_cut(fake, walk):
    """An answer is shown up to a bound, and read whole."""
    padded = b'{"status":"ACCEPTED","accountId":"acc-1","pad":"%b"}' % (b"x" * 9000)
    fake.said["POST /api/accounts"] = answer(padded)
    assert re.search(r"^<- 202 .{2000}$", walk(), re.MULTILINE)


def test_a_platform_that_is_not_there(monkeypatch):
    """Where nothing listens, the trial does not begin, and says what to do."""
    with serving(lambda *_: None) as peer:
        url = str(peer.origin)
    with pytest.raises(Problems, match=f"nothing answers at {url}"):
        Trial(url, None, Console(file=StringIO()))


@pytest.mark.parametrize("said", [answer(b"<html>", "200 OK"), answer(ROWS, "403 Forbidden")])
def test_a_server_that_is_no_platform(fake, said):
    """A server that answers something else is told from a platform before anything is sent."""
    fake.said["GET /api/statements"] = said
    with serving(fake) as peer, pytest.raises(Problems, match="is not the payments platform of"):
        Trial(str(peer.origin), None, Console(file=StringIO()))
    assert not fake.sent


TOKEN = "not-for-anybody"


def test_a_plans_settings_let_the_trial_in(fake, walk, monkeypatch):
    """Headers and credentials go with each request; their values are shown to nobody."""
    monkeypatch.setenv("TRIAL_TOKEN", TOKEN)
    fake.asks_for = f"Authorization: Bearer {TOKEN}"
    http = HttpSettings(headers={"X-Tenant": "bank-1"}, bearer_token="env:TRIAL_TOKEN")
    shown = walk(http=http)
    assert "every request also has the plan's headers: X-Tenant, Authorization" in shown
    assert TOKEN not in shown
    assert "bank-1" not in shown


def test_without_credentials_the_trial_is_not_let_in(fake, walk):
    """A platform that asks for a token is not taken for one that is not there."""
    fake.asks_for = f"Authorization: Bearer {TOKEN}"
    with pytest.raises(Problems, match="401"):
        walk()


def test_a_missing_secret_ends_the_trial_before_it_begins(walk, monkeypatch):
    """Nothing is sent without it."""
    monkeypatch.delenv("TRIAL_TOKEN", raising=False)
    with pytest.raises(Problems, match="TRIAL_TOKEN"):
        walk(http=HttpSettings(bearer_token="env:TRIAL_TOKEN"))


KEY = "KEY_OF_THE_TRIAL"
PLAN = """
name = "mine"

[http]
client = "{client}"
headers = {{ X-Api-Key = "env:KEY_OF_THE_TRIAL" }}

[phases.accounts]
sends = ["account"]
rate_per_s = 10
"""


@pytest.mark.parametrize("client", ["lean", "fast"])
def test_the_command_sends_as_a_plan_says(fake, tmp_path, monkeypatch, client):
    """`paystorm try --plan` comes with the plan's credentials, by its client, and shows no secret."""
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    monkeypatch.setenv(KEY, "open-sesame")
    fake.asks_for = "X-Api-Key: open-sesame"
    plan = tmp_path / "mine.toml"
    plan.write_text(PLAN.format(client=client))
    with serving(fake) as peer:
        told = CliRunner().invoke(main, ["try", "--host", str(peer.origin), "--plan", str(plan)])
        alone = CliRunner().invoke(main, ["try", "--host", str(peer.origin)])
    assert told.exit_code == Exit.GOOD, told.output
    assert "every request also has the plan's headers: X-Api-Key" in told.output
    assert "every step was understood" in told.output
    assert "open-sesame" not in told.output
    assert len(fake.sent) == 4
    assert alone.exit_code == Exit.WRONG_USE


def test_a_plan_allows_a_trial_what_it_allows_a_run(tmp_path):
    """The allow-list of the plan holds for `paystorm try`, and without it the address is refused."""
    plan = tmp_path / "mine.toml"
    plan.write_text('allow = ["*.invalid"]' + PLAN.format(client="lean"))
    away = ["try", "--host", "http://pay.invalid"]
    assert "not on the allow-list" in CliRunner().invoke(main, away).output
    allowed = CliRunner().invoke(main, [*away, "--plan", str(plan)], env={KEY: "x"})
    assert "no address" in allowed.output
    several = CliRunner().invoke(main, away, env={"PAYSTORM_ALLOW": "mq.invalid:1414,*.invalid"})
    assert "no address" in several.output

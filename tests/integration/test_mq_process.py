"""The sandbox with MQ as its users meet it: one process or two, killed, restarted, ended."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from uuid import uuid4

import pytest

from sandbox import mqbinding
from tests.mq_parts import needs_ibmmq
from tests.mq_process import END_S, ROOT, platform, queue_manager, sandbox

pytestmark = needs_ibmmq

USD_100 = {"amount": 100.00, "currencyCode": "USD"}
WAIT_MS = 20_000


class Sender:
    """A program that sends commands and takes their replies."""

    def __init__(self, address, *login):
        mqbinding.install()
        import ibmmq

        self.mq, self.codes = ibmmq, ibmmq.CMQC
        self.qm = ibmmq.connect("QM1", "DEV.APP.SVRCONN", address, *login)
        self.commands = ibmmq.Queue(self.qm, "COMMAND.QUEUE", self.codes.MQOO_OUTPUT)
        self.replies = ibmmq.Queue(self.qm, "REPLY.QUEUE", self.codes.MQOO_INPUT_SHARED)

    def send(self, command_type, payload, command_id=None, *, persistent=False):
        """Send a command; returns its id and the CorrelId that the replies will have."""
        command_id, correl_id = command_id or str(uuid4()), uuid4().bytes + b"12345678"
        envelope = {
            "messageId": str(uuid4()),
            "commandId": command_id,
            "correlationId": correl_id.hex(),
            "timestamp": "2026-11-20T12:00:00Z",
            "commandType": command_type,
            "payload": payload,
            "replyTo": "REPLY.QUEUE",
        }
        md = self.mq.MD(
            MsgType=self.codes.MQMT_REQUEST,
            Format=self.codes.MQFMT_STRING,
            CodedCharSetId=1208,
            CorrelId=correl_id,
            ReplyToQ="REPLY.QUEUE",
            Persistence=int(persistent),
        )
        self.commands.put(json.dumps(envelope).encode(), md)
        return command_id, correl_id

    def reply(self, correl_id, wait_ms=WAIT_MS):
        gmo = self.mq.GMO(
            Options=self.codes.MQGMO_WAIT,
            WaitInterval=wait_ms,
            MatchOptions=self.codes.MQMO_MATCH_CORREL_ID,
        )
        return json.loads(self.replies.get(None, self.mq.MD(CorrelId=correl_id), gmo))

    def done(self, *sent, **how):
        """Send a command, and return its final reply."""
        command_id, correl_id = self.send(*sent, **how)
        accepted, final = self.reply(correl_id), self.reply(correl_id)
        assert accepted["status"] == "ACCEPTED"
        assert {accepted["commandId"], final["commandId"]} == {command_id}
        return final

    def open_account(self, **how):
        payload = {
            "customerId": str(uuid4()),
            "currencyCode": "USD",
            "transitNumber": "001",
            "accountType": "SAVINGS",
            "limitBased": False,
        }
        return self.done("InitiateCreateAccountProcess", payload, **how)["accountId"]


def credit(account):
    return {
        "accountId": account,
        "transactionType": "CREDIT",
        "amount": USD_100,
        "description": "Opening credit",
    }


def payment(account, amount):
    return {
        "customerId": str(uuid4()),
        "debitAccountId": account,
        "debitAmount": amount,
        "creditAmount": amount,
        "valueDate": "2026-11-20",
        "beneficiary": {
            "name": "A Payee",
            "accountNumber": "ACC000000001",
            "transitNumber": "001",
            "bankName": "A Bank",
        },
        "description": "Rent",
    }


def statement(url, name):
    with urllib.request.urlopen(f"{url}/api/statements/{name}", timeout=10) as answer:
        return [json.loads(line) for line in answer][:-1]


def lived(sender):
    """Open an account, credit it and pay from it once too often; return its id, and the three replies."""
    account = sender.open_account()
    finals = [
        sender.done("CreateTransactionCommand", credit(account)),
        sender.done("InitiateSimplePaymentCommand", payment(account, USD_100)),
        sender.done("InitiateSimplePaymentCommand", payment(account, USD_100)),
    ]
    told = [(final["status"], final["reason"]) for final in finals]
    assert told == [("SETTLED", None), ("SETTLED", None), ("REJECTED", "INSUFFICIENT_FUNDS")]
    return account, finals


def test_an_accounts_life_over_mq():
    """Opened, credited, paid from, refused; the statements over HTTP say the same."""
    with platform("--mq-port", "0") as running:
        sender = Sender(running.mq)
        _, finals = lived(sender)
        rows = statement(running.url, "commands")
        assert [row["commandId"] for row in rows[1:]] == [final["commandId"] for final in finals]
        assert [row["accountSeq"] for row in rows] == [1, 2, 3, 4]
        sender.qm.disconnect()
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == (0, "")


def test_the_readmes_program_runs():
    """As it is written there, but for the port."""
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/mq.md").read_text(), re.S)
    with queue_manager() as running:
        done = subprocess.run(
            [sys.executable, "-c", program.replace("127.0.0.1(1414)", running.mq)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=END_S,
        )
    assert (done.stdout, done.stderr) == ("b'to myself'\n", "")


def test_a_command_over_two_channels_takes_effect_once():
    """Sent over HTTP, and again over MQ: answered as the first was."""
    with platform("--mq-port", "0") as running:
        sender = Sender(running.mq)
        account = sender.open_account()
        command_id = str(uuid4())
        request = urllib.request.Request(
            f"{running.url}/api/transactions",
            json.dumps(credit(account)).encode(),
            {"Idempotency-Key": command_id, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 202
        for _ in range(2):
            final = sender.done("CreateTransactionCommand", credit(account), command_id)
            assert final["status"] == "SETTLED"
        assert statement(running.url, "accounts")[0]["balance"] == 100


def test_persistent_messages_survive_a_queue_manager_that_is_killed(tmp_path):
    """Commands that nobody has read, and replies; others are gone, as IBM's would be."""
    store = ("--mq-store", str(tmp_path / "messages"))
    with queue_manager(*store, to_be_killed=True) as running:
        sender = Sender(running.mq)
        for persistent in (True, False):
            sender.send("CreateTransactionCommand", credit(str(uuid4())), persistent=persistent)
        running.process.kill()
        running.process.wait(END_S)
    with platform("--mq-port", "0", *store, to_be_killed=True) as running:
        sender = Sender(running.mq)
        gmo = sender.mq.GMO(Options=sender.codes.MQGMO_BROWSE_FIRST | sender.codes.MQGMO_WAIT)
        gmo.WaitInterval = WAIT_MS
        browsing = sender.mq.Queue(sender.qm, "REPLY.QUEUE", sender.codes.MQOO_BROWSE)
        first = json.loads(browsing.get(None, sender.mq.MD(), gmo))
        gmo.Options = sender.codes.MQGMO_BROWSE_NEXT | sender.codes.MQGMO_WAIT
        second = json.loads(browsing.get(None, sender.mq.MD(), gmo))
        running.process.kill()
        running.process.wait(END_S)
    assert [first["status"], second["reason"]] == ["ACCEPTED", "UNKNOWN_ACCOUNT"]
    with queue_manager(*store) as running:
        sender = Sender(running.mq)
        for reply in (first, second):
            assert sender.reply(bytes.fromhex(reply["correlationId"])) == reply
        assert reason_of(sender, bytes(24)) == sender.codes.MQRC_NO_MSG_AVAILABLE


def reason_of(sender, correl_id):
    with pytest.raises(sender.mq.MQMIError) as failed:
        sender.reply(correl_id, 0)
    return failed.value.reason


def test_the_platform_is_killed_and_the_queue_manager_lives_on():
    """Commands wait for the platform's next life; a sender stays connected through it all."""
    with queue_manager() as queues:
        sender = Sender(queues.mq)
        with platform("--mq-at", queues.mq, to_be_killed=True) as running:
            sender.open_account()
            running.process.kill()
            running.process.wait(END_S)
        waiting = [sender.send("CreateTransactionCommand", credit(str(uuid4()))) for _ in range(20)]
        with platform("--mq-at", queues.mq) as running:
            for command_id, correl_id in waiting:
                statuses = [sender.reply(correl_id)["status"] for _ in range(2)]
                assert statuses == ["ACCEPTED", "REJECTED"], command_id
            assert len(statement(running.url, "commands")) == 20
            running.process.send_signal(signal.SIGTERM)
            assert running.ended() == (0, "")
        assert sender.qm.is_connected


def test_the_queue_manager_comes_and_goes_and_the_platform_connects_again():
    """Told once on its log; what it could not say meanwhile it says then."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with platform("--mq-at", f"127.0.0.1({port})") as running:
        for _ in range(2):
            with sandbox("--mq-only", "--mq-port", str(port)) as queues:
                Sender(queues.mq).open_account()
        running.process.send_signal(signal.SIGTERM)
        code, complaints = running.ended()
    assert code == 0
    assert f"no queue manager answers at 127.0.0.1({port})" in complaints
    assert complaints.count("\n") < 20


def test_what_cannot_listen_is_one_clear_line(tmp_path):
    """The option and the remedy; also where another queue manager has the file."""
    store = str(tmp_path / "messages")
    with queue_manager("--mq-store", store) as running:
        for options, words in (
            (["--mq-port", str(running.port)], "choose another --mq-port, or 0 for any"),
            (["--mq-port", "0", "--mq-store", store], "another queue manager uses this file"),
        ):
            ended = subprocess.run(
                [sys.executable, "-m", "sandbox", "--http-port", "0", *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=END_S,
            )
            assert (ended.returncode, ended.stdout) == (2, "")
            assert ended.stderr.startswith("Error: ")
            assert words in ended.stderr
            assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("only", [(), ("--mq-only",)])
def test_it_tells_people_what_it_is(only):
    """Where it listens, and that it is not IBM MQ."""
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "sandbox",
            "--http-port",
            "0",
            "--mq-port",
            "0",
            "--stop-with-stdin",
            *only,
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=END_S,
    )
    assert ended.returncode == 0
    assert "sandbox: a stand-in queue manager, not IBM MQ, listening on 127.0.0.1(" in ended.stdout
    assert ended.stdout.endswith("): QM1, channel DEV.APP.SVRCONN\n")
    assert ("payments platform" in ended.stdout) is not bool(only)

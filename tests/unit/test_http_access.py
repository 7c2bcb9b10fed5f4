"""Credentials: read from where they are kept, renewed in time, and never shown."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import parse_qs

import gevent
import pytest
from pydantic import ValidationError

from e2e_data.platform import HttpRequest
from e2e_data.problems import Problems
from locustfiles.channels import access as access_module
from locustfiles.channels.access import Access, Token
from locustfiles.channels.credentials import access_to
from locustfiles.channels.faults import NoTokenError
from locustfiles.channels.gate import Gate
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from locustfiles.channels.secret import Secret
from tests.helpers_wire import answer, serving

ORIGIN = Origin("http", "pay.example", 80)
GET = HttpRequest("GET", "/")
PATIENT_S = 60


def settings(**table) -> HttpSettings:
    return HttpSettings.model_validate(table)


def token_answer(**fields) -> bytes:
    return answer(json.dumps(fields).encode(), "200 OK")


# -- secrets ----------------------------------------------------------------------------------


def test_a_secret_is_read_from_the_environment_or_a_file(monkeypatch, tmp_path):
    """A plan names where a secret is; a file's line end is not part of it."""
    monkeypatch.setenv("BANK_TOKEN", "e-1")
    (tmp_path / "token").write_text("f-1\n")
    assert Secret("env:BANK_TOKEN").read() == "e-1"
    assert Secret(f"file:{tmp_path}/token").read() == "f-1"


def test_a_missing_secret_is_named(tmp_path):
    """What is not there is said by its name, not by a traceback."""
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Problems, match="the environment variable NO_SUCH is not set"):
        Secret("env:NO_SUCH").read()
    with pytest.raises(Problems, match="cannot be read"):
        Secret(f"file:{tmp_path}/none").read()
    with pytest.raises(Problems, match="the file is empty"):
        Secret(f"file:{tmp_path}/empty").read()


@pytest.mark.parametrize(
    "table",
    [
        {"bearer_token": "hunter2"},
        {"headers": {"Authorization": "Bearer hunter2"}},
        {"headers": {"Cookie": "session=hunter2"}},
        {
            "oauth2": {
                "token_url": "http://id.example/t",
                "client_id": "me",
                "client_secret": "hunter2",
            }
        },
    ],
)
def test_a_secret_cannot_be_written_into_a_plan(table):
    """A plan is copied into each run directory: it holds names of secrets, and no secret."""
    with pytest.raises(ValidationError, match="env:NAME or file:PATH"):
        settings(**table)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"headers": {"Host": "other"}}, "'Host' is no header that can be set"),
        ({"headers": {"X Y": "1"}}, "'X Y' is no header that can be set"),
        ({"headers": {"X-Y": "1\r\nX-Z: 2"}}, "characters that no header can have"),
        ({"proxy": "http://proxy:3128"}, 'set client = "fast"'),
        ({"client": "fast", "proxy": "proxy"}, "give a whole address"),
        ({"key_file": "k.pem"}, "give its certificate_file"),
        (
            {"bearer_token": "env:A", "headers": {"authorization": "env:B"}},
            "give one of bearer_token, oauth2",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(table, fault):
    """What cannot be meant is said before any load, with what would do."""
    with pytest.raises(ValidationError, match=fault):
        settings(**table)


def test_every_request_carries_the_plans_headers(monkeypatch):
    """Fixed headers, named secrets and the token go out with each request, before its own headers."""
    monkeypatch.setenv("API_KEY", "key-1")
    monkeypatch.setenv("TOKEN", "t-1")
    table = {"headers": {"X-Tenant": "bank-1", "X-Api-Key": "env:API_KEY"}}
    with serving(lambda connection, _: connection.sendall(answer())) as peer:
        gate = Gate(peer.origin, settings(**table, bearer_token="env:TOKEN"), PATIENT_S)
        gate.open()
        gate.connect().request(GET)
        gate.close()
    head = peer.requests[0].decode()
    assert "\r\nX-Tenant: bank-1\r\n" in head
    assert "\r\nX-Api-Key: key-1\r\n" in head
    assert "\r\nAuthorization: Bearer t-1\r\n" in head
    assert gate.site.headers["Authorization"] == "Bearer t-1"
    assert "t-1" not in repr(gate.site)


def test_a_secret_that_would_end_its_header_is_refused(monkeypatch):
    """A line end in a secret would make another header of the rest: refused, without showing it."""
    monkeypatch.setenv("API_KEY", "key-1\r\nX-Admin: 1")
    with pytest.raises(Problems) as found:
        access_to(ORIGIN, settings(headers={"X-Api-Key": "env:API_KEY"}))
    assert "key-1" not in str(found.value)


# -- renewing ---------------------------------------------------------------------------------


class Issuer:
    """Gives tokens out, one after the other; an exception among them is raised."""

    def __init__(self, *tokens) -> None:
        self.left = list(tokens)
        self.asked = 0

    def __call__(self) -> Token:
        self.asked += 1
        token = self.left.pop(0) if self.left else Problems(["the issuer is down"])
        if isinstance(token, Exception):
            raise token
        return token


class Sleeper:
    """Stands in for gevent in the keeper: time passes at once, and is written down."""

    def __init__(self, turns: int) -> None:
        self.waits = []
        self.turns = turns

    def sleep(self, seconds):
        self.waits.append(seconds)
        if len(self.waits) > self.turns:
            gevent.sleep(PATIENT_S)

    def spawn(self, *args):
        return gevent.spawn(*args)


class Never:
    """An event that is never set: its waits pass at once."""

    def __init__(self, sleeper) -> None:
        self.sleeper = sleeper

    def clear(self):
        """Nothing is set."""

    def wait(self, seconds):
        self.sleeper.waits[-1] += seconds
        return False


def kept(monkeypatch, issuer, turns):
    """Return an access whose keeper has gone through `turns` waits, and these."""
    sleeper = Sleeper(turns)
    monkeypatch.setattr(access_module, "gevent", sleeper)
    access = Access(ORIGIN, fetch=issuer)
    monkeypatch.setattr(access, "_rejected", Never(sleeper))
    access.start()
    with gevent.Timeout(PATIENT_S):
        while len(sleeper.waits) <= turns:
            gevent.sleep(0)
    return access, sleeper.waits[:turns]


def test_a_token_is_renewed_before_it_expires(monkeypatch):
    """The next token is asked for when the one before says so, and is used from then on."""
    issuer = Issuer(Token("a", 100, 80), Token("b", 50, 40), Token("c", 100, 80))
    access, waits = kept(monkeypatch, issuer, 2)
    assert waits == [80, 40]
    assert b"Authorization: Bearer c\r\n" in access.lines
    access.stop()


def test_a_token_that_cannot_be_renewed_is_used_until_it_expires(monkeypatch, caplog):
    """Asked for again after 1, 2, 4 s…, then exactly at its end: from then on nothing is sent."""
    access, waits = kept(monkeypatch, Issuer(Token("a", 20, 10)), 5)
    assert waits == [10, 1, 2, 4, 3]
    with pytest.raises(NoTokenError, match="no token: it expired, and could not be renewed"):
        _ = access.lines
    assert "the issuer is down" in caplog.text
    access.stop()


def test_after_a_failure_the_next_token_is_taken(monkeypatch):
    """One answer that is none does not end the renewing."""
    issuer = Issuer(Token("a", 20, 10), Problems(["down"]), Token("b", 20, 10))
    access, waits = kept(monkeypatch, issuer, 2)
    assert waits == [10, 1]
    assert b"Bearer b\r\n" in access.lines
    access.stop()


def test_a_rejected_token_is_renewed_at_once(monkeypatch):
    """A 401 says that the token is good no longer: the next is not waited for."""
    monkeypatch.setattr(access_module, "AGAIN_S", 0)
    replies = iter([answer(status="401 Unauthorized"), answer()])
    issuer = Issuer(Token("a", 1e6, 1e6), Token("b", 1e6, 1e6))
    with serving(lambda connection, _: connection.sendall(next(replies))) as peer:
        gate = Gate(peer.origin, settings(), PATIENT_S)
        gate._access = Access(peer.origin, fetch=issuer)
        gate.open()
        connection = gate.connect()
        assert connection.request(GET).status == 401
        with gevent.Timeout(PATIENT_S):
            while issuer.asked < 2:
                gevent.sleep(0)
        connection.request(GET)
        gate.close()
    assert b"Bearer b\r\n" in peer.requests[1]


def test_without_a_first_token_nothing_begins():
    """Where no token can be had, the run is told so before it starts."""
    with pytest.raises(Problems, match="the issuer is down"):
        Access(ORIGIN, fetch=Issuer()).start()


# -- OAuth 2 ----------------------------------------------------------------------------------


def oauth(peer, monkeypatch, **extra):
    monkeypatch.setenv("CLIENT_SECRET", "s3c/ret")
    table = {
        "token_url": f"{peer.origin}/oauth/token?realm=a",
        "client_id": "load:test",
        "client_secret": "env:CLIENT_SECRET",
        "scope": "payments accounts",
    }
    return access_to(ORIGIN, settings(oauth2={**table, **extra}))


def test_client_credentials_are_exchanged_for_a_token(monkeypatch):
    """RFC 6749, 4.4: a form, and Basic with id and secret encoded; the token is then carried."""
    said = token_answer(access_token="tok-1", token_type="Bearer", expires_in=3600)
    with serving(lambda connection, _: connection.sendall(said)) as peer:
        access = oauth(peer, monkeypatch)
        access.start()
        access.stop()
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /oauth/token?realm=a HTTP/1.1\r\n")
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["payments accounts"],
    }
    basic = next(line for line in head.split(b"\r\n") if line.startswith(b"Authorization: Basic "))
    assert base64.b64decode(basic.split()[-1]) == b"load%3Atest:s3c%2Fret"
    assert b"Authorization: Bearer tok-1\r\n" in access.lines


@pytest.mark.parametrize(
    ("expires_in", "renew_after_s"),
    [(3600, 3540), (100, 80), (300, 240), (None, 240), ("x", 240)],
)
def test_a_token_is_renewed_a_minute_or_a_fifth_before_its_end(
    monkeypatch, expires_in, renew_after_s
):
    """The margin is a fifth of the lifetime, a minute at most; who says nothing means 5 minutes."""
    said = token_answer(access_token="tok-1", expires_in=expires_in)
    with serving(lambda connection, _: connection.sendall(said)) as peer:
        assert oauth(peer, monkeypatch)._fetch().renew_after_s == renew_after_s


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            answer(b'{"error":"invalid_client","error_description":"s3c/ret"}', "401 No"),
            r"answered 401 without a token \(invalid_client\)",
        ),
        (token_answer(token="tok-1"), "answered 200 without a token"),
        (answer(b"<html>", "200 OK"), "not with a JSON object"),
        (answer(b"[]", "200 OK"), "not with a JSON object"),
        (b"nonsense\r\n\r\n", "not HTTP"),
    ],
)
def test_an_issuer_that_gives_no_token_is_quoted_with_care(monkeypatch, caplog, said, why):
    """What went wrong is said, and neither the secret nor what the issuer repeats of it."""
    caplog.set_level(logging.DEBUG)
    with serving(lambda connection, _: connection.sendall(said)) as peer:
        access = oauth(peer, monkeypatch)
        with pytest.raises(Problems, match=why) as found:
            access.start()
    assert "s3c/ret" not in str(found.value) + caplog.text
    assert "tok-1" not in str(found.value) + caplog.text


def test_an_issuer_that_is_not_there(monkeypatch):
    """A refused connection to the issuer is a sentence that names its address."""
    with serving(lambda *_: None) as peer:
        pass
    with pytest.raises(Problems, match=r"oauth2: http://127.*refused"):
        oauth(peer, monkeypatch).start()


def test_a_token_does_not_show_itself():
    """Wherever a token is printed by accident, its text is not."""
    assert "tok-1" not in repr(Token("tok-1", 10, 5))

"""Credentials: headers and tokens from files, the environment, or OAuth 2; never shown."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

import orjson

from e2e_data.platform import HttpAnswer, HttpRequest
from e2e_data.problems import Problems
from locustfiles.channels.access import Access, Token
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.http_settings import HttpSettings, OAuth2, is_header_value, is_secret
from locustfiles.channels.origin import Origin, locate
from locustfiles.channels.secret import Secret
from locustfiles.channels.tls import Trust, tls_context

LOOK_AGAIN_S = 30.0
"""How often a token's file is read again: whoever keeps it may have put a new one there."""
LIFETIME_S = 300.0
"""How long a token is taken to be valid whose issuer does not say."""
MARGIN_SHARE = 0.2
MARGIN_MAX_S = 60.0
"""A token is renewed so long before it expires, or a fifth of its lifetime, whichever is less."""
ANSWER_S = 10.0


def access_to(origin: Origin, settings: HttpSettings) -> Access:
    """Return the access to a platform. Raises Problems with every secret that is missing."""
    return Access(origin, _read(settings.headers), _source(settings))


def _source(settings: HttpSettings) -> Callable[[], Token] | None:
    if settings.oauth2 is not None:
        return _client_credentials(settings.oauth2, settings.trust)
    if settings.bearer_token is not None:
        secret = Secret(settings.bearer_token)
        secret.read()
        return lambda: Token(secret.read(), float("inf"), LOOK_AGAIN_S)
    return None


def _read(headers: Mapping[str, str]) -> dict[str, str]:
    read: dict[str, str] = {}
    problems: list[str] = []
    for name, value in headers.items():
        try:
            read[name] = Secret(value).read() if is_secret(value) else value
        except Problems as found:
            problems += found.problems
            continue
        if not is_header_value(read[name]):
            problems.append(f"{value}: has characters that the header {name} cannot have")
    if problems:
        raise Problems(problems)
    return read


def _client_credentials(settings: OAuth2, trust: Trust) -> Callable[[], Token]:
    """Return what fetches a token (RFC 6749, 4.4), and raises Problems where there is none."""
    origin, target = locate(settings.token_url)
    assert origin is not None, "the settings were checked"
    secret = Secret(settings.client_secret)
    secret.read()
    form = {
        "grant_type": "client_credentials",
        "scope": settings.scope,
        "audience": settings.audience,
    }
    body = urlencode({name: value for name, value in form.items() if value}).encode()
    tls = tls_context(trust) if origin.scheme == "https" else None

    def fetch() -> Token:
        # Percent-encoded before they are joined (RFC 6749, 2.3.1). The secret may have been changed.
        pair = f"{quote(settings.client_id, safe='')}:{quote(secret.read(), safe='')}"
        headers = (
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
            ("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"),
        )
        connection = HttpConnection(origin, timeout_s=ANSWER_S, tls=tls)
        try:
            answer = connection.request(HttpRequest("POST", target or "/", headers, body))
        except (NotSentError, UnansweredError) as error:
            raise Problems([f"oauth2: {settings.token_url}: {error}"]) from error
        finally:
            connection.close()
        return _token(settings.token_url, answer)

    return fetch


def _token(url: str, answer: HttpAnswer) -> Token:
    """Read a token's answer (RFC 6749, 5). Of what it says, only an error's name is shown."""
    try:
        fields = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise Problems([f"oauth2: {url}: answered {answer.status}, and not with a JSON object"])
    value = fields.get("access_token")
    if answer.status != 200 or not isinstance(value, str) or not value:
        why = f" ({str(fields['error'])[:60]})" if "error" in fields else ""
        raise Problems([f"oauth2: {url}: answered {answer.status} without a token{why}"])
    lifetime = fields.get("expires_in")
    lifetime_s = float(lifetime) if isinstance(lifetime, int | float) else LIFETIME_S
    margin_s = min(MARGIN_SHARE * lifetime_s, MARGIN_MAX_S)
    return Token(value, lifetime_s, lifetime_s - margin_s)

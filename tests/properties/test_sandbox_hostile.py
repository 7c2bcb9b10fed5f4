"""Whatever is sent to the sandbox's HTTP front, it answers in its own words: never a 500."""

from __future__ import annotations

import json
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.defects import Defects
from sandbox.http_front import app_for
from sandbox.ledger import Ledger
from sandbox.platform import Platform
from tests.asgi import asked

ID = str(UUID(int=5))
USD_5 = {"amount": 5, "currencyCode": "USD"}
BODIES = {
    "/api/accounts": {
        "customerId": ID,
        "currencyCode": "USD",
        "transitNumber": "001",
        "accountType": "CHECKING",
        "limitBased": True,
        "limits": dict.fromkeys(("MINUTE", "HOUR", "DAY", "WEEK", "MONTH"), USD_5),
    },
    "/api/transactions": {
        "accountId": ID,
        "transactionType": "DEBIT",
        "amount": USD_5,
        "description": "x",
    },
    "/api/payments": {
        "customerId": ID,
        "debitAccountId": ID,
        "debitAmount": USD_5,
        "creditAmount": USD_5,
        "valueDate": "2026-11-20",
        "beneficiary": {
            "name": "x",
            "accountNumber": "ACC123456789",
            "transitNumber": "123",
            "bankName": "y",
        },
        "description": "z",
    },
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([ID, "USD", "XXX", "\ud800", "2026-02-30", "CREDIT", 10**30, 5e-324, -0.0])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


texts = st.text(min_size=1, max_size=20)
monies = st.builds(
    lambda cents, currency: {"amount": cents / 100, "currencyCode": currency},
    st.integers(1, 10**9),
    st.sampled_from(["USD", "EUR", "XXX"]),
)


@st.composite
def good_bodies(draw):
    """Draw a body that is well-formed, whatever the ledger will make of it."""
    path = draw(st.sampled_from(sorted(BODIES)))
    body = dict(BODIES[path])
    for name, value in body.items():
        if name == "description":
            body[name] = draw(texts)
        elif value is USD_5:
            body[name] = draw(monies)
        elif name == "limits":
            body[name] = {period: draw(monies) for period in value}
        elif name == "currencyCode":
            body[name] = draw(st.sampled_from(["USD", "EUR", "XXX"]))
    return path, json.dumps(body).encode()


@st.composite
def near_misses(draw):
    """Draw a good body with one field, at any depth, replaced by anything or taken away."""
    path = draw(st.sampled_from(sorted(BODIES)))
    body = target = json.loads(json.dumps(BODIES[path]))
    name = draw(st.sampled_from(sorted(target)))
    while isinstance(target[name], dict) and draw(st.booleans()):
        target = target[name]
        name = draw(st.sampled_from(sorted(target)))
    if draw(st.booleans()):
        target[name] = draw(anything)
    else:
        del target[name]
    return path, json.dumps(body).encode()


paths = st.sampled_from(sorted(BODIES))
requests = (
    near_misses()
    | st.tuples(paths, st.binary(max_size=200))
    | st.tuples(paths, anything.map(lambda value: json.dumps(value).encode()))
)


def fresh_app():
    queue: list[str] = []
    platform = Platform(Ledger(), Defects({}), queue.append)
    return app_for(platform), platform, queue


@settings(deadline=None, max_examples=200)
@given(requests)
def test_any_body_is_accepted_or_refused_with_a_reason(request):
    """A body is accepted, or refused with 400 or 422, a short reason and no trace in the book."""
    app, platform, _ = fresh_app()
    path, body = request
    status, answer = asked(app, "POST", path, [(b"idempotency-key", ID.encode())], body)
    said = json.loads(answer)
    if status == 202:
        assert platform.ledger.as_of == 1
    else:
        assert status in {400, 422}
        assert said["error"] in {"malformed", "invalid"}
        assert 0 < len(said["reason"]) < 400
        assert platform.ledger.as_of == 0


@settings(deadline=None, max_examples=100)
@given(good_bodies())
def test_what_is_well_formed_is_accepted_decided_and_stated(request):
    """Any texts, amounts and currencies in form are a 202, and the statement is JSON throughout."""
    app, platform, queue = fresh_app()
    path, body = request
    status, answer = asked(app, "POST", path, [(b"idempotency-key", ID.encode())], body)
    assert (status, json.loads(answer)["status"]) == (202, "ACCEPTED")
    platform.decide(queue.pop())
    _, lines = asked(app, "GET", "/api/statements/commands", [], b"")
    row, end = map(json.loads, lines.splitlines())
    assert row["commandId"] == ID
    assert row["status"] in {"SETTLED", "REJECTED"}
    assert end == {"asOf": 2, "rows": 1}


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "BREW"]),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.lists(st.tuples(st.just(b"idempotency-key"), st.binary(max_size=40)), max_size=2),
)
def test_any_path_method_and_header_is_answered_in_json(method, rest, headers):
    """Unknown paths are 404, wrong methods 405, bad ids 400: each an object with a reason."""
    app, _, _ = fresh_app()
    for path in (f"/{rest}", f"/api/commands/{rest}", "/api/payments"):
        status, answer = asked(app, method, path, headers, b"{}")
        assert status in {400, 404, 405}
        assert set(json.loads(answer)) == {"error", "reason"}

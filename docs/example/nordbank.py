"""Nordbank: a small payments platform that looks like nothing of paystorm's, to adapt to.

    python docs/example/nordbank.py 8090 nordbank.db

It has endpoints, names, ids, amounts, reasons and a database of its own, decides at once, and knows
nothing of paystorm. A third word, such as 10, has it book every tenth transfer at twice its amount.
Started again on its database it goes on with its accounts, but not with what they have spent.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    number TEXT PRIMARY KEY, holder TEXT, ccy TEXT, line INTEGER, caps TEXT, minor INTEGER,
    entries INTEGER);
CREATE TABLE IF NOT EXISTS entries (
    ref TEXT PRIMARY KEY, number TEXT, entry INTEGER, state TEXT, why TEXT, at_us INTEGER,
    minor INTEGER, ccy TEXT, other_minor INTEGER, other_ccy TEXT, after INTEGER);
"""
CAPS = ("MINUTE", "HOUR", "DAY", "WEEK", "MONTH")


def windows(at_us: int) -> list[str]:
    """Name the windows of a moment, in the order of CAPS."""
    at = datetime.fromtimestamp(at_us / 1e6, UTC)
    return [at.strftime(form) for form in ("%F %H:%M", "%F %H", "%F", "%G-%V", "%Y-%m")]


class Bank:
    """The ledger: one lock, one database, one answer for each reference, however often it comes."""

    def __init__(self, path: str, double_every: int = 0) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + SCHEMA)
        self._spent: dict[tuple[str, str, str], int] = {}
        self._double_every, self._transfers = double_every, 0

    def open(self, order: dict[str, Any]) -> dict[str, Any]:
        """Open an account."""
        with self._lock:
            known = self.find(order["ref"])
            if known:
                return known
            (opened,) = self._db.execute("SELECT count(*) FROM accounts").fetchone()
            number = f"NB-{opened + 1:08d}"
            caps = json.dumps(order["caps"])
            row = (number, order["holder"], order["ccy"], order["line"], caps, 0, 0)
            self._db.execute("INSERT INTO accounts VALUES (?,?,?,?,?,?,?)", row)
            return self._enter(number, order["ref"], "done", "", 0, "", 0)

    def move(self, number: str, order: dict[str, Any], sign: int) -> dict[str, Any]:
        """Credit (+1) or debit (-1) an account."""
        with self._lock:
            known = self.find(order["ref"])
            if known:
                return known
            line, caps, minor = self._db.execute(
                "SELECT line, caps, minor FROM accounts WHERE number = ?", (number,)
            ).fetchone()
            why = "" if sign > 0 else self._objection(number, line, json.loads(caps), minor, order)
            if why:
                return self._enter(number, order["ref"], "declined", why, 0, "", 0)
            other = order.get("other", order["minor"])
            ccy = order.get("other_ccy", "")
            entered = sign * order["minor"]
            if sign < 0:
                self._transfers += 1
                for cap, window in zip(CAPS, windows(time.time_ns() // 1000), strict=True):
                    key = number, cap, window
                    self._spent[key] = self._spent.get(key, 0) + order["minor"]
            if sign < 0 and self._double_every and self._transfers % self._double_every == 0:
                entered, other = 2 * entered, 2 * other
            return self._enter(number, order["ref"], "done", "", entered, ccy, -sign * other)

    def find(self, ref: str) -> dict[str, Any]:
        """Return what became of a reference; nothing where it is not known."""
        row = self._db.execute(
            "SELECT number, state, why FROM entries WHERE ref = ?", (ref,)
        ).fetchone()
        return (
            {"ref": ref, **dict(zip(("number", "state", "why"), row, strict=True))} if row else {}
        )

    def _objection(
        self, number: str, line: int, caps: list[int], minor: int, order: dict[str, Any]
    ) -> str:
        """Say why a debit is declined. Where several caps are exceeded, the longest is named."""
        if not line:
            return "NSF" if minor < order["minor"] else ""
        names = windows(time.time_ns() // 1000)
        over = [
            cap
            for cap, window, most in zip(CAPS, names, caps, strict=True)
            if self._spent.get((number, cap, window), 0) + order["minor"] > most
        ]
        return f"CAP-{over[-1]}" if over else ""

    def _enter(
        self, number: str, ref: str, state: str, why: str, minor: int, ccy: str, other: int
    ) -> dict[str, Any]:
        self._db.execute(
            "UPDATE accounts SET minor = minor + ?, entries = entries + 1 WHERE number = ?",
            (minor, number),
        )
        own, after, entry = self._db.execute(
            "SELECT ccy, minor, entries FROM accounts WHERE number = ?", (number,)
        ).fetchone()
        at_us = time.time_ns() // 1000
        row = (ref, number, entry, state, why, at_us, minor, own, other, ccy or own, after)
        self._db.execute("INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
        return {"ref": ref, "number": number, "state": state, "why": why}


class Front(BaseHTTPRequestHandler):
    """The HTTP side. What is declined is answered with 200 too: look at the reference."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    bank: Bank

    def do_PUT(self) -> None:
        """Open an account, or move money: PUT /core/open, /core/NUMBER/in, /core/NUMBER/out."""
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        *_, number, what = self.path.split("/")
        entered = (
            self.bank.open(order)
            if what == "open"
            else self.bank.move(number, order, 1 if what == "in" else -1)
        )
        self._answer(200, {"taken": entered["ref"], "number": entered["number"]})

    def do_GET(self) -> None:
        """Tell who this is, GET /core/about; and what became of something, GET /core/refs/REF."""
        if self.path == "/core/about":
            self._answer(200, {"bank": "nordbank", "core": 2})
            return
        found = self.bank.find(self.path.rpartition("/")[2])
        self._answer(200 if found else 404, found)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, status: int, fields: dict[str, Any]) -> None:
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """As many connections at once as there are users."""

    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    port, path, *double_every = sys.argv[1:]
    Front.bank = Bank(path, *map(int, double_every))
    server = Server(("127.0.0.1", int(port)), Front)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()

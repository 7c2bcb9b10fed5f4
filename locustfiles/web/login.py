"""Who may see a run in the web UI, and who may change it: the users of --web-users, by their roles."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent
from flask import Flask, redirect, request, session, url_for
from flask_login import UserMixin, current_user, login_user, logout_user
from gevent.lock import BoundedSemaphore
from werkzeug.security import check_password_hash, generate_password_hash

from e2e_data.problems import Problems
from locustfiles.channels.os_thread import on_a_thread
from locustfiles.channels.secret import Secret
from locustfiles.web.guard import READING

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which the command line must be spared.
    from locust.web import WebUI

ROLES = {"viewer": "sees everything", "operator": "starts, controls and ends runs as well"}
FORM = "NAME ROLE HASH, as paystorm web-user prints it"
GUESSES = 2
"""So many passwords are checked at a time."""
WRONG_S = 1.0
"""So long a wrong one takes."""
_NAME = re.compile(r"[\w.@-]{1,64}")


@dataclass(frozen=True, slots=True)
class User(UserMixin):  # type: ignore[misc]
    """Somebody who may log in."""

    name: str
    role: str
    hash: str

    def get_id(self) -> str:
        """Return what a session remembers."""
        return self.name

    @property
    def is_operator(self) -> bool:
        """Whether it may change anything."""
        return self.role == "operator"


def line_of(name: str, role: str, password: str) -> str:
    """Return a user's line of the file. Raises Problems for a name that is none."""
    if not _NAME.fullmatch(name):
        raise Problems([f"{name!r}: a name has up to 64 letters, digits, dots, @ or dashes"])
    return f"{name} {role} {generate_password_hash(password)}"


def read_users(reference: str) -> dict[str, User]:
    """Read the users that --web-users names. Raises Problems, which never show a hash."""
    try:
        text = Secret(reference).read()
    except ValueError as error:
        raise Problems([f"--web-users: give {error}"]) from error
    users: dict[str, User] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, role, password, *more = [*line.split(), "", "", ""][: max(3, len(line.split()))]
        where = f"--web-users {reference}, line {number}"
        if more or not password or not _NAME.fullmatch(name):
            problems.append(f"{where}: give {FORM}")
        elif role not in ROLES:
            problems.append(f"{where}: the role {role!r} of {name} is none of {', '.join(ROLES)}")
        elif name in users:
            problems.append(f"{where}: {name} is there twice")
        users[name] = User(name, role, password)
    if not users:
        problems.append(f"--web-users {reference}: there is nobody in it; a line is {FORM}")
    if problems:
        raise Problems(problems)
    return users


class Login:
    """Lets users in, and keeps viewers from changing anything."""

    def __init__(self, web_ui: WebUI, users: dict[str, User], base: str) -> None:
        """Take over the login of a web UI that has --web-login and lies below the path `base`."""
        app = web_ui.app
        assert app is not None, "a web UI is made with its application"
        # What the password of somebody unknown is compared with, so that it takes as long.
        self._nobody = generate_password_hash(secrets.token_hex())
        self._users = users
        self._checking = BoundedSemaphore(GUESSES)
        _harden(app, secure=bool(web_ui.tls_cert), port=web_ui.port)
        web_ui.login_manager.user_loader(users.get)
        web_ui.auth_args = {"username_password_callback": f"{base}/paystorm/login"}
        app.add_url_rule(f"{base}/paystorm/login", "paystorm_login", self._log_in, methods=["POST"])
        app.add_url_rule(f"{base}/paystorm/logout", "paystorm_logout", _log_out, methods=["POST"])
        app.before_request(self._keep_viewers)

    def _log_in(self) -> Any:
        user = self._users.get(request.form.get("username", ""))
        password = request.form.get("password", "")
        with self._checking:
            # It takes its time by design: on a thread, since users wait for the loop.
            known = user.hash if user else self._nobody
            right = on_a_thread(lambda: check_password_hash(known, password))
            if not right or user is None:
                gevent.sleep(WRONG_S)
                session["auth_error"] = "Nobody has this name and password"
                return redirect(url_for("locust.login"))
        login_user(user)
        return redirect(url_for("locust.index"))

    def _keep_viewers(self) -> Any:
        open_to_all = ("paystorm_login", "paystorm_logout")
        if request.method in READING or request.endpoint in open_to_all:
            return None
        if current_user.is_authenticated and not current_user.is_operator:
            return f"{current_user.name} is a viewer: only operators change anything\n", 403
        return None


def _log_out() -> Any:
    logout_user()
    return redirect(url_for("locust.login"))


def _harden(app: Flask, *, secure: bool, port: int) -> None:
    """Let sessions end with the process, and cookies go nowhere else; browsers share them by host."""
    app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME=f"paystorm-{port}",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=secure,
    )

"""The Payments page of Locust's web UI: how the run stands, and buttons for who may press them."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import gevent
from flask import Blueprint, Response, jsonify, request, send_file
from flask_login import current_user
from locust.env import Environment
from locust.runners import STATE_CLEANUP, STATE_STOPPED, STATE_STOPPING
from locust.web import WebUI

from e2e_data.config import PRESETS
from e2e_data.problems import Problems
from locustfiles.conductor import WHO, conductor_of
from locustfiles.control import COMMANDS, ask
from locustfiles.director import Director
from locustfiles.live import Picture, picture
from locustfiles.observer import observer_of
from locustfiles.options import HELP_PREFIX, OF_THE_PLAN, given
from locustfiles.plans import shipped_plans
from locustfiles.web.guard import HEADERS, READING, is_loopback, refusal
from locustfiles.web.login import Login, read_users
from reports.quantities import count, milliseconds

log = logging.getLogger(__name__)

HTML = Path(__file__).with_name("payments.html")
TOKEN_HEADER = "X-Paystorm-Token"  # noqa: S105 - a header's name
OBEYED_S = 5
ENDED_S = 90
"""Longer than Locust gives its workers to stop."""

LOOK_S = 0.05
LINK = (
    '<a href="payments" style="position:fixed;right:16px;bottom:48px;z-index:9;padding:10px 18px;'
    "border-radius:24px;background:#15803d;color:#fff;font:600 15px system-ui,sans-serif;"
    'text-decoration:none;box-shadow:0 2px 8px #0006">Payments page</a>'
)
"""On Locust's own pages, whose tabs can have nothing but tables."""

_Rules = dict[str, Any]


def serve(environment: Environment) -> None:
    """Add the page, its tab, the login and the fence to a web UI, where there is one. Raises Problems."""
    web_ui, options = environment.web_ui, environment.parsed_options
    if web_ui is None or options is None:
        return
    users = given(options, "--web-users")
    if users and not web_ui.web_login:
        raise Problems(["--web-users: add --web-login, so that they have to log in"])
    if web_ui.web_login and not users:
        raise Problems(
            ["--web-login: name the users with --web-users; paystorm web-user makes their lines"]
        )
    if not web_ui.web_login and not is_loopback(web_ui.host):
        log.warning("whoever reaches %s:%s may start and stop runs: add --web-login and --web-users",
                    web_ui.host or "this machine", web_ui.port)  # fmt: skip
    base = options.web_base_path or ""
    if users:
        Login(web_ui, read_users(users), base)
    Page(environment, web_ui, base, options.web_host_display_name)


class Page:
    """The page with its figures, and what Locust's own pages get from it."""

    def __init__(self, environment: Environment, web_ui: WebUI, base: str, known_as: str) -> None:
        """Serve it below the path `base` of a web UI that is `known_as` some name, too."""
        self._environment = environment
        self._web_ui = web_ui
        self._names = [known_as] if known_as else []
        self._token = secrets.token_urlsafe()
        app = web_ui.app
        assert app is not None, "a web UI is made with its application"
        pages = Blueprint("paystorm", __name__, url_prefix=f"{base}/payments")
        for rule, view, options in (
            ("", self._page, {}),
            ("/figures", self._figures, {}),
            ("/report", self._report, {}),
            ("/control", self._control, {"methods": ["POST"]}),
        ):
            served = web_ui.auth_required_if_enabled(view)
            pages.add_url_rule(rule, view.__name__.lstrip("_"), served, **cast("_Rules", options))
        app.register_blueprint(pages)
        app.before_request(self._fence)
        app.before_request(self._let_the_last_end)
        app.after_request(self._complete)
        web_ui.template_args["extended_tabs"] = [{"title": "Payments", "key": "payments"}]
        web_ui.template_args["extended_tables"] = [
            {
                "key": "payments",
                "structure": [
                    {"key": "what", "title": "Payments"},
                    {"key": "value", "title": "until now"},
                ],
            }
        ]
        self._offer_choices()

    # -- pages ----------------------------------------------------------------------------------

    def _page(self) -> Response:
        nonce = secrets.token_urlsafe(16)
        html = HTML.read_text("utf-8").replace("{{nonce}}", nonce).replace("{{token}}", self._token)
        own = f"'nonce-{nonce}'"
        policy = (
            f"default-src 'none'; script-src {own}; style-src {own}; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        return Response(html, headers={"Content-Security-Policy": policy})

    def _figures(self) -> Response:
        user = self._user
        found = {
            **self._picture(),
            "problems": self._problems(),
            "operator": self._is_operator,
            "user": user or "",
            "controls": list(COMMANDS.items()),
        }
        return jsonify(found)

    def _report(self) -> Response:
        view = observer_of(self._environment).view()
        path = view.director.directory.path / "report.html" if view and view.verdict else None
        if path is None or not path.exists():
            return Response("there is no report yet\n", 404, content_type="text/plain")
        answer = send_file(path.resolve())
        # It is opened from mails as well: here, too, it runs nothing, and asks nobody anything.
        answer.headers["Content-Security-Policy"] = (
            "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        )
        return answer

    def _control(self) -> tuple[Response, int]:
        told = request.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(told.encode(), self._token.encode()):
            return _problem("the page is of another process: load it again", 403)
        if not self._is_operator:
            return _problem("only operators control a run", 403)
        command = str(request.form.get("command", ""))
        if command not in COMMANDS:
            return _problem(f"there is no command {command[:20]!r}", 400)
        conductor = conductor_of(self._environment)
        director = getattr(conductor, "director", None)
        if director is None:
            return _problem("there is no run to control", 409)
        try:
            asked = ask(director.directory, command, self._user)
        except Problems as problems:
            return _problem(str(problems), 409)
        obeyed = _seen(lambda: _is_told(director, asked.note), OBEYED_S)
        return jsonify({"obeyed": obeyed, "request": asked.id}), 200 if obeyed else 504

    def _picture(self) -> Picture:
        return picture(observer_of(self._environment).view())

    def _problems(self) -> list[str]:
        """Return what is wrong with what was asked for: why a run did not start, for one."""
        runner = self._environment.runner
        told = runner.exceptions.values() if runner is not None else ()
        return [one["msg"] for one in told if WHO in one["nodes"]]

    # -- what all pages get ---------------------------------------------------------------------

    def _fence(self) -> Any:
        why = refusal(request.method, dict(request.headers), self._web_ui.host, self._names)
        if why:
            log.warning("web UI: refused %s %s: %s", request.method, request.path, why)
            return f"refused: {why}\n", 403
        if request.method not in READING and self._user:
            log.info("web UI: %s %s by %s", request.method, request.path, self._user)
        return None

    def _let_the_last_end(self) -> None:
        """Have the start button wait for the end of the test before.

        Locust reads "stopped" up to a second before it has let go of the shape, and takes a press in
        between for one during a test: it does nothing, and calls that a success.
        """
        runner = self._environment.runner
        if request.endpoint != "locust.swarm" or runner is None:
            return
        ending = runner.state in (STATE_STOPPING, STATE_CLEANUP, STATE_STOPPED)
        _seen(lambda: not ending or runner.shape_greenlet is None, ENDED_S)

    def _complete(self, answer: Response) -> Response:
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        if request.endpoint == "locust.index" and answer.status_code == 200:
            answer.set_data(answer.get_data(as_text=True).replace("</body>", f"{LINK}</body>"))
        elif request.endpoint == "locust.request_stats" and answer.is_json:
            told = [*(("problem", one) for one in self._problems()), *_rows(self._picture())]
            rows = [{"what": what, "value": value} for what, value in told]
            whole = {**answer.get_json(), "extended_stats": [{"key": "payments", "data": rows}]}
            answer.set_data(jsonify(whole).get_data())
        return answer

    @property
    def _user(self) -> str | None:
        if not self._web_ui.web_login:
            return None
        return current_user.name if current_user.is_authenticated else None

    @property
    def _is_operator(self) -> bool:
        return not self._web_ui.web_login or getattr(current_user, "is_operator", False)

    def _offer_choices(self) -> None:
        """Have the form offer plans and presets; Locust makes its arguments anew for each page."""
        update = cast("Callable[[], None]", self._web_ui.update_template_args)
        options = self._environment.parsed_options
        plan = given(options, "--plan")
        preset = given(options, "--preset") or OF_THE_PLAN

        def with_choices() -> None:
            update()
            extra = self._web_ui.template_args["extra_options"]
            extra["paystorm_plan"]["choices"] = list(dict.fromkeys([plan, *shipped_plans()]))
            presets = list(dict.fromkeys([preset, OF_THE_PLAN, *PRESETS]))
            extra["paystorm_preset"]["choices"] = presets
            for one in extra.values():
                one["help_text"] = str(one["help_text"]).removeprefix(HELP_PREFIX)

        self._web_ui.update_template_args = with_choices  # type: ignore[method-assign]
        with_choices()


def _problem(text: str, status: int) -> tuple[Response, int]:
    return jsonify({"problem": text}), status


def _is_told(director: Director, note: str) -> bool:
    """Tell whether the run's timeline has a note."""
    return any(event.note == note for event in director.told)


def _seen(is_so: Callable[[], bool], within_s: float) -> bool:
    """Wait until something is so, and tell whether it came to be."""
    for _ in range(round(within_s / LOOK_S)):
        if is_so():
            return True
        gevent.sleep(LOOK_S)
    return False


def _rows(found: Picture) -> list[tuple[str, str]]:
    """Return the rows of the tab's table."""
    if found["state"] == "none":
        return [("state", "no run yet")]
    load, right = found["load"], found["right"]
    return [
        ("state", f"{found['state']}, phase {found['phase']['name']}"),
        ("waits for", found["phase"]["waits_for"]),
        (
            "due, sent, completed",
            " / ".join(count(load[one]) for one in ("due", "sent", "completed")),
        ),
        ("pending", count(load["pending_now"])),
        *(
            (f"{name} p50, p99", f"{milliseconds(took['p50_ms'])} / {milliseconds(took['p99_ms'])}")
            for name, took in found["latencies"].items()
        ),
        ("judged" if found["verdict"] else "right so far", right["answer"]),
        ("outcomes seen", count(right["seen"])),
        ("payments settled", count(right["payments"])),
        ("money moved", ", ".join(right["moved"])),
        ("verdict", found["verdict"]["verdict"] if found["verdict"] else "at the end"),
    ]

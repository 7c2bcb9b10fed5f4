"""What paystorm adds to Locust's web UI, asked of the application itself: no browser and no port."""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections import deque
from types import SimpleNamespace

import gevent
import pytest
import trustme

from e2e_data.problems import Problems
from locustfiles.options import add_options
from locustfiles.web.login import line_of
from reports.rundir import RunDirectory

with pytest.MonkeyPatch.context() as patched:
    # The pages need no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locust import events
    from locust.argument_parser import get_parser
    from locust.env import Environment

    from locustfiles.conductor import conductor_of
    from locustfiles.observer import observer_of
    from locustfiles.web import page as pages

events.init_command_line_parser.add_listener(add_options)

HERE = "http://127.0.0.1:8089"
SUMMARY = '{"verdict": "RIGHT", "exit": 0, "reasons": [], "checks": []}'


class Site:
    """A web UI, and somebody who looks at it."""

    def __init__(self, *arguments) -> None:
        parsed = get_parser().parse_args(arguments)
        self.environment = Environment(parsed_options=parsed)
        self.environment.create_local_runner()
        self.web_ui = self.environment.create_web_ui(
            *(parsed.web_host, parsed.web_port),
            web_base_path=parsed.web_base_path or None,
            web_login=parsed.web_login,
            tls_cert=parsed.tls_cert,
            tls_key=parsed.tls_key,
            delayed_start=True,
        )
        pages.serve(self.environment)
        self.client = self.web_ui.app.test_client()

    def get(self, path, **headers):
        return self.client.get(path, base_url=HERE, headers=headers)

    def control(self, command, **headers):
        return self.client.post(
            "/payments/control", base_url=HERE, data={"command": command}, headers=headers
        )

    @property
    def token(self):
        found = re.search(r'name="token" content="([^"]+)"', self.get("/payments").text)
        assert found is not None
        return {"X-Paystorm-Token": found[1]}


@pytest.fixture(autouse=True)
def no_command_line(monkeypatch):
    """Locust reads its arguments anew whenever it shows the form."""
    monkeypatch.setattr("sys.argv", ["locust"])


@pytest.fixture
def site():
    return Site()


def test_the_page_is_alone_with_its_own_script(site):
    """No other script runs in it, nothing is loaded from elsewhere, and nobody frames it."""
    answer = site.get("/payments")
    policy = answer.headers["Content-Security-Policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert f'<script nonce="{nonce}">' in answer.text
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert nonce not in site.get("/payments").text, "a new one each time"
    assert not re.search(r"(src|href)=.?https?:", answer.text)


def test_before_the_first_run_there_is_nothing_to_see_or_control(site):
    """It says so, on the page, in the tab and to whoever presses a button by hand."""
    assert site.get("/payments/figures").json["state"] == "none"
    assert site.get("/payments/report").status_code == 404
    (tab,) = site.get("/stats/requests").json["extended_stats"]
    assert tab["data"] == [{"what": "state", "value": "no run yet"}]
    answer = site.control("stop", **site.token)
    assert (answer.status_code, answer.json["problem"]) == (409, "there is no run to control")


def test_why_a_run_did_not_start_is_on_the_page(site):
    """Each problem, and no worker's exception: those are on Locust's own page."""
    conductor = conductor_of(site.environment)
    site.environment.runner.log_exception("worker-1", "KeyError: 3", "a traceback")
    for problem in ("no plan 'nope'", "--rate 0: give more"):
        conductor._tell(Problems([problem]))
    problems = site.get("/payments/figures").json["problems"]
    assert ["no plan" in problems[0], "--rate 0" in problems[1], len(problems)] == [True, True, 2]
    (tab,) = site.get("/stats/requests").json["extended_stats"]
    assert [row["what"] for row in tab["data"]] == ["problem", "problem", "state"]


def test_a_command_needs_the_pages_token_and_a_name(site):
    """Neither another page's form nor a slip of the pen controls a run."""
    assert site.control("stop").status_code == 403
    assert site.control("stop", **{"X-Paystorm-Token": "ü"}).status_code == 403
    assert site.control("explode", **site.token).status_code == 400


def test_other_sites_are_refused_everywhere(site):
    """Locust's own addresses as well as ours."""
    for path in ("/payments/figures", "/stats/requests", "/swarm", "/stop"):
        answer = site.client.post(path, base_url=HERE, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403, path
    assert site.client.get("/", base_url="http://evil.example").status_code == 403


def test_the_form_offers_plans_and_presets(site):
    """The one that was given stands first, and is what happens without a choice."""
    extra = site.web_ui.template_args["extra_options"]
    assert extra["paystorm_plan"]["choices"][0] == "demo"
    assert extra["paystorm_preset"]["choices"][:2] == ["as in the plan", "smoke"]
    assert extra["paystorm_plan"]["help_text"] == "a shipped plan or a TOML file"
    assert 'href="payments"' in site.get("/").text


def test_a_run_is_asked_by_its_file_and_obeys(site, tmp_path, monkeypatch):
    """The request is in the run's directory like any other, and the answer waits for the timeline."""
    directory = RunDirectory.create(tmp_path, "smoke")
    monkeypatch.setattr(
        RunDirectory, "record", lambda _: SimpleNamespace(state="running"), raising=True
    )
    director = SimpleNamespace(directory=directory, told=deque())
    conductor = conductor_of(site.environment)
    conductor._stage = SimpleNamespace(launched=SimpleNamespace(director=director, run=None))
    monkeypatch.setattr(pages, "OBEYED_S", 0.1)
    assert site.control("pause", **site.token).status_code == 504
    asked = directory.control.read_text()
    assert '"command":"pause"' in asked.replace(" ", "")
    monkeypatch.setattr(pages, "_is_told", lambda _director, note: "request" in note)
    assert site.control("pause", **site.token).json["obeyed"]


def test_the_start_button_waits_for_the_end_of_the_test_before(site, monkeypatch):
    """Locust reads "stopped" before it has let go of the shape, and would drop the press."""
    runner, looks = site.environment.runner, iter(range(3))
    runner.state, runner.shape_greenlet = "stopped", "still there"
    started_with: list[object] = []

    def pass_time(_seconds: float) -> None:
        if next(looks) == 2:
            runner.shape_greenlet = None

    monkeypatch.setattr(pages.gevent, "sleep", pass_time)
    monkeypatch.setattr(runner, "start_shape", lambda: started_with.append(runner.shape_greenlet))
    site.environment.shape_class = SimpleNamespace(use_common_options=True)
    press = {"user_count": "1", "spawn_rate": "1"}
    assert site.client.post("/swarm", base_url=HERE, data=press).json["success"]
    assert started_with == [None]
    runner.state, runner.shape_greenlet = "running", "on"
    assert site.client.post("/swarm", base_url=HERE, data=press).json["success"]
    assert started_with == [None, "on"], "during a test it is for Locust to say no"


def test_the_report_is_served_apart_from_everything(site, tmp_path):
    """It has no scripts, and whatever got into it runs none, and loads nothing."""
    (tmp_path / "report.html").write_text("<p>the report")
    (tmp_path / "summary.json").write_text(SUMMARY)
    observer = observer_of(site.environment)
    director = SimpleNamespace(directory=SimpleNamespace(path=tmp_path), figures=None)
    observer._launched = SimpleNamespace(director=director, run=None)
    answer = site.get("/payments/report")
    assert answer.text == "<p>the report"
    assert answer.headers["Content-Security-Policy"].startswith(
        "sandbox allow-popups; default-src 'none'"
    )


def test_below_a_base_path_all_is_there(tmp_path):
    """Behind a proxy the pages have another beginning."""
    site = Site("--web-base-path", "/load")
    assert site.get("/load/payments").status_code == 200
    assert site.get("/load/payments/figures").json["state"] == "none"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--web-users", "env:USERS"], "add --web-login"),
        (["--web-login"], "name the users"),
    ],
)
def test_a_login_needs_users_and_users_a_login(options, message):
    """Neither alone keeps anybody out."""
    with pytest.raises(Problems, match=message):
        Site(*options)


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    monkeypatch.setattr("locustfiles.web.login.WRONG_S", 0)
    users = tmp_path / "users"
    users.write_text("\n".join([line_of("ann", "operator", "a"), line_of("bob", "viewer", "b")]))
    return Site("--web-login", "--web-users", f"file:{users}")


@pytest.mark.parametrize(
    ("name", "password", "may"),
    [
        ("ann", "a", "control"),
        ("bob", "b", "look"),
        ("ann", "b", ""),
        ("eve", "a", ""),
        ("", "", ""),
    ],
)
def test_who_may_what(guarded, name, password, may):
    """An operator controls, a viewer looks, and anybody else is sent to the login again."""
    form = {"username": name, "password": password}
    answer = guarded.client.post("/paystorm/login", base_url=HERE, data=form)
    assert answer.location == ("/" if may else "/login")
    figures = guarded.get("/payments/figures")
    assert figures.status_code == (200 if may else 302)
    if may:
        assert figures.json["operator"] is (may == "control")
        assert guarded.control("stop", **guarded.token).status_code == (
            409 if may == "control" else 403
        )
        assert guarded.client.post("/stop", base_url=HERE).status_code == (
            200 if may == "control" else 403
        )
        guarded.client.post("/paystorm/logout", base_url=HERE)
        assert guarded.get("/payments/figures").status_code == 302


def test_a_sessions_cookie_is_for_this_site_alone(guarded):
    """No script reads it, and no other site's page sends it."""
    form = {"username": "ann", "password": "a"}
    answer = guarded.client.post("/paystorm/login", base_url=HERE, data=form)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("paystorm-8089=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.fixture
def over_tls(tmp_path):
    """A web UI with a login and a certificate of its own, on a real port, and how to trust it."""
    authority = trustme.CA()
    certificate, key, trusted = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    certificate.write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trusted)
    users = tmp_path / "users"
    users.write_text(line_of("ann", "operator", "a"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    made = Site(
        *("--web-login", "--web-users", f"file:{users}", "--web-port", port),
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
    )
    made.web_ui.start()
    gevent.sleep(0)
    yield f"https://127.0.0.1:{port}", ssl.create_default_context(cafile=str(trusted))
    made.web_ui.stop()


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS:DeprecationWarning")  # gevent's
def test_over_tls_all_of_it_works_and_the_cookie_goes_nowhere_else(over_tls):
    """As Locust has it: the page, its figures, the login with a cookie for TLS alone, and the fence."""
    url, trust = over_tls

    def look():
        """Do as a browser does, on a thread: the server is on this one's event loop."""
        cookies = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust),
            urllib.request.HTTPCookieProcessor(cookies),
        )

        def status(request):
            try:
                with opener.open(request, timeout=60) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, ""

        form = b"username=ann&password=a"
        found = {
            "login": status(urllib.request.Request(f"{url}/paystorm/login", form))[0],
            "page": status(f"{url}/payments"),
            "figures": status(f"{url}/payments/figures"),
            "evil": status(
                urllib.request.Request(f"{url}/stop", b"", {"Origin": "https://evil.example"})
            )[0],
            "own": status(urllib.request.Request(f"{url}/stop", b"", {"Origin": url}))[0],
            "cookies": list(cookies),
        }
        try:
            urllib.request.urlopen(url.replace("https", "http"), timeout=60).close()
        except (OSError, http.client.HTTPException):
            found["plain"] = "refused"
        return found

    found = gevent.get_hub().threadpool.apply(look)
    assert (found["login"], found["page"][0], found["figures"][0]) == (200, 200, 200)
    assert 'name="token"' in found["page"][1]
    assert json.loads(found["figures"][1])["operator"] is True
    assert (found["evil"], found["own"], found["plain"]) == (403, 200, "refused")
    (cookie,) = found["cookies"]
    assert cookie.secure
    assert cookie.has_nonstandard_attr("HttpOnly")

"""The Payments page in a real browser: a run from the form to its report, by somebody who may."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from locustfiles.web.login import line_of
from tests.chromium import PATIENCE_S, chromium, complaints  # noqa: F401 - a fixture
from tests.e2e.web_uis import WebUi, serving


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebUi]:
    """The web UI with a login, and an operator and a viewer who have one."""
    folder = tmp_path_factory.mktemp("web")
    lines = [line_of("ann", "operator", "pass-ann"), line_of("bob", "viewer", "pass-bob")]
    (folder / "users").write_text("\n".join(lines))
    with serving(
        folder / "runs", "--web-login", "--web-users", f"file:{folder / 'users'}"
    ) as served:
        yield served


class People:
    """Somebody at a browser."""

    def __init__(self, browser: WebDriver, url: str) -> None:
        self.browser = browser
        self.url = url

    def until(self, seen: Callable[[WebDriver], object], what: str) -> None:
        """Wait until something is to be seen."""
        WebDriverWait(self.browser, PATIENCE_S, poll_frequency=0.1).until(seen, f"never {what}")

    def find(self, by: str, what: str) -> WebElement:
        """Wait for an element that can be seen, and return it."""
        self.until(lambda b: any(e.is_displayed() for e in b.find_elements(by, what)), what)
        return next(e for e in self.browser.find_elements(by, what) if e.is_displayed())

    def log_in(self, name: str) -> None:
        """Log in, as whoever comes for the first time has to."""
        self.browser.get(self.url + "/payments")
        self.find(By.NAME, "username").send_keys(name)
        self.find(By.NAME, "password").send_keys(f"pass-{name}")
        self.find(By.CSS_SELECTOR, "button[type=submit]").click()

    def sees(self, state: str) -> None:
        """Wait until the page tells of a state."""
        self.until(lambda b: b.find_element(By.ID, "state").text == state, state)

    def presses(self, command: str) -> None:
        """Press a button of the page, say no, and then press it again and confirm it."""
        self.find(By.ID, f"do-{command}").click()
        self.find(By.ID, "no").click()
        self.until(lambda b: not b.find_element(By.ID, "ask").is_displayed(), "no question")
        self.find(By.ID, f"do-{command}").click()
        self.find(By.ID, "yes").click()
        self.until(lambda b: f"{command} asked" in b.find_element(By.ID, "findings").text, command)


def test_a_run_from_the_form_to_its_report(browser: WebDriver, web: WebUi) -> None:
    """An operator starts, watches, pauses, resumes and stops it, and opens what the judge says."""
    ann = People(browser, web.url)
    ann.log_in("ann")
    ann.find(By.XPATH, "//*[text()='Custom parameters']").click()
    plans = Select(ann.find(By.NAME, "paystormPlan"))
    assert {"smoke", "demo", "peak"} <= {one.text for one in plans.options}
    presets = Select(ann.find(By.NAME, "paystormPreset"))
    assert [one.text for one in presets.options][:2] == ["as in the plan", "smoke"]
    plans.select_by_visible_text("smoke")
    ann.find(By.NAME, "paystormChannels")
    # It would take a minute, so that it is on however slow the machine is; it is stopped.
    ann.find(By.NAME, "paystormRate").send_keys("2")
    ann.find(By.XPATH, "//button[text()='Start']").click()

    ann.find(By.LINK_TEXT, "Payments page").click()
    ann.until(lambda b: "accounts" in b.find_element(By.ID, "phase").text, "the first phase")
    ann.until(lambda b: "Phase payments" in b.find_element(By.ID, "phase").text, "the last phase")
    ann.presses("pause")
    ann.sees("paused")

    browser.get(web.url + "/payments?wall")
    ann.until(lambda b: b.find_element(By.ID, "wall-right").text == "100 %", "right so far")
    for what, looks in (("payments", r"\d+"), ("money", r"[\d.,A-Z\s]+"), ("p99", r"[\d.,]+ ms")):
        assert re.fullmatch(looks, ann.find(By.ID, f"wall-{what}").text), what
    browser.get(web.url + "/payments")
    ann.presses("resume")
    ann.sees("sending")
    ann.presses("stop")
    ann.sees("judged")
    assert "by ann, request" in ann.find(By.ID, "findings").text
    assert "(exit code" in ann.find(By.ID, "verdict").text
    browser.get(ann.find(By.ID, "report").get_attribute("href") or "")
    ann.until(lambda b: "smoke" in b.find_element(By.TAG_NAME, "body").text, "the report")
    assert not complaints(browser)


def test_a_viewer_sees_all_and_changes_nothing(web: WebUi) -> None:
    """Whatever the page has a button for, and whatever Locust has one for, is refused."""
    bob = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    bob.open(web.url + "/paystorm/login", b"username=bob&password=pass-bob", timeout=30).close()
    with bob.open(web.url + "/payments/figures", timeout=30) as answer:
        told = json.load(answer)
    assert (told["user"], told["operator"]) == ("bob", False)
    with bob.open(web.url + "/payments", timeout=30) as answer:
        token = re.search(r'name="token" content="([^"]+)"', answer.read().decode())
    assert token is not None
    for path in ("/payments/control", "/swarm", "/stop", "/stats/reset", "/user"):
        request = urllib.request.Request(
            web.url + path, b"command=stop", {"X-Paystorm-Token": token[1]}
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            bob.open(request, timeout=30)


def test_without_a_login_nothing_is_seen(web: WebUi) -> None:
    """Neither figures nor metrics nor the report: whoever is nobody is sent to the login."""
    for path in (
        "/payments",
        "/payments/figures",
        "/payments/report",
        "/metrics",
        "/stats/requests",
    ):
        with urllib.request.urlopen(web.url + path, timeout=30) as answer:
            assert "/login" in answer.geturl(), path
    for path in ("/payments/control", "/stop", "/swarm"):
        request = urllib.request.Request(web.url + path, b"command=stop", {"Origin": "http://x"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request, timeout=30)

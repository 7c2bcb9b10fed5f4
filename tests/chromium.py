"""Real Chromium without a window: what people see of pages is looked at as they do.

A test module imports the fixture `browser`: `from tests.chromium import chromium  # noqa: F401`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

WIDTH, HEIGHT = 1400, 1000
PATIENCE_S = 300
"""Only what hangs takes so long, however busy the machine."""
NAMES = ("chromium", "chromium-browser", "google-chrome")


def start() -> WebDriver:
    """Start Chromium; skips the test where there is none, but fails where CI is set."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        why = "there is no chromium with its chromedriver (Debian: chromium chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    options = ChromeOptions()
    options.binary_location = program
    for argument in (
        # Containers run as root, and have little shared memory; the pages are our own.
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        *("--no-first-run", "--disable-background-networking", "--hide-scrollbars"),
        f"--window-size={WIDTH},{HEIGHT}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        return Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        pytest.fail(f"chromium did not start: {error}")


@pytest.fixture(name="browser", scope="module")
def chromium() -> Iterator[WebDriver]:
    """A browser that a module's tests share, since it takes seconds to start."""
    driver = start()
    yield driver
    driver.quit()


def complaints(browser: WebDriver) -> list[str]:
    """Return what went wrong in pages since the last call, by the browser's console."""
    return [
        entry["message"]
        for entry in browser.get_log("browser")  # type: ignore[no-untyped-call]
        if entry["level"] == "SEVERE" and "favicon" not in entry["message"]
    ]

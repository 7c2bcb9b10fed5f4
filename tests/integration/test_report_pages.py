"""Reports and comparisons as people see them, in real Chromium: nothing is cut, no figure is empty."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium.webdriver.common.by import By

from reports.compared import JudgedRun, compare
from reports.comparison import to_page
from reports.foreign import to_page as to_foreign_page
from reports.html import to_html
from reports.locust_csv import LocustRun, read_locust
from reports.server_metrics import COLUMNS
from reports.since import NO_EARLIER, since
from tests import samples
from tests.chromium import chromium, complaints  # noqa: F401 - the fixture `browser`
from tests.judged_runs import write_judged

SCREENS = {"desk": (1280, "screen"), "phone": (390, "screen"), "paper": (690, "print")}
"""Widths in pixels; paper is an A4 sheet without its margins."""
LONG = "a-phase-with-a-name-that-is-as-long-as-names-of-phases-may-be"

CUT = """
const cut = [], wide = document.documentElement.scrollWidth - window.innerWidth;
if (wide > 0) cut.push(`the page is ${wide} px too wide`);
const scrolls = (one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowX);
const shown = (one) => one.getClientRects().length && !one.closest('.skip, details:not([open])');
for (const one of document.querySelectorAll('h1,h2,h3,p,li,dt,dd,th,td,caption,figcaption,pre')) {
  const over = one.scrollWidth - one.clientWidth;
  if (shown(one) && over > 1 && one.clientWidth && !scrolls(one) &&
      getComputedStyle(one).display !== 'inline')
    cut.push(`${over} px of ${one.tagName}: ${one.textContent.slice(0, 60)}`);
}
for (const svg of document.querySelectorAll('svg')) {
  const frame = svg.getBoundingClientRect();
  for (const text of svg.querySelectorAll('text')) {
    const box = text.getBoundingClientRect();
    if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
        box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      cut.push(`a label of ${svg.querySelector('title').textContent}: ${text.textContent}`);
  }
}
return cut;
"""
"""What is cut off: of the page, of anything with text, of the labels in a figure."""

OVERLAPS = """
const found = [];
for (const svg of document.querySelectorAll('svg')) {
  const boxes = [...svg.querySelectorAll('text')].map((text) => [text, text.getBoundingClientRect()]);
  boxes.forEach(([one, a], at) => boxes.slice(at + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 4) found.push(`${one.textContent} and ${other.textContent}`);
  }));
}
return found;
"""
"""Labels of a figure that lie on each other."""


FAINT = """
const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
const light = (colour) => channels(colour).slice(0, 3)
  .map((part) => part / 255 <= 0.04045 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (one) => {
  for (; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if ((channels(colour)[3] ?? 1) === 1) return light(colour);
  }
  return 1;
};
const found = [];
for (const one of document.querySelectorAll('body *:not(script)')) {
  const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !one.getClientRects().length) continue;
  const style = getComputedStyle(one);
  const both = [light(one.closest('svg') ? style.fill : style.color), behind(one)];
  const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  if (ratio < 4.5) found.push(`${ratio.toFixed(1)}: ${one.textContent.slice(0, 60)}`);
}
return found;
"""
"""Texts that do not stand out from what is behind them by 4.5:1 (WCAG 2.2, success criterion 1.4.3)."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write pages of runs of every sort, and of a comparison; return name -> file."""
    directory = tmp_path_factory.mktemp("pages")
    named = {name: getattr(samples, name)() for name in ("good", "bad", "special", "empty")}
    long = named["bad"]
    phases = tuple(replace(phase, name=LONG) for phase in long.judgement.phases)
    judgement = replace(long.judgement, phases=phases, plan_name=LONG)
    named["long"] = replace(long, judgement=judgement, server=_server())
    html = {name: to_html(results, _since(named, name)) for name, results in named.items()}
    base = [JudgedRun.read(write_judged(directory / f"b{n}", seed=n)) for n in range(3)]
    new = [JudgedRun.read(write_judged(directory / "new", 1.5, seed=9, errors=40))]
    html["comparison"] = to_page(compare(base, new), base, new)
    html["locust"] = to_foreign_page([_locust(directory)])
    for name, text in html.items():
        (directory / f"{name}.html").write_text(text, "utf-8")
    return {name: directory / f"{name}.html" for name in html}


def _since(named, name):
    """Return what changed from the good run to another; the good one is the first."""
    if name == "good":
        return NO_EARLIER
    return since(samples.looked_back(named["good"], named[name]))


def _server() -> pd.DataFrame:
    """Return two metrics of a platform, one of them in series with names as long as clusters make them."""
    pods = [f"namespace=payments-staging, pod=ledger-{'0123456789' * 3}-{n}" for n in range(6)]
    rows = [(t, "memory", pod, 500.0 + t + n) for t in range(90) for n, pod in enumerate(pods)]
    rows += [(t, "consumer lag", "", float(t % 20)) for t in range(90)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _locust(directory) -> LocustRun:
    """Write what Locust writes of a shop, and read it."""
    columns = "Type,Name,Request Count,Failure Count,Requests/s,50%,95%,99%,100%"
    rows = (f"GET,/orders/{'x' * n},{n + 9},0,5.5,20,40,80,90" for n in range(0, 80, 8))
    whole = ",Aggregated,1000,3,55,20,40,80,900"
    (directory / "shop_stats.csv").write_text("\n".join([columns, *rows, whole]))
    columns = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,95%,99%"
    seconds = (f"{n},{n},,Aggregated,{50 + n % 7},0.1,20,{40 + n % 5},80" for n in range(90))
    (directory / "shop_stats_history.csv").write_text("\n".join([columns, *seconds]))
    failures = "Method,Name,Error,Occurrences\nGET,/orders/x,no answer,3"
    (directory / "shop_failures.csv").write_text(failures)
    return read_locust(directory, "shop")


def look(browser, page, screen, scheme="light"):
    """Open a page on a screen, or on paper."""
    width, media = SCREENS[screen]
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": screen == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    prefers = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": prefers})
    browser.get(page.as_uri())


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(
    "name", ["good", "bad", "special", "empty", "long", "comparison", "locust"]
)
def test_nothing_is_cut_and_nothing_goes_wrong(browser, pages, name, screen):
    """Every text is whole on a desk's screen, on a phone and on paper; the console is silent."""
    look(browser, pages[name], screen)
    assert browser.execute_script(CUT) == []
    assert browser.execute_script(OVERLAPS) == []
    assert complaints(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["bad", "comparison", "locust"])
def test_every_text_can_be_read_and_no_figure_is_empty(browser, pages, name, scheme):
    """In light and in dark each figure shows lines in colour upon the page's own background."""
    look(browser, pages[name], "desk", scheme)
    assert browser.execute_script(FAINT) == []
    drawn = browser.find_elements(By.CSS_SELECTOR, "figure svg")
    assert len(drawn) == {"bad": 3, "comparison": 2, "locust": 1}[name]
    for figure in drawn:
        pixels = np.asarray(Image.open(io.BytesIO(figure.screenshot_as_png)).convert("RGB"), int)
        dark = bool(np.median(pixels) < 128)
        assert dark == (scheme == "dark")
        background = np.median(pixels.reshape(-1, 3), axis=0)
        differs = (abs(pixels - background).max(axis=2) > 60).mean()
        coloured = ((pixels.max(axis=2) - pixels.min(axis=2)) > 60).mean()
        assert differs > 0.004
        assert coloured > 0.001


def test_the_verdict_is_on_the_first_screen(browser, pages):
    """Whoever opens the report sees, without scrolling, whether it was right, fast, and what changed."""
    look(browser, pages["bad"], "desk")
    answers = browser.find_elements(By.CSS_SELECTOR, ".answer")
    assert len(answers) == 4
    assert all(one.rect["y"] + one.rect["height"] <= 900 for one in answers)


def test_it_prints(browser, pages):
    """The report becomes a PDF of several sheets."""
    look(browser, pages["bad"], "paper")
    printed = browser.print_page()
    assert len(printed) > 50_000

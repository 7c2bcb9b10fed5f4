"""report.html is well-formed, needs nothing from outside, and shows hostile text as text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib as mpl
import pandas as pd
import pytest

from reports import drawing
from reports.fault_row import FaultRow
from reports.hostile import markdown
from reports.html import to_html
from reports.judgement import Class
from reports.markdown import to_markdown
from reports.time_axis import Axis
from reports.timeline import Event
from tests import samples
from tests.pages import page_of

VOID = {"meta", "link", "br", "hr", "img", "input"}
SCRIPT = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Checks that tags nest, and keeps what the tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag at {self.getpos()}"

    def handle_data(self, data):
        self.text += data

    def values(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    def count(self, tag):
        return sum(found == tag for found, _ in self.tags)


@pytest.fixture(params=["good", "bad", "special", "empty", "bare"])
def html(request):
    return page_of(request.param)


def test_every_tag_is_closed_and_ids_are_unique(html):
    page = Page(html)
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))


def test_every_reference_is_to_something_on_the_page(html):
    page = Page(html)
    ids = set(page.values("id"))
    references = [href[1:] for href in page.values("href") if href.startswith("#")]
    references += re.findall(r"url\(#([^)]+)\)", html)
    references += " ".join(page.values("aria-labelledby")).split()
    assert set(references) <= ids


def test_nothing_is_loaded_from_outside_and_nothing_runs(html):
    page = Page(html)
    assert page.values("src") == []
    assert all(href.startswith(("#", "data:image/png;")) for href in page.values("href"))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html
    assert page.count("script") == page.count("link") == page.count("iframe") == 0
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]


def test_every_figure_is_drawn_and_told_in_words(html):
    drawn = re.findall(r"<figure>(.*?)</figure>", html, re.DOTALL)
    assert len(drawn) == 3
    for figure in drawn:
        page = Page(figure)
        (attributes,) = [attributes for tag, attributes in page.tags if tag == "svg"]
        assert attributes["role"] == "img"
        assert page.count("path") > 3
        assert page.count("text") > 3  # text stayed text
        assert re.search(r"<title [^>]*>[^<]{10,}</title>", figure)
        assert re.search(r"<desc [^>]*>[^<]{20,}</desc>", figure)
        assert re.search(r"<figcaption>[^<]{20,}</figcaption>", figure)


def test_landmarks_and_the_order_of_the_questions(html):
    page = Page(html)
    assert [page.count(tag) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert sections[:5] == ["right", "fast", "limits", "since", "story"]
    assert page.count("h2") == len(sections)


def test_the_same_run_gives_the_same_bytes():
    assert to_html(samples.bad()) == page_of("bad")


def test_what_came_over_the_network_stays_text():
    sample = samples.bad()
    hostile = replace(
        samples.case(f"reason {SCRIPT}\x1b[2J\u202e\ud800", 1), account_id=f'"{SCRIPT}'
    )
    check = sample.judgement.checks[0]
    finding = replace(check.findings[0], name=f"lost {SCRIPT}", first=hostile)
    judgement = replace(
        sample.judgement,
        plan_name=SCRIPT,
        verdict=f"not right {SCRIPT}",
        reasons=(SCRIPT,),
        checks=(replace(check, findings=(finding,), note=SCRIPT), *sample.judgement.checks[1:]),
        phases=(replace(sample.judgement.phases[0], name=f"{SCRIPT} $x_1$"),),
        facts={SCRIPT: SCRIPT, "host": "https://bank.example/?a=<b>"},
        classes={SCRIPT: {SCRIPT: 3}},
    )
    html = to_html(replace(sample, judgement=judgement))
    page = Page(html)
    assert page.open == []
    assert page.count("script") == 0
    assert page.text.count(SCRIPT) >= 9
    assert "reason <script>alert(1)</script>\\x1b[2J\\u202e\\ud800" in page.text
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_classes_that_do_not_add_up_are_told():
    sample = samples.good()
    judgement = replace(sample.judgement, classes={Class.SETTLED: {"payment": 5999}})
    assert "add up to 5,999 commands, but the pool has 6,000" in to_html(
        replace(sample, judgement=judgement)
    )
    assert "do not rely on" not in page_of("good")


def test_a_long_run_makes_no_long_file():
    """A day's figures hold no more points than a screen can show."""
    run = samples.good()
    day = pd.concat([run.metrics.assign(t_s=run.metrics["t_s"] + 90 * n) for n in range(960)])
    sample = replace(run, metrics=day)
    assert len(to_html(sample)) < 400_000


def test_a_user_s_own_settings_of_matplotlib_change_nothing():
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert to_html(samples.good()) == page_of("good")


@pytest.mark.parametrize("background", ["#ffffff", "#14181f", "#1b212b"])
@pytest.mark.parametrize("colour", drawing.COLOURS.values())
def test_lines_stand_out_from_the_page_light_and_dark(colour, background):
    """Graphics need a contrast of 3:1 (WCAG 2.2, success criterion 1.4.11)."""
    lighter, darker = sorted((_luminance(colour), _luminance(background)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def fleet():
    """Return a run of a fleet that lost a worker for a while, with two queues."""
    run = samples.bad()
    rows, events = run.timeline
    deep = [replace(row, queues={"COMMAND.QUEUE": n % 50, SCRIPT: 3}) for n, row in enumerate(rows)]
    moved = [
        *(Event(n * 10**9, "worker joined", "", f"w{n}: joined") for n in range(4)),
        Event(40 * 10**9, "worker lost", "payments", "w1: not heard of for 10 s"),
        Event(60 * 10**9, "worker back", "payments", "w1: back"),
    ]
    return replace(run, timeline=(deep, [*events, *moved]))


def test_the_story_of_a_fleet_has_its_workers_and_queues():
    """Workers coming and going and queue depths are on the same axis, and told in words."""
    html = to_html(fleet())
    story = re.search(r"<figure>\s*<h3>The run.{1,5}s story</h3>(.*?)</figure>", html, re.S)[1]
    page = Page(story)
    assert page.open == []
    assert "workers at most 4, 4 at the end" in page.text
    assert "COMMAND.QUEUE at most 49" in page.text
    assert page.count("script") == 0
    assert SCRIPT in page.text
    assert "workers" not in re.search(r"<figcaption>Each.*?</figcaption>", page_of("bad"))[0]


def test_events_of_a_run_are_marked_and_routine_is_not():
    """A warning is a dotted line; that a phase began is shown by its band."""
    run = samples.good()
    calm = Axis.of(run.metrics, *run.timeline, run.judgement.phases)
    assert calm.events == ()
    eventful = samples.bad()
    axis = Axis.of(eventful.metrics, *eventful.timeline, eventful.judgement.phases)
    assert [event.event for event in axis.events] == ["warning"]


def test_the_heat_map_is_one_small_picture():
    """Cells are pixels, not paths: a day's map stays a few kilobytes."""
    html = page_of("good")
    (picture,) = re.findall(r'href="data:image/png;base64,\s*([^"]*)"', html)
    assert 100 < len(picture) < 30_000


def test_faults_are_bands_of_their_own_and_a_table():
    """What a plan did on purpose is on the axis, with how soon it showed and was over."""
    run = samples.bad()
    fault = FaultRow(
        title=f"refuse {SCRIPT}", phase="payments", channel="HTTP", began_ns=40 * 10**9,
        ended_ns=50 * 10**9, noticed_ms=120.0, recovered_ms=None, disturbed_ms=0.0, shut_ms=750.0, answered_percent=12.5,
        response_p99_before_ms=80.0, response_p99_during_ms=900.0, completed_during=3,
        completed_after=9, during={"refused": 7}, after={}, cascades=("MQ",),
        by_second={"refused": ((41, 3), (43, 4)), "retried": ((42, 2),)},
    )  # fmt: skip
    judgement = replace(run.judgement, faults=(fault,), retried=2)
    page = Page(to_html(replace(run, judgement=judgement)))
    assert "Orange bands" in page.text
    assert "refused at most" in page.text
    assert "retried at most" in page.text
    assert page.count("script") == 0
    summary = to_markdown(judgement)
    assert f"refuse {SCRIPT}" in page.text
    assert f"| refuse {markdown(SCRIPT)} | HTTP | 40.000 s |" in summary
    for text in ("after 120 ms", "750 ms", "not seen", "7 refused", "2 attempts were made again"):
        assert text in page.text
        assert text in summary
    assert "## Faults" in summary
    assert "## Faults" not in to_markdown(run.judgement)

"""What pipelines read of a run is the same until someone means to change it."""

from __future__ import annotations

import pytest

from reports.markdown import to_markdown
from reports.render import write_all
from reports.rundir import RunDirectory
from reports.since import since
from tests import samples

NAMES = ("report.md", "junit.xml", "summary.json", "findings.json")


@pytest.mark.parametrize("sample", ["good", "bad", "special", "empty"])
def test_report(sample, golden, tmp_path):
    write_all(RunDirectory(tmp_path), getattr(samples, sample)())
    for name in NAMES:
        golden(f"{sample}/{name}", (tmp_path / name).read_bytes())


@pytest.mark.parametrize(("then", "now"), [("bad", "good"), ("good", "bad")])
def test_what_changed_since_last_time(then, now, golden):
    before, after = getattr(samples, then)(), getattr(samples, now)()
    changed = since(samples.looked_back(before, after))
    text = to_markdown(after.judgement, after.last_seen_s, changed)
    golden(f"{now}/after-{then}.md", text.encode())

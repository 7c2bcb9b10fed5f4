"""What pipelines read of a run is the same until someone means to change it."""

from __future__ import annotations

import pytest

from reports.render import write_all
from reports.rundir import RunDirectory
from tests import samples

NAMES = ("report.md", "junit.xml", "summary.json", "findings.json")


@pytest.mark.parametrize("sample", ["good", "bad", "special", "empty"])
def test_report(sample, golden, tmp_path):
    write_all(RunDirectory(tmp_path), getattr(samples, sample)())
    for name in NAMES:
        golden(f"{sample}/{name}", (tmp_path / name).read_bytes())

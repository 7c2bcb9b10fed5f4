"""What pipelines read of a run is the same until someone means to change it."""

from __future__ import annotations

import pytest

from reports.render import write_all
from reports.rundir import RunDirectory
from tests import samples


@pytest.mark.parametrize("sample", ["good", "bad", "special", "empty"])
@pytest.mark.parametrize("name", ["report.md", "junit.xml", "summary.json", "findings.json"])
def test_report(sample, name, golden, tmp_path):
    run = getattr(samples, sample)()
    write_all(RunDirectory(tmp_path), run)
    golden(f"{sample}/{name}", (tmp_path / name).read_bytes())

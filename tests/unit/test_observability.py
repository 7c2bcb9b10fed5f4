"""Rules and dashboard: valid by Prometheus' own tool, and made of metrics that there are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.core import HistogramMetricFamily

from locustfiles.metrics import MEASURES

FOLDER = Path(__file__).resolve().parents[2] / "observability"
DASHBOARD = json.loads((FOLDER / "grafana/dashboards/paystorm.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
EXPOSED = {measure.name for measure in MEASURES} | {
    f"{measure.name}_{suffix}"
    for measure in MEASURES
    if measure.type is HistogramMetricFamily
    for suffix in ("bucket", "count", "sum")
}
LABELS = {label for measure in MEASURES for label in measure.labels}


def promtool() -> str:
    """Return where promtool is; without it the test is skipped, but fails in CI."""
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI"):
        pytest.fail("promtool is not installed: .ci/run installs Debian's package prometheus")
    if found is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    return found


def queries() -> dict[str, str]:
    """Return the dashboard's expressions by where they stand."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    }
    return found | {note["name"]: note["expr"] for note in DASHBOARD["annotations"]["list"]}


@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_files(command):
    """Scrape configuration and rules are valid, and each rule alerts when, and only when, it should."""
    done = subprocess.run(
        [promtool(), *command], cwd=FOLDER, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_of_its_own():
    """Each is shown to be roused, and to keep quiet."""
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts
    assert all(rule["annotations"]["summary"] for rule in RULES if "alert" in rule)


def test_rules_and_panels_are_made_of_metrics_that_there_are():
    """A metric that was renamed leaves no empty panel and no rule that can never fire."""
    expressions = [rule["expr"] for rule in RULES] + list(queries().values())
    assert len(expressions) > 30
    for expression in expressions:
        used = set(re.findall(r"\bpaystorm_\w+", expression))
        assert used, expression
        assert used <= EXPOSED, used - EXPOSED
        grouped = re.findall(r"\bby \(([^)]*)\)", expression)
        labels = {label.strip() for group in grouped for label in group.split(",")}
        assert labels <= LABELS | {"le"}, expression


def test_every_metric_is_on_the_dashboard():
    """What is worth measuring is worth seeing."""
    shown = " ".join(queries().values())
    for measure in MEASURES:
        assert re.search(rf"\b{measure.name}(_bucket)?\b", shown), measure.name


def test_panels_have_their_place():
    """Ids are unique, no panel lies over another, and each has its data source."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${source}"

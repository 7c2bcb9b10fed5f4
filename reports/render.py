"""Writing a judgement down: for people, for pipelines and for the next comparison."""

from __future__ import annotations

from reports.html import to_html
from reports.junit import to_junit
from reports.markdown import to_markdown
from reports.plain import to_json
from reports.previous import look_back
from reports.results import SUMMARY, Results, write_tables
from reports.rundir import RunDirectory
from reports.since import NO_EARLIER, since


def write_all(directory: RunDirectory, results: Results) -> None:
    """Write the tables, summary.json and findings.json, and then the reports, each atomically.

    What pipelines read is written first, so that it is there whatever becomes of the page.
    """
    write_tables(directory, results)
    judgement = results.judgement
    directory.write(SUMMARY, to_json(judgement))
    found = [check for check in judgement.checks if check.findings]
    directory.write("findings.json", to_json(found))
    write_reports(directory, results)


def write_reports(directory: RunDirectory, results: Results) -> None:
    """Write junit.xml, report.md and report.html, each atomically; they tell of the run before, too."""
    record, judgement = results.record, results.judgement
    changed = NO_EARLIER
    if record is not None:
        changed = since(look_back(directory, record, judgement, results.histograms))
    directory.write("junit.xml", to_junit(judgement))
    markdown = to_markdown(judgement, results.last_seen_s, changed)
    directory.write("report.md", markdown.encode())
    directory.write("report.html", to_html(results, changed).encode())

"""report.md is short, and text from the network is neither HTML nor Markdown in it."""

from __future__ import annotations

from dataclasses import replace

from reports.hostile import LENGTH_MAX, markdown, visible
from reports.markdown import LATENCIES_MAX, to_markdown
from tests import samples


def test_it_begins_with_the_verdict():
    first = to_markdown(samples.bad().judgement).splitlines()[0]
    assert first == "# ❌ Not right: 12 commands lost, 1 settled twice; too slow: response p99"


def test_hostile_text_opens_no_tag_no_link_and_no_cell():
    hostile = "<script>x</script> | [a](http://evil) `b` *c* www.evil.example\n# d"
    bad = samples.bad().judgement
    case = replace(samples.case(hostile, 1), account_id=hostile)
    finding = replace(bad.checks[0].findings[0], first=case)
    check = replace(bad.checks[0], findings=(finding,), note=hostile)
    text = to_markdown(replace(bad, checks=(check,), verdict=hostile, reasons=(hostile,)))
    assert "<script" not in text
    assert "http://" not in text
    assert "www.evil" not in text
    assert "[a]" not in text
    row = next(line for line in text.splitlines() if line.startswith("| violated | 1."))
    assert row.replace("\\|", "").count("|") == 6


def test_an_account_id_is_still_readable():
    assert markdown("ACC-00000017") == "ACC-00000017"


def test_the_latencies_are_few():
    lines = to_markdown(samples.bad().judgement).split("## Slowest")[1].splitlines()
    assert sum(line.startswith("| ") for line in lines) == LATENCIES_MAX + 2


def test_percentiles_beyond_the_commands_without_an_end_are_more_than_the_largest_sample():
    text = to_markdown(samples.bad().judgement)
    assert "| completion | payments | HTTP | payment | 3,240 | 100 | 691 | &gt; 6,221 |" in text


def test_a_consequence_names_its_cause():
    text = to_markdown(samples.bad().judgement)
    assert "**book balance differs**: 1 case, a consequence of “settled twice”" in text


def test_nothing_to_say_is_said():
    text = to_markdown(samples.bare().judgement)
    for sentence in ("No invariant was checked.", "No latency was measured.", "sets no SLO"):
        assert sentence in text


def test_what_cannot_be_seen_is_written_out():
    assert visible("a\x1b[2J\r\nb\u202e\u200b\ud800") == "a\\x1b[2J\\r\\nb\\u202e\\u200b\\ud800"
    assert visible("Zoë 漢字 €5") == "Zoë 漢字 €5"


def test_a_megabyte_does_not_fill_the_report():
    shown = visible("x" * (LENGTH_MAX + 1_000_000))
    assert shown.endswith("… (1,000,000 more characters)")
    assert len(shown) < LENGTH_MAX + 40

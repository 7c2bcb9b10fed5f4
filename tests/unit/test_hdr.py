"""HDR histograms: three significant digits at any magnitude, and files that HdrHistogram's tools read."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data.commands import Kind
from e2e_data.problems import Problems
from reports.hdr import HIGHEST_NS, Histogram, buckets, highest_ns, rank_of
from reports.latency_log import read_log, write_log
from reports.rundir import RunDirectory
from tests.histories import History
from tests.unit.test_latencies import frame, latencies

VALUES = st.lists(
    st.one_of(st.integers(0, 5000), st.integers(0, HIGHEST_NS), st.just(HIGHEST_NS)), max_size=200
)
PERCENTS = (50, 90, 99, 99.9)


def of(values) -> Histogram:
    return Histogram.of(np.array(values, np.int64))


def theirs(values) -> HdrHistogram:
    """Record values with HdrHistogram's own library."""
    histogram = HdrHistogram(1, HIGHEST_NS, 3)
    for value in values:
        histogram.record_value(value)
    return histogram


@given(value=st.integers(0, HIGHEST_NS))
def test_a_bucket_is_within_a_thousandth(value):
    """A value is told as one no smaller, and larger by less than a thousandth of it."""
    highest = highest_ns(int(buckets(np.array([value]))[0]))
    assert value <= highest
    assert highest - value <= value / 1000


def test_what_is_beyond_a_day_or_below_nothing_is_kept_at_the_edge():
    """No value is lost: too long is a day, and less than nothing is nothing."""
    histogram = of([-5, HIGHEST_NS * 9])
    assert (histogram.count, histogram.max_ns) == (2, HIGHEST_NS)
    assert (histogram.at_rank(1), histogram.at_rank(2)) == (0, HIGHEST_NS)


@settings(max_examples=20)  # Their decoder goes through 39,000 buckets one by one.
@given(VALUES)
def test_the_library_reads_what_we_write(values):
    """HdrHistogram's decoder finds the same counts and percentiles."""
    read = HdrHistogram.decode(of(values).encoded())
    assert read.total_count == len(values)
    own = theirs(values)
    for percent in PERCENTS:
        assert read.get_value_at_percentile(percent) == own.get_value_at_percentile(percent)


@given(VALUES)
def test_we_read_what_the_library_writes(values):
    """Its encodings decode to the counts that we would have made."""
    text = theirs(values).encode()
    read = Histogram.decoded(text.decode() if isinstance(text, bytes) else text)
    assert read.counts.tolist() == of(values).counts.tolist()


@given(VALUES, VALUES)
def test_histograms_add_up(first, second):
    """The sum of two histograms is the histogram of both, maximum included."""
    whole = of(first)
    whole.add(of(second))
    both = of([*first, *second])
    assert whole.counts.tolist() == both.counts.tolist()
    assert whole.max_ns == both.max_ns


@given(VALUES)
def test_an_encoding_reads_back(values):
    """What is written is what is read, to the nanosecond of the maximum where that is kept."""
    histogram = of(values)
    again = Histogram.decoded(histogram.encoded(), histogram.max_ns)
    assert again.counts.tolist() == histogram.counts.tolist()
    assert again.max_ns == histogram.max_ns
    assert Histogram.decoded(histogram.encoded()).max_ns >= histogram.max_ns


def test_counts_may_be_large():
    """A count of many millions takes more bytes, and no less exactness."""
    counts = np.zeros(3000, np.int64)
    counts[[0, 1, 3, 2999]] = [1, 2**40, 127, 128]
    histogram = Histogram(counts, 2999)
    assert Histogram.decoded(histogram.encoded()).counts.tolist() == counts.tolist()
    assert HdrHistogram.decode(histogram.encoded()).total_count == int(counts.sum())


def broken():
    whole = of([1, 5000]).encoded()
    raw = base64.b64decode(whole)
    other = HdrHistogram(1, HIGHEST_NS, 2).encode()
    yield "", "not base64"
    yield "!", "no base64"
    yield base64.b64encode(raw[:20]).decode(), "cut off"
    yield base64.b64encode(b"x" * 40).decode(), "something else"
    bomb = zlib.compress(bytes(10_000_000))
    yield base64.b64encode(raw[:4] + struct.pack(">i", len(bomb)) + bomb).decode(), "a bomb"
    yield other.decode() if isinstance(other, bytes) else other, "of two digits"


@pytest.mark.parametrize("text", [text for text, _ in broken()], ids=[why for _, why in broken()])
def test_what_is_no_histogram_is_refused(text):
    """Anything else is a ValueError, never a wrong histogram."""
    with pytest.raises(ValueError, match=r"."):
        Histogram.decoded(text)


@pytest.mark.parametrize(
    ("size", "percent", "rank"),
    [(0, 50, None), (1, 50, None), (2, 50, 1), (99, 99, None), (100, 99, 99), (1000, 99.9, 999),
     (10_000, 99.99, 9999), (9_999, 99.99, None)],
)  # fmt: skip
def test_a_rank_needs_one_value_beyond_it(size, percent, rank):
    """By nearest rank; None where the maximum would pose as the percentile."""
    assert rank_of(size, percent) == rank


# -- the log ----------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    """A log of two phases, and the record it belongs to."""
    history = History(tmp_path / "run")
    found = latencies(
        frame(*[(0, 0, 0, 1, 10 + n, 20) for n in range(50)], kind=Kind.ACCOUNT),
        frame(*[(1, 0, 0, 2, 30 + n, None) for n in range(70)], kind=Kind.OPENING_CREDIT),
    )
    directory = RunDirectory(tmp_path / "run")
    return write_log(directory, found, history.record), found, history.record


def test_standard_tools_read_the_log(written):
    """HdrHistogram's log reader finds every histogram, in nanoseconds, with the run's beginning."""
    path, found, record = written
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_NS, 3))
    counts = []
    while histogram := reader.get_next_interval_histogram():
        counts.append(histogram.get_total_count())
    assert sorted(counts) == sorted(
        found.of(group, latency).histogram.count
        for group in found.groups
        for latency in ("lag", "queueing", "service", "response", "completion")
    )
    assert f"#[StartTime: {record.epoch_utc_ns / 1e9:.3f} " in path.read_text()


def test_a_log_reads_back_by_its_tags(written):
    """A tag names phase, channel, kind and latency; a kind of two words is one."""
    path, found, _ = written
    read = read_log(path)
    assert len(read) == 10
    histogram = read["opening-credits/HTTP/opening-credit/response"]
    assert histogram.counts.tolist() == found.over("response", 1).histogram.counts.tolist()
    assert histogram.max_ns == 99_000_000
    assert read["accounts/HTTP/account/completion"].count == 50


def test_several_lines_of_a_tag_are_one_histogram(written):
    """Intervals, and the logs of several processes put one behind the other, add up."""
    path, _, _ = written
    path.write_text(path.read_text() * 2)
    assert read_log(path)["accounts/HTTP/account/lag"].count == 100


def test_a_damaged_line_is_named(written):
    """What cannot be read is said with its line, and is not left out silently."""
    path, _, _ = written
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], lines[5][:-30]]))
    with pytest.raises(Problems, match="line 6 cannot be read"):
        read_log(path)

"""Spans: sets of positions as sorted, disjoint half-open pairs. Small, exact, cheap to send."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]
Spans = list[Span]


def spans_of(positions: Iterable[int]) -> Spans:
    """Return the spans that hold exactly `positions`, in any order and each as often as one likes."""
    ordered = sorted(set(positions))
    if not ordered:
        return []
    if ordered[-1] - ordered[0] < len(ordered):
        # As most are: without a look at each position.
        return [(ordered[0], ordered[-1] + 1)]
    breaks = [at for at in range(1, len(ordered)) if ordered[at] - ordered[at - 1] > 1]
    starts, stops = [0, *breaks], [*breaks, len(ordered)]
    return [
        (ordered[start], ordered[stop - 1] + 1) for start, stop in zip(starts, stops, strict=True)
    ]


def union(*many: Iterable[Span]) -> Spans:
    """Return what is in any of several sets."""
    merged: Spans = []
    for start, stop in sorted(span for spans in many for span in spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], stop)
        elif start < stop:
            merged.append((start, stop))
    return merged


def within(spans: Iterable[Span], start: int, stop: int) -> Spans:
    """Return what of a set lies in [start, stop)."""
    return [
        (max(first, start), min(last, stop))
        for first, last in spans
        if first < stop and last > start
    ]


def common(one: Spans, other: Spans) -> Spans:
    """Return what is in both of two sets."""
    return [span for start, stop in one for span in within(other, start, stop)]


def without(one: Spans, other: Spans) -> Spans:
    """Return what is in `one` and not in `other`."""
    left: Spans = []
    for start, stop in one:
        at = start
        for first, last in within(other, start, stop):
            if at < first:
                left.append((at, first))
            at = last
        if at < stop:
            left.append((at, stop))
    return left


def size(spans: Iterable[Span]) -> int:
    """Return how many positions a set has."""
    return sum(stop - start for start, stop in spans)

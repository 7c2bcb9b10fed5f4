"""Spans: sets of positions as sorted, disjoint half-open pairs. Small, exact, cheap to send."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]
Spans = list[Span]


def spans_of(positions: Iterable[int]) -> Spans:
    """Return the spans that hold exactly `positions`, in any order and each as often as one likes."""
    spans: Spans = []
    start = stop = -1
    for position in sorted(positions):
        if position > stop or stop < 0:
            if stop > start:
                spans.append((start, stop))
            start = position
        stop = max(stop, position + 1)
    if stop > start:
        spans.append((start, stop))
    return spans


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

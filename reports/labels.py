"""What is counted per label: how the special commands of a pool fared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from e2e_data.commands import Kind, Label
from reports.classes import PRECEDENCE, Judged
from reports.evidence import Evidence
from reports.hdr import Histogram
from reports.journal import FLAGS_SEPARATOR
from reports.judgement import LabelRow, PatternRow
from reports.latencies import Distribution, Latencies

PATTERNS = tuple(label for label in Label if label.is_pattern)


class LabelLatencies:
    """The latencies of the commands of each label."""

    def __init__(self) -> None:
        self._latencies = {label: Latencies() for label in Label}

    def add(self, frame: pd.DataFrame) -> None:
        """Add commands that were sent, as `attempted_commands` returns them."""
        for label in np.unique(frame["label"].to_numpy()).tolist():
            self._latencies[Label(label)].add(frame[frame["label"] == label])

    def of(self, label: Label) -> Distribution:
        """Return the distribution of a label's responses."""
        return self._latencies[label].over("response") or Distribution(Histogram(), 0)


class LabelCounts:
    """Counts over shards, by what is particular about commands."""

    def __init__(self) -> None:
        self._classes = np.zeros((len(Label), len(PRECEDENCE)), dtype=np.int64)
        self._completed = np.zeros(len(Label), dtype=np.int64)
        self._detected: Counter[Label] = Counter()
        self._false_alarms: Counter[Label] = Counter()
        self.flagged = 0
        """Completions that carried any flag."""
        self.responses = LabelLatencies()

    def add(self, judged: Judged) -> None:
        """Count a shard."""
        label = judged.evidence.shard.label
        np.add.at(self._classes, (label, judged.classes), 1)
        self._add_flags(judged.evidence)

    def _add_flags(self, evidence: Evidence) -> None:
        """Compare flags with labels; a replay has its original's, which count there."""
        looked_at = (evidence.shard.kind == Kind.PAYMENT) & ~evidence.is_replay
        looked_at &= evidence.seen.outcomes != 0
        self._completed += np.bincount(evidence.shard.label[looked_at], minlength=len(Label))
        flagged = looked_at & (evidence.seen.flags != "")
        self.flagged += int(flagged.sum())
        labels = evidence.shard.label[flagged]
        texts, number = np.unique(evidence.seen.flags[flagged].astype(str), return_inverse=True)
        told = [text.split(FLAGS_SEPARATOR) for text in texts.tolist()]
        for label in PATTERNS:
            by_label = np.array([label.name in flags for flags in told], np.bool_)[number]
            self._detected[label] += int((by_label & (labels == label)).sum())
            self._false_alarms[label] += int((by_label & (labels != label)).sum())

    def rows(self) -> Iterator[LabelRow]:
        """Yield a row for each label that occurs; none where nothing is labelled."""
        commands = self._classes.sum(axis=1)
        if not commands[1:].any():
            return
        for label in Label:
            if not commands[label]:
                continue
            response = self.responses.of(label)
            yield LabelRow(
                label=label.text,
                commands=int(commands[label]),
                classes={
                    name: int(count)
                    for name, count in zip(PRECEDENCE, self._classes[label], strict=True)
                    if count
                },
                responses=response.histogram.count,
                response_p50_ms=response.percentile_ms(50),
                response_p99_ms=response.percentile_ms(99),
            )

    def patterns(self) -> Iterator[PatternRow]:
        """Yield a row for each pattern that is labelled, where anything was flagged at all."""
        everything = int(self._completed.sum())
        for label in PATTERNS if self.flagged else ():
            labelled = int(self._completed[label])
            if labelled:
                yield PatternRow(
                    label=label.text,
                    labelled=labelled,
                    detected=self._detected[label],
                    others=everything - labelled,
                    false_alarms=self._false_alarms[label],
                )

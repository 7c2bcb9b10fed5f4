"""What is counted per label and per region: how the special commands of a pool fared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from e2e_data.commands import Kind, Label, Outcome
from reports.classes import PRECEDENCE, Judged
from reports.evidence import Evidence
from reports.journal import FLAGS_SEPARATOR
from reports.judgement import LabelRow, PatternRow, RegionRow
from reports.latencies import milliseconds, percentile

PATTERNS = tuple(label for label in Label if label.is_pattern)


class LabelCounts:
    """Counts over shards, by what is particular about commands."""

    def __init__(self) -> None:
        self._classes = np.zeros((len(Label), len(PRECEDENCE)), dtype=np.int64)
        self._completed = np.zeros(len(Label), dtype=np.int64)
        self._detected: Counter[Label] = Counter()
        self._false_alarms: Counter[Label] = Counter()
        self.flagged = 0
        """Completions that carried any flag."""
        self._regions: dict[str, Counter[str]] = {}

    def add(self, judged: Judged) -> None:
        """Count a shard."""
        label = judged.evidence.shard.label
        np.add.at(self._classes, (label, judged.classes), 1)
        self._add_flags(judged.evidence)
        if judged.evidence.shard.config.regions:
            self._add_regions(judged)

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

    def _add_regions(self, judged: Judged) -> None:
        shard = judged.evidence.shard
        regions = np.array([shard.config.region_of(int(number)) for number in shard.transit])
        of_payments = regions[judged.evidence.account[shard.slice_of(Kind.PAYMENT)]]
        settled = judged.final[shard.slice_of(Kind.PAYMENT)] == Outcome.SETTLED
        for name in shard.config.regions:
            counts = self._regions.setdefault(name, Counter())
            counts["accounts"] += int((regions == name).sum())
            counts["payments"] += int((of_payments == name).sum())
            counts["settled"] += int((settled & (of_payments == name)).sum())

    def rows(self, samples: pd.DataFrame) -> Iterator[LabelRow]:
        """Yield a row for each label that occurs; none where nothing is labelled."""
        commands = self._classes.sum(axis=1)
        if not commands[1:].any():
            return
        for label in Label:
            if not commands[label]:
                continue
            took, censored = _response_ms(samples, label)
            yield LabelRow(
                label=label.text,
                commands=int(commands[label]),
                classes={
                    name: int(count)
                    for name, count in zip(PRECEDENCE, self._classes[label], strict=True)
                    if count
                },
                responses=len(took),
                response_p50_ms=percentile(took, censored, 50),
                response_p99_ms=percentile(took, censored, 99),
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

    def regions(self) -> Iterator[RegionRow]:
        """Yield a row for each region."""
        for name, counts in self._regions.items():
            yield RegionRow(name, counts["accounts"], counts["payments"], counts["settled"])


def _response_ms(samples: pd.DataFrame, label: Label) -> tuple[np.ndarray, int]:
    """Return the sorted response times of the commands with a label, and how many have none."""
    if samples.empty:
        return np.empty(0), 0
    took, censored = milliseconds(samples[samples["label"] == label], "response")
    return np.sort(took.to_numpy()), censored

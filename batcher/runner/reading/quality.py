"""How good the labels of a run are, seen row by row while the output is written."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batcher.core.labelling.columns import ColumnType
from batcher.core.quality.comparison import Comparison
from batcher.core.quality.drift import Drift, drift
from batcher.core.quality.names import name_of
from batcher.core.quality.report import agreement_lines, comparison_lines, drift_lines
from batcher.core.quality.votes import Agreement, vote
from batcher.core.row import BadRow, Row
from batcher.runner.planning.prepare import Prepared

_CLASSES = ("enum", "boolean")
_MOST_CLASSES = 1_000


@dataclass(slots=True)
class Quality:
    """Compares with the gold column, counts classes, and lets several answers of a row vote.

    ``field_name`` is the label that is compared and voted on, ``then`` the counts of the last run.
    """

    labels: Mapping[str, ColumnType]
    samples: int
    gold: str | None
    field_name: str | None
    then: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    comparison: Comparison = field(default_factory=Comparison)
    agreement: Agreement = field(default_factory=Agreement)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    _votes: list[object] = field(default_factory=list)
    _majority: Comparison = field(default_factory=Comparison)

    @classmethod
    def of(cls, prepared: Prepared, run_id: str) -> "Quality | None":
        """That of a job with labels; None without. ``run_id`` is the run whose end it is."""
        labels, said = prepared.loaded.labels, prepared.loaded.job.labels
        if labels is None:
            return None
        choices = [name for name, one in labels.columns.items() if one.kind in _CLASSES]
        named = said.gold_field or next(iter(choices or labels.columns), None)
        then = _last_classes(prepared, run_id)
        return cls(labels.columns, prepared.samples, said.gold, named, then)

    def see(self, rows: Sequence[Row | BadRow], values: Sequence[Mapping[str, Any] | None]) -> None:
        """Take the items of a stretch into account, each with its row and its checked value."""
        for row, value in zip(rows, values, strict=True):
            gold = None
            if self.gold is not None and isinstance(row, Row):
                gold = row.values.get(self.gold)
            self._see(gold, value)

    def _see(self, gold: object, value: Mapping[str, Any] | None) -> None:
        label = None if value is None or self.field_name is None else value.get(self.field_name)
        if self.gold is not None:
            self.comparison.add(gold, label)
        for name, column in self.labels.items():
            named = None if value is None else name_of(value.get(name))
            if column.kind in _CLASSES and named is not None:
                self.counts.setdefault(name, Counter())[named] += 1
        if self.samples > 1:
            self._votes.append(label)
            if len(self._votes) == self.samples:
                self._count_votes(gold)

    def _count_votes(self, gold: object) -> None:
        self.agreement.add(self._votes)
        voted = vote(self._votes)
        if self.gold is not None:
            self._majority.add(gold, None if voted is None else voted.label)
        self._votes = []

    def drifts(self) -> dict[str, Drift]:
        """How far the classes of each label have moved since the last run."""
        found = {name: drift(self.then.get(name, {}), now) for name, now in self.counts.items()}
        return {name: one for name, one in found.items() if one is not None}

    def as_json(self) -> dict[str, Any]:
        """All of it for run.json."""
        told: dict[str, Any] = {
            "classes": {
                name: dict(one.most_common(_MOST_CLASSES)) for name, one in self.counts.items()
            },
            "drift": {name: one.as_json() for name, one in self.drifts().items()},
        }
        if self.gold is not None:
            told["gold"] = {"column": self.gold, "field": self.field_name}
            told["gold"] |= self.comparison.as_json()
        if self.samples > 1:
            told["votes"] = self.agreement.as_json()
            if self.gold is not None and self._majority.accuracy is not None:
                told["votes"]["majority_accuracy"] = self._majority.accuracy.value
        return told

    def lines(self) -> Iterator[str]:
        """What is said of it at the end of a run."""
        name = self.field_name or "label"
        if self.gold is not None:
            yield from comparison_lines(name, self.comparison)
        if self.samples > 1:
            yield from agreement_lines(name, self.agreement)
        for label, one in self.drifts().items():
            if one.is_real:
                yield from drift_lines(label, one)


def _last_classes(prepared: Prepared, run_id: str) -> Mapping[str, Mapping[str, int]]:
    """The counts of classes in the last run before this one that wrote any."""
    for path in sorted(prepared.workspace.state.glob("*/run.json"), reverse=True):
        if path.parent.name >= run_id:
            continue
        try:
            told = json.loads(path.read_bytes())["quality"]["classes"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(told, dict) and told:
            return told
    return {}

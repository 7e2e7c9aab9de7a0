"""Component scores summed up: accuracy, recall and F1 of each Spider component over many examples.

Each example gives a component 0 or 1. Accuracy is their sum over the examples whose prediction has
the component, recall over those whose gold has it, and F1 is the harmonic mean of these two, not the
mean of the examples' F1; nothing found and nothing asked for counts as 1 (Yu et al. 2018, Spider).

>>> row = {"where": {"acc": 1, "rec": 1, "f1": 1, "label_total": 2, "pred_total": 2}}
>>> aggregate([row])["where"].f1
1.0
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Partial = Mapping[str, Mapping[str, Any]]
"""Component -> {acc, rec, f1, label_total, pred_total} of one example."""


class ComponentScore(NamedTuple):
    """One component over many examples; how many predictions and how many golds have it."""

    accuracy: float
    recall: float
    f1: float
    predicted: int
    gold: int


def aggregate(partials: Iterable[Partial]) -> dict[str, ComponentScore]:
    """Component -> score, in the order in which the components come."""
    sums: dict[str, list[float]] = {}
    for partial in partials:
        for name, found in partial.items():
            kept = sums.get(name)
            if kept is None:
                kept = sums[name] = [0, 0, 0, 0]
            if found["pred_total"] > 0:
                kept[0] += found["acc"]
                kept[1] += 1
            if found["label_total"] > 0:
                kept[2] += found["rec"]
                kept[3] += 1
    return {name: _score(*kept) for name, kept in sums.items()}


def _score(accurate: float, predicted: float, recalled: float, gold: float) -> ComponentScore:
    accuracy = accurate / predicted if predicted else 0.0
    recall = recalled / gold if gold else 0.0
    f1 = 2 * accuracy * recall / (accuracy + recall) if accuracy or recall else 1.0
    return ComponentScore(accuracy, recall, f1, int(predicted), int(gold))

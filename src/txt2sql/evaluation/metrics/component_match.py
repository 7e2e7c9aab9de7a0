"""Component match: the ten parts of exact set match, each on its own.

Field's name: Spider's partial matching (Yu et al., EMNLP 2018): select, where, group, order, ... with
accuracy, recall and F1, each all or nothing for one pair of queries. The score is the mean of the ten
F1; the parts themselves are in `details["partial"]`, which `aggregate` sums over examples as Spider does.

>>> metric = ComponentMatch(lambda db_id: key_map(dataset.entry(db_id)))  # doctest: +SKIP
>>> metric(example, prediction, database).details["partial"]["where"]["f1"]  # doctest: +SKIP
1
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from txt2sql.evaluation.metrics.exact_set_match import Keys, Matcher
from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, Verdict


class ComponentMatch:
    """Scores between 0 and 1; an unreadable prediction scores 0, its parts those of an empty query."""

    name = "component_match"

    def __init__(self, keys: Keys | None = None, official: bool = True) -> None:
        self.matcher = Matcher(keys, official)

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction; its database is read, nothing is executed."""
        outcome, reason, match = self.matcher.judge(example, prediction, database)
        partial = {name: part._asdict() for name, part in match.partial.items()}
        score = 0.0
        if outcome in (Outcome.CORRECT, Outcome.WRONG_RESULT):
            score = sum(part.f1 for part in match.partial.values()) / len(match.partial)
        details = {"hardness": match.hardness, "partial": partial}
        return Verdict(example.id, self.name, outcome, score, reason, details)


class ComponentScore(NamedTuple):
    """One component over many examples; how many predictions and how many golds have it."""

    accuracy: float
    recall: float
    f1: float
    predicted: int
    gold: int


def aggregate(partials: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, ComponentScore]:
    """Component -> score over many examples, from {acc, rec, f1, label_total, pred_total} of each.

    Accuracy is the mean over the examples whose prediction has the component, recall over those whose
    gold has it, and F1 the harmonic mean of these two, not the mean of the examples' F1.

    >>> row = {"where": {"acc": 1, "rec": 1, "f1": 1, "label_total": 2, "pred_total": 2}}
    >>> aggregate([row])["where"].f1
    1.0
    """
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for partial in partials:
        for name, score in partial.items():
            by_name.setdefault(name, []).append(score)
    return {name: _aggregate(scores) for name, scores in by_name.items()}


def _aggregate(scores: list[Mapping[str, Any]]) -> ComponentScore:
    predicted = [score["acc"] for score in scores if score["pred_total"] > 0]
    gold = [score["rec"] for score in scores if score["label_total"] > 0]
    accuracy = sum(predicted) / len(predicted) if predicted else 0.0
    recall = sum(gold) / len(gold) if gold else 0.0
    # Nothing predicted and nothing in the gold is right.
    f1 = 2 * accuracy * recall / (accuracy + recall) if accuracy or recall else 1.0
    return ComponentScore(accuracy, recall, f1, len(predicted), len(gold))

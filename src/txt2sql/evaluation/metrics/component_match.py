"""Component match: the ten parts of exact set match, each on its own.

Field's name: Spider's partial matching (Yu et al., EMNLP 2018): select, where, group, order, ... with
accuracy, recall and F1, each all or nothing for one pair of queries. The score is the mean of the ten
F1; the parts themselves are in `details["partial"]`, from which a report sums them as Spider does.

>>> metric = ComponentMatch(lambda db_id: key_map(dataset.entry(db_id)))  # doctest: +SKIP
>>> metric(example, prediction, database).details["partial"]["where"]["f1"]  # doctest: +SKIP
1
"""

from __future__ import annotations

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

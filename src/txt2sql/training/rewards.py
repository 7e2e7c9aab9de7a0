"""Rewards of GRPO: execution accuracy plus component match, each between 0 and 1 and weighted.

A wrong answer never earns as much as a right one: partial credit is for wrong answers, a right one has
all of it. What only looks right (reward hacking) earns nothing: a query that reads none of the gold
query's tables, one that reads the catalogue, and several statements at once. Where the gold query returns
nothing, an answer is right only if all clauses match.

The weights of `sparse` are those of Arctic-Text2SQL-R1 (Yao et al. 2025), those of `dense` follow
Reasoning-SQL (Pourreza et al. 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from txt2sql.data import Dataset
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import LIMITS, GoldResults, Judging
from txt2sql.sql.clauses import clause_items, jaccard
from txt2sql.sql.text import extract_sql
from txt2sql.types import Example, Outcome, Prediction


@dataclass(frozen=True, slots=True)
class Answer:
    """A judged answer; `jaccard` is the index of its clause items and the gold query's. `outcome`:
    "right", "wrong", "error", "late", "none" (no SQL), "hack" (it goes for the reward instead of
    the question), or "gold?" (the gold query fails, so nothing can be said)."""

    outcome: str
    jaccard: float = 0.0

    @property
    def is_right(self) -> bool:
        return self.outcome == "right"


OUTCOMES = {
    Outcome.CORRECT: "right",
    Outcome.WRONG_RESULT: "wrong",
    Outcome.PREDICTION_ERROR: "error",
    Outcome.TIMEOUT: "late",
    Outcome.NO_SQL: "none",
    Outcome.GOLD_ERROR: "gold?",
}
STOPS = (";\n", "\n\n--")
"""Where inference stops reading: a base model may go on with questions of its own."""
_CATALOGUE = ("sqlite_", "pragma_")


class Judge:
    """Executes answers under limits and compares clauses; the same answer is judged once. A
    statement may take `timeout_s`, and its gold query five times as long."""

    def __init__(self, timeout_s: float) -> None:
        limits = replace(LIMITS, timeout_s=timeout_s)
        gold = GoldResults(replace(LIMITS, timeout_s=5 * timeout_s))
        self._execution = ExecutionAccuracy(Judging(both=False, limits=limits), gold=gold)
        # Samples of one model repeat themselves.
        self._rate: Any = lru_cache(50_000)(self._rate_sql)

    def __call__(self, example: Example, dataset: Dataset, text: str) -> Answer:
        """What a sampled text is as an answer to a question."""
        text = text[: min((text.find(mark) for mark in STOPS if mark in text), default=len(text))]
        sql = extract_sql(text)
        if sql and extract_sql(text.partition(sql)[2].partition(";")[2]):
            return Answer("hack")  # several statements
        answer: Answer = self._rate(example, dataset, sql)
        return answer

    def _rate_sql(self, example: Example, dataset: Dataset, sql: str | None) -> Answer:
        database, schema = dataset.database(example.db_id), dataset.schema(example.db_id)
        verdict = self._execution(example, Prediction(example.id, sql), database)
        gold = clause_items(example.gold_sql, schema)
        items = clause_items(sql, schema) if sql else None
        outcome = OUTCOMES[verdict.outcome]
        if outcome == "gold?":
            return Answer(outcome)
        if items is not None:
            tables, wanted = _tables(items), _tables(gold or {})
            catalogue = any(name.startswith(_CATALOGUE) for name in tables - wanted)
            if catalogue or (wanted and not tables & wanted):
                return Answer("hack")
        # Of clause items of the qualified trees: partial credit that executing cannot give.
        index = jaccard(items, gold) if items and gold else 0.0
        empty = bool((verdict.details or {}).get("empty"))
        if outcome == "right" and empty and index < 1:
            outcome = "wrong"  # many a query returns nothing
        return Answer(outcome, index)


def _tables(items: Mapping[tuple[str, str], int]) -> set[str]:
    entries = {text for clause, text in items if clause.split(" / ")[-1] == "from"}
    return {text.partition("#")[0] for text in entries} - {"(query)"}


REWARDS: dict[str, Callable[[Answer], float]] = {
    "execution": lambda answer: float(answer.is_right),
    # A right answer may be written otherwise than the gold query.
    "component": lambda answer: 1.0 if answer.is_right else answer.jaccard,
    # It runs to its end, whatever it returns.
    "executes": lambda answer: float(answer.outcome in ("right", "wrong")),
}
"""Name, as in a config's `rewards`, -> the reward."""
PRESETS: dict[str, Mapping[str, float]] = {
    "mission": {"execution": 1.0, "component": 1.0},
    "sparse": {"execution": 0.9, "executes": 0.1},
    "dense": {"execution": 0.7, "component": 0.2, "executes": 0.1},
}


def reward(answer: Answer, weights: Mapping[str, float]) -> float:
    return sum(weight * REWARDS[name](answer) for name, weight in weights.items())


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise ValueError for weights under which a wrong answer could earn as much as a right one."""
    for name, weight in weights.items():
        if name not in REWARDS:
            raise ValueError(f"no reward '{name}'; choose from {', '.join(REWARDS)}")
        if weight < 0:
            raise ValueError(f"the reward {name} has the weight {weight:g}; give 0 or more")
    if weights.get("execution", 0.0) <= 0:
        raise ValueError(
            "a wrong answer could earn as much as a right one; give the reward execution a weight above 0"
        )


class RewardFunction:
    """trl's reward function over questions by `position`, a column of its dataset. Parts are logged."""

    __name__ = "reward"

    def __init__(
        self, questions: Sequence[tuple[Example, Dataset]], judge: Judge, weights: Mapping[str, float]
    ) -> None:  # fmt: skip
        self.questions, self.judge, self.weights = questions, judge, weights

    def __call__(
        self, *, completions: Sequence[Any], position: Sequence[int],
        log_metric: Callable[[str, float], None], log_extra: Callable[[str, list[Any]], None],
        **_: Any,
    ) -> list[float]:  # fmt: skip
        """What each answer earns."""
        answers = []
        for i, each in zip(position, completions, strict=True):
            text = each if isinstance(each, str) else str(each[-1]["content"])
            answers.append(self.judge(*self.questions[i], text))
        for name in self.weights:
            # Unweighted, so that runs of other weights can be compared.
            log_metric(f"reward/{name}", sum(map(REWARDS[name], answers)) / len(answers))
        log_metric("right", sum(answer.is_right for answer in answers) / len(answers))
        log_metric("hacks", sum(answer.outcome == "hack" for answer in answers) / len(answers))
        log_extra("outcome", [answer.outcome for answer in answers])
        return [reward(answer, self.weights) for answer in answers]

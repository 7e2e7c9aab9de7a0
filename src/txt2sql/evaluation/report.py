"""The report: what verdicts come to, for each metric, hardness level and database.

No accuracy without n and a 95% interval. Examples whose gold query or database fails (GOLD_ERROR)
are counted under `outcomes` but left out of every mean. `as_json` and `verdict_rows` are what other
programs read; Markdown and CSV are written by `pages`. What this room defines are named tuples, which
cost a starting command a tenth of what dataclasses do.

>>> summarise([]).metrics
{}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from txt2sql.evaluation.calibration import Calibration, calibration
from txt2sql.evaluation.components import ComponentScore, Partial, aggregate
from txt2sql.evaluation.pages import as_csv, as_markdown
from txt2sql.evaluation.statistics import Estimate, estimate
from txt2sql.evaluation.taxonomy import CATEGORIES, category
from txt2sql.types import Example, Outcome, Prediction, Verdict

if TYPE_CHECKING:  # the folder of metrics loads what they need; who has verdicts has loaded it
    from txt2sql.evaluation.metrics.efficiency import Efficiency, Spending, Tokens

__all__ = [
    "EmptyGold",
    "Judged",
    "OtherMode",
    "Report",
    "as_csv",
    "as_json",
    "as_markdown",
    "summarise",
    "verdict_rows",
]

EXECUTION = "execution_accuracy"
"""The metric that outcomes are told by; the first one where it was not asked for."""

_DIFFICULTIES = ("easy", "medium", "hard", "extra")
_MAX_DATABASES = 300
"""WikiSQL asks a few questions of each of thousands of tables: means over these tell nothing."""

Estimates = Mapping[str, Estimate]
"""Metric -> estimate."""


class Judged(NamedTuple):
    """One example, what was predicted for it, and one verdict per metric."""

    example: Example
    prediction: Prediction
    verdicts: tuple[Verdict, ...]


class OtherMode(NamedTuple):
    """Execution accuracy in the mode that the report is not in, and how many verdicts differ."""

    mode: str
    accuracy: Estimate
    only_here: int
    """Correct in the mode of the report, and not in the other."""
    only_there: int


class EmptyGold(NamedTuple):
    """Examples whose gold result has no rows, so that many a wrong query is right by chance."""

    n: int
    share: float
    without: Estimate
    """Execution accuracy over the other examples."""


class Report(NamedTuple):
    """What an evaluation found."""

    metrics: Estimates
    by_difficulty: Mapping[str, Estimates]
    by_database: Mapping[str, Estimates]
    """Empty where there are over 300 databases."""
    outcomes: Mapping[str, int]
    """Outcome -> number of examples, by execution accuracy, else by the first metric."""
    categories: Mapping[str, int]
    """Category of `taxonomy` -> number of examples, for those that occur."""
    components: Mapping[str, Mapping[str, ComponentScore]]
    """"all" and each difficulty -> component -> score; empty without component match."""
    empty_gold: EmptyGold | None
    other_mode: OtherMode | None
    calibration: Calibration | None
    """Confidence against execution accuracy; None where no prediction says how sure it is."""
    efficiency: Efficiency
    tokens: Tokens | None
    spending: Spending | None
    mode: str = "strict"


# --------------------------------------------------------------------------------------- summing up


def summarise(judged: Sequence[Judged], mode: str = "strict") -> Report:
    """Sum up verdicts, times and costs. `mode` is the mode that the verdicts were made in."""
    from txt2sql.evaluation.metrics.efficiency import efficiency, spending, token_use

    scores = _Scores()
    partials: dict[str, list[Partial]] = {"all": []}
    for item in judged:
        difficulty = item.example.difficulty
        groups = scores.of(difficulty, item.example.db_id)
        for verdict in item.verdicts:
            usable = verdict.outcome is not Outcome.GOLD_ERROR
            for group in groups:
                kept = group.setdefault(verdict.metric, [])
                if usable:
                    kept.append(verdict.score)
            if usable and verdict.details and "partial" in verdict.details:
                partials["all"].append(verdict.details["partial"])
                if difficulty is not None:
                    partials.setdefault(difficulty, []).append(verdict.details["partial"])
    primary = [_primary(item.verdicts) for item in judged if item.verdicts]
    execution = [v for v in primary if v.metric == EXECUTION and v.outcome != Outcome.GOLD_ERROR]
    outcomes = Counter(verdict.outcome for verdict in primary)
    categories = Counter(map(category, primary))
    predictions = [item.prediction for item in judged]
    difficulties = sorted(scores.by_difficulty, key=_rank)
    return Report(
        metrics=_estimates(scores.all),
        by_difficulty={name: _estimates(scores.by_difficulty[name]) for name in difficulties},
        by_database={
            name: _estimates(scores.by_database[name])
            for name in sorted(scores.by_database)
            if len(scores.by_database) <= _MAX_DATABASES
        },
        outcomes={outcome.value: outcomes[outcome] for outcome in Outcome},
        categories={name: categories[name] for name in CATEGORIES if categories[name]},
        components={
            name: aggregate(partials[name]) for name in ("all", *difficulties) if partials.get(name)
        },
        empty_gold=_empty_gold(execution),
        other_mode=_other_mode(execution),
        calibration=calibration(_confidences(judged)),
        efficiency=efficiency(predictions),
        tokens=token_use(predictions),
        spending=spending(predictions),
        mode=mode,
    )


class _Scores:
    """Metric -> scores, of all examples and of each difficulty and database."""

    def __init__(self) -> None:
        self.all: dict[str, list[float]] = {}
        self.by_difficulty: dict[str, dict[str, list[float]]] = {}
        self.by_database: dict[str, dict[str, list[float]]] = {}

    def of(self, difficulty: str | None, db_id: str) -> list[dict[str, list[float]]]:
        """The groups that an example belongs to."""
        groups = [self.all, self.by_database.setdefault(db_id, {})]
        if difficulty is not None:
            groups.append(self.by_difficulty.setdefault(difficulty, {}))
        return groups


def _estimates(scores: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
    return {name: estimate(values) for name, values in scores.items()}


def _rank(difficulty: str) -> tuple[int, str]:
    known = difficulty in _DIFFICULTIES
    return _DIFFICULTIES.index(difficulty) if known else len(_DIFFICULTIES), difficulty


def _primary(verdicts: Sequence[Verdict]) -> Verdict:
    return next((verdict for verdict in verdicts if verdict.metric == EXECUTION), verdicts[0])


def _empty_gold(execution: Sequence[Verdict]) -> EmptyGold | None:
    """None where no verdict holds more than a score, and so none can say that its gold is empty."""
    if not any(verdict.details for verdict in execution):
        return None
    rest = [v.score for v in execution if not (v.details and v.details.get("empty"))]
    n = len(execution) - len(rest)
    return EmptyGold(n, n / len(execution), estimate(rest))


def _other_mode(execution: Sequence[Verdict]) -> OtherMode | None:
    """None where no verdict knows another mode. A verdict that alone knows none is the same there:
    what gives no result (no SQL, an error) gives none in any mode."""
    mode, there = "", []
    for verdict in execution:
        other = verdict.details.get("other_mode") if verdict.details else None
        if other:
            mode = other["mode"]
        there.append(bool(other["correct"]) if other else verdict.correct)
    if not mode:
        return None
    pairs = Counter(zip((verdict.correct for verdict in execution), there, strict=True))
    accuracy = estimate([float(correct) for correct in there])
    return OtherMode(mode, accuracy, pairs[True, False], pairs[False, True])


def _confidences(judged: Iterable[Judged]) -> Iterator[tuple[float, bool]]:
    for _, prediction, verdicts in judged:
        if prediction.sql is None or prediction.confidence is None:
            continue
        for verdict in verdicts:
            if verdict.metric == EXECUTION and verdict.outcome is not Outcome.GOLD_ERROR:
                yield prediction.confidence, verdict.correct


# ----------------------------------------------------------------------------------- for programs


def as_json(report: Report, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The report and the facts of its run (dataset, split, model, versions, ...) as one object."""
    times, empty, other = report.efficiency, report.empty_gold, report.other_mode
    sure = report.calibration
    return {
        **facts,
        "mode": report.mode,
        "metrics": _fields(report.metrics),
        "by_difficulty": {name: _fields(values) for name, values in report.by_difficulty.items()},
        "by_database": {name: _fields(values) for name, values in report.by_database.items()},
        "outcomes": dict(report.outcomes),
        "categories": dict(report.categories),
        "components": {name: _fields(values) for name, values in report.components.items()},
        "empty_gold": empty
        and {"n": empty.n, "share": empty.share, "without": empty.without._asdict()},
        "other_mode": other
        and {
            "mode": other.mode,
            **other.accuracy._asdict(),
            "only_here": other.only_here,
            "only_there": other.only_there,
        },
        "calibration": sure
        and {
            **sure._asdict(),
            "levels": [level._asdict() | {"right": level.right._asdict()} for level in sure.levels],
        },
        "seconds": {"median": times.median, "p95": times.p95, "total": times.total},
        "examples_per_second": times.examples_per_second,
        "tokens": report.tokens and report.tokens._asdict(),
        "cost": report.spending and report.spending._asdict(),
    }


def _fields(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: value._asdict() for name, value in values.items()}


def verdict_rows(judged: Iterable[Judged]) -> Iterator[dict[str, Any]]:
    """One object per example: what was asked, expected and predicted, and how it fared.

    `exact` and `exec` are 1 or 0 by exact match and execution accuracy, `partial` the component
    scores; null where that metric was not asked for or the gold query cannot be judged.
    """
    for i, (example, prediction, verdicts) in enumerate(
        (item.example, item.prediction, item.verdicts) for item in judged
    ):
        scores: dict[str, float | None] = {}
        row: dict[str, Any] = {
            "i": i,
            "example_id": example.id,
            "db_id": example.db_id,
            "question": example.question,
            "gold_sql": example.gold_sql,
            "sql": prediction.sql,
            "hardness": example.difficulty,
            "exact": None,
            "exec": None,
            "partial": None,
        }
        for verdict in verdicts:
            usable = verdict.outcome is not Outcome.GOLD_ERROR
            scores[verdict.metric] = verdict.score if usable else None
            if usable and verdict.metric == "exact_match":
                row["exact"] = int(verdict.correct)
            elif usable and verdict.metric == EXECUTION:
                row["exec"] = int(verdict.correct)
            elif usable and verdict.details and "partial" in verdict.details:
                row["partial"] = verdict.details["partial"]
        if verdicts:
            told = _primary(verdicts)
            row["outcome"], row["category"] = told.outcome.value, category(told)
            row["reason"] = told.reason
        row["scores"] = scores
        yield row

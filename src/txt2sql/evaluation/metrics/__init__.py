"""The metrics: each one file, one signature `Metric(example, prediction, database) -> Verdict`.

>>> "exact_match" in METRICS
True
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from txt2sql.errors import ConfigError
from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.exact_set_match import ComponentMatch, ExactSetMatch
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy, TestSuiteAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.sql.spider_query import key_map
from txt2sql.types import Example, Prediction, Schema, Verdict

if TYPE_CHECKING:
    from txt2sql.evaluation.metrics.logical_form import GoldForm


class Metric(Protocol):
    """Judges one prediction against its example's gold SQL; never raises for what SQL does."""

    @property
    def name(self) -> str: ...

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict: ...


class Source(Protocol):
    """The part of a data set that metrics ask for; `data.Dataset` is one.

    Spider's also has `entry(db_id)`, the item of tables.json, and `has_answers`, which is true where
    questions come with answers instead of SQL; WikiSQL's has `logical_forms(split)`.
    """

    def database(self, db_id: str) -> Database: ...

    def schema(self, db_id: str) -> Schema: ...


class Context:
    """What a metric may need beyond an example, its prediction and its database."""

    def __init__(
        self, judging: Judging, source: Source, split: str = "", suites: Path | None = None
    ) -> None:
        self.judging = judging
        self.source = source
        self.split = split
        self.suites = suites
        self.gold = GoldResults(judging.limits)

    def keys(self, db_id: str) -> Mapping[str, str] | None:
        """Column -> the column that stands for its foreign keys, as tables.json declares them."""
        entry_of = getattr(self.source, "entry", None)
        entry: Mapping[str, Any] | None = entry_of(db_id) if entry_of else None
        return key_map(entry) if entry is not None else None

    @property
    def has_forms(self) -> bool:
        """Whether the data set has logical forms, as WikiSQL does."""
        return hasattr(self.source, "logical_forms")

    def form(self, example_id: str) -> GoldForm | None:
        """The gold logical form of one example, where the data set has them."""
        return self._forms.get(example_id)

    @cached_property
    def _forms(self) -> dict[str, GoldForm]:
        forms = getattr(self.source, "logical_forms", None)
        if forms is None or not self.split:
            return {}
        return {form.example_id: form for form in forms(self.split)}


# Those that are rarely asked for are loaded when they are: what is loaded here, every run waits for.


def _clause_jaccard(context: Context) -> Metric:
    from txt2sql.evaluation.metrics.clause_jaccard import ClauseJaccard  # loads sqlglot

    return ClauseJaccard(lru_cache(context.source.schema))


def _logical_form(context: Context) -> Metric:
    from txt2sql.evaluation.metrics.logical_form import LogicalFormAccuracy

    return LogicalFormAccuracy(context.source.schema, context.form, context.judging.official)


def _wikisql(context: Context) -> Metric:
    from txt2sql.evaluation.metrics.logical_form import WikiSQLExecutionAccuracy

    limits = context.judging.limits
    return WikiSQLExecutionAccuracy(context.source.schema, context.form, limits)


def _bird(name: str, context: Context) -> Metric:
    from txt2sql.evaluation.metrics.bird import BirdMetric

    return BirdMetric(name, context.judging.official, context.gold)


def _answers(context: Context) -> Metric:
    from txt2sql.evaluation.metrics.answer_accuracy import AnswerAccuracy

    return AnswerAccuracy(context.judging.limits)


METRICS: dict[str, Callable[[Context], Metric]] = {
    "execution_accuracy": lambda c: ExecutionAccuracy(c.judging, gold=c.gold),
    "test_suite_accuracy": lambda c: TestSuiteAccuracy(c.judging, folder=c.suites, gold=c.gold),
    "exact_match": lambda c: ExactSetMatch(c.keys, c.judging.official),
    "component_match": lambda c: ComponentMatch(c.keys, c.judging.official),
    "clause_jaccard": _clause_jaccard,
    "logical_form_accuracy": _logical_form,
    "wikisql_execution_accuracy": _wikisql,
    "answer_accuracy": _answers,
    "bird_execution_accuracy": partial(_bird, "bird_execution_accuracy"),
    "bird_soft_f1": partial(_bird, "bird_soft_f1"),
}
"""Name -> a new metric for a context."""


def choose(context: Context, names: str | None) -> list[Metric]:
    """The metrics of a comma-separated list, or those that suit the data set and mode."""
    wanted = [name.strip() for name in names.split(",")] if names else _usual(context)
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], METRICS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(METRICS)}"
        raise ConfigError(f"no metric '{unknown[0]}'; {hint}")
    return [METRICS[name](context) for name in dict.fromkeys(wanted)]


def _usual(context: Context) -> list[str]:
    official = context.judging.official
    if getattr(context.source, "has_answers", False):
        return ["answer_accuracy"]
    if context.has_forms:
        execution = "wikisql_execution_accuracy" if official else "execution_accuracy"
        return [execution, "logical_form_accuracy"]
    names = ["execution_accuracy", "exact_match", "component_match"]
    if not official:
        names.append("clause_jaccard")
    if context.suites:
        names.append("test_suite_accuracy")
    return names

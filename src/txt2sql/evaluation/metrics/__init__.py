"""The metrics: each one file, one signature `Metric(example, prediction, database) -> Verdict`.

>>> "exact_match" in METRICS
True
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from txt2sql.errors import ConfigError
from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.component_match import ComponentMatch
from txt2sql.evaluation.metrics.exact_set_match import ExactSetMatch
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.metrics.test_suite import TestSuiteAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.sql.spider_form import key_map
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

    def entry(self, db_id: str) -> Mapping[str, Any] | None:
        """The item of Spider's tables.json, where the data set has one."""
        entry = getattr(self.source, "entry", None)
        found: Mapping[str, Any] | None = entry(db_id) if entry else None
        return found

    def keys(self, db_id: str) -> Mapping[str, str] | None:
        """Column -> the column that stands for its foreign keys, as tables.json declares them."""
        entry = self.entry(db_id)
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


def _bird(name: str) -> Callable[[Context], Metric]:
    def make(context: Context) -> Metric:
        from txt2sql.evaluation.metrics.bird import BirdExecutionAccuracy, BirdSoftF1

        kind = next(kind for kind in (BirdExecutionAccuracy, BirdSoftF1) if kind.name == name)
        judging = context.judging
        return kind(limits=judging.limits, official=judging.official, gold=context.gold.result)

    return make


def _answers(context: Context) -> Metric:
    from txt2sql.evaluation.metrics.answer_accuracy import AnswerAccuracy

    return AnswerAccuracy(context.judging.limits)


# Those that are rarely asked for are loaded when they are: what is loaded here, every run waits for.
METRICS: dict[str, Callable[[Context], Metric]] = {
    ExecutionAccuracy.name: lambda c: ExecutionAccuracy(c.judging, gold=c.gold),
    TestSuiteAccuracy.name: lambda c: TestSuiteAccuracy(c.judging, folder=c.suites, gold=c.gold),
    ExactSetMatch.name: lambda c: ExactSetMatch(c.keys, c.judging.official),
    ComponentMatch.name: lambda c: ComponentMatch(c.keys, c.judging.official),
    "clause_jaccard": _clause_jaccard,
    "logical_form_accuracy": _logical_form,
    "wikisql_execution_accuracy": _wikisql,
    "answer_accuracy": _answers,
    **{name: _bird(name) for name in ("bird_execution_accuracy", "bird_soft_f1")},
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
        execution = "wikisql_execution_accuracy" if official else ExecutionAccuracy.name
        return [execution, "logical_form_accuracy"]
    names = [ExecutionAccuracy.name, ExactSetMatch.name, ComponentMatch.name]
    if not official:
        names.append("clause_jaccard")
    if context.suites:
        names.append(TestSuiteAccuracy.name)
    return names

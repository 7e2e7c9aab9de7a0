"""The metrics: each one file, one signature `Metric(example, prediction, database) -> Verdict`.

>>> "exact_match" in METRICS
True
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from txt2sql.errors import ConfigError
from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.answer_accuracy import AnswerAccuracy
from txt2sql.evaluation.metrics.bird import BirdExecutionAccuracy
from txt2sql.evaluation.metrics.exact_set_match import ComponentMatch, ExactSetMatch
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy, TestSuiteAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.sql.spider import key_map
from txt2sql.types import Example, Prediction, Schema, Verdict

if TYPE_CHECKING:
    from txt2sql.sql.sketch import Sketch


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
        self.keys = cache(self._keys)
        self.has_forms = hasattr(source, "logical_forms")  # as WikiSQL has

    def _keys(self, db_id: str) -> Mapping[str, str] | None:
        """Column -> the column that stands for its foreign keys, as tables.json declares them."""
        entry_of = getattr(self.source, "entry", None)
        entry: Mapping[str, Any] | None = entry_of(db_id) if entry_of else None
        return key_map(entry) if entry is not None else None

    def form(self, example_id: str) -> Sketch | None:
        """The gold query sketch of one example, where the data set has them."""
        return self._forms.get(example_id)

    @cached_property
    def _forms(self) -> dict[str, Sketch]:
        from txt2sql.sql.sketch import Sketch

        forms = getattr(self.source, "logical_forms", None)
        if forms is None or not self.split:
            return {}
        return {
            form.example_id: Sketch(form.sel, form.agg, form.conds) for form in forms(self.split)
        }


# Those below load sqlglot, for which a run that does not ask for them need not wait.


def _clause_jaccard(context: Context) -> Metric:
    from txt2sql.evaluation.metrics.clause_jaccard import ClauseJaccard

    return ClauseJaccard(lru_cache(context.source.schema))


def _of_sketches(name: str, context: Context) -> Metric:
    from txt2sql.evaluation.metrics import logical_form

    judging = context.judging
    metric: type[logical_form.LogicalFormAccuracy | logical_form.WikiSQLExecutionAccuracy]
    metric = getattr(logical_form, name)
    return metric(context.source.schema, context.form, judging.official, judging.limits)


METRICS: dict[str, Callable[[Context], Metric]] = {
    "execution_accuracy": lambda c: ExecutionAccuracy(c.judging, gold=c.gold),
    "test_suite_accuracy": lambda c: TestSuiteAccuracy(c.judging, folder=c.suites, gold=c.gold),
    "exact_match": lambda c: ExactSetMatch(c.keys, c.judging.official),
    "component_match": lambda c: ComponentMatch(c.keys, c.judging.official),
    "clause_jaccard": _clause_jaccard,
    "logical_form_accuracy": lambda c: _of_sketches("LogicalFormAccuracy", c),
    "wikisql_execution_accuracy": lambda c: _of_sketches("WikiSQLExecutionAccuracy", c),
    "answer_accuracy": lambda c: AnswerAccuracy(c.judging.limits),
    "bird_execution_accuracy": lambda c: BirdExecutionAccuracy(c.judging.official, c.gold),
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

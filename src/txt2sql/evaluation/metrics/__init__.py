"""The metrics: one signature, `Metric(example, prediction, database) -> Verdict`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol

from txt2sql.errors import ConfigError
from txt2sql.evaluation.metrics.answer_accuracy import AnswerAccuracy
from txt2sql.evaluation.metrics.exact_set_match import ComponentMatch, ExactSetMatch
from txt2sql.evaluation.metrics.execution_accuracy import (
    BirdExecutionAccuracy,
    ExecutionAccuracy,
    TestSuiteAccuracy,
)
from txt2sql.evaluation.mode import GoldResults, Judging
from txt2sql.execution.database import Database
from txt2sql.sql.spider import key_map
from txt2sql.types import Example, Prediction, Verdict


class Metric(Protocol):
    """Judges one prediction against its example's gold SQL; never raises for what SQL does."""

    @property
    def name(self) -> str: ...

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict: ...


class Context:
    """What metrics need beyond an example, its prediction and its database. `source` is a
    `data.Dataset`. Spider's also has `entry(db_id)`, the item of tables.json, and `has_answers`,
    which is true where questions come with answers instead of SQL; WikiSQL's has
    `logical_forms(split)`."""

    def __init__(
        self, judging: Judging, source: Any, split: str = "", suites: Path | None = None
    ) -> None:
        self.judging, self.source, self.suites = judging, source, suites
        self.gold = GoldResults(judging.limits)
        self.split = split

    @cache  # noqa: B019
    def keys(self, db_id: str) -> Mapping[str, str] | None:
        """Column -> the column that stands for its foreign keys, as tables.json declares them."""
        entry = self.source.entry(db_id) if hasattr(self.source, "entry") else None
        return None if entry is None else key_map(entry)

    def of_sketches(self, metric: str) -> Metric:
        """A metric of WikiSQL's, which loads sqlglot: a run that does not ask for it need not wait."""
        from txt2sql.evaluation.metrics import logical_form
        from txt2sql.sql.sketch import Sketch

        forms = self.source.logical_forms(self.split) if self.split and self.has_forms else ()
        gold = {form.example_id: Sketch(form.sel, form.agg, form.conds) for form in forms}
        kind = getattr(logical_form, metric)
        made: Metric = kind(
            self.source.schema, gold.get, self.judging.official, self.judging.limits
        )
        return made

    @property
    def has_forms(self) -> bool:
        return hasattr(self.source, "logical_forms")


def _clause_jaccard(context: Context) -> Metric:
    from txt2sql.evaluation.metrics.clause_jaccard import ClauseJaccard

    return ClauseJaccard(lru_cache(context.source.schema))


METRICS: dict[str, Callable[[Context], Metric]] = {
    "execution_accuracy": lambda c: ExecutionAccuracy(c.judging, gold=c.gold),
    "test_suite_accuracy": lambda c: TestSuiteAccuracy(c.judging, folder=c.suites, gold=c.gold),
    "exact_match": lambda c: ExactSetMatch(c.keys, c.judging.official),
    "component_match": lambda c: ComponentMatch(c.keys, c.judging.official),
    "clause_jaccard": _clause_jaccard,
    "logical_form_accuracy": lambda c: c.of_sketches("LogicalFormAccuracy"),
    "wikisql_execution_accuracy": lambda c: c.of_sketches("WikiSQLExecutionAccuracy"),
    "answer_accuracy": lambda c: AnswerAccuracy(c.judging.limits),
    "bird_execution_accuracy": lambda c: BirdExecutionAccuracy(c.judging.official, c.gold),
}


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
    names += [] if official else ["clause_jaccard"]
    return [*names, "test_suite_accuracy"] if context.suites else names

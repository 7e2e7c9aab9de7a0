"""The metrics: each one file, one signature `Metric(example, prediction, database) -> Verdict`.

>>> sorted(METRICS)[:2]
['bird_execution_accuracy', 'bird_soft_f1']
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from txt2sql.errors import ConfigError
from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.bird import BirdExecutionAccuracy, BirdSoftF1
from txt2sql.evaluation.metrics.component_match import ComponentMatch
from txt2sql.evaluation.metrics.exact_set_match import ExactSetMatch
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.metrics.logical_form import (
    GoldForm,
    LogicalFormAccuracy,
    WikiSQLExecutionAccuracy,
)
from txt2sql.evaluation.metrics.test_suite import TestSuiteAccuracy
from txt2sql.evaluation.metrics.valid_efficiency import RewardEfficiency, ValidEfficiencyScore
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.sql.spider_form import key_map
from txt2sql.types import Example, Prediction, Schema, Verdict


class Metric(Protocol):
    """Judges one prediction against its example's gold SQL; never raises for what SQL does."""

    @property
    def name(self) -> str: ...

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict: ...


class Source(Protocol):
    """The part of a data set that metrics may ask for; `data.Dataset` is one."""

    def database(self, db_id: str) -> Database: ...

    def schema(self, db_id: str) -> Schema: ...


class Context:
    """What a metric may need beyond an example, its prediction and its database."""

    def __init__(self, judging: Judging, source: Source, suites: Path | None = None) -> None:
        self.judging = judging
        self.source = source
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


METRICS: dict[str, Callable[[Context], Metric]] = {
    ExecutionAccuracy.name: lambda c: ExecutionAccuracy(c.judging, gold=c.gold),
    TestSuiteAccuracy.name: lambda c: TestSuiteAccuracy(c.judging, folder=c.suites, gold=c.gold),
    ExactSetMatch.name: lambda c: ExactSetMatch(c.keys, c.judging.official),
    ComponentMatch.name: lambda c: ComponentMatch(c.keys, c.judging.official),
    "structural_f1": lambda c: _structural_f1(c.source.schema),
    LogicalFormAccuracy.name: lambda c: LogicalFormAccuracy(
        c.source.schema, c.form, c.judging.official
    ),
    WikiSQLExecutionAccuracy.name: lambda c: WikiSQLExecutionAccuracy(
        c.source.schema, c.form, c.judging.limits
    ),
    BirdExecutionAccuracy.name: lambda c: BirdExecutionAccuracy(gold=c.gold.result, **_bird(c)),
    BirdSoftF1.name: lambda c: BirdSoftF1(gold=c.gold.result, **_bird(c)),
    ValidEfficiencyScore.name: lambda c: ValidEfficiencyScore(gold=c.gold.result, **_bird(c)),
    RewardEfficiency.name: lambda c: RewardEfficiency(gold=c.gold.result, **_bird(c)),
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


def _structural_f1(schema: Callable[[str], Schema]) -> Metric:
    from txt2sql.evaluation.metrics.structural_f1 import StructuralF1  # loads sqlglot

    return StructuralF1(schema)


def _bird(context: Context) -> dict[str, Any]:
    return {"limits": context.judging.limits, "official": context.judging.official}


def _usual(context: Context) -> list[str]:
    if context.has_forms:
        own = WikiSQLExecutionAccuracy.name if context.judging.official else ExecutionAccuracy.name
        return [own, LogicalFormAccuracy.name]
    names = [ExecutionAccuracy.name, ExactSetMatch.name, ComponentMatch.name]
    if not context.judging.official:
        names.append("structural_f1")
    if context.suites:
        names.append(TestSuiteAccuracy.name)
    return names

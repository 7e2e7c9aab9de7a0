"""Execution accuracy: does the predicted SQL return what the gold SQL returns?

Sources: Yu et al. 2018; Zhong et al. 2020, "Semantic Evaluation for Text-to-SQL with Distilled Test
Suites"; Li et al. 2023 (BIRD). In `strict` mode `execution.compare.same_result` decides, with the
order of rows counting when the outermost gold query has an ORDER BY, up to ties; in `official` mode
the behaviour of the official evaluator is reproduced. A gold query that fails makes the example
unscorable (GOLD_ERROR), never wrong. Where an example accepts other gold statements, one of them has
to agree, the same one on every database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from txt2sql.errors import DatabaseError
from txt2sql.evaluation.mode import GoldResults, Judging
from txt2sql.evaluation.verdicts import Finding, RightOrWrong, failure, without_sql
from txt2sql.execution.compare import same_as_official, same_result, same_up_to_ties
from txt2sql.execution.database import Database
from txt2sql.execution.execute import execute
from txt2sql.sql import is_ordered, spider
from txt2sql.sql.ties import with_order_keys
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Verdict

_ordered = lru_cache(8192)(is_ordered)
_with_order_keys = lru_cache(8192)(with_order_keys)
_COMPARABLE = (Outcome.CORRECT, Outcome.WRONG_RESULT, Outcome.PREDICTION_ERROR)
_BESIDE = ("-journal", "-wal", "-shm")


class _Finding(NamedTuple):
    outcome: Outcome
    reason: str = ""
    empty: bool = False  # whether the gold result is


class ExecutionAccuracy:
    """A metric over one or several databases; wrong on one of them is wrong."""

    name = "execution_accuracy"

    def __init__(self, judging: Judging | None = None, *, gold: GoldResults | None = None) -> None:
        self.judging = judging or Judging()
        self.gold = gold or GoldResults(self.judging.limits)
        self._last: tuple[object, QueryResult] = (None, QueryResult())

    def databases(self, database: Database) -> Sequence[Database]:
        return (database,)

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        databases = self.databases(database)
        finding = self._find(example, prediction, databases, self.judging.official)
        details: dict[str, Any] = {"empty": True} if finding.empty else {}
        if self.judging.both and finding.outcome in _COMPARABLE:
            other = self._find(example, prediction, databases, not self.judging.official)
            details["other_mode"] = {
                "mode": "strict" if self.judging.official else "official",
                "correct": other.outcome is Outcome.CORRECT,
            }
        outcome, reason, _ = finding
        score = float(outcome is Outcome.CORRECT)
        return Verdict(example.id, self.name, outcome, score, reason, details or None)

    def _find(
        self,
        example: Example,
        prediction: Prediction,
        databases: Sequence[Database],
        as_official: bool,
    ) -> _Finding:
        """Correct by one of the golds, else the finding by the first."""

        def by(gold: str) -> _Finding:
            finding = _Finding(Outcome.GOLD_ERROR)
            for database in databases:
                finding = self._one(gold, prediction, database, as_official)
                if finding.outcome is not Outcome.CORRECT:
                    break
            return finding

        first = by(example.gold_sql)
        if first.outcome in (Outcome.CORRECT, Outcome.GOLD_ERROR, Outcome.NO_SQL):
            return first
        others = map(by, example.accepted)
        return next((other for other in others if other.outcome is Outcome.CORRECT), first)

    def _one(
        self, gold_sql: str, prediction: Prediction, database: Database, as_official: bool
    ) -> _Finding:
        keep = self.judging.keep_distinct
        if as_official:
            gold_sql = spider.as_executed(gold_sql, keep)
        gold = self.gold.result(database, gold_sql)
        if not gold.ok:
            return _Finding(Outcome.GOLD_ERROR, f"the gold query fails: {gold.error}")
        if gold.truncated:
            return _Finding(Outcome.GOLD_ERROR, "the gold query returns more than can be compared")
        sql = prediction.sql
        if not (sql and sql.strip()):
            return _Finding(*without_sql(prediction), not gold.rows)
        if as_official:
            sql = spider.as_executed(spider.prediction(sql), keep)
        predicted = gold if sql == gold_sql else self._predicted(database, sql, len(gold.rows))
        if as_official:
            same = same_as_official(gold, predicted, spider.is_ordered(gold_sql))
        else:
            ordered = _ordered(gold_sql)
            same = same_result(gold, predicted, ordered) or (
                ordered and self._differs_in_ties(gold_sql, gold, predicted, database)
            )
        if same:
            return _Finding(Outcome.CORRECT, empty=not gold.rows)
        if not predicted.ok:
            return _Finding(*failure(predicted), not gold.rows)
        return _Finding(Outcome.WRONG_RESULT, _difference(gold, predicted), not gold.rows)

    def _differs_in_ties(
        self, gold_sql: str, gold: QueryResult, predicted: QueryResult, database: Database
    ) -> bool:
        sizes = [(len(result.rows), len(result.columns)) for result in (gold, predicted)]
        if not predicted.ok or sizes[0] != sizes[1] or not gold.rows:
            return False
        query = _with_order_keys(gold_sql)
        keyed = self.gold.result(database, query.sql) if query else None
        if query is None or keyed is None or not keyed.ok or keyed.truncated:
            return False
        return same_up_to_ties(keyed.rows, query.n_keys, query.offset, query.limit, predicted.rows)

    def _predicted(self, database: Database, sql: str, gold_rows: int) -> QueryResult:
        # One row more than the gold has is wrong already, so nothing beyond it need be fetched.
        key = (database, sql, gold_rows + 1)
        if key != self._last[0]:  # the other mode mostly asks for the same
            limits = replace(self.judging.limits, max_rows=gold_rows + 1)
            self._last = (key, execute(database, sql, limits))
        return self._last[1]


def _difference(gold: QueryResult, predicted: QueryResult) -> str:
    """For a person who reads verdicts; `verdicts.category` knows these phrases."""
    rows, columns = len(predicted.rows), len(predicted.columns)
    if columns != len(gold.columns):
        return f"{columns} column{'s' * (columns != 1)}, gold has {len(gold.columns)}"
    if rows > len(gold.rows):
        return f"more rows than the gold's {len(gold.rows)}"
    if rows != len(gold.rows):
        return f"{rows} row{'s' * (rows != 1)}, gold has {len(gold.rows)}"
    return "other values, or the same rows in another order"


@lru_cache(maxsize=4096)
def suite(folder: Path, db_id: str) -> tuple[Database, ...]:
    """The databases `<folder>/<db_id>/*.sqlite`: that of its own name first, then the others by name."""
    files = [path for path in (folder / db_id).glob("*.sqlite*") if not path.name.endswith(_BESIDE)]
    if not files:
        raise DatabaseError(
            f"no test suite for '{db_id}' in '{folder}'; it needs {db_id}/*.sqlite there"
        )
    files.sort(key=lambda path: (path.stem != db_id, path.name))
    return tuple(Database(path, db_id) for path in files)


class TestSuiteAccuracy(ExecutionAccuracy):
    """Test-suite accuracy (TS): right on every database of a distilled suite, not on one by luck.
    Source: Zhong, Yu and Klein, EMNLP 2020. The suite of a db_id is every SQLite file of one
    folder, as in their release, in `folder` or beside each database."""

    name = "test_suite_accuracy"
    __test__ = False  # for pytest, which takes the name for its own

    def __init__(
        self,
        judging: Judging | None = None,
        *,
        folder: Path | None = None,
        gold: GoldResults | None = None,
    ) -> None:
        super().__init__(judging, gold=gold)
        self.folder = folder

    def databases(self, database: Database) -> Sequence[Database]:
        return suite(self.folder or database.path.parent.parent, database.db_id)

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        try:
            return super().__call__(example, prediction, database)
        except DatabaseError as error:  # no suite for its db_id
            return Verdict(example.id, self.name, Outcome.GOLD_ERROR, 0.0, str(error))


class BirdExecutionAccuracy(RightOrWrong):
    """BIRD's EX: do gold and predicted return the same set of rows? Duplicates and the order of
    rows never count, the order of columns always does. `official` makes a prediction without SQL
    one that returns no rows, which is right where the gold returns none, as the scripts of
    bird-bench/mini_dev do; else it is NO_SQL."""

    name = "bird_execution_accuracy"

    def __init__(self, official: bool = True, gold: GoldResults | None = None) -> None:
        self.official = official
        self.gold = gold or GoldResults()

    def judge(self, example: Example, prediction: Prediction, database: Database) -> Finding:
        gold, sql = self.gold.result(database, example.gold_sql), prediction.sql
        if not gold.ok or gold.truncated:
            problem = gold.error or "it returns too many rows"
            return Outcome.GOLD_ERROR, f"the gold query fails: {problem}"
        if sql and sql.strip():
            same_text = sql == example.gold_sql
            predicted = gold if same_text else execute(database, sql, self.gold.limits)
        elif self.official:
            predicted = QueryResult()
        else:
            return without_sql(prediction)
        if not predicted.ok:
            return failure(predicted)
        if predicted.truncated:
            n = len(predicted.rows)
            return Outcome.WRONG_RESULT, f"the result was cut off after {n:,} rows"
        if set(gold.rows) == set(predicted.rows):  # 1 equals 1.0, NULL equals NULL, 1 is not '1'
            return Outcome.CORRECT, ""
        return Outcome.WRONG_RESULT, "other rows, or the columns in another order"

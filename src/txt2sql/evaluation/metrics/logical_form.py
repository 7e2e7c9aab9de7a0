"""WikiSQL's two official metrics: logical-form accuracy (LF) and execution accuracy (EX).

Both compare query sketches {selected column, aggregate, conditions} by position in one table (Zhong
et al., "Seq2SQL", 2017; behaviour of the evaluator in salesforce/WikiSQL). A prediction is SQL text,
of which the sketch is read, or a sketch in the JSON of that evaluator's prediction files. LF asks
whether the sketches are equal, EX whether the SQL rebuilt from them returns the same list.

>>> gold, predicted = Sketch(2, 3, ((0, 0, "Porto"),)), Sketch(2, 3, ((0, 0, "PORTO"),))
>>> same_sketch(gold, predicted)
True
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Protocol

from txt2sql.evaluation.mode import LIMITS
from txt2sql.evaluation.verdicts import failure, without_sql
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.sandbox import quoted
from txt2sql.sql.sketch import AGGREGATES, OPERATORS, Sketch, sketch_of, sketch_of_json
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Schema, Table, Verdict


class GoldForm(Protocol):
    """What a gold logical form must have: positions, and conditions (column, operator, value)."""

    @property
    def sel(self) -> int: ...

    @property
    def agg(self) -> int: ...

    @property
    def conds(self) -> Sequence[tuple[int, int, Any]]: ...


class _Sketches:
    """Gold and predicted sketches of an example.

    `gold` gives the gold logical form by example id; where it gives None, the sketch of the gold SQL
    stands in. `schema` gives the schema of a db_id, whose first table the question is about.
    """

    def __init__(
        self, gold: Callable[[str], GoldForm | None], schema: Callable[[str], Schema]
    ) -> None:
        self._gold = gold
        self.table: Callable[[str], Table] = lru_cache(maxsize=1024)(
            lambda db_id: schema(db_id).tables[0]
        )

    def gold(self, example: Example) -> Sketch | None:
        """The gold sketch, or None when there is none."""
        form = self._gold(example.id)
        if form is None:
            return sketch_of(example.gold_sql, self.table(example.db_id))
        return Sketch(form.sel, form.agg, tuple(form.conds))

    def predicted(self, example: Example, prediction: Prediction) -> Sketch | tuple[Outcome, str]:
        """The predicted sketch, or why there is none."""
        sql = prediction.sql
        if not (sql and sql.strip()):
            return without_sql(prediction)
        if sql.lstrip().startswith("{"):
            sketch, what = sketch_of_json(sql), "no query sketch in the JSON"
        else:
            sketch = sketch_of(sql, self.table(example.db_id))
            what = "the SQL has no query sketch: it is more than one column and conditions"
        return (Outcome.PREDICTION_ERROR, what) if sketch is None else sketch


class LogicalFormAccuracy:
    """Are the sketches equal?

    Official: condition values are compared as lower-cased text, so that 3 and 3.0 differ. Not
    official: as numbers on number columns (3, 3.0 and "3" are equal), else as text.
    """

    name = "logical_form_accuracy"

    def __init__(
        self,
        schema: Callable[[str], Schema],
        gold: Callable[[str], GoldForm | None] = lambda example_id: None,
        official: bool = True,
    ) -> None:
        self._sketches = _Sketches(gold, schema)
        self.official = official

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction; the database is not asked."""
        gold = self._sketches.gold(example)
        if gold is None:
            reason = "the gold query is no query sketch"
            return Verdict(example.id, self.name, Outcome.GOLD_ERROR, 0.0, reason)
        predicted = self._sketches.predicted(example, prediction)
        if not isinstance(predicted, Sketch):
            return Verdict(example.id, self.name, predicted[0], 0.0, predicted[1])
        table = self._sketches.table(example.db_id)
        numeric = None if self.official else _numeric(table)
        same = same_sketch(gold, predicted, numeric)
        if not same and not (prediction.sql or "").lstrip().startswith("{"):
            # SQL text cannot hold all that a logical form can, such as "1,405" for a number column:
            # what the gold form says as SQL is right too.
            as_sql = sketch_of(example.gold_sql, table)
            same = as_sql is not None and same_sketch(as_sql, predicted, numeric)
        if same:
            return Verdict(example.id, self.name, Outcome.CORRECT, 1.0)
        reason = _difference(gold, predicted)
        return Verdict(example.id, self.name, Outcome.WRONG_RESULT, 0.0, reason)


class WikiSQLExecutionAccuracy:
    """Do the sketches, rebuilt as SQL the official way, return the same list of values?

    Row order and duplicates count; two empty lists are the same. See `official_sql` for the quirks.
    """

    name = "wikisql_execution_accuracy"

    def __init__(
        self,
        schema: Callable[[str], Schema],
        gold: Callable[[str], GoldForm | None] = lambda example_id: None,
        limits: Limits = LIMITS,
    ) -> None:
        self._sketches = _Sketches(gold, schema)
        self.limits = limits

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction on the database that holds the table."""
        outcome, reason = self._judge(example, prediction, database)
        score = 1.0 if outcome is Outcome.CORRECT else 0.0
        return Verdict(example.id, self.name, outcome, score, reason)

    def _judge(
        self, example: Example, prediction: Prediction, database: Database
    ) -> tuple[Outcome, str]:
        table = self._sketches.table(example.db_id)
        form = self._sketches.gold(example)
        if form is None:
            return Outcome.GOLD_ERROR, "the gold query is no query sketch"
        gold = self._run(form, table, database)
        if not gold.ok or gold.truncated:
            return Outcome.GOLD_ERROR, f"the gold query fails: {gold.error or 'too many rows'}"
        predicted = self._sketches.predicted(example, prediction)
        if not isinstance(predicted, Sketch):
            return predicted
        result = self._run(predicted, table, database)
        if not result.ok:
            return failure(result)
        if result.rows == gold.rows and not result.truncated:
            return Outcome.CORRECT, ""
        return Outcome.WRONG_RESULT, "other values, or the same in another order"

    def _run(self, sketch: Sketch, table: Table, database: Database) -> QueryResult:
        sql = official_sql(sketch, table)
        if sql is None:
            return QueryResult(error="the query sketch does not fit the table")
        return execute(database, sql, self.limits)


def same_sketch(gold: Sketch, predicted: Sketch, numeric: Sequence[bool] | None = None) -> bool:
    """True when column, aggregate and the set of conditions are equal.

    Values are compared as lower-cased text; with `numeric`, which tells the number columns, those of
    number columns as numbers.
    """
    if gold.sel != predicted.sel or gold.agg != predicted.agg:
        return False
    return _conditions(gold, numeric) == _conditions(predicted, numeric)


def _conditions(
    sketch: Sketch, numeric: Sequence[bool] | None
) -> set[tuple[int, int, str | float]]:
    if numeric is None:
        return {(column, operator, str(value).lower()) for column, operator, value in sketch.conds}
    return {
        (column, operator, _typed(value, 0 <= column < len(numeric) and numeric[column]))
        for column, operator, value in sketch.conds
    }


def _typed(value: Any, numeric: bool) -> str | float:
    """The value as SQLite compares it with a column: as a number, or as text without a `.0`."""
    if numeric:
        number = read_number(value) if isinstance(value, str) else value
        if isinstance(number, (int, float)) and not math.isnan(number):
            return number
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower()


def _numeric(table: Table) -> list[bool]:
    return [column.type == "number" for column in table.columns]


def _difference(gold: Sketch, predicted: Sketch) -> str:
    if gold.sel != predicted.sel:
        return "another column is selected"
    if gold.agg != predicted.agg:
        return "another aggregate"
    return "other conditions"


_NUMBER = re.compile(r"[-+]?\d*\.\d+|\d+")


def read_number(text: str) -> float | None:
    """The number in a condition value as the official evaluator finds it, or None.

    The whole text with `,` between thousands, else the first number in it, whose sign counts only if
    it has a decimal point.
    """
    try:
        return float(Decimal(text.replace(",", "")))
    except (InvalidOperation, ValueError):  # ValueError: a signalling NaN
        first = _NUMBER.search(text)
        return float(first[0]) if first else None


def official_sql(sketch: Sketch, table: Table) -> str | None:
    """The SQL that the official evaluator runs for a sketch, or None where it would fail.

    Strings are lower-cased, as the cells are; the strings compared with number columns become
    numbers. It binds values by column, so of two conditions on one column both get the last value:
    `price > 3 AND price < 9` runs as `price > 9 AND price < 9`.
    """
    width = len(table.columns)
    positions = [sketch.sel, *(column for column, _, _ in sketch.conds)]
    operators = [operator for _, operator, _ in sketch.conds]
    if not all(0 <= position < width for position in positions):
        return None
    if not (0 <= sketch.agg < len(AGGREGATES) and all(0 <= o < len(OPERATORS) for o in operators)):
        return None
    values: dict[int, str] = {}
    for column, _, value in sketch.conds:
        literal = _bound(value, table.columns[column].type == "number")
        if literal is None:
            return None
        values[column] = literal
    names = [quoted(column.name) for column in table.columns]
    where = " AND ".join(
        f"{names[column]} {OPERATORS[operator]} {values[column]}"
        for column, operator, _ in sketch.conds
    )
    selected = names[sketch.sel]
    item = f"{AGGREGATES[sketch.agg]}({selected})" if sketch.agg else selected
    return f"SELECT {item} FROM {quoted(table.name)}" + (f" WHERE {where}" if where else "")


def _bound(value: Any, numeric: bool) -> str | None:
    """The value as a literal that SQLite reads as it would read it bound, or None."""
    if isinstance(value, str):
        if not numeric:
            return "'" + value.lower().replace("'", "''") + "'"
        value = read_number(value.lower())
        if value is None:
            return None
    if isinstance(value, float):
        if math.isnan(value):
            return "NULL"
        return repr(value) if math.isfinite(value) else f"{math.copysign(9, value):.0f}e999"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return str(int(value))  # int(): JSON's true is 1
    return "NULL" if value is None and not numeric else None

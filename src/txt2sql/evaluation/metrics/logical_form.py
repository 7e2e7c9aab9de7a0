"""WikiSQL's two official metrics: logical-form accuracy (LF) and execution accuracy (EX).

Both compare query sketches {selected column, aggregate, conditions} by position in one table (Zhong
et al., "Seq2SQL", 2017; behaviour of the evaluator in salesforce/WikiSQL). A prediction is SQL text,
of which the sketch is read, or a sketch in the JSON of that evaluator's prediction files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from txt2sql.evaluation.mode import LIMITS
from txt2sql.evaluation.verdicts import Finding, RightOrWrong, failure, without_sql
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.sandbox import quoted
from txt2sql.sql.sketch import AGGREGATES, OPERATORS, Sketch, sketch_of, sketch_of_json
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Schema, Table


class _Sketches(RightOrWrong):
    """`gold` gives the gold sketch by example id; where it gives None, that of the gold SQL stands in.
    `schema` gives the schema of a db_id, whose first table the question is about."""

    def __init__(
        self,
        schema: Callable[[str], Schema],
        gold: Callable[[str], Sketch | None] = lambda _: None,
        official: bool = True,
        limits: Limits = LIMITS,
    ) -> None:
        self._gold = gold
        self._schema = lru_cache(1024)(schema)
        self.official = official
        self.limits = limits

    def gold(self, example: Example) -> tuple[Sketch | None, Table]:
        """The gold sketch, or None, and the table it is about."""
        table = self._schema(example.db_id).tables[0]
        return self._gold(example.id) or sketch_of(example.gold_sql, table), table


_NO_GOLD = Outcome.GOLD_ERROR, "the gold query is no query sketch"


def _predicted(prediction: Prediction, table: Table) -> Sketch | Finding:
    sql = (prediction.sql or "").strip()
    if not sql:
        return without_sql(prediction)
    if sql.startswith("{"):
        sketch, why = sketch_of_json(sql), "no query sketch in the JSON"
    else:
        sketch = sketch_of(sql, table)
        why = "the SQL has no query sketch: it is more than one column and conditions"
    return sketch or (Outcome.PREDICTION_ERROR, why)


class LogicalFormAccuracy(_Sketches):
    """Are the sketches equal? Official: condition values are compared as lower-cased text, so that
    3 and 3.0 differ. Not official: as numbers on number columns (3, 3.0 and "3" are equal), else as
    text."""

    name = "logical_form_accuracy"

    def judge(self, example: Example, prediction: Prediction, database: Database) -> Finding:
        gold, table = self.gold(example)
        if gold is None:
            return _NO_GOLD
        predicted = _predicted(prediction, table)
        if not isinstance(predicted, Sketch):
            return predicted
        numeric = None if self.official else [c.type == "number" for c in table.columns]
        right = [gold]
        if not (prediction.sql or "").lstrip().startswith("{"):
            # SQL text cannot hold all that a logical form can, such as "1,405" for a number column:
            # what the gold form says as SQL is right too.
            right += [sketch for sketch in [sketch_of(example.gold_sql, table)] if sketch]
        if any(same_sketch(sketch, predicted, numeric) for sketch in right):
            return Outcome.CORRECT, ""
        if gold.sel != predicted.sel:
            return Outcome.WRONG_RESULT, "another column is selected"
        other = "another aggregate" if gold.agg != predicted.agg else "other conditions"
        return Outcome.WRONG_RESULT, other


class WikiSQLExecutionAccuracy(_Sketches):
    """Do the sketches, rebuilt as SQL the official way, return the same list of values? Row order
    and duplicates count; two empty lists are the same. See `official_sql` for the quirks."""

    name = "wikisql_execution_accuracy"

    def judge(self, example: Example, prediction: Prediction, database: Database) -> Finding:
        gold, table = self.gold(example)
        if gold is None:
            return _NO_GOLD
        expected = self._run(gold, table, database)
        if not expected.ok or expected.truncated:
            problem = expected.error or "too many rows"
            return Outcome.GOLD_ERROR, f"the gold query fails: {problem}"
        predicted = _predicted(prediction, table)
        if not isinstance(predicted, Sketch):
            return predicted
        result = self._run(predicted, table, database)
        if not result.ok:
            return failure(result)
        if result.rows == expected.rows and not result.truncated:
            return Outcome.CORRECT, ""
        return Outcome.WRONG_RESULT, "other values, or the same in another order"

    def _run(self, sketch: Sketch, table: Table, database: Database) -> QueryResult:
        sql = official_sql(sketch, table)
        if sql is None:
            return QueryResult(error="the query sketch does not fit the table")
        return execute(database, sql, self.limits)


def same_sketch(gold: Sketch, predicted: Sketch, numeric: Sequence[bool] | None = None) -> bool:
    """True when column, aggregate and the set of conditions are equal. Values are compared as
    lower-cased text; with `numeric`, which tells the number columns, as SQLite compares them with a
    column: as a number, or as text without a `.0`."""

    def comparable(column: int, value: Any) -> str | float:
        if numeric is not None:
            if 0 <= column < len(numeric) and numeric[column]:
                number = read_number(value) if isinstance(value, str) else value
                if isinstance(number, (int, float)) and not math.isnan(number):
                    return number
            if isinstance(value, float) and value.is_integer():
                value = int(value)
        return str(value).lower()

    conditions = [
        {(column, operator, comparable(column, value)) for column, operator, value in sketch.conds}
        for sketch in (gold, predicted)
    ]
    same_item = (gold.sel, gold.agg) == (predicted.sel, predicted.agg)
    return same_item and conditions[0] == conditions[1]


_NUMBER = re.compile(r"[-+]?\d*\.\d+|\d+")


def read_number(text: str) -> float | None:
    """The number in a condition value as the official evaluator finds it, or None. The whole text
    with `,` between thousands, else the first number in it, whose sign counts only if it has a
    decimal point."""
    try:
        return float(Decimal(text.replace(",", "")))
    except (InvalidOperation, ValueError):  # ValueError: a signalling NaN
        first = _NUMBER.search(text)
        return float(first[0]) if first else None


def official_sql(sketch: Sketch, table: Table) -> str | None:
    """The SQL that the official evaluator runs for a sketch, or None where it would fail. Strings
    are lower-cased, as the cells are; the strings compared with number columns become numbers. It
    binds values by column, so of two conditions on one column both get the last value: `price > 3
    AND price < 9` runs as `price > 9 AND price < 9`."""
    positions = [sketch.sel, *(column for column, _, _ in sketch.conds)]
    if not (
        all(0 <= position < len(table.columns) for position in positions)
        and 0 <= sketch.agg < len(AGGREGATES)
        and all(0 <= operator < len(OPERATORS) for _, operator, _ in sketch.conds)
    ):
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

"""Which gold queries of a data set can be used: faults of annotation, by kind.

A question without a usable gold query is neither trained on nor scored: an empty gold would teach
empty answers, and an accuracy over nothing is no accuracy.

>>> gold_fault(Example("dev-0", "shop", "How many?", gold_sql="the answer is 42"))
<GoldFault.NOT_SQL: 'gold that is no SELECT statement'>
>>> gold_fault(Example("dev-0", "shop", "How many?", gold_sql="SELECT count(*) FROM sale"))
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from txt2sql.errors import DataError
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.guard import check_read_only
from txt2sql.types import Example, ValueMatch

if TYPE_CHECKING:
    from txt2sql.data import Dataset

_LIMITS = Limits(timeout_s=30.0)
_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])(\d+(?:\.\d+)?)(?![\w.])")
_GRAMMAR_ERRORS = ("syntax error", "incomplete input", "unrecognized token", "clause should come")


class GoldFault(str, Enum):
    """Why a gold query cannot be used."""

    MISSING = "no gold SQL"
    NOT_SQL = "gold that is no SELECT statement"
    UNKNOWN_TABLE = "gold that names a table its database lacks"
    FAILS = "gold that does not run"


def gold_fault(example: Example) -> GoldFault | None:
    """What is wrong with a gold query as a text; MISSING and NOT_SQL only."""
    if not example.gold_sql.strip():
        return GoldFault.MISSING
    return None if _is_select(example.gold_sql) else GoldFault.NOT_SQL


def run_fault(example: Example, dataset: Dataset) -> tuple[GoldFault | None, str]:
    """What is wrong with a gold query on its database, and what the database says of it."""
    fault = gold_fault(example)
    if fault is GoldFault.MISSING:
        return fault, ""
    error = execute(dataset.database(example.db_id), example.gold_sql, _LIMITS).error
    if error is None or fault is not None:
        return fault, error or ""
    unknown = error.startswith("no such table")
    return GoldFault.UNKNOWN_TABLE if unknown else GoldFault.FAILS, error


def with_gold(dataset: Dataset, split: str) -> list[Example]:
    """The questions of a split to learn from: those with gold SQL."""
    return usable(dataset.examples(split), f"'{dataset.name}' {split}")


def usable(examples: Iterable[Example], place: str, *, answers: bool = False) -> list[Example]:
    """The examples that have a gold query which parses, or, with `answers`, answers in its place.

    One line on standard error says how many are left out and why. Raises DataError where none is left.
    """
    good: list[Example] = []
    faults: Counter[GoldFault] = Counter()
    only_answers = 0
    for example in examples:
        has_answers = example.answers is not None
        fault = None if answers and has_answers else gold_fault(example)
        if fault is None:
            good.append(example)
        else:
            faults[fault] += 1
            only_answers += has_answers
    total = len(good) + faults.total()
    reasons = ", ".join(f"{count:,} with {fault.value}" for fault, count in faults.items())
    if total and not good:
        hint = (
            "its questions have answers only"
            if only_answers == total
            else "put each query as text under 'query', 'sql' or 'SQL'"
        )
        raise DataError(f"no question with gold SQL in {place} ({reasons}); {hint}")
    if faults:
        print(f"{place}: left out {total - len(good):,} of {total:,}: {reasons}", file=sys.stderr)
    return good


@lru_cache(8192)
def _is_select(sql: str) -> bool:
    """Whether SQLite can parse it as one reading statement; names are nobody's concern here."""
    if check_read_only(sql) is not None:
        return False
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(f"EXPLAIN {sql}").close()
        except sqlite3.Error as error:
            return not any(part in str(error) for part in _GRAMMAR_ERRORS)
    return True


def stands_alone(example: Example, matches: Sequence[ValueMatch]) -> bool:
    """Whether a question can be answered without its evidence: every literal of its gold SQL is in
    the question, or is a cell that was matched.
    """
    text = example.question.lower()
    values = {match.value.lower() for match in matches}
    literals = [(a or b).replace("''", "'").lower() for a, b in _LITERAL.findall(example.gold_sql)]
    return all(each in text or each in values or each in ("", "0", "1", "100") for each in literals)

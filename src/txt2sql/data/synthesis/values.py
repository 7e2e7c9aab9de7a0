"""Values for conditions: cells of the witness, and numbers a person would choose near them.

>>> rounded(48_213, random.Random(1), up=False) <= 48_213
True
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from txt2sql.data.synthesis.facts import ColumnFacts
from txt2sql.data.synthesis.shape import Condition, Misfit, Select
from txt2sql.types import Cell, Row

if TYPE_CHECKING:
    from txt2sql.data.synthesis.fill import Filled

_COUNTS = (1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 8, 10)


def choose_values(
    select: Select, filled: Filled, witness: dict[int, Row], rng: random.Random
) -> None:
    """Fill the places for values in the conditions of one SELECT."""
    used: dict[object, set[Cell]] = {}
    for condition in select.where:
        if condition.values and condition.term.ref is not None:
            seen = used.setdefault(condition.term.ref, set())
            _fill(condition, filled, witness, seen, select.either, rng)
    for condition in select.having:
        if condition.values:
            _aggregate(condition, filled, rng)


def _fill(
    condition: Condition,
    filled: Filled,
    witness: dict[int, Row],
    seen: set[Cell],
    either: bool,
    rng: random.Random,
) -> None:
    ref = condition.term.ref
    assert ref is not None
    column = filled.column(ref)
    cell = witness[ref.table][filled.columns[ref]]
    values = [value for value in column.values if value not in seen]
    if not values:
        raise Misfit("no value left")
    operator = condition.operator
    if operator in ("=", "like") and (cell not in column.values or cell in seen):
        cell = rng.choice(values)  # also for the second of two on one column
    elif operator in ("!=", "not like") or cell not in column.values:
        cell = rng.choice(values)
    if operator.endswith("like"):
        cell = _part(str(cell), condition.pattern, rng)
        if "%" in cell or "_" in cell:
            raise Misfit("a pattern in the value itself")
    elif operator.endswith("between"):
        low, high = _range(column, cell, rng)
        filled.values[condition.values[0]], filled.values[condition.values[1]] = low, high
        return
    elif operator[0] in "<>":
        cell = _bound(column, cell, operator, rng)
    seen.add(cell)
    filled.values[condition.values[0]] = cell


def _sorted(column: ColumnFacts) -> list[Cell]:
    return sorted(column.values, key=lambda v: (isinstance(v, str), v))


def _bound(column: ColumnFacts, cell: Cell, operator: str, rng: random.Random) -> Cell:
    """A limit that the witness's cell is beyond, by a little or a lot."""
    ordered = _sorted(column)
    at = ordered.index(cell)
    if operator[0] == ">":
        side = ordered[: at + (operator == ">=")]
    else:
        side = ordered[at + (operator == "<") :]
    if operator == "<=":
        side = ordered[at:]
    if not side:
        raise Misfit("nothing is beyond the end")
    value = rng.choice(side)
    if column.kind == "number" and isinstance(value, (int, float)) and rng.random() < 0.7:
        return rounded(value, rng, up=operator[0] == "<")
    return value


def _range(column: ColumnFacts, cell: Cell, rng: random.Random) -> tuple[Cell, Cell]:
    ordered = _sorted(column)
    at = ordered.index(cell)
    low, high = ordered[rng.randint(0, at)], ordered[rng.randint(at, len(ordered) - 1)]
    if column.kind == "number" and isinstance(low, (int, float)) and isinstance(high, (int, float)):
        low, high = rounded(low, rng, up=False), rounded(high, rng, up=True)
    if low == high:
        raise Misfit("an empty range")
    return low, high


def rounded(value: int | float, rng: random.Random, up: bool) -> int | float:
    """A number with one or two digits that count, not above (or below) the value."""
    if abs(value) < 1e-4 or (abs(value) < 10 and isinstance(value, int)):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - rng.randint(0, 1))
    steps = math.ceil(value / unit) if up else math.floor(value / unit)
    number = round(steps * unit, 6)
    whole = isinstance(value, int) or number.is_integer()
    return int(number) if whole and (up or number <= value) else number


def _part(text: str, pattern: str, rng: random.Random) -> str:
    """A word of the text; its beginning or end where the pattern asks for that."""
    words = [word for word in text.split() if word.isalnum()]
    if pattern == "v%":
        return text[0] if rng.random() < 0.6 else text.split()[0]
    if pattern == "%v":
        return text[-1] if rng.random() < 0.4 else text.split()[-1]
    if pattern == "v" or not words:
        return text
    word = rng.choice(words)
    return word if rng.random() < 0.7 else word[: max(2, len(word) // 2)]


def _aggregate(condition: Condition, filled: Filled, rng: random.Random) -> None:
    """Limits for HAVING: a small count, or a cell's order of magnitude."""
    term = condition.term
    if term.aggregate == "count" or term.ref is None:
        for place in condition.values:  # every group has at least one row
            filled.values[place] = max(rng.choice(_COUNTS), 2 if condition.operator == ">=" else 1)
        if len(condition.values) == 2:
            low = rng.choice(_COUNTS)
            filled.values[condition.values[0]] = low
            filled.values[condition.values[1]] = low + rng.randint(1, 5)
        return
    column = filled.column(term.ref)
    if not column.values:
        raise Misfit("no value to compare with")
    for place in condition.values:
        value = rng.choice(column.values)
        if isinstance(value, (int, float)):
            value = rounded(value, rng, up=False)
        filled.values[place] = value

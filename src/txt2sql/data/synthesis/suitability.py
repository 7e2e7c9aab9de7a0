"""How well a column suits its uses: names are shown, numbers averaged, categories grouped by.

>>> suitability(ColumnFacts("age", "age", "number", (30, 41)), frozenset({"number"}))
1.0
"""

from __future__ import annotations

from collections.abc import Callable

from txt2sql.data.synthesis.facts import ColumnFacts

_CODE_WORDS = frozenset(
    "id ids code codes key phone zip zipcode postcode fax ssn isbn index".split()
)


def suitability(column: ColumnFacts, roles: frozenset[str]) -> float:
    """How well a column suits all of its uses; 0 when it does not."""
    weight = 1.0
    words = column.noun.split()
    code = column.key or words[-1:] == ["number"] or not _CODE_WORDS.isdisjoint(words)
    for role in roles:
        weight *= _WEIGHTS[role](column, code)
    return weight


def _output(column: ColumnFacts, code: bool) -> float:
    if column.kind == "empty":
        return 0.0
    if column.is_name:
        return 5.0
    if column.key and not column.primary:
        return 0.15
    return 0.7 if code else 2.0


def _equal(column: ColumnFacts, code: bool) -> float:
    if not column.values or column.kind in ("empty", "long"):
        return 0.0
    if column.kind in ("number", "date"):
        if any(isinstance(value, float) for value in column.values):
            return 0.1
        return 0.15 if code else 0.5
    return 0.5 if code else 3.0


def _equal_of_some(column: ColumnFacts, code: bool) -> float:
    """Equality where several rows should remain: to be counted, ranked, or restricted further."""
    return _equal(column, code) * (0.05 if column.unique else 1.0)


def _grouped(column: ColumnFacts, code: bool) -> float:
    if not column.category or column.kind in ("empty", "long", "date"):
        return 0.0
    if column.kind == "number":
        return 0.4 if code or len(column.values) <= 30 else 0.1
    return 3.0


_WEIGHTS: dict[str, Callable[[ColumnFacts, bool], float]] = {
    "out": _output,
    "eq": _equal,
    "eq some": _equal_of_some,
    "group": _grouped,
    "number": lambda c, code: float(c.kind == "number" and not code),
    "ordered": lambda c, code: float(c.ordered and not code and len(c.values) > 1),
    "compared": lambda c, code: float(c.ordered and not code and len(c.values) > 2),
    "sorted": lambda c, code: (
        2.0 * (c.ordered and not code)
        + (c.kind == "text" and not c.timely) * (2.0 if c.is_name else 0.5)
    ),
    "like": lambda c, code: float(c.kind == "text" and not code and len(c.values) > 1),
    "null": lambda c, code: float(c.nulls and c.kind != "empty" and not code),
    "distinct": lambda c, code: 2.0 * c.category if c.kind in ("text", "year", "flag") else (
        0.3 * c.category
    ),
    "counted": lambda c, code: float(c.kind != "empty"),
    "entity": lambda c, code: float(c.key),
}  # fmt: skip

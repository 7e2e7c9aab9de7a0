"""Numbers that a column stores as text are ordered and compared as numbers, and what is least is not NULL.

A CSV file that was imported often has text columns alone. Among texts 9 comes after 10, and every text after
every number: "more than 20" or "the cheapest" is then answered wrongly, without an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from txt2sql.sql.names import COMPARISONS, Names
from txt2sql.sql.sources import Edit, Node, span
from txt2sql.types import Column

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?P<currency>[$€£]?) ?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+)?(?P<unit> ?[A-Za-z%°]{0,12})"
)
_UNKNOWN = frozenset("null none nan n/a na - -- ? unknown".split())
_MOST_UNKNOWN = 2
PLACE = "{}"
"""Where the column stands in `Column.as_number`."""
_COMPUTES = (exp.Sum, exp.Avg, exp.Add, exp.Sub, exp.Mul, exp.Div)


def as_number(column: str, cells: Sequence[str]) -> str:
    """SQL that reads a text column, quoted, as a number, from a sample of its cells; "" where they are no
    numbers, or codes, or have the order of their numbers anyway.

    >>> as_number("price", ["9.50", "1,250.00", ""])
    "CAST(REPLACE(NULLIF(price, ''), ',', '') AS REAL)"
    """
    distinct = set(cells)
    unknown = sorted(cell for cell in distinct if not cell or cell.lower() in _UNKNOWN)
    matches = [_NUMBER.fullmatch(cell) for cell in sorted(distinct.difference(unknown))]
    numbers = [match for match in matches if match is not None]
    if len(numbers) < max(len(matches), 2) or len(unknown) > _MOST_UNKNOWN:
        return ""
    coded = any(re.match(r"0\d", number["whole"]) for number in numbers)  # 007: no quantity
    if coded or len({number["unit"] for number in numbers}) > 1:
        return ""
    values = [float(f"{n['sign']}{n['whole'].replace(',', '')}{n['part'] or ''}") for n in numbers]
    marks = sorted(
        {mark for n in numbers for mark in (n["currency"], "," * ("," in n["whole"])) if mark}
    )
    if values == sorted(values) and not marks:
        return ""
    text = column
    for each in unknown:
        text = f"NULLIF({text}, '{each}')"
    for mark in marks:
        text = f"REPLACE({text}, '{mark}', '')"
    return f"CAST({text} AS {'REAL' if any(n['part'] for n in numbers) else 'INTEGER'})"


def read_as_numbers(names: Names) -> list[Edit]:
    """What makes a statement order, compare and compute by the numbers that texts stand for, and list the
    rows without a value last where it takes the first few."""
    edits: list[Edit] = []
    for scope in names.scopes:
        for node, number in scope.resolved:
            column = scope.sources[number].column(node.name)
            start, end = span(node.args.get("table") or node.this)[0], span(node.this)[1]
            if column is None or start < 0:
                continue
            text = name = names.sql[start:end]
            if column.as_number:
                text = _read(node, column, name)
            gaps = column.has_null or "NULLIF" in text
            if gaps and _takes_least(node) and not _is_filtered(node):
                ascending = re.compile(r"\s+ASC\b", re.I).match(names.sql, end)
                text, end = f"{text} NULLS LAST", ascending.end() if ascending else end
            if text != name:
                edits.append((start, end, text))
    return edits


def _read(node: Node, column: Column, name: str) -> str:
    whole = column.as_number.replace(PLACE, name)
    text = whole.removeprefix("CAST(").rpartition(" AS ")[0]
    parent = node.parent
    if isinstance(parent, exp.Cast):
        number = parent.this is node and parent.to.is_type(*exp.DataType.NUMERIC_TYPES)
        return text if number else name
    if isinstance(parent, (*COMPARISONS, exp.Between)):
        others = [each for each in parent.iter_expressions() if each is not node]
        equal = isinstance(parent, (exp.EQ, exp.NEQ))
        return whole if not any(_is_text(other, equal) for other in others) else name
    if isinstance(parent, (exp.Ordered, exp.Min, exp.Max)):
        return whole
    return whole if isinstance(parent, _COMPUTES) and text != name else name


def _is_text(node: Node, equal: bool) -> bool:
    """Whether texts are compared: with a cell, or with another column."""
    if isinstance(node, exp.Literal):
        return bool(node.is_string) and (equal or not re.fullmatch(r"[-+]?\d+(\.\d+)?", node.name))
    return isinstance(node, exp.Column)


def _takes_least(node: Node) -> bool:
    key = node.parent
    if not isinstance(key, exp.Ordered) or key.args.get("desc"):
        return False
    query: Node = key.find_ancestor(exp.Query)
    explicit = re.search(r"\bNULLS\b", key.sql(dialect="sqlite"))
    return query is not None and query.args.get("limit") is not None and explicit is None


def _is_filtered(node: Node) -> bool:
    where = node.parent.parent.parent.args.get("where")
    columns = where.find_all(exp.Column) if where is not None else ()
    return any(column.name.lower() == node.name.lower() for column in columns)

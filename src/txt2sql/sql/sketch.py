"""WikiSQL's query sketch read from SQL text, or from the JSON of its evaluator's prediction files.

A sketch is {selected column, aggregate, conditions joined by AND}, all by position in one table
(Zhong et al., "Seq2SQL", 2017). Names may be quoted in every way of SQLite, qualified by the table or
its alias, conditions parenthesised or written backwards. Everything else has no sketch, which is None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import RESERVED
from txt2sql.sql.sources import Node, conjuncts, only, span
from txt2sql.types import Table

AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
OPERATORS = ("=", ">", "<")
_AGGREGATES = (None, exp.Max, exp.Min, exp.Count, exp.Sum, exp.Avg)
_OPERATORS = (exp.EQ, exp.GT, exp.LT)
_FLIPPED = (0, 2, 1)
_LONGEST_INTEGER = 4000  # digits; Python refuses to read more than 4,300


@dataclass(frozen=True, slots=True)
class Sketch:
    """`agg` and the operators are positions in AGGREGATES and OPERATORS; conds (column, op, value)."""

    sel: int
    agg: int
    conds: tuple[tuple[int, int, Any], ...] = ()


def sketch_of(sql: str, table: Table) -> Sketch | None:
    """The sketch that the text stands for over `table`, or None where it has none. Numbers are as Python reads
    them: `3.0` is the float 3.0.
    """
    try:
        (tree,) = (tree for tree in parse(sql, read="sqlite") if tree is not None)
        return _read(tree, sql, table)
    except (SqlglotError, RecursionError, ValueError, LookupError, AttributeError):
        return None


def sketch_of_json(text: str) -> Sketch | None:
    """The sketch in `{"query": {"sel": 0, "agg": 0, "conds": []}}`; None for `{"error": ...}`."""
    try:
        item = json.loads(text)
        if item.get("error"):
            return None
        query = item["query"]
        conds = tuple((column, operator, value) for column, operator, value in query["conds"])
        positions = [query["sel"], query["agg"]]
        positions += [position for column, operator, _ in conds for position in (column, operator)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not all(isinstance(position, int) for position in positions):
        return None
    return Sketch(query["sel"], query["agg"], conds)


def _read(tree: Node, sql: str, table: Table) -> Sketch:
    """SELECT item FROM table [WHERE condition AND ...] [;]"""
    only(tree, "expressions", "from_", "where")
    (item,), source, where = tree.expressions, tree.args["from_"].this, tree.args.get("where")
    only(source, "this", "alias")
    reserved = any(
        not name.quoted and name.name.lower() in RESERVED for name in tree.find_all(exp.Identifier)
    )
    if reserved or any(node.comments for node in tree.walk()):
        raise ValueError
    if not isinstance(tree, exp.Select) or source.name.lower() != table.name.lower():
        raise ValueError
    columns = {column.name.lower(): position for position, column in enumerate(table.columns)}
    qualifiers = ("", source.alias_or_name.lower())

    def operand(node: Node) -> tuple[int | None, Any]:
        # (column, None) or (None, value)
        if not isinstance(node, exp.Column):
            return None, _value(node)
        position = columns.get(node.name.lower())
        if position is None and not node.table and sql[span(node.this)[0]] == '"':
            return None, node.name  # SQLite takes it for a string
        if position is None or node.table.lower() not in qualifiers or node.args.get("db"):
            raise ValueError
        return position, None

    selected, agg = item.unalias(), 0
    if type(selected) in _AGGREGATES:
        only(selected, "this", "big_int")
        selected, agg = selected.this, _AGGREGATES.index(type(selected))
    sel, _ = operand(selected)
    conds: list[tuple[int, int, Any]] = []
    for condition in conjuncts(where.this) if where else ():
        operator = _OPERATORS.index(type(condition))
        (left, value), (right, other) = operand(condition.this), operand(condition.expression)
        if left is not None and right is None:
            conds.append((left, operator, other))
        elif left is None and right is not None:
            conds.append((right, _FLIPPED[operator], value))
        else:
            raise ValueError  # two columns, or none
    if sel is None:
        raise ValueError
    return Sketch(sel, agg, tuple(conds))


def _value(node: Node) -> str | int | float:
    sign = -1 if isinstance(node, exp.Neg) else 1
    literal = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(literal, exp.Literal) or (literal.is_string and sign < 0):
        raise ValueError
    if literal.is_string:
        return literal.name
    whole = literal.name.isdigit() and len(literal.name) <= _LONGEST_INTEGER
    return sign * (int(literal.name) if whole else float(literal.name))

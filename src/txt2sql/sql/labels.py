"""The columns of a result in words, for the heads of tables and charts.

A plain column and one with an alias keep their names; what is computed is said.

>>> from txt2sql.types import Column, Table
>>> schema = Schema("shop", (Table("books", (Column("genre"), Column("price", "number"))),))
>>> labels("SELECT genre, count(*), avg(price) FROM books GROUP BY 1", ["genre", "c", "a"], schema)
['genre', 'Number of books', 'Average price']
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from txt2sql.sql.explain import MAX_CHARS, Tangled, select_words
from txt2sql.sql.sources import Node
from txt2sql.types import Schema

_PARTS_OF_DATES = {"%Y": "Year", "%Y-%m": "Month", "%m": "Month", "%Y-%m-%d": "Day", "%d": "Day"}
_WRAPPERS = (exp.Round, exp.Cast, exp.Paren, exp.TsOrDsToTimestamp, exp.TsOrDsToDate)


def labels(sql: str, columns: Sequence[str], schema: Schema) -> list[str]:
    """One label for each column; its own name where there is nothing better."""
    tree = _select(sql, len(columns), schema.dialect)
    if tree is None:
        return list(columns)
    return [_label(tree, each, name, schema) for each, name in zip(tree.expressions, columns)]


def origins(sql: str, columns: Sequence[str], dialect: str = "sqlite") -> list[str]:
    """What the cells of each column are, whatever its alias: a column's own name, "max year" for the
    largest or smallest of one, "" for a count or a sum, "average"; else the name of the result.

    >>> origins("SELECT count(*) AS number, max(year) AS last, a AS b FROM t", ["number", "last", "b"])
    ['', 'max year', 'a']
    """
    tree = _select(sql, len(columns), dialect)
    if tree is None:
        return list(columns)
    return [_origin(each.unalias(), name) for each, name in zip(tree.expressions, columns)]


def _origin(node: Node, name: str) -> str:
    while isinstance(node, _WRAPPERS):
        node = node.this
    if isinstance(node, (exp.Count, exp.Sum)):
        return ""
    if isinstance(node, exp.Avg):
        return "average"
    if isinstance(node, (exp.Min, exp.Max)) and isinstance(node.this, exp.Column):
        return f"max {node.this.name}"
    return str(node.name) if isinstance(node, exp.Column) else name


def _select(sql: str, columns: int, dialect: str) -> exp.Select | None:
    """The SELECT that names the columns of a statement, where it has one expression for each."""
    if len(sql) > MAX_CHARS:
        return None
    try:
        tree: Node = sqlglot.parse_one(sql, read=dialect)
    except (SqlglotError, RecursionError):
        return None
    while isinstance(tree, (exp.Subquery, exp.SetOperation)):
        tree = tree.this
    fits = isinstance(tree, exp.Select) and len(tree.expressions) == columns
    return tree if fits and not any(each.is_star for each in tree.expressions) else None


def _label(tree: exp.Select, node: Node, name: str, schema: Schema) -> str:
    if isinstance(node, (exp.Alias, exp.Column, exp.Star)):
        return name
    while isinstance(node, _WRAPPERS):
        node = node.this
    try:
        if isinstance(node, exp.Count) and (counted := _counted(tree, node, schema)):
            return f"Number of {counted}"
        if isinstance(node, exp.TimeToStr) and (column := node.find(exp.Column)):
            part = _PARTS_OF_DATES.get(node.text("format"))
            return f"{part} of {_spaced(column.name)}" if part else name
        words = select_words(tree).name(node).removeprefix("the ")
    except (Tangled, RecursionError, ValueError):
        return name
    if words == node.sql(dialect="sqlite", comments=False):
        return name
    return _spaced(words[:1].upper() + words[1:])


def _counted(tree: exp.Select, node: exp.Count, schema: Schema) -> str:
    """What the rows are that are counted: those of the table whose keys lead to all the others."""
    sources = {table.alias_or_name.lower(): table.name for table in _tables(tree)}
    if isinstance(node.this, exp.Column):
        owner = sources.get(node.this.table.lower()) or (
            next(iter(sources.values())) if len(sources) == 1 else ""
        )
        table = schema.table(owner)
        column = table.column(node.this.name) if table else None
        return _spaced(owner) if column is not None and column.primary_key else ""
    if not isinstance(node.this, (exp.Star, exp.Literal)) or not sources:
        return ""
    names = {name.lower() for name in sources.values()}
    led_to = {
        key.referenced_table.lower()
        for key in schema.foreign_keys
        if key.table.lower() in names and key.table.lower() != key.referenced_table.lower()
    }
    left = [name for name in sources.values() if name.lower() not in led_to]
    return _spaced(left[0]) if len(left) == 1 else ""


def _tables(tree: exp.Select) -> list[exp.Table]:
    first = tree.args.get("from_") or tree.args.get("from")
    joins = tree.args.get("joins") or []
    sources = ([first.this] if first else []) + [join.this for join in joins]
    return [each for each in sources if isinstance(each, exp.Table)]


def _spaced(name: str) -> str:
    return name.replace("_", " ")

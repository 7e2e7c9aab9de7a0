"""Rules of translation about groups: what SQLite lets stand beside an aggregate, and how it orders.

SQLite takes a column that is not grouped from some row of the group: from the row with the maximum
when max() is the only aggregate, likewise min() (sqlite.org/lang_select.html#bareagg). Others want an
aggregate, or to see that the group determines the column: the primary key of its table is grouped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot import exp

from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, UNKNOWN, Found, Node, Resolver
from txt2sql.types import Table

_ALL_ROWS = 2**63 - 1


def columns_beside_aggregates(tree: Node, resolver: Resolver, dialect: str) -> None:
    """Every column that is neither grouped nor aggregated gets an aggregate around it."""
    for select in list(tree.find_all(exp.Select)):
        aggregates = [node for node in _own(select, exp.AggFunc) if not _windowed(node)]
        group = select.args.get("group")
        if not aggregates and group is None:
            continue
        keys = [_key(select, item) for item in (group.expressions if group else ())]
        loose = [
            column
            for column in _own(select, exp.Column)
            if not _settled(column, select, keys, resolver, dialect)
        ]
        extreme = _only_extreme(aggregates)
        alone = extreme is not None and group is None and loose
        if alone and dialect == "mysql" and _first_of_order(select, extreme):
            continue
        for column in loose:
            _wrap(column, select, extreme, resolver, dialect)


def _own(select: exp.Select, kind: type[Any]) -> Iterator[Node]:
    """What stands in the select list, HAVING and ORDER BY of this query and of none inside it."""
    parts = [*select.expressions, select.args.get("having"), select.args.get("order")]
    for part in parts:
        for node in part.find_all(kind) if part is not None else ():
            if node.find_ancestor(exp.Select) is select:
                yield node


def _windowed(node: Node) -> bool:
    holder = node.parent.parent if isinstance(node.parent, exp.Filter) else node.parent
    return isinstance(holder, exp.Window)


def _key(select: exp.Select, item: Node) -> Node:
    """What is grouped: positions and aliases stand for an item of the select list."""
    if isinstance(item, exp.Literal) and not item.is_string:
        place = int(item.name) - 1
        if 0 <= place < len(select.expressions):
            return select.expressions[place].unalias()
    if isinstance(item, exp.Column) and not item.table:
        for projection in select.expressions:
            if isinstance(projection, exp.Alias) and projection.alias.lower() == item.name.lower():
                return projection.this
    return item


def _settled(
    column: Node,
    select: exp.Select,
    keys: list[Node],
    resolver: Resolver,
    dialect: str,
) -> bool:
    """Whether the column has one value in each group, or is no column of a source at all."""
    node: Node | None = column
    while node is not None and node is not select:
        if isinstance(node, (exp.AggFunc, exp.Filter)) or any(
            _same(node, key, resolver) for key in keys
        ):
            return True
        node = node.parent
    assert isinstance(column, exp.Column)
    found = resolver.find(column)
    if found is None or found.source not in {name for name, _ in resolver.sources(select)}:
        return True
    return dialect != "duckdb" and _key_is_grouped(found, keys, resolver)


def _same(node: Node, key: Node, resolver: Resolver) -> bool:
    if isinstance(node, exp.Column) and isinstance(key, exp.Column):
        one, other = resolver.find(node), resolver.find(key)
        if one is None or other is None:
            return node.name.lower() == key.name.lower()
        return (one.source, one.name.lower()) == (other.source, other.name.lower())
    return bool(node == key)


def _key_is_grouped(found: Found, keys: list[Node], resolver: Resolver) -> bool:
    if not isinstance(found.table, Table):
        return False
    primary = {column.name.lower() for column in found.table.columns if column.primary_key}
    grouped = set()
    for key in keys:
        other = resolver.find(key) if isinstance(key, exp.Column) else None
        if other is not None and other.source == found.source:
            grouped.add(other.name.lower())
    return bool(primary) and primary <= grouped


def _only_extreme(aggregates: list[Node]) -> Node | None:
    """The min() or max() whose row the others come from."""
    different = list(dict.fromkeys(aggregates))
    if len(different) == 1 and isinstance(different[0], (exp.Min, exp.Max)):
        return different[0]
    return None


def _first_of_order(select: exp.Select, extreme: Node) -> bool:
    """`SELECT name, max(age) FROM t` -> `SELECT name, age FROM t ORDER BY age DESC LIMIT 1`."""
    if any(select.args.get(clause) for clause in ("having", "order", "limit", "distinct")):
        return False
    value = extreme.this.copy()
    for item in select.expressions:
        if item.unalias() == extreme:
            item.replace(exp.alias_(value.copy(), item.alias or f"{extreme.key}_{value.name}"))
    if any(item.find(type(extreme)) for item in select.expressions):
        return False
    ordered = exp.Ordered(this=value, desc=isinstance(extreme, exp.Max), nulls_first=False)
    select.set("order", exp.Order(expressions=[ordered]))
    select.limit(1, copy=False)
    return True


def _wrap(
    column: Node,
    select: exp.Select,
    extreme: Node | None,
    resolver: Resolver,
    dialect: str,
) -> None:
    kind = resolver.kind(column)
    if extreme is not None:
        wrapped = _from_extreme_row(column, extreme, kind in (INTEGER, NUMBER), dialect)
    elif dialect == "duckdb":
        wrapped = exp.AnyValue(this=column.copy())
    elif dialect == "postgres" and kind in (BOOLEAN, UNKNOWN):  # of which there may be no least one
        wrapped = sqlglot.parse_one(f"(ARRAY_AGG({column.sql('postgres')}))[1]", read="postgres")
    else:
        wrapped = exp.Min(this=column.copy())
    if column.parent is select:  # an item of the select list keeps its name
        wrapped = exp.alias_(wrapped, column.name)
    column.replace(wrapped)


def _from_extreme_row(column: Node, extreme: Node, number: bool, dialect: str) -> Node:
    """The value of the column in the row that has the extreme."""
    largest = isinstance(extreme, exp.Max)
    value, by = column.sql(dialect="postgres"), extreme.this.sql(dialect="postgres")
    direction = "DESC" if largest else "ASC"
    if dialect == "duckdb":
        text = f"{'ARG_MAX' if largest else 'ARG_MIN'}({value}, {by})"
        return sqlglot.parse_one(text, read="duckdb")
    if dialect == "postgres":
        text = f"(ARRAY_AGG({value} ORDER BY {by} {direction} NULLS LAST))[1]"
        return sqlglot.parse_one(text, read="postgres")
    value, by = column.sql(dialect="mysql"), extreme.this.sql(dialect="mysql")
    # A character that no value holds keeps the first one apart from the rest.
    mark = "CHAR(31)"
    text = f"SUBSTRING_INDEX(GROUP_CONCAT({value} ORDER BY {by} {direction} SEPARATOR '\x1f'), {mark}, 1)"
    return sqlglot.parse_one(f"{text} + 0" if number else text, read="mysql")


def order_of_distinct_rows(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`SELECT DISTINCT a ... ORDER BY b`: grouped by a, ordered by the least (or largest) b."""
    if dialect == "mysql":
        return
    for select in list(tree.find_all(exp.Select)):
        order = select.args.get("order")
        if order is None or not select.args.get("distinct") or select.args.get("group"):
            continue
        chosen = [item.unalias() for item in select.expressions]
        names = {item.alias_or_name.lower() for item in select.expressions}
        loose = [
            ordered
            for ordered in order.expressions
            if not any(_same(ordered.this, item, resolver) for item in chosen)
            and not isinstance(ordered.this, exp.Literal)
            and not (isinstance(ordered.this, exp.Column) and ordered.this.name.lower() in names)
        ]
        if not loose or any(item.find(exp.AggFunc, exp.Star) for item in select.expressions):
            continue
        for ordered in loose:
            edge = exp.Max if ordered.args.get("desc") else exp.Min
            ordered.set("this", edge(this=ordered.this.copy()))
        select.set("distinct", None)
        select.set("group", exp.Group(expressions=[item.copy() for item in chosen]))


def order_of_counts(tree: Node, resolver: Resolver, dialect: str) -> None:
    """NULLs come first in SQLite and are told to; a count, and a key, is never NULL."""
    for ordered in tree.find_all(exp.Ordered):
        if dialect == "mysql" or not _never_null(ordered.this, resolver):
            continue
        descending = bool(ordered.args.get("desc"))
        ordered.set("nulls_first", descending if dialect == "postgres" else False)


def _never_null(node: Node, resolver: Resolver) -> bool:
    if isinstance(node, exp.Count):
        return True
    found = resolver.find(node) if isinstance(node, exp.Column) else None
    return found is not None and found.column is not None and found.column.primary_key


def limits(tree: Node, resolver: Resolver, dialect: str) -> None:
    """LIMIT -1 is none; MySQL has no OFFSET without a LIMIT."""
    for limit in list(tree.find_all(exp.Limit)):
        if not isinstance(limit.expression, exp.Neg):
            continue
        if dialect == "mysql" and limit.parent.args.get("offset"):
            limit.set("expression", exp.Literal.number(_ALL_ROWS))
        else:
            limit.pop()

"""Rules of translation about names and groups: quotes, aliases, stars, spelling; aggregates and order.

SQLite reads a name in double quotes that nothing is called as text, lets aliases of the select list
stand in conditions, and finds names whatever their case; servers do none of these. It takes a column
that is not grouped from some row of the group: from the row with the maximum when max() is the only
aggregate, likewise min() (sqlite.org/lang_select.html#bareagg). Others want an aggregate, or to see that
the group determines the column: the primary key of its table is grouped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, UNKNOWN, Meaning, Resolver, projections
from txt2sql.sql.rewrite_dates import filled
from txt2sql.sql.sources import Node
from txt2sql.types import Table

_LOWER = re.compile(r"[a-z_][a-z0-9_]*$")
_ANY_CASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
# Reserved somewhere, and likely as the name of a table or a column.
_RESERVED = frozenset(
    "all analyze and any array as asc between both by case cast change character check collate column "
    "condition constraint create cross cube current_date database default delete desc describe "
    "distinct div do drop else end except exists false fetch for foreign from full function grant "
    "group grouping groups having if in index inner insert intersect interval into is join key keys "
    "lag last_value lateral lead leading left like limit lines load localtime lock match natural not "
    "null of offset on only option or order outer over partition percent_rank placing primary "
    "procedure range rank read recursive references release repeat replace right row row_number rows "
    "schema schemas select session_user show some system table then to trailing true union unique "
    "update usage use user using values when where window with write".split()
)


def text_in_double_quotes(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`WHERE city = "Porto"`: a string, unless something has that name."""
    for column in list(tree.find_all(exp.Column)):
        name = column.this
        if column.table or not isinstance(name, exp.Identifier) or not name.quoted:
            continue
        if resolver.find(column) is None and _projection(column) is None:
            column.replace(exp.Literal.string(name.name))


def columns_of_tables(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`WITH n(i) AS (SELECT 1 ...)`: what the first query selects is called so, too."""
    for table in tree.find_all(exp.CTE):
        alias = table.args.get("alias")
        names = alias.columns if alias is not None else []
        for name, item in zip(names, projections(table.this), strict=False):
            if not _is_star(item):
                item.replace(exp.alias_(item.unalias().copy(), name.copy()))


def _projection(column: exp.Column) -> Node | None:
    """The item of the select list around it that has this alias."""
    select = column.find_ancestor(exp.Select, exp.SetOperation)
    for item in projections(select) if select is not None else ():
        if isinstance(item, exp.Alias) and item.alias.lower() == column.name.lower():
            return item
    return None


def stars_that_are_grouped(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`SELECT * ... GROUP BY x`: the star is written out, for each column is to be looked at."""
    for select in tree.find_all(exp.Select):
        if not select.args.get("group") or not any(_is_star(item) for item in select.expressions):
            continue
        spread: list[Node] = []
        for item in select.expressions:
            columns = _spread(select, item, resolver) if _is_star(item) else [item]
            spread += columns or [item]
        select.set("expressions", spread)


def _is_star(item: Node) -> bool:
    return isinstance(item, exp.Star) or (
        isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
    )


def _spread(select: exp.Select, star: Node, resolver: Resolver) -> list[Node]:
    wanted = star.table.lower() if isinstance(star, exp.Column) else ""
    return [
        exp.column(column.name, table=source)
        for source, meaning in resolver.sources(select)
        if isinstance(meaning, Table) and wanted in ("", source)
        for column in meaning.columns
    ]


def aliases_in_conditions(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`SELECT a * b AS total ... WHERE total > 5`: what the alias stands for is put in its place.

    In an ORDER BY, only where it stands inside an expression. In a HAVING, MySQL has it the other way
    round: it takes the alias, and not what that stands for.
    """
    for column in list(tree.find_all(exp.Column)):
        if column.table or resolver.find(column) is not None:
            continue
        item = _projection(column)
        clause = column.find_ancestor(exp.Where, exp.Having, exp.Order, exp.Group, exp.Select)
        if item is None or isinstance(clause, (exp.Select, type(None))):
            continue
        if isinstance(clause, exp.Having) and dialect == "mysql":
            continue
        if isinstance(clause, (exp.Order, exp.Group)):
            direct = isinstance(column.parent, (exp.Ordered, exp.Group))
            if direct or isinstance(clause.parent, exp.SetOperation):
                continue
        column.replace(exp.paren(item.this.copy()))
    for having in list(tree.find_all(exp.Having)) if dialect == "mysql" else ():
        _aliased(having)


def _aliased(having: Node) -> None:
    """What the select list computes of no group, and gives an alias, is called so."""
    select = having.parent
    for item in select.expressions:
        if isinstance(item, exp.Alias) and not item.find(exp.AggFunc):
            for node in list(having.find_all(type(item.this))):
                if node == item.this and node.find_ancestor(exp.Select) is select:
                    node.replace(exp.column(item.args["alias"].copy()))


def subqueries(tree: Node, resolver: Resolver, dialect: str) -> None:
    """A derived table has a name; a subquery for one value gives one row; MySQL takes no LIMIT in IN."""
    for number, query in enumerate(list(tree.find_all(exp.Subquery)), start=1):
        parent = query.parent
        if isinstance(parent, (exp.From, exp.Join)):
            if not query.alias:
                query.set("alias", exp.TableAlias(this=exp.to_identifier(f"derived_{number}")))
        elif isinstance(parent, exp.In):
            inner = query.this
            if dialect == "mysql" and isinstance(inner, exp.Query) and inner.args.get("limit"):
                derived = exp.select("*").from_(inner.subquery(f"limited_{number}"))
                query.set("this", derived)
        elif isinstance(query.this, exp.Select) and not isinstance(
            parent, (exp.SetOperation, exp.Exists, exp.CTE, exp.Subquery, type(None))
        ):
            _limit_to_one(query.this)


def _limit_to_one(select: exp.Select) -> None:
    alone = not select.args.get("group") and any(
        item.find(exp.AggFunc) for item in select.expressions
    )
    if not alone and not select.args.get("limit"):
        select.limit(1, copy=False)


def spelling(tree: Node, resolver: Resolver, dialect: str) -> None:
    """Names as the schema spells them, in quotes where the engine needs them."""
    columns = [(column, resolver.find(column)) for column in tree.find_all(exp.Column)]
    tables = [(table, _named(table, resolver)) for table in tree.find_all(exp.Table)]
    for table, described in tables:
        if described is not None:
            _spell(table.this, described.name, dialect)
    for column, meaning in columns:
        if meaning is not None and isinstance(column.this, exp.Identifier):
            outer = meaning
            while isinstance(meaning.projection, exp.Column):  # a column that is handed on as it is
                inner = resolver.find(meaning.projection)
                if inner is None:
                    break
                meaning = inner
            if meaning.column is not None:
                _spell(column.this, meaning.name, dialect)
            elif isinstance(outer.projection, exp.Alias):
                column.this.set("quoted", outer.projection.args["alias"].quoted)
                column.this.set("this", outer.name)
        qualifier = column.args.get("table")
        if qualifier is not None:
            for table, described in tables:
                if described is None or table.alias:
                    continue
                if qualifier.name.lower() == described.name.lower():
                    _spell(qualifier, described.name, dialect)
    for name in tree.find_all(exp.Identifier):
        if not name.quoted and name.name.lower() in _RESERVED:
            name.set("quoted", True)


def _named(table: exp.Table, resolver: Resolver) -> Table | None:
    select = table.find_ancestor(exp.Select)
    if select is not None:
        for source, meaning in resolver.sources(select):
            if source == table.alias_or_name.lower():
                return meaning if isinstance(meaning, Table) else None
    return resolver.schema.table(table.name)


def _spell(identifier: Node, name: str, dialect: str) -> None:
    plain = (_LOWER if dialect == "postgres" else _ANY_CASE).match(name)
    identifier.set("this", name)
    identifier.set("quoted", plain is None)


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
            _same_key(node, key, resolver) for key in keys
        ):
            return True
        node = node.parent
    assert isinstance(column, exp.Column)
    meaning = resolver.find(column)
    if meaning is None or meaning.source not in {name for name, _ in resolver.sources(select)}:
        return True
    return dialect != "duckdb" and _key_is_grouped(meaning, keys, resolver)


def _same_key(node: Node, key: Node, resolver: Resolver) -> bool:
    if isinstance(node, exp.Column) and isinstance(key, exp.Column):
        one, other = resolver.find(node), resolver.find(key)
        if one is None or other is None:
            return node.name.lower() == key.name.lower()
        return (one.source, one.name.lower()) == (other.source, other.name.lower())
    return bool(node == key)


def _key_is_grouped(meaning: Meaning, keys: list[Node], resolver: Resolver) -> bool:
    if not isinstance(meaning.table, Table):
        return False
    primary = {column.name.lower() for column in meaning.table.columns if column.primary_key}
    grouped = set()
    for key in keys:
        other = resolver.find(key) if isinstance(key, exp.Column) else None
        if other is not None and other.source == meaning.source:
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
        wrapped = filled("(ARRAY_AGG(_0))[1]", dialect, column)
    else:
        wrapped = exp.Min(this=column.copy())
    if column.parent is select:  # an item of the select list keeps its name
        wrapped = exp.alias_(wrapped, column.name)
    column.replace(wrapped)


# Of the row with the extreme; a character that no value holds keeps the first one apart from the rest.
_OF_EXTREME = {
    "duckdb": "ARG_{extreme}(_0, _1)",
    "postgres": "(ARRAY_AGG(_0 ORDER BY _1 {direction} NULLS LAST))[1]",
    "mysql": "SUBSTRING_INDEX(GROUP_CONCAT(_0 ORDER BY _1 {direction} SEPARATOR '\x1f'), CHAR(31), 1)",
}


def _from_extreme_row(column: Node, extreme: Node, number: bool, dialect: str) -> Node:
    """The value of the column in the row that has the extreme."""
    template = _OF_EXTREME[dialect] + (" + 0" if number and dialect == "mysql" else "")
    largest = isinstance(extreme, exp.Max)
    template = template.format(
        extreme="MAX" if largest else "MIN", direction="DESC" if largest else "ASC"
    )
    return filled(template, dialect, column, extreme.this)


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
            if not any(_same_key(ordered.this, item, resolver) for item in chosen)
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
    meaning = resolver.find(node) if isinstance(node, exp.Column) else None
    return meaning is not None and meaning.column is not None and meaning.column.primary_key


def limits(tree: Node, resolver: Resolver, dialect: str) -> None:
    """LIMIT -1 is none; MySQL has no OFFSET without a LIMIT."""
    for limit in list(tree.find_all(exp.Limit)):
        if not isinstance(limit.expression, exp.Neg):
            continue
        if dialect == "mysql" and limit.parent.args.get("offset"):
            limit.set("expression", exp.Literal.number(_ALL_ROWS))
        else:
            limit.pop()

"""Rules of translation about names and groups: quotes, aliases, stars, spelling; aggregates and order.

SQLite takes a column that is not grouped from some row of the group: from the row with the maximum when
max() is the only aggregate, likewise min() (sqlite.org/lang_select.html#bareagg). Others want an
aggregate, or to see that the group determines the column: the primary key of its table is grouped.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator

from sqlglot import Dialect, exp
from sqlglot.helper import find_new_name

from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, UNKNOWN, Meaning, Resolver, projections
from txt2sql.sql.rewrite_dates import filled
from txt2sql.sql.sources import Node
from txt2sql.types import Table

_LOWER = re.compile(r"[a-z_][a-z0-9_]*$")
_ANY_CASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
# PostgreSQL's are those of Redshift and a few; sqlglot itself puts those of the others in quotes.
_RESERVED = Dialect.get_or_raise("redshift").generator_class.RESERVED_KEYWORDS | set(
    "asymmetric collation concurrently current_catalog current_role current_schema fetch lateral "
    "returning symmetric system_user tablesample variadic window".split()
)


def text_in_double_quotes(column: Node, resolver: Resolver) -> Node | None:
    """`WHERE city = "Porto"`: a string, unless something has that name."""
    if column.table or not column.this.args.get("quoted"):
        return None
    known = resolver.find(column) is not None or _projection(column) is not None
    return None if known else exp.Literal.string(column.name)


def columns_of_tables(table: Node, resolver: Resolver) -> None:
    """`WITH n(i) AS (SELECT 1 ...)`: what the first query selects is called so, too."""
    for name, item in zip(table.args["alias"].columns, projections(table.this), strict=False):
        if not item.is_star:
            item.replace(exp.alias_(item.unalias().copy(), name.copy()))


def _projection(column: exp.Column) -> Node | None:
    items = projections(column.find_ancestor(exp.Select, exp.SetOperation))
    return next((item for item in items if item.alias.lower() == column.name.lower()), None)


def stars_that_are_grouped(select: Node, resolver: Resolver) -> None:
    """`SELECT * ... GROUP BY x`: the star is written out, for each column is to be looked at."""
    if not select.args.get("group"):
        return
    spread: list[Node] = []
    for item in select.expressions:
        wanted = item.table.lower() if isinstance(item, exp.Column) else ""
        columns = [
            exp.column(column.name, table=source)
            for source, table in resolver.sources(select)
            if isinstance(table, Table) and wanted in ("", source) and item.is_star
            for column in table.columns
        ]
        spread += columns or [item]
    select.set("expressions", spread)


def aliases_in_conditions(node: Node, resolver: Resolver) -> Node | None:
    """`SELECT a * b AS total ... WHERE total > 5`: what the alias stands for is put in its place; in an ORDER
    BY only inside an expression, and not in a HAVING of MySQL, which takes the alias.
    """
    item = _projection(node)
    clause = node.find_ancestor(exp.Where, exp.Having, exp.Order, exp.Group, exp.Select)
    if item is None or node.table or isinstance(clause, (exp.Select, type(None))):
        return None
    taken = resolver.dialect == "mysql" and isinstance(clause, exp.Having)
    direct = isinstance(node.parent, (exp.Ordered, exp.Group))
    if taken or direct or isinstance(clause.parent, exp.SetOperation) or resolver.find(node):
        return None
    return exp.paren(item.this.copy())


def aliases_in_having(having: Node, resolver: Resolver) -> None:
    """MySQL takes an alias there, and not what it stands for."""
    for item in having.parent.expressions if having.parent else ():
        if isinstance(item, exp.Alias) and not item.find(exp.AggFunc):
            for same in list(having.find_all(type(item.this))):
                if same == item.this and same.find_ancestor(exp.Select) is having.parent:
                    same.replace(exp.column(item.args["alias"].copy()))


def subqueries(query: Node, resolver: Resolver) -> None:
    """A derived table has a name; a subquery for one value gives one row; MySQL takes no LIMIT in IN."""
    parent, inner = query.parent, query.this
    taken = {other.alias for other in query.root().find_all(exp.Subquery)}
    if isinstance(parent, (exp.From, exp.Join)):
        if not query.alias:
            name = exp.to_identifier(find_new_name(taken, "derived_1"))
            query.set("alias", exp.TableAlias(this=name))
    elif isinstance(parent, exp.In):
        if resolver.dialect == "mysql" and inner.args.get("limit"):
            derived = inner.subquery(find_new_name(taken, "limited_1"))
            query.set("this", exp.select("*").from_(derived))
    elif isinstance(inner, exp.Select) and not isinstance(
        parent, (exp.SetOperation, exp.Exists, exp.CTE, exp.Subquery, type(None))
    ):
        aggregated = any(item.find(exp.AggFunc) for item in inner.expressions)
        if not inner.args.get("limit") and (inner.args.get("group") or not aggregated):
            inner.limit(1, copy=False)


def spelled_columns(column: Node, resolver: Resolver) -> None:
    """Names as the schema spells them, in quotes where the engine needs them."""
    meaning = resolver.find(column)
    if meaning is not None and isinstance(column.this, exp.Identifier):
        origin = _origin(meaning, resolver)
        if origin.column is not None:
            _spell(column.this, origin.name, resolver)
        elif isinstance(meaning.projection, exp.Alias):
            column.this.set("quoted", meaning.projection.args["alias"].quoted)
            column.this.set("this", meaning.name)
    for source, table in resolver.in_sight(column):
        if column.table and isinstance(table, Table) and source == table.name.lower():
            _spell(column.args["table"], table.name, resolver)


def _origin(meaning: Meaning, resolver: Resolver) -> Meaning:
    # Where a column that is handed on as it is comes from.
    column = meaning.projection
    inner = resolver.find(column) if isinstance(column, exp.Column) else None
    return meaning if inner is None else _origin(inner, resolver)


def spelled_tables(table: Node, resolver: Resolver) -> None:
    """The same of tables, which need no alias that is their own name."""
    select, described = table.find_ancestor(exp.Select), resolver.schema.table(table.name)
    sources = dict(resolver.sources(select)) if select is not None else {}
    if isinstance(sources.get(table.alias_or_name.lower(), described), Table) and described:
        _spell(table.this, described.name, resolver)
        if table.alias.lower() == described.name.lower():
            table.set("alias", None)


def reserved(name: Node, resolver: Resolver) -> None:
    """Names that would be read as keywords."""
    lowered, postgres = name.name.lower(), resolver.dialect == "postgres"
    if not name.quoted and (lowered in _RESERVED if postgres else lowered == "offset"):  # MariaDB's
        name.set("this", lowered if postgres else name.name)
        name.set("quoted", True)


def _spell(identifier: Node, name: str, resolver: Resolver) -> None:
    plain = (_LOWER if resolver.dialect == "postgres" else _ANY_CASE).match(name)
    identifier.set("this", name)
    identifier.set("quoted", plain is None)


def columns_beside_aggregates(select: Node, resolver: Resolver) -> None:
    """Every column that is neither grouped nor aggregated gets an aggregate around it."""
    aggregates = set()
    for node in _own(select, exp.AggFunc):
        holder = node.parent.parent if isinstance(node.parent, exp.Filter) else node.parent
        if not isinstance(holder, exp.Window):
            aggregates.add(node)
    group = select.args.get("group")
    if not aggregates and group is None:
        return
    keys = [_key(select, item) for item in (group.expressions if group else ())]
    only = aggregates.pop() if len(aggregates) == 1 else None  # whose row the others are of
    extreme = only if isinstance(only, (exp.Min, exp.Max)) else None
    for column in [c for c in _own(select, exp.Column) if not _settled(c, select, keys, resolver)]:
        wrapped = _wrapped(column, extreme, resolver)
        if column.parent is select:  # an item of the select list keeps its name
            wrapped = exp.alias_(wrapped, column.name)
        column.replace(wrapped)


def _own(select: Node, kind: type[exp.Expr]) -> Iterator[Node]:
    for part in (*select.expressions, select.args.get("having"), select.args.get("order")):
        for node in part.find_all(kind) if part is not None else ():
            if node.find_ancestor(exp.Select) is select:
                yield node


def _key(select: Node, item: Node) -> Node:
    # Positions and aliases stand for an item of the select list.
    if isinstance(item, exp.Literal) and not item.is_string:
        place = int(item.name) - 1
        if 0 <= place < len(select.expressions):
            return select.expressions[place].unalias()
    aliased = _projection(item) if isinstance(item, exp.Column) and not item.table else None
    return item if aliased is None else aliased.this


def _settled(column: Node, select: Node, keys: list[Node], resolver: Resolver) -> bool:
    """Whether the column has one value in each group, or is no column of a source at all."""
    node = column
    while node is not None and node is not select:
        if isinstance(node, (exp.AggFunc, exp.Filter)) or _among(node, keys, resolver):
            return True
        node = node.parent
    meaning = resolver.find(column)
    if meaning is None or meaning.source not in dict(resolver.sources(select)):
        return True
    if resolver.dialect == "duckdb" or meaning.table is None:
        return False
    primary = [each.name for each in meaning.table.columns if each.primary_key]
    sides = [exp.column(name, table=meaning.source) for name in primary]
    for side in sides:
        side.parent = column.parent  # from where it is looked up
    return bool(sides) and all(_among(side, keys, resolver) for side in sides)


def _among(node: Node, keys: list[Node], resolver: Resolver) -> bool:

    def meant(node: Node) -> Hashable:
        meaning = resolver.find(node) if isinstance(node, exp.Column) else None
        return (meaning.source, meaning.name.lower()) if meaning is not None else node

    return any(meant(node) == meant(key) for key in keys)


# Of the row with the extreme; characters that no value holds stand for NULL and between the rows.
_OF_EXTREME = {
    "duckdb": "ARG_{0}(_0, _1)",
    "postgres": "(ARRAY_AGG(_0 ORDER BY _1 {1} NULLS LAST))[1]",
    "mysql": "NULLIF(SUBSTRING_INDEX(GROUP_CONCAT(COALESCE(_0, '\x1e') ORDER BY _1 {1} "
    "SEPARATOR '\x1f'), CHAR(31), 1), '\x1e')",
}


def _wrapped(column: Node, extreme: Node | None, resolver: Resolver) -> Node:
    """One value of the column for a group: that of the row with the min() or max(), if that is all."""
    kind, dialect = resolver.kind(column), resolver.dialect
    if extreme is not None:
        number = kind in (INTEGER, NUMBER) and dialect == "mysql"
        words = ("MAX", "DESC") if isinstance(extreme, exp.Max) else ("MIN", "ASC")
        template = _OF_EXTREME[dialect].format(*words) + (" + 0" if number else "")
        return filled(template, dialect, column, extreme.this)
    if dialect == "duckdb":
        return exp.AnyValue(this=column.copy())
    if dialect == "postgres" and kind in (BOOLEAN, UNKNOWN):  # of which there may be no least one
        return filled("(ARRAY_AGG(_0))[1]", dialect, column)
    return exp.Min(this=column.copy())


def order_of_distinct_rows(select: Node, resolver: Resolver) -> None:
    """`SELECT DISTINCT a ... ORDER BY b`: grouped by a, ordered by the least (or largest) b."""
    order = select.args.get("order")
    if order is None or not select.args.get("distinct") or select.args.get("group"):
        return
    chosen = [item.unalias() for item in select.expressions]
    loose = [
        term
        for term in order.expressions
        if not isinstance(term.this, exp.Literal) and not _among(term.this, chosen, resolver)
        if not (isinstance(term.this, exp.Column) and _projection(term.this))
    ]
    combined = any(item.find(exp.AggFunc, exp.Star) for item in chosen)
    if loose and not combined:
        for term in loose:
            edge = exp.Max if term.args.get("desc") else exp.Min
            term.set("this", edge(this=term.this.copy()))
        select.set("distinct", None)
        select.set("group", exp.Group(expressions=[item.copy() for item in chosen]))


def order_of_counts(term: Node, resolver: Resolver) -> None:
    """NULLs come first in SQLite and are told to; a count is never NULL."""
    if isinstance(term.this, exp.Count):
        term.set("nulls_first", resolver.dialect == "postgres" and bool(term.args.get("desc")))


def limits(limit: Node, resolver: Resolver) -> None:
    """LIMIT -1 is none; MySQL has no OFFSET without a LIMIT."""
    if not isinstance(limit.expression, exp.Neg):
        return
    if resolver.dialect == "mysql" and limit.parent.args.get("offset"):
        limit.set("expression", exp.Literal.number(2**63 - 1))
    else:
        limit.pop()

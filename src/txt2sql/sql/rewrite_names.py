"""Rules of translation about names: strings in double quotes, aliases, stars, and spelling.

SQLite reads a name in double quotes that nothing is called as text, lets aliases of the select list
stand in conditions, and finds names whatever their case; servers do none of these.
"""

from __future__ import annotations

import re

from sqlglot import exp

from txt2sql.sql.resolve import Node, Resolver, projections
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
        if resolver.find(column) is None and not _is_alias(column):
            column.replace(exp.Literal.string(name.name))


def columns_of_tables(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`WITH n(i) AS (SELECT 1 ...)`: what the first query selects is called so, too."""
    for table in tree.find_all(exp.CTE):
        alias = table.args.get("alias")
        names = alias.columns if alias is not None else []
        for name, item in zip(names, projections(table.this), strict=False):
            if not _is_star(item):
                item.replace(exp.alias_(item.unalias().copy(), name.copy()))


def _is_alias(column: exp.Column) -> bool:
    return _projection(column) is not None


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
    for table, known in tables:
        if known is not None:
            _spell(table.this, known.name, dialect)
    for column, found in columns:
        if found is not None and isinstance(column.this, exp.Identifier):
            outer = found
            while isinstance(found.projection, exp.Column):  # a column that is handed on as it is
                inner = resolver.find(found.projection)
                if inner is None:
                    break
                found = inner
            if found.column is not None:
                _spell(column.this, found.name, dialect)
            elif isinstance(outer.projection, exp.Alias):
                column.this.set("quoted", outer.projection.args["alias"].quoted)
                column.this.set("this", outer.name)
        qualifier = column.args.get("table")
        if qualifier is not None:
            for table, known in tables:
                if known is not None and not table.alias and _same(qualifier.name, known.name):
                    _spell(qualifier, known.name, dialect)
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


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _spell(identifier: Node, name: str, dialect: str) -> None:
    plain = (_LOWER if dialect == "postgres" else _ANY_CASE).match(name)
    identifier.set("this", name)
    identifier.set("quoted", plain is None)

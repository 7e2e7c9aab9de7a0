"""Gold SQL in one spelling, so that a model learns queries and not the habits of annotators.

Field's name: SQL normalisation (canonicalisation) by name resolution. One way of writing each thing:

    keywords and functions   capitals; `!=`, `x NOT IN (...)`, `x IS NOT NULL`, no ASC, no `;`
    names                    as the schema spells them, in double quotes only where they need them
    tables                   no alias; T1, T2, ... only where one table occurs twice in sight
    columns                  bare; `table.column` in ON, and where two tables in sight have the name
    joins                    JOIN ... ON earlier.key = later.key; conditions of joins leave WHERE
    text                     in single quotes, also where it stood in double ones

The rows and their order stay as they are. What cannot be resolved with certainty (a name that no
table has, a name that two have, NATURAL, a join without a condition) stays as it was written. A canonical query is its own canonical form.

>>> from txt2sql.types import Column, Table
>>> schema = Schema("shop", (Table("Sale", (Column("Price"),)),))
>>> canonical_sql('select t1.price from sale as t1 where t1.price <> "x" order by t1.price asc', schema)
"SELECT Price FROM Sale WHERE Price != 'x' ORDER BY Price"
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp, parse
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import quote_identifier
from txt2sql.sql.names import FORGIVEN, Kind, Names, resolve
from txt2sql.sql.sources import Node, Scope, Source
from txt2sql.types import Schema

_MAX_CHARS = 20_000


class _Doubt(Exception):
    """The query may mean something else once it is written anew."""


def canonical_sql(sql: str, schema: Schema) -> str:
    """The one spelling of a SELECT statement, or the statement as it is where that is in doubt."""
    text = sql.strip().rstrip(";").rstrip()
    try:
        if _query(text) is None or _STRING_TYPE.search(text):
            return text
        names = resolve(text, schema)
        if names.tree is None:
            return text
        _Rewriter(names).rewrite()
        canonical = _Generator(dialect="sqlite", comments=False).generate(names.tree, copy=False)
        return canonical if _query(canonical) is not None else text
    except (_Doubt, SqlglotError, RecursionError, ValueError):
        return text


def _query(sql: str) -> Node | None:
    """The tree of one SELECT statement, else None."""
    if len(sql) > _MAX_CHARS:
        return None
    statements = [tree for tree in parse(sql, read="sqlite") if tree is not None]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return None
    if any(not select.expressions for select in statements[0].find_all(exp.Select)):
        return None
    return statements[0]


class _Rewriter:
    """Writes the names of one statement anew, of which all are certain.

    `owners` has the source of each column by the column's id; None for an alias or a row number. `names`
    are what the columns of each source are qualified with from now on.
    """

    def __init__(self, names: Names) -> None:
        self.tree, self.scopes = names.tree, names.scopes
        self.owners: dict[int, Source | None] = {}
        self.columns: dict[Scope, list[Node]] = {scope: [] for scope in names.scopes}
        self.names: dict[Source, str] = {}
        quoted = [fault for fault in names.problems if fault.kind is Kind.QUOTED_TEXT]
        if any(fault.kind not in FORGIVEN for fault in names.problems):
            raise _Doubt
        for fault in quoted:  # nothing is called so: SQLite takes it for text
            around = fault.scope.outwards() if fault.scope else ()
            if any(source.table is None for scope in around for source in scope.sources):
                raise _Doubt  # "count(*)" may be the name of an output
        for scope in self.scopes:
            _check_joins(scope)
            resolved = {id(column): scope.sources[number] for column, number in scope.resolved}
            self.owners.update(resolved)
        for fault in quoted:
            fault.node.replace(exp.Literal.string(fault.node.name))
        by_select = {id(scope.select): scope for scope in self.scopes}
        for node in self.tree.find_all(exp.Column):
            home = node.find_ancestor(exp.Select, exp.SetOperation)
            if isinstance(home, exp.SetOperation):
                _spell_output(node, home)
            elif id(home) in by_select:
                scope = by_select[id(home)]
                self.columns[scope].append(node)
                if id(node) not in self.owners:
                    self.owners[id(node)] = _owner(node, scope)

    def rewrite(self) -> None:
        self.name_sources()
        for scope in self.scopes:
            self.qualify(scope)
            self.join(scope)
            _tidy(scope.select)
        for node in self.tree.find_all(exp.Alias, exp.TableAlias, exp.CTE):
            if isinstance(node.args.get("alias"), exp.Identifier):
                _spell(node.args["alias"], node.args["alias"].name)
            if isinstance(node, exp.TableAlias):
                for name in (node.this, *(node.args.get("columns") or ())):
                    if isinstance(name, exp.Identifier):
                        _spell(name, name.name)

    def name_sources(self) -> None:
        """Give every source its name: that of its table, else the alias it has, else T1, T2, ..."""
        sources = [source for scope in self.scopes for source in scope.sources]
        self.names = {source: source.base or source.node.alias for source in sources}
        reserved = {(source.base or self.names[source]).lower() for source in sources}
        reserved |= {source.base.lower() for source in sources}
        for scope in self.scopes:
            in_sight = [s for around in scope.outwards() for s in around.sources]
            for source in scope.sources:
                clash = [
                    other
                    for other in in_sight
                    if other is not source
                    and self.names[other].lower() == self.names[source].lower()
                    and (other in scope.sources or self.is_read_inside(scope, other))
                ]
                for one in (source, *clash) if clash else ():
                    if one.base and self.names[one] == one.base:
                        self.names[one] = ""
        for scope in self.scopes:
            taken = {self.names[s].lower() for around in scope.outwards() for s in around.sources}
            for source in scope.sources:
                if not self.names[source] and source.base:
                    number = 1
                    while f"t{number}" in taken | reserved:
                        number += 1
                    self.names[source] = f"T{number}"
                    taken.add(f"t{number}")
        for source in filter(lambda source: source.base, sources):
            _spell(source.node.this, source.base)
            name = self.names[source]
            alias = exp.TableAlias(this=exp.to_identifier(name)) if name != source.base else None
            source.node.set("alias", alias)

    def is_read_inside(self, middle: Scope, source: Source) -> bool:
        """Whether a SELECT, or one inside it, reads columns of a source of one around it."""
        return any(
            middle in scope.outwards() and any(self.owners[id(c)] is source for c in columns)
            for scope, columns in self.columns.items()
        )

    def qualify(self, scope: Scope) -> None:
        """Columns stand bare but in ON, and where two sources in sight have a column of that name."""
        in_sight = [source for around in scope.outwards() for source in around.sources]
        several = len(scope.sources) > 1
        for node in self.columns[scope]:
            name, source, star = node.name.lower(), self.owners[id(node)], node.is_star
            if source is None:
                _spell(node.this, node.name)
                continue
            if star:
                shared = several or source not in scope.sources
            else:
                _spell(node.this, _columns(source).get(name, node.name))
                shared = sum(name in _columns(other) for other in in_sight) > 1
            if shared or _is_hidden(node, scope):
                self.name_table(node, source)
            elif star and not several:
                node.replace(exp.Star())
            elif not star:
                node.set("table", None)

    def name_table(self, column: Node, source: Source) -> None:
        if name := self.names[source]:
            column.set("table", _identifier(name))

    def join(self, scope: Scope) -> None:
        """Conditions between two tables go to the later one's ON, its own side last."""
        joins = scope.select.args.get("joins") or []
        for join, source in zip(joins, scope.sources[1:], strict=True):
            if using := join.args.get("using"):
                pairs = [self.equation(scope, source, name.name.lower()) for name in using]
                join.set("on", exp.and_(*pairs, copy=False, wrap=False))
                join.set("using", None)
        order = {source: position for position, source in enumerate(scope.sources)}
        if any(_conditionless(join) for join in joins):
            if any(join.side for join in joins):  # in an outer join ON and WHERE are not the same
                raise _Doubt
            self.spread(scope.select, joins, order)
        here = {id(column) for column in self.columns[scope]}
        for join in joins:
            if join.kind == "INNER" or (join.side and join.kind == "OUTER"):
                join.set("kind", None)
            for column in join.args["on"].find_all(exp.Column):
                owner = self.owners.get(id(column)) if id(column) in here else None
                if owner is not None:
                    self.name_table(column, owner)
            for part in join.args["on"].find_all(exp.EQ):
                ends = self.linked(part, order)
                if ends is not None and ends[0] > ends[1]:
                    this, expression = part.this, part.expression
                    part.set("this", expression)
                    part.set("expression", this)

    def equation(self, scope: Scope, later: Source, name: str) -> Node:
        """What USING (name) says."""
        earlier = next((source for source in scope.sources if name in _columns(source)), later)
        if earlier is later or name not in _columns(later):
            raise _Doubt
        sides = []
        for source in (earlier, later):
            if not self.names[source]:
                raise _Doubt
            column = exp.column(_columns(source)[name], table=_identifier(self.names[source]))
            _spell(column.this, column.name)
            sides.append(column)
        return exp.EQ(this=sides[0], expression=sides[1])

    def spread(self, select: Node, joins: list[Node], order: dict[Source, int]) -> None:
        """Give every inner join the equations that link its table to an earlier one."""
        where = select.args.get("where")
        rest = _conjuncts(where.this) if where else []
        conditions = [[] if _conditionless(j) else _conjuncts(j.args["on"]) for j in joins]
        for parts in (*conditions, rest):
            for part in list(parts):
                ends = self.linked(part, order)
                if ends is None or parts is conditions[max(ends) - 1]:
                    continue
                if parts is rest and not _conditionless(joins[max(ends) - 1]):
                    continue
                parts[:] = [other for other in parts if other is not part]
                conditions[max(ends) - 1].append(part)
        if not all(any(self.linked(part, order) for part in parts) for parts in conditions):
            raise _Doubt
        for join, parts in zip(joins, conditions, strict=True):
            join.set("on", exp.and_(*parts, copy=False, wrap=False))
            join.set("kind", None)
        condition = exp.and_(*rest, copy=False, wrap=False) if rest else None
        select.set("where", exp.Where(this=condition) if rest else None)

    def linked(self, node: Node, order: dict[Source, int]) -> tuple[int, int] | None:
        """The positions of the two sources whose columns are equated, else None."""
        if not isinstance(node, exp.EQ):
            return None
        owners = [self.owners.get(id(side)) for side in (node.this, node.expression)]
        left, right = (order.get(owner) if owner is not None else None for owner in owners)
        return None if left is None or right is None or left == right else (left, right)


def _check_joins(scope: Scope) -> None:
    for source in scope.sources:
        if source.columns is None or source.node.args.get("db") or source.node.args.get("pivots"):
            raise _Doubt  # a table-valued function, a table of another database
    joins = scope.select.args.get("joins") or ()
    using = [join for join in joins if join.args.get("using")]
    if any(join.method for join in joins) or any(j.side not in ("", "LEFT") for j in using):
        raise _Doubt
    if using and any(projection.is_star for projection in scope.select.expressions):
        raise _Doubt


def _columns(source: Source) -> Mapping[str, str]:
    return source.columns or {}


def _spell_output(node: Node, compound: Node) -> None:
    """The ORDER BY of a compound query names its outputs."""
    first = compound
    while isinstance(first, (exp.SetOperation, exp.Subquery)):
        first = first.this
    outputs = {projection.alias_or_name.lower() for projection in first.expressions}
    if node.table or node.name.lower() not in outputs:
        raise _Doubt
    _spell(node.this, node.name)


def _owner(node: Node, scope: Scope) -> Source | None:
    """The source of a star, or of a name that ORDER BY takes from among the outputs."""
    name, qualifier = node.name.lower(), node.table.lower()
    if node.is_star:
        for around in scope.outwards():
            for source in around.sources:
                if source.alias == qualifier:
                    return source
    numbers = [] if name in scope.aliases and not qualifier else scope.find(name, qualifier)
    if len(numbers) > 1:
        raise _Doubt
    return scope.sources[numbers[0]] if numbers else None


def _is_hidden(node: Node, scope: Scope) -> bool:
    """Whether ORDER BY would take the bare name for an alias of something else."""
    if not isinstance(node.parent, exp.Ordered):
        return False
    for item in scope.select.expressions:
        if isinstance(item, exp.Alias) and item.alias.lower() == node.name.lower():
            return not (isinstance(item.this, exp.Column) and item.this.name == node.name)
    return False


def _spell(identifier: Node, name: str) -> None:
    identifier.set("this", name)
    identifier.set("quoted", quote_identifier(name) != name)


def _identifier(name: str) -> Node:
    identifier = exp.to_identifier(name)
    _spell(identifier, name)
    return identifier


def _conjuncts(condition: Node) -> list[Node]:
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _conditionless(join: Node) -> bool:
    condition = join.args.get("on")
    return condition is None or (isinstance(condition, exp.Boolean) and bool(condition.this))


def _tidy(select: Node) -> None:
    for projection in list(select.expressions):
        if isinstance(projection, exp.Paren) and isinstance(projection.this, exp.Column):
            projection.replace(projection.this)
    for distinct in select.find_all(exp.Distinct):
        for item in list(distinct.expressions):
            if isinstance(item, exp.Paren) and len(distinct.expressions) == 1:
                item.replace(item.this)
    for ordered in select.find_all(exp.Ordered):
        if ordered.args.get("desc") is False:
            ordered.set("desc", None)


_AFFINITIES = {
    "INTEGER": ("INT", "BIGINT", "SMALLINT", "TINYINT", "MEDIUMINT"),
    "REAL": ("FLOAT", "DOUBLE"),
    "TEXT": ("TEXT", "VARCHAR", "NVARCHAR", "CHAR", "NCHAR"),
    "BLOB": ("VARBINARY",),
    "NUMERIC": ("DECIMAL", "BOOLEAN"),
    "DATE": ("DATE",),
    "DATETIME": ("DATETIME",),
}
"""What SQLite makes of the types that sqlglot reads. DATE is a number to it, as any other word is."""

_STRING_TYPE = re.compile(r"\bAS\s+STRING\b", re.I)
"""A number to SQLite, the same as TEXT to sqlglot."""


class _Generator(SQLite.Generator):  # type: ignore[misc, valid-type]
    """SQLite's text as it is usually written."""

    def neq_sql(self, expression: Node) -> str:
        return str(self.binary(expression, "!="))

    def exists_sql(self, expression: Node) -> str:
        return f"EXISTS ({self.sql(expression, 'this')})"

    def substring_sql(self, expression: Node) -> str:
        start, length = expression.args.get("start"), expression.args.get("length")
        return str(self.func("SUBSTR", expression.this, start, length))

    def cast_sql(self, expression: Node, safe_prefix: str | None = None) -> str:
        """With a type of the same affinity: the rest of a type's name means nothing to SQLite."""
        name = expression.to.this.name
        kind = next((kind for kind, names in _AFFINITIES.items() if name in names), "")
        if not kind:
            raise _Doubt
        return f"CAST({self.sql(expression, 'this')} AS {kind})"

    def not_sql(self, expression: Node) -> str:
        inner = expression.this
        if isinstance(inner, exp.In):
            text, operator = self.in_sql(inner), " IN "
        elif isinstance(inner, exp.Between):
            text, operator = self.between_sql(inner), " BETWEEN "
        elif isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            return f"{self.sql(inner, 'this')} IS NOT NULL"
        elif type(inner) in (exp.Like, exp.Glob) and not inner.args.get("negate"):
            operator = "LIKE" if isinstance(inner, exp.Like) else "GLOB"
            return str(self.binary(inner, f"NOT {operator}"))
        else:
            return str(super().not_sql(expression))
        left = self.sql(inner, "this")
        if not text.startswith(left + operator):
            return str(super().not_sql(expression))
        return f"{left} NOT{text[len(left) :]}"

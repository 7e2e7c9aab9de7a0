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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp, parse
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import quote_identifier
from txt2sql.sql.names import Kind, Names, resolve
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
        if names is None:
            return text
        _rewrite(names)
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


# ----------------------------------------------------------------------------------- names in sight


@dataclass(eq=False)
class _Source:
    """One entry of a FROM: `name` is what columns are qualified with from now on."""

    node: Node
    base: str
    """The name of its table or common table expression, empty for a query in brackets."""
    columns: Mapping[str, str]
    name: str = ""


@dataclass(eq=False)
class _Select:
    """One SELECT: what is in sight in it, and the columns that stand directly in it."""

    node: Node
    outer: _Select | None
    sources: list[_Source]
    aliases: dict[str, Node]
    places: list[tuple[Node, _Source | None]] = field(default_factory=list)
    """Columns with the source that each belongs to; None for an alias or a row number."""

    def outwards(self) -> Iterator[_Select]:
        select: _Select | None = self
        while select is not None:
            yield select
            select = select.outer


def _selects(names: Names) -> list[_Select]:
    """The SELECTs of a statement whose names are all certain."""
    for fault in names.faults:
        if fault.problem.kind is Kind.QUOTED_TEXT:  # nothing is called so: SQLite takes it for text
            around = fault.scope.outwards() if fault.scope else ()
            if any(source.table is None for scope in around for source in scope.sources):
                raise _Doubt  # "count(*)" may be the name of an output
        elif fault.problem.kind is not Kind.JOIN_WITHOUT_CONDITION:
            raise _Doubt
    selects: dict[int, _Select] = {}
    owners: dict[int, _Source] = {}
    for scope in names.scopes:
        outer = selects[id(scope.outer.select)] if scope.outer else None
        sources = [_source(source) for source in scope.sources]
        owners |= {id(column): sources[number] for column, number in scope.resolved}
        aliases: dict[str, Node] = {}
        for projection in scope.select.expressions:
            if isinstance(projection, exp.Alias):
                aliases.setdefault(projection.alias.lower(), projection)
        joins = scope.select.args.get("joins") or ()
        using = [join for join in joins if join.args.get("using")]
        if any(join.method for join in joins) or any(j.side not in ("", "LEFT") for j in using):
            raise _Doubt
        if using and any(projection.is_star for projection in scope.select.expressions):
            raise _Doubt
        selects[id(scope.select)] = _Select(scope.select, outer, sources, aliases)
    for fault in names.faults:
        if fault.problem.kind is Kind.QUOTED_TEXT:
            fault.node.replace(exp.Literal.string(fault.node.name))
    by_select = {id(scope.select): scope for scope in names.scopes}
    for node in names.tree.find_all(exp.Column):
        home = node.find_ancestor(exp.Select, exp.SetOperation)
        if isinstance(home, exp.SetOperation):  # its ORDER BY names its outputs
            first = home
            while isinstance(first, (exp.SetOperation, exp.Subquery)):
                first = first.this
            outputs = {projection.alias_or_name.lower() for projection in first.expressions}
            if node.table or node.name.lower() not in outputs:
                raise _Doubt
            _spell(node.this, node.name)
        elif id(home) in selects:
            owner = owners.get(id(node)) or _owner(node, selects[id(home)], by_select[id(home)])
            selects[id(home)].places.append((node, owner))
    return list(selects.values())


def _source(source: Source) -> _Source:
    if source.columns is None or source.node.args.get("db") or source.node.args.get("pivots"):
        raise _Doubt  # a table-valued function, a table of another database
    return _Source(source.node, source.base, source.columns)


def _owner(node: Node, select: _Select, scope: Scope) -> _Source | None:
    """The source of a star, or of a name that ORDER BY takes from among the outputs."""
    name, qualifier = node.name.lower(), node.table.lower()
    if isinstance(node.this, exp.Star):
        for around, its in zip(select.outwards(), scope.outwards(), strict=True):
            for source, known in zip(around.sources, its.sources, strict=True):
                if known.alias == qualifier:
                    return source
    numbers = [] if name in select.aliases and not qualifier else scope.find(name, qualifier)
    if len(numbers) > 1:
        raise _Doubt
    return select.sources[numbers[0]] if numbers else None


# ---------------------------------------------------------------------------------------- rewriting


def _rewrite(names: Names) -> None:
    selects = _selects(names)
    _rename(selects)
    for select in selects:
        _qualify(select)
        _join(select)
        _tidy(select.node)
    for node in names.tree.find_all(exp.Alias, exp.TableAlias, exp.CTE):
        if isinstance(node.args.get("alias"), exp.Identifier):
            _spell(node.args["alias"], node.args["alias"].name)
        if isinstance(node, exp.TableAlias):
            for name in (node.this, *(node.args.get("columns") or ())):
                if isinstance(name, exp.Identifier):
                    _spell(name, name.name)


def _rename(selects: list[_Select]) -> None:
    """Give every source its name: that of its table, else the alias it has, else T1, T2, ..."""
    for select in selects:
        for source in select.sources:
            source.name = source.base or source.node.alias
    reserved = {s.base.lower() for select in selects for s in select.sources}
    reserved |= {s.name.lower() for select in selects for s in select.sources if not s.base}
    for select in selects:
        in_sight = [s for around in select.outwards() for s in around.sources]
        used = {source for around in _used_outside(select) for source in around}
        for source in select.sources:
            clash = [
                other
                for other in in_sight
                if other is not source
                and other.name.lower() == source.name.lower()
                and (other in select.sources or other in used or _reached(selects, select, other))
            ]
            for one in (source, *clash) if clash else ():
                if one.base and one.name == one.base:
                    one.name = ""
    for select in selects:
        taken = {s.name.lower() for around in select.outwards() for s in around.sources}
        for source in select.sources:
            if not source.name and source.base:
                number = 1
                while f"t{number}" in taken or f"t{number}" in reserved:
                    number += 1
                source.name = f"T{number}"
                taken.add(source.name.lower())
    for select in selects:
        for source in select.sources:
            node = source.node
            if not source.base:
                continue
            _spell(node.this, source.base)
            alias = None if source.name == source.base else exp.to_identifier(source.name)
            node.set("alias", exp.TableAlias(this=alias) if alias is not None else None)


def _used_outside(select: _Select) -> Iterator[set[_Source]]:
    yield {source for _, source in select.places if source and source not in select.sources}


def _reached(selects: list[_Select], middle: _Select, source: _Source) -> bool:
    """Whether a SELECT inside `middle` uses a source of one around it."""
    return any(
        middle in select.outwards() and any(used is source for _, used in select.places)
        for select in selects
    )


def _qualify(select: _Select) -> None:
    """Columns stand bare but in ON, and where two sources in sight have a column of that name."""
    in_sight = [source for around in select.outwards() for source in around.sources]
    several = len(select.sources) > 1
    for node, source in select.places:
        name = node.name.lower()
        if source is None:
            _spell(node.this, node.name)
            continue
        if isinstance(node.this, exp.Star):
            shared = several or source not in select.sources
        else:
            _spell(node.this, source.columns.get(name, node.name))
            shared = sum(name in other.columns for other in in_sight) > 1
        hidden = (
            isinstance(node.parent, exp.Ordered)
            and (alias := select.aliases.get(name)) is not None
            and not (isinstance(alias.this, exp.Column) and alias.this.name == node.name)
        )
        if shared or hidden:
            _name_table(node, source)
        elif isinstance(node.this, exp.Star) and not several:
            node.replace(exp.Star())
        elif not isinstance(node.this, exp.Star):
            node.set("table", None)


def _name_table(column: Node, source: _Source) -> None:
    if source.name:
        table = exp.to_identifier(source.name)
        _spell(table, source.name)
        column.set("table", table)


def _spell(identifier: Node, name: str) -> None:
    identifier.set("this", name)
    identifier.set("quoted", quote_identifier(name) != name)


def _join(select: _Select) -> None:
    """Conditions between two tables go to the later one's ON, its own side last."""
    joins = select.node.args.get("joins") or []
    for join, source in zip(joins, select.sources[1:], strict=True):
        if using := join.args.get("using"):
            pairs = [_equation(select, source, name.name.lower()) for name in using]
            join.set("on", exp.and_(*pairs, copy=False, wrap=False))
            join.set("using", None)
    home = {id(node): source for node, source in select.places}
    order = {id(source): position for position, source in enumerate(select.sources)}
    loose = [join for join in joins if _conditionless(join)]
    if loose:
        if any(join.side for join in joins):  # in an outer join ON and WHERE are not the same
            raise _Doubt
        _spread(select.node, joins, home, order)
    for join in joins:
        if join.kind == "INNER" or (join.side and join.kind == "OUTER"):
            join.set("kind", None)
        for column in join.args["on"].find_all(exp.Column):
            if (owner := home.get(id(column))) is not None:
                _name_table(column, owner)
        for part in join.args["on"].find_all(exp.EQ):
            if _links(part, home, order) is None:
                continue
            left, right = home[id(part.this)], home[id(part.expression)]
            if order[id(left)] > order[id(right)]:
                this, expression = part.this, part.expression
                part.set("this", expression)
                part.set("expression", this)


def _equation(select: _Select, later: _Source, name: str) -> Node:
    """What USING (name) says."""
    earlier = next((source for source in select.sources if name in source.columns), later)
    if earlier is later or name not in later.columns or not (earlier.name and later.name):
        raise _Doubt
    sides = []
    for source in (earlier, later):
        column = exp.column(source.columns[name], table=source.name)
        _spell(column.this, source.columns[name])
        _spell(column.args["table"], source.name)
        sides.append(column)
    return exp.EQ(this=sides[0], expression=sides[1])


def _spread(
    select: Node, joins: list[Node], home: dict[int, _Source | None], order: dict[int, int]
) -> None:
    """Give every inner join the equations that link its table to an earlier one."""
    where = select.args.get("where")
    rest = _conjuncts(where.this) if where else []
    conditions: list[list[Node]] = []
    for join in joins:
        condition = join.args.get("on")
        conditions.append([] if _conditionless(join) else _conjuncts(condition))
    for parts in (*conditions, rest):
        for part in list(parts):
            position = _links(part, home, order)
            if position is None or parts is conditions[position - 1]:
                continue
            if parts is rest and not _conditionless(joins[position - 1]):
                continue
            parts[:] = [other for other in parts if other is not part]
            conditions[position - 1].append(part)
    for parts in conditions:
        if not any(_links(part, home, order) is not None for part in parts):
            raise _Doubt
    for join, parts in zip(joins, conditions, strict=True):
        join.set("on", exp.and_(*parts, copy=False, wrap=False))
        join.set("kind", None)
    select.set("where", exp.Where(this=exp.and_(*rest, copy=False, wrap=False)) if rest else None)


def _conjuncts(condition: Node) -> list[Node]:
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _conditionless(join: Node) -> bool:
    condition = join.args.get("on")
    return condition is None or (isinstance(condition, exp.Boolean) and bool(condition.this))


def _links(node: Node, home: dict[int, _Source | None], order: dict[int, int]) -> int | None:
    """The position of the later of two sources whose columns are equated, else None."""
    if not isinstance(node, exp.EQ):
        return None
    ends = [home.get(id(side)) for side in (node.this, node.expression)]
    if any(end is None or id(end) not in order for end in ends) or ends[0] is ends[1]:
        return None
    return max(order[id(end)] for end in ends)


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

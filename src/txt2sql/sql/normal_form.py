"""Gold SQL in one spelling, so that a model learns queries and not the habits of annotators.

Field's name: SQL normalisation (canonicalisation) by name resolution. One way of writing each thing:

    keywords and functions   capitals; `!=`, `x NOT IN (...)`, `x IS NOT NULL`, no ASC, no `;`
    names                    as the schema spells them, in double quotes only where they need them
    tables                   no alias; T1, T2, ... only where one table occurs twice in sight
    columns                  bare where one table is in sight, `table.column` where several are
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp, parse
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import quote_identifier
from txt2sql.types import Schema

Node = Any
"""A node of sqlglot's tree; the base class of nodes has another name from version to version."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ROW_NUMBERS = frozenset(("rowid", "oid", "_rowid_"))
_MAX_CHARS = 20_000


class _Doubt(Exception):
    """The query may mean something else once it is written anew."""


def canonical_sql(sql: str, schema: Schema) -> str:
    """The one spelling of a SELECT statement, or the statement as it is where that is in doubt."""
    text = sql.strip().rstrip(";").rstrip()
    try:
        tree = _query(text)
        if tree is None or _STRING_TYPE.search(text):
            return text
        _rewrite(tree, schema)
        canonical = _Generator(dialect="sqlite", comments=False).generate(tree, copy=False)
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
    """One entry of a FROM.

    `columns` maps lower-case names to their spelling; an empty name stands for outputs that have
    none (`count(*)`). `base` is the name of a table, empty for a query in brackets.
    """

    node: Node
    alias: str
    base: str
    columns: dict[str, str]
    is_table: bool
    name: str = ""
    """What columns are qualified with from now on."""


@dataclass(eq=False)
class _Select:
    """One SELECT: what is in sight in it, and the columns that stand directly in it."""

    node: Node
    outer: _Select | None
    sources: list[_Source] = field(default_factory=list)
    aliases: dict[str, Node] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    """Columns that USING makes one: a bare name is that of the first source."""
    places: list[tuple[Node, _Source | None]] = field(default_factory=list)
    """Columns with the source that each belongs to; None for an alias or a row number."""

    def outwards(self) -> Iterator[_Select]:
        select: _Select | None = self
        while select is not None:
            yield select
            select = select.outer


class _Names:
    """Resolves every column of a statement as SQLite does."""

    def __init__(self, tree: Node, schema: Schema) -> None:
        self.schema = schema
        self.selects: dict[int, _Select] = {}
        for node in tree.find_all(exp.Select, bfs=False):  # outer before inner
            self._enter(node)
        for node in list(tree.find_all(exp.Column)):
            self._place(node)

    def _enter(self, node: Node) -> None:
        parent = _around(node)
        select = _Select(node, self.selects[id(parent)] if parent is not None else None)
        for entry in _entries(node):
            select.sources.append(self._source(entry))
        for projection in node.expressions:
            if isinstance(projection, exp.Alias):
                select.aliases.setdefault(projection.alias.lower(), projection)
        for join in node.args.get("joins") or ():
            if join.method or (join.args.get("using") and join.side not in ("", "LEFT")):
                raise _Doubt
            select.shared |= {name.name.lower() for name in join.args.get("using") or ()}
        if select.shared and any(projection.is_star for projection in node.expressions):
            raise _Doubt
        self.selects[id(node)] = select

    def _source(self, entry: Node) -> _Source:
        if isinstance(entry, exp.Table) and isinstance(entry.this, exp.Identifier):
            if entry.args.get("db") or entry.args.get("pivots"):
                raise _Doubt
            common = _common_table(entry)
            if common is not None:
                columns = self._outputs(common)
                return _Source(entry, entry.alias_or_name.lower(), common.alias, columns, False)
            table = self.schema.table(entry.name)
            if table is None:
                raise _Doubt
            columns = {column.name.lower(): column.name for column in table.columns}
            return _Source(entry, entry.alias_or_name.lower(), table.name, columns, True)
        if isinstance(entry, exp.Subquery) and isinstance(entry.this, exp.Query):
            return _Source(entry, entry.alias.lower(), "", self._outputs(entry), False)
        raise _Doubt  # a table-valued function, a parenthesised join, VALUES

    def _outputs(self, node: Node, depth: int = 0) -> dict[str, str]:
        """The columns of a derived table or of a common table expression."""
        alias = node.args.get("alias")
        named = alias.args.get("columns") if alias is not None else None
        if named:
            return {name.name.lower(): name.name for name in named}
        query = node.this
        while isinstance(query, (exp.SetOperation, exp.Subquery)):
            query = query.this
        if not isinstance(query, exp.Select) or depth > 20:
            raise _Doubt
        outputs: dict[str, str] = {}
        for projection in query.expressions:
            column = projection if isinstance(projection, exp.Column) else None
            if projection.is_star:
                outputs = {**self._columns(query, column, depth), **outputs}
            elif column is not None:
                name = self._columns(query, column, depth).get(column.name.lower(), column.name)
                outputs.setdefault(name.lower(), name)
            else:
                outputs.setdefault(projection.alias.lower(), projection.alias)
        return outputs

    def _columns(self, query: Node, column: Node | None, depth: int) -> dict[str, str]:
        """The columns of the sources of a query, or of the one that a column is qualified with."""
        table = column.table.lower() if column is not None else ""
        outputs: dict[str, str] = {}
        for entry in _entries(query):
            if table and entry.alias_or_name.lower() != table:
                continue
            common = _common_table(entry) if isinstance(entry, exp.Table) else entry
            if common is not None:
                columns = self._outputs(common, depth + 1)
            elif known := self.schema.table(entry.name):
                columns = {column.name.lower(): column.name for column in known.columns}
            else:
                raise _Doubt
            outputs = {**columns, **outputs}
        return outputs

    def _place(self, node: Node) -> None:
        home = node.find_ancestor(exp.Select, exp.SetOperation)
        if not isinstance(home, exp.Select):  # ORDER BY of a set operation names its outputs
            self._output_of(home, node)
            return
        select = self.selects[id(home)]
        if isinstance(node.this, exp.Star):
            if node.table:
                select.places.append((node, self._called(select, node.table.lower())))
            return
        if node.table:
            source = self._called(select, node.table.lower())
            is_number = source.is_table and node.name.lower() in _ROW_NUMBERS
            if node.name.lower() not in source.columns and not is_number:
                raise _Doubt
            select.places.append((node, source))
            return
        self._bare(select, node)

    def _output_of(self, home: Node | None, node: Node) -> None:
        query = home
        while isinstance(query, (exp.SetOperation, exp.Subquery)):
            query = query.this
        if node.table or not isinstance(query, exp.Select):
            raise _Doubt
        names = {p.alias_or_name.lower() for p in query.expressions}
        if node.name.lower() not in names:
            raise _Doubt
        _spell(node.this, node.name)

    def _called(self, select: _Select, alias: str) -> _Source:
        for around in select.outwards():
            matching = [source for source in around.sources if source.alias == alias]
            if len(matching) > 1:
                raise _Doubt
            if matching:
                return matching[0]
        raise _Doubt

    def _bare(self, select: _Select, node: Node) -> None:
        name = node.name.lower()
        if isinstance(node.parent, exp.Ordered) and name in select.aliases:
            select.places.append((node, None))  # ORDER BY looks among the outputs first
            return
        quoted = node.this.args.get("quoted")
        for around in select.outwards():
            having = [source for source in around.sources if name in source.columns]
            if len(having) > 1 and name not in around.shared:
                raise _Doubt
            if having:
                select.places.append((node, having[0]))
                return
            if name in around.aliases:
                select.places.append((node, None))
                return
            if quoted and any("" in source.columns for source in around.sources):
                raise _Doubt  # "count(*)" may be the name of an output
        if quoted:  # nothing is called so: SQLite takes it for text
            node.replace(exp.Literal.string(node.name))
        elif name in _ROW_NUMBERS and len(select.sources) == 1 and select.sources[0].is_table:
            select.places.append((node, None))
        else:
            raise _Doubt


def _around(node: Node) -> Node | None:
    """The SELECT whose names a SELECT inside it may use."""
    child, parent = node, node.parent
    while parent is not None:
        if isinstance(parent, exp.CTE):  # sees other tables, never those of a FROM
            return None
        if isinstance(parent, exp.Select):
            beside = isinstance(child, (exp.From, exp.Join)) and not _inside_on(node, child)
            if not beside:
                return parent
        child, parent = parent, parent.parent
    return None


def _inside_on(node: Node, join: Node) -> bool:
    condition = join.args.get("on")
    while node is not None and node is not join:
        if node is condition:
            return True
        node = node.parent
    return False


def _entries(select: Node) -> Iterator[Node]:
    clause = select.args.get("from_") or select.args.get("from")
    if clause is not None:
        yield clause.this
        if clause.this.args.get("joins"):
            raise _Doubt
    for join in select.args.get("joins") or ():
        yield join.this
        if join.this.args.get("joins"):
            raise _Doubt


def _common_table(table: Node) -> Node | None:
    """The common table expression that a name in FROM stands for."""
    if table.args.get("db"):
        return None
    holder = table.parent
    while holder is not None:
        with_ = holder.args.get("with_") or holder.args.get("with")
        for entry in with_.expressions if with_ is not None else ():
            if entry.alias.lower() == table.name.lower():
                return entry
        holder = holder.parent
    return None


# ---------------------------------------------------------------------------------------- rewriting


def _rewrite(tree: Node, schema: Schema) -> None:
    names = _Names(tree, schema)
    selects = list(names.selects.values())
    _rename(selects)
    for select in selects:
        _qualify(select)
        _join(select)
        _tidy(select.node)
    for node in tree.find_all(exp.Alias, exp.TableAlias, exp.CTE):
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
    correlated = any(s is not None and s not in select.sources for _, s in select.places)
    several = len(select.sources) > 1 or correlated
    for node, source in select.places:
        if source is None:
            _spell(node.this, node.name)
            continue
        if not isinstance(node.this, exp.Star):
            _spell(node.this, source.columns.get(node.name.lower(), node.name))
        hidden = (
            isinstance(node.parent, exp.Ordered)
            and (alias := select.aliases.get(node.name.lower())) is not None
            and not (isinstance(alias.this, exp.Column) and alias.this.name == node.name)
        )
        if (several or hidden) and source.name:
            table = exp.to_identifier(source.name)
            _spell(table, source.name)
            node.set("table", table)
        elif isinstance(node.this, exp.Star) and not several:
            node.replace(exp.Star())
        elif not several:
            node.set("table", None)


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

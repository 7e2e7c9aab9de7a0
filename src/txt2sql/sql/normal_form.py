"""Gold SQL in one spelling, so that a model learns queries and not the habits of annotators.

Field's name: SQL normalisation (canonicalisation) by name resolution. One way of writing each thing:

    keywords and functions   capitals; `!=`, `x NOT IN (...)`, `x IS NOT NULL`, no ASC, no `;`
    names                    as the schema spells them, in double quotes only where they need them
    tables                   no alias; T1, T2, ... only where one table occurs twice in sight
    columns                  bare; `table.column` in ON, and where two tables in sight have the name
    joins                    JOIN ... ON earlier.key = later.key; conditions of joins leave WHERE
    text                     in single quotes, also where it stood in double ones

The rows and their order stay as they are. What cannot be resolved with certainty (a name that no
table has, a name that two have, NATURAL, USING, a join without a condition) stays as it was written. A
canonical query is its own canonical form.

>>> from txt2sql.types import Column, Table
>>> schema = Schema("shop", (Table("Sale", (Column("Price"),)),))
>>> canonical_sql('select t1.price from sale as t1 where t1.price <> "x" order by t1.price asc', schema)
"SELECT Price FROM Sale WHERE Price != 'x' ORDER BY Price"
"""

from __future__ import annotations

import re
from itertools import count

from sqlglot import exp, parse_one
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import quote_identifier
from txt2sql.sql.names import FORGIVEN, Kind, Names, resolve
from txt2sql.sql.sources import Node, Scope, Source, owners
from txt2sql.types import Schema

_MAX_CHARS = 20_000


def canonical_sql(sql: str, schema: Schema) -> str:
    """The one spelling of a SELECT statement, or the statement as it is where that is in doubt."""
    text = sql.strip().rstrip(";").rstrip()
    if len(text) > _MAX_CHARS or _STRING_TYPE.search(text):
        return text
    names = resolve(text, schema)
    if names.tree is None or not all(each.expressions for each in names.tree.find_all(exp.Select)):
        return text
    try:
        _Rewriter(names).rewrite()
        generator = Generator(dialect="sqlite", comments=False)
        canonical: str = generator.generate(names.tree, copy=False)
        parse_one(canonical, read="sqlite")
    except (SqlglotError, RecursionError, ValueError, AttributeError):
        return text
    return canonical


class _Rewriter:
    # `owners` has the source of each column by the column's id; None for an alias or a row number. `names`
    # are what the columns of each source are qualified with from now on.

    def __init__(self, names: Names) -> None:
        self.tree, self.scopes = names.tree, names.scopes
        self.sources = [source for scope in self.scopes for source in scope.sources]
        self.names = {source: source.base or source.node.alias for source in self.sources}
        self.owners: dict[int, Source | None] = {**owners(names.scopes)}
        self.columns: dict[Scope, list[Node]] = {scope: [] for scope in names.scopes}
        if any(problem.kind not in FORGIVEN for problem in names.problems):
            raise ValueError
        for scope in self.scopes:
            joins = scope.select.args.get("joins") or ()
            if any(join.method or join.args.get("using") for join in joins):
                raise ValueError
            for source in scope.sources:
                node = source.node
                if source.columns is None or node.args.get("db") or node.args.get("pivots"):
                    raise ValueError  # a table-valued function, a table of another database
        for problem in names.problems:  # nothing is called so: SQLite takes it for text
            if problem.kind is Kind.QUOTED_TEXT:
                scopes = problem.scope.outwards() if problem.scope else ()
                if any(source.table is None for scope in scopes for source in scope.sources):
                    raise ValueError  # "count(*)" may be the name of an output
                problem.node.replace(exp.Literal.string(problem.node.name))
        by_select = {id(scope.select): scope for scope in self.scopes}
        for node in self.tree.find_all(exp.Column):
            home = node.find_ancestor(exp.Select, exp.SetOperation)
            if isinstance(home, exp.SetOperation):
                outputs = map(str.lower, home.named_selects)  # which ORDER BY names
                if node.table or node.name.lower() not in outputs:
                    raise ValueError
                _spell(node.this, node.name)
            elif around := by_select.get(id(home)):
                self.columns[around].append(node)
                if id(node) not in self.owners:
                    self.owners[id(node)] = _owner(node, around)

    def rewrite(self) -> None:
        self.name_sources()
        for scope in self.scopes:
            self.qualify(scope)
            self.join(scope)
            _tidy(scope.select)
        for node in self.tree.find_all(exp.Alias, exp.TableAlias):
            for name in (node.args.get("alias"), node.this, *(node.args.get("columns") or ())):
                if isinstance(name, exp.Identifier):
                    _spell(name, name.name)

    def name_sources(self) -> None:
        # Its table's, else the alias it has, else T1, T2, ...
        reserved = {each.lower() for s in self.sources for each in (s.base, self.names[s]) if each}
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
                    if one.base:
                        self.names[one] = ""
        for scope in self.scopes:
            taken = {self.names[s].lower() for around in scope.outwards() for s in around.sources}
            for source in scope.sources:
                if not self.names[source] and source.base:
                    number = next(n for n in count(1) if f"t{n}" not in taken | reserved)
                    self.names[source] = f"T{number}"
                    taken.add(f"t{number}")
        for source in self.sources:
            if source.base:
                _spell(source.node.this, source.base)
                alias = exp.TableAlias(this=exp.to_identifier(self.names[source]))
                source.node.set("alias", alias if self.names[source] != source.base else None)

    def is_read_inside(self, middle: Scope, source: Source) -> bool:
        return any(
            middle in scope.outwards() and any(self.owners[id(c)] is source for c in columns)
            for scope, columns in self.columns.items()
        )

    def qualify(self, scope: Scope) -> None:
        in_sight = [source for around in scope.outwards() for source in around.sources]
        several = len(scope.sources) > 1
        for node in self.columns[scope]:
            source = self.owners[id(node)]
            if source is None:
                _spell(node.this, node.name)
            elif node.is_star:
                if several or source not in scope.sources:
                    self.name_table(node, source)
                else:
                    node.replace(exp.Star())
            else:
                name = node.name.lower()
                _spell(node.this, (source.columns or {}).get(name, node.name))
                shared = sum(name in (other.columns or ()) for other in in_sight) > 1
                node.set("table", None)
                if shared or _is_hidden(node, scope):
                    self.name_table(node, source)

    def name_table(self, column: Node, source: Source) -> None:
        if name := self.names[source]:
            identifier = exp.to_identifier(name)
            _spell(identifier, name)
            column.set("table", identifier)

    def join(self, scope: Scope) -> None:
        joins = scope.select.args.get("joins") or []
        order = {source: position for position, source in enumerate(scope.sources)}
        if any(_conditionless(join) for join in joins):
            if any(join.side for join in joins):  # in an outer join ON and WHERE are not the same
                raise ValueError
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
                left, right = self.ends(part, order) or (0, 0)
                if left > right:
                    this, expression = part.this, part.expression
                    part.set("this", expression)
                    part.set("expression", this)

    def spread(self, select: Node, joins: list[Node], order: dict[Source, int]) -> None:
        """Give every inner join the equations that link its table to an earlier one."""
        where = select.args.get("where")
        parts = [(-1, part) for part in _conjuncts(where.this)] if where else []
        for i, join in reversed(list(enumerate(joins))):
            if not _conditionless(join):
                parts[:0] = [(i, part) for part in _conjuncts(join.args["on"])]
        conditions: dict[int, list[Node]] = {i: [] for i in range(-1, len(joins))}
        linked = set()
        for home, part in parts:
            ends = self.ends(part, order)
            target = max(ends) - 1 if ends else home
            if home < 0 <= target and not _conditionless(joins[target]):
                target = home
            conditions[target].append(part)
            linked |= {target} if ends else set()
        if not linked.issuperset(range(len(joins))):
            raise ValueError
        rest = conditions.pop(-1)
        for i, condition in conditions.items():
            joins[i].set("on", exp.and_(*condition, copy=False, wrap=False))
            joins[i].set("kind", None)
        left = exp.Where(this=exp.and_(*rest, copy=False, wrap=False)) if rest else None
        select.set("where", left)

    def ends(self, node: Node, order: dict[Source, int]) -> tuple[int, int] | None:
        if not isinstance(node, exp.EQ):
            return None
        owners = [self.owners.get(id(side)) for side in (node.this, node.expression)]
        left, right = (order.get(owner, -1) if owner else -1 for owner in owners)
        return None if min(left, right) < 0 or left == right else (left, right)


def _owner(node: Node, scope: Scope) -> Source | None:
    """The source of a star, or of a name that ORDER BY takes from among the outputs."""
    name, qualifier = node.name.lower(), node.table.lower()
    if node.is_star:
        sources = (source for around in scope.outwards() for source in around.sources)
        if owner := next((source for source in sources if source.alias == qualifier), None):
            return owner
    numbers = [] if name in scope.aliases and not qualifier else scope.find(name, qualifier)
    if len(numbers) > 1:
        raise ValueError
    return scope.sources[numbers[0]] if numbers else None


def _is_hidden(node: Node, scope: Scope) -> bool:
    """Whether ORDER BY would take the bare name for an alias of something else."""
    for item in scope.select.expressions if isinstance(node.parent, exp.Ordered) else ():
        if isinstance(item, exp.Alias) and item.alias.lower() == node.name.lower():
            return not isinstance(item.this, exp.Column) or item.this.name != node.name
    return False


def _spell(identifier: Node, name: str) -> None:
    identifier.set("this", name)
    identifier.set("quoted", quote_identifier(name) != name)


def _conjuncts(condition: Node) -> list[Node]:
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _conditionless(join: Node) -> bool:
    return join.args.get("on") in (None, exp.true())


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


# What SQLite makes of the types that sqlglot reads. DATE is a number to it, as any other word is.
_AFFINITIES = {
    **dict.fromkeys(("INT", "BIGINT", "SMALLINT", "TINYINT", "MEDIUMINT"), "INTEGER"),
    **dict.fromkeys(("TEXT", "VARCHAR", "NVARCHAR", "CHAR", "NCHAR"), "TEXT"),
    **{"FLOAT": "REAL", "DOUBLE": "REAL", "VARBINARY": "BLOB", "DATE": "DATE"},
    **{"DECIMAL": "NUMERIC", "BOOLEAN": "NUMERIC", "DATETIME": "DATETIME"},
}
_STRING_TYPE = re.compile(r"\bAS\s+STRING\b", re.I)  # a number to SQLite, TEXT to sqlglot
_NEGATED = (exp.In, exp.Between, exp.Like, exp.Glob)


class Generator(SQLite.Generator):  # type: ignore[misc, valid-type]
    """SQLite's text as it is usually written; ValueError where it may mean something else."""

    def neq_sql(self, expression: Node) -> str:
        return str(self.binary(expression, "!="))

    def exists_sql(self, expression: Node) -> str:
        return f"EXISTS ({self.sql(expression, 'this')})"

    def substring_sql(self, expression: Node) -> str:
        start, length = expression.args.get("start"), expression.args.get("length")
        return str(self.func("SUBSTR", expression.this, start, length))

    def cast_sql(self, expression: Node, safe_prefix: str | None = None) -> str:
        # With a type of the same affinity: the rest of a type's name means nothing to SQLite.
        name = expression.to.this.name
        if name not in _AFFINITIES:
            raise ValueError
        return f"CAST({self.sql(expression, 'this')} AS {_AFFINITIES[name]})"

    def not_sql(self, expression: Node) -> str:
        inner, text = expression.this, self.sql(expression, "this")
        left = self.sql(inner, "this")
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            return f"{left} IS NOT NULL"
        is_plain = isinstance(inner, _NEGATED) and not inner.args.get("negate")
        if is_plain and text.startswith((f"{left} {inner.key.upper()} ", f"{left} IN ")):
            return f"{left} NOT{text[len(left) :]}"
        return str(super().not_sql(expression))

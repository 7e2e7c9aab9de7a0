"""What the names in a SELECT refer to (name resolution), and what is wrong with them before it is run.

The rules are those of SQLite (resolve.c): a name belongs to the innermost query that has such a column; a
result alias is seen by WHERE, ON, GROUP BY, HAVING and ORDER BY; columns that USING or NATURAL merge are
one. SQLite forgives three mistakes silently, and they are reported as well: a double-quoted word that is no
column is read as text, a join without a condition pairs every row with every other, and a condition may be
the same for all rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import RESERVED
from txt2sql.sql.sources import (
    OUTER,
    QUERIES,
    ROWID,
    Node,
    Scope,
    Source,
    components,
    conjuncts,
    entries,
    owners,
    span,
    unquoted,
)
from txt2sql.types import Schema

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
WROTE = "the model wrote SQL"
"""How every sentence about a problem begins."""

_SQLITE = Dialect.get_or_raise("sqlite")
# What strftime gives for its commonest directives, as patterns.
_TIME_PARTS = {"%Y": r"\d{4}", "%m": r"\d\d", "%d": r"\d\d", "%H": r"\d\d", "%w": "[0-6]"}
_CATALOG = frozenset(("sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"))


class Kind(Enum):
    """What may be wrong, each with a number and what a sentence says of it."""

    UNREADABLE = 1, "that cannot be read"
    RESERVED_WORD = 2, "that cannot be read"
    UNKNOWN_TABLE = 3, "with a table that the database does not have"
    UNKNOWN_COLUMN = 4, "with a column that its tables do not have"
    AMBIGUOUS = 5, "with a column that several of its tables have"
    QUOTED_TEXT = 6, "with a column that its tables do not have"
    JOIN_WITHOUT_CONDITION = 7, "that joins a table without a condition"
    SAME_FOR_ALL_ROWS = 8, "with a condition that is the same for all rows"
    NO_DATE = 9, "that takes a date from a column without dates"


FORGIVEN = (Kind.QUOTED_TEXT, Kind.JOIN_WITHOUT_CONDITION, Kind.SAME_FOR_ALL_ROWS)
"""What SQLite runs all the same."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, `name` as the statement writes it, and where: the node that has it (of a join
    without a condition, the numbers of its sources) and the scope of that.
    """

    kind: Kind
    name: str
    node: Node = field(default=None, compare=False)
    scope: Scope | None = field(default=None, compare=False)

    @property
    def sentence(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{WROTE} {self.kind.value[1]}{named}; ask in other words"


@dataclass(frozen=True, slots=True)
class Names:
    """A query with its scopes, an outer one before those inside it, and its problems; `tree` is None where the
    text is no query, which is the guard's to refuse.
    """

    sql: str
    tokens: list[Any]
    tree: Node
    scopes: list[Scope]
    problems: list[Problem]


def check(sql: str, schema: Schema) -> tuple[Problem, ...]:
    """What is wrong with the names of one statement of SQLite's, each once; () where nothing is."""
    return tuple(dict.fromkeys(resolve(sql, schema).problems))


def resolve(sql: str, schema: Schema) -> Names:
    """Look up every name of one query; of text that cannot be read, that is the one problem."""
    try:
        tokens = _SQLITE.tokenize(sql)
        trees = [tree for tree in _SQLITE.parser().parse(tokens, sql) if tree is not None]
        if len(trees) != 1 or not isinstance(trees[0], QUERIES):
            return Names(sql, tokens, None, [], [])
        walk = _Walk(sql, schema)
        walk.query(trees[0], None, {})
        walk.constant_conditions(trees[0])
        for name in trees[0].find_all(exp.Identifier):
            if not name.args.get("quoted") and name.name.lower() in RESERVED:
                walk.report(Kind.RESERVED_WORD, name.name, name, None)
        return Names(sql, tokens, trees[0], walk.scopes, walk.problems)
    except (SqlglotError, RecursionError, ValueError, AttributeError, TypeError):
        # Of hostile text sqlglot builds trees that lack what every query has.
        return Names(sql, [], None, [], [Problem(Kind.UNREADABLE, "")])


@dataclass(slots=True, eq=False)
class _Output:
    """What a query gives: its columns as those of a FROM entry, whether it is one row at most, the
    columns (source, name) of its `scope` among them, and the names that its stars stand for.
    """

    columns: Mapping[str, str] | None
    row: bool = False
    scope: Scope | None = None
    given: set[tuple[int, str]] = field(default_factory=set)
    spread: set[str] = field(default_factory=set)

    def sorts(self, name: str, qualifier: str) -> bool:
        if self.columns is None or self.scope is None:
            return True
        numbers = self.scope.find(name, qualifier)
        given = len(numbers) == 1 and (numbers[0], name) in self.given
        return given or (not qualifier and name in self.scope.aliases)


@dataclass(slots=True, eq=False)
class _CommonTable:
    node: Node
    around: _Common
    output: _Output | None = None  # once it is read, as SQLite does


_Common = Mapping[str, _CommonTable]


class _Walk:
    def __init__(self, sql: str, schema: Schema) -> None:
        self.sql, self.schema = sql, schema
        self.problems: list[Problem] = []
        self.scopes: list[Scope] = []

    def report(self, kind: Kind, name: str, node: Node, scope: Scope | None) -> None:
        self.problems.append(Problem(kind, name, node, scope))

    def query(self, node: Node, outer: Scope | None, common: _Common) -> _Output:
        if with_ := node.args.get("with_"):
            inner = dict(common)  # the tables of one WITH see each other
            inner.update((cte.alias.lower(), _CommonTable(cte, inner)) for cte in with_.expressions)
            common = inner
        if isinstance(node, exp.Subquery):
            return self.query(node.this, outer, common)
        if isinstance(node, exp.Select):
            return self.select(node, outer, common)
        if not isinstance(node, exp.SetOperation):
            return _Output(None)
        order = _expressions(node, "order")
        parts = []  # a chain of UNIONs is a deep tree: its parts from the last to the first
        while isinstance(node, exp.SetOperation):
            parts.append(node.expression)
            node = node.this
        outputs = [self.query(part, outer, common) for part in (node, *reversed(parts))]
        for term in order:
            name = _inside(term.this, exp.Collate, exp.Paren)
            if isinstance(name, exp.Column):
                place = name.name.lower(), name.table.lower()
                if not any(output.sorts(*place) for output in outputs):
                    self.report(Kind.UNKNOWN_COLUMN, self.text(name), name, None)
        return _Output(outputs[0].columns)

    def select(self, node: exp.Select, outer: Scope | None, common: _Common) -> _Output:
        scope = Scope(outer, node)
        self.scopes.append(scope)
        for entry, join in entries(node):
            self.source(entry, join, scope, common)
        aliases: dict[str, frozenset[int]] = {}
        for projection in node.expressions:
            scope.used = set()
            self.visit(projection, scope, common)
            if isinstance(projection, exp.Alias):
                aliases.setdefault(projection.alias.lower(), frozenset(scope.used))
        scope.aliases = aliases
        conditions = [source.join.args.get("on") for source in scope.sources if source.join]
        where = node.args.get("where")
        for condition in (*conditions, where.this if where else None):
            for conjunct in conjuncts(condition) if condition is not None else ():
                scope.used = set()
                before = len(scope.resolved)
                self.visit(conjunct, scope, common)
                scope.linked.append(scope.used)
                if isinstance(conjunct, exp.EQ) and len(scope.resolved) == before + 2:
                    one, other = ((i, c.name.lower()) for c, i in scope.resolved[before:])
                    scope.equalities.append((one, other))
        scope.used = set()  # what the clauses below read connects nothing
        if having := node.args.get("having"):
            self.visit(having, scope, common)
        scope.outer = None  # GROUP BY and ORDER BY do not see the queries around
        if group := node.args.get("group"):
            self.visit(group, scope, common)
        output = self.output(node, scope)
        named = aliases.keys() | output.spread  # which come before columns
        for term in _expressions(node, "order"):
            name = term.this
            if not isinstance(name, exp.Column) or name.table or name.name.lower() not in named:
                self.visit(term, scope, common)
        scope.outer = outer
        for window in node.args.get("windows") or ():
            self.visit(window, scope, common)
        self.joins(scope)
        return output

    def source(self, entry: Node, join: Node, scope: Scope, common: _Common) -> None:
        number, earlier = len(scope.sources), scope.sources[:]
        source = self.opened(entry, scope, common)
        source.join = join
        scope.sources.append(source)
        if isinstance(entry, exp.Table) and not isinstance(entry.this, exp.Identifier):
            scope.used = set()  # a function of a table: json_each(t.tags)
            self.visit(entry.this, scope, common)
            scope.linked.append(scope.used | {number})
        if join is None:
            return
        shared: set[str] = set()
        for name in join.args.get("using") or ():
            lower = name.name.lower()
            shared.add(lower)
            if not source.may_have(lower) or not any(s.may_have(lower) for s in earlier):
                self.report(Kind.UNKNOWN_COLUMN, name.name, name, None)
        if join.args.get("method") == "NATURAL":
            before = {name for s in earlier for name in s.columns or ()}
            shared |= before & set(source.columns or ())
            if any(s.columns is None for s in scope.sources):
                scope.linked.append({number, 0})
        for shared_name in shared:
            having = {i for i, s in enumerate(earlier) if s.may_have(shared_name)}
            scope.linked.append({number, *having})
        source.merged = frozenset(shared)

    def opened(self, entry: Node, scope: Scope, common: _Common) -> Source:
        alias = entry.args.get("alias")
        name = alias.this if alias is not None else None
        source = Source(self.text(name) if name is not None else "", entry, name)
        if isinstance(entry, exp.Subquery):
            output = self.query(entry, scope.outer, common)
            source.columns, source.row = output.columns, output.row
            return source
        if name is None:
            source.name, source.label = entry.this, self.text(entry.this)
        table = self.schema.table(entry.name)
        if not isinstance(entry, exp.Table) or not isinstance(entry.this, exp.Identifier):
            source.row = True
        elif not entry.db and entry.name.lower() in common:
            common_table = common[entry.name.lower()]
            output = self.common(common_table, scope)
            source.columns, source.row = output.columns, output.row
            source.base = common_table.node.alias
        elif table is not None:
            source.columns = {column.name.lower(): column.name for column in table.columns}
            source.table, source.base = table, table.name
        elif entry.name.lower() not in _CATALOG:
            self.report(Kind.UNKNOWN_TABLE, self.text(entry.this), entry.this, scope)
        return source

    def common(self, table: _CommonTable, scope: Scope) -> _Output:
        if table.output is None:
            names = [name.name for name in table.node.args["alias"].args.get("columns") or ()]
            listed = {name.lower(): name for name in names} or None
            table.output = _Output(listed)  # what a recursive one reads
            output = self.query(table.node.this, scope.outer, table.around)
            table.output = _Output(listed or output.columns, row=output.row)
        return table.output

    def visit(self, node: Node, scope: Scope, common: _Common) -> None:
        stack = [node]
        while stack:
            node = stack.pop()
            if isinstance(node, exp.Column):
                self.column(node, scope)
            elif isinstance(node, QUERIES):
                self.query(node, scope, common)
            elif isinstance(node, exp.In) and node.args.get("field"):
                stack.append(node.this)  # IN table
            else:
                stack += reversed(list(node.iter_expressions()))

    def constant_conditions(self, tree: Node) -> None:
        # EXISTS of a query that does not depend on the row, comparisons of an expression with itself, and
        # those with a literal that cannot be.
        for scope in self.scopes:
            parent, among_rows = scope.select.parent, scope.outer and scope.outer.sources
            if isinstance(parent, exp.Exists) and among_rows and not scope.passing:
                self.report(Kind.SAME_FOR_ALL_ROWS, "EXISTS", parent, None)
        owner = owners(self.scopes)
        for node in tree.find_all(*COMPARISONS, exp.In, exp.Sub, exp.Div):
            right = node.args.get("expression")  # of IN: none, but a list
            if right is not None and _same(node.this, right, owner):
                joins = isinstance(node.find_ancestor(exp.Join, exp.Select), exp.Join)
                # In a join such a comparison is seen as a join of nothing.
                if not (joins and isinstance(node, COMPARISONS)):
                    self.report(Kind.SAME_FOR_ALL_ROWS, self.text(node.this), node, None)
            if isinstance(node, (exp.EQ, exp.In)):
                values = node.expressions if right is None else [right]
                if values and not any(_possible(node.this, value) for value in values):
                    self.report(Kind.SAME_FOR_ALL_ROWS, self.text(values[0]), node, None)

    def column(self, node: exp.Column, scope: Scope) -> None:
        name, qualifier = node.name.lower(), node.table.lower()
        if node.db.lower() not in ("", "main"):  # t.u.name: what comes first is a database
            self.report(Kind.UNKNOWN_COLUMN, f"{node.db}.{self.text(node)}", node, None)
            return
        inner: list[Scope] = []
        for around in scope.outwards():
            named = {i for i, s in enumerate(around.sources) if s.alias == qualifier != ""}
            if named and isinstance(node.this, exp.Star):
                return
            numbers = around.find(name, qualifier)
            if len(numbers) > 1 and name not in ROWID:
                self.report(Kind.AMBIGUOUS, self.text(node), node, around)
            if numbers:
                around.used.add(numbers[0])
                around.resolved.append((node, numbers[0]))
            elif not qualifier and name in around.aliases:
                around.used |= around.aliases[name]
            else:
                around.used |= named
                inner.append(around)
                continue
            for passed in inner:
                passed.used.add(OUTER)
                passed.passing.append(node)
            return
        quoted = not qualifier and self.text(node).startswith('"')
        kind = Kind.QUOTED_TEXT if quoted else Kind.UNKNOWN_COLUMN
        self.report(kind, self.text(node), node, scope)

    def joins(self, scope: Scope) -> None:
        crosses = [s.join and s.join.args.get("kind") == "CROSS" for s in scope.sources]
        # To sqlglot a comma is a CROSS JOIN, too.
        if any(crosses) and re.search(r"\bCROSS\s+JOIN\b", self.sql, re.I):
            scope.linked += [{i, i - 1} for i, cross in enumerate(crosses) if cross]
        for component in components(len(scope.sources), scope.linked)[1:]:
            if not all(scope.sources[i].row for i in component):
                label = unquoted(scope.sources[component[0]].label)
                self.report(Kind.JOIN_WITHOUT_CONDITION, label, component, scope)

    def output(self, node: exp.Select, scope: Scope) -> _Output:
        columns: dict[str, str] = {}
        output = _Output(columns, not scope.sources or _one_row(node), scope)
        for projection in node.expressions:
            inner = _inside(projection, exp.Alias, exp.Paren, exp.Collate)
            qualifier = inner.table.lower() if isinstance(inner, exp.Column) else ""
            name = projection.alias
            if isinstance(inner, exp.Star) or (qualifier and isinstance(inner.this, exp.Star)):
                for number, source in enumerate(scope.sources):
                    if qualifier in ("", source.alias):
                        output.columns = None if source.columns is None else output.columns
                        for lower, each in (source.columns or {}).items():
                            # Two of one alias; SQLite tells stored tables and queries apart.
                            alike = (scope.sources[i] for i in scope.find(lower, source.alias))
                            stored = [each.table is not None for each in alike]
                            if stored.count(source.table is not None) > 1:
                                self.report(Kind.AMBIGUOUS, each, inner, scope)
                            columns.setdefault(lower, each)
                            output.given.add((number, lower))
                            output.spread.add(lower)
            elif isinstance(inner, exp.Column):
                numbers = scope.find(inner.name.lower(), qualifier)
                output.given.update((number, inner.name.lower()) for number in numbers)
                owner = scope.sources[numbers[0]].columns if numbers else None
                name = name or (owner or {}).get(inner.name.lower(), inner.name)
            if name:
                columns.setdefault(name.lower(), name)
        return output

    def text(self, node: Node) -> str:
        if isinstance(node, exp.Column):
            parts = [part for part in (node.args.get("table"), node.this) if part is not None]
            return ".".join(map(self.text, parts))
        start, end = span(node)
        return self.sql[start:end] if start >= 0 else str(node.name)


def _expressions(node: Node, clause: str) -> list[Node]:
    clause_node = node.args.get(clause)
    return clause_node.expressions if clause_node else []


def _inside(node: Node, *kinds: type[exp.Expr]) -> Node:
    while isinstance(node, kinds):
        node = node.this
    return node


def _same(left: Node, right: Node, owner: Mapping[int, Source]) -> bool:
    """Whether both sides are one expression over the same columns; False without columns."""
    columns, stack = 0, [(left, right)]
    while stack:
        left, right = stack.pop()
        if isinstance(left, exp.Column):
            source = owner.get(id(left))
            other = owner.get(id(right))
            if source is None or source is not other or left.name.lower() != right.name.lower():
                return False
            columns += 1
            continue
        parts, others = list(left.iter_expressions()), list(right.iter_expressions())
        leaf = not parts and left != right
        if type(left) is not type(right) or len(parts) != len(others) or leaf:
            return False
        stack += zip(parts, others, strict=True)
    return columns > 0


def _possible(side: Node, value: Node) -> bool:
    """Whether a literal can be what a part of a date or of a text gives."""
    literal = side.args.get("format" if isinstance(side, exp.TimeToStr) else "length")
    if not isinstance(value, exp.Literal) or not isinstance(literal, exp.Literal):
        return True
    if isinstance(side, exp.TimeToStr):
        form = re.sub("%.", lambda m: _TIME_PARTS.get(m[0], ".*"), re.escape(literal.name))
        return value.is_string and re.fullmatch(form, value.name) is not None
    counted = isinstance(side, exp.Substring) and not literal.is_string and value.is_string
    return not counted or len(value.name) <= int(literal.name)


def _one_row(select: exp.Select) -> bool:
    """Whether a query gives one row at most: totals without groups, or LIMIT 1."""
    limit = select.args.get("limit")
    if limit is not None and limit.expression is not None and limit.expression.name == "1":
        return True
    stack = [] if select.args.get("group") else list(select.expressions)
    while stack:
        node = stack.pop()
        total = isinstance(node, exp.Anonymous) and node.name.lower() == "total"
        if total or isinstance(node, exp.AggFunc):
            return True
        if not isinstance(node, (*QUERIES, exp.Window)):
            stack += node.iter_expressions()
    return False

"""What the names in a SELECT refer to, and what is wrong with them before it is run.

Field's name: name resolution, the part of semantic analysis that a database does when it prepares a
statement. The rules are those of SQLite (resolve.c): a name belongs to the innermost query that has
such a column; a result alias is seen by WHERE, ON, GROUP BY, HAVING and ORDER BY; columns that USING
or NATURAL merge are one. SQLite forgives four mistakes silently, and they are reported as well: a
double-quoted word that is no column is read as text, a join without a condition pairs every row with
every other, an EXISTS whose query does not depend on the row is true of all rows or of none, and so is
a column compared with itself.

>>> shop = Schema("s", (Table("shop", (Column("id"),)), Table("staff", (Column("name"),))))
>>> [(problem.kind.name, problem.name) for problem in check("SELECT name FROM shop", shop)]
[('OUT_OF_SCOPE', 'name')]
>>> [problem.kind.name for problem in check("SELECT id FROM shop, staff", shop)]
['JOIN_WITHOUT_CONDITION']
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import RESERVED
from txt2sql.sql.sources import (
    QUERIES,
    ROWID,
    FromClause,
    Node,
    Scope,
    Source,
    components,
    conjuncts,
    entries,
    from_clauses,
    span,
    unquoted,
)
from txt2sql.types import Column, Schema, Table

OUTER = -1
"""Stands for all sources of the queries around one, where the sources of that one are numbered."""


_SQLITE = Dialect.get_or_raise("sqlite")
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_TIME_PARTS = {"Y": r"\d{4}", "m": r"\d\d", "d": r"\d\d", "H": r"\d\d", "w": "[0-6]"}
"""What strftime gives for its commonest directives, as patterns."""
_UNREADABLE = (SqlglotError, RecursionError, ValueError, AttributeError, TypeError)
"""What resolving may raise: of hostile text sqlglot builds trees that lack what every query has."""
_CATALOG = frozenset(("sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"))


class Kind(Enum):
    """What may be wrong."""

    UNREADABLE = "unreadable"
    RESERVED_WORD = "reserved word without quotes"
    UNKNOWN_TABLE = "unknown table"
    UNKNOWN_COLUMN = "unknown column"
    OUT_OF_SCOPE = "column of a table that is not read"
    UNKNOWN_ALIAS = "unknown alias"
    AMBIGUOUS = "ambiguous column"
    QUOTED_TEXT = "quoted word that is no column"
    JOIN_WITHOUT_CONDITION = "join without a condition"
    SAME_FOR_ALL_ROWS = "condition that is the same for all rows"
    NO_DATE = "date of a column that has none"


FORGIVEN = (Kind.QUOTED_TEXT, Kind.JOIN_WITHOUT_CONDITION, Kind.SAME_FOR_ALL_ROWS)
"""What SQLite runs all the same."""

WROTE = "the model wrote SQL"
"""How every sentence about a problem begins."""

_NO_COLUMN = "with a column that its tables do not have"
_SENTENCES = {
    Kind.UNREADABLE: "that cannot be read",
    Kind.RESERVED_WORD: "that cannot be read",
    Kind.UNKNOWN_TABLE: "with a table that the database does not have",
    Kind.UNKNOWN_COLUMN: _NO_COLUMN,
    Kind.OUT_OF_SCOPE: _NO_COLUMN,
    Kind.UNKNOWN_ALIAS: _NO_COLUMN,
    Kind.AMBIGUOUS: "with a column that several of its tables have",
    Kind.QUOTED_TEXT: _NO_COLUMN,
    Kind.JOIN_WITHOUT_CONDITION: "that joins a table without a condition",
    Kind.SAME_FOR_ALL_ROWS: "with a condition that is the same for all rows",
    Kind.NO_DATE: "that takes a date from a column without dates",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `name` is the name as the statement writes it, or the joined table."""

    kind: Kind
    name: str

    @property
    def sentence(self) -> str:
        """For the person who asked."""
        named = f" ({self.name})" if self.name else ""
        return f"{WROTE} {_SENTENCES[self.kind]}{named}; ask in other words"


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem where it is: the node that has it, and the scope of that."""

    problem: Problem
    node: Node = None
    scope: Scope | None = None


@dataclass(slots=True, eq=False)
class _Output:
    """What a query gives: its columns as those of a FROM entry, and whether it is one row at most.

    The ORDER BY of a compound query has the `aliases` of its parts and the columns (source, name) that
    they give, looked up in the `scope` of each. That of a SELECT takes the names `first` before it
    looks for columns.
    """

    columns: Mapping[str, str] | None
    row: bool = False
    scope: Scope | None = None
    given: frozenset[tuple[int, str]] = frozenset()
    first: frozenset[str] = frozenset()

    def sorts(self, name: str, qualifier: str) -> bool:
        """Whether a compound query with this part can be ordered by a name."""
        if self.columns is None or self.scope is None:
            return True
        if not qualifier and name in self.scope.aliases:
            return True
        numbers = self.scope.find(name, qualifier)
        return len(numbers) == 1 and (numbers[0], name) in self.given


@dataclass(slots=True, eq=False)
class _CommonTable:
    """A common table expression; its query is looked at when it is first read, as SQLite does."""

    node: Node
    around: Mapping[str, _CommonTable]
    output: _Output | None = None


def check(sql: str, schema: Schema) -> tuple[Problem, ...]:
    """What is wrong with the names of one statement of SQLite's; () where nothing is.

    A statement that is no SELECT has no problem here: the guard of the database refuses it.
    """
    return tuple(dict.fromkeys(fault.problem for fault in faults(sql, schema)))


def faults(sql: str, schema: Schema) -> list[Fault]:
    """The same with the places, in no certain order."""
    try:
        names = resolve(sql, schema)
    except _UNREADABLE:
        return [Fault(Problem(Kind.UNREADABLE, ""))]
    if names is None:
        return []
    for name in names.tree.find_all(exp.Identifier):
        if not name.args.get("quoted") and name.name.lower() in RESERVED:
            names.faults.append(Fault(Problem(Kind.RESERVED_WORD, name.name), name))
    return names.faults


@dataclass(frozen=True, slots=True)
class Names:
    """A statement with its scopes, an outer one before those inside it, and its faults."""

    tree: Node
    scopes: list[Scope]
    faults: list[Fault]


def resolve(sql: str, schema: Schema) -> Names | None:
    """Look up every name of one query; None where the text is something else. Raises as sqlglot does."""
    tokens = _SQLITE.tokenize(sql)
    trees = [tree for tree in _SQLITE.parser().parse(tokens, sql) if tree is not None]
    if len(trees) != 1 or not isinstance(trees[0], QUERIES):
        return None
    walk = _Walk(sql, schema, from_clauses(tokens))
    walk.query(trees[0], None, {})
    walk.constant_conditions(trees[0])
    return Names(trees[0], walk.scopes, walk.faults)


def resolved(sql: str, schema: Schema) -> Names | None:
    """The same; None, too, where the text cannot be read."""
    try:
        return resolve(sql, schema)
    except _UNREADABLE:
        return None


class _Walk:
    """Goes through one statement; `faults` is what it meets."""

    def __init__(self, sql: str, schema: Schema, clauses: list[FromClause]) -> None:
        self.sql, self.schema, self.clauses = sql, schema, clauses
        self.faults: list[Fault] = []
        self.scopes: list[Scope] = []

    def report(self, kind: Kind, name: str, node: Node, scope: Scope | None) -> None:
        self.faults.append(Fault(Problem(kind, name), node, scope))

    def query(self, node: Node, outer: Scope | None, common: Mapping[str, _CommonTable]) -> _Output:
        """Look at a query whose names are looked up in `outer` when it does not have them."""
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
        parts = []  # a chain of UNIONs is a deep tree: its parts from the last to the first
        left = node
        while isinstance(left, exp.SetOperation):
            parts.append(left.expression)
            left = left.this
        outputs = [self.query(part, outer, common) for part in (left, *reversed(parts))]
        self.order_of_compound(node, outputs)
        return _Output(outputs[0].columns)

    def order_of_compound(self, node: Node, outputs: list[_Output]) -> None:
        order = node.args.get("order")
        for term in order.expressions if order else ():
            name = term.this
            while isinstance(name, (exp.Collate, exp.Paren)):
                name = name.this
            if isinstance(name, exp.Column) and not any(
                output.sorts(name.name.lower(), name.table.lower()) for output in outputs
            ):
                self.report(Kind.UNKNOWN_COLUMN, self.text(name), name, None)

    def select(
        self, node: exp.Select, outer: Scope | None, common: Mapping[str, _CommonTable]
    ) -> _Output:
        scope = Scope(outer, node)
        self.scopes.append(scope)
        linked: list[set[int]] = []
        for entry, join in entries(node):
            linked += self.source(entry, join, scope, common)
        scope.clause = self.clause_of(node)
        aliases: dict[str, frozenset[int]] = {}
        for projection in node.expressions:
            scope.used = set()
            self.visit(projection, scope, common)
            if isinstance(projection, exp.Alias):
                aliases.setdefault(projection.alias.lower(), frozenset(scope.used))
        scope.aliases = aliases
        conditions = [join.args.get("on") for _, join in entries(node) if join is not None]
        if where := node.args.get("where"):
            conditions.append(where.this)
        for condition in conditions:
            for conjunct in conjuncts(condition) if condition is not None else ():
                scope.used = set()
                before = len(scope.resolved)
                self.visit(conjunct, scope, common)
                linked.append(scope.used)
                if isinstance(conjunct, exp.EQ) and len(scope.resolved) == before + 2:
                    first, second = (
                        (number, column.name.lower()) for column, number in scope.resolved[before:]
                    )
                    scope.equalities.append((first, second))
        scope.used = set()  # what the clauses below read connects nothing
        if having := node.args.get("having"):
            self.visit(having, scope, common)
        scope.outer = None  # GROUP BY and ORDER BY do not see the queries around
        if group := node.args.get("group"):
            self.visit(group, scope, common)
        output = self.output(node, scope)
        order = node.args.get("order")
        for term in order.expressions if order else ():
            name = term.this
            if not (isinstance(name, exp.Column) and not name.table and name.name.lower() in output.first):  # fmt: skip
                self.visit(term, scope, common)
        scope.outer = outer
        for window in node.args.get("windows") or ():
            self.visit(window, scope, common)
        self.joins(scope, linked)
        return output

    def source(
        self, entry: Node, join: Node, scope: Scope, common: Mapping[str, _CommonTable]
    ) -> list[set[int]]:
        """Add one entry of a FROM; which sources that connects by itself."""
        number = len(scope.sources)
        source = self.opened(entry, scope, common)
        source.join, source.node = join, entry
        scope.sources.append(source)
        linked = []
        if isinstance(entry, exp.Table) and not isinstance(entry.this, exp.Identifier):
            scope.used = set()  # a function of a table: json_each(t.tags)
            self.visit(entry.this, scope, common)
            linked.append(scope.used | {number})
        if join is None:
            return linked
        shared: set[str] = {name.name.lower() for name in join.args.get("using") or ()}
        for name in join.args.get("using") or ():
            sides = [source, *(s for s in scope.sources[:-1] if s.columns is None or s.has(name.name.lower()))]  # fmt: skip
            if len(sides) < 2 or not (source.columns is None or source.has(name.name.lower())):
                self.report(Kind.UNKNOWN_COLUMN, name.name, name, None)
        if join.args.get("method") == "NATURAL":
            earlier = {name for s in scope.sources[:-1] for name in s.columns or ()}
            shared |= earlier & set(source.columns or ())
            if source.columns is None or any(s.columns is None for s in scope.sources):
                linked.append({number, 0})
        for name in shared:
            sides_with = {i for i, s in enumerate(scope.sources[:-1]) if s.has(name) or s.columns is None}  # fmt: skip
            linked.append({number, *sides_with})
        source.merged = frozenset(shared)
        return linked

    def opened(self, entry: Node, scope: Scope, common: Mapping[str, _CommonTable]) -> Source:
        alias = entry.args.get("alias")
        name = alias.this if alias is not None else None
        if isinstance(entry, exp.Subquery):
            output = self.query(entry, scope.outer, common)
            return Source(
                self.text(name) if name is not None else "", output.columns, row=output.row
            )
        label = self.text(name if name is not None else entry.this)
        if not isinstance(entry, exp.Table) or not isinstance(entry.this, exp.Identifier):
            return Source(label, None, row=True)
        common_table = common.get(entry.name.lower()) if not entry.db else None
        if common_table is not None:
            output = self.common(common_table, scope)
            return Source(label, output.columns, row=output.row, base=common_table.node.alias)
        table = self.schema.table(entry.name)
        if table is not None:
            columns = {column.name.lower(): column.name for column in table.columns}
            return Source(label, columns, table, base=table.name)
        if entry.name.lower() not in _CATALOG:
            self.report(Kind.UNKNOWN_TABLE, self.text(entry.this), entry.this, scope)
        return Source(label, None)

    def common(self, table: _CommonTable, scope: Scope) -> _Output:
        if table.output is None:
            names = [name.name for name in table.node.args["alias"].args.get("columns") or ()]
            listed = {name.lower(): name for name in names} or None
            table.output = _Output(listed or _names(table.node.this))  # what a recursive one reads
            output = self.query(table.node.this, scope.outer, table.around)
            table.output = _Output(listed or output.columns, row=output.row)
        return table.output

    def visit(self, node: Node, scope: Scope, common: Mapping[str, _CommonTable]) -> None:
        """Look up every column of an expression, and into the queries inside it."""
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
        """Report the conditions that are true of all rows or of none."""
        for scope in self.scopes:
            parent, among_rows = scope.select.parent, scope.outer and scope.outer.sources
            if isinstance(parent, exp.Exists) and among_rows and not scope.correlated:
                self.report(Kind.SAME_FOR_ALL_ROWS, "EXISTS", parent, None)
        # A column node -> (scope, number of its source, name)
        places = {
            id(node): (id(scope), number, node.name.lower())
            for scope in self.scopes
            for node, number in scope.resolved
        }
        for node in tree.find_all(*COMPARISONS, exp.In, exp.Sub, exp.Div):
            right = node.args.get("expression")  # of IN: none, but a list
            if right is not None and _same(node.this, right, places):
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
            self.report(Kind.UNKNOWN_ALIAS, f"{node.db}.{self.text(node)}", None, None)
            return
        qualified = False
        inner: list[Scope] = []
        for around in scope.outwards():
            named = {i for i, s in enumerate(around.sources) if s.alias == qualifier != ""}
            qualified = qualified or bool(named)
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
                passed.correlated = True
                if not qualifier:
                    passed.passing.add(name)
            return
        self.unresolved(node, scope, qualified)

    def unresolved(self, node: exp.Column, scope: Scope, qualified: bool) -> None:
        """Report a column that no scope has."""
        start, _ = span(node.this)
        if not node.table:
            if self.sql[start : start + 1] == '"':
                return self.report(Kind.QUOTED_TEXT, self.text(node), node, scope)
            owners = bool(tables_with(self.schema, node.name))
        elif qualified:
            owners = bool(tables_with(self.schema, node.name))
        else:
            table = self.schema.table(node.table)
            if table is None or isinstance(node.this, exp.Star):
                return self.report(Kind.UNKNOWN_ALIAS, self.text(node), node, scope)
            owners = table.column(node.name) is not None
        kind = Kind.OUT_OF_SCOPE if owners else Kind.UNKNOWN_COLUMN
        return self.report(kind, self.text(node), node, scope)

    def joins(self, scope: Scope, linked: list[set[int]]) -> None:
        """Report the sources that no condition connects with the others."""
        count = len(scope.sources)
        if count < 2:
            return
        if any(join and join.args.get("kind") == "CROSS" for _, join in entries(scope.select)):
            linked += self.crossed(scope)
        for component in components(count, linked)[1:]:
            rows = [scope.sources[i].row for i in component]
            if not all(rows):
                first = scope.sources[component[0]]
                self.report(Kind.JOIN_WITHOUT_CONDITION, unquoted(first.label), component, scope)

    def crossed(self, scope: Scope) -> list[set[int]]:
        """The sources that a written CROSS JOIN connects; sqlglot reads a comma as one, too."""
        joins = scope.clause.joins if scope.clause else []
        top = scope.select.args.get("joins") or ()
        if len(joins) != len(top):
            return []
        words = {id(join): word for join, (word, _, _) in zip(top, joins, strict=True)}
        return [
            {i, i - 1}
            for i, source in enumerate(scope.sources)
            if source.join is not None and words.get(id(source.join)) == "CROSS"
        ]

    def clause_of(self, select: exp.Select) -> FromClause | None:
        """Where the FROM of a query is: the innermost clause around a name that stands in it."""
        from_ = select.args.get("from_")
        if from_ is None:
            return None
        entry = from_.this
        alias = entry.args.get("alias")
        if alias is not None:
            at = span(alias.this)[0]
        else:
            while isinstance(entry, exp.Subquery) and isinstance(entry.this, exp.Table):
                entry = entry.this
            at = span(entry.this)[0] if isinstance(entry, exp.Table) else -1
        around = [clause for clause in self.clauses if clause.start <= at < clause.end]
        return around[-1] if around else None

    def output(self, node: exp.Select, scope: Scope) -> _Output:
        columns: dict[str, str] = {}
        given: set[tuple[int, str]] = set()
        spread: dict[tuple[str, str], Source] = {}
        complete = True
        for projection in node.expressions:
            inner = projection
            while isinstance(inner, (exp.Alias, exp.Paren, exp.Collate)):
                inner = inner.this
            qualifier = inner.table.lower() if isinstance(inner, exp.Column) else ""
            if isinstance(inner, exp.Star) or (qualifier and isinstance(inner.this, exp.Star)):
                for number, source in enumerate(scope.sources):
                    if qualifier and source.alias != qualifier:
                        continue
                    complete = complete and source.columns is not None
                    for lower, name in (source.columns or {}).items():
                        columns.setdefault(lower, name)
                        given.add((number, lower))
                        other = spread.setdefault((source.alias, lower), source)
                        twice = other is not source and lower not in source.merged
                        if twice and other.table and source.table:
                            self.report(Kind.AMBIGUOUS, name, inner, scope)
                continue
            name = projection.alias
            if isinstance(inner, exp.Column):
                lower = inner.name.lower()
                numbers = scope.find(lower, qualifier)
                given |= {(number, lower) for number in numbers}
                owner = scope.sources[numbers[0]].columns if numbers else None
                name = name or (owner or {}).get(lower, inner.name)
            if name:
                columns.setdefault(name.lower(), name)
        row = not scope.sources or _one_row(node)
        first = frozenset(scope.aliases.keys() | {name for _, name in spread})
        return _Output(columns if complete else None, row, scope, frozenset(given), first)

    def text(self, node: Node) -> str:
        """A name as the statement writes it, with its qualifier."""
        if isinstance(node, exp.Column):
            parts = [part for part in (node.args.get("table"), node.this) if part is not None]
            return ".".join(map(self.text, parts))
        start, end = span(node)
        return self.sql[start:end] if start >= 0 else str(node.name)


def tables_with(schema: Schema, name: str) -> list[tuple[Table, Column]]:
    """The tables that have a column of that name, each with it."""
    return [
        (table, column) for table in schema.tables if (column := table.column(name)) is not None
    ]


def _same(left: Node, right: Node, places: Mapping[int, tuple[int, int, str]]) -> bool:
    """Whether both sides are one expression over the same columns of the same sources; False without columns."""
    columns, stack = 0, [(left, right)]
    while stack:
        left, right = stack.pop()
        if isinstance(left, exp.Column):
            place = places.get(id(left))
            if place is None or place != places.get(id(right)):
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
    if not isinstance(value, exp.Literal):
        return True
    if isinstance(side, exp.TimeToStr):
        form = side.args["format"]
        if not isinstance(form, exp.Literal):
            return True
        pattern = re.sub(
            r"%(.)|(.)",
            lambda m: re.escape(m[2]) if m[2] else _TIME_PARTS.get(m[1], ".*"),
            form.name,
        )
        return value.is_string and re.fullmatch(pattern, value.name) is not None
    if isinstance(side, exp.Substring):
        length = side.args.get("length")
        if isinstance(length, exp.Literal) and not length.is_string and value.is_string:
            return len(value.name) <= int(length.name)
    return True


def _names(query: Node) -> Mapping[str, str] | None:
    """The columns that the first part of a query names, None where a star hides them."""
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    if not isinstance(query, exp.Select) or any(p.is_star for p in query.expressions):
        return None
    return {p.alias_or_name.lower(): p.alias_or_name for p in query.expressions if p.alias_or_name}


def _one_row(select: exp.Select) -> bool:
    """Whether a query gives one row at most: totals without groups, or LIMIT 1."""
    limit = select.args.get("limit")
    if limit is not None and limit.expression is not None and limit.expression.name == "1":
        return True
    if select.args.get("group"):
        return False
    for projection in select.expressions:
        stack = [projection]
        while stack:
            node = stack.pop()
            if isinstance(node, exp.AggFunc) or (
                isinstance(node, exp.Anonymous) and node.name.lower() == "total"
            ):
                return True
            if not isinstance(node, (*QUERIES, exp.Window)):
                stack += node.iter_expressions()
    return False

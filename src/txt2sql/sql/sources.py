"""The FROM of a query: where it stands in the text, its sources, and what they are connected by.

A source is one entry of a FROM (a table, a derived table, a common table expression); a scope is what
the names of one SELECT can refer to. The tree comes from sqlglot, which keeps the offsets of names but
not those of keywords and commas: they come from its tokens.

>>> import sqlglot
>>> [clause] = from_clauses(sqlglot.tokenize("SELECT a FROM t, u WHERE b = 1", read="sqlite"))
>>> clause
FromClause(start=9, end=18, joins=[(',', 15, 16)])
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from txt2sql.types import Table

Node = Any
"""A node of sqlglot's tree; the base class of nodes has another name from version to version."""

Edit = tuple[int, int, str]
"""(start, end, text): the text takes the place of the characters from start to before end."""

QUERIES = (exp.Select, exp.SetOperation, exp.Subquery)
ROWID = frozenset(("rowid", "_rowid_", "oid"))

_ENDS = frozenset(
    ("WHERE", "GROUP", "GROUP BY", "HAVING", "ORDER", "ORDER BY", "WINDOW", "LIMIT", "UNION",
     "INTERSECT", "EXCEPT", ";")
)  # fmt: skip


@dataclass(slots=True)
class FromClause:
    """Where a FROM is in the text: offsets of its first character, and after its last.

    `joins` has for each join of it the text that joins ("," or "CROSS", ...), and its offsets.
    """

    start: int
    end: int = 0
    joins: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Source:
    """One entry of a FROM. `columns` are its names by their lower case, None where they are unknown.

    `label` is its alias or name as written, `base` the name of its table or common table expression,
    empty for a query in brackets; `row` says that it has one row at most; `merged` are the
    names that USING or NATURAL made one with those of an earlier source.
    """

    label: str
    columns: Mapping[str, str] | None
    table: Table | None = None
    join: Node = None
    row: bool = False
    merged: frozenset[str] = frozenset()
    base: str = ""
    node: Node = None

    @property
    def alias(self) -> str:
        """What qualifies its columns, in lower case."""
        return unquoted(self.label).lower()

    def has(self, name: str) -> bool:
        """Whether it certainly has a column; every table of a database has a rowid."""
        if self.columns is not None and name in self.columns:
            return True
        return self.table is not None and name in ROWID


@dataclass(slots=True, eq=False)
class Scope:
    """The names in sight in one SELECT; `outer` is that of the query around it.

    `resolved` are the columns that refer to one of its sources, by number; `equalities` the pairs of
    columns that a condition equates; `passing` the plain names that are looked up further out. It is
    `correlated` when any name is.
    """

    outer: Scope | None
    select: Node
    clause: FromClause | None = None
    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, frozenset[int]] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    resolved: list[tuple[Node, int]] = field(default_factory=list)
    passing: set[str] = field(default_factory=set)
    correlated: bool = False
    equalities: list[tuple[tuple[int, str], tuple[int, str]]] = field(default_factory=list)

    def outwards(self) -> Iterator[Scope]:
        """This scope, then those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def find(self, name: str, qualifier: str) -> list[int]:
        """The sources of this scope that have a column, by number: one, where it is not ambiguous.

        A source whose columns are unknown has what no other source has.
        """
        numbers: list[int] = []
        possible: list[int] = []
        for i, source in enumerate(self.sources):
            if qualifier and source.alias != qualifier:
                continue
            if source.columns is None:
                possible.append(i)
            if source.has(name) and not (numbers and name in source.merged):
                numbers.append(i)
        return numbers or possible[:1]


def from_clauses(tokens: list[Any]) -> list[FromClause]:
    """The FROM clauses of a statement, an outer one before those inside it."""
    clauses: list[FromClause] = []
    frames: list[tuple[bool, FromClause | None]] = [(False, None)]  # SELECT was read; the open FROM
    previous = end = None
    joining: tuple[str, int] | None = None  # the first word of a join, and its offset
    for token in tokens:
        selecting, clause = frames[-1]
        word = token.text.upper() if token.token_type.name not in ("IDENTIFIER", "STRING") else ""
        if word == "(":
            frames.append((False, None))
        elif word == ")" and len(frames) > 1:
            if clause is not None:
                clause.end = end or clause.end
            frames.pop()
        elif word == "SELECT":
            frames[-1] = (True, None)
        elif word == "FROM" and selecting and previous != "DISTINCT":
            clause = FromClause(token.start)
            clauses.append(clause)
            frames[-1] = (False, clause)
        elif clause is not None:
            if word in _ENDS:
                clause.end = end or clause.end
                frames[-1] = (False, None)
            elif word == ",":
                clause.joins.append((",", token.start, token.end + 1))
            elif word == "JOIN":
                first, start = joining or (word, token.start)
                clause.joins.append((first, start, token.end + 1))
        if word in ("NATURAL", "LEFT", "RIGHT", "FULL", "INNER", "CROSS"):
            joining = joining or (word, token.start)
        elif word != "OUTER":
            joining = None
        previous, end = word, token.end + 1
    for _, clause in frames:
        if clause is not None:
            clause.end = end or clause.end
    return clauses


def entries(select: Node) -> Iterator[tuple[Node, Node]]:
    """The entries of a FROM, each with the join that adds it; joins in parentheses are opened."""
    if clause := select.args.get("from_"):
        yield from _opened(clause.this, None)
    for join in select.args.get("joins") or ():
        yield from _opened(join.this, join)


def _opened(entry: Node, join: Node) -> Iterator[tuple[Node, Node]]:
    if (
        isinstance(entry, exp.Subquery)
        and not isinstance(entry.this, QUERIES[:2])
        and not entry.alias
    ):
        yield from _opened(entry.this, join)
    else:
        yield entry, join
    for inner in entry.args.get("joins") or ():
        yield from _opened(inner.this, inner)


def conjuncts(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, exp.And):
            stack += [node.expression, node.this]
        elif isinstance(node, exp.Paren):
            stack.append(node.this)
        else:
            yield node


def components(count: int, linked: list[set[int]]) -> list[list[int]]:
    """The sources 0 to `count` - 1 in groups that are connected, by their first."""
    group = list(range(count + 1))  # the last is OUTER

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for together in linked:
        roots = sorted(root(i % (count + 1)) for i in together)
        for other in roots[1:]:
            group[root(other)] = roots[0]
    groups: dict[int, list[int]] = {}
    for i in range(count):
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def span(node: Node) -> tuple[int, int]:
    """The offsets of an identifier in the text: of its first character, and after its last.

    (-1, -1) for one that is not in the text.
    """
    start = node.meta.get("start", -1)
    return start, node.meta.get("end", -2) + 1


def edited(sql: str, edits: Iterable[Edit]) -> str:
    """The text after edits of places that do not overlap."""
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def unquoted(name: str) -> str:
    """A name without its quotes."""
    if name[:1] in ('"', "`", "'") and name[-1:] == name[:1] and len(name) > 1:
        return name[1:-1].replace(name[0] * 2, name[0])
    return name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name

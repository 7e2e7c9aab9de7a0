"""The FROM of a query: its sources, what they are connected by, and where it ends in the text.

A source is one entry of a FROM (a table, a derived table, a common table expression); a scope is what
the names of one SELECT can refer to. The tree comes from sqlglot, which keeps the offsets of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from txt2sql.types import Column, Table

Node = Any
"""A node of sqlglot's tree; the base class of nodes has another name from version to version."""

Edit = tuple[int, int, str]
"""(start, end, text): the text takes the place of the characters from start to before end."""

QUERIES = (exp.Select, exp.SetOperation, exp.Subquery)
ROWID = frozenset(("rowid", "_rowid_", "oid"))
OUTER = -1
"""Stands for all sources of the queries around one, where the sources of that one are numbered."""
_ENDS = "WHERE GROUP HAVING ORDER WINDOW LIMIT UNION INTERSECT EXCEPT ;".split()


@dataclass(slots=True, eq=False)
class Source:
    """One entry of a FROM. `columns` are its names by their lower case, None where they are unknown.

    `label` is its alias or name as written, and `name` that identifier; `base` is the name of its table
    or common table expression, empty for a query in brackets; `row` says that it has one row at most;
    `merged` are the names that USING or NATURAL made one with those of an earlier source.
    """

    label: str
    node: Node
    name: Node = None
    join: Node = None
    columns: Mapping[str, str] | None = None
    table: Table | None = None
    row: bool = False
    merged: frozenset[str] = frozenset()
    base: str = ""

    @property
    def alias(self) -> str:
        """What qualifies its columns, in lower case."""
        return unquoted(self.label).lower()

    def column(self, name: str) -> Column | None:
        """The column of its table; None where it is no table or has none of that name."""
        return self.table.column(name) if self.table is not None else None

    def has(self, name: str) -> bool:
        """Whether it certainly has a column; every table of a database has a rowid."""
        if self.columns is not None and name in self.columns:
            return True
        return self.table is not None and name in ROWID

    def may_have(self, name: str) -> bool:
        return self.columns is None or self.has(name)


@dataclass(slots=True, eq=False)
class Scope:
    """The names in sight in one SELECT; `outer` is that of the query around it.

    `resolved` are the columns that refer to one of its sources, by number; `passing` those that are
    looked up further out. `linked` are sources that a condition connects, and `equalities` the pairs
    of columns, (source, name), that one equates; `used` are the sources of the condition at hand.
    """

    outer: Scope | None
    select: Node
    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, frozenset[int]] = field(default_factory=dict)
    resolved: list[tuple[Node, int]] = field(default_factory=list)
    passing: list[Node] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    linked: list[set[int]] = field(default_factory=list)
    equalities: list[tuple[tuple[int, str], tuple[int, str]]] = field(default_factory=list)

    def outwards(self) -> Iterator[Scope]:
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


def owners(scopes: Iterable[Scope]) -> dict[int, Source]:
    """The source of each column, by the id of its node."""
    return {id(node): scope.sources[i] for scope in scopes for node, i in scope.resolved}


def from_end(tokens: list[Any], start: int) -> int:
    """Where the FROM ends in the text whose first entry is named at `start`."""
    depth, end = 0, start
    for token in tokens:
        if token.start < start:
            continue
        word = token.text.upper() if token.token_type.name not in ("IDENTIFIER", "STRING") else ""
        depth += (word == "(") - (word == ")")
        if depth < 0 or (depth == 0 and word.removesuffix(" BY") in _ENDS):
            break
        end = token.end + 1
    return end


def entries(select: Node) -> Iterator[tuple[Node, Node]]:
    """The entries of a FROM, each with the join that adds it; joins in parentheses are opened."""
    if clause := select.args.get("from_"):
        yield from _opened(clause.this, None)
    for join in select.args.get("joins") or ():
        yield from _opened(join.this, join)


def _opened(entry: Node, join: Node) -> Iterator[tuple[Node, Node]]:
    joined = isinstance(entry, exp.Subquery) and not isinstance(entry.this, QUERIES[:2])
    if joined and not entry.alias:
        yield from _opened(entry.this, join)
    else:
        yield entry, join
    for inner in entry.args.get("joins") or ():
        yield from _opened(inner.this, inner)


def only(node: Node, *parts: str) -> None:
    """ValueError where a node has more parts than these."""
    if any(value and name not in parts for name, value in node.args.items()):
        raise ValueError


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


def components(count: int, linked: Iterable[set[int]]) -> list[list[int]]:
    """The sources 0 to `count` - 1 in groups that are connected, by their first."""
    group = list(range(count + 1))  # the last is that of OUTER
    for together in linked:
        merged = {group[i] for i in together}
        group = [min(merged) if number in merged else number for number in group]
    groups: dict[int, list[int]] = {}
    for i, number in enumerate(group[:count]):
        groups.setdefault(number, []).append(i)
    return list(groups.values())


def span(node: Node) -> tuple[int, int]:
    """Where an identifier starts and ends in the text; (-1, -1) for one that is not in it."""
    start = node.meta.get("start", -1)
    return start, node.meta.get("end", -2) + 1


def edited(sql: str, edits: Iterable[Edit]) -> str:
    """The text after edits of places that do not overlap."""
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def unquoted(name: str) -> str:
    if name[:1] in ('"', "`", "'") and name[-1:] == name[:1] and len(name) > 1:
        return name[1:-1].replace(name[0] * 2, name[0])
    return name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name

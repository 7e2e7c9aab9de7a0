"""What names mean in a query: the sources of a FROM, their columns, and how SQLite finds a column.

Name resolution as in SQLite (resolve.c): a qualified name belongs to the innermost source of that
alias; a plain one to the innermost FROM with such a column, then to an alias of the select list; a
double-quoted name that nothing is called is a string.

>>> source = Source("s", "singer", frozenset({"name"}))
>>> column = sqlglot.parse_one("S.Name").find(exp.Column)  # doctest: +SKIP
>>> resolve(column, Scope(None, [source]))[0]  # doctest: +SKIP
'singer.name'
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import expressions as exp


@dataclass(slots=True)
class Source:
    """One entry of a FROM: its alias, its text, and its columns where they are known.

    A derived table has `outputs` (name -> text) and `stars`, the sources that its `*` spreads.
    `mark` tells it from an equal one; `shared` are the columns that USING or NATURAL made one with
    those of an earlier source.
    """

    alias: str
    name: str
    columns: frozenset[str] | None = None
    outputs: dict[str, str] | None = None
    stars: list[Source] = field(default_factory=list)
    mark: str = ""
    shared: frozenset[str] = frozenset()

    def column(self, name: str) -> str | None:
        """The text of a column that this source certainly has, else None."""
        if self.outputs is None:
            known = self.columns is not None and name in self.columns
            return f"{self.name}{self.mark}.{name}" if known else None
        text = self.outputs.get(name)
        if text is None:
            found = (source.column(name) for source in self.stars)
            text = next((other for other in found if other is not None), None)
        return None if text is None else text + self.mark

    def guess(self, name: str) -> str:
        """The text of a column that the query says this source has."""
        return self.column(name) or f"{self.name}{self.mark}.{name}"


@dataclass(slots=True)
class Scope:
    """The names in sight in one SELECT; `outer` is that of the query around it."""

    outer: Scope | None
    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    ctes: dict[str, exp.Expr] = field(default_factory=dict)

    def outwards(self) -> Iterator[Scope]:
        """This scope, then those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def called(self, alias: str) -> Source | None:
        """The source of that alias, the innermost first."""
        for scope in self.outwards():
            for source in scope.sources:
                if source.alias == alias:
                    return source
        return None


def resolve(column: exp.Expr, scope: Scope) -> tuple[str, Source | None]:
    """The text of a column and the source it belongs to, None where that is not certain."""
    assert isinstance(column, exp.Column)
    name, table = column.name.lower(), column.table.lower()
    if table:
        source = scope.called(table)
        return (source.guess(name), source) if source else (f"{table}.{name}", None)
    for around in scope.outwards():
        hits = [
            (text, source)
            for source in around.sources
            if name not in source.shared and (text := source.column(name)) is not None
        ]
        if hits:
            return hits[0] if len(hits) == 1 else (name, None)
        if name in around.aliases:
            return around.aliases[name], None
    unknown = [s for s in scope.sources if s.columns is None and s.outputs is None]
    if len(unknown) == 1:
        return unknown[0].guess(name), unknown[0]
    if column.this.args.get("quoted") and not unknown:
        return string(column.name), None
    return name, None


def string(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def entries(select: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Join | None]]:
    """The entries of a FROM, each with the join that adds it; parenthesised joins are opened."""
    if clause := select.args.get("from_") or select.args.get("from"):
        yield from _opened(clause.this, None)
    for join in select.args.get("joins") or ():
        yield from _opened(join.this, join)


def _opened(entry: exp.Expr, join: exp.Join | None) -> Iterator[tuple[exp.Expr, exp.Join | None]]:
    if isinstance(entry, exp.Subquery) and isinstance(entry.this, (exp.Table, exp.Subquery)):
        yield from _opened(entry.this, join)
    else:
        yield entry, join
    for inner in entry.args.get("joins") or ():
        yield from _opened(inner.this, inner)

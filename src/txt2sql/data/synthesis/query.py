"""One SELECT over a subject and the tables joined to it, written in the normal form of the golds.

Expressions mark columns by position until the query is whole: only then is it clear whether they need
their table's name.

>>> scope.select([scope.column(1)], where=["..."])  # doctest: +SKIP
"SELECT name FROM customer WHERE city = 'Kent'"
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from txt2sql.data.synthesis.contents import Edge, Profile, TableProfile
from txt2sql.identifiers import quote_identifier as quote
from txt2sql.types import Cell

_MARK = re.compile("\x01(\\d+)\\.(\\d+)\x02")
_CALLS = re.compile(r"\b(?:strftime|substr|date|replace)\(")


def literal(value: Cell) -> str:
    """A value as SQL."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return "NULL" if value is None else repr(value)


def mark(table: int, column: int) -> str:
    """A column, until it is written."""
    return f"\x01{table}.{column}\x02"


def capital_calls(sql: str) -> str:
    """Functions in capitals, as the normal form has them."""
    return _CALLS.sub(lambda call: call[0].upper(), sql)


class Scope:
    """The subject of a query and the ancestors that were joined to it."""

    def __init__(self, profile: Profile, root: int) -> None:
        self.profile, self.root = profile, root
        self.edges: list[Edge] = []

    @property
    def subject(self) -> TableProfile:
        """The table that is asked about."""
        return self.profile.tables[self.root]

    def join(self, table: int) -> None:
        """Have an ancestor in sight."""
        for edge in self.profile.paths[self.root].get(table, ()):
            if edge not in self.edges:
                self.edges.append(edge)

    def column(self, column: int, table: int | None = None) -> str:
        """A column as it stands in expressions."""
        table = self.root if table is None else table
        self.join(table)
        return mark(table, column)

    def write(self, expression: str, qualified: bool | None = None) -> str:
        """An expression with the names that its columns have here."""
        qualified = bool(self.edges) if qualified is None else qualified

        def name(match: re.Match[str]) -> str:
            table = self.profile.tables[int(match[1])]
            column = quote(table.columns[int(match[2])].name)
            return f"{quote(table.name)}.{column}" if qualified else column

        return _MARK.sub(name, expression)

    def taken(self, alias: str) -> bool:
        """Whether a column in sight is called like this."""
        tables = [self.root, *(edge.parent for edge in self.edges)]
        return any(
            column.name.lower() == alias
            for table in tables
            for column in self.profile.tables[table].columns
        )

    def source(self) -> str:
        """What stands after FROM."""
        tables = self.profile.tables
        text = quote(tables[self.root].name)
        for edge in self.edges:
            on = " AND ".join(
                f"{mark(edge.child, one)} = {mark(edge.parent, other)}"
                for one, other in zip(edge.child_columns, edge.parent_columns, strict=True)
            )
            text += f" JOIN {quote(tables[edge.parent].name)} ON {on}"
        return text

    def select(
        self,
        outputs: Sequence[str],
        *,
        where: Sequence[str] = (),
        group: Sequence[str] = (),
        having: str = "",
        order: str = "",
        limit: int = 0,
        distinct: bool = False,
    ) -> str:
        """The query as it is written."""
        text = f"SELECT {'DISTINCT ' if distinct else ''}{', '.join(outputs)} FROM {self.source()}"
        if len(where) == 1 and where[0].startswith("(") and where[0].endswith(")"):
            text += f" WHERE {where[0][1:-1]}"
        elif where:
            text += f" WHERE {' AND '.join(where)}"
        if group:
            text += f" GROUP BY {', '.join(group)}"
        if having:
            text += f" HAVING {having}"
        if order:
            text += f" ORDER BY {order}"
        return self.write(text) + (f" LIMIT {limit}" if limit else "")

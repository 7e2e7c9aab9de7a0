"""Facts about a database: its nouns, what each column holds, which columns join its tables.

>>> ColumnFacts("age", "age", "number", (30, 41)).ordered
True
"""

from __future__ import annotations

from dataclasses import dataclass

from txt2sql.types import Cell, Row


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column. `kind`: number, year, date, text, long (texts too long to name), flag or empty.

    `values` are distinct cells; `complete` when they are all there are; `shared` when most of them
    stand in several rows. `noun` is how it is said.
    """

    name: str
    noun: str
    kind: str
    values: tuple[Cell, ...] = ()
    complete: bool = False
    unique: bool = False
    nulls: bool = False
    shared: bool = False
    key: bool = False
    primary: bool = False

    @property
    def ordered(self) -> bool:
        """Whether greater and smaller mean something to a person."""
        return self.kind in ("number", "year", "date")

    @property
    def category(self) -> bool:
        """Whether rows share its values: something to group by."""
        return self.shared and len(self.values) > 1

    @property
    def timely(self) -> bool:
        """Whether it is a date or a time, in whatever spelling."""
        return not {"date", "time", "day", "year", "month"}.isdisjoint(self.noun.split())

    @property
    def is_name(self) -> bool:
        """Whether it names its row."""
        last = self.noun.rpartition(" ")[2]
        return self.kind == "text" and last in ("name", "title")


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table; `noun` is singular, `rows` a sample in storage order, `count` all its rows."""

    name: str
    noun: str
    columns: tuple[ColumnFacts, ...]
    rows: tuple[Row, ...]
    count: int

    @property
    def bridge(self) -> bool:
        """Whether it only links others: two foreign keys and little else."""
        keys = sum(column.key and not column.primary for column in self.columns)
        keys += sum(column.key and column.primary for column in self.columns)
        return keys >= 2 and len(self.columns) - keys <= 1


@dataclass(frozen=True, slots=True)
class Edge:
    """`child.column` holds keys of `parent`; all four are positions."""

    child: int
    child_column: int
    parent: int
    parent_column: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One database."""

    db_id: str
    tables: tuple[TableFacts, ...]
    edges: tuple[Edge, ...]
    nouns: frozenset[str]

    def why_silent(self) -> str | None:
        """Why nothing can be asked of it, in one sentence; None when something can."""
        if not self.tables:
            return f"'{self.db_id}' has no tables; give a database that has some"
        if not any(table.rows for table in self.tables):
            return f"'{self.db_id}' has no rows, so every query would come back empty; fill a table"
        return None

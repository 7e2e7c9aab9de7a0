"""What Spider's parser makes of a query, and the schema that it reads it against.

Field's name: the `sql` structure of Spider (Yu et al., EMNLP 2018). Everything is an immutable tuple
made once, so that two parts of queries are compared and counted as they stand.

>>> SpiderSchema({"Singer": ("Name", "Age")}).tables["singer"] == {"name", "age"}
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias


class Column(NamedTuple):
    """`aggregate(DISTINCT id)`; `id` is "table.column", or "*"."""

    aggregate: str
    id: str
    distinct: bool


class Expression(NamedTuple):
    """One column, or two with an arithmetic operator between them."""

    operator: str
    left: Column
    right: Column | None


class Item(NamedTuple):
    """What SELECT lists: `aggregate(expression)`."""

    aggregate: str
    expression: Expression


class Condition(NamedTuple):
    """`expression [NOT] operator value`, and for BETWEEN `AND upper`."""

    negated: bool
    operator: str
    expression: Expression
    value: Value
    upper: Value


class Query(NamedTuple):
    """A query as read. Lists of conditions hold conditions and, between them, "and" or "or".

    `direction` is "" without ORDER BY; the last ASC or DESC holds for all of its expressions.
    """

    distinct: bool
    select: tuple[Item, ...]
    tables: tuple[str | Query, ...]
    on: Conditions
    where: Conditions
    group: tuple[Column, ...]
    having: Conditions
    direction: str
    order: tuple[Expression, ...]
    limit: bool
    intersect: Query | None
    union: Query | None
    except_: Query | None


Value: TypeAlias = "Column | Query | str | float | None"
Conditions: TypeAlias = tuple[Condition | str, ...]


class SpiderSchema:
    """Tables and columns in lower case, in the order of the file, with the foreign-key map.

    `keys` maps a column that takes part in a foreign key to the one that stands for its group.
    """

    __slots__ = ("ids", "keys", "tables")

    def __init__(
        self,
        tables: Mapping[str, tuple[str, ...]],
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self.tables = {
            name.lower(): frozenset(column.lower() for column in columns)
            for name, columns in tables.items()
        }
        self.keys = dict(keys or {})
        columns = (f"{table}.{column}" for table, own in self.tables.items() for column in own)
        self.ids = frozenset(["*", *self.tables, *columns])

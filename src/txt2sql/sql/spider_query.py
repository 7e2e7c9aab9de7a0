"""What Spider's parser makes of a query: its parts, its hardness, and its form for exact set match.

Field's names: hardness (easy, medium, hard, extra) and the normalisation before exact set match (Yu et al.,
EMNLP 2018). What is kept is what the official evaluator keeps: literals go everywhere but in queries inside
FROM; DISTINCT goes, and foreign keys become the column that stands for them, in the outermost query and its
set operations only.

>>> from txt2sql.sql.spider import parse
>>> schema = SpiderSchema({"singer": ("name", "age")})
>>> level(parse("SELECT name FROM singer WHERE age > 20 ORDER BY age", schema))
'medium'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from txt2sql.errors import DataError


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
        self, tables: Mapping[str, tuple[str, ...]], keys: Mapping[str, str] | None = None
    ) -> None:
        self.tables = {
            name.lower(): frozenset(map(str.lower, columns)) for name, columns in tables.items()
        }
        self.keys = dict(keys or {})
        columns = (f"{table}.{column}" for table, own in self.tables.items() for column in own)
        self.ids = frozenset(["*", *self.tables, *columns])


LEVELS = ("easy", "medium", "hard", "extra")


def level(query: Query) -> str:
    """One of LEVELS, as the official evaluator grades a gold query."""
    conditions, connectors = _conditions(query)
    clauses = (
        sum(map(bool, (query.where, query.group, query.direction, query.limit)))
        + max(len(query.tables) - 1, 0)
        + connectors.count("or")
        + sum(condition.operator == "like" for condition in conditions)
    )
    # Queries compared with, and the other side of a set operation; those in FROM do not count.
    values = [value for each in conditions for value in (each.value, each.upper)]
    branches = (query.intersect, query.except_, query.union)
    nested = sum(isinstance(part, Query) for part in chain(values, branches))
    lists = _lists(query)
    if nested == 0:
        if clauses <= 1 and lists == 0:
            return "easy"
        if (clauses <= 1 and lists <= 2) or (clauses <= 2 and lists <= 1):
            return "medium"
        if (clauses <= 2 and lists > 2) or (clauses == 3 and lists <= 2):
            return "hard"
    return "hard" if nested == 1 and clauses <= 1 and lists == 0 else "extra"


def _conditions(query: Query) -> tuple[list[Condition], list[Condition | str]]:
    """Of ON, WHERE and HAVING: the conditions, at the even places of the lists, and what stands at the odd
    ones, "and" and "or" unless one is missing.
    """
    lists = (query.on, query.where, query.having)
    even = [each for listed in lists for each in listed[::2] if not isinstance(each, str)]
    return even, [each for listed in lists for each in listed[1::2]]


def _lists(query: Query) -> int:
    """How many of these are more than one: aggregates, and what SELECT, WHERE and GROUP BY list."""
    # The official count of aggregates takes NOT, and each AND or OR in HAVING, for one.
    aggregates = chain(
        (item.aggregate for item in query.select),
        (not isinstance(each, str) and each.negated for each in query.where[::2]),
        (column.aggregate for column in query.group),
        (each.left.aggregate for each in query.order),
        (each.right.aggregate for each in query.order if each.right),
        (isinstance(each, str) or each.negated for each in query.having),
    )
    counts = (sum(map(bool, aggregates)), len(query.select), len(query.where), len(query.group))
    return sum(count > 1 for count in counts)


class Form(NamedTuple):
    """What is compared of a query; all of it hashable.

    `where` holds conditions only, `connectors` what stands between them; `group` holds ids.
    """

    select: tuple[Item, ...]
    tables: tuple[str | Query, ...]
    where: Conditions
    connectors: frozenset[Condition | str]
    group: tuple[str, ...]
    having: Conditions
    order: tuple[str, tuple[Expression, ...]]
    limit: bool
    keywords: frozenset[str]
    branches: tuple[Form | None, ...]
    """Other side of INTERSECT, UNION and EXCEPT."""


EMPTY = Form((), (), (), frozenset(), (), (), ("", ()), False, frozenset(), (None, None, None))
"""What an unreadable prediction is compared as."""


def normalise(
    query: Query, keys: Mapping[str, str], tables: frozenset[str | Query] | None = None
) -> Form:
    """The form of a query; `tables` are those of the outermost FROM, whose keys are rewritten."""
    if tables is None:
        tables = frozenset(query.tables)

    def column(given: Column) -> Column:
        rewritten = given.id in keys and given.id.partition(".")[0] in tables
        return Column(given.aggregate, keys[given.id] if rewritten else given.id, False)

    def expression(given: Expression) -> Expression:
        return Expression(given.operator, column(given.left), given.right and column(given.right))

    where = _blank_conditions(query.where, expression)
    branches = (query.intersect, query.union, query.except_)
    return Form(
        select=tuple([Item(item.aggregate, expression(item.expression)) for item in query.select]),
        tables=query.tables,
        where=where[::2],
        connectors=frozenset(where[1::2]),
        group=tuple([column(each).id for each in query.group]),
        having=_blank_conditions(query.having, expression),
        order=(query.direction, tuple([expression(each) for each in query.order])),
        limit=query.limit,
        keywords=_keywords(query),
        branches=tuple([branch and normalise(branch, keys, tables) for branch in branches]),
    )


def _keywords(query: Query) -> frozenset[str]:
    """Clauses and operators that occur in the outermost query."""
    conditions, connectors = _conditions(query)
    occurring = {
        query.direction: query.direction,
        "order": query.direction,
        "where": query.where,
        "group": query.group,
        "having": query.having,
        "limit": query.limit,
        "intersect": query.intersect,
        "union": query.union,
        "except": query.except_,
        "or": "or" in connectors,
        "not": any(condition.negated for condition in conditions),
        "in": any(condition.operator == "in" for condition in conditions),
        "like": any(condition.operator == "like" for condition in conditions),
    }
    return frozenset([word for word, there in occurring.items() if there])


def _blank(value: Value) -> Query | None:
    """A query without the literals of its conditions, though not of queries in its FROM; else None."""
    if not isinstance(value, Query):
        return None
    return value._replace(
        on=_blank_conditions(value.on),
        where=_blank_conditions(value.where),
        having=_blank_conditions(value.having),
        intersect=_blank(value.intersect),
        union=_blank(value.union),
        except_=_blank(value.except_),
    )


def _blank_conditions(
    given: Conditions, expression: Callable[[Expression], Expression] = lambda each: each
) -> Conditions:
    """Only even places are conditions to the official evaluator, even where a connector is missing."""
    parts = list(given)
    for place, each in enumerate(parts):
        if place % 2 == 0 and not isinstance(each, str):
            left, values = expression(each.expression), (_blank(each.value), _blank(each.upper))
            parts[place] = Condition(each.negated, each.operator, left, *values)
    return tuple(parts)


def key_map(entry: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Column -> the column that stands for it, from the foreign keys of an item of tables.json.

    None, where there is no item, stays None: the keys that the database declares are taken.

    >>> key_map({"table_names_original": ["a", "b"], "foreign_keys": [[2, 1]],
    ...          "column_names_original": [[-1, "*"], [0, "id"], [1, "a_id"]]})
    {'a.id': 'a.id', 'b.a_id': 'a.id'}
    """
    if entry is None:
        return None
    try:
        tables = [str(name).lower() for name in entry["table_names_original"]]
        columns = [
            f"{tables[at]}.{name.lower()}" if at >= 0 else "*"
            for at, name in entry["column_names_original"]
        ]
        pairs = [(int(source), int(target)) for source, target in entry.get("foreign_keys", [])]
        return group_keys(columns, pairs)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"tables.json describes '{entry.get('db_id')}' in another way than Spider's ({error!r}); "
            "mend the item or remove tables.json to use the keys in the database"
        ) from error


def group_keys(columns: Sequence[str], pairs: Iterable[tuple[int, int]]) -> dict[str, str]:
    """Foreign keys as groups of columns; the first column of each stands for all.

    A pair joins the first group that has either of its columns; groups that meet later stay apart, as
    in the official evaluator.
    """
    groups: list[set[int]] = []
    for pair in pairs:
        group = next((group for group in groups if not group.isdisjoint(pair)), None)
        if group is None:
            groups.append(set(pair))
        else:
            group.update(pair)
    return {columns[at]: columns[min(group)] for group in groups for at in sorted(group)}

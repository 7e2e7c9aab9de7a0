"""What Spider's parser makes of a query: its parts, its hardness, and its form for exact set match.

Field's names: the `sql` structure of Spider, its hardness (easy, medium, hard, extra) and the
normalisation before exact set match (Yu et al., EMNLP 2018). Everything is an immutable tuple, so that
parts of queries are compared and counted as they stand. What is kept and what is forgotten is the
official evaluator's: literals go everywhere but in queries inside FROM; DISTINCT goes, and foreign keys
become the column that stands for them, in the outermost query and its set operations only; a query
compared with a value stays a tree, of which only the literals go.

>>> from txt2sql.sql.spider import parse
>>> schema = SpiderSchema({"singer": ("name", "age")})
>>> level(parse("SELECT name FROM singer WHERE age > 20 ORDER BY age", schema))
'medium'
>>> query = parse("SELECT DISTINCT name FROM singer WHERE age > 20", schema)
>>> normalise(query, {}).where[0].value is None
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


# ---------------------------------------------------------------------------------------- hardness


LEVELS = ("easy", "medium", "hard", "extra")


def level(query: Query) -> str:
    """One of LEVELS, as the official evaluator grades a gold query."""
    clauses, nested, lists = _clauses(query), _nested(query), _lists(query)
    if nested == 0:
        if clauses <= 1 and lists == 0:
            return "easy"
        if (clauses <= 1 and lists <= 2) or (clauses <= 2 and lists <= 1):
            return "medium"
        if (clauses <= 2 and lists > 2) or (clauses == 3 and lists <= 2):
            return "hard"
    elif nested == 1 and clauses <= 1 and lists == 0:
        return "hard"
    return "extra"


def conditions(query: Query) -> list[Condition]:
    """Those of ON, WHERE and HAVING: what stands at the even places of the lists."""
    listed = chain(query.on[::2], query.where[::2], query.having[::2])
    return [condition for condition in listed if not isinstance(condition, str)]


def connectors(query: Query) -> list[Condition | str]:
    """What stands at the odd places: "and" and "or", unless one is missing."""
    return [*query.on[1::2], *query.where[1::2], *query.having[1::2]]


def _clauses(query: Query) -> int:
    return (
        bool(query.where)
        + bool(query.group)
        + bool(query.direction)
        + query.limit
        + max(len(query.tables) - 1, 0)
        + connectors(query).count("or")
        + sum(condition.operator == "like" for condition in conditions(query))
    )


def _nested(query: Query) -> int:
    """Queries compared with, and the other side of a set operation; those in FROM do not count."""
    values = [value for each in conditions(query) for value in (each.value, each.upper)]
    branches = (query.intersect, query.except_, query.union)
    return sum(isinstance(part, Query) for part in chain(values, branches))


def _lists(query: Query) -> int:
    # The official count of aggregates takes NOT, and each AND or OR in HAVING, for one.
    aggregates = chain(
        (item.aggregate for item in query.select),
        (not isinstance(each, str) and each.negated for each in query.where[::2]),
        (column.aggregate for column in query.group),
        (each.left.aggregate for each in query.order),
        (each.right.aggregate for each in query.order if each.right),
        (isinstance(each, str) or each.negated for each in query.having),
    )
    return (
        (sum(map(bool, aggregates)) > 1)
        + (len(query.select) > 1)
        + (len(query.where) > 1)
        + (len(query.group) > 1)
    )


# ----------------------------------------------------------------------------------- normalisation


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
        stands = keys.get(given.id)
        if stands is not None and given.id.partition(".")[0] in tables:
            return Column(given.aggregate, stands, False)
        return Column(given.aggregate, given.id, False) if given.distinct else given

    def expression(given: Expression) -> Expression:
        left, right = column(given.left), given.right and column(given.right)
        if left is given.left and right is given.right:
            return given
        return Expression(given.operator, left, right)

    def rewritten(given: Conditions) -> Conditions:
        parts = list(_blank_conditions(given))
        for place in range(0, len(parts), 2):
            each = parts[place]
            if not isinstance(each, str):
                parts[place] = Condition(
                    each.negated, each.operator, expression(each.expression), each.value, each.upper
                )
        return tuple(parts)

    where = rewritten(query.where) if query.where else ()
    branches = (query.intersect, query.union, query.except_)
    return Form(
        select=tuple([Item(item.aggregate, expression(item.expression)) for item in query.select]),
        tables=query.tables,
        where=where[::2],
        connectors=frozenset(where[1::2]),
        group=tuple([column(each).id for each in query.group]),
        having=rewritten(query.having) if query.having else (),
        order=(query.direction, tuple([expression(each) for each in query.order])),
        limit=query.limit,
        keywords=_keywords(query),
        branches=tuple([branch and normalise(branch, keys, tables) for branch in branches]),
    )


def _keywords(query: Query) -> frozenset[str]:
    """Clauses and operators that occur in the outermost query."""
    words = {query.direction, "order"} if query.direction else set()
    clauses = {
        "where": query.where,
        "group": query.group,
        "having": query.having,
        "limit": query.limit,
        "intersect": query.intersect,
        "union": query.union,
        "except": query.except_,
    }
    words.update([name for name, clause in clauses.items() if clause])
    if query.on or query.where or query.having:
        if "or" in connectors(query):
            words.add("or")
        for condition in conditions(query):
            if condition.negated:
                words.add("not")
            if condition.operator in ("in", "like"):
                words.add(condition.operator)
    return frozenset(words)


def _blank(query: Query) -> Query:
    """The query without the literals of its conditions; queries in its FROM keep theirs."""
    return query._replace(
        on=_blank_conditions(query.on),
        where=_blank_conditions(query.where),
        having=_blank_conditions(query.having),
        intersect=query.intersect and _blank(query.intersect),
        union=query.union and _blank(query.union),
        except_=query.except_ and _blank(query.except_),
    )


def _blank_conditions(given: Conditions) -> Conditions:
    """Only even places are conditions to the official evaluator, even where a connector is missing."""
    parts = list(given)
    for place in range(0, len(parts), 2):
        each = parts[place]
        if not isinstance(each, str):
            parts[place] = Condition(
                each.negated,
                each.operator,
                each.expression,
                _blank_value(each.value),
                _blank_value(each.upper),
            )
    return tuple(parts)


def _blank_value(value: Value) -> Query | None:
    return _blank(value) if isinstance(value, Query) else None


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
            group = set()
            groups.append(group)
        group.update(pair)
    return {columns[at]: columns[min(group)] for group in groups for at in sorted(group)}

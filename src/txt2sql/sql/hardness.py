"""How hard a query is, on Spider's scale: easy, medium, hard, extra.

Field's name: Spider hardness (Yu et al., "Spider", EMNLP 2018). Counted are the clauses of the
outermost query, the queries nested in it, and lists longer than one.

>>> from txt2sql.sql.spider import parse
>>> from txt2sql.sql.spider_query import SpiderSchema
>>> schema = SpiderSchema({"singer": ("name", "age")})
>>> level(parse("SELECT name FROM singer WHERE age > 20 ORDER BY age", schema))
'medium'
"""

from __future__ import annotations

from itertools import chain

from txt2sql.sql.spider_query import Condition, Query

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

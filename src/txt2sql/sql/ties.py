"""The gold query with its ORDER BY keys in sight, so that ties in its order can be told.

SQL leaves the order of rows with equal keys open, and with LIMIT also which of them are kept
(sqlite.org/lang_select.html).

>>> with_order_keys("SELECT name AS n FROM singer ORDER BY age DESC, n LIMIT 3").sql
'SELECT name AS n, age AS "__order_key_1", name AS "__order_key_2" FROM singer ORDER BY age DESC, n'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from txt2sql.sql.normal_form import Generator
from txt2sql.sql.sources import Node

_LONGEST = 50_000
_KEY = "__order_key_"


@dataclass(frozen=True, slots=True)
class TieQuery:
    """A gold query without LIMIT whose last `n_keys` columns are its ORDER BY keys.

    Of its rows the gold query shows `limit` (None: all) after skipping `offset`.
    """

    sql: str
    n_keys: int
    offset: int = 0
    limit: int | None = None


def with_order_keys(gold_sql: str) -> TieQuery | None:
    """The query with its keys, or None when its outermost SELECT has no order or is not plain: a set
    operation, DISTINCT with a key that is not selected, a key by position beside a `*`, a random key, a LIMIT
    that is not a number.
    """
    if len(gold_sql) > _LONGEST or _KEY in gold_sql:
        return None
    try:
        return _with_keys(*(tree for tree in parse(gold_sql, read="sqlite") if tree is not None))
    except (SqlglotError, RecursionError, LookupError, TypeError, ValueError):
        return None


def _with_keys(tree: Node) -> TieQuery:
    order = tree.args.get("order")
    if not isinstance(tree, exp.Select) or order is None or order.find(exp.Rand):
        raise ValueError
    items = tree.expressions
    keys = [_key(term.this, items) for term in order.expressions]
    selected = {_plain(item) for item in items}
    if tree.args.get("distinct") and not selected.issuperset(map(_plain, keys)):
        raise ValueError
    limit, offset = (tree.args.pop(name, None) for name in ("limit", "offset"))
    rows = None if limit is None or isinstance(limit.expression, exp.Neg) else _number(limit)
    shown = [exp.alias_(key.copy(), f"{_KEY}{i}", quoted=True) for i, key in enumerate(keys, 1)]
    tree.set("expressions", [*items, *shown])
    sql = Generator(dialect="sqlite", comments=False).generate(tree, copy=False)
    return TieQuery(sql, len(keys), _number(offset) if offset else 0, rows)


def _key(node: Node, items: Sequence[Node]) -> Node:
    # A term is a position, an alias or an expression to SQLite.
    if isinstance(node, exp.Literal) and not node.is_string:
        place = int(node.name)
        if not 0 < place <= len(items) or any(item.is_star for item in items[:place]):
            raise ValueError
        return items[place - 1].unalias()
    aliases = {item.alias.lower(): item.this for item in reversed(items) if item.alias}
    if isinstance(node, exp.Column) and not node.table and node.name.lower() in aliases:
        return aliases[node.name.lower()]
    if any(name.quoted and name.name.lower() in aliases for name in node.find_all(exp.Identifier)):
        raise ValueError  # in the select list it would be a string
    return node


def _plain(node: Node) -> str:
    node = node.unalias().copy()
    for name in node.find_all(exp.Identifier):
        name.replace(exp.to_identifier(name.name.lower(), quoted=False))
    return str(node.sql(dialect="sqlite", comments=False))


def _number(clause: Node) -> int:
    if not isinstance(clause.expression, exp.Literal) or not clause.expression.name.isdecimal():
        raise ValueError
    return int(clause.expression.name)

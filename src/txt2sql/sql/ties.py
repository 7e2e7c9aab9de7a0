"""The gold query with its ORDER BY keys in sight, so that ties in its order can be told.

SQL leaves the order of rows with equal keys open, and with LIMIT also which of them are kept
(sqlite.org/lang_select.html). The tree says what the keys are; the query is changed as text, by
inserting them and cutting LIMIT, because a parser that writes SQL anew may write other SQL.

>>> with_order_keys("SELECT name AS n FROM singer ORDER BY age DESC, n LIMIT 3").sql
'SELECT name AS n , age AS "__order_key_1", name AS "__order_key_2" FROM singer ORDER BY age DESC, n'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError

from txt2sql.sql.sources import Node, span

_LONGEST = 50_000
_KEY = "__order_key_"
_CLAUSES = {"FROM", "WHERE", "GROUP_BY", "HAVING", "WINDOW", "ORDER_BY"}
_SQLITE = Dialect.get_or_raise("sqlite")


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
        tokens = _SQLITE.tokenize(gold_sql)
        trees = [tree for tree in _SQLITE.parser().parse(tokens, gold_sql) if tree is not None]
        return _with_keys(gold_sql, tokens, *trees)
    except (SqlglotError, RecursionError, LookupError, TypeError, ValueError):
        return None


def _with_keys(sql: str, tokens: Sequence[Any], tree: Node) -> TieQuery:
    order = tree.args.get("order")
    if not isinstance(tree, exp.Select) or order is None or order.find(exp.Rand):
        raise ValueError
    # The tokens outside brackets by their kinds, and where the SELECT has what.
    depth, kinds = 0, []
    for token in tokens:
        kind = token.token_type.name
        depth -= kind == "R_PAREN"
        kinds.append(kind if depth == 0 else "")
        depth += kind == "L_PAREN"
    start = kinds.index("SELECT") + 1
    start += kinds[start] in ("DISTINCT", "ALL")
    clause = start + 1  # FROM, but that of IS DISTINCT FROM
    while kinds[clause] not in _CLAUSES or kinds[clause - 1] == "DISTINCT":
        clause += 1
    by = kinds.index("ORDER_BY", clause)
    ends = (i for i in range(by, len(kinds)) if kinds[i] in ("LIMIT", "SEMICOLON"))
    end = next(ends, len(kinds))

    items = []
    for node, (first, last) in zip(tree.expressions, _parts(kinds, start, clause), strict=True):
        if isinstance(node, exp.Alias):
            last -= 2 if kinds[last - 2] == "ALIAS" else 1
        items.append((node, sql[tokens[first].start : tokens[last - 1].end + 1]))
    keys = []
    for term, (first, last) in zip(order.expressions, _parts(kinds, by + 1, end), strict=True):
        if last - first > 2 and tokens[last - 2].text.upper() == "NULLS":
            last -= 2
        last -= kinds[last - 1] in ("ASC", "DESC")
        text = sql[tokens[first].start : tokens[last - 1].end + 1]
        keys.append(_key(term.this, text, sql, items))
    selected = {_plain(item) for item, _ in items}
    if tree.args.get("distinct") and any(_plain(key) not in selected for key, _ in keys):
        raise ValueError
    columns = "".join(f', {text} AS "{_KEY}{i}"' for i, (_, text) in enumerate(keys, 1))
    where = tokens[clause].start
    shown = f"{sql[:where]}{columns} {sql[where : tokens[end - 1].end + 1]}"
    limit, offset = (tree.args.get(name) for name in ("limit", "offset"))
    rows = None if limit is None or isinstance(limit.expression, exp.Neg) else _number(limit)
    return TieQuery(shown, len(keys), _number(offset) if offset else 0, rows)


def _parts(kinds: Sequence[str], start: int, end: int) -> list[tuple[int, int]]:
    commas = [i for i in range(start, end) if kinds[i] == "COMMA"]
    return list(zip([start, *(i + 1 for i in commas)], [*commas, end], strict=True))


def _key(node: Node, text: str, sql: str, items: Sequence[tuple[Node, str]]) -> tuple[Node, str]:
    # A term is a position, an alias or an expression to SQLite.
    if isinstance(node, exp.Literal) and not node.is_string:
        place = int(node.name)
        if not 0 < place <= len(items) or any(item.is_star for item, _ in items[:place]):
            raise ValueError
        return items[place - 1]
    aliases = {item.alias.lower(): (item, as_) for item, as_ in reversed(items) if item.alias}
    if isinstance(node, exp.Column) and not node.table and node.name.lower() in aliases:
        return aliases[node.name.lower()]
    for name in node.find_all(exp.Identifier):
        if name.name.lower() in aliases and sql[span(name)[0]] == '"':
            raise ValueError  # in the select list it would be a string
    return node, text


def _plain(node: Node) -> str:
    node = node.unalias().copy()
    for name in node.find_all(exp.Identifier):
        name.replace(exp.to_identifier(name.name.lower(), quoted=False))
    return str(node.sql(dialect="sqlite", comments=False))


def _number(clause: Node) -> int:
    if not isinstance(clause.expression, exp.Literal) or not clause.expression.name.isdecimal():
        raise ValueError
    return int(clause.expression.name)

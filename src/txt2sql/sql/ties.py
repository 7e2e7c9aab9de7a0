"""The gold query with its ORDER BY keys in sight, so that ties in its order can be told.

SQL leaves the order of rows with equal keys open, and with LIMIT also which of them are kept
(sqlite.org/lang_select.html). The query is changed as text, by inserting the keys and cutting LIMIT,
because a parser that writes SQL anew may write other SQL.

>>> with_order_keys("SELECT name AS n FROM singer ORDER BY age DESC, n LIMIT 3").sql
'SELECT name AS n , age AS "__order_key_1", name AS "__order_key_2" FROM singer ORDER BY age DESC, n'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_LONGEST = 50_000
_KEY = "__order_key_"
_TOKEN = re.compile(
    r"(?P<gap>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]"
    r"|\d+(?:\.\d*)?|\w+|.",
    re.S,
)
_CLAUSES = ("from", "where", "group", "having", "window", "order", "limit")
_COMPOUND = frozenset("select union intersect except values ;".split())
# After one of these, or when it is one itself, the last word of a select item is no alias.
_OPERATORS = frozenset(
    "and or not is null in like glob match regexp between escape collate case when then else end "
    "isnull notnull distinct over filter from + - * / % | < > = ! & ~ . ( ,".split()
)


@dataclass(frozen=True, slots=True)
class TieQuery:
    """A gold query without LIMIT whose last `n_keys` columns are its ORDER BY keys.

    Of its rows the gold query shows `limit` (None: all) after skipping `offset`.
    """

    sql: str
    n_keys: int
    offset: int = 0
    limit: int | None = None


class _Token(NamedTuple):
    text: str
    """As written, but words in lower case."""
    start: int
    end: int
    depth: int


class _Item(NamedTuple):
    """A select item: its expression as written and in one spelling, and its alias or ''."""

    sql: str
    plain: str
    alias: str


def with_order_keys(gold_sql: str) -> TieQuery | None:
    """The query with its keys, or None when its outermost SELECT has no order or is not plain.

    Not plain: a set operation, DISTINCT with a key that is not selected, a key by position beside a
    `*`, a random key, a LIMIT that is not a number. A query that fails when it runs (a key that
    computes with an alias) tells nothing either.
    """
    if len(gold_sql) > _LONGEST or _KEY in gold_sql:
        return None
    tokens = _tokens(gold_sql)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    start = next((i for i, t in enumerate(tokens) if t.depth == 0 and t.text == "select"), None)
    if start is None or (start > 0 and tokens[0].text != "with"):
        return None
    clauses = _clauses(tokens, start + 1)
    if clauses is None or "order" not in clauses or tokens[-1].text == "order":
        return None
    order, end = clauses["order"], clauses.get("limit", len(tokens))
    distinct = tokens[start + 1].text == "distinct"
    head = start + 2 if tokens[start + 1].text in ("distinct", "all") else start + 1
    first_clause = min(clauses.values())
    items = [_item(gold_sql, part) for part in _split(tokens[head:first_clause])]
    keys = [_key(gold_sql, part, items) for part in _split(tokens[order + 2 : end])]
    bounds = _bounds([token.text for token in tokens[end + 1 :]])
    valid = [key for key in keys if key is not None]
    if bounds is None or len(valid) < len(keys) or tokens[order + 1].text != "by":
        return None
    if distinct and not {key.plain for key in valid} <= {item.plain for item in items}:
        return None
    columns = "".join(f', {key.sql} AS "{_KEY}{i}"' for i, key in enumerate(valid, 1))
    where = tokens[first_clause].start
    sql = f"{gold_sql[:where]}{columns} {gold_sql[where : tokens[end - 1].end]}"
    return TieQuery(sql, len(valid), *bounds)


def _tokens(sql: str) -> list[_Token]:
    tokens, depth = [], 0
    for match in _TOKEN.finditer(sql):
        if match["gap"]:
            continue
        text = match[0]
        if text == ")":
            depth -= 1
        quoted = text[0] in "'\"`["
        tokens.append(_Token(text if quoted else text.lower(), match.start(), match.end(), depth))
        if text == "(":
            depth += 1
    return tokens


def _clauses(tokens: Sequence[_Token], start: int) -> dict[str, int] | None:
    """Where each clause of the SELECT begins; None when it is one side of something larger."""
    places: dict[str, int] = {}
    for i in range(start, len(tokens)):
        text, depth = tokens[i].text, tokens[i].depth
        if depth != 0 or tokens[i - 1].text == ".":
            continue
        if text in _COMPOUND:
            return None
        if text == "from" and i > start + 1 and tokens[i - 1].text == "distinct":
            continue  # IS DISTINCT FROM
        if text in _CLAUSES:
            places.setdefault(text, i)
    return places


def _split(tokens: Sequence[_Token]) -> list[list[_Token]]:
    """The parts between the commas outside brackets."""
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token.text == "," and token.depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _item(sql: str, tokens: list[_Token]) -> _Item:
    alias = ""
    if len(tokens) > 2 and tokens[-2].text == "as":
        tokens, alias = tokens[:-2], _name(tokens[-1].text)
    elif (
        len(tokens) > 1
        and tokens[-1].text != ")"
        and _OPERATORS.isdisjoint(token.text for token in tokens[-2:])
    ):
        tokens, alias = tokens[:-1], _name(tokens[-1].text)
    return _written(sql, tokens, alias)


def _written(sql: str, tokens: Sequence[_Token], alias: str = "") -> _Item:
    if not tokens:
        return _Item("", "", alias)
    plain = " ".join(t.text if t.text[0] == "'" else _name(t.text) for t in tokens)
    return _Item(sql[tokens[0].start : tokens[-1].end], plain, alias)


def _name(text: str) -> str:
    """What a word or quoted name is called, in the case that SQL compares it in."""
    return (text[1:-1] if text[0] in "'\"`[" and len(text) > 1 else text).lower()


def _key(sql: str, tokens: list[_Token], items: Sequence[_Item]) -> _Item | None:
    """What one ORDER BY term sorts by, as SQLite reads it: a position, an alias, an expression."""
    for ending in (("first", "last"), ("nulls",), ("asc", "desc")):
        if len(tokens) > 1 and tokens[-1].text in ending:
            tokens = tokens[:-1]
    texts = [token.text for token in tokens]
    if not tokens or "random" in texts or "randomblob" in texts:
        return None
    if len(texts) == 1 and texts[0].isdigit():
        place = int(texts[0]) if len(texts[0]) < 6 else 0
        stars = any(item.sql.endswith("*") for item in items[:place])
        return items[place - 1] if 0 < place <= len(items) and not stars else None
    aliases = {item.alias: item for item in reversed(items) if item.alias}
    if len(texts) == 1 and texts[0][0] != "'" and _name(texts[0]) in aliases:
        return aliases[_name(texts[0])]
    if any(text[0] == '"' and _name(text) in aliases for text in texts):
        return None  # in the select list it would be a string
    return _written(sql, tokens)


def _bounds(texts: Sequence[str]) -> tuple[int, int | None] | None:
    """(offset, limit) of the words after LIMIT, or None when they are not numbers."""
    if not texts:
        return 0, None
    match = re.fullmatch(r"(- )?(\d{1,9})(?: (,|offset) (\d{1,9}))?", " ".join(texts))
    if match is None or (match[1] and match[3] == ","):
        return None
    first, second = int(match[2]), int(match[4] or 0)
    if match[3] == ",":
        return first, second
    return second, None if match[1] else first

"""Names of tables and columns as SQLite reads them: which need double quotes.

Source: sqlite.org/lang_keywords.html and the fallbacks of SQLite's parse.y. A name that needs no quotes
is written bare, everywhere alike: in prompts, in what a model is trained to write and may write, and in
what is written for it.

>>> quote_identifier("order"), quote_identifier("Order_ID"), quote_identifier("home town")
('"order"', 'Order_ID', '"home town"')
"""

from __future__ import annotations

import re

RESERVED = frozenset(
    """add all alter and as autoincrement between case check collate commit constraint create
    default deferrable delete distinct drop else escape except exists foreign from group having in
    index insert intersect into is isnull join limit not nothing notnull null on or order primary
    references returning select set table then to transaction union unique update using values
    when where""".split()
)
"""SQLite's keywords that are no names without quotes; its other keywords are."""

# Those that are another thing in an expression, or that other engines and parsers refuse.
_QUOTED = RESERVED.union(
    """abort action asc by cast column cross current current_date current_time current_timestamp desc
    each end for full if inner key left like match natural of offset outer raise right row rows
    trigger view with""".split()
)
KEYWORDS = _QUOTED.union(
    """after always analyze attach before begin cascade conflict database deferred detach do exclude
    exclusive explain fail filter first following generated glob groups ignore immediate indexed
    initially instead last materialized no nulls others over partition plan pragma preceding query
    range recursive regexp reindex release rename replace restrict rollback savepoint temp temporary
    ties unbounded vacuum virtual window within without""".split()
)
"""All of SQLite's keywords."""

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def quote_identifier(name: str) -> str:
    """A name as SQLite reads it: bare where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(name) and name.lower() not in _QUOTED:
        return name
    return '"' + name.replace('"', '""') + '"'

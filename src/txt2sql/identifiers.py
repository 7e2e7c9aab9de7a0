"""Names of tables and columns: which need double quotes in SQLite, and of what words they are made.

Source: sqlite.org/lang_keywords.html and the fallbacks of SQLite's parse.y. A name that needs no quotes
is written bare, everywhere alike: in prompts, in what a model is trained to write and may write, and in
what is written for it.

>>> quote_identifier("order"), quote_identifier("Order_ID"), quote_identifier("home town")
('"order"', 'Order_ID', '"home town"')
"""

from __future__ import annotations

import re
from collections.abc import Sequence

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

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman"}


def quote_identifier(name: str) -> str:
    """A name as SQLite reads it: bare where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(name) and name.lower() not in _QUOTED:
        return name
    return '"' + name.replace('"', '""') + '"'


def name_parts(name: str) -> list[str]:
    """The words of an identifier in lower case.

    >>> name_parts("stg_OrderItems2023")
    ['stg', 'order', 'items', '2023']
    """
    return [part.lower() for part in _PART.findall(name)]


def stem(word: str) -> str:
    """The singular of a plural, as far as endings tell.

    >>> [stem(word) for word in ("cities", "boxes", "users", "class")]
    ['city', 'box', 'user', 'class']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "su" else word


def joined(words: Sequence[str]) -> str:
    """One spelling of a name, whatever separates its words."""
    return "".join(map(stem, words))

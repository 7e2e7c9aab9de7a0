"""The tokens of a plain SQLite statement: names, strings, numbers, operators, in small letters.

Field's name: lexical analysis, of as much of SQLite's language (tokenize.c) as text-to-SQL speaks.
What it does not read (comments, blobs, parameters, other quotes) becomes tokens that no grammar
knows, so that who reads on finds out; it never reads a statement otherwise than SQLite does.

>>> tokenise("SELECT T1 . Name FROM Singer AS T1 WHERE Age>=3;")
['select', 't1 . name', 'from', 'singer', 'as', 't1', 'where', 'age', '>=', '3']
"""

from __future__ import annotations

import re

QUOTES = "'\""
LONGEST = 2000
"""Characters of a statement that is read."""

# A name takes its qualifier with it. What no other branch takes is a token of one character.
_TOKEN = re.compile(
    r"""[xX]'|[a-zA-Z_]\w*(?:[ \t\n\f\r]*\.[ \t\n\f\r]*(?:[a-zA-Z_]\w*|\*))?"""
    r"""|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|\d+(?:\.\d+)?(?![\w.])"""
    r"""|<=|>=|<>|!=|==|\|\||<<|>>|->|--|/\*|[^ \t\n\f\r]""",
    re.ASCII,
)
# SQLite's keywords. Some are names as well where a name must stand; here none is.
KEYWORDS = frozenset(
    """abort action add after all alter always analyze and as asc attach autoincrement before begin
    between by cascade case cast check collate column commit conflict constraint create cross current
    current_date current_time current_timestamp database default deferrable deferred delete desc
    detach distinct do drop each else end escape except exclude exclusive exists explain fail filter
    first following for foreign from full generated glob group groups having if ignore immediate in
    index indexed initially inner insert instead intersect into is isnull join key last left like
    limit match materialized natural no not nothing notnull null nulls of offset on or order others
    outer over partition plan pragma preceding primary query raise range recursive references regexp
    reindex release rename replace restrict returning right rollback row rows savepoint select set
    table temp temporary then ties to transaction trigger unbounded union unique update using vacuum
    values view virtual when where window with within without""".split()
)


def tokenise(sql: str) -> list[str]:
    """The tokens without one `;` at the end, strings and quoted names as they stand; or nothing."""
    if len(sql) > LONGEST:
        return []
    if "'" in sql or '"' in sql or not sql.isascii():
        tokens = _TOKEN.findall(sql)
        if "'" in tokens or '"' in tokens:
            return []  # a quote that is never closed, which makes a string of all that follows
        if not (sql.isascii() or all(t[0] in QUOTES or t.isascii() for t in tokens)):
            return []  # Python knows more small letters than SQLite
        tokens = [token if token[0] in QUOTES else token.lower() for token in tokens]
    else:
        tokens = _TOKEN.findall(sql.lower())
    if tokens and tokens[-1] == ";":
        tokens.pop()
    return tokens

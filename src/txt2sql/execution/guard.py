"""Is this text one statement that reads? The cheap first look; SQLite's authorizer is the wall.

A scanner in the sense of sqlite.org/lang_comment.html and lang_expr.html: it knows strings, quoted
names and comments, nothing else, and takes time linear in the text.

>>> check_read_only("SELECT 1; DROP TABLE sale")
'only one statement can be run, and this text holds several'
>>> check_read_only("SELECT ';' -- ; fine")
"""

from __future__ import annotations

import re

MAX_SQL_CHARS = 100_000

# SQLite's own white space: other Unicode spaces are part of a name to it.
_SPACE = " \t\n\f\r"
_SKIP = re.compile(r"(?:[ \t\n\f\r]+|--[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_TOKEN = re.compile(
    r"""'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)|`[^`]*(?:`|\Z)|\[[^\]]*(?:\]|\Z)"""
    r"""|--[^\n]*|/\*.*?(?:\*/|\Z)|;|[^'"`\[;/-]+|.""",
    re.DOTALL,
)


def check_read_only(sql: str) -> str | None:
    """Why the text cannot be run as one reading statement, or None."""
    if len(sql) > MAX_SQL_CHARS:
        return f"the statement is longer than {MAX_SQL_CHARS:,} characters"
    if "\0" in sql:
        return "the statement holds a NUL character"
    start = _end(_SKIP.match(sql))
    if start == len(sql):
        return "the statement is empty"
    word = _WORD.match(sql, start)
    if word is None or word.group().upper() not in {"SELECT", "WITH", "VALUES"}:
        shown = word.group() if word else sql[start]
        return f"only SELECT, WITH and VALUES statements can be run, not {shown[:20]!r}"
    if ";" in sql.rstrip(_SPACE)[:-1] and _holds_several(sql):
        return "only one statement can be run, and this text holds several"
    return None


def _holds_several(sql: str) -> bool:
    """True when something other than space, comments and `;` follows a `;` outside quotes."""
    for token in _TOKEN.finditer(sql):
        if token.group() == ";":
            rest = token.end()
            while rest < len(sql):
                rest = _end(_SKIP.match(sql, rest))
                if rest == len(sql):
                    return False
                if sql[rest] != ";":
                    return True
                rest += 1
            return False
    return False


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else 0

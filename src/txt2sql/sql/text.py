"""What a model wrote -> the SQL in it; and questions about SQL that need only its text.

A completion wraps its query in fences, prose, JSON, prefixes, reasoning and explanations.
`extract_sql` finds the first statement and cuts what follows it. A statement that is SQL but wrong
is returned as it stands: judging it is the database's work, not this module's. Nothing here raises,
whatever the input.

>>> extract_sql("Here you are:\\n```sql\\nSELECT name FROM singer;\\n```\\nThis lists the singers.")
'SELECT name FROM singer'
>>> is_ordered("SELECT * FROM (SELECT a FROM t ORDER BY a)")
False
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

DECLINED = "the model found nothing in this database that answers it"
_LONGEST = 50_000
"""Characters of a completion that are read: far above any `max_new_tokens`, so that a runaway
completion costs milliseconds."""

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)|\A.*?</think>", re.S | re.I)
_FENCE = re.compile(r"```[ \t]*(\w*)[ \t]*\n?(.*?)(?:```|\Z)", re.S)
_READ = r"SELECT\b|WITH\s+(?:RECURSIVE\s+)?[\w\"`\[\] ]+?(?:\([^)]*\)\s*)?\s*AS\s*(?:\w+\s+)*\("
_WRITE = (
    r"(?:INSERT|REPLACE)\s+(?:OR\s+\w+\s+)?INTO\b|DELETE\s+FROM\b|UPDATE\s+\S+\s+SET\b"
    r"|(?:DROP|ALTER)\s+(?:TABLE|VIEW|INDEX|TRIGGER)\b|PRAGMA\s+\w+|ATTACH\s+\S|VACUUM\b"
    r"|CREATE\s+(?:TEMP\w*\s+|UNIQUE\s+|VIRTUAL\s+)?(?:TABLE|VIEW|INDEX|TRIGGER)\b|EXPLAIN\s+\w"
)
_START = re.compile(rf"(?:{_READ}|{_WRITE}|VALUES\s*\()", re.I)
_AT_HEAD = re.compile(
    rf"(?:\A|\n|`|>)[ \t>*]*(?:[\w ]*\b(?:SQL|query|answer)\b[\w \t]*\**:\**\s*`*)?"
    rf"(?P<sql>{_START.pattern})",
    re.I,
)
_TOKEN = re.compile(
    r"(?P<end>;|```|<\|[^|\n]{1,40}\|>|</?(?:s|sql|answer|code|query)>)"
    r"|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/"
    r"|(?P<word>\w+)|(?P<space>\s+)|(?P<other>.)",
    re.S,
)


def extract_sql(completion: str) -> str | None:
    """The first SQL statement of a completion without its `;`, or None when there is none.

    Text inside code fences comes before text outside them. A completion which holds no statement
    (a refusal, prose, a question back) gives None.
    """
    text = _THINKING.sub("", completion[:_LONGEST])
    for candidate in _candidates(text):
        sql = _first_statement(candidate)
        if sql is not None:
            return sql
    return None


def declines(sql: str) -> bool:
    """Whether a statement is `SELECT NULL`: what the bundled model writes where a database has no answer."""
    return re.fullmatch(r"\s*SELECT\s+NULL\s*;?\s*", sql, re.I) is not None


def is_ordered(sql: str) -> bool:
    """True when the outermost query of the (first) statement has an ORDER BY.

    An ORDER BY inside parentheses (a subquery, a window, an aggregate) orders nothing outside them.

    >>> is_ordered("SELECT a FROM t WHERE b = 'order by' ORDER BY a")
    True
    """
    depth, previous = 0, ""
    for kind, token in _tokens(sql[:_LONGEST]):
        if kind == "end":
            return False
        if token in "()":
            depth += 1 if token == "(" else -1
        elif depth == 0 and previous == "order" and kind == "word" and token.lower() == "by":
            return True
        if kind != "space" and not _is_comment(token):
            previous = token.lower() if kind == "word" else ""
    return False


def is_statement(sql: str) -> bool:
    """True when it is one SQL statement that parses.

    >>> is_statement("SELECT count(*) FROM sale"), is_statement("SELECT I cannot tell from this")
    (True, False)
    """
    return len(sql) <= _LONGEST and _parse(sql) is not None


def normalise(sql: str) -> str:
    """One line, keywords in capitals, comments and the final `;` gone: for display and for dedup.

    Text that sqlglot cannot parse only has its white space folded (outside quotes).

    >>> normalise("select  a\\nfrom t -- all of them")
    'SELECT a FROM t'
    """
    parsed = _parse(sql)
    if parsed is not None:
        return parsed
    # Folding can join a quote mark to another and so move where quotes end: until nothing changes.
    while (folded := _folded(sql)) != sql:
        sql = folded
    return folded


def _folded(sql: str) -> str:
    """Without comments and the final `;`, white space outside quotes as one space."""
    parts: list[str] = []
    for kind, token in _tokens(sql):
        gap = kind == "space" or _is_comment(token)
        if not gap:
            parts.append(token)
        elif parts and parts[-1] != " ":
            parts.append(" ")
    while parts and parts[-1] in (" ", ";"):
        parts.pop()
    return "".join(parts)


def _candidates(text: str) -> Iterator[str]:
    """The places where SQL may stand, most explicit first."""
    yield from _json_values(text)
    blocks = _FENCE.findall(text)
    for _, body in blocks:
        yield from _json_values(body)
    yield from (body for language, body in blocks if language.lower() in ("sql", "sqlite"))
    yield from (body for language, body in blocks if language.lower() not in ("sql", "sqlite"))
    yield text


def _json_values(text: str) -> Iterator[str]:
    """Values of the keys `sql` and `query` when the text is a JSON object."""
    if not text.lstrip().startswith("{"):
        return
    try:
        value, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return
    for key, item in value.items():
        if key.lower() in ("sql", "query", "sql_query") and isinstance(item, str):
            yield item


def _first_statement(text: str) -> str | None:
    """The first statement that opens a line or follows `SQL:`, else one in the middle of prose."""
    for match in _AT_HEAD.finditer(text):
        quoted = text[: match.start("sql")].endswith("`") and not text[
            : match.start("sql")
        ].endswith("```")
        sql, sound = _cut(text[match.start("sql") :], quoted)
        # "Select the rows you want." opens a line too: prose capitalises, SQL in doubt does not.
        if sound or not match["sql"].istitle():
            return sql
    for match in _START.finditer(text):
        sql, sound = _cut(text[match.start() :], inline=False)
        if sound and re.search(r"\bfrom\b", sql, re.I):
            return sql
    return None


def _cut(text: str, inline: bool) -> tuple[str, bool]:
    """The statement at the start of `text` without what follows it, and whether it parses.

    `inline` says that a single backtick closes it.
    """
    if inline and (closing := text.find("`")) > 0:
        text = text[:closing]
    position = 0
    for kind, token in _tokens(text):
        if kind == "end":
            break
        position += len(token)
    whole = _trim(text[:position])
    if _parse(whole) is not None:
        return whole, True
    lines = whole.split("\n")
    for count in range(min(len(lines), 60) - 1, 0, -1):
        shorter = _trim("\n".join(lines[:count]))
        if _parse(shorter) is not None:
            return shorter, True
    return _trim(re.split(r"\n\s*\n", whole, maxsplit=1)[0]), False


def _trim(sql: str) -> str:
    """Without white space and comment lines at the end (the next question of a base model)."""
    return re.sub(r"(?:\s*\n[ \t]*(?:--|#)[^\n]*)+\Z", "", sql.strip()).strip()


def _tokens(sql: str) -> Iterator[tuple[str | None, str]]:
    """(kind, text) of each piece; quoted text and comments are one piece of kind None."""
    return ((match.lastgroup, match[0]) for match in _TOKEN.finditer(sql))


def _is_comment(token: str) -> bool:
    return len(token) > 1 and token.startswith(("--", "/*"))


def _parse(sql: str) -> str | None:
    """One statement in sqlglot's canonical SQLite text, or None when it is not one statement."""
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    try:
        statements = [s for s in parse(sql, read="sqlite") if s is not None]
        if len(statements) != 1 or isinstance(statements[0], (exp.Command, exp.Column, exp.Alias)):
            return None
        if isinstance(statements[0], exp.Select) and not statements[0].expressions:
            return None
        return statements[0].sql(dialect="sqlite", comments=False)
    except (SqlglotError, RecursionError, ValueError):
        return None

"""What a model wrote -> the SQL in it; and questions about SQL that need only its text.

A completion wraps its query in fences, prose, JSON, prefixes, reasoning and explanations. A statement
that is SQL but wrong is returned as it stands. Nothing here raises, whatever the input.

>>> extract_sql("Here you are:\\n```sql\\nSELECT name FROM singer;\\n```\\nThis lists the singers.")
'SELECT name FROM singer'
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

DECLINED = "the model found nothing in this database that answers it"
_LONGEST = 50_000  # characters of a completion that are read: a runaway one costs milliseconds

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
# What may end a statement, quoted text, gaps with comments, words, and single characters.
_TOKEN = re.compile(
    r"(?P<end>;|```|<\|[^|\n]{1,40}\|>|</?(?:s|sql|answer|code|query)>)"
    r"|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]"
    r"|(?P<gap>--[^\n]*|/\*.*?\*/|\s+)|(?P<word>\w+)|.",
    re.S,
)
_WITHOUT = re.compile(r"\bNOT\s+(?:IN\s*\(\s*SELECT|EXISTS)\b|\bEXCEPT\b", re.I)


def extract_sql(completion: str) -> str | None:
    """The first SQL statement of a completion without its `;`, one in a code fence before others; None where
    there is none (a refusal, prose, a question back).
    """
    candidates = _candidates(_THINKING.sub("", completion[:_LONGEST]))
    return next(filter(None, map(_first_statement, candidates)), None)


def none_is_an_answer(sql: str) -> bool:
    """Whether it would tell something that a statement returns nothing: it asks for what happened lately, or
    for what has no partner, as rooms that were never booked.
    """
    return "'now'" in sql or _WITHOUT.search(sql) is not None


def declines(sql: str) -> bool:
    """Whether a statement is `SELECT NULL`: what the bundled model writes where a database has no answer."""
    return re.fullmatch(r"\s*SELECT\s+NULL\s*;?\s*", sql, re.I) is not None


def is_ordered(sql: str) -> bool:
    """True when the outermost query of the (first) statement has an ORDER BY.

    >>> is_ordered("SELECT a FROM t WHERE b = 'order by' ORDER BY a")
    True
    """
    depth, previous = 0, ""
    for match in _TOKEN.finditer(sql[:_LONGEST]):
        kind, token = match.lastgroup, match[0].lower()
        if kind == "end":
            return False
        if token in "()":
            depth += 1 if token == "(" else -1
        elif depth == 0 and previous == "order" and kind == "word" and token == "by":
            return True
        if kind != "gap":
            previous = token if kind == "word" else ""
    return False


def is_statement(sql: str) -> bool:
    return len(sql) <= _LONGEST and _parse(sql) is not None


def normalise(sql: str) -> str:
    """One line, keywords in capitals, comments and the final `;` gone: for display and for dedup.

    Text that sqlglot cannot parse only has its white space folded (outside quotes).
    """
    parsed = _parse(sql)
    if parsed is not None:
        return parsed
    # Folding can join a quote mark to another and so move where quotes end: until nothing changes.
    before = ""
    while sql != before:
        before, parts = sql, [""]
        for match in _TOKEN.finditer(sql):
            part = " " if match.lastgroup == "gap" else match[0]
            if part != " " or parts[-1] not in ("", " "):
                parts.append(part)
        while parts[-1] in (" ", ";"):
            parts.pop()
        sql = "".join(parts)
    return sql


def _candidates(text: str) -> Iterator[str]:
    # The places where SQL may stand, most explicit first.
    yield from _json_values(text)
    blocks = _FENCE.findall(text)
    for _, body in blocks:
        yield from _json_values(body)
    blocks.sort(key=lambda block: block[0].lower() not in ("sql", "sqlite"))
    yield from (body for _, body in blocks)
    yield text


def _json_values(text: str) -> Iterator[str]:
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
        before = text[: match.start("sql")]
        quoted = before.endswith("`") and not before.endswith("```")
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
    # `inline` says that a single backtick closes it.
    if inline and (closing := text.find("`")) > 0:
        text = text[:closing]
    ends = (match.start() for match in _TOKEN.finditer(text) if match.lastgroup == "end")
    whole = _trim(text[: next(ends, None)])
    if _parse(whole) is not None:
        return whole, True
    lines = whole.split("\n")
    for count in range(min(len(lines), 60) - 1, 0, -1):
        shorter = _trim("\n".join(lines[:count]))
        if _parse(shorter) is not None:
            return shorter, True
    return _trim(re.split(r"\n\s*\n", whole, maxsplit=1)[0]), False


def _trim(sql: str) -> str:
    return re.sub(r"(?:\s*\n[ \t]*(?:--|#)[^\n]*)+\Z", "", sql.strip()).strip()


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

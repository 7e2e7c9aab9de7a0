"""What the official Spider evaluator does to two statements before it runs them, quirks included.

Source: the behaviour of taoyds/test-suite-sql-eval (Zhong, Yu and Klein, EMNLP 2020), observed. It
mends `> =`, drops every DISTINCT unless told to keep them (and with that, all statements but the
first), replaces `value` in predictions by `1`, and lets row order count whenever the gold text holds
"order by" anywhere.

>>> as_executed("SELECT DISTINCT a FROM t WHERE b > = 1", keep_distinct=False)
'SELECT  a FROM t WHERE b >= 1'
"""

from __future__ import annotations

import re
from functools import lru_cache

_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)
# Strings (a backslash escapes there, as in sqlparse), quoted names and comments keep their text.
_PIECE = re.compile(
    r"""'(?:''|\\.|[^'\\])*'|"(?:""|\\.|[^"\\])*"|`[^`]*`|\[[^\]\[]*\]"""
    r"""|--[^\r\n]*|/\*.*?\*/|;|\w+""",
    re.DOTALL,
)


def prediction(sql: str) -> str:
    """The predicted text as the evaluator reads it: every `value` is a placeholder to it."""
    return sql.replace("value", "1")


@lru_cache(maxsize=8192)
def as_executed(sql: str, keep_distinct: bool) -> str:
    """The text that runs."""
    sql = sql.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=")
    lowered = sql.lower()
    if not keep_distinct and ("distinct" in lowered or ";" in sql):
        sql = _first_without_distinct(sql)
    return _YEAR.sub("2020", sql) if "curdate" in lowered else sql


def _first_without_distinct(sql: str) -> str:
    end = next((piece.end() for piece in _PIECE.finditer(sql) if piece[0] == ";"), len(sql))
    return _PIECE.sub(lambda piece: "" if piece[0].lower() == "distinct" else piece[0], sql[:end])


def is_ordered(gold_sql: str) -> bool:
    """Whether row order counts, as the evaluator decides it: `order by` with one space, anywhere."""
    return "order by" in gold_sql.lower()

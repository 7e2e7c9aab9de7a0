"""A partial query made executable, to see early that it cannot be right.

Field's name: execution-guided decoding (Wang et al. 2018), with relaxations of what is not written
yet. The closure of a prefix is a whole query that can run only if the prefix can be completed: a FROM with
every column is added where it is missing. It is compiled,
not run (LIMIT 0), so a check costs a fraction of a millisecond.

SQLite reads a double-quoted name that it does not know as text, silently. Here names are written in
backticks, which it does not forgive; what then is unknown and may be text is quoted as text, plainly.

>>> from txt2sql.types import Column, Table
>>> closure("SELECT name", Schema("shop", (Table("t", (Column("name"),)),)))
'SELECT name FROM (SELECT NULL AS `name`)'
"""

from __future__ import annotations

import re
from collections.abc import Callable

from txt2sql.search.actions import clause, split_steps
from txt2sql.types import QueryResult, Schema

_QUOTED = re.compile(r"""'(?:[^']|'')*'|`[^`]*`|"((?:[^"]|"")*)\"""")
_QUALIFIER = re.compile(r"\b\w+\s*\.\s*(?=[\w*`\"])")
_MISSING = re.compile(r"no such column: (.+)$")
_SET_OPERATORS = ("union", "intersect", "except")


def closure(text: str, schema: Schema) -> str | None:
    """A prefix of a query completed: before its FROM, every column of the schema is in reach. None where
    nothing can be checked.
    """
    steps = [step for step in split_steps(text) if clause(step) != "reason"]
    kinds = [clause(step) for step in steps]
    if not steps or kinds[0] != "select":
        return None
    last = max(i for i, kind in enumerate(kinds) if kind in ("select", *_SET_OPERATORS))
    body = " ".join(step for step in steps if clause(step) != "limit")
    if "from" in kinds[last:]:
        return body
    names = dict.fromkeys(c.name.lower() for table in schema.tables for c in table.columns)
    source = ", ".join(f"NULL AS `{name}`" for name in names)
    head = " ".join(steps[:last])
    return f"{head} {_QUALIFIER.sub('', steps[last])} FROM (SELECT {source})".strip()


def partial_fault(text: str, schema: Schema, run: Callable[[str], QueryResult]) -> str | None:
    """Why a prefix cannot become a query that runs; None where it may."""
    closed = closure(text, schema)
    return fault(closed, run) if closed else None


def fault(sql: str, run: Callable[[str], QueryResult]) -> str | None:
    """Why SQLite would not compile a query, or None. An unknown name in double quotes may be meant as
    text; it is checked as text.
    """
    strict = in_backticks(sql).rstrip().rstrip(";")
    for _ in range(8):
        # From the outside: at its own end, LIMIT 0 lets the parts of a UNION and its like run first.
        result = run(f"SELECT * FROM (\n{strict}\n) LIMIT 0")
        if result.error is None or result.timed_out:
            return None
        missing = _MISSING.search(result.error)
        if not (missing and f"`{missing[1]}`" in strict):
            return result.error
        strict = strict.replace(f"`{missing[1]}`", "'" + missing[1].replace("'", "''") + "'")
    return None


def in_backticks(sql: str) -> str:
    """SQL whose double-quoted names are in backticks, which SQLite never takes for text.

    >>> in_backticks('SELECT "a b", \\'say "x"\\' FROM t')
    'SELECT `a b`, \\'say "x"\\' FROM t'
    """

    def name(found: re.Match[str]) -> str:
        inner = found[1]
        if inner is None or "`" in inner:
            return found[0]
        return "`" + inner.replace('""', '"') + "`"

    return _QUOTED.sub(name, sql)

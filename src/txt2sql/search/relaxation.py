"""A partial query made executable, to see early that it cannot be right.

Field's name: execution-guided decoding (Wang et al. 2018), with relaxations of what is not written
yet. The closure of a prefix is a whole query that can run only if the prefix can be completed: FROM
is added where it is missing, the tables along foreign keys where columns need them. It is compiled,
not run (LIMIT 0), so a check costs a fraction of a millisecond.

SQLite reads a double-quoted name that it does not know as text, silently. Here names are written in
backticks, which it does not forgive; what then is unknown and may be text is quoted as text, plainly.

>>> closure("select [c0]", Links(("t",), (("t", "name"),)))
'select [c0] from [t0]'
"""

from __future__ import annotations

import re
from collections.abc import Callable

from txt2sql.search.actions import clause, split_steps
from txt2sql.sql.decode import decode
from txt2sql.sql.intermediate import SYMBOL
from txt2sql.types import Links, QueryResult, Schema

_QUOTED = re.compile(r"""'(?:[^']|'')*'|`[^`]*`|"((?:[^"]|"")*)\"""")
_QUALIFIER = re.compile(r"\b\w+\s*\.\s*(?=[\w*`\"])")
_ALIAS = re.compile(r"\b[a-f] \. (?=[\[*])")
_MISSING = re.compile(r"no such column: (.+)$")
_SET_OPERATORS = ("union", "intersect", "except")


def closure(text: str, links: Links) -> str | None:
    """The intermediate representation of a prefix completed with the FROM that it lacks; None where
    nothing can be checked.
    """
    steps = split_steps(text)
    kinds = [clause(step) for step in steps]
    last = max((i for i, kind in enumerate(kinds) if kind in ("select", *_SET_OPERATORS)), default=-1)  # fmt: skip
    if last < 0 or "from" in kinds[last:]:
        return text
    used = [int(found[2]) for found in SYMBOL.finditer(steps[last]) if found[1] == "c"]
    tables = [links.columns[i][0] for i in used if i < len(links.columns)]
    head = " ".join([*steps[:last], _ALIAS.sub("", steps[last])])  # whose alias it is comes later
    if not tables:
        return f"{head} from [t0]" if links.tables else None
    return f"{head} from [t{links.tables.index(tables[0])}]"


def sql_closure(text: str, schema: Schema) -> str | None:
    """A prefix of SQL completed: before its FROM, every column of the schema is in reach."""
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


def partial_fault(
    text: str, schema: Schema, links: Links | None, run: Callable[[str], QueryResult]
) -> str | None:
    """Why a prefix, of SQL or under `links` of the intermediate representation, cannot become a query
    that runs; None where it may.
    """
    if links is None:
        closed = sql_closure(text, schema)
        return fault(closed, run, text_allowed=True) if closed else None
    completed = closure(text, links)
    if completed is None:
        return None
    sql = decode(completed, schema, links)
    reason = fault(sql, run) if sql else "not a query"
    # Which tables FROM will join is not known yet.
    pending = completed != text and reason is not None and reason.startswith("no such column")
    return None if pending else reason


def fault(
    sql: str,
    run: Callable[[str], QueryResult],
    *,
    text_allowed: bool = False,
) -> str | None:
    """Why SQLite would not compile a query, or None. `text_allowed`: an unknown name in double quotes
    may be meant as text; it is then checked as text.
    """
    strict = in_backticks(sql).rstrip().rstrip(";")
    for _ in range(8):
        # From the outside: at its own end, LIMIT 0 lets the parts of a UNION and its like run first.
        result = run(f"SELECT * FROM (\n{strict}\n) LIMIT 0")
        if result.error is None or result.timed_out:
            return None
        missing = _MISSING.search(result.error)
        if not (text_allowed and missing and f"`{missing[1]}`" in strict):
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

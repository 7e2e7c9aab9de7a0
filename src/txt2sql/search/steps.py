"""Steps: one clause of a query (FROM with its joins is one); and what makes a step impossible.

A query is cut before the words that begin a clause, outside parentheses and quotes, so a subquery is
inside one step. A partial query is made executable, to see early that it cannot be right: execution-guided
decoding (Wang et al. 2018), with relaxations of what is not written yet. The closure of a prefix is a
whole query that can run only if the prefix can be completed. It is compiled, not run (LIMIT 0).

>>> split_steps("select name from t where a in ( select b from u ) order by c asc")
['select name', 'from t', 'where a in ( select b from u )', 'order by c asc']
"""

from __future__ import annotations

import re
from collections.abc import Callable

from txt2sql.sql.repair import repair
from txt2sql.types import QueryResult, Schema

CLAUSES = frozenset("select from where group having order limit union intersect except".split())
# A tokenizer may cut a keyword; three letters of it, where a word can end a clause, are enough.
_CUT = frozenset(word[:size] for word in CLAUSES for size in range(3, len(word)))
_PENDING = frozenset(
    "select distinct all by as on and or not in like between from join where having limit union "
    "intersect except , ( . = < > + - / | ! case when then else with is".split()
)
_WORDS = re.compile(r"\w+|[^\w\s]")
_SPLIT = re.compile(r"\s*[\w]+|\s*[^\w\s]")
_QUOTED = re.compile(r"""'(?:[^']|'')*'|`[^`]*`|"((?:[^"]|"")*)\"""")
_QUALIFIER = re.compile(r"\b\w+\s*\.\s*(?=[\w*`\"])")
_MISSING = re.compile(r"no such column: (.+)$")


def starts_step(step: str, piece: str) -> bool:
    """Whether `piece`, the text of the next token, begins a new step after a text: of a whole
    answer so far, or of its last step."""
    word = piece.strip().lower()
    if not step.strip() or word not in CLAUSES | _CUT:
        return False
    if not (piece[0].isspace() or step[-1].isspace() or step[-1] == ")"):
        return False
    last = _WORDS.findall(step[-40:])[-1].lower()
    if last in _PENDING:
        return False
    rest = _QUOTED.sub("", step)  # what is left of quotes is open
    return not re.search("['\"`]", rest) and rest.count("(") == rest.count(")")


def split_steps(text: str) -> list[str]:
    """A whole answer cut into its steps, without the space around them."""
    steps, step = [], ""
    for piece in _SPLIT.findall(text):
        if starts_step(step, piece):
            steps.append(step.strip())
            step = ""
        step += piece
    return [*steps, step.strip()] if step.strip() else steps


def clause(step: str) -> str:
    """What kind of step a text is: its first word where it begins a clause, else "other"."""
    word = _WORDS.search(step)
    return word[0].lower() if word and word[0].lower() in CLAUSES | {"with"} else "other"


def partial_fault(text: str, schema: Schema, run: Callable[[str], QueryResult]) -> str | None:
    """Why a prefix cannot become a query that runs; None where it may."""
    steps = [step for step in split_steps(text) if clause(step) != "other"]
    kinds = [clause(step) for step in steps]
    if not steps or kinds[0] != "select":
        return None
    last = max(
        i for i, kind in enumerate(kinds) if kind in ("select", "union", "intersect", "except")
    )
    if "from" in kinds[last:]:
        prefix = " ".join(step for step in steps if clause(step) != "limit")
        reason = fault(prefix, run)
        if reason and "column" in reason:  # a whole answer would be mended: so may this one be
            repaired = repair(prefix, schema)
            return fault(repaired, run) if repaired else reason
        return reason
    # Before its FROM, every column of the schema is in reach.
    names = dict.fromkeys(c.name.lower() for table in schema.tables for c in table.columns)
    source = ", ".join(f"NULL AS `{name}`" for name in names)
    head, select = " ".join(steps[:last]), _QUALIFIER.sub("", steps[last])
    return fault(f"{head} {select} FROM (SELECT {source})".strip(), run)


def fault(sql: str, run: Callable[[str], QueryResult]) -> str | None:
    """Why SQLite would not compile a query, or None. SQLite reads a double-quoted name that it does
    not know as text; here names are in backticks, which it does not forgive, and what may be text
    is quoted as text."""
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
    """SQL whose double-quoted names are in backticks, which SQLite never takes for text."""

    def name(match: re.Match[str]) -> str:
        inner = match[1]
        quotable = inner is not None and "`" not in inner
        return "`" + inner.replace('""', '"') + "`" if quotable else match[0]

    return _QUOTED.sub(name, sql)

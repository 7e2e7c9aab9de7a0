"""Schema -> a grammar of read-only SQL over its tables and columns (constrained decoding).

The grammar is GBNF text (the notation of llama.cpp, which the common engines read). It covers one
SELECT of SQLite with joins, set operations, subqueries, aggregates, windows, CASE, CAST and the
usual scalar functions. What it cannot say, a model cannot write:

- a table or column that the schema lacks, `table.column` where the column is another table's;
- any statement but SELECT; PRAGMA, ATTACH, common table expressions, unknown functions;
- double-quoted text, which SQLite would take for a string when no column has that name.

A grammar without context cannot tell where a name is in scope: a column of a table that FROM lacks,
or an alias nobody defined, passes. Keywords and names are matched in any case, as SQLite does.
Literals are bounded (text 80 characters, numbers 15 digits) so that no answer runs away in one.

    sql_grammar(schema)
    root ::= query pad ";"?
    ...
    table-0 ::= [sS] [iI] [nN] [gG] [eE] [rR]
"""

from __future__ import annotations

import re

from txt2sql.errors import ModelError
from txt2sql.sql.intermediate import quote_identifier
from txt2sql.types import Schema

_ONE = "abs avg count date datetime hex length lower ltrim max min round rtrim sum total trim time upper"
_TWO = "ifnull instr nullif round strftime substr trim coalesce max min group_concat date"
_THREE = "iif replace substr coalesce max min"
_RANKS = "row_number rank dense_rank"
_TYPES = "integer int real float text numeric date"
_COMPUTED = (
    "num number cnt count total sum avg average max maximum min minimum rank rn n ratio rate"
)
"""Names of computed columns: `AS` may give them and other clauses may use them. They may go on with
an underscore and a word (`total_sales`)."""

_RULES = """
root ::= query pad ";"?
query ::= core (gap set gap core)* order? limit?
set ::= @union (gap @all)? | @intersect | @except
core ::= @select first (comma item)* gap @from gap source where? group?
first ::= gap (@distinct gap)? item | gap @distinct bracket
where ::= gap @where gap expr
group ::= gap @group gap @by gap expr (comma expr)* (gap @having gap expr)?
order ::= gap @order gap @by gap ordered (comma ordered)*
ordered ::= expr (gap (@asc | @desc))? (gap @nulls gap (@first | @last))?
limit ::= gap @limit gap digits (gap @offset gap digits)?
item ::= "*" | (table | alias) ".*" | expr (gap @as gap name)?
source ::= from (gap join gap from (gap on)? | comma from)*
join ::= (@left gap (@outer gap)? | @inner gap | @cross gap | @natural gap)? @join
on ::= @on gap expr | @using pad "(" pad column (comma column)* pad ")"
from ::= (table | nested) (gap (@as gap)? alias)?
expr ::= test (gap (@and | @or) gap test)*
test ::= (@not gap)? (value compared? | @exists pad nested)
compared ::= pad sign pad value | gap (@not gap)? matched | gap @is gap (@not gap)? @null
matched ::= like gap value | @between gap value gap @and gap value | @in pad (nested | list)
list ::= "(" pad value (comma value)* pad ")"
value ::= "-"? operand (pad arithmetic pad operand)*
operand ::= literal | reference | call | case | cast | nested | bracket
nested ::= "(" pad query pad ")"
bracket ::= "(" pad expr pad ")"
case ::= @case (gap value)? (gap @when gap expr gap @then gap value)+ (gap @else gap value)? gap @end
cast ::= @cast pad "(" pad value gap @as gap $types pad ")"
call ::= (@count pad "(" pad counted pad ")" | $ranks "()" | $one pad "(" pad (@distinct gap)? value pad ")" | $two pad "(" pad value comma value pad ")" | $three pad "(" pad value comma value comma value pad ")") over?
counted ::= "*" | @distinct (gap value | bracket) | value
over ::= gap @over pad "(" pad (@partition gap @by gap value (comma value)* pad)? (@order gap @by gap ordered (comma ordered)*)? pad ")"
sign ::= "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="
arithmetic ::= "+" | "-" | "*" | "/" | "%" | "||"
like ::= @like | @glob
literal ::= text | number | @null | @current_date
text ::= "'" ([^'\\n\\r\\x00] | "''"){0,80} "'"
number ::= [0-9]{1,15} ("." [0-9]{1,15})?
digits ::= [0-9]{1,9}
alias ::= [a-zA-Z] [0-9]{0,2} | [b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]{2,3} [0-9]?
name ::= computed | alias
comma ::= pad "," pad
gap ::= [ \\n\\t]{1,12}
pad ::= [ \\n\\t]{0,12}
"""

_THOUGHT = r'thought ::= "--" " "? [^;\n\r\x00]{1,160} "\n"'


def sql_grammar(schema: Schema, thoughts: int = 0) -> str:
    """GBNF of the SELECT statements over `schema`, its root rule named `root`; so many lines of
    `thoughts`, comments, may come before one.

    Raises ModelError for a schema without columns.
    """
    tables = [table for table in schema.tables if table.columns]
    if not tables:
        raise ModelError(f"database '{schema.db_id}' has no columns; give one that has tables")
    lists = {"one": _ONE, "two": _TWO, "three": _THREE, "ranks": _RANKS, "types": _TYPES}
    lines = [re.sub(r"[@$](\w+)", r"word-\1", _RULES).strip()]
    if thoughts:
        lines[0] = lines[0].replace("root ::= query", f"root ::= thought{{0,{thoughts}}} query", 1)
        lines.append(_THOUGHT)
    lines += [f"word-{word} ::= {_any_case(word)}" for word in _referenced("@")]
    lines += [f"word-{name} ::= {_one_of(lists[name])}" for name in _referenced("$")]
    lines.append(f'computed ::= ({_one_of(_COMPUTED)}) ("_" [a-zA-Z0-9] [a-zA-Z0-9_]{{0,23}})?')
    every = dict.fromkeys(column.name for table in tables for column in table.columns)
    lines.append(f"column ::= {' | '.join(map(_name, every))}")
    for i, table in enumerate(tables):
        lines.append(f"table-{i} ::= {_name(table.name)}")
        lines.append(f"column-{i} ::= {' | '.join(_name(c.name) for c in table.columns)}")
    numbers = range(len(tables))
    lines.append(f"table ::= {' | '.join(f'table-{i}' for i in numbers)}")
    qualified = " | ".join(f'table-{i} "." column-{i}' for i in numbers)
    lines.append(f'reference ::= column | computed | alias "." column | {qualified}')
    return "\n".join(lines) + "\n"


def _referenced(mark: str) -> list[str]:
    return list(dict.fromkeys(re.findall(rf"{re.escape(mark)}(\w+)", _RULES)))


def _one_of(words: str) -> str:
    return " | ".join(_any_case(word) for word in words.split())


def _name(name: str) -> str:
    """An identifier in any case: quoted, and bare too where that is safe."""
    quoted = f'"\\"" {_any_case(name.replace(chr(34), chr(34) * 2))} "\\""'
    return f"({_any_case(name)} | {quoted})" if quote_identifier(name) == name else quoted


def _any_case(text: str) -> str:
    parts = []
    for char in text:
        lower, upper = char.lower(), char.upper()
        if lower != upper and char.isascii():
            parts.append(f"[{lower}{upper}]")
        elif char in '"\\':
            parts.append(f'"\\{char}"')
        else:
            parts.append(f'"{char}"')
    return " ".join(parts)

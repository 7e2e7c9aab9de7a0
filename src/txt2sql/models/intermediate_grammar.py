"""Links of a compact prompt -> a grammar of the intermediate representation over them.

GBNF text, as `grammar.sql_grammar` is for SQL itself: only symbols that the prompt defines can be
written, parentheses close, literals end. A cell's text is compared with the columns that hold it, by
equality or likeness; a number or a date, and what no cell holds, with any. One space stands before
every word, as its own lexeme.

>>> grammar = intermediate_grammar(Links(("singer",), (("singer", "name"),), ()))
>>> "table_symbol ::= \\"[t0]\\"" in grammar
True
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from txt2sql.types import Links

_RULES = """
root ::= query
query ::= core (setop core)?
setop ::= "union" "all"? | "intersect" | "except"
core ::= "select" "distinct"? item ("," item)* "from" source where? group? order? limit?
source ::= plain ("join" plain)* | named ("join" named "on" equal ("and" equal)*)+ | "(" query ")"
plain ::= table ("on" column "=" column ("and" column "=" column)*)?
named ::= table "as" alias
equal ::= alias "." column "=" alias "." column
where ::= "where" condition
group ::= "group" "by" item ("," item)* ("having" condition)?
order ::= "order" "by" item ("asc" | "desc") ("," item ("asc" | "desc"))*
limit ::= "limit" (value | number)
condition ::= test (("and" | "or") test)*
test ::= item compared | "(" condition ")" | CELLS
compared ::= comparison operand | "not"? matched | "is" "not"? "null"
comparison ::= "=" | "!" "=" | ("<" | ">") "="?
operand ::= literal | item | "(" query ")"
matched ::= "in" "(" (query | literal ("," literal)*) ")" | "like" "%"? literal "%"? | "between" operand "and" operand
item ::= operandless (arithmetic operandless)*
operandless ::= reference | "*" | function "(" "distinct"? inner (arithmetic inner)* ")" | "(" item ")"
inner ::= reference | "*" | "(" reference ")"
reference ::= (alias ".")? column | alias "." "*" | table "." "*"
function ::= "count" | "sum" | "avg" | "min" | "max"
arithmetic ::= "+" | "-" | "*" | "/"
alias ::= "a" | "b" | "c" | "d" | "e" | "f"
literal ::= value | number | "'" word{1,8} "'"
number ::= "-"? digits ("." digits)?
"""

_LEAVES = """
gap ::= " "
word ::= gap letters
letters ::= [^ '|\\[\\]]{1,24}
digits ::= gap numeral
numeral ::= [0-9]{1,12}
"""


_FREE = re.compile(r"[\d.,:/ %-]+")
"""Numbers, dates and times: a column may be compared with one that it does not hold."""


def intermediate_grammar(links: Links) -> str:
    """GBNF of the answers to a compact prompt, its root rule named `root`."""
    cells: dict[int, list[int]] = {}
    for column, value in links.cells:
        if not _FREE.fullmatch(links.values[value]):
            cells.setdefault(column, []).append(value)
    bound = {value for values in cells.values() for value in values}
    free = [i for i in range(len(links.values)) if i not in bound]
    rules = _WITH_VALUES if free else _WITHOUT_VALUES
    held = " | ".join(f'(alias gap ".")? gap "[c{column}]" held_{column}' for column in cells)
    parts = [rules.replace("| CELLS", f"| {held}" if held else "")]
    parts += [_held(column, values, bool(free)) for column, values in cells.items()]
    parts.append(_symbols("table", range(len(links.tables))))
    parts.append(_symbols("column", range(len(links.columns))))
    parts.append(_symbols("value", free) if free else "")
    return "".join(parts)


def _held(column: int, values: Sequence[int], free: bool) -> str:
    """The rule of what a column that holds cells of the question may be compared with."""
    cell = " | ".join(f'gap "[v{value}]"' for value in values)
    rule = """held_N ::= "!"? "=" cell_N | "not"? ("in" "(" cell_N ("," cell_N)* ")" | "like" "%"? cell_N "%"?)"""
    named = _spaced(rule).replace("_N", f"_{column}")
    return f"{named}\ncell_{column} ::= {cell}{' | value' if free else ''}\n"


def _spaced(rules: str) -> str:
    """A space before every literal, apart from it: a lexeme is taken as long as it can be."""
    return re.sub(r'"([^"]+)"', r'(gap "\1")', rules).strip()


_WITH_VALUES = _spaced(_RULES) + _LEAVES
_WITHOUT_VALUES = _spaced(_RULES.replace("value | ", "")) + _LEAVES


def _symbols(rule: str, numbers: Iterable[int]) -> str:
    known = " | ".join(f'"[{rule[0]}{i}]"' for i in numbers)
    return f"{rule} ::= gap {rule}_symbol\n{rule}_symbol ::= {known}\n"

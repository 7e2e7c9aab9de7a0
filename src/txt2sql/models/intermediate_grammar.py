"""Links of a compact prompt -> a grammar of the intermediate representation over them.

GBNF text, as `grammar.sql_grammar` is for SQL itself: only symbols that the prompt defines can be
written, parentheses close, literals end. One space stands before every word, as its own lexeme.

>>> grammar = intermediate_grammar(Links(("singer",), (("singer", "name"),), ()))
>>> "table_symbol ::= \\"[t0]\\"" in grammar
True
"""

from __future__ import annotations

import re

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
test ::= item compared | "(" condition ")"
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


def intermediate_grammar(links: Links) -> str:
    """GBNF of the answers to a compact prompt, its root rule named `root`."""
    names = [("table", len(links.tables)), ("column", len(links.columns))]
    if links.values:
        return _WITH_VALUES + "".join(_symbols(*n) for n in [*names, ("value", len(links.values))])
    return _WITHOUT_VALUES + "".join(_symbols(*n) for n in names)


def _spaced(rules: str) -> str:
    """A space before every literal, apart from it: a lexeme is taken as long as it can be."""
    return re.sub(r'"([^"]+)"', r'(gap "\1")', rules).strip() + _LEAVES


_WITH_VALUES = _spaced(_RULES)
_WITHOUT_VALUES = _spaced(_RULES.replace("value | ", ""))


def _symbols(rule: str, size: int) -> str:
    known = " | ".join(f'"[{rule[0]}{i}]"' for i in range(size))
    return f"{rule} ::= gap {rule}_symbol\n{rule}_symbol ::= {known}\n"

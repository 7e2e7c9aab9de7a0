"""Links of a compact prompt -> a grammar of the intermediate representation over them.

GBNF text, as `grammar.sql_grammar` is for SQL itself: only symbols that the prompt defines can be
written, parentheses close, literals end. Every token begins with the one space that sets it off.

    intermediate_grammar(Links(("singer",), (("singer", "name"),), ()))
    root ::= query
    ...
    table ::= " [t0]"
"""

from __future__ import annotations

from txt2sql.types import Links

_RULES = """
root ::= query
query ::= core (setop core)?
setop ::= " union" " all"? | " intersect" | " except"
core ::= " select" " distinct"? items " from" source where? group? order? limit?
items ::= item (" ," item)*
item ::= value (arithmetic value)*
source ::= tables | " (" query " )"
tables ::= plain (join plain)* | named (join named " on" equal (" and" equal)*)+
join ::= " join"
plain ::= table (on)?
on ::= " on" column " =" column
named ::= table " as" alias
equal ::= alias " ." column " =" alias " ." column
where ::= " where" condition
group ::= " group by" item (" ," item)* (" having" condition)?
order ::= " order by" ordered (" ," ordered)*
ordered ::= item (" asc" | " desc")
limit ::= " limit" number
condition ::= test ((" and" | " or") test)*
test ::= item compared | " (" condition " )"
compared ::= comparison operand | " not"? membership | " is" " not"? " null"
comparison ::= " =" | " ! =" | " <" | " >" | " < =" | " > ="
operand ::= literal | item | " (" query " )"
membership ::= " in (" (query | literal (" ," literal)*) " )" | " like" " %"? literal " %"? | " between" operand " and" operand
value ::= reference | aggregate | " (" value " )"
aggregate ::= function " (" " distinct"? (reference | " *") (arithmetic reference)* " )"
function ::= " count" | " sum" | " avg" | " min" | " max"
arithmetic ::= " +" | " -" | " *" | " /"
reference ::= alias " ." column | alias " ." " *" | column | " *"
alias ::= " a" | " b" | " c" | " d" | " e" | " f"
literal ::= value_symbol | number | " '" text " '"
number ::= " "? "-"? [0-9]{1,12} ("." [0-9]{1,6})?
text ::= " " [^ '|\\[\\]] [^'|\\[\\]]{0,60}
"""


def intermediate_grammar(links: Links) -> str:
    """GBNF of the answers to a compact prompt, its root rule named `root`."""
    rules = _RULES.strip() if links.values else _RULES.strip().replace("value_symbol | ", "")
    sizes = [("table", len(links.tables)), ("column", len(links.columns))]
    if links.values:
        sizes.append(("value_symbol", len(links.values)))
    return "\n".join([rules, *(_symbols(rule, size) for rule, size in sizes)]) + "\n"


def _symbols(rule: str, size: int) -> str:
    return f"{rule} ::= " + " | ".join(f'" [{rule[0]}{i}]"' for i in range(size))

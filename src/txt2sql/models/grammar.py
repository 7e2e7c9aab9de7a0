"""Schema -> a grammar of SQLite's SELECT over its tables and columns (constrained decoding).

A context-free grammar in the Lark dialect that llguidance reads. It covers SELECT whole, with the
functions of `sql.functions`. A model cannot write names that the schema lacks, or names without the
quotes that they need; other statements, unknown functions, joins without a condition; an aggregate in
WHERE, a window in HAVING, two columns where one is compared; double-quoted text. That a column's table
is in FROM it cannot tell. Names that a statement gives itself are allowed where it can have given one; in
the select list before a FROM that holds a nested query they must look computed (`num_songs`, `total`).
A lexeme takes the space around it with it, so masks are cheap.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from txt2sql.errors import ModelError
from txt2sql.identifiers import KEYWORDS, quote_identifier
from txt2sql.sql.functions import FUNCTIONS, MANY, Function
from txt2sql.types import Schema, Table

_VERSION = sqlite3.sqlite_version_info[:2]

# ------------------------------------------------------------------------------------------- expressions
# Each rule is written for several modes. A mode is a set of names, a context and what may be called:
#   names    c none (no FROM), p the schema's, s also what looks computed, f also any identifier
#   context  n nothing was named by WITH, w something was
#   calls    p scalar functions, a also aggregates, f also windows
# MODE stands for all three, BASE for names and context, CONTEXT for the context.
_EXPRESSION = """
expr_MODE: test_MODE (LOGIC test_MODE)*
test_MODE: NOT? (value_MODE compared_MODE? | EXISTS many_CONTEXT RIGHT)
compared_MODE: (COMPARISON | IS NOT? FROM_THAT | GLOB | LIKE) value_MODE | LIKE value_MODE ESCAPE | BETWEEN value_MODE AND value_MODE | IN (one_CONTEXT | value_MODE (COMMA value_MODE)*) RIGHT
value_MODE: MINUS? operand_MODE (ARITHMETIC MINUS? operand_MODE | SUBTRACT operand_MODE)*
operand_MODE: (LITERAL | NAMES call_MODE | case_MODE | CAST expr_MODE AS_TYPE | LEFT (expr_MODE | one_CONTEXT) RIGHT) COLLATE?
case_MODE: CASE (FIRST_WHEN | value_MODE WHEN) expr_MODE THEN expr_MODE (WHEN expr_MODE THEN expr_MODE)* (ELSE expr_MODE)? END
terms_MODE: expr_MODE (COMMA expr_MODE)*
orders_MODE: ordered_MODE (COMMA ordered_MODE)*
ordered_MODE: expr_MODE DIRECTION? NULLS?
call_MODE: SCALARS | STRFTIME (COMMA expr_MODE){0,4} RIGHT"""
_CALLS = {"p": "", "a": " | aggregate_BASE", "f": " | aggregate_BASE | window_BASE over_BASE"}
_NAMES = {
    "c": "",
    "p": "COLUMN | QUALIFIED | SHORT_COLUMN |",
    "s": "COLUMN | QUALIFIED | SHORT_COLUMN | COMPUTED | COMPUTED_COLUMN |",
    "f": "COLUMN | QUALIFIED | IDENTIFIER | ANY_COLUMN |",
}
_GROUPS = """
aggregate_BASE: (COUNT STAR RIGHT | AGGREGATES) filter_BASE?
filter_BASE: FILTER expr_BASEp RIGHT
window_BASE: (COUNT STAR RIGHT | OVER_AGGREGATES) filter_BASE? | WINDOWS
over_BASE: OVER (PARTITION terms_BASEa (ORDER_BY orders_BASEa FRAME? | ORDER_BY ordered_BASEa RANGE)? | ORDER orders_BASEa FRAME? | ORDER ordered_BASEa RANGE)? RIGHT
where_BASE: WHERE expr_BASEp
group_BASE: GROUP terms_BASEp (HAVING expr_BASEa)?
tail_BASE: group_BASE order_BASE? | ORDER_BY ordered_BASEp (COMMA ordered_BASEp)*
order_BASE: ORDER_BY orders_BASEf
plain_items_BASE: plain_item_BASE (COMMA plain_item_BASE)*
plain_item_BASE: STAR | STARS_BASE | expr_BASEf
items_BASE: item_BASE (COMMA item_BASE)*
item_BASE: STAR | STARS_BASE | expr_BASEf AS_NAME?
"""
# ----------------------------------------------------------------------------------------------- queries
# HOW is many (any columns) or one (a single one, as a comparison needs).
_QUERY = """
HOW_n: (plain_HOW tail_pn? | (named_HOW | nested_HOW) tail_fn? | constant_HOW) limit? | core_HOW_n (SET core_HOW_n)+ order_fn? limit?
core_HOW_n: plain_HOW group_pn? | (named_HOW | nested_HOW) group_fn? | constant_HOW
HOW_w: core_HOW_w tail_fw? limit? | core_HOW_w group_fw? (SET core_HOW_w group_fw?)+ order_fw? limit?
"""
_CORES = """
limit: LIMIT OFFSET?
plain_many: SELECT DISTINCT? plain_items_pn FROM tables where_pn?
named_many: SELECT DISTINCT? (item_pn COMMA)* expr_pnf AS_NAME (COMMA item_pn)* FROM tables where_pn?
nested_many: SELECT DISTINCT? items_sn FROM nested where_fn?
constant_many: SELECT expr_cnf AS_NAME? (COMMA expr_cnf AS_NAME?)*
core_many_w: SELECT DISTINCT? items_fw FROM any_w where_fw? | SELECT expr_fwf AS_NAME? (COMMA expr_fwf AS_NAME?)*
plain_one: SELECT DISTINCT? expr_pnf FROM tables where_pn?
named_one: SELECT DISTINCT? expr_pnf AS_NAME FROM tables where_pn?
nested_one: SELECT DISTINCT? expr_snf AS_NAME? FROM nested where_fn?
constant_one: SELECT expr_cnf AS_NAME?
core_one_w: SELECT DISTINCT? expr_fwf AS_NAME? (FROM any_w where_fw?)?
tables: TABLE SHORT? | tables (BESIDE TABLE SHORT? | JOIN TABLE SHORT? on_pn)
nested: (tables BESIDE)? derived | tables JOIN derived on_fn | nested (BESIDE any_n | JOIN any_n on_fn)
any_n: TABLE ALIAS? | derived
derived: LEFT many_n RIGHT ALIAS?
any_w: source_w | any_w (BESIDE source_w | JOIN source_w on_fw)
source_w: (TABLE | IDENTIFIER) ALIAS? | LEFT many_w RIGHT ALIAS?
on_pn: ON expr_pnp | USING
on_fn: ON expr_fnp | USING
on_fw: ON expr_fwp | USING
statement: many_n | WITH (IDENTIFIER AS_QUERY many_n RIGHT (COMMA IDENTIFIER AS_QUERY many_w RIGHT)* | RECURSIVE recursive (COMMA recursive)*) SPACE many_w
recursive: IDENTIFIER AS_QUERY many_w RIGHT | IDENTIFIER LEFT IDENTIFIER RIGHT AS_QUERY one_w RIGHT | IDENTIFIER LEFT IDENTIFIER (COMMA IDENTIFIER)+ RIGHT AS_QUERY many_w RIGHT
"""
# ----------------------------------------------------------------------------------------------- lexemes
# @WORD is a keyword in capitals or in small letters, _ is space, ~ is space or nothing.
_BEFORE_OPERANDS = "SELECT DISTINCT WITH RECURSIVE NOT CASE"
_BETWEEN_OPERANDS = "FROM WHERE HAVING ON AND WHEN THEN ELSE IS"
_LEXEMES = r"""
SEMICOLON: ~ ";"
GROUP: _ @GROUP _ @BY _
ORDER_BY: _ @ORDER _ @BY _
ORDER: @ORDER _ @BY _
PARTITION: @PARTITION _ @BY _
LIMIT: _ @LIMIT _ /[0-9]{1,9}/
OFFSET: (_ @OFFSET _ | ~ "," ~) /[0-9]{1,9}/
SET: _ (@UNION (_ @ALL)? | @INTERSECT | @EXCEPT) _
AS_QUERY: _ @AS ~ "(" ~
BESIDE: ~ "," ~ | _ (@CROSS | @NATURAL (_ (@LEFT (_ @OUTER)? | @INNER))?) _ @JOIN _
JOIN: _ (OUTER (_ @OUTER)? _ | @INNER _)? @JOIN _
USING: _ @USING ~ "(" ~ COLUMN (~ "," ~ COLUMN)* ~ ")"
DIRECTION: _ (@ASC | @DESC)
NULLS: _ @NULLS _ (@FIRST | @LAST)
EXISTS: @EXISTS ~ "(" ~
LOGIC: _ (@AND | @OR) _
COMPARISON: ~ /=|==|!=|<>|<|<=|>|>=/ ~
LIKE: _ (@NOT _)? @LIKE _
GLOB: _ (@NOT _)? @GLOB _
ESCAPE: _ @ESCAPE _ /'[^'\x00-\x1f]'/
BETWEEN: _ (@NOT _)? @BETWEEN _
IN: _ (@NOT _)? @IN ~ "(" ~
MINUS: "-"
SUBTRACT: ~ "-" ~
ARITHMETIC: ~ ("+" | "*" | "/" | "%" | "||") ~
STAR: "*"
COLLATE: _ @COLLATE _ (@NOCASE | @BINARY | @RTRIM)
CAST: @CAST ~ "(" ~
AS_TYPE: _ @AS _ (TYPE | (@DECIMAL | @NUMERIC) "(" /[0-9]{1,2}/ (~ "," ~ /[0-9]{1,2}/)? ")" | @VARCHAR "(" /[0-9]{1,4}/ ")") ~ ")"
TYPE: @INTEGER | @INT | @REAL | @FLOAT | @DOUBLE | @NUMERIC | @DECIMAL | @TEXT | @VARCHAR | @CHAR | @DATE | @DATETIME | @BLOB | @BOOLEAN | @BIGINT
FIRST_WHEN: @WHEN _
END: _ @END
COMMA: ~ "," ~
LEFT: "(" ~
RIGHT: ~ ")"
COUNT: @COUNT "(" ~
FILTER: _ @FILTER ~ "(" ~ @WHERE _
OVER: _ @OVER ~ "(" ~
FRAME: _ (@ROWS _ BOUNDS | (@RANGE | @GROUPS) _ PEERS)
RANGE: _ @RANGE _ BOUNDS
BOUNDS: PEERS | FAR _ @PRECEDING | @BETWEEN _ (FAR _ @PRECEDING _ @AND _ (@CURRENT _ @ROW | FUTURE) | (@UNBOUNDED _ @PRECEDING | @CURRENT _ @ROW) _ @AND _ FUTURE)
PEERS: @UNBOUNDED _ @PRECEDING | @CURRENT _ @ROW | @BETWEEN _ (@UNBOUNDED _ @PRECEDING _ @AND _ (@CURRENT _ @ROW | @UNBOUNDED _ @FOLLOWING) | @CURRENT _ @ROW _ @AND _ @UNBOUNDED _ @FOLLOWING)
FUTURE: @UNBOUNDED _ @FOLLOWING | FAR _ @FOLLOWING
FAR: /[0-9]{1,4}/
TEXT: "'" (/[^'\\\x00-\x08\x0a-\x1f]/ | /\\[^'\x00-\x08\x0a-\x1f]/ | "''"){0,80} "'"
STRFTIME: @STRFTIME "(" ~ "'" (/%[YmdHMSwjWfsJ]/ | /[-\/.: T]/){1,16} "'"
NUMBER: (/[0-9]{1,19}(\.[0-9]{0,19})?/ | /\.[0-9]{1,19}/) /([eE][+-]?[0-9]{1,3})?/
AS_NAME: _ @AS _ (IDENTIFIER | QUOTED)
QUOTED: /"[^"\x00-\x1f]{1,40}"/
ALIAS: _ (@AS _)? IDENTIFIER
SHORT: _ (@AS _)? SHORT_NAME
SHORT_COLUMN: SHORT_NAME "." COLUMN
COMPUTED_COLUMN: SHORT_NAME "." COMPUTED
ANY_COLUMN: (IDENTIFIER & ~TABLE_WORD) "." (COLUMN | IDENTIFIER)
STARS: (TABLE | SHORT_NAME) ".*"
ANY_STARS: (TABLE | IDENTIFIER) ".*"
SPACE: " " | / ?\n {0,12}/
FROM_THAT: @DISTINCT _ @FROM _
"""
_COMPUTED = (
    "num number cnt count total sum avg average min minimum max maximum rank rnk rn row_num n ratio "
    "rate percent percentage pct share running cumulative prev previous diff difference change growth "
    "month quarter week day"
)
"""How the names of computed columns begin; they may go on with an underscore and words."""
_MEASURES = "count cnt total sum avg average min max rank num number ratio rate percentage pct"
"""How such names end that begin with a name of the schema: `order_count`."""
_ALIASES = "sub subquery sq temp tmp ranked inner_query outer_query prev cur curr next base"
_CONTROL = re.compile("[\x7f-\x9f]")
_Groups = dict[tuple[int, int], list[str]]  # (fewest, most) arguments -> names of functions
_CONSONANTS = "b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ"


def sql_grammar(schema: Schema) -> str:
    """The grammar of the SELECT statements over `schema`. Raises ModelError for a schema without
    columns."""
    tables = [table for table in schema.tables if table.columns]
    if not tables:
        raise ModelError(f"database '{schema.db_id}' has no columns; give one that has tables")
    lines = ["%llguidance {}", r"start: /[ \n]/? statement SEMICOLON?"]
    return "\n".join([*lines, *_fixed(), *_names(tables)]) + "\n"


@cache
def _fixed() -> tuple[str, ...]:
    rules = {line.partition(":")[0]: line for line in _rules()}
    used: set[str] = set()
    waiting = ["statement", "SEMICOLON", "SHORT_NAME", "COMPUTED"]
    while waiting:
        name = waiting.pop()
        if name in rules and name not in used:
            used.add(name)
            waiting += re.findall(r"\w+", rules[name])
    return tuple(line for name, line in rules.items() if name in used)


def _rules() -> Iterable[str]:
    usable = [function for function in FUNCTIONS.values() if function.since <= _VERSION]
    modern = _VERSION >= (3, 39)
    kinds = {kind: _by_arguments(usable, kind) for kind in ("scalar", "aggregate", "window")}
    groups = _filled(
        _GROUPS,
        OVER_AGGREGATES=_calls("aggregate", kinds, "expr_BASEa"),
        AGGREGATES=_calls("aggregate", kinds, "expr_BASEp", distinct=True),
        WINDOWS=_calls("window", kinds, "expr_BASEa"),
    )
    scalars = _calls("scalar", kinds, "expr_MODE")
    expression = _filled(_EXPRESSION, SCALARS=scalars, FROM_THAT="FROM_THAT?" if modern else "")
    for base in ("cn", "pn", "sn", "fn", "fw"):
        stars = "ANY_STARS" if base == "fw" else "STARS"
        yield from _filled(groups, STARS_BASE=stars, BASE=base).splitlines()
        for calls, call in _CALLS.items():
            rules = _filled(expression + call, NAMES=_NAMES[base[0]], MODE=base + calls)
            yield from _filled(rules, BASE=base, CONTEXT=base[1]).splitlines()
    for how in ("many", "one"):
        yield from _filled(_QUERY, HOW=how).splitlines()
    yield from _CORES.strip().splitlines()
    yield from map(_lexeme, _LEXEMES.strip().splitlines())
    yield from (_lexeme(f"{word}: @{word} _") for word in _BEFORE_OPERANDS.split())
    yield from (_lexeme(f"{word}: _ @{word} _") for word in _BETWEEN_OPERANDS.split())
    for kind, by_arguments in kinds.items():
        for (low, high), names in by_arguments.items():
            words = " | ".join("@" + name.upper() for name in names)
            yield _lexeme(f'{kind.upper()}_{low}_{high}: ({words}) "(" ~')
    yield _lexeme(f"OUTER: @LEFT{' | @RIGHT | @FULL' if modern else ''}")
    bare = " | ".join("@" + function.name.upper() for function in usable if function.bare)
    yield _lexeme(f"LITERAL: TEXT | NUMBER | @NULL | @TRUE | @FALSE | {bare}")
    yield rf"IDENTIFIER: /[A-Za-z_][A-Za-z0-9_]{{0,29}}/ & ~/(?i:{'|'.join(sorted(KEYWORDS))})/"


def _filled(template: str, **values: str) -> str:
    for placeholder, value in values.items():
        template = template.replace(placeholder, value)
    return template.strip()


def _by_arguments(functions: Sequence[Function], kind: str) -> _Groups:
    groups: _Groups = {}
    for function in functions:
        low, high = function.min_args, function.max_args
        if function.bare or function.window != (kind == "window") or function.name == "strftime":
            continue
        if function.aggregate and kind == "aggregate":
            low, high = max(low, 1), 1 if high == MANY else high
        elif function.aggregate and high == MANY:  # min() and max() of several are scalar
            low = 2
        elif function.aggregate or kind == "aggregate":
            continue
        groups.setdefault((low, high), []).append(function.name)
    return groups


def _calls(kind: str, kinds: Mapping[str, _Groups], expression: str, distinct: bool = False) -> str:
    calls = []
    for low, high in kinds[kind]:
        name, least = f"{kind.upper()}_{low}_{high}", max(low, 1)
        inside = " COMMA ".join([expression] * least)
        if high > least:
            inside += f" (COMMA {expression}){{0,{high - least}}}"
        inside = "" if high == 0 else f" ({inside})?" if low == 0 else f" {inside}"
        calls.append(f"{name}{inside} RIGHT")
        if distinct and low == 1:
            calls.append(f"{name} DISTINCT {expression} RIGHT")
    return " | ".join(calls)


def _lexeme(line: str) -> str:
    name, _, body = line.partition(": ")
    out = []
    for part in re.split(r"""("[^"]*"|/(?:[^/\\]|\\.)*/)""", body):
        if part[:1] not in ('"', "/"):
            part = re.sub(r"@(\w+)", lambda word: f"/{word[1]}|{word[1].lower()}/", part)
            part = re.sub(r"~(?=[\s)]|$)", "SPACE?", part)
            part = re.sub(r"(?<![\w])_(?![\w])", "SPACE", part)
        out.append(part)
    return f"{name}: {''.join(out)}"


def _names(tables: Sequence[Table]) -> Iterable[str]:
    columns = {c.name: _spelled(c.name) for table in tables for c in table.columns}
    yield f"TABLE: {' | '.join(_spelled(table.name) for table in tables)}"
    yield f"COLUMN: {' | '.join(columns.values())}"
    qualified = (
        f'({_spelled(t.name)}) "." ({" | ".join(columns[c.name] for c in t.columns)})'
        for t in tables
    )
    yield f"QUALIFIED: {' | '.join(qualified)}"
    plain = [table.name for table in tables if quote_identifier(table.name) == table.name]
    yield f"TABLE_WORD: /(?i:{'|'.join(plain) or '0'})/"
    shorts = {short for table in tables for short in _shortened(table.name)}
    words = "|".join(sorted(shorts | {*_ALIASES.split()}))
    yield (
        f"SHORT_NAME: /[A-Za-z][0-9]{{0,2}}|[{_CONSONANTS}]{{2,4}}[0-9]?|({words})[0-9]?/"
        f" & IDENTIFIER & ~TABLE_WORD"
    )
    parts = [*plain, *(name for name in columns if quote_identifier(name) == name)]
    heads, tails = "|".join(_COMPUTED.split()), "|".join(_MEASURES.split())
    names = "|".join(sorted({*parts, *(part.lower() for part in parts)})) or "0"
    yield f"COMPUTED: /({heads})(_[A-Za-z0-9][A-Za-z0-9_]{{0,23}})?|({names})_({tails})/ & IDENTIFIER"


def _spelled(name: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    texts = [name, quoted] if quote_identifier(name) == name else [quoted]
    written = " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
    return _CONTROL.sub(lambda character: f"\\u{ord(character[0]):04x}", written)


def _shortened(name: str) -> Iterable[str]:
    words = re.findall(r"[A-Za-z][a-z]*", name)
    initials = "".join(word[0] for word in words) if len(words) > 1 else ""
    starts = (start[:length] for start in {name, *words} for length in (2, 3, 4))
    for short in filter(re.compile("[A-Za-z]+").fullmatch, starts):
        yield from (short, short.lower(), short.upper())
    if initials:
        yield from (initials.lower(), initials.upper())

"""Is this text one statement that reads, and may it be sent to a server?

`check_read_only` is the cheap first look; for SQLite the authorizer is the wall behind it. The other
engines have none to ask, so `check` is an allow list over the tokens of the text: functions that are
known only to compute, and nothing of the server's own catalogue. Each engine's literals are read as
that engine reads them, and a spelling that two readers could understand in two ways (dollar quotes,
Unicode escapes, an executable comment, a number that runs into a name) is refused, so no encoding gets
a word past the list. What is sent is the text as it stands, without its comments.

The read-only transaction of the server is the wall behind this one. Neither keeps out what the owner
of a database has put behind its names: views, policies, domains and types of one's own run functions
of their own; against those helps a role that may not execute them.
Sources: sqlite.org/lang_comment.html; postgresql.org/docs/current/sql-syntax-lexical.html;
dev.mysql.com/doc/refman (literals); duckdb.org/docs/sql/dialect/keywords_and_identifiers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_SQL_CHARS = 100_000

# SQLite's own white space: other Unicode spaces are part of a name to it.
_SPACE = " \t\n\f\r"
_SKIP = re.compile(r"(?:[ \t\n\f\r]+|--[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_PIECE = re.compile(
    r"""'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)|`[^`]*(?:`|\Z)|\[[^\]]*(?:\]|\Z)"""
    r"""|--[^\n]*|/\*.*?(?:\*/|\Z)|;|[^'"`\[;/-]+|.""",
    re.DOTALL,
)
_SEVERAL = "only one statement can be run, and this text holds several"


def check_read_only(sql: str) -> str | None:
    """Why the text cannot be run as one reading statement, or None.

    >>> check_read_only("SELECT 1; DROP TABLE sale")
    'only one statement can be run, and this text holds several'
    >>> check_read_only("SELECT ';' -- ; fine")
    """
    reason = _beginning(sql)
    if reason is None and ";" in sql.rstrip(_SPACE)[:-1]:
        rest = _skipped(sql, _end(sql))
        while sql[rest : rest + 1] == ";":
            rest = _skipped(sql, rest + 1)
        return _SEVERAL if rest < len(sql) else None
    return reason


def without_end(sql: str) -> str:
    """The statement without its semicolon and what follows it."""
    return sql[: _end(sql)] if ";" in sql else sql


def _end(sql: str) -> int:
    """Where the first `;` outside quotes and comments stands, as SQLite reads them. Linear in the text."""
    ends = (piece.start() for piece in _PIECE.finditer(sql) if piece.group() == ";")
    return next(ends, len(sql))


def _beginning(sql: str) -> str | None:
    if len(sql) > MAX_SQL_CHARS:
        return f"the statement is longer than {MAX_SQL_CHARS:,} characters"
    if "\0" in sql:
        return "the statement holds a NUL character"
    start = _skipped(sql, 0)
    if start == len(sql):
        return "the statement is empty"
    word = _WORD.match(sql, start)
    if word is None or word.group().upper() not in {"SELECT", "WITH", "VALUES"}:
        shown = word.group() if word else sql[start]
        return f"only SELECT, WITH and VALUES statements can be run, not {shown[:20]!r}"
    return None


def _skipped(sql: str, start: int) -> int:
    match = _SKIP.match(sql, start)
    return match.end() if match else start


# ------------------------------------------------------------------------------------ the allow list


@dataclass(frozen=True, slots=True)
class Rules:
    """What one engine allows, in sqlglot's `dialect`. All names in lower case.

    `functions` may be called. `own` are functions that were made in this database: where one shares a
    name, the engine's is called through `schema`, or none. `attributes` are those that PostgreSQL
    also calls as `row.function`, `operators` and `casts` (names of types) those that call one.
    `hidden` are catalogues and their tables, never to be read; a name in `hidden_schemas` is refused
    where a dot follows it; `shared` are tables that are called like another database, with the
    columns that may follow. Calls of `growing` may make a text many times longer: one may be made.
    """

    dialect: str
    functions: frozenset[str]
    own: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    casts: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    hidden_schemas: frozenset[str] = frozenset()
    shared: Mapping[str, frozenset[str]] = field(default_factory=dict)
    schema: str = ""
    growing: frozenset[str] = frozenset()
    literals: str = ""
    """The dialect's version, where other numbers can be written in it."""


class Checked(NamedTuple):
    """The statement to send, or why none is."""

    sql: str
    error: str | None = None


class _Token(NamedTuple):
    kind: str
    text: str
    spaced: str
    """What stood before it; a comment as one space."""

    @property
    def name(self) -> str:
        """What a name stands for, in small letters without accents; "" for what is no name."""
        if self.kind == "word":
            return _plain(self.text)
        if self.kind == "quoted":
            mark = self.text[0]
            return _plain(self.text[1:-1].replace(mark * 2, mark))
        return ""


def _plain(name: str) -> str:
    """Servers compare names by their own rules: what any of them may take for the same is the same."""
    if name.isascii():
        return name.lower()
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


class _Refused(Exception):
    """Why the statement is not sent."""


def _lexer(*patterns: str) -> re.Pattern[str]:
    ends = r"|(?P<word>[^\W0-9]\w*)|(?P<mark>[-+*/<>=~!#%^&|?:@.,()\[\]{};])"
    return re.compile(_COMMENT + "|" + "|".join(patterns) + ends, re.DOTALL)


_COMMENT = r"(?P<space>[ \t\r\n\f]+)|(?P<comment>--[^\r\n]*|/\*.*?\*/)"
_DECIMAL = r"(?:{0}(?:\.(?:{0})?)?|\.{0})(?:[eE][+-]?{0})?(?!\w)"
_DIGIT, _DIGITS = "[0-9]+", "[0-9]+(?:_[0-9]+)*"  # other digits of Unicode are letters to a server
_STANDARD = (
    r"(?P<refused>[uU]&['\"])",
    r"(?P<escaped>[eE]'(?:[^'\\]|''|\\.)*')",
    r"(?P<text>[bBxXnN]?'(?:[^']|'')*')",
    r'(?P<quoted>"(?:[^"]|"")*")',
)
_BASED = r"0[xX](?:_?[0-9a-fA-F])+(?!\w)|0[oO](?:_?[0-7])+(?!\w)|0[bB](?:_?[01])+(?!\w)|"
# Backslashes escape here, as the session says; hexadecimal and binary numbers are in small letters.
_MYSQL = _lexer(
    r"(?P<text>[nN]?'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|[bBxX]'[0-9a-fA-F]*')",
    r"(?P<quoted>`(?:[^`]|``)*`)",
    r"(?P<number>0x[0-9a-fA-F]+(?!\w)|0b[01]+(?!\w)|" + _DECIMAL.format(_DIGIT) + ")",
)
_LEXERS = {
    "postgres": _lexer(*_STANDARD, f"(?P<number>{_DECIMAL.format(_DIGIT)})"),
    "postgres 16": _lexer(*_STANDARD, f"(?P<number>{_BASED}{_DECIMAL.format(_DIGITS)})"),
    "duckdb": _lexer(*_STANDARD, f"(?P<number>{_DECIMAL.format(_DIGITS)})"),
    "mysql": _MYSQL,
}
_REFUSED_MARKS = {"postgres": "{}", "duckdb": "@", "mysql": "@#{}"}

# What a parenthesis may follow without being a call, and what looks like a function but is syntax.
_SYNTAX = frozenset(
    "all and any array as between by case cast coalesce cross cube date decimal char character "
    "columns distinct div else end escape except exclude exists extract filter float from full group "
    "grouping having ilike in index inner intersect interval is join key lateral like limit "
    "materialized natural not nullif numeric offset on only or order outer over overlaps overlay "
    "partition percent position precision qualify recursive regexp repeatable replace rlike rollup "
    "row rows select sets similar some struct substring symmetric then time timestamp to trim "
    "try_cast union using values varchar varying when where window with within greatest least xor "
    "bit".split()
)
_FUNCTIONS_TOO = frozenset({"replace", "columns", "index", "key"})
"""Syntax in some places and engines, and a function in others: looked at as a call as well."""
_LOCKING = frozenset({"update", "share", "no", "key"})
_MYSQL_WORDS = frozenset("outfile dumpfile procedure handler lock load_file".split())
_STATEMENTS = frozenset("show describe desc summarize pragma call".split())
_SAMPLING = frozenset("bernoulli system reservoir".split())
_PADDED = frozenset({"char", "character", "bpchar", "bit"})
_PADDING = frozenset({"lpad", "rpad"})
_MAX_PADDING_DIGITS = 4
_KEYWORD_FORMS = {"substring", "overlay"}
"""Functions that the grammar itself calls where a word stands between their arguments."""
_BETWEEN_ARGUMENTS = frozenset("from for placing similar".split())
_OPERATOR = frozenset("+-*/<>=~!#%^&|?@")
_CALLING_OPERATORS = {
    word: frozenset(operators.split())
    for words, operators in (
        ("between symmetric", "< <= > >="),
        ("in nullif distinct when using natural any some", "= <>"),
        ("like ilike similar glob", "~ !~ ~~ !~~ ~~* !~~*"),
    )
    for word in words.split()
}
"""Words that PostgreSQL looks an operator up for."""


def check(sql: str, rules: Rules) -> Checked:
    """The statement as it may be sent, or the reason why it may not, in one sentence."""
    reason = _beginning(sql.lstrip("( \t\r\n\f"))  # (SELECT ...) UNION (SELECT ...)
    if reason is not None:
        return Checked("", reason)
    try:
        tokens = _tokens(sql, rules)
        while tokens and tokens[-1].text == ";":
            tokens.pop()
        return Checked(_Checker(tokens, rules).sent())
    except _Refused as refused:
        return Checked("", f"refused: {refused}")


def _tokens(sql: str, rules: Rules) -> list[_Token]:
    lexer, marks = _LEXERS[rules.literals or rules.dialect], _REFUSED_MARKS[rules.dialect]
    tokens: list[_Token] = []
    position, space = 0, ""
    while position < len(sql):
        match = lexer.match(sql, position)
        if match is None:
            shown = sql[position : position + 20].split()[0]
            if sql[position] in "0123456789":
                raise _Refused(f"a number that runs into a name: {shown!r}")
            raise _Refused(f"the character {sql[position]!r} cannot stand outside quotes")
        kind, text = str(match.lastgroup), match[0]
        position = match.end()
        if kind == "refused":
            raise _Refused("Unicode escapes; write the characters themselves")
        if kind == "comment":
            if text[:3] in ("/*!", "/*M", "/*+") or "/*" in text[2:]:
                raise _Refused("comments that servers read differently; leave the comments out")
            if rules.dialect == "mysql" and text.startswith("--") and text[2:3] not in ("", " ", "\t"):  # fmt: skip
                raise _Refused("'--' without a space after it; write '- -' or '-- '")
            text = " "
        if kind in ("space", "comment"):
            space += text
            continue
        if text == "/" and sql[position : position + 1] == "*":
            raise _Refused("a comment without an end")
        if text in marks:
            raise _Refused(f"{text!r} outside quotes")
        if kind in ("text", "escaped") and tokens and tokens[-1].kind == "escaped":
            raise _Refused("a string in two parts of which the first has escapes; write one string")
        tokens.append(_Token(kind, text, space))
        space = ""
    return tokens


class _Checker:
    """A look at every token with its neighbours."""

    def __init__(self, tokens: Sequence[_Token], rules: Rules) -> None:
        self.tokens, self.rules = tokens, rules
        self.names = [token.name for token in tokens]
        self.texts = [token.text.lower() for token in tokens]
        self.pairs = _pairs(self.texts)
        self.through: set[int] = set()
        """The calls that have to be sent as those of `schema`."""
        self.grown = 0

    def sent(self) -> str:
        """The text, if nothing in it is refused."""
        operator = ""
        for at, token in enumerate(self.tokens):
            if token.text == ";":
                raise _Refused(_SEVERAL)
            if self.names[at]:
                self._look(at, token)
            if token.text not in _OPERATOR:
                operator = ""
            else:
                operator = token.text if token.spaced else operator + token.text
            if own := next((each for each in self.rules.operators if each in operator), ""):
                raise _Refused(f"the operator '{own}' is one of the database's own")
        prefix = f"{self.rules.schema}."
        return "".join(
            token.spaced + (prefix if at in self.through else "") + token.text
            for at, token in enumerate(self.tokens)
        ).strip(" \t\r\n\f")

    def _text(self, at: int) -> str:
        return self.texts[at] if 0 <= at < len(self.texts) else ""

    def _name(self, at: int) -> str:
        return self.names[at] if 0 <= at < len(self.names) else ""

    def _look(self, at: int, token: _Token) -> None:
        name, rules, shown = self.names[at], self.rules, token.text
        before, after = self._text(at - 1), self._text(at + 1)
        bare = token.kind == "word" and before != "." and not after.startswith(".")
        if bare and self._is_syntax(at, name, shown):
            return
        if name in rules.hidden or (after.startswith(".") and name in rules.hidden_schemas):
            raise _Refused(f"'{shown}' belongs to the server; only tables of the database are read")
        column = self._name(at + 2) if after == "." and self._text(at + 2) != "*" else None
        if column is not None and column not in rules.shared.get(name, (column,)):
            raise _Refused(f"'{shown}' is another database as well; give the table an alias")
        if before == "." and after != "(" and name in rules.attributes:
            raise _Refused(f"'{shown}' is one of the database's own functions")
        literal = after[:1] == "'" or after[1:2] == "'"  # a type before a text
        if name in rules.casts and (
            literal or before == "as" or before == self._text(at - 2) == ":"
        ):
            raise _Refused(f"casting to '{shown}' calls one of the database's own functions")
        if after == "(":
            self._call(at, name, shown)
        elif name == rules.schema and after == "." and self._text(at + 3) != "(":
            raise _Refused(f"'{shown}' belongs to the server")

    def _is_syntax(self, at: int, name: str, shown: str) -> bool:
        rules, called = self.rules, self._text(at + 1) == "("
        following = self._name(at + 1)
        if name == "into" or (rules.dialect == "mysql" and name in _MYSQL_WORDS):
            raise _Refused(f"{shown.upper()} does more than read")
        if own := _CALLING_OPERATORS.get(name, frozenset()) & rules.operators:
            raise _Refused(
                f"{shown.upper()}, as the database has an operator {min(own)!r} of its own"
            )
        if name == "for" and following in _LOCKING:
            raise _Refused("FOR UPDATE and FOR SHARE lock what they read")
        if rules.dialect == "mysql" and name in ("next", "previous") and following == "value":
            raise _Refused("a sequence; only tables of the database are read")
        another = name in _STATEMENTS and following and following not in _SYNTAX - {"all"}
        if another and rules.dialect == "duckdb" and self._text(at - 1) == "(":
            raise _Refused(f"{shown.upper()} does more than read tables")
        if name not in _SYNTAX or (name in _FUNCTIONS_TOO and name in rules.functions):
            return False
        if called and rules.dialect == "postgres" and name in _PADDED and not self._short(at + 2):
            raise _Refused(f"the length in '{name}' is not a number of at most four digits")
        if called and name in rules.own:
            if name not in _KEYWORD_FORMS & rules.functions:
                raise _Refused(f"the function '{shown}' is one of the database's own")
            self._qualify(at)
        return True

    def _call(self, at: int, name: str, shown: str) -> None:
        """Raise unless the name before this parenthesis is a known function, or no function."""
        rules, before = self.rules, self._text(at - 1)
        if before == "." and rules.dialect != "duckdb":  # where it is a method: text.upper()
            if not rules.schema or self._name(at - 2) != rules.schema:
                raise _Refused(f"the function '{shown}' is not one of the engine's own")
        elif before in ("as", "with", "recursive") or (before != "." and self._names_columns(at)):
            return  # AS t(a, b), WITH t(a, b) AS: names of columns
        elif before in ("tablesample", "sample") and name in _SAMPLING:
            return
        if name not in rules.functions:
            raise _Refused(f"the function '{shown}' is not on the list of those that only compute")
        if name in rules.own and (before != "." or not rules.schema):
            self._qualify(at)
        if name in _PADDING and not self._short(next(iter(self._arguments(at)[1:2]), -1)):
            raise _Refused(f"the length in '{name}' is not a number of at most four digits")
        if name in rules.growing and self._grows(at, name):
            self.grown += 1
            if self.grown > 1:
                raise _Refused(f"'{name}' lengthens texts more than once; do it in one call")

    def _qualify(self, at: int) -> None:
        """Have the engine's own function called, where the database has one of that name as well."""
        inside = self.names[at + 2 : self.pairs.get(at + 1, len(self.names))]
        if self.names[at] in _KEYWORD_FORMS and _BETWEEN_ARGUMENTS & set(inside):
            return  # the grammar itself names the engine's
        if not self.rules.schema:
            raise _Refused(f"the function '{self.tokens[at].text}' is one of the database's own")
        self.through.add(at)

    def _arguments(self, call: int) -> list[int]:
        begins, at = [call + 2], call + 2
        while at < self.pairs.get(call + 1, 0):
            at = self.pairs.get(at, at)  # over what is in parentheses
            if self.texts[at] == ",":
                begins.append(at + 1)
            at += 1
        return begins

    def _short(self, at: int) -> bool:
        text = self._text(at)
        digits = text.isdecimal() and text.isascii() and len(text) <= _MAX_PADDING_DIGITS
        return digits and self._text(at + 1) in (",", ")")

    def _grows(self, call: int, name: str) -> bool:
        old, new = (
            self.tokens[at].text[1:-1]
            if self._text(at + 1) in (",", ")") and self.tokens[at].text[0] == "'"
            else None
            for at in (*self._arguments(call), -1, -1, -1)[1:3]
        )
        if old is None or new is None or name != "replace":
            return new != ""
        return len(new) > len(old)

    def _names_columns(self, at: int) -> bool:
        """True for the names of columns: `t(a, b) AS (SELECT`, a further table expression of a WITH,
        and `) t(a, b)`, an alias of a derived table.
        """
        end = self.pairs.get(at + 1, -1)
        if not all(self.names[i] or self.texts[i] == "," for i in range(at + 2, end)):
            return False
        following = [t for t in self.texts[end + 1 : end + 7] if t not in ("not", "materialized")]
        if following[:2] == ["as", "("]:
            # A list of columns with their types, of a function, can begin with none of these.
            return following[2:3] in (["select"], ["with"], ["("], ["from"], ["table"]) or (
                following[2:4] == ["values", "("]
            )
        opening = self.pairs.get(at - 1, -1)
        return self._text(at - 1) == ")" and (
            self._text(opening + 1) in ("select", "values", "with", "(")
            and self._text(opening - 1) in ("from", "join", ",", "lateral")
        )


def _pairs(texts: Sequence[str]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for at, text in enumerate(texts):
        if text in ("(", "[", "{"):
            opened.append(at)
        elif text in (")", "]", "}") and opened:
            pairs[at] = opened.pop()
            pairs[pairs[at]] = at
    return pairs

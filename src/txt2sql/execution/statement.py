"""May this statement be sent to a server? For the engines that have no authorizer to ask.

An allow list, applied to the words of the text: one statement that reads, that calls only functions
known to be harmless, and names nothing of the server's own catalogue. What is sent is not the text
but its tokens, joined again without comments: should a server see other tokens in them than we do,
it can only be in what was looked at. So a spelling that two readers could understand in two ways
(dollar quotes, escapes, an executable comment) is refused, and no encoding gets a word past the list.

The read-only transaction of the server is the wall behind this one; this one keeps out what such a
transaction still allows: sleeping, locks, files of the server, settings, other servers.

>>> rules = Rules(functions=frozenset({"count"}))
>>> check("SELECT count(*) -- all\\nFROM sale", rules)
Checked(sql='SELECT count(*) FROM sale', error=None)
>>> check("SELECT pg_sleep(9)", rules).error
"refused: the function 'pg_sleep' is not on the list of those that only compute"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from txt2sql.execution.guard import check_read_only

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n\f]+)"
    r"|(?P<comment>--[^\r\n]*|/\*.*?\*/)"
    r"|(?P<text>'(?:[^']|'')*')"
    r'|(?P<quoted>"(?:[^"]|"")*")'
    r"|(?P<ticked>`(?:[^`]|``)*`)"
    r"|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<mark>[-+*/<>=~!#%^&|?:@.,()\[\];])",
    re.DOTALL,
)

# What a parenthesis may follow without being a call, and what looks like a function but is syntax.
_SYNTAX = frozenset(
    "all and any array as between by case cast coalesce cross cube date decimal char character "
    "distinct else end escape except exists extract filter float from full group grouping having "
    "ilike in inner intersect interval is join lateral left like limit natural not nullif numeric "
    "offset on only or order outer over overlay partition position precision recursive right "
    "rollup row select sets similar some substring then time timestamp trim union using values "
    "varchar varying when where window with within materialized greatest least".split()
)
_LOCKING = frozenset({"update", "share", "no", "key"})
_PADDING = frozenset({"lpad", "rpad"})
_MAX_PADDING_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """What one engine allows. All names in lower case.

    `functions` may be called; `hidden` are catalogues and their tables, never to be read; a name in
    `hidden_schemas` is refused where a dot follows it. `own_schema`, before a function, is fine.
    """

    functions: frozenset[str]
    hidden: frozenset[str] = frozenset()
    hidden_schemas: frozenset[str] = frozenset()
    own_schema: str = ""
    backticks: bool = False
    refused_marks: frozenset[str] = frozenset()
    refused_words: frozenset[str] = frozenset()


class Checked(NamedTuple):
    """The statement to send, or why none is."""

    sql: str
    error: str | None = None


class _Token(NamedTuple):
    kind: str
    text: str
    gap: bool
    """Whether space or a comment stood before it."""

    @property
    def name(self) -> str:
        """What a name stands for, in lower case; "" for what is no name."""
        if self.kind == "word":
            return self.text.lower()
        if self.kind in ("quoted", "ticked"):
            mark = self.text[0]
            return self.text[1:-1].replace(mark * 2, mark).lower()
        return ""


class _Refused(Exception):
    """Why the statement is not sent."""


def check(sql: str, rules: Rules) -> Checked:
    """The statement as it may be sent, or the reason why it may not, in one sentence."""
    reason = check_read_only(sql.lstrip("( \t\r\n\f"))  # (SELECT ...) UNION (SELECT ...)
    if reason is not None:
        return Checked("", reason)
    try:
        tokens = _tokens(sql, rules)
        while tokens and tokens[-1].text == ";":
            tokens.pop()
        for index, token in enumerate(tokens):
            _check_token(tokens, index, token, rules)
    except _Refused as refused:
        return Checked("", f"refused: {refused}")
    return Checked(_joined(tokens))


def _tokens(sql: str, rules: Rules) -> list[_Token]:
    tokens: list[_Token] = []
    position, gap = 0, False
    while position < len(sql):
        found = _TOKEN.match(sql, position)
        if found is None:
            raise _Refused(f"the character {sql[position]!r} cannot stand outside quotes")
        kind, text = str(found.lastgroup), found[0]
        position = found.end()
        if kind == "comment":
            if text[:3] in ("/*!", "/*M", "/*+") or "/*" in text[2:]:
                raise _Refused("comments that servers read differently; leave the comments out")
            if rules.backticks and text.startswith("--") and text[2:3] not in ("", " ", "\t"):
                raise _Refused("'--' without a space after it; write '- -' or '-- '")
        if kind in ("space", "comment"):
            gap = True
            continue
        if kind == "ticked" and not rules.backticks:
            raise _Refused('backticks; write names in double quotes: "name"')
        if text == "/" and sql[position : position + 1] == "*":
            raise _Refused("a comment without an end")
        if text in rules.refused_marks:
            raise _Refused(f"{text!r} outside quotes")
        tokens.append(_Token(kind, text, gap))
        gap = False
    return tokens


def _joined(tokens: Sequence[_Token]) -> str:
    """One line, with a space wherever two tokens side by side could be read as another one."""
    parts: list[str] = []
    before = ""
    for token in tokens:
        apart = token.gap or (token.kind in ("text", "quoted", "ticked") and before[-1:].isalnum())
        apart = apart or (before[-1:] in ("_", "'", '"', "`") and token.text[0] in "'\"`")
        apart = apart or (before[-1:].isdigit() and token.kind == "word")
        parts.append(f" {token.text}" if apart and parts else token.text)
        before = token.text
    return "".join(parts)


def _check_token(tokens: Sequence[_Token], index: int, token: _Token, rules: Rules) -> None:
    name = token.name
    if not name:
        if token.text == ";":
            raise _Refused("only one statement can be run, and this text holds several")
        return
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if token.kind == "word":
        if name == "into" or name in rules.refused_words:
            raise _Refused(f"{token.text.upper()} does more than read")
        if name == "for" and index + 1 < len(tokens) and tokens[index + 1].name in _LOCKING:
            raise _Refused("FOR UPDATE and FOR SHARE lock what they read")
        if name in _SYNTAX:
            return
    if name in rules.hidden or (after == "." and name in rules.hidden_schemas):
        raise _Refused(
            f"'{token.text}' belongs to the server; only tables of the database are read"
        )
    if after == "(":
        _check_call(tokens, index, name, rules)
    elif name == rules.own_schema and after == ".":
        following = tokens[index + 3].text if index + 3 < len(tokens) else ""
        if following != "(":
            raise _Refused(f"'{token.text}' belongs to the server")


def _check_call(tokens: Sequence[_Token], index: int, name: str, rules: Rules) -> None:
    """Raise unless the name before this parenthesis is a known function, or no function."""
    before = tokens[index - 1] if index else None
    if before is not None and before.text == ".":
        schema = tokens[index - 2].name if index > 1 else ""
        if not rules.own_schema or schema != rules.own_schema:
            raise _Refused(f"the function '{tokens[index].text}' is not one of the engine's own")
    elif before is not None and before.name in ("as", "with", "recursive"):
        return  # AS t(a, b), WITH t(a, b) AS: names of columns
    elif _names_columns(tokens, index):
        return
    if name not in rules.functions:
        raise _Refused(
            f"the function '{tokens[index].text}' is not on the list of those that only compute"
        )
    if name in _PADDING and not _short_padding(tokens, index + 1):
        raise _Refused(f"the length in '{name}' is not a number of at most four digits")


def _names_columns(tokens: Sequence[_Token], index: int) -> bool:
    """True for `t(a, b) AS (SELECT`, a further table expression of a WITH."""
    position = index + 2
    while position < len(tokens) and (tokens[position].name or tokens[position].text == ","):
        position += 1
    texts = [token.text.lower() for token in tokens[position : position + 4]]
    return texts[:3] == [")", "as", "("] and texts[3:] in (["select"], ["with"], ["values"])


def _short_padding(tokens: Sequence[_Token], opening: int) -> bool:
    """Whether the second argument is a small number as such."""
    depth = 0
    for position in range(opening, len(tokens) - 2):
        text = tokens[position].text
        depth += (text in "([") - (text in ")]")
        if depth == 0:
            return False
        if depth == 1 and text == ",":
            number, end = tokens[position + 1 : position + 3]
            digits = number.text.isdigit() and len(number.text) <= _MAX_PADDING_DIGITS
            return digits and end.text in (",", ")")
    return False

"""WikiSQL's query sketch read from SQL text, or from the JSON of its evaluator's prediction files.

A sketch is {selected column, aggregate, conditions joined by AND}, all by position in one table
(Zhong et al., "Seq2SQL", 2017). A small parser of exactly that subset: names may be quoted in every
way of SQLite, qualified by the table or its alias, conditions parenthesised or written backwards.
Everything else has no sketch, which is None. Linear in the text; nothing raises, whatever the text.

>>> from txt2sql.types import Column
>>> table = Table("sale", (Column("City"), Column("Price", "number")))
>>> sketch_of('SELECT MAX(price) FROM sale WHERE City = \\'Porto\\' AND 3 < "Price"', table)
Sketch(sel=1, agg=1, conds=((0, 0, 'Porto'), (1, 1, 3)))
>>> sketch_of("SELECT city FROM sale ORDER BY price", table) is None
True
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from txt2sql.identifiers import RESERVED
from txt2sql.sql.sources import unquoted
from txt2sql.types import Table

AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
OPERATORS = ("=", ">", "<")


@dataclass(frozen=True, slots=True)
class Sketch:
    """`agg` and the operators are positions in AGGREGATES and OPERATORS; conds (column, op, value)."""

    sel: int
    agg: int
    conds: tuple[tuple[int, int, Any], ...] = ()


def sketch_of(sql: str, table: Table) -> Sketch | None:
    """The sketch that the text stands for over `table`, or None where it has none.

    String values keep their case, and numbers are as Python reads them: `3.0` is the float 3.0.
    """
    try:
        return _Reader(sql, table).query()
    except _NoSketch:
        return None


def sketch_of_json(text: str) -> Sketch | None:
    """The sketch in `{"query": {"sel": 0, "agg": 0, "conds": []}}`; None for `{"error": ...}`."""
    try:
        item = json.loads(text)
        if item.get("error"):
            return None
        query = item["query"]
        conds = tuple((column, operator, value) for column, operator, value in query["conds"])
        positions = [query["sel"], query["agg"]]
        positions += [position for column, operator, _ in conds for position in (column, operator)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not all(isinstance(position, int) for position in positions):
        return None
    return Sketch(query["sel"], query["agg"], conds)


class _NoSketch(Exception):
    """The text is outside the subset."""


# SQLite's own white space and identifier characters: any character beyond ASCII is part of a name.
_TOKEN = re.compile(
    r"""[ \t\n\f\r]*(?:
      (?P<name>"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`|\[[^\]]*\])
    | (?P<text>'[^']*(?:''[^']*)*')
    | (?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
    | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?![\w$\x80-\U0010ffff])
    | (?P<mark>==|[=<>().+-])
    | (?P<other>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_AGGREGATE = {name: position for position, name in enumerate(AGGREGATES) if name}
_OPERATOR = {"=": 0, "==": 0, ">": 1, "<": 2}
_FLIPPED = (0, 2, 1)
_LONGEST_INTEGER = 4000
"""Digits; Python refuses to read more than 4,300."""

_Token = tuple[str, str]
_END: _Token = ("end", "")


class _Reader:
    """Reads tokens from left to right; `at` is the next one."""

    def __init__(self, sql: str, table: Table) -> None:
        self.tokens: list[_Token] = []
        for match in _TOKEN.finditer(sql.rstrip(" \t\n\f\r;")):
            kind = match.lastgroup or "other"
            if kind == "other":  # at once, so that a text of unclosed quotes takes linear time
                raise _NoSketch
            self.tokens.append((kind, match[kind]))
        self.tokens.append(_END)
        self.at = 0
        self.table = table.name.lower()
        self.columns = {
            column.name.lower(): position for position, column in enumerate(table.columns)
        }
        self.qualifiers: set[str] = set()

    def query(self) -> Sketch:
        """SELECT item FROM table [WHERE condition AND ...] [;]"""
        self.expect("word", "select")
        sel, agg = self.item()
        if self.took("word", "as"):
            self.name()
        self.expect("word", "from")
        if self.name() != self.table:
            raise _NoSketch
        name = self.alias() or self.table
        conds = self.conditions() if self.took("word", "where") else []
        if self.tokens[self.at] != _END or self.qualifiers - {name}:
            raise _NoSketch
        return Sketch(sel, agg, tuple(conds))

    def item(self) -> tuple[int, int]:
        """The selected column and its aggregate."""
        kind, text = self.tokens[self.at]
        if kind == "word" and self.tokens[self.at + 1] == ("mark", "("):
            agg = _AGGREGATE.get(text.upper())
            if agg is None:
                raise _NoSketch
            self.at += 2
            sel = self.column()
            self.expect("mark", ")")
            return sel, agg
        return self.column(), 0

    def alias(self) -> str | None:
        if self.took("word", "as"):
            return self.name()
        kind, text = self.tokens[self.at]
        if kind == "name" or (kind == "word" and text.lower() not in RESERVED):
            return self.name()
        return None

    def conditions(self) -> list[tuple[int, int, Any]]:
        """Conditions joined by AND, so that parentheses change nothing and need only balance."""
        conds = []
        depth = 0
        while True:
            while self.took("mark", "("):
                depth += 1
            conds.append(self.condition())
            while depth and self.took("mark", ")"):
                depth -= 1
            if not self.took("word", "and"):
                break
        if depth:
            raise _NoSketch
        return conds

    def condition(self) -> tuple[int, int, Any]:
        left, value = self.operand()
        kind, text = self.tokens[self.at]
        operator = _OPERATOR.get(text) if kind == "mark" else None
        if operator is None:
            raise _NoSketch
        self.at += 1
        right, other = self.operand()
        if left is not None and right is None:
            return left, operator, other
        if left is None and right is not None:
            return right, _FLIPPED[operator], value
        raise _NoSketch  # two columns, or none

    def operand(self) -> tuple[int | None, Any]:
        """(column, None) or (None, value)."""
        kind, text = self.tokens[self.at]
        if kind == "text":
            self.at += 1
            return None, text[1:-1].replace("''", "'")
        if kind == "number" or (kind == "mark" and text in "+-"):
            return None, self.number()
        if kind == "name" and text[0] == '"' and self.tokens[self.at + 1] != ("mark", "."):
            name = unquoted(text)
            if name.lower() not in self.columns:  # SQLite takes it for a string then
                self.at += 1
                return None, name
        return self.column(), None

    def number(self) -> int | float:
        sign = -1 if self.took("mark", "-") else 1
        if sign == 1:
            self.took("mark", "+")
        kind, text = self.tokens[self.at]
        if kind != "number":
            raise _NoSketch
        self.at += 1
        whole = text.isdigit() and len(text) <= _LONGEST_INTEGER
        return sign * (int(text) if whole else float(text))

    def column(self) -> int:
        name = self.name()
        if self.took("mark", "."):
            self.qualifiers.add(name)
            name = self.name()
        position = self.columns.get(name)
        if position is None:
            raise _NoSketch
        return position

    def name(self) -> str:
        """The next token as a name in lower case."""
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "name":
            return unquoted(text).lower()
        lowered = text.lower()
        if kind != "word" or lowered in RESERVED:
            raise _NoSketch
        return lowered

    def took(self, kind: str, text: str) -> bool:
        """Step over the next token if it is this one."""
        token_kind, actual = self.tokens[self.at]
        if token_kind == kind and (actual == text or (kind == "word" and actual.lower() == text)):
            self.at += 1
            return True
        return False

    def expect(self, kind: str, text: str) -> None:
        if not self.took(kind, text):
            raise _NoSketch

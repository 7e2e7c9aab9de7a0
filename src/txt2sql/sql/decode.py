"""The intermediate representation -> SQL, for every answer of a model that was trained on it.

Two passes over the words: the first finds the scope of each and what its FROM lists, the second
writes names for symbols, joins with their conditions, and literals as their columns spell them.

>>> decode("select count ( * ) from [t0]", schema, links)  # doctest: +SKIP
'SELECT count(*) FROM singer'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from txt2sql.identifiers import quote_identifier
from txt2sql.sql.intermediate import (
    AGGREGATES,
    KEYWORDS,
    NUMBER,
    join_condition,
    join_path,
)
from txt2sql.types import Links, Schema

_SYMBOL = re.compile(r"\[([tcv])(\d+)\]$")
_DECIMAL = re.compile(r"\b(\d+) \. (\d+)\b")
_CLAUSES = ("where", "group", "having", "order", "limit", "union", "intersect", "except")

Spelling = Callable[[str, str, str], str]
"""(table, column, literal) -> the literal as the column stores it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One table of a FROM clause; `at` is where its symbol stands, -1 when it was added."""

    table: str
    alias: str = ""
    at: int = -1


@dataclass(slots=True)
class _Scope:
    """One SELECT while decoding: what its FROM lists and the tables its columns need."""

    parent: _Scope | None
    sources: list[_Source] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    derived: bool = False

    def lists(self, table: str) -> bool:
        return any(source.table == table for source in self.sources)

    def sees(self, table: str) -> bool:
        return self.lists(table) or (self.parent is not None and self.parent.sees(table))

    @property
    def qualified(self) -> bool:
        scope: _Scope | None = self
        while scope is not None:
            if len(scope.sources) > 1:
                return True
            scope = scope.parent
        return False


def decode(text: str, schema: Schema, links: Links, spell: Spelling | None = None) -> str | None:
    """SQL for an IR text, or None when it is not well-formed or points outside the links.

    `spell(table, column, text)` gives a literal the case and form that the column stores.
    """
    words = _without_repeats(_DECIMAL.sub(r"\1.\2", text).split())
    try:
        scope_of = _scopes(words, links)
        _complete(words, scope_of, schema)
        return _spaced(_Writer(words, scope_of, schema, links, spell).write())
    except (_Malformed, IndexError):
        return None


def _without_repeats(words: Sequence[str]) -> list[str]:
    """Every list of selected items with each item once; no question asks for a column twice, but
    small models stutter.
    """
    kept: list[str] = []
    i = 0
    while i < len(words):
        kept.append(words[i])
        i += 1
        if kept[-1] != "select":
            continue
        items, end = _items(words, i)
        for position, item in enumerate(dict.fromkeys(items)):
            kept += [",", *item] if position else item
        i = end
    return kept


def _items(words: Sequence[str], start: int) -> tuple[list[tuple[str, ...]], int]:
    """The items between SELECT and its FROM, and where that FROM stands."""
    items: list[tuple[str, ...]] = []
    depth, begin, i = 0, start, start
    while i < len(words) and not (words[i] == "from" and depth == 0):
        depth += (words[i] == "(") - (words[i] == ")")
        if words[i] == "," and depth == 0:
            items.append(tuple(words[begin:i]))
            begin = i + 1
        i += 1
    return [*items, tuple(words[begin:i])], i


class _Malformed(ValueError):
    """The IR text is not well-formed."""


def _symbol(word: str, links: Links) -> tuple[str, int] | None:
    match = _SYMBOL.match(word)
    if match is None:
        return None
    kind, index = match[1], int(match[2])
    known = {"t": links.tables, "c": links.columns, "v": links.values}[kind]
    if index >= len(known):
        raise _Malformed(word)
    return kind, index


def _scopes(words: Sequence[str], links: Links) -> list[_Scope]:
    """The scope of every word; fills each scope's sources and needed tables."""
    if not words or words[0] != "select":
        raise _Malformed("no select")
    scope_of: list[_Scope] = []
    stack: list[_Scope | None] = []
    scope: _Scope | None = None
    parent: _Scope | None = None
    for i, word in enumerate(words):
        if word == "(":
            stack.append(scope)
            if i + 1 < len(words) and words[i + 1] == "select":
                parent, outer = scope, scope
                if words[i - 1] == "from" and outer is not None:
                    outer.derived = True
        elif word == ")":
            if not stack:
                raise _Malformed("unbalanced")
            scope = stack.pop()
            parent = scope.parent if scope else None
        elif word == "select":
            scope = _Scope(parent)
        if scope is None:
            raise _Malformed("outside select")
        scope_of.append(scope)
        symbol = _symbol(word, links)
        if symbol is None:
            continue
        kind, index = symbol
        if kind == "t" and words[i - 1] in ("from", "join"):
            aliased = words[i + 1 : i + 2] == ["as"] and i + 2 < len(words)
            # A table listed twice without aliases could only be ambiguous: once is what it means.
            if aliased or not scope.lists(links.tables[index]):
                alias = words[i + 2] if aliased else ""
                scope.sources.append(_Source(links.tables[index], alias, i))
        elif kind == "c" and words[i - 1] != ".":
            scope.needed.append(links.columns[index][0])
    if stack:
        raise _Malformed("unbalanced")
    return scope_of


def _complete(words: Sequence[str], scope_of: Sequence[_Scope], schema: Schema) -> None:
    """Make each FROM hold together along foreign keys: tables between two joined ones are added,
    so are tables whose columns are used; a table that neither key nor column ties in is left out.
    """
    for scope in {id(scope): scope for scope in scope_of}.values():
        if scope.derived:
            continue
        listed, scope.sources = scope.sources, scope.sources[:1]
        for source in listed[1:]:
            conditioned = words[source.at + 1 : source.at + 2] == ["on"]
            if source.alias or conditioned:
                scope.sources.append(source)
            elif not scope.lists(source.table):
                earlier = [other.table for other in scope.sources]
                path = join_path(schema, earlier, source.table)
                if len(path) == 1 or source.table in scope.needed:
                    scope.sources += [_Source(step) for step in path[:-1]]
                    scope.sources.append(source)
        for table in dict.fromkeys(scope.needed):
            if not scope.lists(table):
                path = join_path(schema, [source.table for source in scope.sources], table)
                scope.sources += [_Source(step) for step in path]


class _Writer:
    """Second pass over the words: replaces symbols by names, now that every scope is known."""

    def __init__(
        self,
        words: Sequence[str],
        scope_of: Sequence[_Scope],
        schema: Schema,
        links: Links,
        spell: Spelling | None,
    ) -> None:
        self.words, self.scope_of, self.schema, self.links = words, scope_of, schema, links
        self.spell = spell

    def write(self) -> list[str]:
        out: list[str] = []
        i = 0
        while i < len(self.words):
            word, scope = self.words[i], self.scope_of[i]
            if word == "from" and self.words[i + 1] != "(":
                i, clause = self.from_clause(i, scope)
                out += clause
                continue
            if word == "'":
                end = self.words.index("'", i + 1) if "'" in self.words[i + 1 :] else -1
                if end < 0:
                    raise _Malformed("open literal")
                out.append(self.string(i, " ".join(self.words[i + 1 : end])))
                i = end + 1
                continue
            if word == "like":
                i, pattern = self.pattern(i + 1)
                out += ["LIKE", pattern]
                continue
            out += self.word(i)
            i += 1
        return out

    def from_clause(self, i: int, scope: _Scope) -> tuple[int, list[str]]:
        """The FROM clause from its keyword on, every join with its condition."""
        out: list[str] = []
        for position, source in enumerate(scope.sources):
            out += ["JOIN" if position else "FROM", quote_identifier(source.table)]
            if source.alias:
                out += ["AS", source.alias]
            explicit = self._explicit_condition(source)
            if explicit:
                out += ["ON", *explicit]
            elif position and not source.alias:
                earlier = [other.table for other in scope.sources[:position]]
                key = join_condition(self.schema, source.table, earlier)
                if key is not None:
                    out += ["ON", _qualified(*key[0]), "=", _qualified(*key[1])]
        i += 1
        while i < len(self.words) and not (
            self.words[i] in _CLAUSES or (self.words[i] == ")" and self.scope_of[i] is not scope)
        ):
            i += 1
        return i, out

    def _explicit_condition(self, source: _Source) -> list[str]:
        """The condition after ON that the IR gives a source, written out; [] for none."""
        i = source.at + (3 if source.alias else 1)
        if source.at < 0 or self.words[i : i + 1] != ["on"]:
            return []
        scope = self.scope_of[source.at]
        out: list[str] = []
        for j in range(i + 1, len(self.words)):
            ended = self.words[j] == ")" and self.scope_of[j] is not scope
            if ended or self.words[j] in (*_CLAUSES, "join"):
                break
            out += self.word(j)
        # A column compared with itself says nothing: the foreign key does.
        return [] if out[: len(out) // 2] == out[len(out) // 2 + 1 :] else out

    def word(self, i: int) -> list[str]:
        word, scope = self.words[i], self.scope_of[i]
        symbol = _symbol(word, self.links)
        if symbol is None:
            if word == "=" and self.words[i - 1] in ("!", "<", ">"):
                return []
            if word in ("!", "<", ">") and self.words[i + 1 : i + 2] == ["="]:
                return [word + "="]
            return [word.upper() if word in KEYWORDS and word not in AGGREGATES else word]
        kind, index = symbol
        if kind == "t":
            return [quote_identifier(self.links.tables[index])]
        if kind == "c":
            table, column = self.links.columns[index]
            dotted = self.words[i - 1] == "." or not (scope.qualified and scope.sees(table))
            return [quote_identifier(column) if dotted else _qualified(table, column)]
        return [self.value(i, self.links.values[index])]

    def value(self, i: int, text: str) -> str:
        if NUMBER.match(text):
            column = self._compared(i)
            described = self.schema.table(column[0]) if column else None
            found = described.column(column[1]) if column and described else None
            if found is None or found.type != "text":
                return text
        return self.string(i, text)

    def string(self, i: int, text: str) -> str:
        """A string literal at word i, as the column it is compared with spells it."""
        column = self._compared(i)
        if self.spell and column and not NUMBER.match(text):
            text = self.spell(*column, text)
        return _string(text)

    def _compared(self, i: int) -> tuple[str, str] | None:
        """The column that the value at word i is compared with, when that is plain to see."""
        for word in reversed(self.words[max(0, i - 12) : i]):
            symbol = _symbol(word, self.links)
            if symbol and symbol[0] == "c":
                return self.links.columns[symbol[1]]
            if word in ("where", "or", "having", "limit", *AGGREGATES):
                return None
        return None

    def pattern(self, i: int) -> tuple[int, str]:
        before = after = ""
        if self.words[i] == "%":
            before, i = "%", i + 1
        if self.words[i] == "'":
            end = self.words.index("'", i + 1) if "'" in self.words[i + 1 :] else -1
            if end < 0:
                raise _Malformed("open literal")
            core, i = " ".join(self.words[i + 1 : end]), end + 1
        else:
            symbol = _symbol(self.words[i], self.links)
            core = self.links.values[symbol[1]] if symbol and symbol[0] == "v" else self.words[i]
            i += 1
        if i < len(self.words) and self.words[i] == "%":
            after, i = "%", i + 1
        return i, _string(before + core + after)


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _qualified(table: str, column: str) -> str:
    return f"{quote_identifier(table)}.{quote_identifier(column)}"


def _spaced(words: Sequence[str]) -> str:
    """Words joined the way people space SQL: `count(*)`, `a, b`, `T.c`."""
    text = ""
    for before, word in zip(["", *words], words):
        tight = word in (")", ",", ".") or before in ("", "(", ".")
        text += word if tight or (word == "(" and before in AGGREGATES) else " " + word
    return text

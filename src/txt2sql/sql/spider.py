"""Spider's SQL subset: the grammar that decides what exact set match can read, and how.

Field's name: Spider SQL parser (Yu et al., "Spider", EMNLP 2018). This parser accepts and rejects what the
official one does, oddities included: aliases hold for the whole query, a table may be aliased only with
AS, `<>` and IS NULL are unknown, what follows a complete query is ignored.

The evaluator cuts SQL with an English word tokeniser: `age = 3` is three tokens, `age=3` is one and cannot
be read, `age>3` is three again. `tokenise` makes the same cuts in time linear in the text, by the rules of
the Penn Treebank tokeniser (Marcus et al. 1993) and those of Punkt (Kiss and Strunk 2006) for where a
sentence, and with it a full stop, ends.

>>> schema = SpiderSchema({"singer": ("name", "age")})
>>> query = parse("SELECT T1.Name FROM singer AS T1 WHERE T1.Age > 20", schema)
>>> query.select[0].expression.left.id, query.tables, query.where[0].operator
('singer.name', ('singer',), '>')
>>> parse("SELECT name FROM singer s", schema) is None
True
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

from txt2sql.sql.spider_query import (
    Column,
    Condition,
    Conditions,
    Expression,
    Item,
    Query,
    SpiderSchema,
    Value,
)

_QUOTED = re.compile('"[^"]*"')

_CUT = r"\s;@#$%&?!*()\[\]{}<>«»“”„‘’\u2012-\u2015`"
"""White space, and the characters that stand alone."""


# Words with single dots and dashes inside; the rest singly.
_INNER = rf"(?:\.(?!\.)|-(?!-))[^{_CUT}.-]*"
_TOKEN = re.compile(rf"[^{_CUT}.-]+(?:{_INNER})*|(?:{_INNER})+|`+|--|\.\.+|\S")

# A comma or colon stands alone unless a digit follows, of two in a row the second stays with what comes
# after it, and some English words are two.
_COMMA = re.compile(r"([,:])(\D|$)")
_CONTRACTION = re.compile(
    r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)"
    rf"|(wan)(na)(?=$|[{_CUT}]|--|\.\.))\b"
)

# A full stop before white space or one of these characters may end a sentence; then it stands alone.
# Not so after a number when a small letter follows, nor after a single letter when any does.
_STOP = re.compile(r"\.[\s)\";}\]*:@({\[!?«»‘’“”]")
_RUN = re.compile(r"(\S+)(?=\s*(\S?))")
_END = re.compile(r"[.?!](?=$|[)\";}\]*:@({\[!?«»‘’“”])")
_NUMBER_OR_INITIAL = re.compile(r"(?:^|[^\w.,-])(?:-?[.,]?\d[\d,.-]*|([^\W\d_]))$")
_CLOSERS = ")]}>»”’ "


def tokenise(sql: str) -> list[str] | None:
    """Lower-case tokens, quoted text as it stands between double quotes; None: a quote is open."""
    quoted: dict[str, str] = {}
    text = sql.replace("'", '"')
    if '"' in text:
        if text.count('"') % 2:
            return None

        def hide(match: re.Match[str]) -> str:
            # The word that stands for quoted text holds its place, as Spider's does: glued to
            # something else it is never put back, and two of them differ.
            mark = f"__val_{match.start()}_{match.end() - 1}__"
            quoted[mark] = match.group()
            return mark

        text = _QUOTED.sub(hide, text)
    if "." in text:
        text = _split_stops(text)
    text = _COMMA.sub(r" \1 \2", text.lower())
    text = _CONTRACTION.sub(lambda match: f" {' '.join(filter(None, match.groups()))} ", text)
    tokens: list[str] = []
    for token in _TOKEN.findall(text):
        if token == "=" and tokens and tokens[-1] in ("!", ">", "<"):
            tokens[-1] += "="
        else:
            tokens.append(quoted.get(token, token))
    return tokens


def _split_stops(text: str) -> str:
    """Set apart the full stops that end the text or a sentence in it."""
    bare = text.rstrip().rstrip(_CLOSERS)
    if bare.endswith(".") and not bare.endswith(".."):
        text = f"{bare[:-1]} . {text[len(bare) :]}"
    if _STOP.search(text):
        text = _RUN.sub(_split_stop, text)
    return text


def _split_stop(run: re.Match[str]) -> str:
    """Set apart the last full stop of a run without white space, where a sentence ends there."""
    text, following = run.groups()
    ends = [match.start() for match in _END.finditer(text)]
    if not (ends and following) and ends[-1:] == [len(text) - 1]:
        ends.pop()
    if not ends or text[ends[-1]] != "." or text[: ends[-1]][-1:] in ("", "."):
        return text
    before, after = text[: ends[-1]], text[ends[-1] + 1 :]
    following = after[:1] or following
    short = _NUMBER_OR_INITIAL.search(before)
    if short and (
        following in ";:,.!?" or (following.isalpha() if short[1] else following.islower())
    ):
        return text
    return f"{before} . {after}"


MAX_DEPTH = 100
"""Deepest nesting of queries that is read."""

_AGGREGATES = {"none": "", **{name: name for name in ("max", "min", "count", "sum", "avg")}}
_ARITHMETIC = {"none": "", **{sign: sign for sign in "-+*/"}}
_COMPARISONS = frozenset("not between = > < >= <= != in like is exists".split())
_SET_OPERATORS = ("intersect", "union", "except")

# "" is the mark at the end of the tokens.
_CLAUSES = frozenset(["select", "from", "where", "group", "order", "limit", *_SET_OPERATORS, ""])
_SOURCES_END = _CLAUSES | {")", ";"}
_CONDITIONS_END = _SOURCES_END | {"join", "on", "as"}
_VALUE_END = _CLAUSES | {"join", "on", "as", ",", ")", "and"}


class _Unreadable(Exception):
    """The tokens leave the grammar."""


def parse(sql: str, schema: SpiderSchema) -> Query | None:
    """The query, or None when it is not in the subset or names what the schema lacks."""
    tokens = tokenise(sql)
    if not tokens:
        return None
    try:
        return _Reader(tokens, schema).query()
    except (_Unreadable, KeyError, ValueError, IndexError):
        # KeyError: unknown name; ValueError: no FROM, or two dots; IndexError: beyond the end.
        return None


class _Reader:
    """Recursive descent over tokens; `at` is the next one. Methods are named for what they read."""

    __slots__ = ("at", "depth", "names", "schema", "tokens")

    def __init__(self, tokens: list[str], schema: SpiderSchema) -> None:
        self.schema = schema
        self.names = _names(tokens, schema)
        self.tokens = [*tokens, ""]
        self.at = 0
        self.depth = 0

    def take(self, token: str) -> bool:
        """Step over `token` if it is next."""
        matches = self.tokens[self.at] == token
        self.at += matches
        return matches

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise _Unreadable

    def word(self, words: Mapping[str, str]) -> str | None:
        """Step over one of the words if it is next; what it stands for."""
        meaning = words.get(self.tokens[self.at])
        self.at += meaning is not None
        return meaning

    def query(self) -> Query:
        """FROM is read first, since it says which tables SELECT may name."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unreadable
        tokens = self.tokens
        block = self.take("(")
        self.expect("select")
        start = self.at
        self.at = tokens.index("from", start) + 1
        tables, on, own = self.sources()
        after, self.at = self.at, start
        distinct = self.take("distinct")
        select = self.items(own)
        self.at = after
        where = self.conditions(own) if self.take("where") else ()
        group = self.group(own) if self.take("group") else ()
        having = self.conditions(own) if self.take("having") else ()
        direction, order = self.order(own) if self.take("order") else ("", ())
        limit = self.take("limit")
        if limit:  # by whatever comes next
            if not tokens[self.at]:
                raise _Unreadable
            self.at += 1
        self.semicolons()
        if block:
            self.expect(")")
        self.semicolons()
        branches: dict[str, Query | None] = dict.fromkeys(_SET_OPERATORS)
        operator = tokens[self.at]
        if operator in branches:
            self.at += 1
            branches[operator] = self.query()
        self.depth -= 1
        clauses = (distinct, select, tables, on, where, group, having, direction, order, limit)
        return Query(*clauses, *branches.values())

    def semicolons(self) -> None:
        while self.take(";"):
            pass

    def sources(self) -> tuple[tuple[str | Query, ...], Conditions, list[str]]:
        """Tables and queries of FROM, the conditions of ON, and the names of the tables."""
        tokens = self.tokens
        tables: list[str | Query] = []
        own: list[str] = []
        on: list[Condition | str] = []
        while tokens[self.at]:
            block = self.take("(")
            if tokens[self.at] == "select":
                tables.append(self.query())
            else:
                self.take("join")
                table = self.names[tokens[self.at]]
                if table not in self.schema.ids:
                    raise _Unreadable
                self.at += 3 if tokens[self.at + 1] == "as" else 1
                tables.append(table)
                own.append(table)
            if self.take("on"):
                if on:
                    on.append("and")
                on += self.conditions(own)
            if block:
                self.expect(")")
            if tokens[self.at] in _SOURCES_END:
                break
        return tuple(tables), tuple(on), own

    def items(self, own: list[str]) -> tuple[Item, ...]:
        """Commas between what SELECT lists may be missing."""
        items = []
        while self.tokens[self.at] not in _CLAUSES:
            items.append(Item(self.word(_AGGREGATES) or "", self.expression(own)))
            self.take(",")
        return tuple(items)

    def expression(self, own: list[str]) -> Expression:
        block = self.take("(")
        left = self.column(own)
        operator = self.word(_ARITHMETIC)
        right = self.column(own) if operator is not None else None
        if block:
            self.expect(")")
        return Expression(operator or "", left, right)

    def column(self, own: list[str]) -> Column:
        """A parenthesis before an aggregate is never closed."""
        block = self.take("(")
        aggregate = self.word(_AGGREGATES)
        if aggregate is not None:
            self.expect("(")
        distinct = self.take("distinct")
        column = self.column_id(own)
        if block or aggregate is not None:
            self.expect(")")
        return Column(aggregate or "", column, distinct)

    def column_id(self, own: list[str]) -> str:
        """Without a table, a column is of the first table in FROM that has one of that name."""
        token = self.tokens[self.at]
        self.at += 1
        if token == "*":
            return token
        if "." in token:
            table, name = token.split(".")
            column = f"{self.names[table]}.{name}"
            if column in self.schema.ids:
                return column
            raise _Unreadable
        for table in own:
            if token in self.schema.tables[table]:
                return f"{table}.{token}"
        raise _Unreadable

    def conditions(self, own: list[str]) -> Conditions:
        """One flat list; AND and OR may be missing, and do not bind differently."""
        tokens = self.tokens
        listed: list[Condition | str] = []
        while tokens[self.at]:
            expression = self.expression(own)
            negated = self.take("not")
            operator = tokens[self.at]
            if operator not in _COMPARISONS:
                raise _Unreadable
            self.at += 1
            value, upper = self.value(own), None
            if operator == "between":
                self.expect("and")
                upper = self.value(own)
            listed.append(Condition(negated, operator, expression, value, upper))
            token = tokens[self.at]
            if token in _CONDITIONS_END:
                break
            if token in ("and", "or"):
                listed.append(token)
                self.at += 1
        return tuple(listed)

    def value(self, own: list[str]) -> Value:
        """A query, quoted text, a number or a column; after a column all is skipped up to a keyword."""
        tokens, start = self.tokens, self.at
        block = self.take("(")
        token = tokens[self.at]
        value: Value
        if token == "select":
            value = self.query()
        elif '"' in token:
            value = token
            self.at += 1
        else:
            try:
                value = float(token)
                self.at += 1
            except ValueError:
                end = next(i for i in count(start) if tokens[i] in _VALUE_END)
                distinct = self.take("distinct")
                value = Column("", self.column_id(own), distinct)
                if block or self.at > end:
                    raise _Unreadable from None
                self.at = end
        if block:
            self.expect(")")
        return value

    def group(self, own: list[str]) -> tuple[Column, ...]:
        self.expect("by")
        columns = []
        while self.tokens[self.at] not in _SOURCES_END:
            columns.append(self.column(own))
            if not self.take(","):
                break
        return tuple(columns)

    def order(self, own: list[str]) -> tuple[str, tuple[Expression, ...]]:
        self.expect("by")
        direction = "asc"
        expressions = []
        while self.tokens[self.at] not in _SOURCES_END:
            expressions.append(self.expression(own))
            direction = self.word({"asc": "asc", "desc": "desc"}) or direction
            if not self.take(","):
                break
        return direction, tuple(expressions)


def _names(tokens: list[str], schema: SpiderSchema) -> dict[str, str]:
    """Table names, and every `X as Y` of the whole text: the last Y wins, none may be a table."""
    names = {table: table for table in schema.tables}
    at = -1
    for _ in range(tokens.count("as")):
        at = tokens.index("as", at + 1)
        alias = tokens[at + 1]
        if alias in schema.tables:
            raise _Unreadable
        names[alias] = tokens[at - 1]
    return names

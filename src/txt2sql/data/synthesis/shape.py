"""Shapes: queries whose tables, columns and values are numbered places to be filled.

Field's names: SQL skeleton, sketch. `t1.c0` is the first column that the query takes from its second
table, `v` any value; tables that are joined are joined along a key. The text is what mining counts and
the tree is what is filled, written and put into words.

>>> shape = read("select t0.c0 from t0 where t0.c1 > v order by t0.c0 asc")
>>> shape.where[0].operator, shape.where[0].term.ref, shape.limit
('>', Ref(table=0, column=1), -1)
>>> skeleton("select t0.c0 from t0 join t1 where t1.c0 = v")
'select c from t join t where c = v'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

AGGREGATES = frozenset({"count", "sum", "avg", "min", "max"})
SET_OPERATORS = frozenset({"union", "intersect", "except"})
_COMPARISONS = {"=": "=", ">": ">", "<": "<", "!": "!="}
_REF = re.compile(r"t(\d+)\.c(\d+)$")
_TABLE = re.compile(r"t(\d+)$")


class Unreadable(ValueError):
    """This text is no shape: it has arithmetic, aliases, mixed AND and OR, or the like."""


class Misfit(Exception):
    """The shape does not fit a database, or not with the choices made; the text says why."""


class Ref(NamedTuple):
    """A place for a column, in a place for a table."""

    table: int
    column: int


class Term(NamedTuple):
    """`aggregate(distinct ref)`; without `ref`, all columns."""

    aggregate: str
    distinct: bool
    ref: Ref | None


class Condition(NamedTuple):
    """`term operator` values, the values of `query`, or another column.

    `values` are places for values; `pattern` says where LIKE puts its `%` round the value.
    """

    term: Term
    operator: str
    values: tuple[int, ...] = ()
    pattern: str = ""
    query: Query | None = None
    other: Ref | None = None


class Select(NamedTuple):
    """One SELECT. Conditions are joined by OR where `either`; `limit` is a place for a value or -1."""

    distinct: bool
    terms: tuple[Term, ...]
    tables: tuple[int, ...]
    where: tuple[Condition, ...] = ()
    either: bool = False
    group: tuple[Ref, ...] = ()
    having: tuple[Condition, ...] = ()
    order: tuple[tuple[Term, bool], ...] = ()
    limit: int = -1


class Compound(NamedTuple):
    """Two queries joined by a set operator."""

    operator: str
    left: Query
    right: Query


Query = Select | Compound


def read(text: str) -> Query:
    """The tree of a shape's text. Raises Unreadable."""
    reader = _Reader(text.split())
    query = reader.query()
    if reader.at != len(reader.tokens) - 1:
        raise Unreadable(text)
    return query


def skeleton(text: str) -> str:
    """What coverage counts: a shape without the numbers of its places."""
    return re.sub(r"t\d+\.c\d+", "c", re.sub(r"\bt\d+(?![\d.])", "t", text))


def selects(query: Query) -> Iterator[Select]:
    """Every SELECT of a query, outer ones first."""
    if isinstance(query, Compound):
        yield from selects(query.left)
        yield from selects(query.right)
        return
    yield query
    for condition in (*query.where, *query.having):
        if condition.query is not None:
            yield from selects(condition.query)


def own_refs(select: Select) -> Iterator[Ref]:
    """The columns that a SELECT itself names, its nested queries left out."""
    terms = [*select.terms, *(term for term, _ in select.order)]
    terms += [condition.term for condition in (*select.where, *select.having)]
    yield from (term.ref for term in terms if term.ref is not None)
    yield from select.group
    yield from (c.other for c in (*select.where, *select.having) if c.other is not None)


class _Reader:
    """Recursive descent over tokens; `at` is the next one."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, ""]
        self.at = 0
        self.values = 0

    def take(self, *words: str) -> bool:
        if tuple(self.tokens[self.at : self.at + len(words)]) == words:
            self.at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        if not self.take(*words):
            raise Unreadable(" ".join(self.tokens))

    def next(self) -> str:
        self.at += 1
        if self.at > len(self.tokens):
            raise Unreadable(" ".join(self.tokens))
        return self.tokens[self.at - 1]

    def query(self) -> Query:
        left: Query = self.select()
        while self.tokens[self.at] in SET_OPERATORS:
            operator = self.next()
            left = Compound(operator, left, self.select())
        return left

    def select(self) -> Select:
        self.expect("select")
        distinct = self.take("distinct")
        terms = [self.term()]
        while self.take(","):
            terms.append(self.term())
        self.expect("from")
        tables = [self.table()]
        while self.take("join"):
            tables.append(self.table())
        if len(set(tables)) < len(tables):
            raise Unreadable("a table joined with itself")
        where, either = self.conditions() if self.take("where") else ((), False)
        group: list[Ref] = []
        if self.take("group", "by"):
            group.append(self.ref())
            while self.take(","):
                group.append(self.ref())
        having, any_of = self.conditions() if self.take("having") else ((), False)
        if any_of:
            raise Unreadable("OR in HAVING")
        order: list[tuple[Term, bool]] = []
        if self.take("order", "by"):
            order.append(self.ordering())
            while self.take(","):
                order.append(self.ordering())
        limit = self.value() if self.take("limit") else -1
        select = Select(
            distinct, tuple(terms), tuple(tables), where, either, tuple(group), having, tuple(order), limit
        )  # fmt: skip
        if any(ref.table not in tables for ref in own_refs(select)):
            raise Unreadable("a column of no table here")
        return select

    def ordering(self) -> tuple[Term, bool]:
        term = self.term()
        if self.take("desc"):
            return term, True
        self.expect("asc")
        return term, False

    def conditions(self) -> tuple[tuple[Condition, ...], bool]:
        found = [self.condition()]
        joiners: set[str] = set()
        while self.tokens[self.at] in ("and", "or"):
            joiners.add(self.next())
            found.append(self.condition())
        if len(joiners) > 1:
            raise Unreadable("AND mixed with OR")
        return tuple(found), "or" in joiners

    def condition(self) -> Condition:
        term = self.term()
        negated = "not " if self.take("not") else ""
        if self.take("between"):
            low = self.value()
            self.expect("and")
            return Condition(term, negated + "between", (low, self.value()))
        if self.take("like"):
            before = "%" if self.take("%") else ""
            value = self.value()
            after = "%" if self.take("%") else ""
            return Condition(term, negated + "like", (value,), f"{before}v{after}")
        if self.take("in", "("):
            query = self.query()
            self.expect(")")
            return Condition(term, negated + "in", query=query)
        if self.take("is"):
            operator = "is not null" if self.take("not") else "is null"
            self.expect("null")
            return Condition(term, operator)
        operator = _COMPARISONS.get(self.next(), "")
        if not operator or negated:
            raise Unreadable("operator")
        if self.take("="):
            operator = "!=" if operator == "!=" else operator + "="
        elif operator == "!=":
            raise Unreadable("operator")
        if self.take("("):
            query = self.query()
            self.expect(")")
            return Condition(term, operator, query=query)
        if self.tokens[self.at] == "v":
            return Condition(term, operator, (self.value(),))
        return Condition(term, operator, other=self.ref())

    def term(self) -> Term:
        aggregate = ""
        if self.tokens[self.at] in AGGREGATES:
            aggregate = self.next()
            self.expect("(")
        distinct = bool(aggregate) and self.take("distinct")
        ref = None if self.take("*") else self.ref()
        if aggregate:
            self.expect(")")
        return Term(aggregate, distinct, ref)

    def ref(self) -> Ref:
        match = _REF.match(self.next())
        if match is None:
            raise Unreadable("column")
        return Ref(int(match[1]), int(match[2]))

    def table(self) -> int:
        match = _TABLE.match(self.next())
        if match is None:
            raise Unreadable("table")
        return int(match[1])

    def value(self) -> int:
        self.expect("v")
        self.values += 1
        return self.values - 1

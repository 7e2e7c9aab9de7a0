"""A grammar of queries: shapes that no one need have asked before, and how hard a shape is.

A start symbol and weighted choices for each clause, in the text form of shape.py. Mined shapes follow
what people asked of Spider's training databases; these fill in what they happened not to ask.

>>> sample(random.Random(0))  # doctest: +SKIP
'select t0.c0 from t0 join t1 where t1.c0 > v order by t0.c1 desc limit v'
"""

from __future__ import annotations

import random
from functools import lru_cache

from txt2sql.data.synthesis.facts import ColumnFacts, Edge, Facts, TableFacts
from txt2sql.data.synthesis.fill import Filled
from txt2sql.data.synthesis.mining import MinedShape
from txt2sql.data.synthesis.shape import Ref, Select, read, selects
from txt2sql.data.synthesis.write import write

_SIZE = 700
_PLACES = 12
_OPERATORS = ("=",) * 6 + (">", ">", "<", "> =", "< =", "! =", "between", "like", "not null")


class _Places:
    """Numbers the columns taken from each table."""

    def __init__(self) -> None:
        self.taken: dict[int, int] = {}

    def new(self, table: int) -> str:
        number = self.taken.get(table, 0)
        self.taken[table] = number + 1
        return f"t{table}.c{number}"


def sample(rng: random.Random) -> str:
    """The text of one random shape."""
    places = _Places()
    tables = rng.choices((1, 2, 3), (55, 35, 10))[0]
    kind = rng.choices(_KINDS, _KIND_WEIGHTS)[0]
    source = "from " + " join ".join(f"t{i}" for i in range(tables))
    return _KIND_MAKERS[kind](rng, places, tables, source)


def _condition(rng: random.Random, places: _Places, table: int) -> str:
    operator = rng.choice(_OPERATORS)
    column = places.new(table)
    if operator == "between":
        return f"{column} between v and v"
    if operator == "like":
        return f"{column} like {rng.choice(('% v %', '% v %', 'v %', '% v'))}"
    if operator == "not null":
        return f"{column} is {rng.choice(('null', 'not null'))}"
    return f"{column} {operator} v"


def _where(rng: random.Random, places: _Places, tables: int, some: bool = False) -> str:
    count = rng.choices((0, 1, 2, 3), (0 if some else 35, 45, 17, 3))[0]
    if not count:
        return ""
    last = tables - 1
    conditions = [
        _condition(rng, places, last if tables > 1 and i == 0 else rng.randint(0, last))
        for i in range(count)
    ]
    joiner = " or " if count == 2 and tables == 1 and rng.random() < 0.3 else " and "
    return " where " + joiner.join(conditions)


def _listing(rng: random.Random, places: _Places, tables: int, source: str) -> str:
    columns = [places.new(0) for _ in range(rng.choices((1, 2, 3), (60, 30, 10))[0])]
    if tables > 1 and rng.random() < 0.25:
        columns.append(places.new(1))
    distinct = "distinct " if rng.random() < 0.15 else ""
    order = ""
    if rng.random() < 0.45:
        key = rng.choice((places.new(0), columns[0]))
        order = f" order by {key} {rng.choice(('asc', 'desc'))}"
        if not distinct and rng.random() < 0.6:
            order += " limit v"
    where = _where(rng, places, tables)
    return f"select {distinct}{' , '.join(columns)} {source}{where}{order}"


def _counting(rng: random.Random, places: _Places, tables: int, source: str) -> str:
    what = "*" if rng.random() < 0.6 else f"distinct {places.new(0)}"
    return f"select count ( {what} ) {source}{_where(rng, places, tables)}"


def _aggregating(rng: random.Random, places: _Places, tables: int, source: str) -> str:
    column = places.new(0)
    functions = rng.sample(("avg", "max", "min", "sum"), rng.choices((1, 2, 3), (70, 22, 8))[0])
    if len(functions) > 1 and "sum" in functions:
        functions.remove("sum")
    shown = " , ".join(f"{function} ( {column} )" for function in functions)
    return f"select {shown} {source}{_where(rng, places, tables)}"


def _grouping(rng: random.Random, places: _Places, tables: int, source: str) -> str:
    if tables == 1:
        key = places.new(0)
        shown = [key]
    else:  # one group per row of the first table
        key = places.new(0)
        shown = [places.new(0) for _ in range(rng.choice((1, 1, 2)))]
    last = tables - 1
    measures = ["count ( * )"] * 3 + [f"{rng.choice(('avg', 'sum', 'max', 'min'))} ( {{}} )"]
    measure = rng.choice(measures)
    if "{}" in measure:
        measure = measure.format(places.new(last))
    tail = rng.choice(("", "having", "having", "top", "top", "order"))
    beside = [measure] if tail in ("", "order") or rng.random() < 0.3 else []
    where = _where(rng, places, 1) if tables == 1 and rng.random() < 0.4 else ""
    if tables > 1 and rng.random() < 0.3:
        where = f" where {_condition(rng, places, last)}"
    text = f"select {' , '.join([*shown, *beside])} {source}{where} group by {key}"
    if tail == "having":
        return f"{text} having {measure} {rng.choice(('>', '> =', '<', '=', '> ='))} v"
    if tail == "top":
        return f"{text} order by {measure} {rng.choice(('desc', 'desc', 'asc'))} limit v"
    if tail == "order":
        return f"{text} order by {measure} {rng.choice(('asc', 'desc'))}"
    return text


def _combining(rng: random.Random, places: _Places, tables: int, source: str) -> str:
    column = places.new(0)
    tables = min(tables, 2)
    source = "from " + " join ".join(f"t{i}" for i in range(tables))
    first, second = _condition(rng, places, tables - 1), _condition(rng, places, tables - 1)
    if rng.random() < 0.5:
        second = first
    operator = rng.choice(("intersect", "except", "union"))
    if operator == "except" and rng.random() < 0.5:
        return f"select {column} from t0 except select {column} {source} where {second}"
    side = f"select {column} {source} where "
    return f"{side}{first} {operator} {side}{second}"


def _nesting(rng: random.Random, places: _Places, tables: int, source: str) -> str:
    columns = " , ".join(places.new(0) for _ in range(rng.choice((1, 1, 2))))
    shown = columns if rng.random() < 0.75 else "count ( * )"
    key = places.new(0)
    where = f" where {_condition(rng, places, tables)}" if rng.random() < 0.5 else ""
    if rng.random() < 0.6:
        other = f"t{tables}.c0" if not where else places.new(tables)
        negated = "not " if rng.random() < 0.6 else ""
        inner = f"select {other} from t{tables}{where}"
        return f"select {shown} {source} where {key} {negated}in ( {inner} )"
    function = rng.choice(("avg", "avg", "max", "min"))
    inner = f"select {function} ( {key} ) from t0"
    operator = rng.choice((">", "<", ">", "<", "=" if function != "avg" else ">"))
    own = f" where {_condition(rng, places, 0)}" if rng.random() < 0.4 else ""
    return f"select {shown} {source} where {key} {operator} ( {inner}{own} )"


_KIND_MAKERS = {
    "listing": _listing, "counting": _counting, "aggregating": _aggregating,
    "grouping": _grouping, "combining": _combining, "nesting": _nesting,
}  # fmt: skip
_KINDS = tuple(_KIND_MAKERS)
_KIND_WEIGHTS = (34, 10, 10, 20, 12, 14)


@lru_cache(maxsize=1)
def sampled() -> tuple[MinedShape, ...]:
    """A pool of shapes from the grammar, the same for everyone."""
    rng = random.Random(0)
    texts: dict[str, int] = {}
    for _ in range(_SIZE):
        text = sample(rng)
        texts[text] = texts.get(text, 0) + 1
    shapes = ((text, count, read(text)) for text, count in texts.items())
    return tuple(MinedShape(count, level_of(text), text, query) for text, count, query in shapes)


def level_of(text: str) -> str:
    """Spider's hardness of a shape: that of any query that has it."""
    from txt2sql.sql.hardness import level
    from txt2sql.sql.spider import parse
    from txt2sql.sql.spider_query import SpiderSchema

    query = read(text)
    columns = tuple(ColumnFacts(f"c{i}", f"c{i}", "text") for i in range(_PLACES))
    slots = sorted({slot for select in selects(query) for slot in select.tables})
    tables = tuple(TableFacts(f"table{i}", f"t{i}", columns, (), 0) for i in range(max(slots) + 1))
    filled = Filled(query, Facts("", tables, (), frozenset()))
    filled.tables = {slot: slot for slot in slots}
    filled.links = {(a, b): Edge(a, _PLACES - 1, b, _PLACES - 1) for a in slots for b in slots}
    for part in selects(query):
        _number(part, filled)
    names = {table.name: tuple(column.name for column in columns) for table in tables}
    parsed = parse(write(filled), SpiderSchema(names))
    return level(parsed) if parsed is not None else "extra"


def _number(select: Select, filled: Filled) -> None:
    """Any columns and values at all: hardness does not look at them."""
    refs: list[Ref | None] = [term.ref for term in select.terms]
    refs += [term.ref for term, _ in select.order] + list(select.group)
    for condition in (*select.where, *select.having):
        refs.append(condition.term.ref)
        filled.values.update(dict.fromkeys(condition.values, 1))
    filled.columns.update({ref: min(ref.column, _PLACES - 1) for ref in refs if ref is not None})
    if select.limit >= 0:
        filled.values[select.limit] = 1

"""Filled shapes as SQL text, in the manner of Spider's gold queries (T1, T2, AS, JOIN ON).

>>> write(filled)  # doctest: +SKIP
"SELECT T1.name FROM singer AS T1 JOIN concert AS T2 ON T1.id = T2.singer_id WHERE T2.year = 2014"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from txt2sql.data.synthesis.shape import Compound, Condition, Query, Ref, Select, Term
from txt2sql.identifiers import quote_identifier
from txt2sql.types import Cell

if TYPE_CHECKING:
    from txt2sql.data.synthesis.fill import Filled


def write(filled: Filled) -> str:
    """The statement."""
    return _query(filled, filled.query)


def write_query(filled: Filled, query: Query) -> str:
    """The statement of a part."""
    return _query(filled, query)


def literal(cell: Cell) -> str:
    """A value as SQL spells it."""
    if isinstance(cell, str):
        return "'" + cell.replace("'", "''") + "'"
    return repr(cell)


def tie_probe(filled: Filled, select: Select) -> str:
    """The keys that decide what a LIMIT keeps: those of its rows and of the next one."""
    names = _names(filled, select)
    keys = ", ".join(_term(filled, term, names) for term, _ in select.order)
    limit = filled.values[select.limit]
    assert isinstance(limit, int)
    return f"SELECT {keys} FROM {_after_from(filled, select, names)} LIMIT {limit + 1}"


def _query(filled: Filled, query: Query) -> str:
    if isinstance(query, Compound):
        left, right = _query(filled, query.left), _query(filled, query.right)
        return f"{left} {query.operator.upper()} {right}"
    names = _names(filled, query)
    shown = ", ".join(_term(filled, term, names) for term in query.terms)
    distinct = "DISTINCT " if query.distinct else ""
    text = f"SELECT {distinct}{shown} FROM {_after_from(filled, query, names)}"
    if query.limit >= 0:
        text += f" LIMIT {literal(filled.values[query.limit])}"
    return text


def _names(filled: Filled, select: Select) -> dict[int, str]:
    """What each table is called in this SELECT; alone it needs no name."""
    if len(select.tables) == 1:
        return {select.tables[0]: ""}
    # By its place, so that a name means one table in the whole statement: parsers exist that ask this.
    return {slot: f"T{slot + 1}." for slot in _ordered(filled, select)}


def _ordered(filled: Filled, select: Select) -> list[int]:
    """The tables of a FROM, each after one that it is linked to."""
    waiting = list(select.tables)
    placed = [waiting.pop(0)]
    while waiting:
        following = [s for s in waiting if any((s, p) in filled.links for p in placed)]
        assert following, "tables of one FROM are linked"
        placed.append(following[0])
        waiting.remove(following[0])
    return placed


def _after_from(filled: Filled, select: Select, names: dict[int, str]) -> str:
    parts = [_sources(filled, names)]
    if select.where:
        parts.append("WHERE " + _conditions(filled, select.where, select.either, names))
    if select.group:
        parts.append("GROUP BY " + ", ".join(_ref(filled, ref, names) for ref in select.group))
    if select.having:
        parts.append("HAVING " + _conditions(filled, select.having, False, names))
    if select.order:
        keys = [
            _term(filled, term, names) + (" DESC" if descending else " ASC")
            for term, descending in select.order
        ]
        parts.append("ORDER BY " + ", ".join(keys))
    return " ".join(parts)


def _sources(filled: Filled, names: dict[int, str]) -> str:
    def table(slot: int) -> str:
        return quote_identifier(filled.facts.tables[filled.tables[slot]].name)

    (first, name), *rest = names.items()
    if not rest:
        return table(first)
    text = f"{table(first)} AS {name[:-1]}"
    placed = [first]
    for slot, name in rest:
        other = next(p for p in reversed(placed) if (slot, p) in filled.links)
        edge = filled.links[slot, other]
        child, parent = (slot, other) if edge.child == filled.tables[slot] else (other, slot)
        tables = filled.facts.tables
        left = quote_identifier(tables[edge.child].columns[edge.child_column].name)
        right = quote_identifier(tables[edge.parent].columns[edge.parent_column].name)
        sides = [f"{names[child]}{left}", f"{names[parent]}{right}"]
        if child == slot:
            sides.reverse()
        text += f" JOIN {table(slot)} AS {name[:-1]} ON {sides[0]} = {sides[1]}"
        placed.append(slot)
    return text


def _ref(filled: Filled, ref: Ref, names: dict[int, str]) -> str:
    return names[ref.table] + quote_identifier(filled.column(ref).name)


def _term(filled: Filled, term: Term, names: dict[int, str]) -> str:
    inner = "*" if term.ref is None else _ref(filled, term.ref, names)
    if term.distinct:
        inner = f"DISTINCT {inner}"
    return f"{term.aggregate}({inner})" if term.aggregate else inner


def _conditions(
    filled: Filled, conditions: Sequence[Condition], either: bool, names: dict[int, str]
) -> str:
    return (" OR " if either else " AND ").join(_condition(filled, c, names) for c in conditions)


def _condition(filled: Filled, condition: Condition, names: dict[int, str]) -> str:
    left, operator = _term(filled, condition.term, names), condition.operator.upper()
    if condition.query is not None:
        return f"{left} {operator} ({_query(filled, condition.query)})"
    values = [filled.values[place] for place in condition.values]
    if not values:
        return f"{left} {operator}"
    if condition.pattern:
        pattern = condition.pattern.replace("v", str(values[0]))
        return f"{left} {operator} {literal(pattern)}"
    return f"{left} {operator} {' AND '.join(map(literal, values))}"

"""Nested queries in words: "that have no pet of type dog", "whose age is above the average".

IN along a key is a relation to another table; a comparison is with an aggregate of other rows, or
with the same column of another row.

>>> nested(phrases, condition)  # doctest: +SKIP
Part(lead='that', text='{have} no pets')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txt2sql.data.synthesis import lexicon
from txt2sql.data.synthesis.conditions import Part, Unsayable
from txt2sql.data.synthesis.shape import Condition, Ref, Select, Term
from txt2sql.data.synthesis.words import an, be, plural

if TYPE_CHECKING:
    from txt2sql.data.synthesis.phrases import Phrases


def nested(said: Phrases, condition: Condition) -> Part:
    query, ref = condition.query, condition.term.ref
    if not isinstance(query, Select) or ref is None or condition.term.aggregate:
        raise Unsayable("a set operation inside")
    if query.group or query.having or len(query.terms) != 1:
        raise Unsayable("groups inside")
    inner = query.terms[0]
    if inner.ref is None:
        raise Unsayable("a count inside")
    if inner.aggregate:
        return _compared(said, condition, query, inner)
    if query.limit >= 0:
        return _ranked_inside(said, condition, query, inner.ref)
    if inner.ref != ref and condition.operator in ("in", "not in", "=", "!="):
        return _linked(said, condition, query, inner.ref)
    return _same(said, condition, query, inner.ref)


def _linked(said: Phrases, condition: Condition, query: Select, inner: Ref) -> Part:
    """IN along a key: "that have no pet of type dog"."""
    ref = condition.term.ref
    assert ref is not None
    here, there = said.filled.tables[ref.table], said.filled.tables[inner.table]
    ends = (said.filled.columns[ref], said.filled.columns[inner])
    child = any(
        (e.child, e.child_column, e.parent, e.parent_column) == (there, ends[1], here, ends[0])
        for e in said.filled.facts.edges
    )
    ways = [e for e in said.filled.facts.edges if {e.child, e.parent} == {here, there}]
    if len(ways) > 1:
        raise Unsayable("several keys between two tables")
    if here in (said.filled.tables[slot] for slot in query.tables):
        raise Unsayable("the same table inside")
    rows = said.rows(query, inner.table)
    negated = condition.operator in ("not in", "!=")
    if negated and any(c.operator.startswith(("not", "!=")) for c in query.where):
        raise Unsayable("not one of those that are not")
    if child:
        if negated:
            text = said.pick(
                f"that {{have}} no {rows.plural}|that did not have any {rows.plural}|without any {rows.plural}|without {an(rows.singular)}|"
                f"that {{do}} not have any {rows.plural}|that never had {an(rows.singular)}|"
                f"with no {rows.plural}|that {{do}} not have {an(rows.singular)}"
            )
        else:
            text = said.pick(f"that {{have}} {rows.plural}|with {rows.plural}|that {{have}} at least one {rows.singular}|that {{have}} {an(rows.singular)}")  # fmt: skip
        return said.lead(text)
    if not rows.parts:
        raise Unsayable("a key that is nowhere")
    text = f"that {{are}} {'not ' if negated else ''}linked to {'any' if negated else 'some'} {rows.singular}"
    if said.chance(0.5):
        text = f"whose {rows.noun} is {'not ' if negated else ''}one of the {rows.plural}"
    return said.lead(text)


def _same(said: Phrases, condition: Condition, query: Select, inner: Ref) -> Part:
    """The column equals (or not) that of other rows."""
    ref = condition.term.ref
    assert ref is not None
    if inner != ref:
        raise Unsayable("columns of two tables compared")
    rows, noun = said.rows(query, inner.table), said.column(ref)
    if not rows.parts:
        raise Unsayable("all rows compared with themselves")
    operator = condition.operator
    if operator in ("=", "in"):
        return said.lead(said.pick(f"that {{have}} the same {noun} as {an(rows.singular)}|whose {noun} is the same as that of {an(rows.singular)}"))  # fmt: skip
    if operator in ("!=", "not in"):
        return said.lead(said.pick(f"whose {noun} is not that of any {rows.singular}|whose {noun} is not among the {plural(noun)} of {rows.plural}"))  # fmt: skip
    raise Unsayable("compared with one of several")


def _ranked_inside(said: Phrases, condition: Condition, query: Select, inner: Ref) -> Part:
    if condition.operator not in ("=", "in") or said.filled.values[query.limit] != 1:
        raise Unsayable("a rank inside")
    ref = condition.term.ref
    rows = said.ranked(query, inner.table)
    if inner == ref:
        noun = said.column(inner)
        return said.lead(said.pick(f"that {{have}} the same {noun} as the {rows.singular}|whose {noun} is that of the {rows.singular}"))  # fmt: skip
    return said.lead(said.pick(f"of the {rows.singular}|that {{have}} the {rows.singular}|linked to the {rows.singular}"))  # fmt: skip


def _compared(said: Phrases, condition: Condition, query: Select, inner: Term) -> Part:
    """ "whose age is above the average age of singers from France"."""
    ref = condition.term.ref
    assert ref is not None and inner.ref is not None
    facts = said.filled.column(ref)
    time = facts.kind in ("year", "date")
    noun, operator = said.column(ref), condition.operator
    rows = said.rows(query, inner.ref.table)
    plain = inner.ref == ref and not query.where and len(query.tables) == 1
    if plain and operator == "=" and inner.aggregate in ("max", "min"):
        adjective = said.pick(lexicon.highest(noun, inner.aggregate == "max", time))
        return Part("with", f"the {adjective} {noun}")
    if inner.aggregate == "count" or operator in ("in", "not in") or inner.distinct:
        raise Unsayable("a count inside")
    words = said.pick((lexicon.TIME_OPERATORS if time else lexicon.OPERATORS)[operator])
    if operator in ("=", "!="):
        words = "equal to" if operator == "=" else "not equal to"
    kinds = lexicon.TIME_AGGREGATES if time else lexicon.AGGREGATES
    adjective = said.pick(kinds.get(inner.aggregate, lexicon.AGGREGATES[inner.aggregate]))
    if plain:
        of_all = said.pick(f"| {noun}| {noun} of all {rows.plural}| of all {rows.plural}")
        if inner.aggregate != "avg" and not of_all.startswith(f" {noun}"):
            of_all = f" {noun}"
        return Part("whose", f"{noun} {be(noun)} {words} the {adjective}{of_all}")
    if inner.ref != ref:
        raise Unsayable("columns of two tables compared")
    if operator in (">", ">=") and inner.aggregate == "min" and said.chance(0.4):
        return Part("whose", f"{noun} {be(noun)} {words} that of any of the {rows.plural}")
    return Part("whose", f"{noun} {be(noun)} {words} the {adjective} {noun} of {rows.plural}")

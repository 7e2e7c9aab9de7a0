"""Questions for INTERSECT, EXCEPT and UNION: "that have both ... and ...", "but not", "or".

>>> combined(phrases, compound)  # doctest: +SKIP
'Which countries have both singers older than 40 and singers younger than 30?'
"""

from __future__ import annotations

from txt2sql.data.synthesis.conditions import Unsayable
from txt2sql.data.synthesis.phrases import Phrases, Rows
from txt2sql.data.synthesis.shape import Compound, Ref, Select
from txt2sql.data.synthesis.shown import framed
from txt2sql.data.synthesis.words import listed, plural


def combined(said: Phrases, query: Compound) -> str:
    """A question for a set operation of two plain SELECTs. Raises Unsayable."""
    left, right = query.left, query.right
    if not isinstance(left, Select) or not isinstance(right, Select):
        raise Unsayable("three queries combined")
    if any(s.group or s.limit >= 0 or s.order or s.having for s in (left, right)):
        raise Unsayable("groups or ranks combined")
    first, second = _shown(left), _shown(right)
    head, other = first[0].table, second[0].table
    if any(ref.table != head for ref in first) or any(ref.table != other for ref in second):
        raise Unsayable("columns of two tables combined")
    names = [said.column(ref) for ref in first]
    if head != other or first != second:
        return _of_two_tables(said, query.operator, left, right, first, second)
    a, b = said.rows(left, head), said.rows(right, head)
    if said.filled.column(first[0]).unique:
        return _of_rows(said, query.operator, names, a, b)
    return _of_values(said, query.operator, names, a, b)


def _shown(select: Select) -> list[Ref]:
    refs = [term.ref for term in select.terms if term.ref is not None and not term.aggregate]
    if len(refs) < len(select.terms):
        raise Unsayable("aggregates combined")
    return refs


def _of_rows(said: Phrases, operator: str, names: list[str], a: Rows, b: Rows) -> str:
    """The column tells rows apart, so the sets are sets of rows."""
    columns = listed([plural(name) for name in names])
    if operator == "except":
        if not b.parts:
            raise Unsayable("all rows left out")
        but = said.pick("but leave out|except|excluding|other than|but not")
        text = f"the {columns} of {a.plural} {but} {'those of ' if but in ('except', 'excluding', 'other than') else ''}{b.plural}"
        if but == "but leave out":
            text = f"the {columns} of {a.plural}, but leave out those of {b.plural}"
        if but == "but not":
            text = f"the {columns} of {a.plural}, but not of {b.plural}"
        if not a.parts:
            text = text.replace(f"of {a.plural}", f"of all {a.plural}", 1)
        return framed(said, text, many=True)
    if not a.parts or not b.parts:
        raise Unsayable("all rows combined with some")
    if a.before or b.before:
        raise Unsayable("adjectives of two sets")
    if operator == "intersect":
        link = said.pick("and also|and at the same time|and are also among the {0}|and also")
        if "{0}" in link:
            return framed(
                said, f"the {columns} of {a.plural} {link.replace('{0}', b.plural)}", True
            )
        after = b.plural.removeprefix(plural(b.noun)).strip()
        return framed(said, f"the {columns} of {a.plural} {link} {after}", many=True)
    after = b.plural.removeprefix(plural(b.noun)).strip()
    return framed(said, f"the {columns} of {a.plural} or {after}", many=True)


def _of_values(said: Phrases, operator: str, names: list[str], a: Rows, b: Rows) -> str:
    """The column has equal values in several rows: the values of which there are both."""
    if len(names) > 1:
        columns = listed([plural(name) for name in names])
        joined = {"intersect": "that are shared by", "except": "of", "union": "of"}[operator]
        middle = {"intersect": "and", "except": "but not of", "union": "as well as of"}[operator]
        if not b.parts:
            raise Unsayable("all rows combined with some")
        return framed(said, f"the {columns} {joined} {a.plural} {middle} {b.plural}", many=True)
    many = plural(names[0])
    if operator == "intersect":
        return said.pick(
            f"Which {many} have both {a.plural} and {b.plural}?|What are the {many} that have both {a.plural} and {b.plural}?|"
            f"Find the {many} shared by {a.plural} and {b.plural}.|Show the {many} of both {a.plural} and {b.plural}.|"
            f"List the {many} that {a.plural} and {b.plural} have in common.|Give the {many} with both {a.plural} and {b.plural}."
        )  # fmt: skip
    if not b.parts:
        raise Unsayable("all rows combined with some")
    if operator == "except":
        if not a.parts:
            return said.pick(
                f"Which {many} have no {b.plural}?|Show all {many} without any {b.plural}.|What are the {many} of {plural(a.noun)} except those of {b.plural}?|"
                f"Find the {many} that do not have any {b.plural}.|List the {many} that never occur among {b.plural}."
            )  # fmt: skip
        return said.pick(
            f"Which {many} have {a.plural} but no {b.plural}?|Find the {many} of {a.plural} but not of {b.plural}.|"
            f"Show the {many} that have {a.plural} but do not have any {b.plural}."
        )  # fmt: skip
    return said.pick(
        f"Which {many} have {a.plural} or {b.plural}?|Find the {many} of {a.plural} or {b.plural}.|"
        f"What are the {many} that have either {a.plural} or {b.plural}?"
    )  # fmt: skip


def _of_two_tables(
    said: Phrases, operator: str, left: Select, right: Select, first: list[Ref], second: list[Ref]
) -> str:
    """Columns of two tables: along a key, or columns that are called alike."""
    if len(first) != 1:
        raise Unsayable("several columns of two tables combined")
    (here,), (there,) = first, second
    a, b = said.rows(left, here.table), said.rows(right, there.table)
    edges = said.filled.facts.edges
    ends = (
        said.filled.tables[here.table], said.filled.columns[here],
        said.filled.tables[there.table], said.filled.columns[there],
    )  # fmt: skip
    one, other = plural(said.column(here)), plural(said.column(there))
    child = any((e.parent, e.parent_column, e.child, e.child_column) == ends for e in edges)
    if child and operator in ("except", "intersect"):
        link = said.rng.choice(("that have no", "without any", "that do not have any"))
        if operator == "intersect":
            link = said.rng.choice(("that have", "that also have", "with"))
        return framed(said, f"the {one} of {a.plural} {'and ' if a.parts else ''}{link} {b.plural}", many=True)  # fmt: skip
    texts = f"the {one} of {a.plural}", f"the {other} of {b.plural}"
    if operator == "union":
        return framed(said, said.pick(f"{texts[0]} together with {texts[1]}|{texts[0]} and {texts[1]} in one list|{texts[0]} as well as {texts[1]}"), many=True)  # fmt: skip
    if one != other:
        raise Unsayable("columns of two tables combined")
    if operator == "intersect":
        return framed(said, f"the {one} of {a.plural} that are also {one} of {b.plural}", many=True)
    return framed(said, f"the {one} of {a.plural} that are not {one} of {b.plural}", many=True)

"""Plans: what a shape asks of the columns that fill it, read off its tree once.

A role is one use of a place: shown, compared, averaged, grouped by. A column must suit all of them
(suitability.py), and places that a nested query or a set operation puts in relation must be linked.

>>> plan(read("select avg ( t0.c0 ) from t0 where t0.c1 = v")).roles[Ref(0, 0)]  # doctest: +SKIP
frozenset({'number'})
"""

from __future__ import annotations

from dataclasses import dataclass

from txt2sql.data.synthesis.shape import Compound, Condition, Misfit, Query, Ref, Term, selects


@dataclass(slots=True)
class Plan:
    """What a shape asks of each place. `linked` places must be two ends of a join."""

    query: Query
    roles: dict[Ref, frozenset[str]]
    by_table: dict[int, list[Ref]]
    froms: list[tuple[int, ...]]
    linked: list[tuple[Ref, Ref, str]]


def plan(query: Query) -> Plan:
    """Read off a shape what it asks of its places."""
    roles: dict[Ref, set[str]] = {}
    linked: list[tuple[Ref, Ref, str]] = []

    def use(term: Term, role: str) -> None:
        if term.ref is not None:
            place = roles.setdefault(term.ref, set())
            if term.aggregate in ("avg", "sum"):
                place.add("number")
            elif term.aggregate in ("min", "max"):
                place.add("ordered")
            elif term.aggregate == "count":
                place.add("distinct" if term.distinct else "counted")
            else:
                place.add(role)

    def conditions(each: Condition) -> None:
        if each.other is not None:
            raise Misfit("compares two columns")
        if each.query is not None:
            inner = next(selects(each.query)).terms[0]
            if each.operator in ("in", "not in", "=", "!=") and not inner.aggregate:
                use(each.term, "out")
                if each.term.ref and inner.ref and each.term.ref != inner.ref:
                    linked.append((each.term.ref, inner.ref, "in"))
            else:
                use(each.term, "ordered")
            return
        use(each.term, _ROLES.get(each.operator, "eq some" if some else "eq"))

    for select in selects(query):
        some = bool(
            len(select.where) > 1
            or select.group
            or select.order
            or select.distinct
            or isinstance(query, Compound)
            or any(term.aggregate for term in select.terms)
        )
        for term in select.terms:
            use(term, "out")
        for condition in (*select.where, *select.having):
            conditions(condition)
        for ref in select.group:
            roles.setdefault(ref, set()).add("group")
        for term, _ in select.order:
            use(term, "ordered" if select.limit >= 0 else "sorted")
    stack = [query]
    while stack:
        top = stack.pop()
        if isinstance(top, Compound):
            stack += [top.left, top.right]
            left, right = next(selects(top.left)), next(selects(top.right))
            if len(left.terms) != len(right.terms):
                raise Misfit("sides of different width")
            linked += [
                (a.ref, b.ref, top.operator)
                for a, b in zip(left.terms, right.terms)
                if a.ref and b.ref and a.ref != b.ref and not a.aggregate and not b.aggregate
            ]
    _entity_groups(query, roles)
    by_table: dict[int, list[Ref]] = {}
    for ref in roles:
        by_table.setdefault(ref.table, []).append(ref)
    frozen = {ref: frozenset(found) for ref, found in roles.items()}
    return Plan(query, frozen, by_table, [s.tables for s in selects(query)], linked)


_ROLES = {
    **dict.fromkeys((">", "<", ">=", "<=", "between", "not between"), "compared"),
    **dict.fromkeys(("like", "not like"), "like"),
    **dict.fromkeys(("is null", "is not null"), "null"),
}


def _entity_groups(query: Query, roles: dict[Ref, set[str]]) -> None:
    """Grouping by one column and showing another means one group per row of a table: by its key."""
    for select in selects(query):
        shown = [t.ref for t in select.terms if t.ref and not t.aggregate]
        if len(select.group) == 1 and any(ref != select.group[0] for ref in shown):
            roles[select.group[0]] = (roles[select.group[0]] - {"group"}) | {"entity"}

"""Filling a shape: tables along the join graph, columns that suit their use, values that rows hold.

Values come from a witness, a row of the sample joined to rows it refers to, so that conditions hold
together more often than chance would have it. What comes out still has to be executed.

>>> filled = fill(plan(shape), room, random.Random(0))  # doctest: +SKIP
>>> filled.tables, filled.columns  # doctest: +SKIP
({0: 3}, {Ref(table=0, column=0): 1})
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from txt2sql.data.synthesis.contents import ColumnFacts, Edge, Facts
from txt2sql.data.synthesis.shape import (
    Compound,
    Condition,
    Misfit,
    Query,
    Ref,
    Select,
    Term,
    selects,
)
from txt2sql.data.synthesis.values import choose_values
from txt2sql.types import Cell, Row

_CODE_WORDS = frozenset(
    "id ids code codes key phone zip zipcode postcode fax ssn isbn index".split()
)
_LIMITS = (1,) * 14 + (2, 3, 3, 3, 5, 5, 10)


@dataclass(slots=True)
class Plan:
    """What a shape asks of each place. `linked` places must be two ends of a join."""

    query: Query
    roles: dict[Ref, frozenset[str]]
    by_table: dict[int, list[Ref]]
    froms: list[tuple[int, ...]]
    linked: list[tuple[Ref, Ref, str]]


@dataclass(slots=True)
class Filled:
    """A shape with everything filled in. `links` join two places for tables."""

    query: Query
    facts: Facts
    tables: dict[int, int] = field(default_factory=dict)
    columns: dict[Ref, int] = field(default_factory=dict)
    links: dict[tuple[int, int], Edge] = field(default_factory=dict)
    values: dict[int, Cell] = field(default_factory=dict)

    def column(self, ref: Ref) -> ColumnFacts:
        """The facts of the column in that place."""
        return self.facts.tables[self.tables[ref.table]].columns[self.columns[ref]]


class Room:
    """A database with what filling looks up again and again."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.full = [i for i, table in enumerate(facts.tables) if table.rows]
        self.edges: dict[int, list[Edge]] = {}
        for edge in facts.edges:
            if facts.tables[edge.child].rows and facts.tables[edge.parent].rows:
                self.edges.setdefault(edge.child, []).append(edge)
                self.edges.setdefault(edge.parent, []).append(edge)
        self._candidates: dict[tuple[int, frozenset[str]], list[tuple[int, float]]] = {}
        self._rows: dict[tuple[int, int], dict[Cell, list[Row]]] = {}

    def candidates(self, table: int, roles: frozenset[str]) -> list[tuple[int, float]]:
        """The columns of a table that suit a use, with weights."""
        found = self._candidates.get((table, roles))
        if found is None:
            columns = self.facts.tables[table].columns
            weighed = [(i, _weight(column, roles)) for i, column in enumerate(columns)]
            found = self._candidates[table, roles] = [pair for pair in weighed if pair[1] > 0]
        return found

    def rows(self, table: int, column: int, value: Cell) -> Sequence[Row]:
        """The sampled rows with that value."""
        index = self._rows.get((table, column))
        if index is None:
            index = self._rows[table, column] = {}
            for row in self.facts.tables[table].rows:
                index.setdefault(row[column], []).append(row)
        return index.get(value, ())


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


def _weight(column: ColumnFacts, roles: frozenset[str]) -> float:
    """How well a column suits all of its uses; 0 when it does not."""
    weight = 1.0
    words = column.noun.split()
    code = column.key or words[-1:] == ["number"] or not _CODE_WORDS.isdisjoint(words)
    for role in roles:
        weight *= _WEIGHTS[role](column, code)
    return weight


def _output(column: ColumnFacts, code: bool) -> float:
    if column.kind == "empty":
        return 0.0
    if column.is_name:
        return 5.0
    if column.key and not column.primary:
        return 0.15
    return 0.7 if code else 2.0


def _equal(column: ColumnFacts, code: bool) -> float:
    if not column.values or column.kind in ("empty", "long"):
        return 0.0
    if column.kind in ("number", "date"):
        if any(isinstance(value, float) for value in column.values):
            return 0.1
        return 0.15 if code else 0.5
    return 0.5 if code else 3.0


def _equal_of_some(column: ColumnFacts, code: bool) -> float:
    """Equality where several rows should remain: to be counted, ranked, or restricted further."""
    return _equal(column, code) * (0.05 if column.unique else 1.0)


def _grouped(column: ColumnFacts, code: bool) -> float:
    if not column.category or column.kind in ("empty", "long", "date"):
        return 0.0
    if column.kind == "number":
        return 0.4 if code or len(column.values) <= 30 else 0.1
    return 3.0


_WEIGHTS: dict[str, Callable[[ColumnFacts, bool], float]] = {
    "out": _output,
    "eq": _equal,
    "eq some": _equal_of_some,
    "group": _grouped,
    "number": lambda c, code: float(c.kind == "number" and not code),
    "ordered": lambda c, code: float(c.ordered and not code and len(c.values) > 1),
    "compared": lambda c, code: float(c.ordered and not code and len(c.values) > 2),
    "sorted": lambda c, code: (
        2.0 * (c.ordered and not code)
        + (c.kind == "text" and not c.timely) * (2.0 if c.is_name else 0.5)
    ),
    "like": lambda c, code: float(c.kind == "text" and not code and len(c.values) > 1),
    "null": lambda c, code: float(c.nulls and c.kind != "empty" and not code),
    "distinct": lambda c, code: 2.0 * c.category if c.kind in ("text", "year", "flag") else (
        0.3 * c.category
    ),
    "counted": lambda c, code: float(c.kind != "empty"),
    "entity": lambda c, code: float(c.key),
}  # fmt: skip


def fill(plan: Plan, room: Room, rng: random.Random) -> Filled:
    """One random way to fill the shape. Raises Misfit."""
    filled = Filled(plan.query, room.facts)
    filler = _Filler(plan, room, rng, filled)
    filler.tables()
    filler.columns()
    for number, select in enumerate(selects(plan.query)):
        choose_values(select, filled, filler.witness(select, number), rng)
        if select.limit >= 0:
            filled.values[select.limit] = rng.choice(_LIMITS)
    return filled


class _Filler:
    def __init__(self, plan: Plan, room: Room, rng: random.Random, filled: Filled) -> None:
        self.plan, self.room, self.rng, self.filled = plan, room, rng, filled

    def hosts(self, table: int, slot: int) -> bool:
        """Whether a table has columns for all that the shape asks of that place."""
        plan = self.plan
        return table not in self.filled.tables.values() and all(
            ref in self.filled.columns or self.room.candidates(table, plan.roles[ref])
            for ref in plan.by_table.get(slot, ())
        )

    def tables(self) -> None:
        assigned = self.filled.tables
        for slots in self.plan.froms:
            if not any(slot in assigned for slot in slots):
                self.anchor(slots)
            while waiting := [slot for slot in slots if slot not in assigned]:
                self.join(waiting[0], [slot for slot in slots if slot in assigned])
            for slot in slots:  # tables met before may need a link of their own in this FROM
                others = [other for other in slots if other != slot]
                if others and not any((slot, o) in self.filled.links for o in others):
                    self.link(slot, others)

    def anchor(self, slots: tuple[int, ...]) -> None:
        """The first table of a FROM: any, or the other end of a link to one chosen before."""
        for left, right, how in self.plan.linked:
            if right.table in slots and left.table in self.filled.tables:
                self.linked(left, right, how)
                return
        choices = [table for table in self.room.full if self.hosts(table, slots[0])]
        if len(slots) > 1:
            choices = [table for table in choices if table in self.room.edges]
        if not choices:
            raise Misfit("no table suits")
        self.filled.tables[slots[0]] = self.rng.choice(choices)

    def linked(self, left: Ref, right: Ref, how: str) -> None:
        home = self.filled.tables[left.table]
        ends = []
        for edge in self.room.edges.get(home, ()):
            if edge.child == home:
                ends.append((edge.child_column, edge.parent, edge.parent_column))
            if edge.parent == home:
                ends.append((edge.parent_column, edge.child, edge.child_column))
        known = self.filled.columns.get(left)
        ends = [end for end in ends if known in (None, end[0])]
        if how != "in" and (how == "union" or not ends):
            ends += self.alike(home, known, self.plan.roles[left])
        self.filled.columns[right] = -1  # any: it comes with the end
        ends = [end for end in ends if self.hosts(end[1], right.table)]
        if not ends:
            raise Misfit("no tables are linked that way")
        column, table, other = self.rng.choice(ends)
        self.filled.columns[left] = column
        self.filled.tables[right.table] = table
        self.filled.columns[right] = other

    def alike(
        self, home: int, known: int | None, roles: frozenset[str]
    ) -> list[tuple[int, int, int]]:
        """Columns of other tables that are called and typed like one of this table."""
        found = []
        for i, _ in self.room.candidates(home, roles):
            column = self.room.facts.tables[home].columns[i]
            if known not in (None, i) or column.key:
                continue
            for table in self.room.full:
                for j, other in enumerate(self.room.facts.tables[table].columns):
                    if table != home and (column.noun, column.kind) == (other.noun, other.kind):
                        found.append((i, table, j))
        return found

    def join(self, slot: int, others: list[int]) -> None:
        """A neighbour of a table that this FROM already has."""
        choices = []
        for other in others:
            home = self.filled.tables[other]
            for edge in self.room.edges.get(home, ()):
                target = edge.parent if edge.child == home else edge.child
                if self.hosts(target, slot):
                    choices.append((other, target, edge))
        if not choices:
            raise Misfit("no table to join suits")
        other, target, edge = self.rng.choice(choices)
        self.filled.tables[slot] = target
        self.filled.links[slot, other] = self.filled.links[other, slot] = edge

    def link(self, slot: int, others: list[int]) -> None:
        """Link two tables that were both chosen before this FROM named them together."""
        here = self.filled.tables[slot]
        for other in others:
            there = self.filled.tables[other]
            for edge in self.room.edges.get(here, ()):
                if there in (edge.child, edge.parent):
                    self.filled.links[slot, other] = self.filled.links[other, slot] = edge
                    return
        raise Misfit("no key joins the tables")

    def columns(self) -> None:
        columns, roles = self.filled.columns, self.plan.roles
        for left, right, how in self.plan.linked:
            if left.table not in self.filled.tables or right.table not in self.filled.tables:
                raise Misfit("a place without a table")
            if right not in columns:
                self.match(left, right, how)
        taken: dict[int, set[int]] = {}
        for ref, column in columns.items():
            taken.setdefault(ref.table, set()).add(column)
        for ref in sorted(roles, key=lambda ref: (len(roles[ref] & _RARE) == 0, ref)):
            if ref in columns:
                continue
            used = taken.setdefault(ref.table, set())
            if ref.table not in self.filled.tables:
                raise Misfit("a place without a table")
            table = self.filled.tables[ref.table]
            choices = [
                pair for pair in self.room.candidates(table, roles[ref]) if pair[0] not in used
            ]
            if "entity" in roles[ref]:
                choices = self.entity(ref, choices)
            if not choices:
                raise Misfit("no column suits")
            chosen = self.rng.choices([i for i, _ in choices], [weight for _, weight in choices])[0]
            columns[ref] = chosen
            used.add(chosen)

    def match(self, left: Ref, right: Ref, how: str) -> None:
        """Two places of tables already chosen: the ends of an edge, or columns called alike."""
        here, there = self.filled.tables[left.table], self.filled.tables[right.table]
        ends = []
        for edge in self.room.edges.get(here, ()):
            if (edge.child, edge.parent) == (here, there):
                ends.append((edge.child_column, edge.parent_column))
            if (edge.parent, edge.child) == (here, there):
                ends.append((edge.parent_column, edge.child_column))
        if how != "in":
            first = self.room.facts.tables[here].columns
            second = self.room.facts.tables[there].columns
            ends += [
                (i, j)
                for i, a in enumerate(first)
                for j, b in enumerate(second)
                if a.noun == b.noun and a.kind == b.kind != "empty"
            ]
        known = self.filled.columns.get(left)
        used = [c for ref, c in self.filled.columns.items() if ref.table == left.table]
        ends = [e for e in ends if known == e[0] or (known is None and e[0] not in used)]
        if not ends:
            raise Misfit("no columns are linked that way")
        self.filled.columns[left], self.filled.columns[right] = self.rng.choice(ends)

    def entity(self, ref: Ref, choices: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """Keys that stand for a row of a shown table: its own key, or a foreign key to it."""
        shown = {
            term.ref.table
            for select in selects(self.plan.query)
            if ref in select.group
            for term in select.terms
            if term.ref is not None and not term.aggregate and term.ref != ref
        }
        table = self.filled.tables[ref.table]
        kept = []
        for column, weight in choices:
            facts = self.room.facts.tables[table].columns[column]
            own = shown == {ref.table} and facts.unique
            refers = any(
                (edge.child, edge.child_column) == (table, column)
                and shown == {slot for slot, t in self.filled.tables.items() if t == edge.parent}
                for edge in self.room.edges.get(table, ())
            )
            if own or refers:
                kept.append((column, weight))
        return kept

    def witness(self, select: Select, number: int) -> dict[int, Row]:
        """Rows that join, one for each table of a FROM, as far as the sample has them."""
        rows: dict[int, Row] = {}
        for slot in select.tables:
            table = self.filled.tables[slot]
            found: Sequence[Row] = ()
            for other, row in rows.items():
                edge = self.filled.links.get((slot, other))
                if edge is not None:
                    ends = (edge.child_column, edge.parent_column)
                    here, there = ends if edge.child == table else ends[::-1]
                    found = self.room.rows(table, here, row[there])
                    break
            rows[slot] = self.rng.choice(found or self.room.facts.tables[table].rows)
        return rows


_RARE = frozenset({"entity", "number", "ordered", "compared", "null", "like"})

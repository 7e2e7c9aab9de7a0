"""Filling a shape: tables along the join graph, columns that suit their use, values that rows hold.

Values come from a witness, a row of the sample joined to rows it refers to, so that conditions hold
together more often than chance would have it. What comes out still has to be executed.

>>> filled = fill(plan(shape), room, random.Random(0))  # doctest: +SKIP
>>> filled.tables, filled.columns  # doctest: +SKIP
({0: 3}, {Ref(table=0, column=0): 1})
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from txt2sql.data.synthesis.facts import ColumnFacts, Edge, Facts
from txt2sql.data.synthesis.plan import Plan
from txt2sql.data.synthesis.shape import Misfit, Query, Ref, Select, selects
from txt2sql.data.synthesis.suitability import suitability
from txt2sql.data.synthesis.values import choose_values
from txt2sql.types import Cell, Row

_LIMITS = (1,) * 14 + (2, 3, 3, 3, 5, 5, 10)


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
            weighed = [(i, suitability(column, roles)) for i, column in enumerate(columns)]
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

"""Which tables join: by declared foreign keys that tell rows apart, else by natural keys.

Field's name: schema graph. A natural key is a column that names another table's key and whose values
occur there: `sale.shop_id` and `shop.id`, or `code` in both, unless it is a word like "id" or "name".

>>> joins(schema, tables)  # doctest: +SKIP
[Edge(child=1, child_column=2, parent=0, parent_column=0)]
"""

from __future__ import annotations

import re
from itertools import combinations

from txt2sql.data.synthesis.facts import Edge, TableFacts
from txt2sql.types import Schema


def joins(schema: Schema, tables: list[TableFacts]) -> list[Edge]:
    """The edges of the join graph; `tables` are those of the schema, in its order."""
    return _telling(_declared(schema, tables), tables) or _natural(tables)


def _declared(schema: Schema, tables: list[TableFacts]) -> list[Edge]:
    at = {table.name.lower(): i for i, table in enumerate(schema.tables)}
    edges = []
    for key in schema.foreign_keys:
        child, parent = at.get(key.table.lower()), at.get(key.referenced_table.lower())
        if child is None or parent is None or child == parent:
            continue
        places = [
            next((i for i, c in enumerate(tables[t].columns) if c.name.lower() == name.lower()), -1)
            for t, name in ((child, key.column), (parent, key.referenced_column))
        ]
        if min(places) >= 0:
            edges.append(Edge(child, places[0], parent, places[1]))
    return list(dict.fromkeys(edges))


def _telling(edges: list[Edge], tables: list[TableFacts]) -> list[Edge]:
    """Without keys to a column whose values do not tell the parent's rows apart: parts of a key."""
    return [
        edge
        for edge in edges
        if tables[edge.parent].columns[edge.parent_column].unique or not tables[edge.parent].rows
    ]


def _natural(tables: list[TableFacts]) -> list[Edge]:
    """Joins of a schema that declares none: child.x = parent.x, or child.parent_id = parent.id."""
    edges = []
    for (a, first), (b, second) in combinations(enumerate(tables), 2):
        for child, parent, c, p in ((first, second, a, b), (second, first, b, a)):
            found = _natural_pair(child, parent)
            if found is not None:
                edges.append(Edge(c, found[0], p, found[1]))
                break
    return edges


def _natural_pair(child: TableFacts, parent: TableFacts) -> tuple[int, int] | None:
    for p, key in enumerate(parent.columns):
        if not key.unique or key.kind in ("empty", "long", "flag"):
            continue
        generic = key.name.lower() in ("id", "name", "code", "key", "no", "number", "title")
        full = {
            f"{parent.noun} {key.noun}".replace(" ", ""),
            f"{parent.name}{key.name}".lower().replace("_", "").replace(" ", ""),
        }
        if not generic:
            full.add(re.sub(r"[\s_]", "", key.name.lower()))
        known = set(key.values)
        for c, column in enumerate(child.columns):
            bare = re.sub(r"[\s_]", "", column.name.lower())
            if bare in full and column.values:
                hits = sum(value in known for value in column.values)
                if hits * 2 >= min(len(column.values), len(known)):
                    return c, p
    return None

"""How much of one query another has, clause by clause: the Jaccard index over their clause items.

Field's name: component matching (Yu et al., EMNLP 2018), made graded and, over sqlglot's qualified tree,
open to any SQL that SQLite runs. Aliases, the order of conjuncts, select items and joined tables, the
sides of a comparison, a comma or an INNER JOIN make no difference. A subquery stands as `(query 1)` in
the item that holds it, and its own items follow under that item's name, a CTE as a derived table.

>>> from txt2sql.types import Column, Table
>>> schema = Schema("music", (Table("singer", (Column("name"), Column("age"))),))
>>> items = clause_items("SELECT name FROM singer AS s WHERE 30 < s.age", schema)
>>> sorted(items)
[('from', 'singer'), ('select', 'singer.name'), ('where', '(30 < singer.age)')]
>>> jaccard(items, clause_items("SELECT name FROM singer", schema))
0.6666666666666666
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

from sqlglot import MappingSchema, exp, parse
from sqlglot.optimizer.qualify import qualify

from txt2sql.sql.sources import Node, conjuncts, entries
from txt2sql.types import Schema

Items = Counter[tuple[str, str]]
"""A bag of (clause, expression)."""

# Limits on what hostile text may cost: characters, brackets in brackets, items, characters of an item.
_MAX_CHARS, _MAX_DEPTH, _MAX_ITEMS, _MAX_TEXT = 10_000, 60, 2_000, 300
_SIGNS = {exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.Add: "+", exp.Mul: "*"}
_SYMMETRIC = (exp.EQ, exp.NEQ, exp.Add, exp.Mul)
_FLIPPED = {exp.GT: exp.LT, exp.GTE: exp.LTE}


def jaccard(a: Items, b: Items) -> float:
    """The items that both have over those that either has, counted as in a bag: symmetric, in [0, 1]."""
    return (a & b).total() / (a | b).total()


@lru_cache(maxsize=4096)
def clause_items(sql: str, schema: Schema) -> Items | None:
    """The items of one query, or None when it is not one query that can be parsed. Never raises; callers share
    the counter.
    """
    steps = (1 if bracket == "(" else -1 for bracket in re.findall(r"[()]", sql[:_MAX_CHARS]))
    if len(sql) > _MAX_CHARS or max(accumulate(steps), default=0) > _MAX_DEPTH or "\0" in sql:
        return None
    try:
        trees = [tree for tree in parse(sql, read="sqlite") if tree is not None]
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            return None
        for name in trees[0].find_all(exp.Identifier):
            name.meta["written"] = name.name  # it may be a string, of which no letter may change
        tree: Node = qualify(
            trees[0],
            dialect="sqlite",
            schema=_mapping(schema),
            expand_alias_refs=False,
            validate_qualify_columns=False,
            allow_partial_qualification=True,
            quote_identifiers=False,
            identify=False,
        )
        # Tables that one FROM lists twice are numbered: in that of two orders which reads first.
        readings = [_Query(None, backwards).read(tree).items for backwards in (False, True)]
        return min(readings, key=_whole)
    except Exception:  # whatever a parser does with arbitrary text, RecursionError included
        return None


@lru_cache(maxsize=256)
def _mapping(schema: Schema) -> MappingSchema:
    columns: dict[str, object] = {
        table.name.lower(): {column.name.lower(): "TEXT" for column in table.columns}
        for table in schema.tables
    }
    return MappingSchema(columns, dialect="sqlite", normalize=False)


class _Query:
    # `sources` has of each entry of the FROM its name in items, and what its columns say where it is a
    # query; `inner` are the subqueries of the expression that is being read.

    def __init__(self, outer: _Query | None, backwards: bool) -> None:
        self.backwards = backwards
        self.outwards: list[_Query] = [self, *(outer.outwards if outer else ())]
        self.sources: dict[str, tuple[str, dict[str, str]]] = {}
        self.ctes: dict[str, _Query] = {}
        self.items: Items = Counter()
        self.selected: list[str] = []
        self.outputs: dict[str, str] = {}
        self.inner: list[_Query] = []

    @property
    def name(self) -> str:
        return _short(f"({_whole(self.items)})")

    def below(self, node: Node) -> _Query:
        return _Query(self, self.backwards).read(node)

    def read(self, node: Node) -> _Query:
        node = node.unnest()
        for cte in node.ctes:
            name = cte.alias.lower()
            self.ctes[name] = _Query(self, self.backwards)  # what a recursive one reads
            self.ctes[name] = self.below(cte.this)
        if isinstance(node, exp.SetOperation):
            self.set_operation(node)
        else:
            self.select(node)
        for place, key in enumerate(_parts(node, "order"), 1):
            direction = "desc" if key.args.get("desc") else "asc"
            if bool(key.args.get("nulls_first")) is bool(key.args.get("desc")):
                direction += " nulls other"
            self.add("order", key.this, f"{place}: ", f" {direction}")
        for clause in ("limit", "offset"):
            if given := node.args.get(clause):
                self.add(clause, given.expression)
        return self

    def select(self, node: Node) -> None:
        if not isinstance(node, exp.Select) or not node.expressions:
            raise ValueError("nothing is selected")
        conditions = self.from_(node)
        for item in node.expressions:
            text = self.add("select", item)
            self.selected.append(text)
            self.outputs.setdefault(item.alias_or_name.lower(), text)
        if node.args.get("distinct"):
            self.items["distinct", ""] += 1
        conditions += [(node.args[c].this, c) for c in ("where", "having") if node.args.get(c)]
        for condition, clause in conditions:
            for conjunct in _conjuncts(condition):
                joins = clause == "where" and self.joins(conjunct)
                self.add("join" if joins else clause, conjunct)
        for key in _parts(node, "group"):
            self.add("group", key)

    def from_(self, node: Node) -> list[tuple[Node, str]]:
        listed = [(entry, join, self.derived(entry)) for entry, join in entries(node)]
        names = [
            "(query)" if inner else _short(entry.name.lower() or self.text(entry.this))
            for entry, _, inner in listed
        ]
        conditions: list[tuple[Node, str]] = []
        for i, (entry, join, inner) in enumerate(listed):
            number = (names[i:] if self.backwards else names[: i + 1]).count(names[i])
            name = names[i] if names.count(names[i]) == 1 else f"{names[i]}#{number}"
            self.items["from", names[i]] += 1
            outputs: dict[str, str] = {}
            if inner:
                outputs = {column: f"{name}.{text}" for column, text in inner.outputs.items()}
                self.include(f"from {name}", inner)
            self.sources[entry.alias_or_name.lower()] = (name, outputs)
            clause = "where"
            if join is not None and (join.side or join.method):
                clause = f"{join.method} {join.side} join {name}".lower().strip()
                self.items["from", clause] += 1
            if join is not None and join.args.get("on"):
                conditions.append((join.args["on"], clause))
        return conditions

    def derived(self, entry: Node) -> _Query | None:
        if isinstance(entry, exp.Subquery):
            return self.below(entry)
        ctes = (each.ctes.get(entry.name.lower()) for each in self.outwards if not entry.db)
        return next(filter(None, ctes), None)

    def set_operation(self, node: Node) -> None:
        """UNION and INTERSECT have sides in any order, so each side is one item as a whole too."""
        kind, distinct, sides = type(node), bool(node.args.get("distinct")), [node.expression]
        below = node.this
        while type(below) is kind is not exp.Except and below.args.get("distinct") is distinct:
            sides.append(below.expression)
            below = below.this
        name = node.key if distinct else f"{node.key} all"
        for i, side in enumerate(self.below(each) for each in (below, *reversed(sides))):
            if i == 0:
                self.selected, self.outputs = side.selected, side.outputs
            if kind is exp.Except:
                self.include(f"{name} {'right' if i else 'left'}", side)
            else:
                self.items[name, side.name] += 1
                self.include(name, side)

    def add(self, clause: str, node: Node, before: str = "", after: str = "") -> str:
        self.inner, text = [], ""
        if clause in ("group", "order") and isinstance(node, exp.Literal) and node.name.isdecimal():
            text = dict(enumerate(self.selected, 1)).get(int(node.name), "")
        text = text or self.text(node)
        self.items[clause, _short(before + text + after)] += 1
        for number, each in enumerate(self.inner, 1):
            self.include(f"{clause} {text} {number}", each)
            text = text.replace(f"(query {number})", each.name, 1)
        return _short(text)

    def include(self, prefix: str, inner: _Query) -> None:
        if self.items.total() + inner.items.total() > _MAX_ITEMS:
            raise ValueError("too many items")
        for (clause, text), count in inner.items.items():
            self.items[_short(f"{prefix} / {clause}"), text] += count

    def text(self, node: Node) -> str:
        """An expression in one spelling: operands in order where their order means nothing."""
        kind = type(node)
        if isinstance(node, exp.Query):
            self.inner.append(self.below(node))
            return f"(query {len(self.inner)})"
        if isinstance(node, (exp.Paren, exp.Alias)):
            return self.text(node.this)
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Literal):
            return _string(node.name) if node.is_string else f"{float(node.name):.15g}"
        if isinstance(node, exp.Count) and isinstance(node.this, (exp.Literal, exp.Star)):
            return "count(*)"
        if isinstance(node, exp.Connector):
            operands = sorted({self.text(each) for each in node.flatten()})
            return f"({f' {node.key} '.join(operands)})" if len(operands) > 1 else operands[0]
        if isinstance(node, exp.Not) and isinstance(node.this.unnest(), exp.EQ):
            return self.text(exp.NEQ(**node.this.unnest().args))
        if kind in _FLIPPED:
            return self.text(_FLIPPED[kind](this=node.expression, expression=node.this))
        if kind in _SIGNS:
            sides = [self.text(side) for side in (node.this, node.expression)]
            if isinstance(node, _SYMMETRIC):
                sides.sort()
            return f"({f' {_SIGNS[kind]} '.join(sides)})"
        if isinstance(node, exp.In) and node.expressions:
            equal = [exp.EQ(this=node.this, expression=each) for each in node.expressions]
            return self.text(exp.or_(*equal, copy=False))
        if isinstance(node, exp.Identifier):
            return str(node.name).lower()
        arguments = [
            self.text(part) if isinstance(part, exp.Expr) else f"{key} {part}".lower()
            for key, argument in node.args.items()
            for part in (argument if isinstance(argument, list) else [argument])
            if part not in (None, False) and key not in ("negate", "big_int")
        ]
        text = f"{node.key}({', '.join(arguments)})"
        return f"not({text})" if node.args.get("negate") else text

    def column(self, node: Node) -> str:
        name, table = node.name.lower(), node.table.lower()
        for around in self.outwards:
            if table in around.sources:
                source, outputs = around.sources[table]
                return outputs.get(name) or f"{source}.{name}"
        if name in self.outputs:
            return self.outputs[name]
        return _string(node.this.meta["written"]) if node.this.args.get("quoted") else name

    def joins(self, node: Node) -> bool:
        # Whether it equates columns of two sources of this very FROM.
        sides = [node.this.unnest(), node.expression.unnest()] if isinstance(node, exp.EQ) else []
        tables = {side.table.lower() for side in sides if isinstance(side, exp.Column)}
        return len(tables) == 2 and tables <= self.sources.keys()


def _conjuncts(node: Node) -> Iterator[Node]:
    for part in conjuncts(node):
        if isinstance(part, exp.Between):
            yield exp.LTE(this=part.args["low"], expression=part.this)
            yield exp.LTE(this=part.this, expression=part.args["high"])
        elif part != exp.true():  # which qualifying adds to a join without a condition
            yield part


def _parts(node: Node, clause: str) -> list[Node]:
    return list(node.args[clause].expressions) if node.args.get(clause) else []


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _whole(items: Items) -> str:
    return "; ".join(sorted(f"{clause} {text}" for clause, text in items.elements()))


def _short(text: str) -> str:
    if len(text) <= _MAX_TEXT:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{text[:_MAX_TEXT]}… {digest}"

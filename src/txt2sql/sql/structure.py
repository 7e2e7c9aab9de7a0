"""The parts of a query: what each clause says, as a bag, in one spelling. Behind structural F1.

Component matching (Yu et al., EMNLP 2018) compares a query clause by clause, for the SQL that
Spider's parser knows. This is the same idea over sqlglot's tree, so for any SQL that SQLite runs. Two
queries that differ only in aliases, case, white space, quotes, parentheses, the order of conjuncts,
joined tables or select items, `3 < x` or `x > 3`, a comma or an INNER JOIN have the same parts.

A subquery leaves `(…)` in the part that holds it, and its own parts follow under that part's name,
so that one slip inside it costs one part. A CTE is read as the derived table it stands for. Tables
that one FROM lists twice are numbered by what the query does with each; exact for two of a kind.

>>> parts("SELECT name FROM singer AS s WHERE 30 < s.age", schema)  # doctest: +SKIP
Counter({('from', 'singer'): 1, ('select', 'singer.name'): 1, ('where', 'singer.age > 30'): 1})
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from sqlglot import TokenType
from sqlglot import expressions as exp
from sqlglot.dialects.sqlite import SQLite

from txt2sql.sql.scope import Scope, Source, entries, resolve
from txt2sql.sql.spelling import Spelling, compared, operands
from txt2sql.types import Schema

Part = tuple[str, str]
"""(clause, expression)"""

MAX_CHARS = 10_000
"""Longer texts are not parsed; gold queries of the public data sets stay far below."""
_MAX_DEPTH, _MAX_NUMBERED = 60, 6
_REMEMBERED_CHARS, _SHORT = 2_000, 300
_COST = 20
"""Of reading a query, in expressions, besides those in it."""

_DIALECT = SQLite()
_SKIP = re.compile(r"(?:[\s(]|--[^\n]*|/\*.*?(?:\*/|\Z))*", re.S)
_START = re.compile(r"(?:SELECT|WITH|VALUES)\b", re.I)
# A subquery in the text of an expression stands between these two until the part is added.
_OPEN, _CLOSE = "\x01", "\x02"
_CONTROL = re.compile("[\0\x01\x02]")
_NESTED = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")


def parts(sql: str, schema: Schema) -> Counter[Part] | None:
    """The bag of parts of one query, or None when it is not one query that can be parsed.

    Never raises. The counter is shared between callers: do not change it.
    """
    read = _parts if len(sql) <= _REMEMBERED_CHARS else _parts.__wrapped__
    return read(sql, _Same(schema))


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A schema as a key that is compared by identity: hashing all its columns takes too long."""

    schema: Schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema


@lru_cache(maxsize=256)
def _columns(key: _Same) -> dict[str, frozenset[str]]:
    return {
        table.name.lower(): frozenset(column.name.lower() for column in table.columns)
        for table in key.schema.tables
    }


@lru_cache(maxsize=16_384)
def _parts(sql: str, key: _Same) -> Counter[Part] | None:
    if len(sql) > MAX_CHARS or _CONTROL.search(sql) or _depth(sql) > _MAX_DEPTH:
        return None
    start = _SKIP.match(sql)
    if start is None or not _START.match(sql, start.end()):
        return None
    try:
        tokens = _DIALECT.tokenize(sql)
        while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
            tokens.pop()
        if any(token.token_type is TokenType.SEMICOLON for token in tokens):
            return None
        (tree,) = _DIALECT.parser().parse(tokens, sql)
        return _numbered(tree, _columns(key)) if tree is not None else None
    except Exception:  # whatever a parser does with arbitrary text, RecursionError included
        return None


def _depth(sql: str) -> int:
    """How deep brackets nest. Those inside quotes count too, which only errs towards refusing."""
    depth = deepest = 0
    for bracket in re.findall(r"[()]", sql):
        depth += 1 if bracket == "(" else -1
        deepest = max(deepest, depth)
    return deepest


def _numbered(tree: exp.Expr, tables: dict[str, frozenset[str]]) -> Counter[Part]:
    """The parts, with sources that one FROM lists twice numbered in a canonical way."""
    reader = _Reader(tables, {})
    found = reader.query(tree, None).parts
    repeated = [group for group in reader.occurrences if len(group) > 1]
    if not repeated:
        return found
    marks = {place: f"#{i}" for group in repeated for i, place in enumerate(group, 1)}
    if len(marks) <= _MAX_NUMBERED:
        # Each occurrence is known by how the query reads when it alone is marked.
        reads = {
            place: _whole(_Reader(tables, {place: "#"}).query(tree, None).parts) for place in marks
        }
        for group in repeated:
            for i, place in enumerate(sorted(group, key=reads.__getitem__), 1):
                marks[place] = f"#{i}"
    return _Reader(tables, marks).query(tree, None).parts


def _whole(bag: Counter[Part]) -> str:
    """A bag of parts as one text."""
    return "; ".join(sorted(f"{clause} {text}" for clause, text in bag.elements()))


def _short(text: str) -> str:
    """A text of bounded length without marks of subqueries, different for different texts."""
    text = text.replace(_OPEN, "(").replace(_CLOSE, ")")
    if len(text) <= _SHORT:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{text[:_SHORT]}… {digest}"


@dataclass(slots=True)
class _Answer:
    """A query read: its parts, its select items in order, and how its columns can be called."""

    parts: Counter[Part] = field(default_factory=Counter)
    items: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    stars: list[Source] = field(default_factory=list)


class _Reader:
    """Walks a tree; `marks` numbers the sources of FROMs, counted in the order of the walk."""

    def __init__(self, tables: dict[str, frozenset[str]], marks: dict[int, str]) -> None:
        self.tables, self.marks = tables, marks
        self.spelling = Spelling(lambda node, scope: self.wrapped(self.query(node, scope)))
        self.text = self.spelling.text
        self.count = 0
        self.occurrences: list[list[int]] = []
        self.nested: dict[str, Counter[Part]] = {}
        self.expanding: set[int] = set()

    def query(self, node: exp.Expr, outer: Scope | None) -> _Answer:
        """Read a SELECT, a set operation or VALUES."""
        if isinstance(node, exp.Subquery):
            node = node.unnest()
        self.spelling.spend(_COST)
        scope, answer = Scope(outer), _Answer()
        if clause := node.args.get("with_") or node.args.get("with"):
            scope.ctes = {cte.alias.lower(): cte for cte in clause.expressions}
        if isinstance(node, exp.Select):
            self.select(node, scope, answer)
        elif isinstance(node, exp.SetOperation):
            self.set_operation(node, scope, answer)
        elif isinstance(node, exp.Values):
            for row in node.expressions:
                self.add(answer, "values", self.text(row, scope))
        else:
            raise ValueError(f"not a query: {node.key}")
        self.order(node, scope, answer)
        return answer

    def add(self, answer: _Answer, clause: str, text: str) -> None:
        """Add one part, and under its name the parts of the subqueries in it."""
        if text.startswith("(") and text.endswith(")"):  # they are a pair
            text = text[1:-1]
        within = _NESTED.findall(text)
        skeleton = _NESTED.sub("(…)", text) if within else text
        answer.parts[clause, skeleton] += 1
        for i, whole in enumerate(within, 1):
            place = f" #{i}" if len(within) > 1 else ""
            self.include(answer, _short(f"{clause} {skeleton}{place}"), self.nested[whole])

    def include(self, answer: _Answer, prefix: str, bag: Counter[Part]) -> None:
        """Add the parts of another query, their clauses under `prefix`."""
        self.spelling.spend(len(bag))
        for (clause, text), count in bag.items():
            answer.parts[f"{prefix} / {clause}", text] += count

    def wrapped(self, answer: _Answer) -> str:
        """A query inside an expression; its parts wait until the part around it is added."""
        whole = _short(_whole(answer.parts))
        self.nested[whole] = answer.parts
        return f"{_OPEN}{whole}{_CLOSE}"

    def select(self, node: exp.Select, scope: Scope, answer: _Answer) -> None:
        """The clauses of one SELECT."""
        if not node.expressions:
            raise ValueError("nothing is selected")
        self.sources(node, scope, answer)
        for item in node.expressions:
            text = self.item(item, scope, answer)
            self.add(answer, "select", text)
            answer.items.append(text)
        scope.aliases = answer.outputs
        if node.args.get("distinct"):
            self.add(answer, "distinct", "distinct")
        if where := node.args.get("where"):
            self.conditions(where.this, scope, answer, "where", "join")
        if group := node.args.get("group"):
            for key in group.expressions:
                self.add(answer, "group", _position(key, answer) or self.text(key, scope))
        if having := node.args.get("having"):
            self.conditions(having.this, scope, answer, "having", "having")

    def item(self, item: exp.Expr, scope: Scope, answer: _Answer) -> str:
        """The text of a select item, after noting by what name it can be called from elsewhere."""
        body = item.this if isinstance(item, exp.Alias) else item
        if isinstance(body, exp.Star):
            answer.stars += scope.sources
            return "*"
        if isinstance(body, exp.Column) and isinstance(body.this, exp.Star):
            alias = body.table.lower()
            source = scope.called(alias)
            answer.stars += [source] if source else []
            return "*" if len(scope.sources) == 1 else source.guess("*") if source else f"{alias}.*"
        text = self.text(body, scope)
        if name := item.alias_or_name.lower():
            answer.outputs.setdefault(name, text)
        return text

    def set_operation(self, node: exp.SetOperation, scope: Scope, answer: _Answer) -> None:
        """Sides of UNION and INTERSECT come in any order, so each is also one part as a whole."""
        kind, distinct = type(node), bool(node.args.get("distinct"))
        name = "union all" if kind is exp.Union and not distinct else node.key
        branches, below = [node.expression], node.this
        while kind is not exp.Except and type(below) is kind:
            if bool(below.args.get("distinct")) is not distinct:
                break
            branches.append(below.expression)
            below = below.this
        for i, branch in enumerate([below, *reversed(branches)]):
            side = self.query(branch, scope)
            if i == 0:
                answer.items, answer.outputs = side.items, side.outputs
            if kind is exp.Except:
                self.include(answer, f"except {'right' if i else 'left'}", side.parts)
            else:
                self.add(answer, name, _short(_whole(side.parts)))
                self.include(answer, name, side.parts)
        scope.aliases = answer.outputs

    def order(self, node: exp.Expr, scope: Scope, answer: _Answer) -> None:
        """ORDER BY keys, whose place counts, LIMIT and OFFSET."""
        order = node.args.get("order")
        for i, key in enumerate(order.expressions if order else (), 1):
            text = _position(key.this, answer)
            if text is None and isinstance(key.this, exp.Column) and not key.this.table:
                text = answer.outputs.get(key.this.name.lower())
            if text is None:
                text = self.text(key.this, scope)
            descending = bool(key.args.get("desc"))
            text = f"{i}: {text} {'desc' if descending else 'asc'}"
            if bool(key.args.get("nulls_first")) is descending:
                text += " nulls first" if descending else " nulls last"
            self.add(answer, "order", text)
        for clause in ("limit", "offset"):
            if given := node.args.get(clause):
                self.add(answer, clause, self.text(given.expression, scope))

    def sources(self, node: exp.Expr, scope: Scope, answer: _Answer) -> None:
        """FROM and its joins. Conditions come after, since any of them may name any source."""
        places: dict[str, list[int]] = {}
        conditions: list[tuple[exp.Expr, str]] = []
        for entry, join in entries(node):
            source, text = self.source(entry, scope)
            place, self.count = self.count, self.count + 1
            places.setdefault(text, []).append(place)
            source.mark = self.marks.get(place, "")
            self.add(answer, "from", text)
            clause = ""
            if join is not None:
                if join.side:
                    clause = f"{join.side.lower()} join {source.name}"
                    self.add(answer, "from", clause)
                self.share(join, clause or "join", source, scope, answer)
                if on := join.args.get("on"):
                    conditions.append((on, clause))
            scope.sources.append(source)
        self.occurrences += places.values()
        for on, clause in conditions:
            self.conditions(on, scope, answer, clause or "where", clause or "join")

    def source(self, node: exp.Expr, scope: Scope) -> tuple[Source, str]:
        """One entry of a FROM, and its text as a part."""
        alias = node.alias_or_name.lower()
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            name = node.name.lower()
            for around in scope.outwards() if not node.db else ():
                if name in around.ctes:
                    return self.expanded(around.ctes[name], alias, around)
            return Source(alias, name, self.tables.get(name)), name
        if isinstance(node, exp.Subquery):
            return self.derived(node, alias, scope)
        text = self.text(node.this if isinstance(node, exp.Table) else node, scope)
        return Source(alias, _short(text)), text

    def expanded(self, cte: exp.Expr, alias: str, scope: Scope) -> tuple[Source, str]:
        """A CTE as a derived table; inside itself, a recursive one is only a name."""
        if id(cte) in self.expanding:
            return Source(alias, "recursive"), "recursive"
        self.expanding.add(id(cte))
        found = self.derived(cte, alias, scope)
        self.expanding.discard(id(cte))
        return found

    def derived(self, node: exp.Expr, alias: str, scope: Scope) -> tuple[Source, str]:
        """A subquery in FROM or a CTE: its columns are what its select items say."""
        answer = self.query(node.this, scope)
        described = node.args.get("alias")
        renamed = described.args.get("columns") if described else None
        named: Iterable[tuple[str, str]] = answer.outputs.items()
        if renamed:
            named = zip((column.name.lower() for column in renamed), answer.items)
        outputs = {name: _short(text) for name, text in named}
        text = self.wrapped(answer)
        return Source(alias, _short(text), outputs=outputs, stars=answer.stars), text

    def share(
        self, join: exp.Join, clause: str, source: Source, scope: Scope, answer: _Answer
    ) -> None:
        """USING and NATURAL as the equalities that they stand for."""
        names = [column.name.lower() for column in join.args.get("using") or ()]
        if str(join.args.get("method") or "").upper() == "NATURAL":
            before = {name for known in scope.sources for name in known.columns or ()}
            names = sorted(before & (source.columns or frozenset()))
        source.shared = frozenset(names)
        for name in names:
            found = (known.column(name) for known in scope.sources)
            left = next((text for text in found if text is not None), name)
            self.add(answer, clause, compared(left, "=", source.guess(name)))

    def conditions(
        self, node: exp.Expr, scope: Scope, answer: _Answer, clause: str, joining: str
    ) -> None:
        """Each conjunct is a part; of clause `joining` when it equates columns of two sources."""
        for operand in operands(node, exp.And):
            joined = type(operand) is exp.EQ and _joins(operand, scope)
            for text in self.spelling.conjuncts(operand, scope):
                self.add(answer, joining if joined else clause, text)


def _position(key: exp.Expr, answer: _Answer) -> str | None:
    """The select item that a key like `2` stands for."""
    if isinstance(key, exp.Literal) and not key.is_string and key.name.isdecimal():
        place = int(key.name) - 1
        return answer.items[place] if 0 <= place < len(answer.items) else None
    return None


def _joins(node: exp.Expr, scope: Scope) -> bool:
    """True when both sides are columns, of two different sources of this very FROM."""
    sides = [node.this.unnest(), node.expression.unnest()]
    if not all(isinstance(side, exp.Column) for side in sides):
        return False
    first, second = (resolve(side, scope)[1] for side in sides)
    here = {id(source) for source in scope.sources}
    return first is not second and id(first) in here and id(second) in here

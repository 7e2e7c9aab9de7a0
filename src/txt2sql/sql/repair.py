"""The names of a SELECT put right where one reading of them is possible, by small edits of its text.

A column of another table brings that table in along the one shortest path of keys; a column under the
wrong qualifier gets the right one; a near spelling becomes the name; a join gets the one key between
its tables; a quoted word that is compared and no column anywhere becomes text. Then a statement is mended
where it runs and cannot be meant: joins that no key connects, dates in another format, repeated rows.

>>> from txt2sql.types import Column
>>> tables = (Table("shop", (Column("id"), Column("city"))), Table("staff", (Column("shop_id"),)))
>>> keys = (ForeignKey("staff", "shop_id", "shop", "id"),)
>>> repair("SELECT city FROM staff", Schema("s", tables, keys))
'SELECT city FROM staff JOIN shop ON shop.id = staff.shop_id'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from sqlglot import exp

from txt2sql.identifiers import quote_identifier
from txt2sql.sql.date_formats import as_of_today, read_as_stored
from txt2sql.sql.literals import with_stated_values
from txt2sql.sql.names import COMPARISONS, FORGIVEN, Kind, Names, Problem, resolve
from txt2sql.sql.sources import (
    Edit,
    Node,
    Scope,
    Source,
    components,
    edited,
    from_end,
    owners,
    span,
)
from txt2sql.sql.stored_texts import read_as_meant
from txt2sql.sql.text import DECLINED, declines
from txt2sql.types import ForeignKey, Schema, Table, ValueMatch

_ASKS_FOR_ID = re.compile(
    r"\b(?:ids?|identifiers?|keys?|numbers?|nos?|codes?|numm?ern?|nr)\b|#", re.I
)
_IS_ID = re.compile(r"(?:^|[\W_])(?i:id|key|number|no|nr)$|(?<=[a-z])(?:Id|ID|Key|Number|No|Nr)$")
_NAME = r"name|title|label|(?:first|last|sur|fore|given|family|full)name"
_IS_NAME = re.compile(rf"(?:^|[\W_])(?i:{_NAME})$|(?<=[a-z])(?:Name|Title|Label)$")
_WHOLE_NAMES = ({"first", "last"}, {"first", "sur"}, {"fore", "sur"}, {"given", "family"})
_MENDED = 7  # problems at most: a statement with more is not what was meant


@dataclass(frozen=True, slots=True)
class Key:
    """All columns of one key between two tables, (here, there) each, seen from one of them, which `refers`
    to the other one (many rows to one) or is referred to.
    """

    table: str
    other: str
    pairs: tuple[tuple[str, str], ...]
    refers: bool
    declared: bool

    def condition(self, label: str, other: str) -> str:
        """What joins the table under one label to the other table under another."""
        return " AND ".join(
            f"{other}.{quote_identifier(there)} = {label}.{quote_identifier(here)}"
            for here, there in self.pairs
        )


_Path = tuple[Source, list[Key]]
_Bridge = tuple[str, str, list[Edit]]


@dataclass(frozen=True, slots=True)
class Repair:
    """A statement that may be run, or None with the sentence that says why there is none; a `suspect` one is
    hardly meant: it may only lose to another candidate.
    """

    sql: str | None
    changed: bool = False
    problem: str = ""
    suspect: bool = False


def mend(
    sql: str, schema: Schema, matches: Sequence[ValueMatch] = (), question: str = ""
) -> Repair:
    """A statement that a model wrote, in SQLite's SQL, as it may be run or translated for another engine. Other
    engines refuse unknown names themselves: what has one and cannot be mended goes to them as it is.

    Dates that hang on today are taken from the `matches` of the question. Where the question does not ask for
    an id, what has a name is listed by its name.
    """
    if declines(sql):
        return Repair(None, problem=DECLINED)
    as_it_is = Repair(sql) if schema.dialect != "sqlite" else None
    mender = _Mender(schema, question)
    names = mender.repaired(sql)
    if problems := names.problems:
        runs = all(each.kind in FORGIVEN for each in problems)
        return (None if runs else as_it_is) or Repair(None, problem=problems[0].sentence)
    along_keys = mender.along_keys
    by_name, each_once = mender.by_name, mender.each_once
    as_meant = partial(read_as_meant, question=question)
    for rule in (
        along_keys,
        along_keys,
        mender.among_keys,
        read_as_stored,
        as_meant,
        by_name,
        each_once,
    ):
        edits = rule(names)
        if isinstance(edits, Problem):
            return as_it_is or Repair(None, problem=edits.sentence)
        names = mender.changed(names, edited(names.sql, edits or ()))
    if any(match.relative for match in matches) or "JULIANDAY" in names.sql.upper():
        # as_of_today changes the tree that it is given
        today = as_of_today(resolve(names.sql, schema), matches, question)
        names = mender.changed(names, today)
        edits = read_as_stored(names)  # what came in from the question
        names = (
            mender.changed(names, edited(names.sql, edits)) if isinstance(edits, list) else names
        )
    if (stated := with_stated_values(names, matches, question)) != names.sql:
        names = mender.changed(resolve(names.sql, schema), stated)  # the tree is changed, too
    return Repair(names.sql, names.sql != sql, suspect=mender.is_suspect(names))


def repair(sql: str, schema: Schema) -> str | None:
    """The statement with its names mended, None where one has more than one reading."""
    names = _Mender(schema).repaired(sql)
    return None if names.problems else names.sql


class _Mender:
    def __init__(self, schema: Schema, question: str = "") -> None:
        self.schema, self.question = schema, question
        self.keys = list(_keys(schema.foreign_keys))
        # (table, column) of each key, and the place that it refers to
        self.pairs = [
            ((key.table, here.lower()), (key.other, there.lower()))
            for key in self.keys
            if key.refers
            for here, there in key.pairs
        ]

    def changed(self, names: Names, sql: str) -> Names:
        better = resolve(sql, self.schema) if sql != names.sql else names
        return names if better.problems else better

    def repaired(self, sql: str) -> Names:
        """The statement with its names mended; as it is, with its problems, where that is not plain."""
        written = names = resolve(sql, self.schema)
        for _ in range(_MENDED):
            edits = next((e for p in names.problems if (e := self.edits(p, names))), None)
            if edits is None:
                break
            names = resolve(edited(names.sql, edits), self.schema)
        return written if names.problems else names

    def edits(self, problem: Problem, names: Names) -> Sequence[Edit] | None:
        kind, node, scope = problem.kind, problem.node, problem.scope
        if kind is Kind.RESERVED_WORD:
            return [(*span(node), quote_identifier(node.name))]
        if kind is Kind.UNKNOWN_TABLE:
            return _respelt(node, [table.name for table in self.schema.tables])
        aliases = [source.alias for source in scope.sources] if scope is not None else []
        if scope is None or len(set(aliases)) < len(aliases):
            return None
        if kind is Kind.JOIN_WITHOUT_CONDITION:
            return self.condition(node, scope, names.sql)
        if not isinstance(node.this, exp.Identifier):
            return None
        if kind is Kind.AMBIGUOUS:
            return _qualified(node, scope)
        if kind is Kind.QUOTED_TEXT and self.is_text(node):
            return [(*span(node.this), "'" + node.name.replace("'", "''") + "'")]
        qualifier = node.table.lower()
        near = [
            name
            for source in scope.sources
            if not qualifier or source.alias == qualifier
            for lower, name in (source.columns or {}).items()
            if lower not in source.merged
        ]
        renamed = self.requalified(node, scope) or _respelt(node.this, near)
        return renamed or self.joined(node, scope, names)

    def is_text(self, column: Node) -> bool:
        if not re.search(r"\w", column.name) or "%" in column.name:
            return True
        if any(table.column(column.name) for table in self.schema.tables):
            return False
        node, parent = column, column.parent
        while isinstance(parent, (exp.Paren, exp.Escape, exp.Collate, exp.Tuple)):
            node, parent = parent, parent.parent
        if isinstance(parent, exp.In):
            return any(node is item for item in parent.expressions)
        if isinstance(parent, exp.Between):
            return node is not parent.this
        compares = isinstance(parent, (*COMPARISONS, exp.Like, exp.Glob, exp.Is))
        return compares and node is parent.expression

    def requalified(self, column: exp.Column, scope: Scope) -> list[Edit] | None:
        qualifier = column.args.get("table")
        outer = {
            s.alias for around in scope.outwards() if around is not scope for s in around.sources
        }
        if qualifier is None or qualifier.name.lower() in outer:
            return None
        owners = [s for s in scope.sources if s.has(column.name.lower()) and s.label]
        meant = self.schema.table(qualifier.name)
        if meant is not None and meant.column(column.name) is not None:
            owners = [source for source in owners if source.table is meant]
        elif any(source.columns is None for source in scope.sources):
            return None
        return [(*span(qualifier), owners[0].label)] if len(owners) == 1 else None

    def joined(self, column: exp.Column, scope: Scope, names: Names) -> list[Edit] | None:
        """Join the one table that has the column and that keys lead to, along the one shortest path."""
        if not scope.sources or any(source.columns is None for source in scope.sources):
            return None
        qualifier = column.table.lower()
        wrong = not qualifier or any(source.alias == qualifier for source in scope.sources)
        meant = None if wrong else self.schema.table(qualifier)
        ways = [
            paths
            for table in self.schema.tables
            if table.column(column.name) and (meant is None or table is meant)
            if (paths := self.paths(scope.sources, table))
        ]
        if len(ways) != 1 or len(ways[0]) != 1:
            return None
        first, keys = ways[0][0]
        if any(up.refers and not down.refers for up, down in pairwise(keys)):
            # Rows that only share what they refer to, as sales and targets of a store: each of one meets
            # each of the other (a chasm trap). Of 390 questions 10 got such a join, none rightly.
            return None
        bridge = self.bridge(first, keys, scope)
        start = span(scope.sources[0].name)[0] if scope.sources[0].name else -1
        if bridge is None or start < 0:
            return None
        text, label, preserving = bridge
        end = from_end(names.tokens, start)
        renamed = [(*span(column.args["table"]), label)] if column.table else []
        return [(end, end, text), *preserving, *renamed]

    def condition(self, component: Sequence[int], scope: Scope, sql: str) -> list[Edit] | None:
        """Add ON to a join without one, if there is exactly one key between its sides."""
        sources = scope.sources
        rest = [i for i, s in enumerate(sources) if i not in component and not s.row]
        sides = [(min(i, j), max(i, j)) for j in component for i in rest]
        between = [
            (sources[i], sources[j], key)
            for i, j in sides
            for key in self.keys
            if (key.table, key.other) == (_table(sources[i]), _table(sources[j]))
        ]
        if len(between) != 1:
            return None
        earlier, later, key = between[0]
        join, (start, _), (_, end) = later.join, span(later.node.this), span(later.name)
        if join.this is not later.node or join.args.get("method") or join.args.get("using"):
            return None
        condition = key.condition(earlier.label, later.label)
        if word := re.compile(r"\s*ON\b", re.I).match(sql, end):
            either = isinstance(join.args.get("on"), exp.Or)
            return None if either else [(word.end(), word.end(), f" {condition} AND")]
        edits = [(end, end, f" ON {condition}")]
        if comma := re.search(r"\s*,\s*$", sql[:start]):
            edits.append((comma.start(), start, " JOIN "))
        return edits

    def along_keys(self, names: Names) -> list[Edit] | None:
        """The keys in the place of a join that equates columns which no key connects: numbers, or the texts
        that both tables happen to have, as the towns of a customer and a shop.

        Of 390 questions the model equated such numbers in 21, never rightly; of 10,900 golds with joins 5, of
        one database, equate such texts.
        """
        edits = (
            self.along_key(number, scope, names.sql)
            for scope in names.scopes
            for number in range(len(scope.sources))
        )
        return next(filter(None, edits), None)

    def along_key(self, number: int, scope: Scope, sql: str) -> list[Edit] | None:
        source = scope.sources[number]
        join = source.join
        condition = join.args.get("on") if join is not None and not join.args.get("side") else None
        if source.table is None or not isinstance(condition, exp.EQ):
            return None
        ends = (condition.this, condition.expression)
        sides = [(i, c) for c, i in scope.resolved if c.table and any(c is end for end in ends)]
        if len(sides) != 2 or {i for i, _ in sides} - set(range(number)) != {number}:
            return None
        (one, here), (other, there) = ((scope.sources[i], c.name) for i, c in sides)
        paths = self.paths(scope.sources[:number], source.table)
        if len(paths) != 1:
            return None
        first, keys = paths[0]
        chance = here.lower() == there.lower() and all(key.refers for key in keys)
        chance = chance and self.is_attribute(one, here) and self.is_attribute(other, there)
        if not chance and self.connected(one, here, other, there):
            return None
        bridge = self.bridge(first, keys[:-1], scope)
        if bridge is None or join.this is not source.node:
            return None
        text, label, preserving = bridge
        start, end = span(source.node.this)[0], span(source.name)[1]
        text += f" JOIN {sql[start:end]} ON {keys[-1].condition(label, source.label)}"
        after = max(span(side.this)[1] for side in ends)
        return [(start, after, text.removeprefix(" JOIN ")), *preserving]

    def among_keys(self, names: Names) -> list[Edit] | None:
        """The one key that a column has in another table, where it is looked for among values of a column
        that are nothing like it: `id NOT IN (SELECT orders.note FROM orders)`."""
        owner = owners(names.scopes)
        for node in names.tree.find_all(exp.In) if names.tree is not None else ():
            query: Node = node.args.get("query")
            query = query.unnest() if query is not None else None
            listed = query.expressions[0] if isinstance(query, exp.Select) else None
            one, other = owner.get(id(node.this)), owner.get(id(listed))
            if one is None or other is None or listed is None or len(query.expressions) > 1:
                continue
            if self.connected(one, node.this.name, other, listed.name):
                continue
            place = (_table(one), node.this.name.lower())
            target = next((there for here, there in self.pairs if here == place), place)
            columns = [
                here[1]
                for here, there in self.pairs
                if there == target and here[0] == _table(other)
            ]
            cell = other.column(columns[0]) if len(columns) == 1 else None
            if cell is not None and span(listed.this)[0] >= 0:
                return [(*span(listed.this), quote_identifier(cell.name))]
        return None

    def is_attribute(self, source: Source, name: str) -> bool:
        cell, place = source.column(name), (_table(source), name.lower())
        text = cell is not None and cell.type == "text" and not cell.primary_key
        return text and all(place not in pair for pair in self.pairs)

    def bridge(self, first: Source, keys: Sequence[Key], scope: Scope) -> _Bridge | None:
        """The joins along a path of keys, the label of its last table, and what else must change so that
        everything refers to what it did before; None where a name would be another's.
        """
        tables = [table for key in keys if (table := self.schema.table(key.other)) is not None]
        labels = {source.alias for around in scope.outwards() for source in around.sources}
        brought = {column.name.lower() for table in tables for column in table.columns}
        passing = {column.name.lower() for column in scope.passing if not column.table}
        taken = labels & {table.name.lower() for table in tables}
        if not first.label or taken or brought & (scope.aliases.keys() | passing):
            return None
        text, label = "", first.label
        for key, table in zip(keys, tables, strict=True):
            other = quote_identifier(table.name)
            text += f" JOIN {other} ON {key.condition(label, other)}"
            label = other
        edits = [
            (span(column.this)[0], span(column.this)[0], f"{scope.sources[number].label}.")
            for column, number in scope.resolved
            if not column.table and column.name.lower() in brought
        ]
        every = ", ".join(f"{source.label}.*" for source in scope.sources)
        stars = [each for each in scope.select.expressions if isinstance(each, exp.Star)]
        return text, label, [*edits, *((*span(star), every) for star in stars)]

    def paths(self, sources: Sequence[Source], target: Table) -> list[_Path]:
        """The shortest paths of keys from a source to a table; where one of them is declared, that one."""
        paths = _shortest(sources, target, self.keys)
        declared = [key for key in self.keys if key.declared] if len(paths) > 1 else []
        surest = _shortest(sources, target, declared)
        return surest if len(surest) == 1 else paths

    def connected(self, one: Source, here: str, other: Source, there: str) -> bool:
        """Whether two columns may be meant to be equal: by keys, by name, or as texts. A number that refers
        to another table, and the keys of two tables, are not; of others nobody knows.
        """
        cells = [cell for cell in (one.column(here), other.column(there)) if cell is not None]
        same = here.lower() == there.lower() or all(cell.type == "text" for cell in cells)
        if same or len(cells) < 2:
            return True
        start, end = (_table(one), here.lower()), (_table(other), there.lower())
        if {cell.type for cell in cells} == {"number", "text"}:
            related = any({a, b} == {start[0], end[0]} for (a, _), (b, _) in self.pairs)
            words = next(cell.samples for cell in cells if cell.type == "text")
            unlike = bool(words) and all(re.search("[^\\W\\d]", word) for word in words)
            if (related or unlike) and not {(start, end), (end, start)} & {*self.pairs}:
                return False
        refers = any(child in (start, end) for child, _ in self.pairs)
        if not refers and not all(cell.primary_key for cell in cells):
            return True
        group = [start]
        for place in group:  # which grows
            near = [set(pair) for pair in self.pairs if place in pair]
            group += set().union(*near).difference(group)
        return end in group

    def each_once(self, names: Names) -> list[Edit] | None:
        """DISTINCT where a statement lists columns of one table, and repeats their rows only because it joins
        a table that refers to that one. Of 660 answers 9 repeated rows so, none rightly.
        """
        if not isinstance(names.tree, exp.Select):
            return None
        scope, clauses = names.scopes[0], names.tree.args
        owners = {id(column): number for column, number in scope.resolved}
        listed = {owners.get(id(column)) for column in names.tree.expressions}
        start = re.match(r"\s*SELECT\b", names.sql, re.I)
        counts = ("distinct", "group", "having", "limit", "order", "with_")
        outer = any(source.join and source.join.args.get("side") for source in scope.sources)
        if outer or any(map(clauses.get, counts)) or len(listed) != 1 or start is None:
            return None
        for pair in scope.equalities:
            for (i, here), (j, there) in (pair, pair[::-1]):
                table = scope.sources[i].table
                primary = [c.name.lower() for c in table.columns if c.primary_key] if table else []
                key = (_table(scope.sources[i]), here), (_table(scope.sources[j]), there)
                one_to_one = primary == [here]
                if i != j and j in listed and key in self.pairs and not one_to_one:
                    return [(start.end(), start.end(), " DISTINCT")]
        return None

    def by_name(self, names: Names) -> list[Edit] | None:
        """Names in the place of ids that are listed, where a question does not ask for them. Of 390 golds of
        people's questions none lists such an id, of 7,000 of Spider 15.
        """
        scope = next((each for each in names.scopes if each.select is names.tree), None)
        question = self.question
        if scope is None or not question or _ASKS_FOR_ID.search(question):
            return None
        listed = {id(each) for each in names.tree.expressions}
        shown = {(i, column.name.lower()) for column, i in scope.resolved if id(column) in listed}
        for column, number in scope.resolved:
            if id(column) not in listed:
                continue
            source, mentioned = scope.sources[number], _letters(column.name) in _letters(question)
            is_id = _IS_ID.search(column.name) and not mentioned
            if not is_id and not self.is_reference(source, column.name):
                continue
            home_owner = self.owner(scope, number, column.name.lower())
            if home_owner is None:
                continue
            home, owner, bridge = home_owner
            naming = _naming(home)
            if not naming or any((owner, name.lower()) in shown for name in naming):
                continue
            joins, label, more = bridge or ("", scope.sources[owner].label, [])
            qualify = f"{label}." if column.table or owner != number else ""
            start, end = span(column.args.get("table") or column.this)[0], span(column.this)[1]
            edits = [edit for edit in more if not start <= edit[0] < end]
            text = ", ".join(qualify + quote_identifier(name) for name in naming)
            edits.append((start, end, text))
            if joins:
                if not any(map(names.tree.args.get, ("group", "limit", "distinct"))):
                    joins = joins.replace(" JOIN ", " LEFT JOIN ")  # a list keeps its rows
                where = from_end(names.tokens, span(scope.sources[0].name)[0])
                edits.append((where, where, joins))
            return edits
        return None

    def is_reference(self, source: Source, name: str) -> bool:
        """Whether a column that is not called an id has the numbers of another table's rows, as `boss`."""
        cell, place = source.column(name), (_table(source), name.lower())
        refers = [table for child, (table, _) in self.pairs if child == place]
        number = cell is not None and cell.type == "number"
        return number and not place[1].endswith("id") and len(refers) == 1 and refers[0] != place[0]

    def owner(
        self, scope: Scope, number: int, name: str
    ) -> tuple[Table, int, _Bridge | None] | None:
        """The table whose rows a column identifies, and its source; where that has to be joined, -1 and the
        join. None where it cannot be told.
        """
        source = scope.sources[number]
        refers = [there for here, there in self.pairs if here == (_table(source), name)]
        home = self.schema.table(refers[0][0]) if len(refers) == 1 else source.table
        if home is None:
            return None
        keys = [each.name.lower() for each in home.columns if each.primary_key] or [
            *{column for _, (table, column) in self.pairs if table == home.name.lower()}
        ]
        if len(keys) != 1 or (home is source.table and keys[0] != name):
            return None
        if home is source.table:
            return home, number, None
        homes = [i for i, each in enumerate(scope.sources) if each.table is home]
        equal = [i for i in homes if {(number, name), (i, keys[0])} in map(set, scope.equalities)]
        if homes:
            return (home, equal[0], None) if len(homes) == len(equal) == 1 else None
        ends = (_table(source), home.name.lower())
        key = [each for each in self.keys if (each.table, each.other) == ends]
        bridge = self.bridge(source, key, scope) if len(key) == 1 else None
        return (home, -1, bridge) if bridge is not None else None

    def is_suspect(self, names: Names) -> bool:
        """Whether a statement runs and yet is hardly meant: it equates columns that no key connects, or the
        keys of two tables by IN, selects a column twice, adds up words, or takes totals from totals.
        Of 660 answers 10 were such, none right; of 25,900 golds 0.4%.
        """
        owner = owners(names.scopes)
        wanted = (exp.EQ, exp.In, exp.Except, exp.Intersect, exp.Select, exp.Sum, exp.Avg)
        for node in names.tree.find_all(*wanted) if names.tree is not None else ():
            if isinstance(node, exp.SetOperation):
                if _is_total(node.this) or _is_total(node.expression):
                    return True
            elif isinstance(node, exp.Select):
                selected = [each.sql() for each in node.expressions if id(each) in owner]
                if len(set(selected)) < len(selected):
                    return True
            elif isinstance(node, (exp.Sum, exp.Avg)):
                source = owner.get(id(node.this))
                cell = source.column(node.this.name) if source is not None else None
                text = "".join(cell.samples) if cell is not None and cell.type == "text" else ""
                if text and not re.search(r"\d", text):
                    return True
            else:
                query: Node = (
                    node.args.get("query") if isinstance(node, exp.In) else node.expression
                )
                while isinstance(query, exp.Subquery):
                    query = query.this
                if isinstance(query, exp.Select) and len(query.expressions) == 1:
                    query = query.expressions[0]
                one, other = owner.get(id(node.this)), owner.get(id(query))
                if one and other and not self.connected(one, node.this.name, other, query.name):
                    return True
        return False


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def _naming(table: Table) -> list[str]:
    names = [column.name for column in table.columns if _IS_NAME.search(column.name)]
    if not names:
        own = [c for c in table.columns if c.type == "text" and _fold(c.name) == _fold(table.name)]
        names = [column.name for column in own]
    parts = {_letters(name).removesuffix("name") for name in names}
    return names if len(names) == 1 or parts in _WHOLE_NAMES else []


def _is_total(query: Node) -> bool:
    if not isinstance(query, exp.Select) or query.args.get("group"):
        return False
    return all(isinstance(each.unalias(), exp.AggFunc) for each in query.expressions)


def _respelt(identifier: Node, names: Sequence[str]) -> list[Edit] | None:
    near = [name for name in names if _fold(name) == _fold(identifier.name)]
    if len(near) != 1 or near[0].lower() == identifier.name.lower():
        return None
    return [(*span(identifier), quote_identifier(near[0]))]


def _fold(name: str) -> str:
    """Equal for names that differ in case, in marks between their words, or in a plural."""
    folded = re.sub(r"[\W_]+", "", name).lower()
    if folded.endswith("ies") and len(folded) > 4:
        return folded[:-3] + "y"
    return folded[:-1] if folded.endswith("s") and not folded.endswith("ss") else folded


def _qualified(column: exp.Column, scope: Scope) -> list[Edit] | None:
    """Qualify an ambiguous name with the source that it must mean: with the first, if all that have it are
    equated on it; else with that of what the query groups by, and not with the one that the query fixes
    (`shop.name = 'Old Mill'`).
    """
    name = column.name.lower()
    having = [i for i, source in enumerate(scope.sources) if source.has(name)]
    equal = [{i, j} for (i, here), (j, there) in scope.equalities if here == there == name]
    outer = any(source.join and source.join.args.get("side") for source in scope.sources)
    together = any(set(having) <= set(c) for c in components(len(scope.sources), equal))
    meant = having[:1] if together and not outer else []
    if not meant and column.find_ancestor(exp.Select) is scope.select:
        grouped = {
            _referred((i, node.name.lower()), scope)
            for node, i in scope.resolved
            if isinstance(node.parent, exp.Group) and node is not column
        }
        equated = [each for each in scope.resolved if isinstance(each[0].parent, exp.EQ)]
        fixed = {
            i
            for node, i in equated
            if node.table and node.name.lower() == name
            if isinstance(node.parent.expression, exp.Literal)
        }
        meant = [i for i in having if (i in grouped if grouped else i not in fixed)]
    if column.table or len(meant) != 1 or not scope.sources[meant[0]].label:
        return None
    start, _ = span(column.this)
    return [(start, start, f"{scope.sources[meant[0]].label}.")]


def _referred(place: tuple[int, str], scope: Scope) -> int:
    # The source whose key a column is, its own before one that it is equated with; else its own.
    equal = [{place}, *(set(pair) for pair in scope.equalities if place in pair)]
    for number, name in (each for places in equal for each in places):
        key = scope.sources[number].column(name)
        if key is not None and key.primary_key:
            return number
    return place[0]


def _table(source: Source) -> str:
    return source.table.name.lower() if source.table is not None else ""


def _shortest(sources: Sequence[Source], target: Table, keys: Sequence[Key]) -> list[_Path]:
    paths: list[_Path] = [(source, []) for source in sources if source.table is not None]
    seen = {_table(source) for source, _ in paths}
    while paths:
        paths = [
            (source, [*path, key])
            for source, path in paths
            for key in keys
            if key.table == (path[-1].other if path else _table(source)) and key.other not in seen
        ]
        arrived = [each for each in paths if each[1][-1].other == target.name.lower()]
        if arrived:
            return arrived
        seen |= {path[-1].other for _, path in paths}
    return []


def _keys(foreign_keys: Sequence[ForeignKey]) -> Iterator[Key]:
    groups: dict[tuple[str, str, int], list[ForeignKey]] = {}
    for number, key in enumerate(dict.fromkeys(foreign_keys)):
        tables = key.table.lower(), key.referenced_table.lower()
        groups.setdefault((*tables, key.constraint or -number - 1), []).append(key)
    for (table, other, _), group in groups.items():
        pairs = tuple((key.column, key.referenced_column) for key in group)
        declared = not any(key.inferred for key in group)
        yield Key(table, other, pairs, True, declared)
        if table != other:
            yield Key(other, table, tuple((there, here) for here, there in pairs), False, declared)

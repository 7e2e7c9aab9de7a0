"""The names of a SELECT put right where one reading of them is possible, by small edits of its text.

A column of another table brings that table in along the one shortest path of keys; a column under the
wrong qualifier gets the right one; a near spelling becomes the name; a join gets the one key between
its tables; a quoted word that is compared and no column anywhere becomes text. What has two readings
is left alone, and None says so. Then a statement of a model is mended where it runs and cannot be meant:
joins that no key connects, dates in another format, rows that a join repeats.

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
from itertools import groupby, pairwise

from sqlglot import exp

from txt2sql.identifiers import RESERVED, quote_identifier
from txt2sql.sql.date_formats import read_as_stored
from txt2sql.sql.names import (
    COMPARISONS,
    Fault,
    Kind,
    Problem,
    check,
    faults,
    resolved,
    tables_with,
)
from txt2sql.sql.sources import Edit, Node, Scope, Source, components, edited, span
from txt2sql.sql.text import DECLINED, declines
from txt2sql.types import ForeignKey, Schema, Table

_ROUNDS = 8
"""Of mending a fault and looking again; a statement with more faults is not what was meant."""

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]"""
_COMPARISONS = (*COMPARISONS, exp.Like, exp.Glob, exp.Is)


@dataclass(frozen=True, slots=True)
class Key:
    """All columns of one key between two tables, (here, there) each, seen from one of them."""

    table: str
    other: str
    pairs: tuple[tuple[str, str], ...]
    refers: bool
    """Whether the table refers to the other one: many rows to one."""

    def condition(self, label: str, other: str) -> str:
        """The condition that joins the table under one label to the other table under another."""
        return " AND ".join(
            f"{other}.{quote_identifier(there)} = {label}.{quote_identifier(here)}"
            for here, there in self.pairs
        )


@dataclass(frozen=True, slots=True)
class Repair:
    """A statement that may be run, or None with the sentence that says why there is none."""

    sql: str | None
    changed: bool = False
    problem: str = ""
    suspect: bool = False
    """Whether it may be run and is hardly meant, see `is_suspect`."""


def mend(sql: str, schema: Schema) -> Repair:
    """A statement that a model wrote, as it may be run on a database of the schema's engine."""
    if declines(sql):
        return Repair(None, problem=DECLINED)
    if schema.dialect != "sqlite":  # every other engine refuses unknown names itself
        return Repair(sql)
    mended = repair(sql, schema)
    if mended is None:
        return Repair(None, problem=check(sql, schema)[0].sentence)
    for rule in (along_keys, read_as_stored, each_once):
        better = rule(mended, schema)
        if isinstance(better, Problem):
            return Repair(None, problem=better.sentence)
        if better != mended and not faults(better, schema):
            mended = better
    return Repair(mended, changed=mended != sql, suspect=is_suspect(mended, schema))


def is_suspect(sql: str, schema: Schema) -> bool:
    """Whether a statement runs and yet is hardly meant: it equates columns that no key connects, or the
    keys of two tables by IN, selects a column twice, or takes totals from totals (EXCEPT, INTERSECT).

    Of 660 answers 10 were such, none of them right; of 25,900 golds 0.4%, most of them for a key that the
    data set names wrongly. It may only lose to another candidate.
    """
    names = resolved(sql, schema)
    if names is None:
        return False
    columns = {
        id(column): (scope.sources[number].table, column.name)
        for scope in names.scopes
        for column, number in scope.resolved
    }
    for node in names.tree.find_all(exp.EQ, exp.In, exp.SetOperation, exp.Select):
        if isinstance(node, exp.SetOperation):
            parts = (node.this, node.expression)
            if not isinstance(node, exp.Union) and any(map(_is_total, parts)):
                return True
        elif isinstance(node, exp.Select):
            selected = [columns.get(id(column)) and column.sql() for column in node.expressions]
            if any(column and selected.count(column) > 1 for column in selected):
                return True
        else:
            query = node.args.get("query") if isinstance(node, exp.In) else node.expression
            while isinstance(query, exp.Subquery):
                query = query.this
            if isinstance(query, exp.Select) and len(query.expressions) == 1:
                query = query.expressions[0]
            pair = [columns[id(each)] for each in (node.this, query) if id(each) in columns]
            if len(pair) == 2 and not _connected(pair, schema):
                return True
    return False


def _is_total(query: Node) -> bool:
    """Whether a query is aggregates over all rows and nothing else."""
    if not isinstance(query, exp.Select) or query.args.get("group"):
        return False
    return all(isinstance(each.unalias(), exp.AggFunc) for each in query.expressions)


def repair(sql: str, schema: Schema) -> str | None:
    """The statement itself where nothing is wrong with it, one that means what it plainly meant, or
    None where that is not plain.
    """
    seen = set()
    for _ in range(_ROUNDS):
        if sql in seen:
            return None
        seen.add(sql)
        wrong = faults(sql, schema)
        if not wrong:
            return sql
        following = _with_quotes(sql, schema, wrong)
        if following is None:
            edits = next((e for fault in wrong if (e := _edits(fault, sql, schema))), None)
            following = edited(sql, edits) if edits else None
        if following is None:
            return None
        sql = following
    return None


def along_keys(sql: str, schema: Schema) -> str:
    """The statement with the keys in the place of joins that equate columns which no key connects.

    A model that does not see how two tables are connected equates any of their numbers. Of 390
    questions it did so in 21, never rightly. Left as they are: columns of one name, texts (their values tell),
    and tables between which there is no one shortest path of keys.
    """
    if "join" not in sql.lower():
        return sql  # which spares parsing it
    names = resolved(sql, schema)
    for scope in names.scopes if names is not None else ():
        for join in scope.select.args.get("joins") or ():
            if (edits := _along_keys(join, scope, sql, schema)) is not None:
                return along_keys(edited(sql, edits), schema)
    return sql


def each_once(sql: str, schema: Schema) -> str:
    """The statement with DISTINCT where it lists columns of one table, and repeats their rows only because
    it joins a table that refers to that one.

    Who wants the customers that ordered wants each of them once. Of 660 answers 9 repeated rows so; none of
    them was right, 4 are with DISTINCT.
    """
    names = resolved(sql, schema) if "join" in sql.lower() else None
    if names is None or not isinstance(names.tree, exp.Select):
        return sql
    scope, clauses = names.scopes[0], names.tree.args
    plain = not any(
        clauses.get(name) for name in ("distinct", "group", "having", "limit", "order", "with_")
    )
    owners = {id(column): number for column, number in scope.resolved}
    listed = {owners.get(id(column)) for column in names.tree.expressions}
    outer = any(source.join and source.join.args.get("side") for source in scope.sources)
    start = re.match(r"\s*SELECT\b", sql, re.I)
    if not plain or outer or len(listed) != 1 or start is None:
        return sql
    keys = {
        (table.name.lower(), key.column.lower(), key.referenced_table.lower(), key.referenced_column.lower())
        for key in schema.foreign_keys
        if (table := schema.table(key.table)) is not None
        and [c.name.lower() for c in table.columns if c.primary_key] != [key.column.lower()]  # one to one
    }  # fmt: skip
    tables = [source.table.name.lower() if source.table else "" for source in scope.sources]
    for pair in scope.equalities:
        for (i, here), (j, there) in (pair, pair[::-1]):
            if j in listed and (tables[i], here, tables[j], there) in keys:
                return f"{start[0]} DISTINCT{sql[start.end() :]}"
    return sql


def _along_keys(join: Node, scope: Scope, sql: str, schema: Schema) -> list[Edit] | None:
    """The edits for one join; None where it is along a key, or may be."""
    condition, entry = join.args.get("on"), join.this
    number = next((i for i, source in enumerate(scope.sources) if source.join is join), 0)
    target = scope.sources[number].table if number else None
    if target is None or not isinstance(condition, exp.EQ) or join.args.get("side"):
        return None
    sides = [
        (at, column)
        for node in (condition.this, condition.expression)
        for column, at in scope.resolved
        if column is node and column.table
    ]
    if len(sides) != 2 or {at for at, _ in sides} - set(range(number)) != {number}:
        return None
    if _connected([(scope.sources[at].table, column.name) for at, column in sides], schema):
        return None
    paths = _paths(scope.sources[:number], target, schema)
    if len(paths) != 1:
        return None
    first, keys = paths[0]
    between = [table for key in keys[:-1] if (table := schema.table(key.other)) is not None]
    labels = {source.alias for around in scope.outwards() for source in around.sources}
    brought = {column.name.lower() for table in between for column in table.columns}
    if labels & {table.name.lower() for table in between}:
        return None
    if brought & (scope.aliases.keys() | scope.passing):
        return None
    alias = entry.args.get("alias")
    start, _ = span(entry.this)
    _, end = span(alias.this if alias is not None else entry.this)
    text, label = "", first.label
    for key, table in zip(keys, between):
        other = quote_identifier(table.name)
        text += f"{other} ON {key.condition(label, other)} JOIN "
        label = other
    text += f"{sql[start:end]} ON {keys[-1].condition(label, scope.sources[number].label)}"
    return [(start, span(condition.expression.this)[1], text), *_preserving(scope, brought)]


def _connected(columns: Sequence[tuple[Table | None, str]], schema: Schema) -> bool:
    """Whether two columns may be meant to be equal: by keys, by name, or as texts. A number that refers
    to another table, and the keys of two tables, are not; of others nobody knows.
    """
    (one, here), (other, there) = columns
    if one is None or other is None or here.lower() == there.lower():
        return True
    ends = {(one.name.lower(), here.lower()), (other.name.lower(), there.lower())}
    cells = [table.column(name) for table, name in columns if table is not None]
    if any(cell is None for cell in cells) or all(c and c.type == "text" for c in cells):
        return True
    pairs = [
        ((k.table.lower(), k.column.lower()), (k.referenced_table.lower(), k.referenced_column.lower()))
        for k in schema.foreign_keys
    ]  # fmt: skip
    refers = ends & {child for child, _ in pairs}
    if not refers and not all(cell and cell.primary_key for cell in cells):
        return True
    group = {min(ends)}
    for _ in pairs:
        group |= {place for pair in pairs if group & set(pair) for place in pair}
    return ends <= group


def _with_quotes(sql: str, schema: Schema, wrong: Sequence[Fault]) -> str | None:
    """The text with quotes around names that need them, where that leaves less to mend."""
    names = {table.name for table in schema.tables}
    names |= {column.name for table in schema.tables for column in table.columns}
    spaced = {
        " ".join(name.lower().split()): name
        for name in names
        if quote_identifier(name) != name and name.strip() and name.lower() not in RESERVED
    }
    longest_first = sorted(spaced, key=len, reverse=True)
    pattern = "|".join(r"\s+".join(map(re.escape, name.split())) for name in longest_first)
    if not spaced or not re.search(pattern, sql, re.I):
        return None

    def quoted(match: re.Match[str]) -> str:
        return (
            match[0]
            if match[1] is None
            else quote_identifier(spaced[" ".join(match[1].lower().split())])
        )

    text = re.sub(rf"{_QUOTED}|(?<!\w)({pattern})(?!\w)", quoted, sql, flags=re.I)
    left = faults(text, schema)
    readable = all(fault.problem.kind is not Kind.UNREADABLE for fault in left)
    before = len(wrong) + (wrong[0].problem.kind is Kind.UNREADABLE)
    return text if readable and len(left) < before else None


def _edits(fault: Fault, sql: str, schema: Schema) -> list[Edit] | None:
    kind, node, scope = fault.problem.kind, fault.node, fault.scope
    if kind is Kind.RESERVED_WORD:
        return [_replaced(node, quote_identifier(node.name))]
    if kind is Kind.UNKNOWN_TABLE:
        return _near_table(node, schema)
    aliases = [source.alias for source in scope.sources] if scope is not None else []
    if scope is None or len(set(aliases)) < len(aliases):
        return None
    if kind is Kind.AMBIGUOUS and isinstance(node.this, exp.Identifier):
        return _qualified(node, scope)
    if kind is Kind.JOIN_WITHOUT_CONDITION:
        return _condition(node, scope, sql, schema)
    if kind is Kind.QUOTED_TEXT and _is_text(node, schema):
        return [_replaced(node.this, "'" + node.name.replace("'", "''") + "'")]
    if not isinstance(node.this, exp.Identifier):
        return None
    return (
        _requalified(node, scope, schema) or _respelt(node, scope) or _joined(node, scope, schema)
    )


def _replaced(identifier: Node, text: str) -> Edit:
    start, end = span(identifier)
    return start, end, text


def _fold(name: str) -> str:
    """Equal for names that differ in case, in marks between their words, or in a plural."""
    folded = re.sub(r"[\W_]+", "", name).lower()
    if folded.endswith("ies") and len(folded) > 4:
        return folded[:-3] + "y"
    return folded[:-1] if folded.endswith("s") and not folded.endswith("ss") else folded


def _near_table(node: Node, schema: Schema) -> list[Edit] | None:
    near = [table for table in schema.tables if _fold(table.name) == _fold(node.name)]
    return [_replaced(node, quote_identifier(near[0].name))] if len(near) == 1 else None


def _qualified(column: exp.Column, scope: Scope) -> list[Edit] | None:
    """Qualify an ambiguous name with the source that it must mean.

    With the first, if all that have it are equated on it. Else a selected name is that of what the
    query groups by, and not the one that the query fixes (`shop.name = 'Old Mill'`).
    """
    name = column.name.lower()
    having = [i for i, source in enumerate(scope.sources) if source.has(name)]
    equal = [
        {first[0], second[0]} for first, second in scope.equalities if first[1] == second[1] == name
    ]
    outer = any(source.join and source.join.args.get("side") for source in scope.sources)
    together = [c for c in components(len(scope.sources), equal) if set(having) <= set(c)]
    meant = having[:1] if together and not outer else []
    if not meant and column.find_ancestor(exp.Select) is scope.select:
        grouped = {
            _referred((i, node.name.lower()), scope)
            for node, i in scope.resolved
            if isinstance(node.parent, exp.Group) and node is not column
        }
        fixed = {
            i
            for node, i in scope.resolved
            if node.table and node.name.lower() == name and _is_fixed(node)
        }
        meant = [i for i in having if (i in grouped if grouped else i not in fixed)]
    if column.table or len(meant) != 1 or not scope.sources[meant[0]].label:
        return None
    start, _ = span(column.this)
    return [(start, start, f"{scope.sources[meant[0]].label}.")]


def _referred(place: tuple[int, str], scope: Scope) -> int:
    """The source whose key a column is equated with, else its own."""
    for pair in scope.equalities:
        for one, (number, name) in (pair, pair[::-1]):
            table = scope.sources[number].table
            key = table.column(name) if table is not None else None
            if one == place and key is not None and key.primary_key:
                return number
    return place[0]


def _is_fixed(column: exp.Column) -> bool:
    """Whether a condition equates a column with a value."""
    other = column.parent.args.get("expression") if isinstance(column.parent, exp.EQ) else None
    return isinstance(other, exp.Literal)


def _is_text(column: exp.Column, schema: Schema) -> bool:
    """Whether a quoted word can only be meant as text."""
    if not re.search(r"\w", column.name) or "%" in column.name:
        return True
    if tables_with(schema, column.name):
        return False
    node: Node = column
    parent: Node = column.parent
    while isinstance(parent, (exp.Paren, exp.Escape, exp.Collate, exp.Tuple)):
        node, parent = parent, parent.parent
    if isinstance(parent, exp.In):
        return any(node is item for item in parent.expressions)
    if isinstance(parent, exp.Between):
        return node is not parent.this
    return isinstance(parent, _COMPARISONS) and node is parent.expression


def _requalified(column: exp.Column, scope: Scope, schema: Schema) -> list[Edit] | None:
    """The right qualifier in the place of a wrong one, if only one source has the column."""
    qualifier = column.args.get("table")
    around = scope.outer.outwards() if scope.outer is not None else ()
    if qualifier is None or any(
        s.alias == qualifier.name.lower() for o in around for s in o.sources
    ):
        return None
    owners = [s for s in scope.sources if s.has(column.name.lower()) and s.label]
    meant = schema.table(qualifier.name)
    if meant is not None and meant.column(column.name) is not None:
        owners = [source for source in owners if source.table is meant]
    elif any(source.columns is None for source in scope.sources):
        return None
    return [_replaced(qualifier, owners[0].label)] if len(owners) == 1 else None


def _respelt(column: exp.Column, scope: Scope) -> list[Edit] | None:
    """The one name in scope that is spelt nearly so."""
    qualifier = column.table.lower()
    near = [
        name
        for source in scope.sources
        if not qualifier or source.alias == qualifier
        for lower, name in (source.columns or {}).items()
        if _fold(lower) == _fold(column.name) and lower not in source.merged
    ]
    if len(near) != 1 or near[0].lower() == column.name.lower():
        return None
    return [_replaced(column.this, quote_identifier(near[0]))]


def _joined(column: exp.Column, scope: Scope, schema: Schema) -> list[Edit] | None:
    """Join the one table that has the column and that keys lead to, along the one shortest path."""
    qualifier = column.table.lower()
    wrong = not qualifier or any(source.alias == qualifier for source in scope.sources)
    meant = None if wrong else schema.table(qualifier)
    if scope.clause is None or any(source.columns is None for source in scope.sources):
        return None
    ways = [
        paths
        for table, _ in tables_with(schema, column.name)
        if meant is None or table is meant
        if (paths := _paths(scope.sources, table, schema))
    ]
    if len(ways) != 1 or len(ways[0]) != 1:
        return None
    first, keys = ways[0][0]
    if any(up.refers and not down.refers for up, down in pairwise(keys)):
        # Rows that only share what they refer to, as sales and targets of a store: each of one meets each
        # of the other (a chasm trap). Of 390 questions 10 got such a join, none rightly.
        return None
    tables = [table for key in keys if (table := schema.table(key.other)) is not None]
    labels = {source.alias for around in scope.outwards() for source in around.sources}
    if not first.label or labels & {table.name.lower() for table in tables}:
        return None
    brought = {c.name.lower() for table in tables for c in table.columns}
    if brought & (scope.aliases.keys() | scope.passing):
        return None
    text, label = "", first.label
    for key, table in zip(keys, tables, strict=True):
        other = quote_identifier(table.name)
        text += f" JOIN {other} ON {key.condition(label, other)}"
        label = other
    end = scope.clause.end
    edits = [(end, end, text), *_preserving(scope, brought)]
    if column.table:
        edits.append(_replaced(column.args["table"], label))
    elif sum(table.column(column.name) is not None for table in tables) > 1:
        return None
    return edits


def _preserving(scope: Scope, brought: set[str]) -> Iterator[Edit]:
    """What else must change so that everything refers to what it did before those names came in."""
    for column, number in scope.resolved:
        if not column.table and column.name.lower() in brought:
            start, _ = span(column.this)
            yield start, start, f"{scope.sources[number].label}."
    for projection in scope.select.expressions:
        if isinstance(projection, exp.Star):
            yield _replaced(projection, ", ".join(f"{s.label}.*" for s in scope.sources))


def _paths(
    sources: Sequence[Source], target: Table, schema: Schema
) -> list[tuple[Source, list[Key]]]:
    """The shortest paths of keys from a source to a table; where one of them is declared, that one."""
    paths = _shortest(sources, target, list(_keys(schema.foreign_keys)))
    if len(paths) > 1:
        declared = [key for key in schema.foreign_keys if not key.inferred]
        surest = _shortest(sources, target, list(_keys(declared)))
        return surest if len(surest) == 1 else paths
    return paths


def _shortest(
    sources: Sequence[Source], target: Table, keys: Sequence[Key]
) -> list[tuple[Source, list[Key]]]:
    paths: list[tuple[Source, list[Key]]] = [(s, []) for s in sources if s.table is not None]
    seen = {source.table.name.lower() for source, _ in paths if source.table is not None}
    while paths:
        longer = [
            (source, [*path, key])
            for source, path in paths
            for key in keys
            if key.table == _at(source, path) and key.other not in seen
        ]
        arrived = [each for each in longer if each[1][-1].other == target.name.lower()]
        if arrived:
            return arrived
        seen |= {path[-1].other for _, path in longer}
        paths = longer
    return []


def _at(source: Source, path: Sequence[Key]) -> str:
    if path:
        return path[-1].other
    return source.table.name.lower() if source.table is not None else ""


def _keys(foreign_keys: Sequence[ForeignKey]) -> Iterator[Key]:
    """Each key from both of its sides; the columns of a composite one together."""

    def whole(key: ForeignKey) -> tuple[str, str, int]:
        return key.table.lower(), key.referenced_table.lower(), key.constraint

    single = [[key] for key in dict.fromkeys(foreign_keys) if not key.constraint]
    composite = sorted((key for key in foreign_keys if key.constraint), key=whole)
    for group in (*single, *(list(keys) for _, keys in groupby(composite, whole))):
        table, other = group[0].table.lower(), group[0].referenced_table.lower()
        pairs = tuple((key.column, key.referenced_column) for key in group)
        yield Key(table, other, pairs, True)
        if table != other:
            yield Key(other, table, tuple((there, here) for here, there in pairs), False)


def _condition(
    component: Sequence[int], scope: Scope, sql: str, schema: Schema
) -> list[Edit] | None:
    """Add ON to a join without one, if there is exactly one key between its sides."""
    sources = scope.sources
    rest = [i for i in range(len(sources)) if i not in component and not sources[i].row]
    keys = list(_keys(schema.foreign_keys))
    between = [
        (i, j, key)
        for j in component
        for i in rest
        for key in keys
        if key.table == _at(sources[i], ()) and key.other == _at(sources[j], ())
    ]
    if len(between) != 1 or scope.clause is None:
        return None
    i, j, key = between[0]
    if i > j:
        i, j = j, i
        pairs = tuple((there, here) for here, there in key.pairs)
        key = Key(key.other, key.table, pairs, not key.refers)
    joins = scope.select.args.get("joins") or []
    at = next((n for n, join in enumerate(joins) if join is sources[j].join), None)
    if at is None or len(joins) != len(scope.clause.joins):
        return None
    if joins[at].args.get("method") or joins[at].args.get("using"):
        return None
    entry = joins[at].this
    alias = entry.args.get("alias")
    end = span(alias.this if alias is not None else entry.this)[1]
    word, start, after = scope.clause.joins[at]
    following = scope.clause.joins[at + 1][1] if at + 1 < len(joins) else scope.clause.end
    condition = key.condition(sources[i].label, sources[j].label)
    if re.match(r"\s*ON\b", sql[end:following], re.I):
        if isinstance(joins[at].args.get("on"), exp.Or):
            return None
        at_end = end + len(sql[end:following].rstrip())
        return [(at_end, at_end, f" AND {condition}")]
    edits: list[Edit] = [(end, end, f" ON {condition}")]
    if word == ",":
        edits.append((start, after, " JOIN"))
    return edits

"""What the columns of a parsed statement stand for, and the kind of values that an expression has.

Name resolution and type inference look at the tree as it is at the moment, because the rules of
translation change it between two questions. A source is a table of the schema or a query (derived table,
common table expression) whose projections are resolved in turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from txt2sql.sql.functions import FUNCTIONS
from txt2sql.sql.sources import Node, entries
from txt2sql.types import Column, Schema, Table

INTEGER, NUMBER, TEXT, TIME, BOOLEAN, UNKNOWN = "integer", "number", "text", "time", "boolean", ""
_INTEGER = re.compile(
    r"((big|small|medium|tiny|u|hu)*int(eger|\d)?|(big|small)?serial|year)([( ]|$)", re.I
)
_DOUBLE = re.compile(r"real|double|float", re.I)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Div)
# Of the kind of their first argument.
_SAME = (
    *(exp.Sum, exp.Min, exp.Max, exp.Abs, exp.Paren, exp.Neg, exp.Distinct, exp.Ceil, exp.Floor),
    *(exp.Window, exp.Filter, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
    *(exp.Greatest, exp.Least, exp.IgnoreNulls, exp.RespectNulls, exp.AnyValue),
    *(exp.Case, exp.Coalesce, exp.Nullif, exp.If, exp.Subquery, exp.Alias),
)
# Of one kind; other functions have theirs in the table of functions.
_KINDS = {
    INTEGER: (exp.StrPosition, exp.IntDiv),
    TEXT: (exp.DPipe, exp.TimeToStr),
    TIME: (exp.TimestampTrunc,),
    BOOLEAN: (exp.Predicate, exp.Connector, exp.Not, exp.Boolean),
}
_CASTS = {
    INTEGER: exp.DataType.INTEGER_TYPES,
    NUMBER: exp.DataType.NUMERIC_TYPES,
    TEXT: exp.DataType.TEXT_TYPES,
    TIME: exp.DataType.TEMPORAL_TYPES,
}


@dataclass(frozen=True)
class Meaning:
    """What a column stands for: a column of a table, or a projection of a query; `source` is the name of
    that in the statement, in lower case.
    """

    source: str
    column: Column | None = None
    table: Table | None = None
    projection: Node = None

    @property
    def name(self) -> str:
        return self.column.name if self.column is not None else self.projection.alias_or_name


class Resolver:
    """Looks up the names of one statement in one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema, self.dialect = schema, schema.dialect

    def sources(self, select: Node) -> Iterator[tuple[str, Table | Node | None]]:
        """(name, table or query or None when unknown) of each source of a SELECT."""
        for node, _ in entries(select):
            if isinstance(node, exp.Subquery):
                yield node.alias.lower(), node.this
            elif isinstance(node, exp.Table):
                query = _common_table(node)
                yield node.alias_or_name.lower(), query or self.schema.table(node.name)

    def find(self, column: exp.Column) -> Meaning | None:
        """What the column stands for, or None when no source has it."""
        select = column.find_ancestor(exp.Select, exp.SetOperation)
        if isinstance(select, exp.SetOperation):  # its ORDER BY sees what it selects
            return _output(select, "", column.name)
        for source, meaning in self.in_sight(column):
            if not isinstance(meaning, Table):
                if output := _output(meaning, source, column.name):
                    return output
            elif owned := meaning.column(column.name):
                return Meaning(source, owned, meaning)
        return None

    def in_sight(self, column: exp.Column) -> Iterator[tuple[str, Table | Node]]:
        """The known sources that the column may be of, from the query that it stands in outwards."""
        select = column.find_ancestor(exp.Select)
        while select is not None:
            for source, meaning in self.sources(select):
                if column.table.lower() in ("", source) and meaning is not None:
                    yield source, meaning
            select = select.find_ancestor(exp.Select)

    def kind(self, node: Node | None) -> str:
        """The kind of values that an expression has, UNKNOWN where that is not clear."""
        if isinstance(node, exp.Column):
            meaning = self.find(node)
            if meaning is None or meaning.column is None:
                return self.kind(meaning.projection) if meaning is not None else UNKNOWN
            kind = meaning.column.type
            whole = kind in (NUMBER, TIME) and _INTEGER.match(meaning.column.declared_type)
            return INTEGER if whole else kind if kind != "other" else UNKNOWN
        if isinstance(node, exp.Literal):
            whole = node.this.lstrip("-").isdigit()
            return TEXT if node.is_string else INTEGER if whole else NUMBER
        if isinstance(node, _ARITHMETIC):
            sides = {self.kind(node.left), self.kind(node.right)}
            if TIME in sides and isinstance(node.right, exp.Interval):
                return TIME
            return INTEGER if sides == {INTEGER} else NUMBER if sides - {INTEGER, ""} else UNKNOWN
        if isinstance(node, exp.Cast):
            return next((kind for kind, to in _CASTS.items() if node.to.is_type(*to)), UNKNOWN)
        if isinstance(node, _SAME):
            return self.kind(_first_value(node))
        for kind, types in _KINDS.items():
            if isinstance(node, types):
                return kind
        if isinstance(node, exp.Func):
            name = node.name if isinstance(node, exp.Anonymous) else node.sql_names()[0]
            function = FUNCTIONS.get(name.lower())
            return function.kind if function is not None else UNKNOWN
        return UNKNOWN

    def is_double(self, column: exp.Column) -> bool:
        """Whether a column holds binary floating point."""
        meaning = self.find(column)
        if meaning is None or meaning.column is None:
            inner = meaning.projection.find_all(exp.Column) if meaning is not None else ()
            return any(each is not column and self.is_double(each) for each in inner)
        return bool(_DOUBLE.match(meaning.column.declared_type))


def projections(query: Node) -> list[Node]:
    """What a query selects; of a set operation, what its first query does."""
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    return list(query.expressions) if isinstance(query, exp.Select) else []


def _first_value(node: Node) -> Node | None:
    if isinstance(node, exp.Case):
        return node.args["ifs"][0].args["true"]
    if isinstance(node, exp.If):
        return node.args["true"]
    if isinstance(node, exp.Distinct):
        return node.expressions[0]
    return next(iter(projections(node)), None) if isinstance(node, exp.Subquery) else node.this


def _output(query: Node, source: str, name: str) -> Meaning | None:
    named = (item for item in projections(query) if item.alias_or_name.lower() == name.lower())
    item = next(named, None)
    return None if item is None else Meaning(source, projection=item)


def _common_table(node: exp.Table) -> Node | None:
    holder: Node | None = node.parent
    while holder is not None:
        with_ = holder.args.get("with_")
        for entry in with_.expressions if with_ is not None else ():
            if entry.alias.lower() == node.name.lower():
                return entry.this
        holder = holder.parent
    return None

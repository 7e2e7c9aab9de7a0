"""What the columns of a parsed statement are: their spelling in the schema and the kind of their values.

Field's name: name resolution and type inference, as far as translating a statement needs them. A
source is a table of the schema or a query (derived table, common table expression) whose projections
are resolved in turn; a name is looked up in the query that it stands in, then in the ones around it.

>>> resolver = Resolver(schema)  # doctest: +SKIP
>>> resolver.kind(sqlglot.parse_one("SELECT count(*) FROM t").expressions[0])  # doctest: +SKIP
'integer'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from txt2sql.sql.functions import FUNCTIONS
from txt2sql.sql.sources import Node
from txt2sql.types import Column, Schema, Table

INTEGER, NUMBER, TEXT, TIME, BOOLEAN, UNKNOWN = "integer", "number", "text", "time", "boolean", ""
_INTEGER = re.compile(
    r"(?:big|small|medium|tiny|u|hu)*int(?:eger|\d)?|(?:big|small)?serial|year", re.I
)
_DOUBLE = re.compile(r"real|double|float", re.I)
_TEXTS = (
    exp.DPipe,
    exp.Concat,
    exp.Lower,
    exp.Upper,
    exp.Substring,
    exp.Trim,
    exp.GroupConcat,
    exp.TimeToStr,
    exp.Replace,
)
_INTEGERS = (
    *(exp.Count, exp.Length, exp.StrPosition, exp.IntDiv, exp.Unicode),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile),
)
_SAME = (
    *(exp.Sum, exp.Min, exp.Max, exp.Abs, exp.Paren, exp.Neg, exp.Distinct, exp.Ceil, exp.Floor),
    *(exp.Window, exp.Filter, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
    *(exp.Greatest, exp.Least, exp.IgnoreNulls, exp.RespectNulls, exp.AnyValue),
)
_TIMES = (exp.Date, exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.TimestampTrunc)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Div)
_UNCLEAR = {INTEGER, UNKNOWN}
_MAX_DEPTH = 20


@dataclass(frozen=True)
class Meaning:
    """What a column stands for: a column of a table, or a projection of a query."""

    source: str
    """The name that its source has in the statement, in lower case."""
    column: Column | None = None
    table: Table | None = None
    projection: Node = None

    @property
    def name(self) -> str:
        """The name as its source has it."""
        return self.column.name if self.column is not None else self.projection.alias_or_name


class Resolver:
    """Looks up the names of one statement in one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def sources(self, select: Node) -> Iterator[tuple[str, Table | Node | None]]:
        """(name, table or query or None when unknown) of each source of a SELECT."""
        from_ = select.args.get("from_") or select.args.get("from")
        nodes = [from_.this] if from_ is not None else []
        nodes += [join.this for join in select.args.get("joins") or ()]
        for node in nodes:
            if isinstance(node, exp.Table):
                query = _common_table(node)
                name = node.alias_or_name.lower()
                yield name, query if query is not None else self.schema.table(node.name)
            elif isinstance(node, exp.Subquery):
                yield node.alias.lower(), node.this

    def find(self, column: exp.Column) -> Meaning | None:
        """What the column stands for, or None when no source has it."""
        select = column.find_ancestor(exp.Select, exp.SetOperation)
        if isinstance(select, exp.SetOperation):  # its ORDER BY sees what it selects
            return _output(select, "", column.name)
        depth = 0
        while select is not None and depth < _MAX_DEPTH:
            resolved = self._find_in(select, column)
            if resolved is not None:
                return resolved
            select, depth = select.find_ancestor(exp.Select), depth + 1
        return None

    def _find_in(self, select: Node, column: exp.Column) -> Meaning | None:
        name, qualifier = column.name.lower(), column.table.lower()
        for source, meaning in self.sources(select):
            if qualifier and source != qualifier:
                continue
            if isinstance(meaning, Table):
                owned = meaning.column(name)
                if owned is not None:
                    return Meaning(source, owned, meaning)
            elif meaning is not None:
                output = _output(meaning, source, name)
                if output is not None:
                    return output
        return None

    def kind(self, node: Node | None, depth: int = 0) -> str:
        """The kind of values that an expression has, UNKNOWN where that is not clear."""
        if node is None or depth > _MAX_DEPTH:
            return UNKNOWN
        if isinstance(node, exp.Column):
            return self._column_kind(node, depth)
        if isinstance(node, exp.Literal):
            whole = node.this.lstrip("-").isdigit()
            return TEXT if node.is_string else INTEGER if whole else NUMBER
        if isinstance(node, _INTEGERS):
            return INTEGER
        if isinstance(node, _SAME):
            inner = node.expressions[0] if isinstance(node, exp.Distinct) else node.this
            return self.kind(inner, depth + 1)
        if isinstance(node, _ARITHMETIC):
            sides = {self.kind(node.left, depth + 1), self.kind(node.right, depth + 1)}
            if TIME in sides and isinstance(node.right, exp.Interval):
                return TIME
            return INTEGER if sides == {INTEGER} else UNKNOWN if sides <= _UNCLEAR else NUMBER
        return self._other_kind(node, depth)

    def _other_kind(self, node: Node, depth: int) -> str:
        if isinstance(node, _TEXTS):
            return TEXT
        if isinstance(node, (exp.Avg, exp.Round, exp.Pow, exp.Sqrt, exp.Ln, exp.Log, exp.Exp)):
            return NUMBER
        if isinstance(node, exp.Cast):
            return _cast_kind(node)
        if isinstance(node, _TIMES):
            return TIME
        if isinstance(node, exp.Anonymous):
            function = FUNCTIONS.get(node.name.lower())
            return function.kind if function is not None else UNKNOWN
        if isinstance(node, (exp.Predicate, exp.Connector, exp.Not, exp.Boolean)):
            return BOOLEAN
        if isinstance(node, exp.Case):
            branches = [branch.args["true"] for branch in node.args["ifs"]]
        elif isinstance(node, (exp.Coalesce, exp.Nullif)):
            branches = [node.this]
        elif isinstance(node, exp.If):
            branches = [node.args["true"]]
        elif isinstance(node, (exp.Subquery, exp.Alias)):
            inner = node.this
            branches = projections(inner) if isinstance(inner, exp.Query) else [inner]
        else:
            return UNKNOWN
        return self.kind(branches[0], depth + 1) if branches else UNKNOWN

    def is_double(self, column: exp.Column) -> bool:
        """Whether a column holds binary floating point."""
        resolved = self.find(column)
        if resolved is None:
            return False
        if resolved.column is None:
            inner = resolved.projection.find_all(exp.Column)
            return any(each is not column and self.is_double(each) for each in inner)
        return bool(_DOUBLE.match(resolved.column.declared_type))

    def _column_kind(self, node: exp.Column, depth: int) -> str:
        resolved = self.find(node)
        if resolved is None:
            return UNKNOWN
        if resolved.column is None:
            return self.kind(resolved.projection, depth + 1)
        declared = resolved.column.declared_type.split("(")[0].strip()
        if resolved.column.type in (NUMBER, TIME) and _INTEGER.fullmatch(declared.split(" ")[0]):
            return INTEGER
        return resolved.column.type if resolved.column.type != "other" else UNKNOWN


def projections(query: Node) -> list[Node]:
    """What a query selects; of a set operation, what its first query does."""
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    return list(query.expressions) if isinstance(query, exp.Select) else []


def _output(query: Node, source: str, name: str) -> Meaning | None:
    for projection in projections(query):
        if projection.alias_or_name.lower() == name.lower():
            return Meaning(source, projection=projection)
    return None


def _common_table(node: exp.Table) -> Node | None:
    """The query of the common table expression that a table names, else None."""
    holder: Node | None = node.parent
    while holder is not None:
        with_ = holder.args.get("with_") or holder.args.get("with")
        for entry in with_.expressions if with_ is not None else ():
            if entry.alias.lower() == node.name.lower():
                return entry.this
        holder = holder.parent
    return None


def _cast_kind(node: exp.Cast) -> str:
    target = node.to
    if target.is_type(*exp.DataType.INTEGER_TYPES):
        return INTEGER
    if target.is_type(*exp.DataType.NUMERIC_TYPES):
        return NUMBER
    if target.is_type(*exp.DataType.TEXT_TYPES):
        return TEXT
    return TIME if target.is_type(*exp.DataType.TEMPORAL_TYPES) else UNKNOWN

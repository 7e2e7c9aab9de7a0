"""SQLite's SQL -> the SQL of another engine, with the same rows: translation between dialects.

sqlglot knows each grammar and most functions; what it cannot know is the schema. So names are spelled
as the schema has them, and each rule of RULES mends one thing that SQLite lets pass and others do not,
or answer differently: a literal takes the type of the column that it meets, a whole number divided by a
whole number stays one, functions that others lack are written with what they have. Source:
sqlite.org/datatype3.html (affinity, comparison).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from txt2sql.sql import rewrite_dates, rewrite_names
from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Resolver, projections
from txt2sql.sql.rewrite_dates import digits, filled
from txt2sql.sql.sources import Node
from txt2sql.types import Schema

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_TRUE, _FALSE = ("1", "true", "t", "yes", "y"), ("0", "false", "f", "no", "n")
_DECIMALS = 12  # places to which a DOUBLE is taken as the decimal number that it shows
_LEADING_NUMBER = {
    "postgres": "CASE WHEN NOT _0 IS NULL THEN COALESCE(CAST(SUBSTRING(_0 FROM {pattern}) AS {type}),"
    " 0) END",
    "duckdb": "CASE WHEN NOT _0 IS NULL THEN COALESCE(CAST(NULLIF(REGEXP_EXTRACT(_0, {pattern}), '')"
    " AS {type}), 0) END",
}
_WHOLE, _FRACTION = "'^ *[-+]?[0-9]+'", "'^ *[-+]?[0-9]+[.]?[0-9]*'"


def comparisons(node: Node, resolver: Resolver) -> None:
    """All that is compared has one type."""
    if isinstance(node, exp.Case):
        others = [branch.this for branch in node.args["ifs"]] if node.this is not None else []
    elif isinstance(node, exp.Between):
        others = [node.args["low"], node.args["high"]]
    elif isinstance(node, exp.In):
        others = list(node.expressions)
    else:
        literal = isinstance(node.right, exp.Literal)
        others = [node.right] if literal or not isinstance(node, exp.Is) else []
    for other in others:
        _alike(node.this, other, resolver)
        if not isinstance(other, exp.Literal):
            _alike(other, node.this, resolver)


def _alike(node: Node, other: Node, resolver: Resolver) -> None:
    kind = resolver.kind(node)
    if isinstance(other, exp.Literal):
        if kind == TIME and not _DATE.match(other.name):  # no full date, as '2024'
            node.replace(as_text(node))
            kind = TEXT
        if kind == TEXT and not other.is_string and not isinstance(node, exp.Literal):
            other.replace(exp.Literal.string(other.name))
        elif kind == BOOLEAN and other.name.lower() in _TRUE + _FALSE:
            true = other.name.lower() in _TRUE
            number = exp.Literal.number(int(true))
            other.replace(number if resolver.dialect == "mysql" else exp.Boolean(this=true))
        return
    if resolver.dialect == "mysql" or isinstance(node, exp.Literal):
        return
    unlike = resolver.kind(other)
    if kind in (INTEGER, NUMBER, TIME) and unlike == TEXT:
        node.replace(as_text(node))
    elif kind == BOOLEAN and unlike in (INTEGER, NUMBER):
        node.replace(exp.cast(node.copy(), "int"))


def branches(node: Node, resolver: Resolver) -> None:
    """What an expression or a column of a UNION may give has one type: text where one is text, and
    numbers where conditions stand beside numbers."""
    if isinstance(node, exp.SetOperation):
        for pair in zip(projections(node.left), projections(node.right), strict=False):
            _one_type([item.unalias() for item in pair], resolver)
    elif isinstance(node, exp.Coalesce):
        _one_type([node.this, *node.expressions], resolver)
    elif isinstance(node, (exp.Lag, exp.Lead)):
        _one_type([node.this, node.args.get("default")], resolver)
    elif isinstance(node, exp.Case):
        results = [branch.args["true"] for branch in node.args["ifs"]]
        _one_type([*results, node.args.get("default")], resolver)
    elif not isinstance(node.parent, exp.Case):
        _one_type([node.args["true"], node.args.get("false")], resolver)


def _one_type(results: list[Node], resolver: Resolver) -> None:
    kinds = [resolver.kind(result) for result in results]
    for result, kind in zip(results, kinds, strict=True):
        if TEXT in kinds and kind in (INTEGER, NUMBER, TIME, BOOLEAN):
            result.replace(as_text(result, kind))
        elif kind == BOOLEAN and {INTEGER, NUMBER} & set(kinds):
            result.replace(exp.cast(result.copy(), "int"))


def conditions(node: Node, resolver: Resolver) -> None:
    """`WHERE active`, with a number: true when it is not zero."""
    if isinstance(node.parent, exp.Case) and node.parent.this is not None:
        return  # CASE x WHEN 1: a value
    for operand in (node.this, node.args.get("expression")):
        if resolver.kind(operand) in (INTEGER, NUMBER):
            operand.replace(exp.NEQ(this=operand.copy(), expression=exp.Literal.number(0)))


def patterns(node: Node, resolver: Resolver) -> Node:
    """LIKE does not look at case, and takes numbers and dates for text."""
    if resolver.kind(node.this) in (INTEGER, NUMBER, TIME, BOOLEAN):
        node.set("this", as_text(node.this))
    pattern = node.expression
    escaped = isinstance(node.parent, exp.Escape) or not isinstance(pattern, exp.Literal)
    if resolver.dialect == "postgres" and not escaped and "\\" in pattern.name:
        pattern.replace(exp.Literal.string(pattern.name.replace("\\", "\\\\")))
    return exp.ILike(**node.copy().args)


def backslashes(node: Node, resolver: Resolver) -> Node | None:
    """MySQL reads a backslash in a string in one way or another, as its sql_mode says."""
    if not node.is_string or "\\" not in node.name:
        return None
    parts: list[Node] = []
    for part in node.name.split("\\"):
        parts.append(exp.Anonymous(this="CHAR", expressions=[exp.Literal.number(92)]))
        parts += [exp.Literal.string(part)] if part else []
    return exp.Anonymous(this="CONCAT", expressions=parts[1:])


def division(node: Node, resolver: Resolver) -> Node | None:
    """A whole number by a whole number is a whole number; division by zero is NULL."""
    whole, divisor = resolver.kind(node) == INTEGER, node.right
    sure = isinstance(divisor, exp.Literal) and divisor.name.strip("0.") != ""
    if whole and resolver.dialect != "postgres":
        zero = exp.Literal.number(0)
        right = divisor.copy() if sure else exp.Nullif(this=divisor.copy(), expression=zero)
        return exp.IntDiv(this=node.left.copy(), expression=right)
    if sure:
        node.set("safe", False)
    return None


def as_text(node: Node, kind: str = "") -> Node:
    """The node, of this kind, as text; a condition as that of its number."""
    return exp.cast(exp.cast(node.copy(), "int") if kind == BOOLEAN else node.copy(), "text")


def filtered(node: Node, resolver: Resolver) -> Node | None:
    """MySQL has no FILTER: what is not to be counted is NULL."""
    if not isinstance(node.this, exp.AggFunc):
        return None
    aggregate: Node = node.this.copy()
    holder, key = aggregate, "this"
    if isinstance(aggregate.this, exp.Distinct):
        holder, key = aggregate.this, "expressions"
    value = holder.expressions[0] if key == "expressions" else holder.this
    if value is None or isinstance(value, exp.Star):
        value = exp.Literal.number(1)
    chosen = exp.Case(ifs=[exp.If(this=node.expression.this.copy(), true=value)])
    holder.set(key, [chosen] if key == "expressions" else chosen)
    return aggregate


def total(node: Node, resolver: Resolver) -> None:
    """total() is 0.0 where sum() is NULL; FILTER and OVER belong to the sum."""
    if node.name.lower() != "total" or len(node.expressions) != 1:
        return
    outer = node.replace(exp.Sum(this=node.expressions[0].copy()))
    while isinstance(outer.parent, (exp.Filter, exp.Window)) and outer.arg_key == "this":
        outer = outer.parent
    zero = exp.Literal.number("0.0")
    outer.replace(whole := exp.Coalesce(this=exp.Null(), expressions=[zero]))
    whole.set("this", outer)


def summed(node: Node, resolver: Resolver) -> None:
    """sum(), avg(), min() and max() of conditions and of text."""
    kind = resolver.kind(node.this)
    if isinstance(node.this, exp.Distinct):
        return
    if kind == BOOLEAN:
        node.set("this", exp.cast(node.this.copy(), "int"))
    elif kind == TEXT and isinstance(node, (exp.Sum, exp.Avg)):
        node.set("this", _number_in(node.this, resolver.dialect))


def listed(node: Node, resolver: Resolver) -> None:
    """group_concat() takes text."""
    inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if resolver.kind(inner) != TEXT:
        inner.replace(as_text(inner))


def rounded(node: Node, resolver: Resolver) -> None:
    """Halves away from zero, as decimal numbers: a DOUBLE is rounded to even by some."""
    kind, dialect = resolver.kind(node.this), resolver.dialect
    if dialect == "postgres":
        if kind != INTEGER or node.args.get("decimals") is not None:
            node.set("this", exp.cast(node.this.copy(), "decimal"))
    elif kind == NUMBER and any(map(resolver.is_double, node.this.find_all(exp.Column))):
        precision = 65 if dialect == "mysql" else 38
        node.set("this", exp.cast(node.this.copy(), f"decimal({precision}, {_DECIMALS})"))


def logarithm(node: Node, resolver: Resolver) -> Node | None:
    """log(x) is to base 10; PostgreSQL's log(base, x) is of decimal numbers."""
    if node.args.get("expression") is None:
        ten = exp.Literal.number(10)
        mysql = resolver.dialect == "mysql"
        return exp.Log(this=ten, expression=node.this.copy()) if mysql else None
    for side in (node.this, node.expression) if resolver.dialect == "postgres" else ():
        side.replace(exp.cast(side.copy(), "decimal"))
    return None


def hexadecimal(node: Node, resolver: Resolver) -> Node:
    """PostgreSQL's own is of whole numbers."""
    form = "UPPER(ENCODE(CONVERT_TO(CAST(_0 AS TEXT), 'UTF8'), 'hex'))"
    return filled(form, "postgres", node.this)


def cast(node: Node, resolver: Resolver) -> Node | None:
    """CAST(2.7 AS INTEGER) is 2 where others round; CAST('12 km' AS INTEGER) is 12."""
    dialect, kind = resolver.dialect, resolver.kind(node.this)
    whole = node.to.is_type(*exp.DataType.INTEGER_TYPES)
    if kind == TEXT and (whole or node.to.is_type("double")) and not digits(node.this):
        return _number_in(node.this, dialect, whole) if dialect != "mysql" else None
    if kind == BOOLEAN and dialect == "postgres" and not node.to.is_type("text"):
        return exp.cast(exp.cast(node.this.copy(), "int"), node.to)
    return _whole(node.this, kind, dialect) if whole else None


def _whole(node: Node, kind: str, dialect: str) -> Node:
    if kind != NUMBER:
        return exp.cast(node.copy(), "bigint")
    name = "TRUNCATE" if dialect == "mysql" else "TRUNC"
    zero = [exp.Literal.number(0)] if dialect == "mysql" else []
    return exp.cast(exp.Anonymous(this=name, expressions=[node.copy(), *zero]), "bigint")


def _number_in(node: Node, dialect: str, whole: bool = False) -> Node:
    """The number that a text begins with, 0 where it begins with none."""
    if digits(node):
        return exp.cast(node.copy(), "bigint")
    if dialect == "mysql":
        return exp.cast(node.copy(), "bigint" if whole else "double")
    kind = "BIGINT" if whole else "DOUBLE PRECISION" if dialect == "postgres" else "DOUBLE"
    pattern = _WHOLE if whole else _FRACTION
    return filled(_LEADING_NUMBER[dialect].format(pattern=pattern, type=kind), dialect, node)


def operands(node: Node, resolver: Resolver) -> None:
    """Computing with text and with conditions: both are numbers there."""
    for side in (node.this, node.args.get("expression")):
        kind = resolver.kind(side) if not isinstance(side, exp.Interval) else ""
        if kind == TEXT:
            side.replace(_number_in(side, resolver.dialect))
        elif kind == BOOLEAN and resolver.dialect != "mysql":
            side.replace(exp.cast(side.copy(), "int"))
        elif kind == NUMBER and isinstance(node, exp.Mod):  # % is of whole numbers
            side.replace(_whole(side, kind, resolver.dialect))


def joined_text(node: Node, resolver: Resolver) -> None:
    """a || b is text, also of conditions and of two numbers."""
    kinds = [resolver.kind(side) for side in (node.left, node.right)]
    for side, kind in zip((node.left, node.right), kinds, strict=True):
        if kind == BOOLEAN or (TEXT not in kinds and kind in (INTEGER, NUMBER, TIME)):
            side.replace(as_text(side, kind))


def of_text(node: Node, resolver: Resolver) -> Node | None:
    """Functions of text take numbers and dates; substr() counts from the end."""
    kind, start = resolver.kind(node.this), node.args.get("start")
    if resolver.dialect == "postgres" and isinstance(start, exp.Neg):
        text = as_text(node.this) if kind != TEXT else node.this.copy()
        end, length = exp.Right(this=text, expression=start.this.copy()), node.args.get("length")
        return end if length is None else exp.Left(this=end, expression=length.copy())
    if resolver.dialect != "mysql" and kind in (INTEGER, NUMBER, TIME):
        node.set("this", as_text(node.this))
    return None


Rule = Callable[[Node, Resolver], Node | None]

_ALL, _STRICT = ("postgres", "mysql", "duckdb"), ("postgres", "duckdb")
_OF_TEXT = (exp.Lower, exp.Upper, exp.Substring, exp.Length, exp.StrPosition, exp.Trim, exp.Replace)
_CHOICES = (exp.Case, exp.If, exp.Coalesce, exp.Lag, exp.Lead, exp.SetOperation)
_CONDITIONS = (exp.Where, exp.Having, exp.And, exp.Or, exp.Not, exp.If)
RULES: tuple[tuple[Rule, tuple[str, ...], tuple[type[exp.Expr], ...]], ...] = (
    (rewrite_names.text_in_double_quotes, _ALL, (exp.Column,)),
    (rewrite_names.columns_of_tables, _ALL, (exp.CTE,)),
    (rewrite_names.stars_that_are_grouped, _ALL, (exp.Select,)),
    (rewrite_names.aliases_in_conditions, _ALL, (exp.Column,)),
    (rewrite_names.aliases_in_having, ("mysql",), (exp.Having,)),
    (of_text, _ALL, _OF_TEXT),
    (cast, _ALL, (exp.Cast,)),
    (total, _ALL, (exp.Anonymous,)),
    (filtered, ("mysql",), (exp.Filter,)),
    (summed, _STRICT, (exp.Sum, exp.Avg, exp.Min, exp.Max)),
    (listed, ("postgres",), (exp.GroupConcat,)),
    (rounded, _ALL, (exp.Round,)),
    (logarithm, _ALL, (exp.Log,)),
    (hexadecimal, ("postgres",), (exp.Hex,)),
    (operands, _ALL, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)),
    (joined_text, _STRICT, (exp.DPipe,)),
    (rewrite_dates.date, _ALL, (exp.Func,)),
    (branches, _STRICT, _CHOICES),
    (comparisons, _ALL, (*_COMPARISONS, exp.Is, exp.In, exp.Between, exp.Case)),
    (conditions, _STRICT, _CONDITIONS),
    (patterns, _STRICT, (exp.Like,)),
    (backslashes, ("mysql",), (exp.Literal,)),
    (division, _ALL, (exp.Div,)),
    (rewrite_names.columns_beside_aggregates, _ALL, (exp.Select,)),
    (rewrite_names.order_of_distinct_rows, _STRICT, (exp.Select,)),
    (rewrite_names.order_of_counts, _STRICT, (exp.Ordered,)),
    (rewrite_names.limits, _ALL, (exp.Limit,)),
    (rewrite_names.subqueries, _ALL, (exp.Subquery,)),
    (rewrite_names.spelled_columns, _ALL, (exp.Column,)),
    (rewrite_names.spelled_tables, _ALL, (exp.Table,)),
    (rewrite_names.reserved, _ALL, (exp.Identifier,)),
)
"""Each rule with the engines that need it and the nodes that it looks at, those inside others first; what
it gives takes the place of the node."""


def translate(sql: str, schema: Schema) -> str:
    """The statement in the dialect of the schema; as it is when it cannot be parsed."""
    if schema.dialect == "sqlite":
        return sql
    try:
        statements = sqlglot.parse(sql, read="sqlite")
        tree = statements[0]
        if len(statements) != 1 or not isinstance(tree, exp.Query):
            return sql
        resolver = Resolver(schema)
        for rule, dialects, kinds in RULES:
            nodes = list(tree.find_all(*kinds)) if schema.dialect in dialects else []
            for node in reversed(nodes):
                if (replacement := rule(node, resolver)) is not None:
                    node.replace(replacement)
        return tree.sql(dialect=schema.dialect, comments=False, unsupported_level=ErrorLevel.IGNORE)
    except (SqlglotError, RecursionError, ValueError, LookupError, AttributeError, TypeError):
        return sql  # of hostile text sqlglot builds trees that lack what every query has

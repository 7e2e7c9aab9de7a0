"""Rules of translation about functions: what other engines lack, call otherwise or compute otherwise."""

from __future__ import annotations

from sqlglot import exp

from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Resolver
from txt2sql.sql.rewrite_dates import digits, filled
from txt2sql.sql.sources import Node

_DECIMALS = 12
"""To as many places a DOUBLE is taken as the decimal number that it shows, to be rounded as such."""
_LEADING_NUMBER = {
    "postgres": "CASE WHEN NOT _0 IS NULL THEN COALESCE(CAST(SUBSTRING(_0 FROM {pattern}) AS {type}),"
    " 0) END",
    "duckdb": "CASE WHEN NOT _0 IS NULL THEN COALESCE(CAST(NULLIF(REGEXP_EXTRACT(_0, {pattern}), '')"
    " AS {type}), 0) END",
}
_WHOLE, _FRACTION = "'^ *[-+]?[0-9]+'", "'^ *[-+]?[0-9]+[.]?[0-9]*'"


def as_text(node: Node, kind: str = "") -> Node:
    """The node, of this kind, as text; a condition as that of its number."""
    return exp.cast(exp.cast(node.copy(), "int") if kind == BOOLEAN else node.copy(), "text")


def filtered(node: Node, resolver: Resolver) -> Node | None:
    """MySQL has no FILTER: what is not to be counted is NULL."""
    if not isinstance(node.this, exp.AggFunc):
        return None
    aggregate: Node = node.this.copy()
    place = aggregate.this
    if isinstance(place, exp.Distinct):
        place = place.expressions[0]
    rows = place is None or isinstance(place, exp.Star)
    value = exp.Literal.number(1) if rows else place.copy()
    chosen = exp.Case(ifs=[exp.If(this=node.expression.this.copy(), true=value)])
    if place is None:
        aggregate.set("this", chosen)
    else:
        place.replace(chosen)
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
    """A number of this kind without its fraction."""
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

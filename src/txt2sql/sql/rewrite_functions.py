"""Rules of translation about functions: what other engines lack, call otherwise or compute otherwise.

What an engine calls a function stands in the one table (functions.py), where sqlglot does not know it;
here is what needs more than a template: numbers in texts, conditions in aggregates, rounding.
"""

from __future__ import annotations

from sqlglot import exp

from txt2sql.sql.functions import FUNCTIONS
from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Resolver
from txt2sql.sql.rewrite_dates import digits, filled, places
from txt2sql.sql.sources import Node

_ON_TEXT = (exp.Lower, exp.Upper, exp.Substring, exp.Length, exp.StrPosition, exp.Trim, exp.Replace)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)
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


def functions(tree: Node, resolver: Resolver, dialect: str) -> None:
    """Functions that other engines lack, or want arguments of other types for; inner ones first."""
    for node in reversed(list(tree.find_all(exp.Func, exp.Cast, exp.Filter))):
        rule = _RULES.get(type(node))
        translated = rule(node, resolver, dialect) if rule is not None else _called(node, dialect)
        if translated is not None:
            node.replace(translated)
        elif dialect == "mysql" or not isinstance(node, _ON_TEXT):
            continue
        elif resolver.kind(node.this) in (INTEGER, NUMBER, TIME):
            node.set("this", as_text(node.this))


def _called(node: Node, dialect: str) -> Node | None:
    """As the table of functions has it."""
    name = node.name if isinstance(node, exp.Anonymous) else node.sql_names()[0]
    function = FUNCTIONS.get(name.lower())
    template = function.forms.get(dialect) if function is not None else None
    if template is None:
        return None
    arguments = (
        node.expressions if isinstance(node, exp.Anonymous) else list(node.iter_expressions())
    )
    return filled(template, dialect, *arguments) if len(arguments) == places(template) else None


# -------------------------------------------------------------------------------------- aggregates


def _filter(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """MySQL has no FILTER: what is not to be counted is NULL."""
    if dialect != "mysql" or not isinstance(node.this, exp.AggFunc):
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


def _total(node: Node, resolver: Resolver, dialect: str) -> None:
    """0.0 where sum() is NULL; FILTER and OVER belong to the sum."""
    outer = node.replace(exp.Sum(this=node.expressions[0].copy()))
    _summed(outer, resolver, dialect)
    while isinstance(outer.parent, (exp.Filter, exp.Window)) and outer.arg_key == "this":
        outer = outer.parent
    zero = exp.Literal.number("0.0")
    outer.replace(whole := exp.Coalesce(this=exp.Null(), expressions=[zero]))
    whole.set("this", outer)


def _summed(node: Node, resolver: Resolver, dialect: str) -> None:
    """sum(), avg(), min() and max() of conditions and of text."""
    if dialect == "mysql" or isinstance(node.this, exp.Distinct):
        return
    kind = resolver.kind(node.this)
    if kind == BOOLEAN:
        node.set("this", exp.cast(node.this.copy(), "int"))
    elif kind == TEXT and isinstance(node, (exp.Sum, exp.Avg)):
        node.set("this", _number_in(node.this, dialect))


def _joined(node: Node, resolver: Resolver, dialect: str) -> None:
    """group_concat() takes text."""
    inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if dialect == "postgres" and resolver.kind(inner) != TEXT:
        inner.replace(as_text(inner))


# ----------------------------------------------------------------------------------------- numbers


def _rounded(node: Node, resolver: Resolver, dialect: str) -> None:
    """Halves away from zero, as decimal numbers: a DOUBLE is rounded to even by some."""
    kind = resolver.kind(node.this)
    if dialect == "postgres" and (kind != INTEGER or node.args.get("decimals") is not None):
        node.set("this", exp.cast(node.this.copy(), "decimal"))
    elif (
        dialect != "postgres"
        and kind == NUMBER
        and any(resolver.is_double(column) for column in node.this.find_all(exp.Column))
    ):
        digits_before = 65 if dialect == "mysql" else 38
        node.set("this", exp.cast(node.this.copy(), f"decimal({digits_before}, {_DECIMALS})"))


def _logarithm(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """log(x) is to base 10; PostgreSQL's log(base, x) is of decimal numbers."""
    if node.args.get("expression") is None:
        ten = exp.Literal.number(10)
        return exp.Log(this=ten, expression=node.this.copy()) if dialect == "mysql" else None
    for side in (node.this, node.expression) if dialect == "postgres" else ():
        side.replace(exp.cast(side.copy(), "decimal"))
    return None


def _cast(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """CAST(2.7 AS INTEGER) is 2 where others round; CAST('12 km' AS INTEGER) is 12."""
    whole = node.to.is_type(*exp.DataType.INTEGER_TYPES)
    kind = resolver.kind(node.this)
    if kind == TEXT and (whole or node.to.is_type("double")) and not digits(node.this):
        number = _number_in(node.this, dialect, whole)
        return number if dialect != "mysql" else None
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


def operands(tree: Node, resolver: Resolver, dialect: str) -> None:
    """Computing with text and with conditions: both are numbers there."""
    for node in reversed(list(tree.find_all(*_ARITHMETIC))):
        for side in (node.this, node.args.get("expression")):
            if side is None or isinstance(side, exp.Interval):
                continue
            kind = resolver.kind(side)
            if kind == TEXT:
                side.replace(_number_in(side, dialect))
            elif kind == BOOLEAN and dialect != "mysql":
                side.replace(exp.cast(side.copy(), "int"))
            elif kind == NUMBER and isinstance(node, exp.Mod):  # % is of whole numbers
                side.replace(_whole(side, kind, dialect))


def joined_text(tree: Node, resolver: Resolver, dialect: str) -> None:
    """a || b is text, also of conditions and of two numbers."""
    for node in reversed(list(tree.find_all(exp.DPipe))) if dialect != "mysql" else ():
        kinds = [resolver.kind(side) for side in (node.left, node.right)]
        for side, kind in zip((node.left, node.right), kinds, strict=True):
            if kind == BOOLEAN or (TEXT not in kinds and kind in (INTEGER, NUMBER, TIME)):
                side.replace(as_text(side, kind))


# -------------------------------------------------------------------------------------------- text


def _from_the_end(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    start, length = node.args.get("start"), node.args.get("length")
    if dialect != "postgres" or not isinstance(start, exp.Neg):
        return None
    text = as_text(node.this) if resolver.kind(node.this) != TEXT else node.this.copy()
    end = exp.Right(this=text, expression=start.this.copy())
    return end if length is None else exp.Left(this=end, expression=length.copy())


def _anonymous(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    name = node.name.lower()
    if name == "total" and len(node.expressions) == 1:
        _total(node, resolver, dialect)
        return None
    return _called(node, dialect)


_RULES = {
    exp.Anonymous: _anonymous,
    exp.Filter: _filter,
    exp.Cast: _cast,
    exp.Sum: _summed,
    exp.Avg: _summed,
    exp.Min: _summed,
    exp.Max: _summed,
    exp.Round: _rounded,
    exp.Log: _logarithm,
    exp.GroupConcat: _joined,
    exp.Substring: _from_the_end,
}

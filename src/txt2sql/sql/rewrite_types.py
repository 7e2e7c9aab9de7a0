"""Rules of translation about types: SQLite compares and computes with anything, servers do not.

A literal takes the type of the column that it meets; a column that is treated as text becomes text; a
whole number divided by a whole number stays one; true and false become numbers where they are summed.
Source: sqlite.org/datatype3.html (affinity, comparison) and lang_datefunc.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, UNKNOWN, Node, Resolver

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ON_TEXT = (exp.Lower, exp.Upper, exp.Substring, exp.Length, exp.StrPosition, exp.Trim)
_TRUE, _FALSE = {"1", "true", "t", "yes", "y"}, {"0", "false", "f", "no", "n"}
_UNITS = {"day", "month", "year", "hour", "minute", "second"}
_SHIFT = re.compile(r"([+-]?)\s*(\d+)\s+(\w+?)s?$")
_NOON_DAY_ZERO = 1721059.5  # MySQL counts days from year 0, SQLite from noon of 4714 BC


def _as_text(node: Node) -> Node:
    return exp.cast(node.copy(), "text")


def _number_as_text(literal: Node) -> Node:
    return exp.Literal.string(literal.name)


# ------------------------------------------------------------------------------------ comparisons


def comparisons(tree: Node, resolver: Resolver, dialect: str) -> None:
    """Both sides of a comparison get one type."""
    for node in list(tree.find_all(*_COMPARISONS, exp.Is)):
        left, right = node.left, node.right
        if isinstance(node, exp.Is) and not isinstance(right, exp.Literal):
            continue
        _alike(left, right, resolver, dialect)
        _alike(right, left, resolver, dialect)
    _listed(tree, resolver, dialect)


def _listed(tree: Node, resolver: Resolver, dialect: str) -> None:
    """IN (a, b) and BETWEEN a AND b."""
    for node in list(tree.find_all(exp.In)):
        values = list(node.expressions)
        if any(_partial(node.this, value, resolver) for value in values):
            node.set("this", _as_text(node.this))
            continue
        for value in values:
            _alike(node.this, value, resolver, dialect)
    for between in list(tree.find_all(exp.Between)):
        ends = [between.args["low"], between.args["high"]]
        if any(_partial(between.this, end, resolver) for end in ends):
            between.set("this", _as_text(between.this))
            for end in ends:
                if isinstance(end, exp.Literal) and not end.is_string:
                    end.replace(_number_as_text(end))
            continue
        for end in ends:
            _alike(between.this, end, resolver, dialect)


def _partial(node: Node, value: Node, resolver: Resolver) -> bool:
    """Whether a date is compared with something that is no full date, as with '2024'."""
    return (
        isinstance(value, exp.Literal)
        and resolver.kind(node) == TIME
        and not (value.is_string and _DATE.match(value.name))
    )


def _alike(node: Node, other: Node, resolver: Resolver, dialect: str) -> None:
    """Change `other`, or `node`, so that the two can be compared as SQLite compares them."""
    kind = resolver.kind(node)
    if isinstance(other, exp.Literal):
        if _partial(node, other, resolver):
            node.replace(_as_text(node))
            if not other.is_string:
                other.replace(_number_as_text(other))
        elif kind == TEXT and not other.is_string and not isinstance(node, exp.Literal):
            other.replace(_number_as_text(other))
        elif kind == BOOLEAN and isinstance(node, exp.Column) and dialect != "mysql":
            word = other.name.lower()
            if word in _TRUE | _FALSE:
                other.replace(exp.Boolean(this=word in _TRUE))
        return
    unlike = (kind, resolver.kind(other))
    if dialect == "mysql" or isinstance(node, exp.Literal):
        return
    if unlike in ((INTEGER, TEXT), (NUMBER, TEXT), (TIME, TEXT)):
        node.replace(_as_text(node))


def conditions(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`WHERE active`, with a number: true when it is not zero."""
    if dialect == "mysql":
        return
    for node in list(tree.find_all(exp.Where, exp.Having, exp.And, exp.Or, exp.Not)):
        operands = (node.this, node.args.get("expression"))
        for operand in operands:
            if operand is not None and resolver.kind(operand) in (INTEGER, NUMBER):
                operand.replace(exp.NEQ(this=operand.copy(), expression=exp.Literal.number(0)))


def patterns(tree: Node, resolver: Resolver, dialect: str) -> None:
    """LIKE does not look at case, and takes numbers and dates for text."""
    for node in list(tree.find_all(exp.Like)):
        if resolver.kind(node.this) in (INTEGER, NUMBER, TIME, BOOLEAN) and dialect != "mysql":
            node.set("this", _as_text(node.this))
        pattern = node.expression
        escaped = isinstance(node.parent, exp.Escape) or not isinstance(pattern, exp.Literal)
        if dialect == "postgres" and not escaped and "\\" in pattern.name:
            pattern.replace(exp.Literal.string(pattern.name.replace("\\", "\\\\")))
        if dialect != "mysql":
            node.replace(exp.ILike(**node.copy().args))


def backslashes(tree: Node, resolver: Resolver, dialect: str) -> None:
    """MySQL reads a backslash in a string in one way or another, as its sql_mode says."""
    if dialect != "mysql":
        return
    for literal in list(tree.find_all(exp.Literal)):
        if literal.is_string and "\\" in literal.name:
            parts: list[Node] = []
            for number, part in enumerate(literal.name.split("\\")):
                if number:
                    parts.append(exp.Anonymous(this="CHAR", expressions=[exp.Literal.number(92)]))
                if part:
                    parts.append(exp.Literal.string(part))
            literal.replace(exp.Anonymous(this="CONCAT", expressions=parts))


# -------------------------------------------------------------------------------------- computing


def division(tree: Node, resolver: Resolver, dialect: str) -> None:
    """A whole number by a whole number is a whole number; division by zero is NULL."""
    for node in reversed(list(tree.find_all(exp.Div))):
        whole = resolver.kind(node) == INTEGER
        divisor = node.right
        sure = isinstance(divisor, exp.Literal) and divisor.name.strip("0.") != ""
        if dialect == "postgres":
            if sure:
                node.set("safe", False)
            if not whole and UNKNOWN in (resolver.kind(node.left), resolver.kind(divisor)):
                continue
        elif whole:
            right = (
                divisor.copy()
                if sure
                else exp.Nullif(this=divisor.copy(), expression=exp.Literal.number(0))
            )
            node.replace(exp.IntDiv(this=node.left.copy(), expression=right))
        elif sure:
            node.set("safe", False)


def functions(tree: Node, resolver: Resolver, dialect: str) -> None:
    """Functions that other engines lack, or want arguments of other types for."""
    for node in reversed(list(tree.find_all(exp.Func, exp.Cast))):
        mended = _function(node, resolver, dialect)
        if mended is not None:
            node.replace(mended)


def _function(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    if isinstance(node, exp.Anonymous):
        return _anonymous(node, dialect)
    if isinstance(node, exp.Date):
        return _date([node.this], dialect)
    if isinstance(node, exp.TimeToStr):
        return _formatted(node, dialect)
    if isinstance(node, exp.Cast):
        return _cast(node, resolver, dialect)
    if isinstance(node, (exp.Sum, exp.Avg)):
        _summed(node, resolver, dialect)
    elif isinstance(node, exp.Substring) and dialect == "postgres" and _from_the_end(node):
        length = exp.Literal.number(node.args["start"].this.name)
        return exp.Right(this=node.this.copy(), expression=length)
    elif isinstance(node, exp.Round) and dialect == "postgres":
        if node.args.get("decimals") is not None:
            node.set("this", exp.cast(node.this.copy(), "decimal"))
    elif isinstance(node, exp.GroupConcat) and dialect == "postgres":
        inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
        if resolver.kind(inner) != TEXT:
            inner.replace(_as_text(inner))
    on_text = isinstance(node, _ON_TEXT) and dialect != "mysql"
    if on_text and resolver.kind(node.this) in (INTEGER, NUMBER, TIME):
        node.set("this", _as_text(node.this))
    return None


def _from_the_end(node: exp.Substring) -> bool:
    return isinstance(node.args.get("start"), exp.Neg) and node.args.get("length") is None


def _cast(node: exp.Cast, resolver: Resolver, dialect: str) -> Node | None:
    """CAST(2.7 AS INTEGER) is 2; others round."""
    if not node.to.is_type(*exp.DataType.INTEGER_TYPES):
        return None
    if resolver.kind(node.this) == NUMBER:
        name = "TRUNCATE" if dialect == "mysql" else "TRUNC"
        zero = [exp.Literal.number(0)] if dialect == "mysql" else []
        cut = exp.Anonymous(this=name, expressions=[node.this.copy(), *zero])
        return exp.cast(cut, "bigint")
    return exp.cast(node.this.copy(), "bigint")


def _summed(node: Node, resolver: Resolver, dialect: str) -> None:
    kind = resolver.kind(node.this)
    if dialect == "mysql" or isinstance(node.this, exp.Distinct):
        return
    if kind == BOOLEAN:
        node.set("this", exp.cast(node.this.copy(), "int"))
    elif kind == TEXT:
        node.set("this", exp.cast(node.this.copy(), "double"))


# ------------------------------------------------------------------------------------------ dates


def _anonymous(node: exp.Anonymous, dialect: str) -> Node | None:
    name, arguments = node.name.lower(), node.expressions
    if name == "total" and len(arguments) == 1:
        total = exp.Sum(this=arguments[0].copy())
        return exp.Coalesce(this=total, expressions=[exp.Literal.number("0.0")])
    if name == "julianday" and len(arguments) == 1:
        return _julian_day(_moment(arguments[0]), dialect)
    if name == "datetime" and len(arguments) == 1:
        return _moment(arguments[0])
    if name == "date":
        return _date(arguments, dialect)
    return None


def _is_now(node: Node) -> bool:
    return isinstance(node, exp.Literal) and node.name.lower() == "now"


def _moment(node: Node) -> Node:
    return exp.CurrentTimestamp() if _is_now(node) else exp.cast(node.copy(), "datetime")


def _julian_day(moment: Node, dialect: str) -> Node:
    """Days, with their fraction, since noon of day zero."""
    half = exp.Literal.number("0.5")
    if dialect == "mysql":
        days: Node = exp.Div(
            this=exp.Anonymous(this="TO_SECONDS", expressions=[moment]),
            expression=exp.Literal.number("86400.0"),
        )
        return exp.paren(
            exp.Add(this=days, expression=exp.Literal.number(str(_NOON_DAY_ZERO))), copy=False
        )
    if dialect == "duckdb":
        days = exp.Anonymous(this="JULIAN", expressions=[moment])
    else:
        days = exp.Extract(this=exp.var("JULIAN"), expression=moment)
    return exp.paren(exp.Sub(this=days, expression=half), copy=False)


def _date(arguments: Sequence[Node], dialect: str) -> Node | None:
    """date('now'), date(x), date(x, '+1 month'), date(x, 'start of year')."""
    if not arguments or arguments[0] is None or _is_now(arguments[0]):
        start: Node = exp.CurrentDate()
    else:
        start = exp.cast(arguments[0].copy(), "date")
    for shift in arguments[1:]:
        text = shift.name.lower()
        found = _SHIFT.match(text)
        if found is not None and found[3] in _UNITS:
            interval = exp.Interval(this=exp.Literal.string(found[2]), unit=exp.var(found[3]))
            move = exp.Sub if found[1] == "-" else exp.Add
            start = exp.cast(move(this=start, expression=interval), "date")
        elif text in ("start of month", "start of year") and dialect != "mysql":
            unit = exp.var(text.rsplit(" ", 1)[1].upper())
            start = exp.cast(exp.TimestampTrunc(this=start, unit=unit), "date")
        else:
            return None
    return start


def _formatted(node: exp.TimeToStr, dialect: str) -> Node | None:
    """strftime of 'now', and of the day of the week, which to_char counts from another day."""
    moment = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
    if _is_now(moment):
        node.set("this", exp.CurrentTimestamp())
        moment = node.this
    if dialect == "postgres" and node.args["format"].name == "%w":
        stamp = moment.copy() if moment is node.this else exp.cast(moment.copy(), "timestamp")
        return _as_text(exp.Extract(this=exp.var("DOW"), expression=stamp))
    return None

"""Rules of translation about functions: what other engines lack, call otherwise or compute otherwise.

What an engine calls a function stands in the one table (functions.py), where sqlglot does not know it;
here is what needs more than a template: formats, patterns, windows and conditions of aggregates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from txt2sql.sql.functions import FUNCTIONS
from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Resolver
from txt2sql.sql.rewrite_dates import digits, filled, places
from txt2sql.sql.sources import Node

_ON_TEXT = (exp.Lower, exp.Upper, exp.Substring, exp.Length, exp.StrPosition, exp.Trim, exp.Replace)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)
_SPECIFICATION = re.compile(r"%(?:%|(0?)(\d{0,3})(?:\.(\d{1,2}))?([disf]))|[^%]+", re.DOTALL)
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
    for node in reversed(
        list(tree.find_all(exp.Func, exp.Cast, exp.Filter, exp.Glob, exp.Collate))
    ):
        rule = _RULES.get(type(node))
        translated = rule(node, resolver, dialect) if rule is not None else _called(node, dialect)
        if translated is not None:
            node.replace(translated)
        elif isinstance(node, _ON_TEXT) and dialect != "mysql" and _no_text(node.this, resolver):
            node.set("this", as_text(node.this))


def _no_text(node: Node, resolver: Resolver) -> bool:
    return resolver.kind(node) in (INTEGER, NUMBER, TIME)


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
    """group_concat() of rows that were sorted before: only an order of its own is sure to hold."""
    distinct = isinstance(node.this, exp.Distinct)
    inner = node.this.expressions[0] if distinct else node.this
    if dialect == "postgres" and resolver.kind(inner) != TEXT:
        inner.replace(as_text(inner))
    order = None if distinct else _order_before(node)
    if order is not None:
        node.set("this", exp.Order(this=node.this, expressions=order))


def _order_before(node: Node) -> list[Node] | None:
    """The ORDER BY of the one derived table that an aggregate reads, in names that it gives."""
    select = node.find_ancestor(exp.Select)
    from_ = select.args.get("from_") if select is not None else None
    query = from_.this.this if from_ is not None and isinstance(from_.this, exp.Subquery) else None
    if not isinstance(query, exp.Select) or select.args.get("joins") or not query.args.get("order"):
        return None
    names = {item.alias_or_name.lower() for item in query.expressions}
    ordered = query.args["order"].expressions
    if not all(isinstance(o.this, exp.Column) and o.this.name.lower() in names for o in ordered):
        return None
    copies = [each.copy() for each in ordered]
    for each in copies:
        each.this.set("table", None)
    return copies


def _neighbour(node: Node, resolver: Resolver, dialect: str) -> None:
    """lag(x, n, default): MariaDB takes no default; it holds where the frame has no n more rows."""
    default, window = node.args.get("default"), node.parent
    if dialect != "mysql" or default is None or not isinstance(window, exp.Window):
        return
    offset = node.args.get("offset") or exp.Literal.number(1)
    node.set("default", None)
    before = isinstance(node, exp.Lag)
    frame = exp.WindowSpec(
        kind="ROWS",
        start=offset.copy() if before else "CURRENT ROW",
        start_side="PRECEDING" if before else None,
        end="CURRENT ROW" if before else offset.copy(),
        end_side=None if before else "FOLLOWING",
    )
    rows = window.copy()
    rows.set("this", exp.Count(this=exp.Star()))
    rows.set("spec", frame)
    missing = exp.LTE(this=rows, expression=offset.copy())
    branch = exp.If(this=missing, true=default.copy())
    window.replace(exp.Case(ifs=[branch], default=window.copy()))


# ----------------------------------------------------------------------------------------- numbers


def _rounded(node: Node, resolver: Resolver, dialect: str) -> None:
    """Halves away from zero, as decimal numbers: a DOUBLE is rounded to even by some."""
    kind = resolver.kind(node.this)
    if dialect == "postgres" and (kind != INTEGER or node.args.get("decimals") is not None):
        node.set("this", exp.cast(node.this.copy(), "decimal"))
    elif dialect != "postgres" and kind == NUMBER and _has_double(node.this, resolver):
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


def _has_double(node: Node, resolver: Resolver) -> bool:
    """Whether a column of binary floating point is computed with."""
    return any(resolver.is_double(column) for column in node.find_all(exp.Column))


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


def _greatest(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """max(a, b) is NULL when one is; PostgreSQL leaves it out."""
    values = [
        value for value in (node.this, *node.expressions) if not isinstance(value, exp.Literal)
    ]
    if dialect != "postgres" or not values:
        return None
    missing = exp.or_(*(exp.Is(this=value.copy(), expression=exp.Null()) for value in values))
    return exp.Case(ifs=[exp.If(this=missing, true=exp.Null())], default=node.copy())


# -------------------------------------------------------------------------------------------- text


def _from_the_end(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    start, length = node.args.get("start"), node.args.get("length")
    if dialect != "postgres" or not isinstance(start, exp.Neg):
        return None
    text = as_text(node.this) if resolver.kind(node.this) != TEXT else node.this.copy()
    end = exp.Right(this=text, expression=start.this.copy())
    return end if length is None else exp.Left(this=end, expression=length.copy())


def _characters(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """char(72, 105): the others take one number."""
    template = {"mysql": "CHAR(_0 USING utf8mb4)"}.get(dialect, "CHR(_0)")
    parts = [filled(template, dialect, code) for code in node.expressions]
    return _side_by_side(parts) if parts else None


def _side_by_side(parts: Sequence[Node]) -> Node:
    text = parts[0]
    for part in parts[1:]:
        text = exp.DPipe(this=text, expression=part, safe=True)
    return text if len(parts) == 1 else exp.paren(text, copy=False)


def _formatted(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """printf(): text, whole numbers with zeros before them, and numbers of so many decimals.

    What is more than that keeps the name printf: format() of others reads another notation.
    """
    template, *values = node.expressions if isinstance(node, exp.Anonymous) else _in_order(node)
    kept = exp.Anonymous(this="PRINTF", expressions=[each.copy() for each in (template, *values)])
    if not isinstance(template, exp.Literal):
        return kept
    pieces = list(_SPECIFICATION.finditer(template.name))
    if "".join(piece[0] for piece in pieces) != template.name:
        return kept
    parts: list[Node] = []
    for piece in pieces:
        zeros, width, places, letter = piece.groups()
        if letter is None:
            parts.append(exp.Literal.string("%" if piece[0] == "%%" else piece[0]))
        elif not values or (width and not (zeros and letter in "di")) or (places and letter != "f"):
            return kept
        else:
            value = _shown(values.pop(0), letter, places, resolver, dialect)
            parts.append(_padded(value, width, dialect) if width else value)
    return _side_by_side(parts) if parts else kept


def _in_order(node: Node) -> list[Node]:
    return [node.this, *node.expressions]


def _shown(value: Node, letter: str, places: str | None, resolver: Resolver, dialect: str) -> Node:
    kind = resolver.kind(value)
    number = _number_in(value, dialect, letter != "f") if kind == TEXT else value
    if letter == "s":
        text, empty = (value.copy() if kind == TEXT else as_text(value, kind)), ""
    elif letter == "f":
        text = as_text(exp.cast(number.copy(), f"decimal(38, {places or 6})"))
        empty = f"{0:.{places or 6}f}"
    else:
        text, empty = as_text(number if kind == TEXT else _whole(number, kind, dialect)), "0"
    if isinstance(value, (exp.Literal, exp.Count)):
        return text
    return exp.Coalesce(this=text, expressions=[exp.Literal.string(empty)])


def _padded(text: Node, width: str, dialect: str) -> Node:
    short = f"CASE WHEN LENGTH(_0) < {width} THEN LPAD(_0, {width}, '0') ELSE _0 END"
    return filled(short, dialect, text)


def _globbed(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """GLOB minds the case and has classes of characters: a regular expression."""
    pattern = node.expression
    if dialect == "duckdb" or not isinstance(pattern, exp.Literal):
        return None
    text = node.this.copy() if resolver.kind(node.this) == TEXT else as_text(node.this)
    if dialect == "mysql":  # REGEXP_LIKE is MySQL's alone
        expression = exp.Literal.string(f"(?-i){_regular(pattern.name)}")
        return filled("REGEXP_INSTR(_0, _1) > 0", dialect, text, expression)
    return exp.RegexpLike(this=text, expression=exp.Literal.string(_regular(pattern.name)))


def _regular(pattern: str) -> str:
    parts = []
    for piece in re.findall(r"\[\^?\]?[^\]]*\]|.", pattern, re.DOTALL):
        if len(piece) > 1:
            parts.append(piece)
        else:
            shown = piece if re.match(r"[\w\s]", piece) else f"[{piece}]"
            parts.append({"*": ".*", "?": ".", "^": r"\^", "[": r"\["}.get(piece, shown))
    return f"^{''.join(parts)}$"


def _collated(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    """COLLATE NOCASE, of one side of a comparison or of what is sorted: both in lower case."""
    name = node.expression.name.lower()
    if name != "nocase":
        return node.this.copy() if name == "binary" else None
    other = node.parent
    if isinstance(other, exp.Binary):
        for key in ("this", "expression"):
            side = other.args[key]
            if side is not node and not isinstance(side, exp.Lower):
                side.replace(exp.Lower(this=side.copy()))
    return exp.Lower(this=node.this.copy())


def _anonymous(node: Node, resolver: Resolver, dialect: str) -> Node | None:
    name = node.name.lower()
    if name == "total" and len(node.expressions) == 1:
        _total(node, resolver, dialect)
        return None
    if name == "printf" and node.expressions:
        return _formatted(node, resolver, dialect)
    return _called(node, dialect)


_RULES = {
    exp.Anonymous: _anonymous,
    exp.Format: _formatted,
    exp.Filter: _filter,
    exp.Glob: _globbed,
    exp.Collate: _collated,
    exp.Cast: _cast,
    exp.Sum: _summed,
    exp.Avg: _summed,
    exp.Min: _summed,
    exp.Max: _summed,
    exp.Lag: _neighbour,
    exp.Lead: _neighbour,
    exp.Round: _rounded,
    exp.Log: _logarithm,
    exp.GroupConcat: _joined,
    exp.Greatest: _greatest,
    exp.Least: _greatest,
    exp.Substring: _from_the_end,
    exp.Chr: _characters,
}

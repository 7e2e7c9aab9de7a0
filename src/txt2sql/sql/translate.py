"""SQLite's SQL -> the SQL of another engine, with the same rows: translation between dialects.

sqlglot knows each grammar and most functions; what it cannot know is the schema. So names are spelled
as the schema has them, and each rule of RULES mends one thing that SQLite lets pass and others do not,
or answer differently: comparisons of unlike types, LIKE without case, whole-number division, columns
beside an aggregate, text in double quotes. A rule is a function here, where it is about types, or in
rewrite_*.py. A literal takes the type of the column that it meets; a column that is treated as text
becomes text; a whole number divided by a whole number stays one; true and false become numbers where
they are summed. Source: sqlite.org/datatype3.html (affinity, comparison) and lang_datefunc.html.

>>> translate("SELECT name FROM shops WHERE city LIKE 'lis%'", schema)  # doctest: +SKIP
"SELECT name FROM shops WHERE city ILIKE 'lis%'"
"""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from txt2sql.sql import (
    rewrite_dates,
    rewrite_functions,
    rewrite_names,
)
from txt2sql.sql.resolve import BOOLEAN, INTEGER, NUMBER, TEXT, TIME, UNKNOWN, Resolver, projections
from txt2sql.sql.rewrite_functions import as_text
from txt2sql.sql.sources import Node
from txt2sql.types import Schema

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_TRUE, _FALSE = {"1", "true", "t", "yes", "y"}, {"0", "false", "f", "no", "n"}


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
    for case in list(tree.find_all(exp.Case)):
        for branch in case.args["ifs"] if case.this is not None else ():
            _alike(case.this, branch.this, resolver, dialect)
    _listed(tree, resolver, dialect)


def branches(tree: Node, resolver: Resolver, dialect: str) -> None:
    """What an expression or a column of a UNION may give has one type: text where one is text, and
    numbers where conditions stand beside numbers."""
    if dialect == "mysql":
        return
    for node in list(tree.find_all(exp.Case, exp.If, exp.Coalesce, exp.Lag, exp.Lead)):
        _one_type(_results(node), resolver)
    for union in reversed(list(tree.find_all(exp.SetOperation))):
        columns = (projections(union.left), projections(union.right))
        for pair in zip(*columns, strict=False):
            _one_type([item.unalias() for item in pair], resolver)


def _results(node: Node) -> list[Node]:
    if isinstance(node, exp.Coalesce):
        return [node.this, *node.expressions]
    if isinstance(node, (exp.Lag, exp.Lead)):
        results = [node.this, node.args.get("default")]
    elif isinstance(node, exp.If):
        if isinstance(node.parent, exp.Case):
            return []
        results = [node.args["true"], node.args.get("false")]
    else:
        results = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
    return [result for result in results if result is not None]


def _one_type(results: list[Node], resolver: Resolver) -> None:
    kinds = [resolver.kind(result) for result in results]
    for result, kind in zip(results, kinds, strict=True):
        if TEXT in kinds and kind in (INTEGER, NUMBER, TIME, BOOLEAN):
            others = [each for each, other in zip(results, kinds, strict=True) if other == TEXT]
            if kind == TIME and all(_is_date(each) for each in others):
                for literal in others:
                    date = "date" if len(literal.name) == len("2024-01-01") else "datetime"
                    literal.replace(exp.cast(literal.copy(), date))
                return
            result.replace(as_text(result, kind))
        elif kind == BOOLEAN and {INTEGER, NUMBER} & set(kinds):
            result.replace(exp.cast(result.copy(), "int"))


def _is_date(node: Node) -> bool:
    return isinstance(node, exp.Literal) and bool(_DATE.match(node.name))


def _listed(tree: Node, resolver: Resolver, dialect: str) -> None:
    """IN (a, b) and BETWEEN a AND b."""
    for node in list(tree.find_all(exp.In)):
        values = list(node.expressions)
        if any(_partial(node.this, value, resolver) for value in values):
            node.set("this", as_text(node.this))
            continue
        for value in values:
            _alike(node.this, value, resolver, dialect)
    for between in list(tree.find_all(exp.Between)):
        ends = [between.args["low"], between.args["high"]]
        if any(_partial(between.this, end, resolver) for end in ends):
            between.set("this", as_text(between.this))
            for end in ends:
                if isinstance(end, exp.Literal) and not end.is_string:
                    end.replace(_number_as_text(end))
            continue
        for end in ends:
            _alike(between.this, end, resolver, dialect)


def _partial(node: Node, value: Node, resolver: Resolver) -> bool:
    """Whether a date is compared with something that is no full date, as with '2024'."""
    return isinstance(value, exp.Literal) and resolver.kind(node) == TIME and not _is_date(value)


def _alike(node: Node, other: Node, resolver: Resolver, dialect: str) -> None:
    """Change `other`, or `node`, so that the two can be compared as SQLite compares them."""
    kind = resolver.kind(node)
    if isinstance(other, exp.Literal):
        if _partial(node, other, resolver):
            node.replace(as_text(node))
            if not other.is_string:
                other.replace(_number_as_text(other))
        elif kind == TEXT and not other.is_string and not isinstance(node, exp.Literal):
            other.replace(_number_as_text(other))
        elif kind == BOOLEAN and other.name.lower() in _TRUE | _FALSE:
            true = other.name.lower() in _TRUE
            number = exp.Literal.number(int(true))
            other.replace(number if dialect == "mysql" else exp.Boolean(this=true))
        return
    unlike = (kind, resolver.kind(other))
    if dialect == "mysql" or isinstance(node, exp.Literal):
        return
    if unlike in ((INTEGER, TEXT), (NUMBER, TEXT), (TIME, TEXT)):
        node.replace(as_text(node))
    elif unlike in ((BOOLEAN, INTEGER), (BOOLEAN, NUMBER)):
        node.replace(exp.cast(node.copy(), "int"))


def conditions(tree: Node, resolver: Resolver, dialect: str) -> None:
    """`WHERE active`, with a number: true when it is not zero."""
    if dialect == "mysql":
        return
    for node in list(tree.find_all(exp.Where, exp.Having, exp.And, exp.Or, exp.Not, exp.If)):
        if isinstance(node.parent, exp.Case) and node.parent.this is not None:
            continue  # CASE x WHEN 1: a value
        operands = (node.this, node.args.get("expression"))
        for operand in operands:
            if operand is not None and resolver.kind(operand) in (INTEGER, NUMBER):
                operand.replace(exp.NEQ(this=operand.copy(), expression=exp.Literal.number(0)))


def patterns(tree: Node, resolver: Resolver, dialect: str) -> None:
    """LIKE does not look at case, and takes numbers and dates for text."""
    for node in list(tree.find_all(exp.Like)):
        if resolver.kind(node.this) in (INTEGER, NUMBER, TIME, BOOLEAN) and dialect != "mysql":
            node.set("this", as_text(node.this))
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


Rule = Callable[[Node, Resolver, str], None]

RULES: tuple[Rule, ...] = (
    rewrite_names.text_in_double_quotes,
    rewrite_names.columns_of_tables,
    rewrite_names.stars_that_are_grouped,
    rewrite_names.aliases_in_conditions,
    rewrite_functions.functions,
    rewrite_functions.operands,
    rewrite_functions.joined_text,
    rewrite_dates.dates,
    branches,
    comparisons,
    conditions,
    patterns,
    backslashes,
    division,
    rewrite_names.columns_beside_aggregates,
    rewrite_names.order_of_distinct_rows,
    rewrite_names.order_of_counts,
    rewrite_names.limits,
    rewrite_names.subqueries,
    rewrite_names.spelling,
)


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
        for rule in RULES:
            rule(tree, resolver, schema.dialect)
        return tree.sql(dialect=schema.dialect, comments=False, unsupported_level=ErrorLevel.IGNORE)
    except (SqlglotError, RecursionError, ValueError):
        return sql

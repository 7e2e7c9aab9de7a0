"""What depends on today, which a model cannot know: "last month", "older than 70", ages.

A model that was asked for last year writes some year. The hint of the question says what is meant
(`execution.dates`), and here it takes the place of what was written about that column of dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

from txt2sql.sql.date_formats import column_format
from txt2sql.sql.names import Names
from txt2sql.types import ValueMatch

_COMPARES = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Like)
_BIRTH = ("birth", "born", "dob")
_YEAR = re.compile(r"(?<!\d)\d{4}")
_YEAR_DAYS = "365.25"


def as_of_today(names: Names, matches: Sequence[ValueMatch], question: str = "") -> str:
    """The statement with the one relative date of its question as the hint has it, and with ages in years;
    as it is where it says nothing of such a date, or more than one thing. Changes the tree of `names`.

    >>> from txt2sql.sql.names import resolve
    >>> from txt2sql.types import Schema, Table
    >>> schema = Schema("s", (Table("sales", (Column("day", samples=("2024-05-01",)),)),))
    >>> hint = ValueMatch("sales", "day", "", "since yesterday", 1.0, "day >= date('now', '-1 day')", True)
    >>> as_of_today(resolve("SELECT COUNT(*) FROM sales WHERE day = '2019-01-01'", schema), [hint])
    "SELECT COUNT(*) FROM sales WHERE day >= DATE('now', '-1 day')"
    """
    if names.tree is None:
        return names.sql
    hints = [match for match in matches if match.relative]
    changed = _in_years(names)
    if len(hints) == 1:
        changed = _as_hinted(names, hints[0], question) or changed
    return str(names.tree.sql(dialect="sqlite")) if changed else names.sql


def _as_hinted(names: Names, hint: ValueMatch, question: str) -> bool:
    place = (hint.table.lower(), hint.column.lower())
    every = list(_dated(names, question))
    dated = [each for each in every if each[0] == place]
    if not dated and not _is_birth(hint.column):  # the model may know better which date is meant
        dated = every
    comparisons = [node for _, node, _ in dated]
    # One thing is said of one column: the comparisons are of one condition.
    if len({where for where, *_ in dated}) != 1 or len({id(_whole(n)) for n in comparisons}) != 1:
        return False
    condition = sqlglot.parse_one(hint.condition, read="sqlite")
    for column in list(condition.find_all(exp.Column)):
        column.replace(dated[0][2].copy())
    first, *others = comparisons
    for node in others:
        while isinstance(node.parent, exp.Paren):
            node = node.parent
        both = node.parent
        assert isinstance(both, exp.And)
        both.replace(both.expression if node is both.this else both.this)
    first.replace(condition)
    return True


def _dated(
    names: Names, question: str
) -> Iterator[tuple[tuple[str, str], exp.Expression, exp.Column]]:
    """The comparisons of a column of dates with a date that no year of the question explains: table and
    column, comparison, and the column in it.
    """
    columns = {
        id(node): (scope.sources[number].table, node)
        for scope in names.scopes
        for node, number in scope.resolved
    }
    for comparison in names.tree.find_all(*_COMPARES):
        within = list(comparison.find_all(exp.Column))
        table = columns.get(id(within[0]), (None, None))[0] if len(within) == 1 else None
        column = table.column(within[0].name) if table is not None else None
        if table is None or column is None or column_format(column) is None:
            continue
        literals = list(comparison.find_all(exp.Literal, exp.CurrentDate, exp.CurrentTimestamp))
        years = [year for each in literals for year in _YEAR.findall(each.name)]
        negated = isinstance(comparison.parent, (exp.Not, exp.Or))
        explained = any(year in question for year in years)
        if literals and not explained and not comparison.find(exp.Query) and not negated:
            yield (table.name.lower(), column.name.lower()), comparison, within[0]


def _whole(node: exp.Expression) -> exp.Expression:
    """The conjunction that a condition is part of."""
    while isinstance(node.parent, (exp.And, exp.Paren)):
        node = node.parent
    return node


def _in_years(names: Names) -> bool:
    """Make days between a birth and now years."""
    changed = False
    for difference in list(names.tree.find_all(exp.Sub)):
        sides = [_day(difference.this), _day(difference.expression)]
        births = [each for each in sides if isinstance(each, exp.Column)]
        if len(births) != 1 or None in sides or not _is_birth(births[0].name):
            continue
        birth, now = (difference.this, difference.expression)
        if not isinstance(sides[0], exp.Column):
            birth, now = now, birth
        outer = difference.parent
        while isinstance(outer, (exp.Paren, exp.Cast)):
            outer = outer.parent
        days: exp.Expression = exp.Sub(this=now.copy(), expression=birth.copy())
        if not isinstance(outer, exp.Div):
            years = exp.Literal.number(_YEAR_DAYS)
            days = exp.Div(this=exp.paren(days), expression=years, typed=True, safe=True)
        if days != difference:
            difference.replace(days)
            changed = True
    return changed


def _is_birth(column: str) -> bool:
    return any(word in column.lower() for word in _BIRTH)


def _day(node: exp.Expression) -> exp.Expression | None:
    """What JULIANDAY is called with: a column, or the present."""
    if not isinstance(node, exp.Anonymous) or node.name.upper() != "JULIANDAY":
        return None
    (argument, *rest) = node.expressions or (None,)
    if rest or isinstance(argument, (exp.Column, exp.CurrentDate, exp.CurrentTimestamp)):
        return None if rest else argument
    literal = isinstance(argument, exp.Literal) and argument.this == "now"
    return argument if literal else None

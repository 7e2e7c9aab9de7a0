"""What depends on today, which a model cannot know: "last month", "older than 70", ages.

A model that was asked for last year writes some year. The hint of the question says what is meant
(`execution.dates`), and here it takes the place of what was written about that column of dates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

from txt2sql.sql.date_formats import column_format
from txt2sql.sql.names import Names
from txt2sql.types import ValueMatch

_COMPARES = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Like)
_BIRTH = ("birth", "born", "dob")
_YEAR_DAYS = "365.25"


def as_of_today(names: Names, matches: Sequence[ValueMatch]) -> str:
    """The statement with the one relative date of its question as the hint has it, and with ages in years;
    as it is where it says nothing of such a date, or more than one thing. Changes the tree of `names`.

    >>> from txt2sql.sql.names import resolve
    >>> from txt2sql.types import Schema, Table
    >>> schema = Schema("s", (Table("sales", (Column("day", samples=("2024-05-01",)),)),))
    >>> hint = ValueMatch("sales", "day", "", "since yesterday", condition="day >= date('now', '-1 day')")
    >>> as_of_today(resolve("SELECT COUNT(*) FROM sales WHERE day = '2019-01-01'", schema), [hint])
    "SELECT COUNT(*) FROM sales WHERE day >= DATE('now', '-1 day')"
    """
    if names.tree is None:
        return names.sql
    hints = [match for match in matches if "'now'" in match.condition]
    changed = _in_years(names)
    if len(hints) == 1:
        changed = _as_hinted(names, hints[0]) or changed
    return str(names.tree.sql(dialect="sqlite")) if changed else names.sql


def _as_hinted(names: Names, hint: ValueMatch) -> bool:
    place = (hint.table.lower(), hint.column.lower())
    dated = [each for each in _dated(names) if each[0] == place] or list(_dated(names))
    comparisons = [node for _, node, _ in dated]
    # One thing is said of one column: the comparisons are of one condition.
    if (
        len({where for where, *_ in dated}) != 1
        or len({id(_whole(node)) for node in comparisons}) != 1
    ):
        return False
    column = dated[0][2]
    condition = sqlglot.parse_one(hint.condition, read="sqlite")
    for each in list(condition.find_all(exp.Column)):
        each.replace(column.copy()) if each is not condition else None
    first, *others = comparisons
    for node in others:
        parent = node.parent
        assert parent is not None
        parent.replace(parent.expression if node is parent.this else parent.this)
    first.replace(condition)
    return True


def _dated(names: Names) -> Iterator[tuple[tuple[str, str], exp.Expression, exp.Column]]:
    """The comparisons of a column of dates with a date: table and column, comparison, and the column in it."""
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
        literal = comparison.find(exp.Literal, exp.CurrentDate, exp.CurrentTimestamp)
        negated = isinstance(comparison.parent, (exp.Not, exp.Or))
        if literal is not None and not comparison.find(exp.Query) and not negated:
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
        if (
            len(births) != 1
            or None in sides
            or not any(w in births[0].name.lower() for w in _BIRTH)
        ):
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


def _day(node: exp.Expression) -> exp.Expression | None:
    """What JULIANDAY is called with: a column, or the present."""
    if not isinstance(node, exp.Anonymous) or node.name.upper() != "JULIANDAY":
        return None
    (argument, *rest) = node.expressions or (None,)
    if rest or isinstance(argument, (exp.Column, exp.CurrentDate, exp.CurrentTimestamp)):
        return None if rest else argument
    literal = isinstance(argument, exp.Literal) and argument.this == "now"
    return argument if literal else None

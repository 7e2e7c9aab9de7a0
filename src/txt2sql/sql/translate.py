"""SQLite's SQL -> the SQL of another engine, with the same rows: translation between dialects.

sqlglot knows each grammar and most functions; what it cannot know is the schema. So names are spelled
as the schema has them, and each rule of RULES mends one thing that SQLite lets pass and others do not,
or answer differently: comparisons of unlike types, LIKE without case, whole-number division, columns
beside an aggregate, text in double quotes. A rule is a function in rewrite_*.py.

>>> translate("SELECT name FROM shops WHERE city LIKE 'lis%'", schema)  # doctest: +SKIP
"SELECT name FROM shops WHERE city ILIKE 'lis%'"
"""

from __future__ import annotations

from collections.abc import Callable

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from txt2sql.sql import (
    rewrite_dates,
    rewrite_functions,
    rewrite_grouping,
    rewrite_names,
    rewrite_types,
)
from txt2sql.sql.resolve import Node, Resolver
from txt2sql.types import Schema

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
    rewrite_types.branches,
    rewrite_types.comparisons,
    rewrite_types.conditions,
    rewrite_types.patterns,
    rewrite_types.backslashes,
    rewrite_types.division,
    rewrite_grouping.columns_beside_aggregates,
    rewrite_grouping.order_of_distinct_rows,
    rewrite_grouping.order_of_counts,
    rewrite_grouping.limits,
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

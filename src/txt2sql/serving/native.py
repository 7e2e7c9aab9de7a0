"""What a model wrote, run in the dialect of the database that it was asked about.

The intermediate representation stands for SQLite's SQL, so it is translated for every other engine. A
model that writes SQL text is asked for the engine's own; where that fails, it may have written what it
learnt, SQLite's, after all, and the translation is tried.

>>> run_native(database, schema, "SELECT name FROM shop WHERE city LIKE 'lis%'", "compact")  # doctest: +SKIP
("SELECT name FROM shop WHERE city ILIKE 'lis%'", QueryResult(...))
"""

from __future__ import annotations

from txt2sql.execution.database import Database
from txt2sql.execution.execute import DEFAULT_LIMITS, Limits, execute
from txt2sql.execution.remote import UrlDatabase
from txt2sql.types import QueryResult, Schema


def run_native(
    database: Database | UrlDatabase,
    schema: Schema,
    sql: str,
    style: str,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[str, QueryResult]:
    """The statement that was run, and what it gave. `style` is the prompt style of the model."""
    if schema.dialect == "sqlite":
        return sql, execute(database, sql, limits)
    from txt2sql.sql.translate import translate

    translated = translate(sql, schema)
    if style == "compact":
        return translated, execute(database, translated, limits)
    result = execute(database, sql, limits)
    if result.ok or translated == sql:
        return sql, result
    second = execute(database, translated, limits)
    return (translated, second) if second.ok else (sql, result)

"""What a model wrote, run in the dialect of the database that it was asked about.

Every model writes SQLite's SQL, whatever the engine: it is translated for all others. SQL that a person
typed is not: it is run as it is (serving/backend.py).

>>> run_native(database, schema, "SELECT name FROM shop WHERE city LIKE 'lis%'")  # doctest: +SKIP
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
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[str, QueryResult]:
    """The statement that was run, and what it gave."""
    sql = native(sql, schema)
    return sql, execute(database, sql, limits)


def native(sql: str, schema: Schema) -> str:
    """A model's statement in the dialect of its database."""
    if schema.dialect == "sqlite":
        return sql
    from txt2sql.sql.translate import translate

    return translate(sql, schema)

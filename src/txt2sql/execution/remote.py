"""Databases behind a URL: PostgreSQL, MySQL and MariaDB through SQLAlchemy, DuckDB by its own driver.

SQLAlchemy says how its dialect's driver is to be called for a URL and describes the schema (Inspector).
Statements run elsewhere, in a worker process that holds one connection (engines/process.py), because
a deadline, a memory limit and a Stop need a process that can be ended.

>>> database = open_url("postgresql://reader@db.example/shop")  # doctest: +SKIP
>>> run(database, "SELECT count(*) FROM sale", Limits()).rows  # doctest: +SKIP
((3,),)
>>> database.schema().tables[0].name  # doctest: +SKIP
'sale'
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

from txt2sql.errors import DatabaseError
from txt2sql.execution import pool
from txt2sql.execution.address import ENGINES, Address, Engine, parse_address, sqlalchemy_url
from txt2sql.execution.columns import (
    SAMPLE_CHARS,
    SAMPLED_ROWS,
    column_class,
    described_table,
)
from txt2sql.execution.keys import INFERENCE_S, SCANNED_ROWS, SqlReader, infer_keys
from txt2sql.execution.pool import DEFAULT_LIMITS, Limits, Program
from txt2sql.identifiers import quote_identifier
from txt2sql.types import ForeignKey, QueryResult, Row, Schema, Table

READING = Limits(timeout_s=5.0, max_result_bytes=16_000_000)
"""What a statement of ours may use that reads the content."""
_CONNECTING_S = 25.0
"""How long a process may take for connecting and asking what may be called, beside the statement."""


@dataclass(frozen=True, slots=True)
class UrlDatabase:
    """One database behind a URL; `tables`, when given, are the only ones that `schema` describes."""

    address: Address
    db_id: str
    tables: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it is, without what is secret."""
        return self.address.place

    @property
    def engine(self) -> Engine:
        return ENGINES[self.address.engine]

    @property
    def dialect(self) -> str:
        """sqlglot's name of its SQL."""
        return self.engine.dialect

    def quote(self, name: str) -> str:
        """The name as an SQL identifier of the engine."""
        mark = "`" if self.address.engine == "mysql" else '"'
        return mark + name.replace(mark, mark * 2) + mark

    def spell(self, name: str) -> str:
        """The name as a person would write it: quoted only where it has to be."""
        folds = self.address.engine == "postgresql" and name != name.lower()
        return name if quote_identifier(name) == name and not folds else self.quote(name)

    def rows(self, sql: str, limits: Limits = READING) -> tuple[Row, ...]:
        """The rows of a statement of ours; none where it fails."""
        return run(self, sql, limits, trusted=True).rows

    def schema(self, infer: bool = True) -> Schema:
        """Tables, columns, types, keys, comments and sample values."""
        return introspect(self, infer)


def open_url(url: str, db_id: str | None = None) -> UrlDatabase:
    """Check that there is a database that answers and return it."""
    address = parse_address(url)
    if address is None or address.engine not in ENGINES:
        raise DatabaseError("this is no URL of a database; write postgresql://user@host/name")
    engine = ENGINES[address.engine]
    missing = [name for name in engine.packages if find_spec(name) is None]
    if missing:
        raise DatabaseError(
            f"{engine.title} needs {' and '.join(missing)}, which are not installed; "
            f'run: pip install "txt2sql[{engine.extra}]"'
        )
    name = os.path.basename(address.name.rstrip("/")).removesuffix(".duckdb")
    database = UrlDatabase(address, name if db_id is None else db_id)
    answer = run(database, "SELECT 1", trusted=True)
    if answer.error is not None:
        raise DatabaseError(f"cannot use '{database.place}': {answer.error}")
    return database


def run(
    database: UrlDatabase, sql: str, limits: Limits = DEFAULT_LIMITS, trusted: bool = False
) -> QueryResult:
    """Run one statement; every failure of it is `error`. A `trusted` one is sent without a look at
    what it calls: only for statements of our own.
    """
    address = database.address
    sizes = (limits.max_rows, limits.max_result_bytes, limits.max_cell_bytes)
    request = (driver_options(address), sql, limits.timeout_s, *sizes, trusted)
    answer = pool.ask(_program(address), limits.max_memory_bytes, limits.timeout_s, request)
    if answer.error is not None:
        answer = answer._replace(error=address.without_secrets(answer.error))
    return QueryResult(answer.columns, tuple(answer.rows()), *answer[2:6])


@lru_cache(maxsize=64)
def _program(address: Address) -> Program:
    return pool.program(
        "txt2sql.execution.engines.process.serve",
        address.engine,
        # The URL does not stand in the arguments, which other users can see.
        state=hashlib.sha256(address.url.encode("utf-8", "surrogateescape")).hexdigest(),
        cancels=address.engine != "duckdb",
        patience_s=_CONNECTING_S,
    )


@lru_cache(maxsize=64)
def driver_options(address: Address) -> Mapping[str, Any]:
    """What the driver is to be called with."""
    if address.engine == "duckdb":
        return {"path": os.path.abspath(address.name)}
    url = sqlalchemy_url(address)
    _, options = url.get_dialect()().create_connect_args(url)
    return dict(options)


# ------------------------------------------------------------------------------------------ schema

_SAMPLING = Limits(timeout_s=1.0, max_rows=SAMPLED_ROWS, max_result_bytes=4_000_000)
_CATALOGUE = Limits(timeout_s=30.0, max_rows=500_000, max_result_bytes=64_000_000)
_CONNECT_TIMEOUT_S = 10
_DECORATION = re.compile(r" (?:CHARACTER SET|COLLATE)\b.*", re.IGNORECASE)
_BINARY = ("BYTEA", "BLOB", "BINARY", "BIT(", "GEOMETRY", "TSVECTOR")
_OTHER = ("JSON", "STRUCT", "MAP(", "POINT", "RANGE", "UNION(", "LIST", "[]", "ARRAY", *_BINARY)


class _Described(NamedTuple):
    """One table as the catalogue has it: columns as (name, declared type, comment)."""

    name: str
    columns: Sequence[tuple[str, str, str]]
    key: Sequence[str]
    comment: str


def introspect(database: UrlDatabase, infer: bool = True) -> Schema:
    """Describe the database: all of its tables and views, or the ones that `database.tables` names.

    Inferred keys follow the declared ones.
    """
    describe = _describe_duckdb if database.address.engine == "duckdb" else _describe_server
    described, keys = describe(database)
    wanted = {name.lower() for name in database.tables}
    tables = tuple(
        described_table(
            table.name,
            table.columns,
            table.key,
            _sample_cells(database, table),
            declared_class,
            table.comment,
        )
        for table in described
        if not wanted or table.name.lower() in wanted
    )
    declared = tuple(_known(keys, tables))
    schema = Schema(database.db_id, tables, declared, dialect=database.dialect)
    inferred = _inferred_keys(database, schema) if infer else ()
    return replace(schema, foreign_keys=(*declared, *inferred))


_STORED = {
    "postgresql": "table_schema = current_schema()",
    "mysql": "table_schema = DATABASE()",
    "duckdb": "table_schema = current_schema() AND table_catalog = current_database()",
}


@lru_cache(maxsize=32)
def _inferred_keys(database: UrlDatabase, schema: Schema) -> tuple[ForeignKey, ...]:
    """Inferred once for what the schema and its sample values are."""

    limits = Limits(timeout_s=INFERENCE_S / 2, max_rows=SCANNED_ROWS)

    def query(sql: str) -> tuple[Row, ...] | None:
        answer = run(database, sql, _CATALOGUE if sql == stored else limits, trusted=True)
        return None if answer.error is not None or answer.truncated else answer.rows

    stored = (
        "SELECT table_name FROM information_schema.tables "
        f"WHERE table_type = 'BASE TABLE' AND {_STORED[database.address.engine]}"
    )
    reader = SqlReader(query, database.quote, stored, INFERENCE_S)
    return infer_keys(schema, reader)


def declared_class(declared: str) -> str:
    """Spider's class of a type as servers declare them.

    >>> declared_class("INTERVAL"), declared_class("TINYINT(1)"), declared_class("INTEGER[]")
    ('time', 'boolean', 'other')
    """
    name = declared.upper()
    if any(part in name for part in _OTHER):
        return "other"
    if name.startswith("INTERVAL"):
        return "time"
    if name == "TINYINT(1)":
        return "boolean"
    if name in ("UUID", "INET", "CIDR", "MACADDR", "CITEXT") or name.startswith(("ENUM", "SET(")):
        return "text"
    return column_class(declared)


def _known(keys: Sequence[ForeignKey], tables: Sequence[Table]) -> Iterator[ForeignKey]:
    """The keys whose both ends are described, each once."""
    by_name = {table.name: table for table in tables}
    for key in dict.fromkeys(keys):
        ends = ((key.table, key.column), (key.referenced_table, key.referenced_column))
        if all(name in by_name and by_name[name].column(column) for name, column in ends):
            yield key


# --------------------------------------------------------------------------------------- samples


def _sample_cells(database: UrlDatabase, described: _Described) -> list[list[str]]:
    """For each column, the non-empty cells of the first rows; none where they cannot be read."""
    readable = [
        (name, not any(part in declared.upper() for part in _BINARY))
        for name, declared, _ in described.columns
    ]
    cells: list[list[str]] = [[] for _ in readable]
    kind = "CHAR" if database.address.engine == "mysql" else "VARCHAR"
    texts = ", ".join(
        f"SUBSTR(CAST({database.quote(name)} AS {kind}), 1, {SAMPLE_CHARS})" if can else "NULL"
        for name, can in readable
    )
    sql = f"SELECT {texts} FROM {database.quote(described.name)} LIMIT {SAMPLED_ROWS}"
    for row in database.rows(sql, _SAMPLING):
        for column, value in zip(cells, row, strict=True):
            if value not in (None, ""):
                column.append(str(value))
    return cells


# --------------------------------------------------------------------------- PostgreSQL and MySQL


@contextmanager
def server_connection(address: Address) -> Iterator[Any]:
    """A SQLAlchemy connection in a read-only session; DatabaseError where that fails."""
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    engine = sqlalchemy.create_engine(
        sqlalchemy_url(address),
        poolclass=sqlalchemy.NullPool,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_S},
        hide_parameters=True,
    )
    characteristics = "CHARACTERISTICS AS " if address.engine == "postgresql" else ""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET SESSION {characteristics}TRANSACTION READ ONLY")
            connection.rollback() if address.engine == "mysql" else connection.commit()
            yield connection
    except SQLAlchemyError as problem:
        cause = " ".join(str(getattr(problem, "orig", None) or problem).split())
        raise DatabaseError(
            f"cannot read '{address.place}' ({address.without_secrets(cause)})"
        ) from None
    finally:
        engine.dispose()


def _describe_server(database: UrlDatabase) -> tuple[list[_Described], list[ForeignKey]]:
    with server_connection(database.address) as connection:
        from sqlalchemy import inspect
        from sqlalchemy.engine.reflection import ObjectKind

        inspector = inspect(connection)
        everything: dict[str, Any] = {"kind": ObjectKind.ANY}
        columns = inspector.get_multi_columns(**everything)
        keys = inspector.get_multi_pk_constraint(**everything)
        links = inspector.get_multi_foreign_keys(**everything)
        comments = inspector.get_multi_table_comment(**everything)
        hidden = _partitions(connection) if database.address.engine == "postgresql" else set()
        spell = _spelling(connection)
    described = [
        _Described(
            place[1],
            [(c["name"], spell(c["type"]), c.get("comment") or "") for c in details],
            (keys.get(place) or {}).get("constrained_columns") or (),
            (comments.get(place) or {}).get("text") or "",
        )
        for place, details in sorted(columns.items(), key=lambda item: str(item[0][1]))
        if place[1] not in hidden
    ]
    foreign: list[ForeignKey] = []
    constraint = 0
    for place, details in sorted(links.items(), key=lambda item: str(item[0][1])):
        for link in details:
            if link["referred_schema"] is not None:
                continue
            ends = list(zip(link["constrained_columns"], link["referred_columns"], strict=True))
            constraint += len(ends) > 1
            foreign += [
                ForeignKey(
                    place[1],
                    column,
                    link["referred_table"],
                    referenced,
                    constraint=constraint if len(ends) > 1 else 0,
                )
                for column, referenced in ends
            ]
    return described, foreign


def _spelling(connection: Any) -> Callable[[Any], str]:
    """A type of SQLAlchemy -> its declaration; "" for one it does not know."""

    def spell(kind: Any) -> str:
        from sqlalchemy.exc import CompileError

        try:
            return _DECORATION.sub("", kind.compile(connection.dialect))
        except CompileError:
            return ""

    return spell


def _partitions(connection: Any) -> set[str]:
    """The tables that are parts of another one, which is described in their place."""
    rows = connection.exec_driver_sql(
        "SELECT relname FROM pg_catalog.pg_class WHERE relispartition"
    )
    return {name for (name,) in rows}


# ------------------------------------------------------------------------------------------ DuckDB


_HERE = "database_name = current_database() AND schema_name = current_schema()"
_COLUMNS = f"""
SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
WHERE {_HERE} AND NOT internal ORDER BY table_name, column_index
"""
_COMMENTS = f"""
SELECT table_name, comment FROM duckdb_tables() WHERE {_HERE} AND comment IS NOT NULL
UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE {_HERE} AND comment IS NOT NULL
"""
_KEYS = f"""
SELECT table_name, constraint_type, unnest(constraint_column_names), referenced_table,
unnest(referenced_column_names), CASE WHEN len(constraint_column_names) > 1
THEN 1 + dense_rank() OVER (ORDER BY table_name, constraint_index) ELSE 0 END FROM duckdb_constraints()
WHERE {_HERE} AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') ORDER BY constraint_index
"""


def _describe_duckdb(database: UrlDatabase) -> tuple[list[_Described], list[ForeignKey]]:
    def ask(sql: str) -> tuple[tuple[Any, ...], ...]:
        answer = run(database, sql, _CATALOGUE, trusted=True)
        if answer.error is not None:
            raise DatabaseError(f"cannot read '{database.place}' ({answer.error})")
        return answer.rows

    comments = dict(ask(_COMMENTS))
    columns: dict[str, list[tuple[str, str, str]]] = {}
    for table, column, declared, comment in ask(_COLUMNS):
        columns.setdefault(table, []).append((column, declared, comment or ""))
    primary: dict[str, list[str]] = {}
    foreign: list[ForeignKey] = []
    for table, kind, column, other, referenced, constraint in ask(_KEYS):
        if kind == "PRIMARY KEY":
            primary.setdefault(table, []).append(column)
        else:
            key = ForeignKey(table, column, other, referenced, constraint=constraint)
            foreign.append(key)
    described = [
        _Described(name, details, primary.get(name, ()), comments.get(name) or "")
        for name, details in columns.items()
    ]
    return described, foreign

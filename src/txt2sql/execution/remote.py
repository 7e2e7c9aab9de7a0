"""Databases behind a URL: PostgreSQL, MySQL and MariaDB through SQLAlchemy, DuckDB by its own driver.

A URL is taken apart so that what may be shown is never what is secret (RFC 1738 with a driver in the
scheme, which is ours to choose); here, because DuckDB needs no SQLAlchemy. SQLAlchemy says how its
dialect's driver is to be called and describes the schema (Inspector). Statements run in a worker process
that holds one connection (engines/process.py).

>>> parse_address("postgresql://ann:s3cret@db.example/shop?sslmode=require")
Address(engine='postgresql', place='postgresql://ann@db.example/shop')
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from txt2sql.errors import DatabaseError
from txt2sql.execution import pool
from txt2sql.execution.columns import SAMPLED_ROWS, column_class, described_table
from txt2sql.execution.keys import INFERENCE_S, SCANNED_ROWS, SqlReader, infer_keys
from txt2sql.execution.pool import DEFAULT_LIMITS, Limits, Program
from txt2sql.identifiers import quote_identifier
from txt2sql.sql.stored_texts import SAMPLE_CHARS
from txt2sql.types import ForeignKey, QueryResult, Row, Schema

_SCHEMES = {name: name for name in ("postgresql", "mysql", "duckdb", "sqlite")}
_SCHEMES |= {"postgres": "postgresql", "mariadb": "mysql"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9]+)(?:\+[A-Za-z0-9_]+)?:/")
# A password ends at the first @, as SQLAlchemy has it.
_URL = re.compile(
    r"[^:]+://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<host>\[[^\]/]*\]|[^:/?@]*)(?::(?P<port>[^/?]*))?(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_ENCODED = "write special characters of a password percent-encoded (@ as %40, / as %2F)"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. `place` is what may be shown; `url` may hold a password and never is. `name` is the
    database on its server, or the path of its file."""

    engine: str
    place: str
    url: str = field(repr=False)
    name: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def without_secrets(self, text: str) -> str:
        """The text, with *** where it held the password."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def is_url(text: str) -> bool:
    """True when the text is meant as a URL, also where `Path` has folded its two slashes into one."""
    return _SCHEME.match(text) is not None


def parse_address(text: str) -> Address | None:
    """The address, or None when the text is no URL. DatabaseError: a URL that is not understood."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    engine = _SCHEMES.get(scheme[1].lower())
    if engine is None:
        schemes = ", ".join(sorted(f"{name}://" for name in _SCHEMES))
        raise DatabaseError(f"no engine for '{scheme[1]}://'; a database URL begins with {schemes}")
    parts = _URL.fullmatch(text)
    if parts is None or not (parts["name"] or "").strip("/"):
        example = "duckdb:///shop.duckdb" if engine == "duckdb" else f"{engine}://user@host/name"
        raise DatabaseError(
            f"the database URL is not complete; write it like {example}, {_ENCODED[6:]}"
        )
    if parts["port"] and not parts["port"].isdigit():
        raise DatabaseError(f"the port in the database URL is not a number; {_ENCODED}")
    if engine in ("duckdb", "sqlite"):
        name = unquote(parts["name"])
        return Address(engine, f"{engine}:///{name}", text, name)
    if "@" in parts["name"]:  # what looks like a host and a port may be a user and a password
        raise DatabaseError(f"there is an @ after the first / of the database URL; {_ENCODED}")
    user = f"{parts['user']}@" if parts["user"] else ""
    port = f":{parts['port']}" if parts["port"] else ""
    place = f"{engine}://{user}{parts['host']}{port}/{parts['name']}"
    return Address(engine, place, text, unquote(parts["name"]), _secrets(parts))


def _secrets(parts: re.Match[str]) -> tuple[str, ...]:
    """The password as written and as meant, and every option that is called one, longest first."""
    values = {parts["password"] or ""}
    for name, value in parse_qsl(parts["query"] or ""):
        if "password" in name.lower() or "passwd" in name.lower():
            values.add(value)
    values |= {unquote(value) for value in values}
    return tuple(sorted(values - {""}, key=len, reverse=True))


class Engine(NamedTuple):
    """One engine beside SQLite. `dialect` is sqlglot's name of its SQL; `packages` are what it needs,
    which `pip install "txt2sql[extra]"` brings."""

    title: str
    dialect: str
    extra: str
    packages: tuple[str, ...]
    driver: str = ""
    """SQLAlchemy's name of dialect and driver."""


ENGINES: dict[str, Engine] = {
    "postgresql": Engine(
        "PostgreSQL", "postgres", "postgres", ("sqlalchemy", "psycopg"), "postgresql+psycopg"
    ),
    "mysql": Engine("MySQL", "mysql", "mysql", ("sqlalchemy", "pymysql"), "mysql+pymysql"),
    "duckdb": Engine("DuckDB", "duckdb", "duckdb", ("duckdb",)),
}


def sqlalchemy_url(address: Address) -> Any:
    """The URL as SQLAlchemy has it, with the driver that we use."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address.url)
    except (ArgumentError, ValueError):  # whose text may quote the URL
        sentence = f"the URL of '{address.place}' is not understood; {_ENCODED}"
        raise DatabaseError(sentence) from None
    return url.set(drivername=ENGINES[address.engine].driver)


# ------------------------------------------------------------------------------------- databases

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
        """Tables, columns, types, keys, comments and sample values; inferred keys follow the declared."""
        return _introspect(self, infer)


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
    return QueryResult(answer.columns, tuple(answer.rows()), *answer[2:])


@lru_cache(maxsize=64)
def _program(address: Address) -> Program:
    code = (  # what it may import is what we can
        f"import sys; sys.path[:] = {sys.path!r}; from txt2sql.execution.engines.process import serve; "
        f"serve({address.engine!r}, int(sys.argv[1]))"
    )
    return Program(
        ("-c", code),
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


def _introspect(database: UrlDatabase, infer: bool) -> Schema:
    describe = _describe_duckdb if database.address.engine == "duckdb" else _describe_server
    described, keys = describe(database)
    wanted = {name.lower() for name in database.tables}
    tables = tuple(
        described_table(*table[:3], _sample_cells(database, table), declared_class, table.comment)
        for table in described
        if not wanted or table.name.lower() in wanted
    )
    by_name = {table.name: table for table in tables}
    declared = tuple(
        key
        for key in dict.fromkeys(keys)
        if (child := by_name.get(key.table)) and child.column(key.column)
        if (parent := by_name.get(key.referenced_table)) and parent.column(key.referenced_column)
    )
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


# --------------------------------------------------------------------------------------- samples


def _sample_cells(database: UrlDatabase, described: _Described) -> list[list[str | None]]:
    """For each column, the cells of the first rows; none where they cannot be read."""
    readable = [
        (name, not any(part in declared.upper() for part in _BINARY))
        for name, declared, _ in described.columns
    ]
    cells: list[list[str | None]] = [[] for _ in readable]
    kind = "CHAR" if database.address.engine == "mysql" else "VARCHAR"
    texts = ", ".join(
        f"SUBSTR(CAST({database.quote(name)} AS {kind}), 1, {SAMPLE_CHARS})" if can else "NULL"
        for name, can in readable
    )
    sql = f"SELECT {texts} FROM {database.quote(described.name)} LIMIT {SAMPLED_ROWS}"
    for row in database.rows(sql, _SAMPLING):
        for column, value in zip(cells, row, strict=True):
            column.append(None if value is None else str(value))
    return cells


# --------------------------------------------------------------------------- PostgreSQL and MySQL


@contextmanager
def _server_connection(address: Address) -> Iterator[Any]:
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
    with _server_connection(database.address) as connection:
        from sqlalchemy import inspect
        from sqlalchemy.engine.reflection import ObjectKind
        from sqlalchemy.exc import CompileError

        inspector = inspect(connection)
        everything: dict[str, Any] = {"kind": ObjectKind.ANY}
        columns = inspector.get_multi_columns(**everything)
        keys = inspector.get_multi_pk_constraint(**everything)
        links = inspector.get_multi_foreign_keys(**everything)
        comments = inspector.get_multi_table_comment(**everything)
        hidden: set[str] = set()
        if database.address.engine == "postgresql":  # parts of a table that is described as a whole
            parts = "SELECT relname FROM pg_catalog.pg_class WHERE relispartition"
            hidden = {name for (name,) in connection.exec_driver_sql(parts)}
        dialect = connection.dialect

    def spell(kind: Any) -> str:
        with suppress(CompileError):  # a type that SQLAlchemy does not know
            return _DECORATION.sub("", kind.compile(dialect))
        return ""

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
            number = constraint if len(ends) > 1 else 0
            foreign += [
                ForeignKey(place[1], column, link["referred_table"], referenced, constraint=number)
                for column, referenced in ends
            ]
    return described, foreign


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
            foreign.append(ForeignKey(table, column, other, referenced, constraint=constraint))
    described = [
        _Described(name, details, primary.get(name, ()), comments.get(name) or "")
        for name, details in columns.items()
    ]
    return described, foreign

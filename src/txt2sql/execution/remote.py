"""Databases behind a URL: PostgreSQL, MySQL and MariaDB through SQLAlchemy, DuckDB by its own driver.

SQLAlchemy says how its dialect's driver is to be called for a URL and describes the schema (Inspector).
Statements run elsewhere, in a worker process that holds one connection (engines/process.py), because
a deadline, a memory limit and a Stop need a process that can be ended.

A URL is taken apart so that what may be shown is never what is secret. The URLs are SQLAlchemy's (RFC
1738 with a driver in the scheme, which is ours to choose), read here because DuckDB needs no SQLAlchemy.

>>> parse_address("postgresql://ann:s3cret@db.example/shop?sslmode=require")
Address(engine='postgresql', place='postgresql://ann@db.example/shop')
>>> database = open_url("postgresql://reader@db.example/shop")  # doctest: +SKIP
>>> run(database, "SELECT count(*) FROM sale", Limits()).rows  # doctest: +SKIP
((3,),)
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from txt2sql.errors import DatabaseError
from txt2sql.execution import pool
from txt2sql.execution.pool import DEFAULT_LIMITS, Limits, Program
from txt2sql.identifiers import quote_identifier
from txt2sql.types import QueryResult, Row, Schema

# ------------------------------------------------------------------------------------ addresses

_SCHEMES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "duckdb": "duckdb",
    "sqlite": "sqlite",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9]+)(?:\+[A-Za-z0-9_]+)?:/")
# A password ends at the first @, as SQLAlchemy has it.
_URL = re.compile(
    r"[^:]+://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<host>\[[^\]/]*\]|[^:/?@]*)(?::(?P<port>[^/?]*))?(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. `place` is what may be shown; `url` may hold a password and never is.

    `name` is the database on its server, or the path of its file.
    """

    engine: str
    place: str
    url: str = field(repr=False)
    name: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def without_secrets(self, text: str) -> str:
        """The text, with *** where it held the password."""
        for secret in self.secrets:
            text = text.replace(secret, _HIDDEN)
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
            f"the database URL is not complete; write it like {example}, special characters of a "
            "password percent-encoded (@ as %40, / as %2F)"
        )
    if parts["port"] and not parts["port"].isdigit():
        raise DatabaseError(
            "the port in the database URL is not a number; write special characters of a password "
            "percent-encoded (@ as %40, / as %2F)"
        )
    if engine in ("duckdb", "sqlite"):
        name = unquote(parts["name"])
        return Address(engine, f"{engine}:///{name}", text, name)
    if "@" in parts["name"]:  # what looks like a host and a port may be a user and a password
        raise DatabaseError(
            "there is an @ after the first / of the database URL; write special characters of a "
            "password or a name percent-encoded (@ as %40, / as %2F)"
        )
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


# -------------------------------------------------------------------------------------- engines


class Engine(NamedTuple):
    """One engine beside SQLite. `dialect` is sqlglot's name of its SQL; `packages` are what it needs,
    which `pip install "txt2sql[extra]"` brings."""

    title: str
    dialect: str
    extra: str
    packages: tuple[str, ...]
    driver: str = ""
    """SQLAlchemy's name of dialect and driver."""


READING = Limits(timeout_s=5.0, max_result_bytes=16_000_000)
"""What a statement of ours may use that reads the content."""
_CONNECTING_S = 25.0
"""How long a process may take for connecting and asking what may be called, beside the statement."""

ENGINES: dict[str, Engine] = {
    "postgresql": Engine(
        "PostgreSQL", "postgres", "postgres", ("sqlalchemy", "psycopg"), "postgresql+psycopg"
    ),
    "mysql": Engine("MySQL", "mysql", "mysql", ("sqlalchemy", "pymysql"), "mysql+pymysql"),
    "duckdb": Engine("DuckDB", "duckdb", "duckdb", ("duckdb",)),
}


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
        from txt2sql.execution.introspect import introspect

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


def sqlalchemy_url(address: Address) -> Any:
    """The URL as SQLAlchemy has it, with the driver that we use."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address.url)
    except (ArgumentError, ValueError):  # whose text may quote the URL
        raise DatabaseError(
            f"the URL of '{address.place}' is not understood; write special characters of the "
            "password percent-encoded (@ as %40, / as %2F)"
        ) from None
    return url.set(drivername=ENGINES[address.engine].driver)

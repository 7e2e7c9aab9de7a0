"""What a connection is and what would make it safer: the findings behind `txt2sql doctor`.

Nothing is changed to find out. What a role could do is read from the catalogue of its server; that
our own session cannot is shown by asking it to. A danger makes a database unsafe to use through a
model, whatever we keep out; an advice names what is one wall fewer.

>>> examine(open_database("shop.sqlite")).safe  # doctest: +SKIP
True
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.execution.database import Database
from txt2sql.execution.descriptions import described_schema
from txt2sql.execution.execute import execute
from txt2sql.execution.remote import UrlDatabase, driver_options, run
from txt2sql.types import ForeignKey, Schema

OK, ADVICE, DANGER = "ok", "advice", "danger"
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
_REPORT = "report this as a bug of txt2sql"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen. `level` is ok, advice or danger; `mend` says what to do about it."""

    level: str
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """A database as it presents itself, and what was found."""

    place: str
    engine: str
    version: str
    role: str
    tables: int
    findings: tuple[Finding, ...]
    inferred_keys: tuple[ForeignKey, ...] = ()
    """Foreign keys that nobody declared."""

    @property
    def safe(self) -> bool:
        """True when nothing is dangerous."""
        return all(finding.level != DANGER for finding in self.findings)


def examine(database: Database | UrlDatabase, descriptions: Path | None = None) -> Examination:
    """Look at the database as a question would meet it. Raises DatabaseError when it cannot be read,
    and ConfigError where `descriptions` of its columns cannot.
    """
    schema, strangers = described_schema(database.schema(), database, descriptions)
    if isinstance(database, Database):
        engine, version, role = "SQLite", sqlite3.sqlite_version, ""
        what = "the file is opened read-only, and every action is authorised one by one"
        findings = [Finding(OK, what), *_writable_file(str(database.path))]
    else:
        catalogue = _Catalogue(database)
        examiner = {"postgresql": _postgresql, "mysql": _mysql, "duckdb": _duckdb}
        engine, version, role, *findings = examiner[database.address.engine](catalogue)
        findings = [*_own_walls(database, schema), *findings]
    return Examination(
        place=database.place,
        engine=engine,
        version=version,
        role=role,
        tables=len(schema.tables),
        findings=(*findings, *_meanings(schema, strangers)),
        inferred_keys=tuple(key for key in schema.foreign_keys if key.inferred),
    )


def _meanings(schema: Schema, strangers: str) -> Iterator[Finding]:
    columns = [column for table in schema.tables for column in table.columns]
    if described := sum(bool(column.comment) for column in columns):
        yield Finding(OK, f"{described} of {len(columns)} columns are described")
    if strangers:
        yield Finding(ADVICE, strangers, "correct the names in the file")


def _own_walls(database: UrlDatabase, schema: Schema) -> Iterator[Finding]:
    """Past our own check, a statement that writes has to fail at the engine."""
    if not schema.tables:
        mend = "grant it SELECT on the tables to ask about, or choose their schema in the URL"
        yield Finding(DANGER, "there is no table that the role can see", mend)
    if run(database, "CREATE TABLE txt2sql_doctor (a INTEGER)", trusted=True).error is None:
        yield Finding(DANGER, "the session can write", _REPORT)
    else:
        yield Finding(OK, "the session only reads: a write was refused by the engine")
    asleep = execute(database, "SELECT pg_sleep(9), sleep(9), sleep_ms(9)").error
    if asleep is None or not asleep.startswith("refused"):
        yield Finding(DANGER, "the session can sleep", _REPORT)
    else:
        yield Finding(OK, "functions that do more than compute are refused before they are sent")


def _writable_file(path: str) -> Iterator[Finding]:
    if os.access(path, os.W_OK):
        what = "you may write to the file, so only the engine keeps a question from doing so"
        yield Finding(ADVICE, what, f"chmod a-w '{path}', or ask as a user who may only read it")


class _Catalogue:
    """Answers of the catalogue; none where the role may not ask."""

    def __init__(self, database: UrlDatabase) -> None:
        self.database = database

    def rows(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        return run(self.database, sql, trusted=True).rows

    def one(self, sql: str) -> Any:
        """The first cell, or None."""
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def in_the_clear(self, encrypted: bool, option: str) -> Iterator[Finding]:
        host = str(driver_options(self.database.address).get("host", ""))
        if host not in _LOOPBACK and not host.startswith("/") and not encrypted:
            what = (
                "the connection to another machine is not encrypted: rows and password can be read"
            )
            yield Finding(DANGER, what, f"turn TLS on at the server and add {option} to the URL")


# -------------------------------------------------------------------------------------- PostgreSQL

_FLAGS = (
    ("rolcreaterole", "may create roles"),
    ("rolcreatedb", "may create databases"),
    ("rolreplication", "may replicate"),
    ("rolbypassrls", "bypasses row-level security"),
)
_POWERS = {
    "pg_execute_server_program": "run programs on the server",
    "pg_read_server_files": "read files of the server",
    "pg_write_server_files": "write files of the server",
    "pg_write_all_data": "write every table",
    "pg_signal_backend": "end the sessions of others",
}
_WRITABLE = (
    "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = "
    "current_schema()::regnamespace AND (has_table_privilege(oid, 'INSERT') OR "
    "has_table_privilege(oid, 'UPDATE') OR has_table_privilege(oid, 'DELETE'))"
)


def _postgresql(catalogue: _Catalogue) -> Iterator[Any]:
    version = str(catalogue.one("SELECT current_setting('server_version')") or "")
    yield from (
        "PostgreSQL",
        version.split(" ")[0],
        str(catalogue.one("SELECT current_user") or ""),
    )
    role = catalogue.one("SELECT quote_ident(current_user)")
    own = (
        "create a role for asking: CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA "
        "public TO reader; ALTER ROLE reader SET default_transaction_read_only = on"
    )
    mine = "FROM pg_roles WHERE rolname = current_user"
    if catalogue.one(f"SELECT rolsuper {mine}"):
        yield Finding(DANGER, f"the role {role} is a superuser", own)
    else:
        for flag, what in _FLAGS:
            if catalogue.one(f"SELECT {flag} {mine}"):
                yield Finding(ADVICE, f"the role {role} {what}", own)
        for power, what in _POWERS.items():
            member = (
                "SELECT pg_has_role(current_user, oid, 'member') FROM pg_roles WHERE rolname = "
            )
            if catalogue.one(f"{member}'{power}'"):
                yield Finding(DANGER, f"the role {role} may {what}", f"REVOKE {power} FROM {role}")
        if writable := catalogue.one(_WRITABLE):
            what = f"may write to {writable} tables; only the session keeps it from that"
            yield Finding(ADVICE, f"the role {role} {what}", own)
        if catalogue.one("SELECT has_schema_privilege(current_schema(), 'CREATE')"):
            mend = f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}"
            yield Finding(ADVICE, f"the role {role} may create tables", mend)
    if catalogue.one(f"SELECT rolconnlimit {mine}") == -1:
        what = "may open any number of connections and fill the disk with sorts"
        mend = (
            f"ALTER ROLE {role} CONNECTION LIMIT 20; ALTER ROLE {role} SET temp_file_limit = '1GB'"
        )
        yield Finding(ADVICE, f"the role {role} {what}", mend)
    encrypted = catalogue.one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    yield from catalogue.in_the_clear(bool(encrypted), "?sslmode=verify-full")


# ------------------------------------------------------------------------------- MySQL and MariaDB

_DANGEROUS_RIGHTS = ("SUPER", "FILE", "SHUTDOWN", "PROCESS", "CREATE USER", "ALL PRIVILEGES")
_WRITING_RIGHTS = frozenset(
    ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "ALL PRIVILEGES")
)


def _mysql(catalogue: _Catalogue) -> Iterator[Any]:
    version = str(catalogue.one("SELECT version()") or "")
    yield "MariaDB" if "mariadb" in version.lower() else "MySQL"
    yield from (version.split("-")[0], str(catalogue.one("SELECT current_user()") or ""))
    grants = [str(row[0]) for row in catalogue.rows("SHOW GRANTS")]
    name = str(catalogue.database.address.name).replace("`", "``")
    own = f"create a user for asking: CREATE USER reader; GRANT SELECT ON `{name}`.* TO reader"
    everywhere = {right for grant in grants if " ON *.* " in grant for right in _rights(grant)}
    dangerous = [right for right in _DANGEROUS_RIGHTS if right in everywhere]
    if dangerous:
        yield Finding(DANGER, f"the user has {', '.join(dangerous)} on the whole server", own)
    here = {right for grant in grants if " ON *.* " not in grant for right in _rights(grant)}
    if writing := (here | everywhere - {"ALL PRIVILEGES"}) & _WRITING_RIGHTS:
        what = (
            f"the user has {', '.join(sorted(writing))}; only the session keeps it from using them"
        )
        yield Finding(ADVICE, what, own)
    if not catalogue.one("SELECT @@max_user_connections") and not dangerous:
        mend = "ALTER USER reader WITH MAX_USER_CONNECTIONS 20"
        yield Finding(ADVICE, "the user may open any number of connections", mend)
    cipher = catalogue.rows("SHOW STATUS LIKE 'Ssl_cipher'")
    yield from catalogue.in_the_clear(bool(cipher and cipher[0][1]), "?ssl_verify_cert=true")


def _rights(grant: str) -> list[str]:
    """`GRANT SELECT, FILE ON *.* TO ...` -> [SELECT, FILE]."""
    listed = grant.partition(" ON ")[0].removeprefix("GRANT ")
    return [right.strip().upper().partition(" (")[0] for right in listed.split(",")]


# ------------------------------------------------------------------------------------------ DuckDB


def _duckdb(catalogue: _Catalogue) -> Iterator[Any]:
    yield from ("DuckDB", str(catalogue.one("SELECT version()") or "").lstrip("v"), "")
    closed = catalogue.one("SELECT current_setting('enable_external_access')")
    locked = catalogue.one("SELECT current_setting('lock_configuration')")
    if closed in (False, 0, "false") and locked in (True, 1, "true"):
        yield Finding(OK, "other files and the network are shut off, and the settings are locked")
    else:
        yield Finding(DANGER, "other files can be reached", _REPORT)
    yield from _writable_file(catalogue.database.address.name)

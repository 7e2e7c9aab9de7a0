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
from collections.abc import Callable, Iterator, Mapping
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
_WRITES = "CREATE TABLE txt2sql_doctor (a INTEGER)"


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
    tables = len(schema.tables)
    keys = tuple(key for key in schema.foreign_keys if key.inferred)
    meanings = list(_meanings(schema, strangers))
    if isinstance(database, Database):
        findings = (*_sqlite(database), *meanings)
        version = sqlite3.sqlite_version
        return Examination(database.place, "SQLite", version, "", tables, findings, keys)
    look = _EXAMINERS[database.address.engine]
    facts = _Facts(database)
    engine, version, role = look.describe(facts)
    found = [*_emptiness(tables), *_own_walls(database), *look.findings(facts), *meanings]
    return Examination(database.place, engine, version, role, tables, tuple(found), keys)


def _meanings(schema: Schema, strangers: str) -> Iterator[Finding]:
    columns = [column for table in schema.tables for column in table.columns]
    if described := sum(bool(column.comment) for column in columns):
        yield Finding(OK, f"{described} of {len(columns)} columns are described")
    if strangers:
        yield Finding(ADVICE, strangers, "correct the names in the file")


class _Facts:
    """Answers of the catalogue."""

    def __init__(self, database: UrlDatabase) -> None:
        self.database = database
        self.options: Mapping[str, Any] = driver_options(database.address)

    def rows(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        """The rows, or none where the role may not ask."""
        return run(self.database, sql, trusted=True).rows

    def one(self, sql: str) -> Any:
        """The first cell, or None."""
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    @property
    def remote(self) -> bool:
        """Whether the server is another machine."""
        host = str(self.options.get("host", ""))
        return host not in _LOOPBACK and not host.startswith("/")


def _emptiness(tables: int) -> Iterator[Finding]:
    if not tables:
        yield Finding(
            DANGER,
            "there is no table that the role can see",
            "grant it SELECT on the tables to ask about, or choose their schema in the URL",
        )


def _own_walls(database: UrlDatabase) -> Iterator[Finding]:
    """Past our own check, a statement that writes has to fail at the engine."""
    written = run(database, _WRITES, trusted=True)
    if written.error is None:
        yield Finding(DANGER, "the session can write", "report this as a bug of txt2sql")
    else:
        yield Finding(OK, "the session only reads: a write was refused by the engine")
    asleep = execute(database, "SELECT pg_sleep(9), sleep(9), sleep_ms(9)")
    if asleep.error is None or not asleep.error.startswith("refused"):
        yield Finding(DANGER, "the session can sleep", "report this as a bug of txt2sql")
    else:
        yield Finding(OK, "functions that do more than compute are refused before they are sent")


# ------------------------------------------------------------------------------------------ SQLite


def _sqlite(database: Database) -> Iterator[Finding]:
    yield Finding(OK, "the file is opened read-only, and every action is authorised one by one")
    if os.access(database.path, os.W_OK):
        yield Finding(
            ADVICE,
            "you may write to the file, so only the engine keeps a question from doing so",
            f"chmod a-w '{database.path}', or ask as a user who may only read it",
        )


# -------------------------------------------------------------------------------------- PostgreSQL


def _describe_postgresql(facts: _Facts) -> tuple[str, str, str]:
    version = str(facts.one("SELECT current_setting('server_version')") or "")
    return "PostgreSQL", version.split(" ")[0], str(facts.one("SELECT current_user") or "")


_POWERS = {
    "pg_execute_server_program": "run programs on the server",
    "pg_read_server_files": "read files of the server",
    "pg_write_server_files": "write files of the server",
    "pg_write_all_data": "write every table",
    "pg_signal_backend": "end the sessions of others",
}


def _postgresql(facts: _Facts) -> Iterator[Finding]:
    role = facts.one("SELECT quote_ident(current_user)")
    own = (
        "create a role for asking: CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA "
        "public TO reader; ALTER ROLE reader SET default_transaction_read_only = on"
    )
    flags = facts.rows(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
        "WHERE rolname = current_user"
    )
    superuser, roles, databases, replication, bypass = flags[0] if flags else (0,) * 5
    if superuser:
        yield Finding(DANGER, f"the role {role} is a superuser", own)
    powers = ((roles, "create roles"), (databases, "create databases"), (replication, "replicate"))
    able = [what for can, what in powers if can]
    if able and not superuser:
        yield Finding(ADVICE, f"the role {role} may {' and '.join(able)}", own)
    if bypass and not superuser:
        yield Finding(ADVICE, f"the role {role} bypasses row-level security", own)
    for power, what in _POWERS.items():
        member = f"SELECT pg_has_role(current_user, oid, 'member') FROM pg_roles WHERE rolname = '{power}'"
        if not superuser and facts.one(member):
            yield Finding(DANGER, f"the role {role} may {what}", f"REVOKE {power} FROM {role}")
    writable = facts.one(
        "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = "
        "current_schema()::regnamespace AND (has_table_privilege(oid, 'INSERT') OR "
        "has_table_privilege(oid, 'UPDATE') OR has_table_privilege(oid, 'DELETE'))"
    )
    if writable and not superuser:
        what = (
            f"the role {role} may write to {writable} tables; only the session keeps it from that"
        )
        yield Finding(ADVICE, what, own)
    if facts.one("SELECT has_schema_privilege(current_schema(), 'CREATE')") and not superuser:
        mend = f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}"
        yield Finding(ADVICE, f"the role {role} may create tables", mend)
    limit = facts.one("SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user")
    if limit == -1:
        yield Finding(
            ADVICE,
            f"the role {role} may open any number of connections and fill the disk with sorts",
            f"ALTER ROLE {role} CONNECTION LIMIT 20; ALTER ROLE {role} SET temp_file_limit = '1GB'",
        )
    encrypted = facts.one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    yield from _in_the_clear(facts, bool(encrypted), "?sslmode=verify-full")


def _in_the_clear(facts: _Facts, encrypted: bool, option: str) -> Iterator[Finding]:
    if facts.remote and not encrypted:
        yield Finding(
            DANGER,
            "the connection to another machine is not encrypted: rows and password can be read",
            f"turn TLS on at the server and add {option} to the URL",
        )


# ------------------------------------------------------------------------------- MySQL and MariaDB


def _describe_mysql(facts: _Facts) -> tuple[str, str, str]:
    version = str(facts.one("SELECT version()") or "")
    engine = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    return engine, version.split("-")[0], str(facts.one("SELECT current_user()") or "")


_DANGEROUS_RIGHTS = ("SUPER", "FILE", "SHUTDOWN", "PROCESS", "CREATE USER", "ALL PRIVILEGES")
_WRITING_RIGHTS = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER")


def _mysql(facts: _Facts) -> Iterator[Finding]:
    grants = [str(row[0]) for row in facts.rows("SHOW GRANTS")]
    name = str(facts.database.address.name).replace("`", "``")
    own = f"create a user for asking: CREATE USER reader; GRANT SELECT ON `{name}`.* TO reader"
    everywhere = [grant for grant in grants if " ON *.* " in grant]
    rights = {right for grant in everywhere for right in _rights(grant)}
    dangerous = [right for right in _DANGEROUS_RIGHTS if right in rights]
    if dangerous:
        yield Finding(DANGER, f"the user has {', '.join(dangerous)} on the whole server", own)
    writing = sorted(
        {
            right
            for grant in grants
            for right in _rights(grant)
            if right in _WRITING_RIGHTS or (right == "ALL PRIVILEGES" and grant not in everywhere)
        }
    )
    if writing:
        what = f"the user has {', '.join(writing)}; only the session keeps it from using them"
        yield Finding(ADVICE, what, own)
    limit = facts.one("SELECT @@max_user_connections")
    if not limit and not dangerous:
        mend = "ALTER USER reader WITH MAX_USER_CONNECTIONS 20"
        yield Finding(ADVICE, "the user may open any number of connections", mend)
    cipher = facts.rows("SHOW STATUS LIKE 'Ssl_cipher'")
    yield from _in_the_clear(facts, bool(cipher and cipher[0][1]), "?ssl_verify_cert=true")


def _rights(grant: str) -> list[str]:
    """`GRANT SELECT, FILE ON *.* TO ...` -> [SELECT, FILE]."""
    listed = grant.partition(" ON ")[0].removeprefix("GRANT ")
    return [right.strip().upper().partition(" (")[0] for right in listed.split(",")]


# ------------------------------------------------------------------------------------------ DuckDB


def _describe_duckdb(facts: _Facts) -> tuple[str, str, str]:
    return "DuckDB", str(facts.one("SELECT version()") or "").lstrip("v"), ""


def _duckdb(facts: _Facts) -> Iterator[Finding]:
    closed = facts.one("SELECT current_setting('enable_external_access')") in (False, 0, "false")
    locked = facts.one("SELECT current_setting('lock_configuration')") in (True, 1, "true")
    if closed and locked:
        yield Finding(OK, "other files and the network are shut off, and the settings are locked")
    else:
        yield Finding(DANGER, "other files can be reached", "report this as a bug of txt2sql")
    path = facts.database.address.name
    if os.access(path, os.W_OK):
        yield Finding(
            ADVICE,
            "you may write to the file, so only the engine keeps a question from doing so",
            f"chmod a-w '{path}', or ask as a user who may only read it",
        )


@dataclass(frozen=True, slots=True)
class _Examiner:
    describe: Callable[[_Facts], tuple[str, str, str]]
    findings: Callable[[_Facts], Iterator[Finding]]


_EXAMINERS = {
    "postgresql": _Examiner(_describe_postgresql, _postgresql),
    "mysql": _Examiner(_describe_mysql, _mysql),
    "duckdb": _Examiner(_describe_duckdb, _duckdb),
}

"""What a connection is and what would make it safer: the findings behind `txt2sql doctor`.

Nothing is changed to find out. What a role could do is read from the catalogue of its server; that
our own session cannot is shown by asking it to. A danger makes a database unsafe to use through a
model, whatever we keep out; an advice names what is one wall fewer.
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
        what = "the file is opened read-only, and every action is authorised one by one"
        engine, version, role = "SQLite", sqlite3.sqlite_version, ""
        findings = [Finding(OK, what), *_writable_file(database.path)]
    else:
        examiner = {"postgresql": _postgresql, "mysql": _mysql, "duckdb": _duckdb}
        engine, version, role, by_engine = examiner[database.address.engine](database)
        findings = [*_own_walls(database, schema), *by_engine]
    columns = [column for table in schema.tables for column in table.columns]
    if described := sum(bool(column.comment) for column in columns):
        findings.append(Finding(OK, f"{described} of {len(columns)} columns are described"))
    if strangers:
        findings.append(Finding(ADVICE, strangers, "correct the names in the file"))
    inferred = tuple(key for key in schema.foreign_keys if key.inferred)
    about = (database.place, engine, version, role, len(schema.tables))
    return Examination(*about, tuple(findings), inferred)


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


def _writable_file(path: str | Path) -> Iterator[Finding]:
    if os.access(path, os.W_OK):
        what = "you may write to the file, so only the engine keeps a question from doing so"
        yield Finding(ADVICE, what, f"chmod a-w '{path}', or ask as a user who may only read it")


def _cell(database: UrlDatabase, sql: str) -> Any:
    rows = database.rows(sql)
    return rows[0][0] if rows else None


def _in_the_clear(database: UrlDatabase, encrypted: bool, option: str) -> Iterator[Finding]:
    host = str(driver_options(database.address).get("host", ""))
    local = host in ("", "localhost", "127.0.0.1", "::1") or host.startswith("/")
    if not local and not encrypted:
        what = "the connection to another machine is not encrypted: rows and password can be read"
        yield Finding(DANGER, what, f"turn TLS on at the server and add {option} to the URL")


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
_OWN_ROLE = (
    "create a role for asking: CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA "
    "public TO reader; ALTER ROLE reader SET default_transaction_read_only = on"
)


def _postgresql(database: UrlDatabase) -> tuple[str, str, str, list[Finding]]:
    version = str(_cell(database, "SELECT current_setting('server_version')") or "").split(" ")[0]
    role = _cell(database, "SELECT quote_ident(current_user)")
    findings: list[Finding] = []
    if _cell(database, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        findings.append(Finding(DANGER, f"the role {role} is a superuser", _OWN_ROLE))
    else:
        member = "SELECT pg_has_role(current_user, oid, 'member') FROM pg_roles WHERE rolname = "
        for power, what in _POWERS.items():
            if _cell(database, f"{member}'{power}'"):
                mend = f"REVOKE {power} FROM {role}"
                findings.append(Finding(DANGER, f"the role {role} may {what}", mend))
        if writable := _cell(database, _WRITABLE):
            what = f"may write to {writable} tables; only the session keeps it from that"
            findings.append(Finding(ADVICE, f"the role {role} {what}", _OWN_ROLE))
    encrypted = _cell(database, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    findings += _in_the_clear(database, bool(encrypted), "?sslmode=verify-full")
    user = str(_cell(database, "SELECT current_user") or "")
    return "PostgreSQL", version, user, findings


_DANGEROUS_RIGHTS = ("SUPER", "FILE", "SHUTDOWN", "PROCESS", "CREATE USER", "ALL PRIVILEGES")
_WRITING_RIGHTS = frozenset(
    ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "ALL PRIVILEGES")
)


def _mysql(database: UrlDatabase) -> tuple[str, str, str, list[Finding]]:
    version = str(_cell(database, "SELECT version()") or "")
    everywhere: set[str] = set()
    here: set[str] = set()
    for (grant,) in database.rows("SHOW GRANTS"):  # GRANT SELECT, FILE ON *.* TO ...
        names = str(grant).partition(" ON ")[0].removeprefix("GRANT ").split(",")
        rights = everywhere if " ON *.* " in str(grant) else here
        rights |= {name.strip().upper().partition(" (")[0] for name in names}
    name = database.address.name.replace("`", "``")
    own = f"create a user for asking: CREATE USER reader; GRANT SELECT ON `{name}`.* TO reader"
    findings: list[Finding] = []
    if dangerous := [right for right in _DANGEROUS_RIGHTS if right in everywhere]:
        what = f"the user has {', '.join(dangerous)} on the whole server"
        findings.append(Finding(DANGER, what, own))
    if writing := (here | everywhere - {"ALL PRIVILEGES"}) & _WRITING_RIGHTS:
        listed = ", ".join(sorted(writing))
        what = f"the user has {listed}; only the session keeps it from using them"
        findings.append(Finding(ADVICE, what, own))
    cipher = database.rows("SHOW STATUS LIKE 'Ssl_cipher'")
    findings += _in_the_clear(database, bool(cipher and cipher[0][1]), "?ssl_verify_cert=true")
    engine = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    user = str(_cell(database, "SELECT current_user()") or "")
    return engine, version.split("-")[0], user, findings


def _duckdb(database: UrlDatabase) -> tuple[str, str, str, list[Finding]]:
    version = str(_cell(database, "SELECT version()") or "").lstrip("v")
    closed = _cell(database, "SELECT current_setting('enable_external_access')")
    locked = _cell(database, "SELECT current_setting('lock_configuration')")
    walls = Finding(DANGER, "other files can be reached", _REPORT)
    if closed in (False, 0, "false") and locked in (True, 1, "true"):
        walls = Finding(OK, "other files and the network are shut off, and the settings are locked")
    return "DuckDB", version, "", [walls, *_writable_file(database.address.name)]

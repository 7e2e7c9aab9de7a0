"""Fixtures for tests on every engine: real servers on loopback, and one content in all of them.

A server is started once per session, from what is installed on the machine (Debian's `postgresql` and
`mariadb-server`), as a user without rights in a folder of its own; where there is none, the tests that
want it are skipped with the reason. `engine_urls` has the sample database in each engine.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from glob import glob
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from txt2sql import sample

PASSWORD = "p@ss/w:rd 1"
ESCAPED = "p%40ss%2Fw%3Ard%201"
READER = "reader"
ENGINES = ("sqlite", "postgresql", "mariadb", "duckdb")
_START_S = 30


@dataclass(frozen=True)
class Server:
    engine: str
    host: str
    admin: str

    def url(self, name: str, user: str = READER) -> str:
        return f"{self.engine}://{user}:{ESCAPED}@{self.host}/{name}"


def _skip(reason: str) -> None:
    pytest.skip(reason)


def _binary(name: str, pattern: str, package: str) -> str:
    found = shutil.which(name) or next(iter(sorted(glob(pattern), reverse=True)), None)
    if found is None:
        _skip(f"no {name} here; install Debian's {package}")
    return str(found)


def _needs(*modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        _skip(f"{', '.join(missing)} not installed")


def _user(preferred: str) -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in (preferred, "nobody") if name in names), None)


def _folder(user: str | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="txt2sql-", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str], user: str | None, **options: Any) -> None:
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, user=user, env=environment, cwd="/", capture_output=True, text=True, **options
    )
    if done.returncode:
        _skip(f"{command[0]} failed here: {(done.stderr or done.stdout).strip()[-300:]}")


def _await(
    connect: Callable[[], Any], process: subprocess.Popen[bytes], errors: tuple[type, ...]
) -> Any:
    end = time.monotonic() + _START_S
    while True:
        try:
            return connect()
        except errors as problem:
            if process.poll() is not None or time.monotonic() > end:
                _skip(f"the server does not start here: {problem}")
            time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes], folder: Path, how: signal.Signals) -> None:
    process.send_signal(how)
    process.wait(30)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """PostgreSQL on a free port of loopback, with passwords, as Debian sets it up."""
    _needs("sqlalchemy", "psycopg")
    import psycopg

    pattern = "/usr/lib/postgresql/*/bin"
    initdb = _binary("initdb", f"{pattern}/initdb", "postgresql")
    postgres = _binary("postgres", f"{pattern}/postgres", "postgresql")
    user = _user("postgres")
    folder, port = _folder(user), _free_port()
    secret = folder / "password"
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o644)
    options = ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync", "--encoding=UTF8"]
    _run([initdb, "-D", f"{folder}/data", "-U", "admin", "--locale=C.UTF-8", *options], user)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "100",
    }
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    process = subprocess.Popen(
        [postgres, "-D", f"{folder}/data", *flags],
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process_errors = (psycopg.OperationalError,)
    try:
        with _await(
            lambda: psycopg.connect(
                host="127.0.0.1", port=port, user="admin", password=PASSWORD, dbname="postgres"
            ),
            process,
            process_errors,
        ) as connection:
            connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'")
        yield Server("postgresql", f"127.0.0.1:{port}", "admin")
    finally:
        _stop(process, folder, signal.SIGQUIT)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    _needs("sqlalchemy", "pymysql")
    import pymysql

    install = _binary("mariadb-install-db", "/usr/bin/mysql_install_db", "mariadb-server")
    daemon = _binary("mariadbd", "/usr/sbin/mariadbd", "mariadb-server")
    user = _user("mysql")
    folder, port = _folder(user), _free_port()
    data = ["--no-defaults", f"--datadir={folder}/data"]
    fast = ["--skip-test-db", "--auth-root-authentication-method=normal", "--skip-name-resolve"]
    _run([install, *data, *fast], user)
    process = subprocess.Popen(
        [
            daemon,
            *data,
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--character-set-server=utf8mb4",
        ],
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with (
            _await(
                lambda: _root(folder / "socket"), process, (pymysql.err.OperationalError, OSError)
            ) as connection,
            connection.cursor() as cursor,
        ):
            for name in ("admin", READER):
                cursor.execute(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute("GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION")
        yield Server("mariadb", f"127.0.0.1:{port}", "admin")
    finally:
        _stop(process, folder, signal.SIGKILL)


def _root(path: Path) -> Any:
    import pymysql

    with socket.socket(socket.AF_UNIX) as probe:  # the driver would leave its end open on failure
        probe.connect(str(path))
    return pymysql.connect(unix_socket=str(path), user="root", autocommit=True)


# ------------------------------------------------------------------------------------------ content

_TYPES = {
    "postgresql": {"REAL": "double precision", "TEXT": "text"},
    "mariadb": {"REAL": "DOUBLE", "TEXT": "VARCHAR(120)", "TIMESTAMP": "DATETIME"},
    "duckdb": {"REAL": "DOUBLE", "TEXT": "VARCHAR"},
}


def load_postgresql(server: Server, name: str, source: Path) -> str:
    """A new database of that name with the tables and rows of a SQLite file; the reader's URL."""
    import psycopg

    host, port = server.host.split(":")
    options = {"host": host, "port": int(port), "user": server.admin, "password": PASSWORD}
    with psycopg.connect(**options, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    with psycopg.connect(**options, dbname=name) as connection:
        for statement, table, rows in contents(source, "postgresql"):
            connection.execute(statement)
            with connection.cursor().copy(f'COPY "{table}" FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
    return server.url(name)


def load_mariadb(server: Server, name: str, source: Path) -> str:
    """A new database of that name with the tables and rows of a SQLite file; the reader's URL."""
    import pymysql

    host, port = server.host.split(":")
    options = {"host": host, "port": int(port), "user": server.admin, "password": PASSWORD}
    with pymysql.connect(**options) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}`")
        cursor.execute(f"GRANT SELECT ON `{name}`.* TO {READER}@'127.0.0.1'")
        cursor.execute(f"USE `{name}`")
        for statement, table, rows in contents(source, "mariadb"):
            cursor.execute(statement)
            marks = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"INSERT INTO `{table}` VALUES ({marks})", rows)
        connection.commit()
    return server.url(name)


def load_duckdb(file: Path, source: Path) -> str:
    """A new DuckDB file with the tables and rows of a SQLite file; its URL."""
    import duckdb

    with duckdb.connect(str(file)) as connection:
        for statement, table, rows in contents(source, "duckdb"):
            connection.execute(statement)
            # One statement: the driver binds the parameters of each row anew.
            cells = (f"({', '.join(_literal(cell) for cell in row)})" for row in rows)
            connection.execute(f'INSERT INTO "{table}" VALUES {", ".join(cells)}')
    return f"duckdb:///{file}"


def _literal(cell: object) -> str:
    if cell is None:
        return "NULL"
    return "'" + cell.replace("'", "''") + "'" if isinstance(cell, str) else str(cell)


def contents(source: Path, engine: str) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    """(CREATE TABLE in the engine's types, name, rows) of each table, in order of creation."""
    with closing(sqlite3.connect(source)) as connection:
        for name, sql in connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid"
        ).fetchall():
            for plain, other in _TYPES[engine].items():
                sql = sql.replace(f" {plain}", f" {other}")
            yield sql, name, connection.execute(f'SELECT * FROM "{name}"').fetchall()


@pytest.fixture(scope="session")
def engine_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """(engine, content) -> URL (or path) of a database in it, as a role that may only read.

    The content is that of the sample unless a script of CREATE TABLE and INSERT is named.
    """
    made: dict[tuple[str, Path | None], str] = {}

    def url(engine: str, script: Path | None = None) -> str:
        if (engine, script) not in made:
            made[engine, script] = make(engine, script)
        return made[engine, script]

    def make(engine: str, script: Path | None) -> str:
        name = script.stem if script else "bookshops"
        if engine == "sqlite":
            return (
                str(_built(script, tmp_path_factory.mktemp(name))) if script else str(sample.path())
            )
        source = Path(url("sqlite", script))
        if engine == "duckdb":
            _needs("duckdb")
            return load_duckdb(tmp_path_factory.mktemp("duckdb") / f"{name}.duckdb", source)
        load = {"postgresql": load_postgresql, "mariadb": load_mariadb}[engine]
        return load(request.getfixturevalue(engine), name, source)

    return url


def _built(script: Path, folder: Path) -> Path:
    file = folder / f"{script.stem}.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script.read_text(encoding="utf-8"))
    return file


# -------------------------------------------------------------------------------------------- state


@pytest.fixture
def attacked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[str, Callable[[], Any]]]:
    """engine -> the URL of a fresh copy of the sample, as a role that may do anything, and a function
    that tells all that could be changed through it: rows, catalogue, roles, settings, files.
    """

    def make(engine: str) -> tuple[str, Callable[[], Any]]:
        name = f"attacked_{next(_NUMBERS)}"
        folder = tmp_path_factory.mktemp(name)
        if engine == "sqlite":
            file = folder / "books.sqlite"
            shutil.copyfile(sample.path(), file)
            return str(file), lambda: _files(folder)
        if engine == "duckdb":
            _needs("duckdb")
            url = load_duckdb(folder / "books.duckdb", sample.path())
            return url, lambda: _files(folder)
        load = {"postgresql": load_postgresql, "mariadb": load_mariadb}[engine]
        server: Server = request.getfixturevalue(engine)
        load(server, name, sample.path())
        tell = {"postgresql": _postgresql_state, "mariadb": _mariadb_state}[engine]
        return server.url(name, server.admin), lambda: tell(server, name)

    return make


_NUMBERS = count()


def _files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _postgresql_state(server: Server, name: str) -> list[Any]:
    import psycopg

    host, port = server.host.split(":")
    options = {"host": host, "port": int(port), "user": server.admin, "password": PASSWORD}
    questions = (
        "SELECT oid, relname, relkind FROM pg_class WHERE relname !~ '^pg_toast' ORDER BY 1",
        "SELECT rolname, rolsuper, rolpassword FROM pg_authid ORDER BY 1",
        "SELECT name, setting FROM pg_settings WHERE source <> 'session' ORDER BY 1",
        "SELECT oid, proname FROM pg_proc ORDER BY 1",
        "SELECT * FROM pg_description ORDER BY 1, 2, 3",
        "SELECT * FROM pg_default_acl",
        "SELECT * FROM pg_locks WHERE locktype = 'advisory'",
        "SELECT loid FROM pg_largeobject",
        "SELECT datname FROM pg_database ORDER BY 1",
    )
    with psycopg.connect(**options, dbname=name) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        whole = [f'SELECT * FROM "{table}" ORDER BY 1, 2' for (table,) in tables]
        return [connection.execute(sql).fetchall() for sql in (*questions, *whole)]


def _mariadb_state(server: Server, name: str) -> list[Any]:
    import pymysql

    host, port = server.host.split(":")
    options = {"host": host, "port": int(port), "user": server.admin, "password": PASSWORD}
    questions = (
        "SELECT table_schema, table_name, create_time FROM information_schema.tables "
        "WHERE table_schema NOT IN ('information_schema', 'performance_schema') ORDER BY 1, 2",
        "SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2",
        "SELECT routine_name FROM information_schema.routines ORDER BY 1",
        "SHOW GLOBAL VARIABLES WHERE variable_name NOT LIKE '%gtid%' "
        "AND variable_name NOT IN ('timestamp')",
        "SHOW DATABASES",
    )
    with pymysql.connect(**options, database=name) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        whole = [f"SELECT * FROM `{table}` ORDER BY 1, 2" for (table,) in cursor.fetchall()]
        found = []
        for sql in (*questions, *whole):
            cursor.execute(sql)
            found.append(cursor.fetchall())
        return found

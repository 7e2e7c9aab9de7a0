"""Databases: opened read-only, introspected into a Schema, found by path, by URL or by db_id.

SQLite is native here; what a URL names is remote.py's. Schemas are read in a worker process, as
statements are: a short text of a view can take SQLite hours to compile.
"""

from __future__ import annotations

import difflib
import os
import sqlite3
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, overload
from urllib.parse import quote

from txt2sql.errors import DatabaseError
from txt2sql.execution import pool, sandbox
from txt2sql.execution.columns import SAMPLED_ROWS, column_class, described_table
from txt2sql.execution.keys import INFERENCE_S, SqlReader, infer_keys
from txt2sql.execution.pool import DEFAULT_LIMITS
from txt2sql.execution.remote import UrlDatabase, is_url, open_url, parse_address
from txt2sql.execution.sandbox import quoted
from txt2sql.identifiers import quote_identifier
from txt2sql.sql.stored_texts import SAMPLE_CHARS
from txt2sql.types import ForeignKey, Row, Schema, Table

_SAMPLES_S = 0.05
_VIEW_S, _VIEWS_S = 0.25, 2.0
"""What describing one view may take, and all of them."""
_TABLE_S = 30.0
_LIMITS = replace(DEFAULT_LIMITS, max_rows=1_000_000)
_NAMED = "type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"


def connect(path: Path) -> sqlite3.Connection:
    """A read-only connection that leaves nothing beside the file (no journal, no WAL); SQLite's authorizer
    lets it select and describe the schema, nothing else."""
    try:
        connection = sandbox.connect(str(path.absolute()))
    except (sqlite3.Error, OSError) as problem:
        raise _unreadable(path, problem) from problem
    connection.text_factory = sandbox.decode
    return connection


@dataclass(frozen=True, slots=True)
class Database:
    """One SQLite file; `tables`, when given, are the only ones that `schema` describes."""

    path: Path
    db_id: str
    tables: tuple[str, ...] = ()
    dialect: ClassVar[str] = "sqlite"
    quote = staticmethod(quoted)
    spell = staticmethod(quote_identifier)

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    def connect(self) -> sqlite3.Connection:
        """A new read-only connection, which the caller closes."""
        return connect(self.path)

    def schema(self, infer: bool = True) -> Schema:
        """Tables, columns, types, keys and sample values; inferred keys follow the declared ones. What SQLite
        cannot resolve, views that take long and shadow tables of full-text indexes are left out."""
        try:
            reader = _Reader(self.path)
            schema = reader.schema(self.db_id, self.tables)
        except (sqlite3.Error, OSError) as problem:
            raise _unreadable(self.path, problem) from problem
        if not infer:
            return schema
        inferred = _inferred_keys(self.path.absolute(), reader.mark, schema)
        return replace(schema, foreign_keys=(*schema.foreign_keys, *inferred))


@lru_cache(maxsize=128)
def _inferred_keys(path: Path, mark: tuple[int, ...], schema: Schema) -> tuple[ForeignKey, ...]:
    """Inferred once for the content that `mark` stands for."""

    def query(sql: str) -> list[Row] | None:
        answer = pool.run_sqlite(str(path), mark, sql, limits, describing=True)
        return None if answer.error is not None else list(answer.rows())

    limits = replace(_LIMITS, timeout_s=INFERENCE_S / 5)
    stored = "SELECT name FROM sqlite_master WHERE type = 'table'"
    return infer_keys(schema, SqlReader(query, quoted, stored, INFERENCE_S))


class _Reader:
    """Reads the schema of a file as it is now. Raises sqlite3.Error and OSError."""

    def __init__(self, path: Path) -> None:
        self._path = str(path.absolute())
        self.mark = sandbox.identity(self._path)
        views = self._ask("SELECT lower(name) FROM sqlite_master WHERE type = 'view'", _TABLE_S)
        self._views = {name for (name,) in views}
        self._end = time.monotonic() + _VIEWS_S

    def _ask(self, sql: str, seconds: float) -> list[Any]:
        limits = replace(_LIMITS, timeout_s=seconds)
        answer = pool.run_sqlite(self._path, self.mark, sql, limits, describing=True)
        if answer.error is not None:
            raise sqlite3.OperationalError(answer.error)
        return list(answer.rows())

    def _about(self, name: str, sql: str, seconds: float = _TABLE_S) -> list[Any]:
        if name.lower() in self._views:
            seconds = min(seconds, _VIEW_S, self._end - time.monotonic())
            if seconds <= 0:
                raise sqlite3.OperationalError("no time is left for views")
        return self._ask(sql, seconds)

    def schema(self, db_id: str, tables: tuple[str, ...]) -> Schema:
        described, key_columns = [], {}
        for name in tables or self._names():
            try:
                info = self._about(name, f"PRAGMA table_xinfo({quoted(name)})")
            except sqlite3.Error:
                continue
            # (position, name, declared type, not null, default, place in the key, hidden)
            columns = [(row[1], row[2] or "", "") for row in info if row[6] != 1]
            if columns:
                key = [column for _, column in sorted((row[5], row[1]) for row in info if row[5])]
                cells = self._sample_cells(name, [column for column, *_ in columns])
                described.append(described_table(name, columns, key, cells, column_class))
                key_columns[name.lower()] = key
        keys = self._foreign_keys(described, key_columns)
        return Schema(db_id, tuple(described), tuple(keys))

    def _names(self) -> list[str]:
        sql = f"SELECT name, type, rootpage FROM sqlite_master WHERE {_NAMED} ORDER BY rowid"
        rows = self._ask(sql, _TABLE_S)
        shadow: set[str] = set()
        if any(row[1:] == ("table", 0) for row in rows):  # a virtual one
            with suppress(sqlite3.Error):  # it resolves every view
                listed = self._ask("PRAGMA main.table_list", _VIEW_S)
                shadow = {str(row[1]) for row in listed if row[2] == "shadow"}
        return [name for name, *_ in rows if name not in shadow]

    def _foreign_keys(
        self, tables: list[Table], key_columns: dict[str, list[str]]
    ) -> list[ForeignKey]:
        by_name = {table.name.lower(): table for table in tables}
        keys, constraint = [], 0
        for table in tables:
            rows = self._ask(f"PRAGMA foreign_key_list({quoted(table.name)})", _TABLE_S)
            parts = Counter(row[0] for row in rows)
            for number, place, target, source, to, *_ in sorted(rows, key=lambda r: (-r[0], r[1])):
                if parts[number] > 1 and place == 0:
                    constraint += 1
                other = by_name.get(target.lower())
                if other is None:
                    continue
                primary = key_columns[other.name.lower()]
                if to is None and place < len(primary):  # REFERENCES t: its primary key
                    to = primary[place]
                column, referenced = table.column(source), other.column(to or "")
                if column and referenced:
                    key = ForeignKey(table.name, column.name, other.name, referenced.name)
                    composite = parts[number] > 1
                    keys.append(replace(key, constraint=constraint) if composite else key)
        return list(dict.fromkeys(keys))

    def _sample_cells(self, table: str, names: list[str]) -> list[list[str | None]]:
        """For each column, the cells of the first rows; none where reading fails."""
        texts = ", ".join(
            f"CASE WHEN typeof({quoted(name)}) <> 'blob' "
            f"THEN substr({quoted(name)}, 1, {SAMPLE_CHARS}) END"
            for name in names
        )
        sql = f"SELECT {texts} FROM {quoted(table)} LIMIT {SAMPLED_ROWS}"
        try:
            rows = self._about(table, sql, _SAMPLES_S)  # a view may be a join of everything
        except sqlite3.Error:
            if len(names) == 1:
                return [[]]
            return [self._sample_cells(table, [name])[0] for name in names]
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        return [[None if cell is None else str(cell) for cell in column] for column in columns]


def _unreadable(path: Path, problem: Exception) -> DatabaseError:
    if "not a database" in str(problem):
        return DatabaseError(
            f"'{path}' is not a SQLite database, or is encrypted; give a plain SQLite file"
        )
    return DatabaseError(f"cannot read '{path}' as a SQLite database ({problem})")


@overload
def open_database(path: Path, db_id: str | None = None) -> Database: ...


@overload
def open_database(path: str, db_id: str | None = None) -> Database | UrlDatabase: ...


def open_database(path: str | Path, db_id: str | None = None) -> Database | UrlDatabase:
    """Check that there is a readable database with tables and return it. A `Path` is always a SQLite file; a
    text may be its path, or a URL such as postgresql://user@host/name or duckdb:///shop.duckdb."""
    address = parse_address(path) if isinstance(path, str) else None
    if address is not None and address.engine != "sqlite":
        return open_url(address.url, db_id)
    if is_url(str(path)) and address is None:  # which may hold a password, so it is not shown
        raise DatabaseError("this needs a SQLite file; a database behind a URL can only be asked")
    file = Path(path if address is None else address.name)
    if isinstance(path, str) and _is_duckdb(file):
        return open_url(f"duckdb:///{quote(str(file))}", db_id)
    try:
        if file.is_dir():
            raise DatabaseError(f"'{file}' is a folder; give the path of a SQLite database")
        if not file.is_file():
            raise DatabaseError(f"no file '{file}'; give the path of a SQLite database")
        if not file.stat().st_size:
            raise DatabaseError(f"'{file}' is empty; give a SQLite database that has tables")
        if not os.access(file, os.R_OK):
            raise DatabaseError(f"'{file}' may not be read; ask for the permission to read it")
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        raise DatabaseError(f"cannot open '{file}': {problem}") from problem
    connection = connect(file)
    try:
        tables = connection.execute(
            f"SELECT count(*) FROM sqlite_master WHERE {_NAMED}"
        ).fetchone()[0]
    except sqlite3.Error as problem:
        raise _unreadable(file, problem) from problem
    finally:
        connection.close()
    if not tables:
        raise DatabaseError(f"'{file}' has no tables; give a SQLite database that has some")
    return Database(file, file.stem if db_id is None else db_id)


def _is_duckdb(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(12)[8:] == b"DUCK"
    except (OSError, ValueError):
        return False


def find_database(root: Path, db_id: str) -> Database:
    """The database `db_id` under a data-set root, in Spider's layout or a flat one."""
    if db_id and Path(db_id).name == db_id:
        for path in (
            root / "database" / db_id / f"{db_id}.sqlite",
            root / db_id / f"{db_id}.sqlite",
            root / f"{db_id}.sqlite",
        ):
            if path.is_file():
                return open_database(path, db_id)
    names = {path.stem for pattern in _LAYOUTS for path in root.glob(pattern)}
    near = difflib.get_close_matches(db_id, sorted(names), n=3, cutoff=0.4)
    if near:
        hint = "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    elif names:
        hint = f"the folder has {len(names)} databases, such as '{min(names)}'"
    else:
        hint = "the folder has no database/<db_id>/<db_id>.sqlite"
    raise DatabaseError(f"no database '{db_id}' under '{root}'; {hint}")


_LAYOUTS = ("database/*/*.sqlite", "*/*.sqlite", "*.sqlite")

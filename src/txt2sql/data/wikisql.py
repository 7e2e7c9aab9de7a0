"""WikiSQL's layout: questions with logical forms over one Wikipedia table each, no database.

Source: Zhong et al., "Seq2SQL", 2017. Two files per split are read line by line:

    <split>.jsonl           {"table_id": ..., "question": ..., "sql": {"sel", "agg", "conds"}}
    <split>.tables.jsonl    {"id": ..., "header": [...], "types": ["text"|"real"], "rows": [[...]]}

The tables become real SQLite tables with their real column names, in files of 64 tables in the cache
folder: opening a file with all 16,763 tables of train takes SQLite 0.3 s, one of 64 takes 1 ms. As
in the official evaluator, cells and condition values are compared in lower case.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from txt2sql.errors import DatabaseError, DataError
from txt2sql.execution.columns import SAMPLED_ROWS, choose_samples
from txt2sql.execution.database import Database
from txt2sql.execution.sandbox import quoted as quote
from txt2sql.runs import cache_dir
from txt2sql.sql.stored_texts import SAMPLE_CHARS
from txt2sql.types import Cell, Column, Example, Schema, Table

AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
OPERATORS = ("=", ">", "<")


@dataclass(frozen=True, slots=True)
class LogicalForm:
    """WikiSQL's query sketch: column and aggregate by position, conditions as (column, op, value)."""

    example_id: str
    table_id: str
    sel: int
    agg: int
    conds: tuple[tuple[int, int, str | int | float], ...] = ()


@dataclass(frozen=True, slots=True)
class WikiTable:
    """One table: unique, non-empty column names; `types` are text or real; cells in lower case."""

    id: str
    header: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    words: str = ""

    @property
    def name(self) -> str:
        """The name in SQL, as the official databases have it: `1-10-2` is `table_1_10_2`."""
        return "table_" + re.sub(r"\W", "_", self.id)


def form_to_sql(form: LogicalForm, table: WikiTable) -> str:
    """The SQL text of a logical form, with the table's real column names. Raises DataError when the
    form points outside the table or the operators."""
    try:
        selected = quote(table.header[form.sel])
        aggregate = AGGREGATES[form.agg]
        conditions = [
            f"{quote(table.header[column])} {OPERATORS[operator]} "
            f"{_literal(value, table.types[column])}"
            for column, operator, value in form.conds
        ]
    except IndexError:
        raise DataError(
            f"the logical form of '{form.example_id}' does not fit table '{table.id}'; "
            "download the data set again"
        ) from None
    what = f"{aggregate}({selected})" if aggregate else selected
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {what} FROM {quote(table.name)}{where}"


def parse_number(text: str) -> int | float | None:
    """A condition value on a real column as a number, or None where there is none. As the official
    evaluator reads it: the whole text with thousands separators, else the first number in it."""
    text = text.strip()
    if re.fullmatch(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)", text):
        text = text.replace(",", "")
        return float(text) if "." in text else int(text)
    number = re.search(r"[-+]?\d*\.\d+|\d+", text)
    if number is None:
        return None
    return float(number[0]) if "." in number[0] else int(number[0])


def _literal(value: str | int | float, kind: str) -> str:
    number = None
    if kind == "real":
        number = parse_number(value) if isinstance(value, str) else value
    if number is not None:
        return repr(number)
    return "'" + str(value).lower().replace("'", "''") + "'"


_ORDER = ("train", "dev", "dev_real", "test")
_TABLES_PER_FILE = 64
_CACHE_FORMAT = 1


class WikiSQLDataset:
    """A folder in WikiSQL's layout. Every table is a database of its own: db_id is the table id."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = "wikisql" if (root / "train.jsonl").is_file() else root.resolve().name
        self._indexes: dict[str, dict[str, tuple[int, int]]] = {}
        self._table = lru_cache(maxsize=512)(self._read_table)
        if not self.splits:
            raise DataError(
                f"'{root}' is not in WikiSQL's layout: it needs <split>.jsonl and "
                "<split>.tables.jsonl; run `txt2sql data download wikisql`"
            )

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have both files, the official ones first."""
        suffix = ".tables.jsonl"
        names = {path.name.removesuffix(suffix) for path in self.root.glob(f"*{suffix}")}
        names = {name for name in names if (self.root / f"{name}.jsonl").is_file()}
        official = [name for name in _ORDER if name in names]
        return (*official, *sorted(names.difference(official)))

    def examples(self, split: str) -> Iterator[Example]:
        """The questions of a split, streamed; the id is `<split>-<index>`, counted from 0."""
        for form, question in self._read_questions(split):
            table = self._table(split, form.table_id)
            yield Example(form.example_id, table.id, question, form_to_sql(form, table))

    def count(self, split: str) -> int:
        with self._questions(split).open("rb") as file:
            return sum(1 for line in file if line.strip())

    def files(self, split: str) -> tuple[Path, ...]:
        return self._questions(split), self._tables(split)

    def logical_forms(self, split: str) -> Iterator[LogicalForm]:
        """The gold logical forms of a split, in the order and with the ids of `examples`."""
        return (form for form, _ in self._read_questions(split))

    def table(self, db_id: str) -> WikiTable:
        return self._table(self._split_of(db_id), db_id)

    def schema(self, db_id: str) -> Schema:
        """The schema of one table, from its header and rows; nothing is built for it."""
        table = self.table(db_id)
        columns = tuple(
            Column(
                name=name,
                type="number" if kind == "real" else "text",
                declared_type="NUMERIC" if kind == "real" else "TEXT",
                samples=_samples([row[position] for row in table.rows[:SAMPLED_ROWS]], kind),
                words=" ".join(re.split(r"[\W_]+", name)).strip().lower() or name.lower(),
            )
            for position, (name, kind) in enumerate(zip(table.header, table.types, strict=True))
        )
        return Schema(db_id, (Table(table.name, columns, table.words),))

    def database(self, db_id: str) -> Database:
        """The SQLite file that holds the table, limited to it. Built on first use."""
        split = self._split_of(db_id)
        number = self._index(split)[db_id][0] // _TABLES_PER_FILE
        path = self._folder(split) / f"{number:04d}.sqlite"
        if not path.is_file():
            ids = list(self._index(split))[number * _TABLES_PER_FILE :][:_TABLES_PER_FILE]
            _build(path, (self._read_table(split, table_id) for table_id in ids))
        return Database(path, db_id, tables=(self.table(db_id).name,))

    def _split_of(self, db_id: str) -> str:
        # Those already indexed first, then the smallest file.
        sizes = {split: self._tables(split).stat().st_size for split in self.splits}
        for split in sorted(sizes, key=lambda name: (name not in self._indexes, sizes[name])):
            if db_id in self._index(split):
                return split
        raise DatabaseError(f"no table '{db_id}' in '{self.root}'; give the id of a WikiSQL table")

    def _tables(self, split: str) -> Path:
        return self.root / f"{split}.tables.jsonl"

    def _index(self, split: str) -> dict[str, tuple[int, int]]:
        """Table id -> (position in the file, byte offset of its line)."""
        if split not in self._indexes:
            index: dict[str, tuple[int, int]] = {}
            path, offset = self._tables(split), 0
            with path.open("rb") as file:
                for number, line in enumerate(file):
                    if line.strip():
                        table_id = str(_parse(line, path, number).get("id"))
                        index.setdefault(table_id, (len(index), offset))
                    offset += len(line)
            self._indexes[split] = index
        return self._indexes[split]

    def _read_table(self, split: str, table_id: str) -> WikiTable:
        path = self._tables(split)
        try:
            number, offset = self._index(split)[table_id]
        except KeyError:
            raise DataError(f"no table '{table_id}' in '{path}'; download it again") from None
        with path.open("rb") as file:
            file.seek(offset)
            return _table(_parse(file.readline(), path, number), path)

    def _read_questions(self, split: str) -> Iterator[tuple[LogicalForm, str]]:
        path, index = self._questions(split), count()
        with path.open("rb") as file:
            for number, line in enumerate(file):
                if line.strip():
                    yield _question(_parse(line, path, number), f"{split}-{next(index)}", path)

    def _questions(self, split: str) -> Path:
        if split not in self.splits:
            raise DataError(f"no split '{split}' in '{self.root}'; it has {', '.join(self.splits)}")
        return self.root / f"{split}.jsonl"

    def _folder(self, split: str) -> Path:
        """The cache folder of a split, named after its source so that a changed file gets a new one."""
        stat = self._tables(split).stat()
        stamp = f"{_CACHE_FORMAT}-{stat.st_size}-{stat.st_mtime_ns}"
        source, state = (
            hashlib.sha256(text.encode()).hexdigest()[:8]
            for text in (str(self.root.resolve()), stamp)
        )
        folder = cache_dir() / "wikisql" / f"{split}-{source}-{state}"
        if not folder.is_dir():
            for stale in folder.parent.glob(f"{split}-{source}-*"):
                shutil.rmtree(stale, ignore_errors=True)
        return folder


def _samples(cells: Iterable[Cell], kind: str) -> tuple[str, ...]:
    texts = [str(cell)[:SAMPLE_CHARS] for cell in cells if cell is not None]
    return choose_samples(texts, "number" if kind == "real" else "text")


def _parse(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise DataError(
            f"line {number + 1} of '{path}' is not JSON; the file is damaged, download it again"
        ) from error
    if not isinstance(item, dict):
        raise DataError(f"line {number + 1} of '{path}' is not a JSON object; download it again")
    return item


def _question(item: dict[str, Any], example_id: str, path: Path) -> tuple[LogicalForm, str]:
    try:
        sql = item["sql"]
        conds = tuple((int(column), int(op), value) for column, op, value in sql["conds"])
        form = LogicalForm(
            example_id, str(item["table_id"]), int(sql["sel"]), int(sql["agg"]), conds
        )
        return form, str(item["question"]).strip()
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"'{example_id}' in '{path}' is not a WikiSQL question ({error!r}); download it again"
        ) from error


def _table(item: dict[str, Any], path: Path) -> WikiTable:
    try:
        types = tuple(str(kind) for kind in item["types"])
        rows = tuple(tuple(_cell(cell) for cell in row) for row in item["rows"])
        table = WikiTable(
            id=str(item["id"]),
            header=_unique([str(name) for name in item["header"]]),
            types=types,
            rows=rows,
            words=str(item.get("page_title") or "").strip().lower(),
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"table '{item.get('id')}' in '{path}' is damaged ({error!r}); download it again"
        ) from error
    if len(types) != len(table.header) or any(len(row) != len(types) for row in rows):
        raise DataError(
            f"table '{table.id}' in '{path}' has rows or types that do not fit its header; "
            "download it again"
        )
    return table


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, (int, float)):
        return value
    return str(value).lower()


def _unique(header: list[str]) -> tuple[str, ...]:
    names: list[str] = []
    taken: set[str] = set()
    for position, raw in enumerate(header):
        name = base = " ".join(re.sub(r"[\x00-\x1f]", " ", raw).split()) or f"column {position + 1}"
        count = 1
        while name.lower() in taken:
            count += 1
            name = f"{base} {count}"
        taken.add(name.lower())
        names.append(name)
    return tuple(names)


def _build(path: Path, tables: Iterator[WikiTable]) -> None:
    part = path.with_name(f"{path.stem}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(part, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for table in tables:
                columns = ", ".join(
                    f"{quote(name)} " + ("NUMERIC" if kind == "real" else "TEXT COLLATE NOCASE")
                    for name, kind in zip(table.header, table.types, strict=True)
                )
                connection.execute(f"CREATE TABLE {quote(table.name)} ({columns})")
                marks = ", ".join("?" * len(table.header))
                connection.executemany(
                    f"INSERT INTO {quote(table.name)} VALUES ({marks})", table.rows
                )
            connection.execute("COMMIT")
        part.replace(path)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise DataError(
            f"cannot build '{path}' ({error}); free space or set TXT2SQL_CACHE to a writable folder"
        ) from error

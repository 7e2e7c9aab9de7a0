"""Spider's layout: JSON lists of questions, `tables.json`, one SQLite file per database.

Field's name: cross-domain text-to-SQL benchmark. Source: Yu et al., "Spider", EMNLP 2018, and the
README of its release. Any folder of that layout can be read; `tables.json` is optional.

    <root>/<split>.json                          [{"db_id": ..., "question": ..., "query": ...}, ...]
    <root>/tables.json                           natural names and foreign keys
    <root>/database/<db_id>/<db_id>.sqlite

>>> SpiderDataset(Path("data/raw/spider")).splits  # doctest: +SKIP
('dev', 'train_spider', 'train_others', 'train')
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from txt2sql.errors import DataError
from txt2sql.execution.database import Database, find_database
from txt2sql.types import Column, Example, ForeignKey, Schema, Table

_TRAIN = ("train_spider", "train_others")
_ORDER = ("dev", *_TRAIN, "train", "test")
_DATABASES = ("*/*/*.sqlite", "*/*.sqlite", "*.sqlite")
_TABLES = ("tables.json", "test_tables.json")


class SpiderDataset:
    """A folder in Spider's layout. `train` stands for train_spider followed by train_others."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = "spider" if (root / "train_spider.json").is_file() else root.resolve().name
        self._databases: dict[str, Database] = {}
        self._schemas: dict[str, Schema] = {}
        if not self.splits:
            raise DataError(
                f"'{root}' is not in Spider's layout: it needs <split>.json "
                '(a list of objects with "db_id", "question" and "query") and a database/ folder'
            )

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits whose file is there, the official ones first."""
        found = {
            path.stem
            for path in self.root.glob("*.json")
            if "tables" not in path.stem and _starts_as_list(path)
        }
        if found & set(_TRAIN):
            found.add("train")
        known = [name for name in _ORDER if name in found]
        return (*known, *sorted(found.difference(known)))

    def examples(self, split: str) -> Iterator[Example]:
        """The questions of a split, in file order; the id is `<file>-<index>`, counted from 0."""
        for path in self._parts(split):
            for index, item in enumerate(_read_list(path)):
                yield _example(item, path, index)

    def count(self, split: str) -> int:
        """How many questions a split has."""
        return sum(len(_read_list(path)) for path in self._parts(split))

    def files(self, split: str) -> tuple[Path, ...]:
        """Every file that a split depends on."""
        tables = [self.root / name for name in _TABLES if (self.root / name).is_file()]
        databases = [path for depth in _DATABASES for path in sorted(self.root.glob(depth))]
        return (*self._parts(split), *tables, *databases)

    def _parts(self, split: str) -> tuple[Path, ...]:
        if split not in self.splits:
            raise DataError(f"no split '{split}' in '{self.root}'; it has {', '.join(self.splits)}")
        own = self.root / f"{split}.json"
        if own.is_file():
            return (own,)
        return tuple(self.root / f"{part}.json" for part in _TRAIN if part in self.splits)

    def database(self, db_id: str) -> Database:
        """The SQLite database of that id; DatabaseError names the nearest ids when unknown."""
        if db_id not in self._databases:
            test = self.root / "test_database"  # where the official release keeps those of test
            only_test = (test / db_id).is_dir() and not (self.root / "database" / db_id).is_dir()
            self._databases[db_id] = find_database(test if only_test else self.root, db_id)
        return self._databases[db_id]

    def schema(self, db_id: str) -> Schema:
        """Introspected from SQLite, with the words and foreign keys of tables.json merged in."""
        if db_id not in self._schemas:
            entry = self._entries.get(db_id)
            declares = bool(entry and entry.get("foreign_keys"))
            schema = self.database(db_id).schema(infer=not declares)
            self._schemas[db_id] = merge_entry(schema, entry) if entry else schema
        return self._schemas[db_id]

    def entry(self, db_id: str) -> dict[str, Any] | None:
        """The item of tables.json as it stands there, or None."""
        return self._entries.get(db_id)

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for name in _TABLES:
            path = self.root / name
            if path.is_file():
                for entry in _read_list(path):
                    entries.setdefault(str(entry.get("db_id")), entry)
        return entries


def merge_entry(schema: Schema, entry: dict[str, Any]) -> Schema:
    """`schema` with natural names and foreign keys from an item of tables.json, which replace inferred ones.

    Names are matched without regard to case; what the item declares but the file lacks is left out.
    """
    try:
        tables = [str(name) for name in entry["table_names_original"]]
        columns = [(int(at), str(name)) for at, name in entry["column_names_original"]]
        table_words = [str(words) for words in entry["table_names"]]
        column_words = [str(words) for _, words in entry["column_names"]]
        keys = [(int(source), int(target)) for source, target in entry.get("foreign_keys", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"tables.json describes '{schema.db_id}' in another way than Spider's ({error!r}); "
            "mend the item or remove tables.json to use the names in the database"
        ) from error
    words = {name.lower(): said for name, said in zip(tables, table_words, strict=False)}
    said_columns = {
        (tables[at].lower(), name.lower()): said
        for (at, name), said in zip(columns, column_words, strict=False)
        if 0 <= at < len(tables)
    }

    def named(table: Table, column: Column) -> Column:
        said = said_columns.get((table.name.lower(), column.name.lower()))
        return replace(column, words=said) if said else column

    merged = tuple(
        Table(
            table.name,
            tuple(named(table, column) for column in table.columns),
            words.get(table.name.lower()) or table.words,
        )
        for table in schema.tables
    )
    pairs = (_declared(schema, tables, columns, *pair) for pair in keys)
    declared = tuple(dict.fromkeys(key for key in pairs if key))
    own = tuple(key for key in schema.foreign_keys if not (declared and key.inferred))
    in_file = {replace(key, constraint=0) for key in own}
    both = (*own, *(key for key in declared if key not in in_file))
    return Schema(schema.db_id, merged, both)


def _declared(
    schema: Schema, tables: list[str], columns: list[tuple[int, str]], source: int, target: int
) -> ForeignKey | None:
    """A foreign key given as two positions in column_names_original, in the names of the file."""
    ends: list[tuple[str, str]] = []
    for position in (source, target):
        if not 0 <= position < len(columns) or not 0 <= columns[position][0] < len(tables):
            return None
        table = schema.table(tables[columns[position][0]])
        column = table.column(columns[position][1]) if table else None
        if table is None or column is None:
            return None
        ends.append((table.name, column.name))
    return ForeignKey(*ends[0], *ends[1])


def _starts_as_list(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _read_list(path: Path) -> list[dict[str, Any]]:
    try:
        items = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read '{path}' as JSON ({error}); download it again") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DataError(f"'{path}' is not a JSON list of objects, as Spider's layout asks")
    return items


def _example(item: dict[str, Any], path: Path, index: int) -> Example:
    try:
        difficulty = item.get("difficulty") or item.get("hardness")
        return Example(
            id=f"{path.stem}-{index}",
            db_id=str(item["db_id"]),
            question=str(item["question"]).strip(),
            gold_sql=str(item.get("query") or "").strip(),
            evidence=str(item.get("evidence") or "").strip(),
            difficulty=str(difficulty) if difficulty else None,
        )
    except KeyError as error:
        raise DataError(
            f"item {index} of '{path}' has no {error}; "
            'every item needs "db_id", "question" and "query"'
        ) from error

"""Spider's layout: JSON lists of questions, `tables.json`, one SQLite file per database.

Source: Yu et al., "Spider", EMNLP 2018, and the README of its release.

    <root>/<split>.json                          [{"db_id": ..., "question": ..., "query": ...}, ...]
    <root>/tables.json                           natural names and foreign keys; optional
    <root>/database/<db_id>/<db_id>.sqlite

BIRD's release (Li et al., NeurIPS 2023) differs in names only, and has `database_description/*.csv`
beside each database. A split may be JSONL, and its items may have `answers` instead of a gold query.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from txt2sql.errors import DatabaseError, DataError
from txt2sql.execution.database import Database, find_database
from txt2sql.execution.descriptions import column_meanings, with_meanings
from txt2sql.runs import write_atomically
from txt2sql.types import Example, ForeignKey, Schema, Turn

_TRAIN = ("train_spider", "train_others")
_ORDER = ("dev", *_TRAIN, "train", "test")
_HOMES = (
    "database",
    "test_database",  # where the official release keeps those of test
    "dev_databases",
    "train_databases",
    "databases",
    "dev_databases/dev_databases",  # as BIRD's archives unpack into a folder of their own name
    "train_databases/train_databases",
)
_DATABASES = ("*/*/*/*.sqlite", "*/*/*.sqlite", "*/*.sqlite", "*.sqlite")
_TABLES = ("tables.json", "test_tables.json", "dev_tables.json", "train_tables.json")
_QUESTION_KEYS = ("question", "SpiderSynQuestion")
_GOLD_KEYS = ("query", "sql", "SQL", "gold", "gold_sql")
_HEAD_BYTES = 1 << 16


class SpiderDataset:
    """A folder in Spider's layout. The split `train` stands for the files of `train`, one after the
    other. `beside` is a folder whose databases and tables.json are used where `root` has no
    databases of its own."""

    def __init__(
        self,
        root: Path,
        name: str = "",
        *,
        train: Sequence[str] = _TRAIN,
        beside: Path | None = None,
    ) -> None:
        self.root = root
        folder = "spider" if (root / "train_spider.json").is_file() else root.resolve().name
        self.name = name or folder
        self._train = tuple(train)
        own = beside is None or any((root / home).is_dir() for home in _HOMES)
        self._roots = (root,) if own or beside is None else (root, beside)
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
        there = set(self._files)
        if there & set(self._train):
            there.add("train")
        if self._train != _TRAIN:
            there -= set(self._train)
        first = [name for name in _ORDER if name in there]
        return (*first, *sorted(there.difference(first)))

    @cached_property
    def has_answers(self) -> bool:
        example = next(self.examples(self.splits[0]), None)
        return example is not None and example.answers is not None and not example.gold_sql

    def examples(self, split: str) -> Iterator[Example]:
        """The questions of a split, in file order. The id is `<file>-<question_id>` where the file
        numbers its questions, as BIRD's do, else `<file>-<index>`, counted from 0."""
        for path in self._parts(split):
            items = _read_items(path)
            for number, item in zip(_numbers(items), items, strict=True):
                yield _example(item, path, number)

    def count(self, split: str) -> int:
        return sum(len(_read_items(path)) for path in self._parts(split))

    def files(self, split: str) -> tuple[Path, ...]:
        patterns = (*_TABLES, "descriptions.json", *_DATABASES, "*/*/database_description/*.csv")
        used = (path for root in self._roots for each in patterns for path in root.glob(each))
        return (*self._parts(split), *sorted(used))

    @cached_property
    def _files(self) -> dict[str, Path]:
        lines = [self.root / f"{name}.jsonl" for name in (*_ORDER, *self._train)]
        paths = [*filter(Path.is_file, lines), *sorted(self.root.glob("*.json"))]
        named = (path for path in paths if "tables" not in path.stem and _has_questions(path))
        return {path.stem: path for path in named}

    def _parts(self, split: str) -> tuple[Path, ...]:
        if split not in self.splits:
            raise DataError(f"no split '{split}' in '{self.root}'; it has {', '.join(self.splits)}")
        if split in self._files:
            return (self._files[split],)
        return tuple(self._files[part] for part in self._train if part in self._files)

    def database(self, db_id: str) -> Database:
        """The SQLite database of that id; DatabaseError names the nearest ids when unknown."""
        if db_id not in self._databases:
            self._databases[db_id] = find_database(self._home(db_id), db_id)
        return self._databases[db_id]

    def _home(self, db_id: str) -> Path:
        for root in self._roots:
            for home in _HOMES:
                if (root / home / db_id / f"{db_id}.sqlite").is_file():
                    return root / home
        last = self._roots[-1]
        if not last.is_dir():
            raise DatabaseError(
                f"no database '{db_id}': the questions of {self.name} are about the databases of "
                f"Spider, which are not in '{last}'; run `txt2sql data download spider`"
            )
        return last

    def schema(self, db_id: str) -> Schema:
        """Introspected from SQLite, with the words and foreign keys of tables.json merged in, and
        what descriptions say of columns as their comments."""
        if db_id not in self._schemas:
            database, entry = self.database(db_id), self.entry(db_id)
            schema = database.schema(infer=not (entry and entry.get("foreign_keys")))
            schema = merge_entry(schema, entry) if entry else schema
            meanings = column_meanings(self._roots, database.path, db_id)
            self._schemas[db_id] = with_meanings(schema, meanings)
        return self._schemas[db_id]

    def entry(self, db_id: str) -> dict[str, Any] | None:
        return self._entries.get(db_id)

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for path in (root / name for root in self._roots for name in _TABLES):
            if path.is_file():
                for entry in _read_items(path):
                    entries.setdefault(str(entry.get("db_id")), entry)
        return entries


def merge_entry(schema: Schema, entry: dict[str, Any]) -> Schema:
    """`schema` with natural names and foreign keys from an item of tables.json, which replace
    inferred ones. Names are matched without regard to case; what the item declares but the file
    lacks is left out."""
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
    words = {(name.lower(), ""): text for name, text in zip(tables, table_words, strict=False)}
    places: list[tuple[str, str] | None] = []  # of each column of the item in the file
    for at, name in columns:
        table = schema.table(tables[at]) if 0 <= at < len(tables) else None
        column = table.column(name) if table else None
        places.append((table.name, column.name) if table and column else None)
    for place, text in zip(places, column_words, strict=False):
        if place:
            words[place] = text
    merged = tuple(
        replace(
            table,
            columns=tuple(
                replace(column, words=words.get((table.name, column.name)) or column.words)
                for column in table.columns
            ),
            words=words.get((table.name.lower(), "")) or table.words,
        )
        for table in schema.tables
    )
    ends = [[places[i] if 0 <= i < len(places) else None for i in pair] for pair in keys]
    declared = [ForeignKey(*a, *b) for a, b in ends if a and b]
    both = {_ends(key): key for key in schema.foreign_keys if not (declared and key.inferred)}
    for key in declared:
        both.setdefault(_ends(key), key)
    return replace(schema, tables=merged, foreign_keys=tuple(both.values()))


def _ends(key: ForeignKey) -> tuple[str, str, str, str]:
    return key.table, key.column, key.referenced_table, key.referenced_column


def _has_questions(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).decode("utf-8-sig", "ignore").lstrip()
    if path.suffix == ".json" and not head.startswith("["):
        return False
    try:
        item, _ = json.JSONDecoder().raw_decode(head.removeprefix("[").lstrip())
    except ValueError:
        item = None
    if not isinstance(item, dict):  # predictions, or a damaged split: reading it says what is wrong
        return path.suffix == ".json" and (path.stem in _ORDER or item is None)
    return not item.keys().isdisjoint((*_QUESTION_KEYS, *_GOLD_KEYS))


def _read_items(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".jsonl":
            items = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            items = json.loads(text)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read '{path}' as JSON ({error}); download it again") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DataError(f"'{path}' is not a JSON list of objects, as Spider's layout asks")
    return items


def _numbers(items: Sequence[Mapping[str, Any]]) -> Sequence[object]:
    """What tells the questions of a file apart: its own numbers where each has another, else positions."""
    own = [item.get("question_id") for item in items]
    numbered = all(isinstance(n, (int, str)) for n in own) and len(set(map(str, own))) == len(own)
    return own if numbered else range(len(items))


def _example(item: Mapping[str, Any], path: Path, number: object) -> Example:
    try:
        key = next((key for key in _QUESTION_KEYS if key in item), "question")
        difficulty = item.get("difficulty") or item.get("hardness")
        answers, turn = item.get("answers"), item.get("previous")
        return Example(
            id=f"{path.stem}-{number}",
            db_id=str(item["db_id"]),
            question=str(item[key]).strip(),
            gold_sql=_gold(item),
            evidence=str(item.get("evidence") or "").strip(),
            difficulty=str(difficulty) if difficulty else None,
            answers=tuple(map(str, answers)) if isinstance(answers, list) else None,
            accepted=tuple(str(sql).strip() for sql in item.get("accepted") or ()),
            previous=Turn(str(turn.get("question") or "").strip(), _gold(turn)) if turn else None,
        )
    except KeyError as error:
        raise DataError(
            f"item {number} of '{path}' has no {error}; "
            'every item needs "db_id", "question" and "query"'
        ) from error


def _gold(item: Mapping[str, Any]) -> str:
    """The first gold query; Spider's own `sql` is a parsed form, no text."""
    texts = (item.get(key) for key in _GOLD_KEYS)
    return next((text.strip() for text in texts if isinstance(text, str) and text.strip()), "")


def write_split(
    folder: Path,
    split: str,
    rows: Sequence[Mapping[str, Any]],
    databases: Sequence[Database],
    entries: Sequence[Mapping[str, Any]] = (),
) -> None:
    """A split in Spider's layout: its rows, links to the databases, tables.json where there are
    entries. The rows are written last. Raises DataError where links are not possible."""
    try:
        for database in databases:
            link_database(database, folder)
    except OSError as error:
        raise DataError(
            f"cannot link databases into '{folder}' ({error}); choose another folder"
        ) from error
    if entries:
        write_atomically(folder / "tables.json", json.dumps(entries, ensure_ascii=False) + "\n")
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    write_atomically(folder / f"{split}.json", text + "\n")


def link_database(database: Database, folder: Path) -> None:
    """Have a data set's link lead to the database, wherever it lies now. Raises OSError."""
    link = folder / "database" / database.db_id / f"{database.db_id}.sqlite"
    target = database.path.resolve()
    if link.is_symlink() and link.resolve() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    part = link.with_name(f".{link.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)

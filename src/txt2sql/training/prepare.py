"""Prepared corpora: the slow part of reading training data, done once and kept as one small file.

Reading means parsing every gold query and looking every question up in its database: two minutes for
Spider and WikiSQL, a second from the prepared file in the cache folder. Its name holds the hashes of
the data and of the code that reads it. `pack` writes the same file beside the few databases that
measure progress: a folder that can be carried to another machine and named as data there.

    <folder>/<data set>/corpus.jsonl.gz                         a header, the schemas, the items
    <folder>/<data set>/database/<db_id>/<db_id>.sqlite

>>> len(open_source("spider", "train").corpus)  # doctest: +SKIP
8654
"""

from __future__ import annotations

import gzip
import hashlib
import inspect
import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import txt2sql
from txt2sql.data import DATASETS, Dataset, dataset_root, open_dataset
from txt2sql.errors import DataError
from txt2sql.evaluation.provenance import files_hash
from txt2sql.execution.database import Database, connect, find_database
from txt2sql.execution.sandbox import quoted
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.runs import cache_dir, versions, write_atomically
from txt2sql.sql.encode import encode_template
from txt2sql.sql.intermediate import Unsupported
from txt2sql.training.corpus import Corpus, Item, item_line, schema_line
from txt2sql.types import Schema

FILE = "corpus.jsonl.gz"
_MAKERS = (
    *(
        "sql/encode.py",
        "sql/intermediate.py",
        "execution/values.py",
        "execution/database.py",
    ),
    *("data/spider.py", "data/wikisql.py"),
)
"""The code that a prepared file depends on, beside the functions that write it."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]


@contextmanager
def silent(label: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress that shows nothing."""
    yield lambda note: None


@dataclass(frozen=True, slots=True)
class Source:
    """One data set to train on: its prepared items, and where its databases lie."""

    name: str
    corpus: Corpus
    file: Path
    database: Callable[[str], Database]


def open_source(
    name: str, split: str, root: Path | None = None, progress: Progress = silent
) -> Source:
    """A data set by name, or by its folder, which may be a packed one; prepared when it is new."""
    folder = dataset_root(name, root) if name in DATASETS else Path(name).expanduser()
    packed = folder / FILE
    if packed.is_file():
        return Source(folder.name, read(packed), packed, lru_cache(None)(_finder(folder)))
    dataset = open_dataset(name, root)
    file = cache_dir() / "corpora" / f"{dataset.name}-{split}-{_key(dataset, split)}.jsonl.gz"
    if not file.is_file():
        _prepare(dataset, split, file, progress)
    return Source(dataset.name, read(file), file, dataset.database)


def _finder(folder: Path) -> Callable[[str], Database]:
    return lambda db_id: find_database(folder, db_id)


def _key(dataset: Dataset, split: str) -> str:
    package = Path(txt2sql.__file__).parent
    code = files_hash(package, [package / name for name in _MAKERS])
    code += "".join(inspect.getsource(part) for part in (_prepare, schema_line, item_line))
    data = files_hash(dataset.root, dataset.files(split))
    return hashlib.sha256(f"{data}{code}{versions().get('sqlglot')}".encode()).hexdigest()[:16]


def _prepare(dataset: Dataset, split: str, file: Path, progress: Progress) -> None:
    """Read a split and write its file."""
    index = lru_cache(maxsize=8)(lambda db_id: open_value_index(dataset.database(db_id)))
    numbers: dict[str, int] = {}
    schemas: list[bytes] = []
    items: list[bytes] = []
    unsupported = 0
    last: tuple[str, Schema] = ("", Schema("", ()))
    with progress(f"reading {dataset.name}", dataset.count(split)) as advance:
        for example in dataset.examples(split):
            if example.db_id != last[0]:
                last = (example.db_id, dataset.schema(example.db_id))
            schema = last[1]
            if example.db_id not in numbers:
                numbers[example.db_id] = len(schemas)
                schemas.append(schema_line(schema))
            try:
                template = encode_template(example.gold_sql, schema)
            except Unsupported:
                unsupported += 1
            else:
                found: ValueIndex = index(example.db_id)
                item = Item(example, schema, found.match(example.question), template)
                items.append(item_line(item, numbers[example.db_id]))
            advance(f"{unsupported} inexpressible")
    header = {
        "name": f"{dataset.name}/{split}",
        "schemas": len(schemas),
        "unsupported": unsupported,
    }
    lines = [json.dumps(header).encode(), *schemas, *items]
    write_atomically(file, gzip.compress(b"\n".join(lines), 6, mtime=0))


def read(file: Path) -> Corpus:
    """The corpus of a prepared file."""
    try:
        first, *lines = gzip.decompress(file.read_bytes()).split(b"\n")
        header = json.loads(first)
        schemas = int(header["schemas"])
        name, unsupported = str(header["name"]), int(header["unsupported"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError) as error:
        raise DataError(f"'{file}' is damaged; delete it, and make or copy it again") from error
    return Corpus(name, lines[:schemas], lines[schemas:], unsupported)


def pack(source: Source, measured: Corpus, folder: Path) -> Path:
    """Write all items of a data set and the databases of the `measured` ones; returns its folder."""
    home = folder / source.name
    write_atomically(home / FILE, source.file.read_bytes())
    for db_id in dict.fromkeys(item.example.db_id for item in measured):
        target = home / "database" / db_id / f"{db_id}.sqlite"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        _copy(source.database(db_id), target)
    return home


def _copy(database: Database, target: Path) -> None:
    """The file, or those tables of it that the database is limited to."""
    if not database.tables:
        shutil.copyfile(database.path, target)
        return
    with closing(connect(database.path)) as old, closing(sqlite3.connect(target)) as new, new:
        for name in database.tables:
            found = old.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
            new.execute(found[0])
            rows = old.execute(f"SELECT * FROM {quoted(name)}").fetchall()
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                new.executemany(f"INSERT INTO {quoted(name)} VALUES ({marks})", rows)

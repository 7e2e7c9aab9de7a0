"""The value index: which cells does a question mention? (value linking, or value retrieval)

Every distinct short text cell is stored once under its folded words; a question is answered by one
look-up of all its word n-grams. Words are folded by case, accents and a plural s, so "French
Polynesias" finds 'french polynesia' and "jfk" finds ' JFK'. The index of a database is built once,
kept in the cache folder, and rebuilt when the database file changes.

>>> index = open_value_index(open_database("concert_singer.sqlite"))  # doctest: +SKIP
>>> index.match("singers from france")  # doctest: +SKIP
(ValueMatch(table='singer', column='Country', value='France', span='france', score=1.0),)
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from txt2sql.execution.database import Database
from txt2sql.runs import cache_dir
from txt2sql.types import Schema, ValueMatch

MAX_WORDS = 8
MAX_CELL_CHARS = 80
MAX_CELLS_PER_COLUMN = 50_000
MAX_MATCHES = 12
MAX_COLUMNS_PER_SPAN = 4
_VERSION = "1"
_WORD = re.compile(r"\w+")
_STOPWORDS = frozenset(
    "a about above after all also am an and any are as at average be been before below between both "
    "but by can count different do does each every find first for from give had has have he her his "
    "how i id if in into is it its last least less list many maximum me minimum more most name "
    "number of on one or order other our out over per please same she show so some such sum tell "
    "than that the their them then there these they this those to total under up us use value was "
    "we were what when where which who whom whose why will with without year you your".split()
)


def fold(text: str) -> list[str]:
    """The words of a text, without case, accents and a plural s."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return [_stem(word) for word in _WORD.findall(plain)]


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


_Cell = tuple[str, str, str, str]
"""(folded words, table, column, value)"""


@dataclass(frozen=True, slots=True)
class ValueIndex:
    """The cells of one database by their folded words: in an SQLite file of its own, or, for the
    few rows of a single table, in memory.
    """

    path: Path | None = None
    cells: Mapping[str, Sequence[_Cell]] = field(default_factory=dict)

    def match(self, question: str, limit: int = MAX_MATCHES) -> tuple[ValueMatch, ...]:
        """Cells the question mentions, the longest mention first, at most `limit`."""
        spans = _spans(question)
        found = sorted(
            ((key, spans[key], tbl, col, value) for key, tbl, col, value in self._find(spans)),
            key=lambda row: (-row[1][2], row[1][0], row[2], row[3], row[4]),
        )
        return tuple(_chosen(found, question, limit))

    def spell(self, table: str, column: str, text: str) -> str:
        """The text as the column spells it (case, accents, spaces), or as it is."""
        key = " ".join(fold(text)[: MAX_WORDS + 1])
        found = [row[3] for row in self._find([key]) if row[1:3] == (table, column)]
        if text in found or not found:
            return text
        return min(found, key=lambda value: (value.casefold() != text.casefold(), len(value)))

    def _find(self, keys: Iterable[str]) -> list[_Cell]:
        wanted = list(keys)
        if self.path is None:
            return [cell for key in wanted for cell in self.cells.get(key, ())]
        rows: list[_Cell] = []
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro&immutable=1", uri=True)) as base:
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                rows += base.execute(
                    f"SELECT key, tbl, col, value FROM cells WHERE key IN ({marks})", part
                ).fetchall()
        return rows


def _spans(question: str) -> dict[str, tuple[int, int, int]]:
    """Folded n-gram -> (first character, end, words), the first place it stands at."""
    words = [(m.start(), m.end()) for m in _WORD.finditer(question[:2_000])]
    folded = [fold(question[a:b]) for a, b in words]
    spans: dict[str, tuple[int, int, int]] = {}
    for i in range(len(words)):
        for n in range(1, min(MAX_WORDS, len(words) - i) + 1):
            if n == 1 and question[words[i][0] : words[i][1]].casefold() in _STOPWORDS:
                continue
            key = " ".join(" ".join(part) for part in folded[i : i + n])
            spans.setdefault(key, (words[i][0], words[i + n - 1][1], n))
    return spans


def _chosen(
    rows: list[tuple[str, tuple[int, int, int], str, str, str]], question: str, limit: int
) -> Iterator[ValueMatch]:
    """Drop what lies inside a longer mention, cap the columns per mention."""
    taken: list[tuple[int, int]] = []
    columns: dict[tuple[int, int], set[tuple[str, str]]] = {}
    count = 0
    for _, (start, end, _words), table, column, value in rows:
        if any(a <= start and end <= b and (a, b) != (start, end) for a, b in taken):
            continue
        seen = columns.setdefault((start, end), set())
        if (table, column) in seen or len(seen) >= MAX_COLUMNS_PER_SPAN or count >= limit:
            continue
        if not seen:
            taken.append((start, end))
        seen.add((table, column))
        count += 1
        span = question[start:end]
        score = 1.0 if span == value else 0.9 if span.casefold() == value.casefold() else 0.8
        yield ValueMatch(table, column, value, span, score)


def open_value_index(database: Database, cache: Path | None = None) -> ValueIndex:
    """The index of a database, built when it is missing or older than the database."""
    if database.tables:
        cells: dict[str, list[_Cell]] = {}
        with closing(database.connect()) as connection:
            for cell in _cells(connection, database.schema()):
                cells.setdefault(cell[0], []).append(cell)
        return ValueIndex(cells=cells)
    stat = database.path.stat()
    identity = [_VERSION, str(database.path.resolve()), str(stat.st_mtime_ns), str(stat.st_size)]
    digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:24]
    folder = cache or cache_dir() / "values"
    path = folder / f"{database.db_id[:40]}-{digest}.sqlite"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
        os.close(handle)
        try:
            _build(database, Path(name))
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    return ValueIndex(path)


def _build(database: Database, path: Path) -> None:
    with closing(sqlite3.connect(path)) as index:
        index.execute("PRAGMA synchronous = OFF")
        index.execute("PRAGMA journal_mode = OFF")
        index.execute("CREATE TABLE cells (key TEXT, tbl TEXT, col TEXT, value TEXT)")
        with closing(database.connect()) as connection:
            index.executemany(
                "INSERT INTO cells VALUES (?, ?, ?, ?)", _cells(connection, database.schema())
            )
        index.execute("CREATE INDEX by_key ON cells (key)")
        index.commit()


def _cells(connection: sqlite3.Connection, schema: Schema) -> Iterator[_Cell]:
    for table in schema.tables:
        for column in table.columns:
            name, source = (n.replace('"', '""') for n in (column.name, table.name))
            try:
                rows = connection.execute(
                    f'SELECT DISTINCT "{name}" FROM "{source}" WHERE typeof("{name}") = \'text\' '
                    f'AND length("{name}") <= {MAX_CELL_CHARS} LIMIT {MAX_CELLS_PER_COLUMN}'
                )
                for (value,) in rows:
                    key = " ".join(fold(value)[: MAX_WORDS + 1])
                    if key:
                        yield key, table.name, column.name, value
            except sqlite3.Error:  # a broken view has no cells to offer
                continue

"""The value index: which cells does a question mention? (value linking, or value retrieval)

Every distinct short text cell is stored once under its folded words; a question is answered by one
look-up of all its word n-grams. Words are folded by case, accents and a plural s, so "French
Polynesias" finds 'french polynesia' and "jfk" finds ' JFK'. These are the n-grams of IRNet's schema
linking (Guo et al., ACL 2019), over cells as in BRIDGE (Lin et al., EMNLP Findings 2020);
`benchmarks/values.py` compares them with FTS5 trigrams and with rapidfuzz over all cells.

The index of a database is a file in the cache folder: built once, rebuilt when the database changes
or when a byte of the file does, and kept in memory where the folder cannot be used. What is read is
bounded: see the constants below.

>>> index = open_value_index(open_database("concert_singer.sqlite"))  # doctest: +SKIP
>>> index.match("singers from france")  # doctest: +SKIP
(ValueMatch(table='singer', column='Country', value='France', span='france', score=1.0),)
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import sys
import tempfile
import threading
import time
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from txt2sql.errors import DatabaseError
from txt2sql.execution import sandbox
from txt2sql.execution.database import Database
from txt2sql.execution.introspect import texts
from txt2sql.execution.remote import UrlDatabase
from txt2sql.runs import cache_dir
from txt2sql.types import Schema, ValueMatch

MAX_WORDS = 8
MAX_QUESTION_CHARS = 2_000
MAX_CELL_CHARS = 80
MAX_CELLS_PER_COLUMN = 50_000
MAX_CELLS = 1_000_000
MAX_READ_BYTES = 64_000_000
"""A column ends at a cell that is larger: SQLite has to read a cell to know its length."""
MAX_COLUMN_CPU_S = 3.0
MAX_BUILD_S = 120.0
"""Reading a column, or all of them, ends then, and what was read is the index. A column is given
processor time, so that a busy machine builds the same index as an idle one."""
MAX_AGE_S = 3_600.0
"""How long the index of a server's content is believed."""
MAX_MATCHES = 12
MAX_COLUMNS_PER_SPAN = 4
_VERSION = "2"
_KEPT_OPEN = 32
_KEYS_PER_QUERY = 500
_MAX_FOUND = 10_000
_SUM = slice(60, 64)  # user_version in the header of an SQLite file: it is free for our checksum
_HEADER_BYTES = 100
_STALE_PART_S = 3_600
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
    plain = text.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return [_stem(word) for word in _WORD.findall(plain)]


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


_Cell = tuple[str, str, str, str]
"""(folded words, table, column, value)"""


class _Cells:
    """The cells of one database, by their folded words; any thread may ask."""

    def __init__(self, database: Database | UrlDatabase, connection: sqlite3.Connection) -> None:
        self._database, self._connection = database, connection
        self._lock = threading.Lock()

    def find(self, keys: Iterable[str]) -> list[_Cell]:
        """Every cell that has one of the keys."""
        wanted = list(keys)
        with self._lock:
            try:
                return self._look_up(wanted)
            except sqlite3.Error:  # the file went bad after it was opened
                self._connection.close()
                self._connection = _in_memory(self._database)
                return self._look_up(wanted)

    def _look_up(self, wanted: list[str]) -> list[_Cell]:
        rows: list[_Cell] = []
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            part = wanted[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(part))
            rows += self._connection.execute(
                f"SELECT key, tbl, col, value FROM cells WHERE key IN ({marks}) LIMIT {_MAX_FOUND}",
                part,
            ).fetchall()
        return rows

    def __del__(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True)
class ValueIndex:
    """The cells of one database by their folded words; made by `open_value_index`."""

    cells: _Cells

    def match(self, question: str, limit: int = MAX_MATCHES) -> tuple[ValueMatch, ...]:
        """Cells the question mentions, the longest mention first, at most `limit`."""
        spans = _spans(question[:MAX_QUESTION_CHARS])
        found = sorted(
            ((key, spans[key], tbl, col, value) for key, tbl, col, value in self.cells.find(spans)),
            key=lambda row: (-row[1][2], row[1][0], row[2], row[3], row[4]),
        )
        return tuple(_chosen(found, question, limit))

    def spell(self, table: str, column: str, text: str) -> str:
        """The text as the column spells it (case, accents, spaces), or as it is."""
        found = [row[3] for row in self.cells.find([_key(text)]) if row[1:3] == (table, column)]
        if text in found or not found:
            return text
        return min(found, key=lambda value: (value.casefold() != text.casefold(), len(value)))


def _key(text: str) -> str:
    return " ".join(fold(text))


def _spans(question: str) -> dict[str, tuple[int, int, int]]:
    """Folded n-gram -> (first character, end, words), the first place it stands at."""
    # An accent that is a character of its own belongs to the word that it stands in.
    shape = question
    if not question.isascii():
        shape = "".join("_" if unicodedata.combining(c) else c for c in question)
    words = [match.span() for match in _WORD.finditer(shape)]
    folded = [_key(question[a:b]) for a, b in words]
    spans: dict[str, tuple[int, int, int]] = {}
    for i, (start, end) in enumerate(words):
        alone = question[start:end].casefold() not in _STOPWORDS
        for n in range(1 if alone else 2, min(MAX_WORDS, len(words) - i) + 1):
            key = " ".join(folded[i : i + n])
            if key not in spans:
                spans[key] = (start, words[i + n - 1][1], n)
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


def open_value_index(database: Database | UrlDatabase, cache: Path | None = None) -> ValueIndex:
    """The index of a database, built when there is none of its present content.

    `cache` is the folder of the index files. Where it cannot be used, or when `database.tables`
    names the few tables that matter, the index is in memory. DatabaseError: no cell can be read.

    A server does not tell when its content changed: its index is built again every hour.
    """
    if database.tables:
        return ValueIndex(_Cells(database, _in_memory(database)))
    origin, content = _origin(database)
    if isinstance(database, Database):
        database = Database(Path(origin), database.db_id)
    label = re.sub(r"\W+", "_", database.db_id)[:40]
    source, state = _digest(origin), _digest(_VERSION, *map(str, content))
    try:
        file = (cache or cache_dir() / "values").absolute() / f"{label}-{source}-{state}.sqlite"
        found = sandbox.identity(str(file))
    except OSError:
        found = ()
    except RuntimeError:  # there is no home folder to have a cache in
        return ValueIndex(_Cells(database, _in_memory(database)))
    return ValueIndex(_opened(database, file, found))


def _origin(database: Database | UrlDatabase) -> tuple[str, tuple[int, ...]]:
    """What names the database, and what changes with its content."""
    if isinstance(database, UrlDatabase) and database.address.engine != "duckdb":
        return database.address.without_secrets(database.address.url), (
            int(time.time() // MAX_AGE_S),
        )
    path = database.path if isinstance(database, Database) else Path(database.address.name)
    try:
        real = os.path.realpath(path)
        return real, sandbox.identity(real)
    except OSError as problem:
        raise DatabaseError(f"cannot read '{path}': {problem.strerror}") from problem


@lru_cache(maxsize=_KEPT_OPEN)
def _opened(database: Database | UrlDatabase, file: Path, found: tuple[int, ...]) -> _Cells:
    """The cells as the file has them; built first unless what was `found` there is intact.

    Kept as long as that file stays as it is: it is checked once. Where none can be written, the
    index in memory is kept in its place.
    """
    try:
        if not (found and _intact(file)):
            file.parent.mkdir(parents=True, exist_ok=True)
            _write(database, file)
            _remove_older(file)
        return _Cells(database, _open_file(file))
    except (OSError, sqlite3.Error):
        return _Cells(database, _in_memory(database))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _in_memory(database: Database | UrlDatabase) -> sqlite3.Connection:
    index = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        _build(database, index)
    except BaseException:
        index.close()
        raise
    return index


def _open_file(file: Path) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def _write(database: Database | UrlDatabase, file: Path) -> None:
    """Build beside the file, then rename: of several builders at once, each writes a whole file."""
    handle, name = tempfile.mkstemp(prefix=f"{file.stem}-", suffix=".part", dir=file.parent)
    os.close(handle)
    part = Path(name)
    try:
        with closing(sqlite3.connect(part)) as index:
            index.execute("PRAGMA synchronous = OFF")
            index.execute("PRAGMA journal_mode = OFF")
            _build(database, index)
        with part.open("r+b") as stream:
            stream.seek(_SUM.start)
            stream.write(_checksum(part)[1])
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _intact(file: Path) -> bool:
    """Whether the file is there and not a bit of it has changed since it was written."""
    try:
        written, actual = _checksum(file)
    except OSError:
        return False
    return written == actual


def _checksum(file: Path) -> tuple[bytes, bytes]:
    """The CRC-32 that stands in the file, and that of everything else in it."""
    with file.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
        crc = zlib.crc32(head[: _SUM.start] + head[_SUM.stop :])
        while chunk := stream.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return head[_SUM], crc.to_bytes(4, "big")


def _remove_older(file: Path) -> None:
    """Remove the indexes of earlier contents of the same database, and what killed builds left."""
    source = file.stem.split("-")[1]
    for other in file.parent.glob(f"*-{source}-*"):
        with suppress(OSError):  # someone else removed it first, or has it open
            age_s = time.time() - other.stat().st_mtime
            if other != file and (other.suffix != ".part" or age_s > _STALE_PART_S):
                other.unlink()


def _build(database: Database | UrlDatabase, index: sqlite3.Connection) -> None:
    index.execute("CREATE TABLE cells (key TEXT, tbl TEXT, col TEXT, value TEXT)")
    with ExitStack() as stack:
        if isinstance(database, UrlDatabase):
            cells = _keyed(texts(database, MAX_CELLS_PER_COLUMN, MAX_CELL_CHARS, MAX_BUILD_S))
        else:
            cells = _cells(stack.enter_context(closing(database.connect())), database.schema())
        index.executemany("INSERT INTO cells VALUES (?, ?, ?, ?)", islice(cells, MAX_CELLS))
    index.execute("CREATE INDEX by_key ON cells (key)")
    index.commit()


def _cells(connection: sqlite3.Connection, schema: Schema) -> Iterator[_Cell]:
    connection.text_factory = _strict
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_READ_BYTES)
    end = time.monotonic() + MAX_BUILD_S
    yield from _keyed(
        (table.name, column.name, value)
        for table in schema.tables
        for column in table.columns
        for value in _values(connection, table.name, column.name, end)
    )


def _keyed(found: Iterable[tuple[str, str, str]]) -> Iterator[_Cell]:
    for table, column, value in found:
        key = _key(value)
        if key:
            yield key, table, column, value


def _strict(raw: bytes) -> str:
    """The text, or "" for what is not UTF-8, since no query could spell it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return ""


def _values(connection: sqlite3.Connection, table: str, column: str, end: float) -> Iterator[str]:
    """The distinct short texts of a column, as far as they can be read in time."""
    stop = time.thread_time() + MAX_COLUMN_CPU_S
    connection.set_progress_handler(
        lambda: time.thread_time() > stop or time.monotonic() > end, 1_000
    )
    name = sandbox.quoted(column)
    try:
        for (value,) in connection.execute(
            f"SELECT DISTINCT {name} FROM {sandbox.quoted(table)} WHERE typeof({name}) = 'text' "
            f"AND length({name}) <= {MAX_CELL_CHARS} LIMIT {MAX_CELLS_PER_COLUMN}"
        ):
            if len(value) <= MAX_CELL_CHARS:  # length() stops at a NUL
                yield value
    except sqlite3.Error as problem:  # a broken view has no cells to offer
        if "locked" in str(problem):  # an index without this column would be believed later
            raise DatabaseError(
                f"'{table}' is being written to ({problem}); try again in a moment"
            ) from problem

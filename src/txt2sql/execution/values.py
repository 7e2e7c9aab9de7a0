"""The value index: which cells does a question mention? (value linking, or value retrieval)

Every distinct short text cell is stored once under its folded words; a question is answered by one
look-up of all its word n-grams. These are the n-grams of IRNet's schema linking (Guo et al., ACL 2019),
over cells as in BRIDGE (Lin et al., EMNLP Findings 2020). Beside the cells are their words, for
questions that misspell one, and the facts of the columns (`hints.py`).

The index is a file in the cache folder: built once, built again when the database changes or when the
file cannot be read, and held in memory where the folder cannot be used. What is read of a database
is bounded: see the constants below.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sqlite3
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from txt2sql.errors import DatabaseError
from txt2sql.execution import sandbox
from txt2sql.execution.database import Database
from txt2sql.execution.hints import SAMPLE_CHARS, Hints, load, read_facts
from txt2sql.execution.names import (
    COMMON,
    WORD,
    allowed,
    correctable,
    distance,
    fold,
    key,
    other_forms,
)
from txt2sql.execution.remote import READING, UrlDatabase, run
from txt2sql.runs import cache_dir
from txt2sql.types import Row, Schema, ValueMatch

MAX_WORDS = 8
MAX_QUESTION_CHARS = 2_000
MAX_MATCHES = 12
MAX_COLUMNS_PER_SPAN = 4
MAX_MISSPELT = 6
"""Words of a question that are looked at as misspelt ones."""
MAX_NEAR, MAX_TYPOS = 3, 4
MAX_FORM_WORDS = 4
_STOPWORDS = frozenset(
    "a about above after all also am an and any are as at average be been before below between both "
    "but by can count different do does each every find first for from give had has have he her his "
    "how i id if in into is it its last least less list many maximum me minimum more most name "
    "number of on one or order other our out over per please same she show so some such sum tell "
    "than that the their them then there these they this those to total under up us use value was "
    "we were what when where which who whom whose why will with without year you your".split()
)


EXACT, CASE, FOLDED, OTHER_FORM, TYPO = 1.0, 0.9, 0.8, 0.75, 0.5
"""Scores of mentions; those of hints (`hints.py`) lie between the last two."""

Span = tuple[int, int, int]
"""(first character, end, words)"""
Mention = tuple[ValueMatch, Span]
Cell = tuple[str, str, str, str]
"""(folded words, table, column, value)"""

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
_VERSION = "6"
_MAX_FOUND = 10_000
_MAX_NEAR = 2_000
"""Words with the start of a misspelt one that are compared with it."""
_MAX_WORDS = 500_000
MAX_SEARCHED = 500
_SEARCH = """
SELECT tbl, col, n, value FROM (
    SELECT *, count(*) OVER (PARTITION BY tbl, col) AS n, min(away) OVER (PARTITION BY tbl, col) AS best,
    row_number() OVER (PARTITION BY tbl, col ORDER BY away, value) AS place FROM (
        SELECT tbl, col, value, CASE WHEN key = ? THEN 0 ELSE length(value) END AS away FROM cells
        WHERE key LIKE ? ESCAPE '\\' OR value LIKE ? ESCAPE '\\'
    )
) WHERE place <= 10 ORDER BY best, tbl, col, place LIMIT ?
"""
"""Ten cells of each column at most: those that are the text itself, then the shortest."""

# ------------------------------------------------------------------------------- what is mentioned


class ValueIndex:
    """The cells of one database by their folded words; made by `open_value_index`. Any thread may ask."""

    def __init__(self, database: Database | UrlDatabase, connection: sqlite3.Connection) -> None:
        self.database, self._connection = database, connection
        self._lock = threading.Lock()

    @cached_property
    def hints(self) -> Hints:
        """What the facts of the columns make of a question."""
        facts = [load(text) for (text,) in self._read("SELECT fact FROM facts")]
        return Hints(facts, self.database.dialect, self.database.spell)

    def match(self, question: str, limit: int = MAX_MATCHES) -> tuple[ValueMatch, ...]:
        """What the question mentions, at most `limit`: cells, the longest first, conditions (dates, flags, codes,
        NULL), cells that a word of the question misspells."""
        question = question[:MAX_QUESTION_CHARS]
        spans = _spans(question)
        cells = [_mention(question, spans[gram], row) for gram, *row in self.find(spans)]
        # France for "French", where no cell is "French" or a part of it.
        forms: dict[str, Span] = {}
        for gram, (start, end, words) in spans.items():
            if words <= MAX_FORM_WORDS and not any(a < end and start < b for _, (a, b, _) in cells):
                for name in other_forms(gram):
                    forms.setdefault(key(name), (start, end, words))
        cells += [
            _mention(question, forms[gram], row, OTHER_FORM) for gram, *row in self.find(forms)
        ]
        plain, hints = _settled(_chosen(cells), self.hints.match(question))
        made = [*(match for match, _ in plain[: max(0, limit - len(hints))]), *hints]
        if len(made) < limit:
            known = {(match.table, match.column, match.value) for match in made}
            typos = [
                mention
                for mention in self._typos(question, spans, made)
                if (mention[0].table, mention[0].column, mention[0].value) not in known
            ]
            made += [match for match, _ in _chosen(typos)][:MAX_TYPOS]
        return tuple(made[:limit])

    def _typos(
        self, question: str, spans: dict[str, Span], made: Sequence[ValueMatch]
    ) -> Iterator[Mention]:
        """Cells of which one word is misspelt in the question."""
        known = {word for match in made for word in fold(match.span)} | self.hints.names
        cased = question.lstrip()[:1].isupper() and not question.isupper()
        words = [
            word
            for word, (start, end, size) in spans.items()
            if size == 1
            and allowed(word)
            and word not in known
            and question[start:end].lower() not in COMMON
        ][:MAX_MISSPELT]
        for word in words:
            if any(_close(word, name) is not None for name in self.hints.names):
                continue  # a misspelt name of a table or column
            for other in self.near(word)[:MAX_NEAR]:
                grams = {
                    " ".join(other if part == word else part for part in parts): gram
                    for gram in spans
                    if word in (parts := gram.split(" "))
                }
                for gram, *row in self.find(grams):
                    start, end, _ = span = spans[grams[gram]]
                    # Who writes capitals would write this name with one.
                    small = cased and question[start:end].islower() and row[2][:1].isupper()
                    if not small or (row[0], row[1]) in self.hints.few:
                        yield _mention(question, span, row, TYPO)

    def find(self, keys: Iterable[str]) -> list[Cell]:
        """Every cell that has one of the keys."""
        wanted = "SELECT value FROM json_each(?)"
        sql = f"SELECT key, tbl, col, value FROM cells WHERE key IN ({wanted}) LIMIT {_MAX_FOUND}"
        return self._read(sql, [json.dumps(list(keys))])

    def search(self, text: str) -> list[tuple[str, str, int, list[str]]]:
        """Columns with a cell that has the text in it, or that is like a pattern in which * stands for
        anything: (table, column, how many such cells, some of them), the best first. Case and accents do
        not matter."""
        bare = "" if "*" in text else "%"
        likes = []
        for parts in ([key(part) for part in text.split("*")], text.split("*")):
            escaped = (re.sub(r"([\\%_])", r"\\\1", part) for part in parts)
            likes.append(bare + "%".join(escaped) + bare)
        if not key(text):
            likes[0] = likes[1]
        columns: dict[tuple[str, str, int], list[str]] = {}
        for *column, value in self._read(_SEARCH, [key(text), *likes, MAX_SEARCHED]):
            columns.setdefault(tuple(column), []).append(value)
        return [(*column, values) for column, values in columns.items()]

    def unread(self) -> list[tuple[str, str]]:
        """The columns whose cells were not read whole, as (table, column)."""
        return [(table, column) for table, column in self._read("SELECT tbl, col FROM unread")]

    def near(self, word: str) -> list[str]:
        """Words of cells that are few edits away from a folded word, the nearest first. Only those that begin
        alike: people rarely miss the first letters."""
        most = allowed(word)
        if not most or self._read("SELECT 1 FROM words WHERE word = ?", [word]):
            return []
        start = word[: len(word) // 2 - 1 if most == 1 else len(word) // 3]
        others = self._read(
            "SELECT word FROM words WHERE word >= ? AND word < ? "
            f"AND length(word) BETWEEN ? AND ? LIMIT {_MAX_NEAR}",
            [start, start[:-1] + chr(ord(start[-1]) + 1), len(word) - most, len(word) + most],
        )
        near = [(away, o) for (o,) in others if (away := _close(word, o)) is not None]
        return [other for _, other in sorted(near)]

    def _read(self, sql: str, values: Sequence[str | int] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error:  # the file went bad after it was opened
                self._connection.close()
                self._connection = _in_memory(self.database)
                return self._connection.execute(sql, values).fetchall()

    def __del__(self) -> None:
        self._connection.close()


def _close(word: str, other: str) -> int | None:
    most = allowed(word)
    if len(set(word).difference(other)) > most:  # each edit takes one letter away at most
        return None
    away = distance(word, other, most)
    return away if away <= most else None


def _mention(question: str, span: Span, row: Sequence[str], score: float = 0.0) -> Mention:
    table, column, value = row
    text = question[span[0] : span[1]]
    if not score:
        same = text.casefold() == value.casefold()
        score = EXACT if text == value else CASE if same else FOLDED
    return ValueMatch(table, column, value, text, score), span


def _spans(question: str) -> dict[str, Span]:
    # An accent that is a character of its own belongs to the word that it stands in.
    shape = question
    if not question.isascii():
        shape = "".join("_" if unicodedata.combining(c) else c for c in question)
    words = [match.span() for match in WORD.finditer(shape)]
    folded = [key(question[a:b]) for a, b in words]
    spans: dict[str, Span] = {}
    for i, (start, end) in enumerate(words):
        word = question[start:end]
        alone = word.casefold() not in _STOPWORDS or word == "US"
        for n in range(1 if alone else 2, min(MAX_WORDS, len(words) - i) + 1):
            gram = " ".join(folded[i : i + n])
            if gram not in spans:
                spans[gram] = (start, words[i + n - 1][1], n)
    return spans


def _rank(mention: Mention) -> tuple[int, int, float, str, str, str]:
    match, (start, _, words) = mention
    return -words, start, -match.score, match.table, match.column, match.value


def _chosen(mentions: list[Mention]) -> list[Mention]:
    """Drop what lies inside a longer mention, cap the columns per mention, order by likeness."""
    seen: dict[tuple[int, int], set[tuple[str, str]]] = {}
    chosen = []
    for match, (start, end, words) in sorted(mentions, key=_rank):
        if any(a <= start and end <= b and (a, b) != (start, end) for a, b in seen):
            continue
        columns = seen.setdefault((start, end), set())
        if (match.table, match.column) not in columns and len(columns) < MAX_COLUMNS_PER_SPAN:
            columns.add((match.table, match.column))
            chosen.append((match, (start, end, words)))
    return sorted(chosen, key=lambda mention: mention[0].score < CASE)


def _settled(
    mentions: list[Mention], hints: list[ValueMatch]
) -> tuple[list[Mention], list[ValueMatch]]:
    """A cell that is a longer mention wins over a hint, and a hint over the cells inside it."""
    wide = [match.span for match, (*_, words) in mentions if words > 1 and match.score >= FOLDED]
    hints = [
        hint for hint in hints if not any(hint.span in text and hint.span != text for text in wide)
    ]

    def hidden(match: ValueMatch, hint: ValueMatch) -> bool:
        same = (match.table, match.column) == (hint.table, hint.column)
        return match.span in hint.span and (match.span != hint.span or same)

    plain = [m for m in mentions if not any(hidden(m[0], hint) for hint in hints)]
    return plain, hints


# ------------------------------------------------------------------------------------- the files


def open_value_index(database: Database | UrlDatabase, cache: Path | None = None) -> ValueIndex:
    """The index of a database, built when there is none of its present content; of a server every hour.

    `cache` is the folder of the index files. Where it cannot be used, or when `database.tables` names the few
    tables that matter, the index is in memory. DatabaseError: no cell can be read.
    """
    if database.tables:
        return ValueIndex(database, _in_memory(database))
    origin, content = _origin(database)
    if isinstance(database, Database):
        database = Database(Path(origin), database.db_id)
    label = re.sub(r"\W+", "_", database.db_id)[:40]
    source, state = _digest(origin), _digest(_VERSION, *map(str, content))
    try:
        file = (cache or cache_dir() / "values").absolute() / f"{label}-{source}-{state}.sqlite"
        mark = sandbox.identity(str(file))
    except OSError:
        mark = ()
    except RuntimeError:  # there is no home folder to have a cache in
        return ValueIndex(database, _in_memory(database))
    return _opened(database, file, mark)


def _origin(database: Database | UrlDatabase) -> tuple[str, tuple[int, ...]]:
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


@lru_cache(maxsize=32)
def _opened(database: Database | UrlDatabase, file: Path, mark: tuple[int, ...]) -> ValueIndex:
    """The index as the file has it; built first where there is none, which has no `mark`, or one
    that is damaged. Where none can be written, the index in memory is kept in its place.
    """
    with suppress(sqlite3.Error):
        if mark:
            return ValueIndex(database, _open_file(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(database, file)
        _remove_older(file)
        return ValueIndex(database, _open_file(file))
    except (OSError, sqlite3.Error):
        return ValueIndex(database, _in_memory(database))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _in_memory(database: Database | UrlDatabase) -> sqlite3.Connection:
    index = sqlite3.connect(":memory:", check_same_thread=False)
    _build(database, index)
    return index


def _open_file(file: Path) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    try:
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        connection.execute("SELECT 1 FROM cells, facts, words, unread LIMIT 1").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


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
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _remove_older(file: Path) -> None:
    """Remove the indexes of earlier contents of the same database, and what killed builds left."""
    source = file.stem.split("-")[1]
    for other in file.parent.glob(f"*-{source}-*"):
        with suppress(OSError):  # someone else removed it first, or has it open
            age_s = time.time() - other.stat().st_mtime
            if other != file and (other.suffix != ".part" or age_s > 3_600):
                other.unlink()


def _build(database: Database | UrlDatabase, index: sqlite3.Connection) -> None:
    index.execute("CREATE TABLE cells (key TEXT, tbl TEXT, col TEXT, value TEXT)")
    index.execute("CREATE TABLE facts (fact TEXT)")
    index.execute("CREATE TABLE unread (tbl TEXT, col TEXT)")
    words: set[str] = set()
    unread: list[tuple[str, str]] = []
    with ExitStack() as stack:
        schema = database.schema(infer=False)
        if isinstance(database, UrlDatabase):
            content = _cells(database, schema, partial(_rows_of_server, database), unread)
            facts = read_facts(schema, database.rows, database.quote)
        else:
            connection = stack.enter_context(closing(database.connect()))
            connection.text_factory = _strict
            if sys.version_info >= (3, 11):
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_READ_BYTES)
            content = _cells(database, schema, partial(_rows, connection), unread)
            facts = read_facts(schema, partial(_rows_in_time, connection), database.quote, _sampled)
        index.executemany("INSERT INTO cells VALUES (?, ?, ?, ?)", _keyed(content, words))
        index.executemany("INSERT INTO facts VALUES (?)", ((json.dumps(fact),) for fact in facts))
    index.executemany("INSERT INTO unread VALUES (?, ?)", unread)
    index.execute("CREATE INDEX by_key ON cells (key)")
    index.execute("CREATE TABLE words (word TEXT PRIMARY KEY) WITHOUT ROWID")
    index.executemany(
        "INSERT INTO words VALUES (?)", ((word,) for word in sorted(filter(correctable, words)))
    )
    index.commit()


def _sampled(name: str) -> str:
    return (
        f"CASE typeof({name}) WHEN 'text' THEN substr({name}, 1, {SAMPLE_CHARS}) "
        f"WHEN 'blob' THEN NULL ELSE {name} END"
    )


def _keyed(cells: Iterable[tuple[str, str, str]], noted: set[str]) -> Iterator[Cell]:
    for table, column, value in cells:
        words = fold(value)
        if words:
            if len(noted) < _MAX_WORDS:
                noted.update(words)
            yield " ".join(words), table, column, value


def _strict(raw: bytes) -> str:
    """The text, or "" for what is not UTF-8, since no query could spell it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return ""


def _cells(
    database: Database | UrlDatabase,
    schema: Schema,
    read: Callable[[str, float], Iterable[Row]],
    unread: list[tuple[str, str]],
) -> Iterator[tuple[str, str, str]]:
    """The distinct short texts of every column, (table, column, text); what is not read whole is added to
    `unread`. `read` runs a statement until a moment, and ends with TimeoutError where that is not enough."""
    end, total = time.monotonic() + MAX_BUILD_S, 0
    short = {"sqlite": "typeof({0}) = 'text' AND length({0})", "mysql": "CHAR_LENGTH({0})"}
    for table in schema.tables:
        for column in table.columns:
            if database.dialect != "sqlite" and column.type != "text":
                continue
            name, count = database.quote(column.name), 0
            most = min(MAX_CELLS_PER_COLUMN, MAX_CELLS - total)
            sql = (
                f"SELECT DISTINCT {name} FROM {database.quote(table.name)} WHERE "
                f"{short.get(database.dialect, 'length({0})').format(name)} <= {MAX_CELL_CHARS} "
                f"LIMIT {most}"
            )
            try:
                if most <= 0 or time.monotonic() > end:
                    raise TimeoutError
                for (value,) in read(sql, end):
                    count += 1
                    if isinstance(value, str) and len(value) <= MAX_CELL_CHARS:
                        yield table.name, column.name, value  # length() stops at a NUL
                if count == most:
                    raise TimeoutError
            except TimeoutError:
                unread.append((table.name, column.name))
            total += count


def _rows_of_server(database: UrlDatabase, sql: str, _: float) -> tuple[Row, ...]:
    result = run(database, sql, replace(READING, max_rows=MAX_CELLS_PER_COLUMN), trusted=True)
    if result.timed_out:
        raise TimeoutError
    return result.rows


def _rows(connection: sqlite3.Connection, sql: str, end: float) -> Iterator[Row]:
    """What a statement of ours gives within the processor time of a column, and before `end`; a broken
    view has nothing to offer.
    """
    stop = time.thread_time() + MAX_COLUMN_CPU_S
    connection.set_progress_handler(
        lambda: time.thread_time() > stop or time.monotonic() > end, 1_000
    )
    try:
        yield from connection.execute(sql)
    except sqlite3.Error as problem:
        if "locked" in str(problem):  # an index without this column would be believed later
            raise DatabaseError(
                f"the database is being written to ({problem}); try again in a moment"
            ) from problem
        if str(problem) in ("interrupted", "string or blob too big"):
            raise TimeoutError from problem


def _rows_in_time(connection: sqlite3.Connection, sql: str) -> list[Row]:
    rows: list[Row] = []
    with suppress(TimeoutError):
        rows.extend(_rows(connection, sql, math.inf))
    return rows

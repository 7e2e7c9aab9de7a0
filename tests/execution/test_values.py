"""What is no mention first, then what is; then broken caches, odd cells and limits."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
import unicodedata
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import build, listing

from txt2sql.errors import DatabaseError
from txt2sql.execution import values
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.names import fold
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.types import ValueMatch

CELLS = (
    "France", "New York", "York", "Bogotá", "Łódź", "STRAẞE", " JFK", "O'Brien", "The", "all",
    'the "Best" of', "cat", "bass", "90210", "Jetblue Airways", "हिन्दी", "東京", "nul\0inside",
    "", " ", "?!", "#1", "one two three four five six seven eight", "x" * 81,
    "one two three four five six seven eight nine",
)  # fmt: skip
PEOPLE = (
    "Luís", "Luis", "Luiz", "Netherlands", "Turkish", "United States", "Washington", "Margaret",
    "red wine", "category", "movie", "class", "Elizabeth", "Springfield North",
)  # fmt: skip
MANY = tuple(f"word{i} with more" for i in range(3_000))


def database(path: Path, cells: tuple[str, ...] = CELLS) -> Database:
    """A table `t` with the cells in the column `name`."""
    build(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, born INT)")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO t (name, born) VALUES (?, 1990)", [(c,) for c in cells])
    return open_database(path)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ValueIndex:
    folder = tmp_path_factory.mktemp("values")
    base = database(folder / "base" / "base.sqlite")
    before = listing(base.path.parent)
    index = open_value_index(base, folder / "cache")
    assert matched(index, "York") == ["York"]
    assert listing(base.path.parent) == before  # the folder of the database is left alone
    return index


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> ValueIndex:
    path = build(
        tmp_path_factory.mktemp("people") / "people.sqlite",
        "CREATE TABLE a_copy (nickname TEXT)",
        "CREATE TABLE people (name TEXT, salary INTEGER)",
        *(f"INSERT INTO people (name) VALUES ('{name}')" for name in PEOPLE),
        "INSERT INTO a_copy VALUES ('LUIS')",
    )
    return open_value_index(open_database(path))


@pytest.fixture
def base(tmp_path: Path) -> Database:
    return database(tmp_path / "a.sqlite")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def matched(index: ValueIndex, question: str) -> list[str]:
    return [match.value for match in index.match(question)]


NO_MENTION = """
list ALL of THE names | a caterpillar, a bobcat, concatenation | francetown Fran, yorkshire | nul
catt basss Yorr Jfkk | 9021O 9021 902101 | has 1990 of them | Jetblue | bas | ?! ' " % _ * ; --
one two three four five six seven
"""  # stopwords, parts of words and of cells, words too short to be misspelt, numbers


@pytest.mark.parametrize("question", ["", "x" * 81, *re.split(r" \| |\n", NO_MENTION.strip())])
def test_no_mention(index: ValueIndex, question: str) -> None:
    assert matched(index, question) == []


@pytest.mark.parametrize(
    ("question", "value", "span", "score"),
    [
        ("Who is from France?", "France", "France", 1.0),
        ("who is from FRANCE", "France", "FRANCE", 0.9),
        ("new\tyork", "New York", "new\tyork", 0.8),
        ("flights to bogota", "Bogotá", "bogota", 0.8),
        ("in der strasse", "STRAẞE", "strasse", 0.9),
        ("from JFK to", " JFK", "JFK", 0.8),
        ("what did o’brien do", "O'Brien", "o’brien", 0.8),
        ('buy the "best" of', 'the "Best" of', 'the "best" of', 0.9),
        ("a cat's-tail, but catalogue", "cat", "cat", 1.0),
        ("how many cats", "cat", "cats", 0.8),
        ("zip is 90210.", "90210", "90210", 1.0),
        ("jetblue airway", "Jetblue Airways", "jetblue airway", 0.8),
        ("films in 東京 ?", "東京", "東京", 1.0),
        ("number 1", "#1", "1", 0.8),
    ],
)
def test_mention(index: ValueIndex, question: str, value: str, span: str, score: float) -> None:
    assert index.match(question) == (ValueMatch("t", "name", value, span, score),)


def test_accents_may_be_characters_of_their_own(index: ValueIndex) -> None:
    for value in ("Bogotá", "Łódź", "हिन्दी"):
        for form in ("NFC", "NFD"):
            question = f"in {unicodedata.normalize(form, value)}, please"
            (match,) = index.match(question)
            assert match.value == value
            assert match.span in question


def test_longer_mention_hides_the_shorter(index: ValueIndex) -> None:
    assert matched(index, "in france: New York") == ["New York", "France"]
    assert matched(index, "York or New York") == ["New York", "York"]
    words = "one TWO three four five six seven eight"
    assert matched(index, f"hunter2 {words}s") == [words.lower()]


def test_matches_and_columns_per_mention_are_limited(tmp_path: Path) -> None:
    path = build(
        tmp_path / "wide.sqlite",
        f"CREATE TABLE t ({', '.join(f'c{i} TEXT' for i in range(9))})",
        *(
            f"INSERT INTO t VALUES ({', '.join([f'{word!r}'] * 9)})"
            for word in "oak Oak elm fir ash yew".split()
        ),
    )
    index = open_value_index(open_database(path))
    matches = index.match("oak elm fir ash yew")
    assert len(matches) == values.MAX_MATCHES
    assert [m.column for m in matches[:4]] == ["c0", "c1", "c2", "c3"]  # not Oak and oak of each
    assert [m.span for m in matches] == ["oak"] * 4 + ["elm"] * 4 + ["fir"] * 4
    assert index.match("oak elm", limit=1) == matches[:1]


SPELLINGS = """
what does Luís earn -> Luís, LUIS | what does luis earn -> LUIS, Luis | LUIZ or Luis -> Luiz, Luis, LUIS
the red wines -> red wine | of which categories -> category | the classes -> class
Dutch people -> Netherlands | those from Turkey -> Turkish | people from the U.S. -> United States
people from the US -> United States | tell us of people -> | French people ->
who is Margarte -> Margaret | who is margret -> Margaret | who lives in Washngtom -> Washington
is it Springfeild North -> Springfield North | is it Springfeild South -> | Margra ->
the averge salry of the peopel, move -> | Who is margret? -> | Who is Margret? -> Margaret
Margaret and margaretta -> Margaret
"""  # of letters and accents, plurals, other forms of a country that is a cell, typos in long words


@pytest.mark.parametrize("case", re.split(r" \| |\n", SPELLINGS.strip()))
def test_other_spellings(people: ValueIndex, case: str) -> None:
    question, _, expected = case.partition(" ->")
    assert ", ".join(matched(people, question)) == expected.strip()


def test_a_hint_takes_the_place_of_its_words(tmp_path: Path) -> None:
    path = build(
        tmp_path / "shop.sqlite",
        "CREATE TABLE sales (buyer TEXT, sold_on TEXT, vintage TEXT, state TEXT)",
        "INSERT INTO sales VALUES ('May', '2024-05-01', '2008', 'paid')",
        "INSERT INTO sales VALUES ('Fall 2024', '2025-01-07', '2010', 'open')",
    )
    index = open_value_index(open_database(path))
    for question, expected in {
        "sales in May 2024": "sales.sold_on >= '2024-05-01' AND sales.sold_on < '2024-06-01'",
        "sales to May in 2024": "buyer = May",
        "sales to Fall 2024": "buyer = Fall 2024",
        "sales that are not paid": "sales.state <> 'paid'",
        "paid sales": "state = paid",
    }.items():
        match = index.match(question)[0]
        assert (match.condition or f"{match.column} = {match.value}") == expected


def test_only_the_start_of_a_long_question_counts(index: ValueIndex) -> None:
    assert matched(index, "France " + "word " * 2_000 + "York") == ["France"]
    start = time.thread_time()
    assert matched(index, "a " * 1_000_000) == []
    assert matched(index, "e\u0301" * 1_000_000) == []
    assert time.thread_time() - start < 2.0


# Broken and stale caches


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rebuilt_when_the_database_changes_and_the_old_file_removed(
    tmp_path: Path, base: Database, cache: Path
) -> None:
    other = database(tmp_path / "b.sqlite", ("Paris",))
    assert matched(open_value_index(base, cache), "York, Oslo") == ["York"]
    open_value_index(other, cache)
    with closing(sqlite3.connect(base.path)) as writer, writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE t SET name = 'Oslo' WHERE name = 'York'")
        writer.commit()  # into the write-ahead log alone
        assert matched(open_value_index(base, cache), "York, Oslo") == ["Oslo"]
    assert len(files(cache)) == 2
    assert matched(open_value_index(other, cache), "Paris") == ["Paris"]


def test_damaged_file_is_built_again(tmp_path: Path, base: Database, cache: Path) -> None:
    open_value_index(base, cache)
    (file,) = cache.iterdir()
    good = file.read_bytes()
    foreign = database(tmp_path / "other.sqlite", ("Oslo",)).path.read_bytes()
    for content in (b"", b"not a database" * 1_000, good[:5000], bytes(len(good)), foreign):
        file.write_bytes(content)
        assert matched(open_value_index(base, cache), "York and Cork") == ["York"]
        assert file.read_bytes() == good
        assert files(cache) == [file.name]


@pytest.mark.parametrize("removed", [False, True])
def test_file_that_goes_bad_while_it_is_open(tmp_path: Path, cache: Path, removed: bool) -> None:
    base = database(tmp_path / "a.sqlite", MANY)
    index = open_value_index(base, cache)
    (file,) = cache.iterdir()
    if removed:
        file.unlink()
        cache.rmdir()
    else:
        file.write_bytes(b"")
    assert matched(index, "is it word2999 with more?") == ["word2999 with more"]
    assert matched(open_value_index(base, cache), "word8 with more") == ["word8 with more"]


@pytest.mark.parametrize("kind", ["a file", "no home"])
def test_cache_that_cannot_be_used(
    base: Database, cache: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("mine")
    if kind == "no home":
        monkeypatch.delenv("TXT2SQL_CACHE")
        monkeypatch.setattr(Path, "expanduser", Mock(side_effect=RuntimeError("no home")))
    place = None if kind == "no home" else cache
    index = open_value_index(base, place)
    assert matched(index, "York") == ["York"]
    # Without a home there is no name to remember it by; else it is not built for every question.
    assert kind == "no home" or open_value_index(base, place) is index
    assert cache.read_text() == "mine"


SCRIPT = """
import sys
from pathlib import Path
from txt2sql.execution.database import open_database
from txt2sql.execution.values import open_value_index
if sys.argv[3]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
index = open_value_index(open_database(sys.argv[1]), Path(sys.argv[2]))
print(*[match.value for match in index.match("is it word2999 with more?")], sep="|")
"""


@pytest.mark.skipif(os.name == "nt", reason="files of limited size are a POSIX notion")
@pytest.mark.parametrize("limits", [("50000",), ("", "")], ids=["full disk", "two at once"])
def test_other_processes_build(tmp_path: Path, cache: Path, limits: tuple[str, ...]) -> None:
    base = database(tmp_path / "a.sqlite", MANY)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-W", "error", "-c", SCRIPT, base.path, cache]
    for builder in [subprocess.Popen([*command, limit], **pipes) for limit in limits]:
        assert builder.communicate() == ("word2999 with more\n", "")
    assert len(files(cache)) == len(limits) - 1
    for file in cache.iterdir():
        values._open_file(file).close()


def test_left_by_a_killed_build(base: Database, cache: Path) -> None:
    open_value_index(base, cache)
    (file,) = cache.iterdir()
    old, new = cache / f"{file.stem}-old.part", cache / f"{file.stem}-new.part"
    mine = cache / "notes.part"
    for path in (old, new, mine):
        path.touch()
    for path in (old, mine):
        os.utime(path, (1, 1))
    file.unlink()
    values._opened.cache_clear()
    open_value_index(base, cache)
    assert files(cache) == sorted([file.name, new.name, mine.name])  # new: perhaps still at work


# The database


def test_database_that_is_gone_or_locked(base: Database, cache: Path) -> None:
    with closing(sqlite3.connect(base.path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("INSERT INTO t (name) VALUES ('Oslo')")
        with pytest.raises(DatabaseError):
            open_value_index(base, cache)
        writer.execute("COMMIT")
    assert matched(open_value_index(base, cache), "Oslo") == ["Oslo"]
    base.path.unlink()
    with pytest.raises(DatabaseError, match="cannot read"):
        open_value_index(base, cache)


def test_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "50% off? #1 [x]" / 'na"me é.sqlite'
    path.parent.mkdir()
    build(
        path,
        'CREATE TABLE "or""der" ("se""lect" TEXT COLLATE NOCASE)',
        'INSERT INTO "or""der" VALUES (\'Quito\')',
    )
    index = open_value_index(Database(path, "../../a/b\0\n" + "c" * 300), tmp_path / "cache?#%")
    (match,) = index.match("quito")
    assert (match.table, match.column) == ('or"der', 'se"lect')
    assert len(files(tmp_path / "cache?#%")) == 1


def test_only_the_named_tables_and_nothing_cached(base: Database, cache: Path) -> None:
    build(base.path, "CREATE TABLE u (name TEXT)", "INSERT INTO u VALUES ('Oslo')")
    index = open_value_index(Database(base.path, "a", ("u",)), cache)
    assert matched(index, "York or Oslo") == ["Oslo"]
    assert not cache.exists()


def test_text_that_is_not_utf8_and_cells_that_are_huge(tmp_path: Path) -> None:
    path = tmp_path / "odd.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE doc (title TEXT, body TEXT, note TEXT)")
        connection.execute("INSERT INTO doc VALUES (CAST(x'4ec3a9ff' AS TEXT), 'short', 'alpha')")
        connection.execute("INSERT INTO doc VALUES ('Nîmes', ?, 'beta')", ["x " * 5_000_000])
        connection.execute("INSERT INTO doc VALUES (x'ff00', NULL, ?)", ["nul\0" * 100_000])
        connection.execute("CREATE VIEW broken AS SELECT name FROM nowhere")
    connection.close()
    index = open_value_index(open_database(path))
    assert matched(index, "né ne short nimes alpha beta nul") == ["short", "alpha", "beta", "Nîmes"]


def test_building_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(
        tmp_path / "big.sqlite",
        "CREATE TABLE a_name (name TEXT)",
        *(f"INSERT INTO a_name VALUES ('n{i}')" for i in range(500)),
        "CREATE VIEW bomb AS SELECT a.rowid * b.rowid * c.rowid * d.rowid AS product "
        "FROM a_name a, a_name b, a_name c, a_name d",
        "CREATE TABLE z_city (name TEXT)",
        "INSERT INTO z_city VALUES ('Oslo')",
    )
    base = open_database(path)
    start = time.thread_time()
    for name, limit, expected in (
        ("MAX_COLUMN_CPU_S", 0.2, ["n0", "n499", "Oslo"]),
        ("MAX_CELLS_PER_COLUMN", 10, ["n0", "Oslo"]),
        ("MAX_CELLS", 5, ["n0"]),
    ):
        monkeypatch.setattr(values, name, limit)
        index = open_value_index(base, tmp_path / name)
        assert matched(index, "n0 n499 Oslo") == expected
        assert (("a_name", "name") in index.unread()) == (name != "MAX_COLUMN_CPU_S")
        assert ("bomb", "product") in index.unread()
    assert time.thread_time() - start < 3.0
    monkeypatch.setattr(values, "MAX_BUILD_S", 0.0)
    assert matched(open_value_index(base, tmp_path / "late"), "Oslo") in ([], ["Oslo"])


# Any question

WORDS = st.one_of(st.sampled_from(CELLS), st.text(max_size=12))


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=20).map(" ".join), st.integers(0, 15))
def test_every_match_is_a_cell(index: ValueIndex, question: str, limit: int) -> None:
    matches = index.match(question, limit)
    assert len(matches) <= limit
    for match in matches:
        assert match.span
        assert match.span in question
        if match.condition:
            continue
        assert (match.table, match.column) == ("t", "name")
        assert match.value in CELLS
        if match.score >= values.FOLDED:
            assert " ".join(fold(match.span)) == " ".join(fold(match.value))
            assert match.score in (1.0, 0.9, 0.8)

"""What is no mention first, then what is; then broken caches, odd cells and limits."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_files import build

from txt2sql.errors import DatabaseError
from txt2sql.execution import values
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.names import fold
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.types import ValueMatch

CELLS = (
    "France",
    "New York",
    "York",
    "Bogotá",
    "Łódź",
    "STRAẞE",
    " JFK",
    "O'Brien",
    'the "Best" of',
    "The",
    "all",
    "cat",
    "bass",
    "90210",
    "Jetblue Airways",
    "हिन्दी",
    "東京",
    "nul\0inside",
    "",
    " ",
    "?!",
    "#1",
    "one two three four five six seven eight",
    "one two three four five six seven eight nine",
    "x" * 81,
)


def database(path: Path, cells: tuple[str, ...] = CELLS) -> Database:
    """A table `t` with the cells in the column `name`, and an old time of change."""
    build(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, born INT)")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO t (name, born) VALUES (?, 1990)", [(c,) for c in cells])
    return open_database(path)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ValueIndex:
    folder = tmp_path_factory.mktemp("values")
    return open_value_index(database(folder / "base" / "base.sqlite"), folder / "cache")


def found(index: ValueIndex, question: str) -> list[str]:
    return [match.value for match in index.match(question)]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   \n",
        "list all of the names",  # stopwords, though 'The' and 'all' are cells
        "ALL THE others",
        "a caterpillar, a bobcat, concatenation",  # cat
        "a cat's-tail is fine, but catalogue",  # asserted below to be the word cat alone
        "francetown Fran",
        "catt basss Yorr Jfkk",  # too short to be misspelt
        "9021O 90211",
        "yorkshire",
        "9021 902101",
        "has 1990 of them",  # a number, not a text
        "?! ' \" % _ * ; --",
        "Jetblue",  # a part of a cell is no mention of it
        "bas",  # the s of bass is no plural
        "one two three four five six seven",
        "x" * 81,
        "nul",
    ],
)
def test_no_mention(index: ValueIndex, question: str) -> None:
    expected = ["cat"] if "cat's-tail" in question else []
    assert found(index, question) == expected


@pytest.mark.parametrize(
    ("question", "value", "span", "score"),
    [
        ("Who is from France?", "France", "France", 1.0),
        ("who is from FRANCE", "France", "FRANCE", 0.9),
        ("new\tyork", "New York", "new\tyork", 0.8),
        ("flights to bogota", "Bogotá", "bogota", 0.8),
        ("flights to BOGOTÁ", "Bogotá", "BOGOTÁ", 0.9),
        ("Łódź!", "Łódź", "Łódź", 1.0),
        ("in der strasse", "STRAẞE", "strasse", 0.9),
        ("from JFK to", " JFK", "JFK", 0.8),
        ("what did O'Brien do", "O'Brien", "O'Brien", 1.0),
        ("what did o’brien do", "O'Brien", "o’brien", 0.8),
        ('buy the "best" of', 'the "Best" of', 'the "best" of', 0.9),
        ("how many cats", "cat", "cats", 0.8),
        ("zip is 90210.", "90210", "90210", 1.0),
        ("by 'Jetblue Airways'", "Jetblue Airways", "Jetblue Airways", 1.0),
        ("jetblue airway", "Jetblue Airways", "jetblue airway", 0.8),
        ("films in 東京 ?", "東京", "東京", 1.0),
        ("number 1", "#1", "1", 0.8),
        ("hunter2 one TWO three four five six seven eights", None, None, None),
    ],
)
def test_mention(
    index: ValueIndex, question: str, value: str | None, span: str, score: float
) -> None:
    if value is None:
        assert found(index, question) == ["one two three four five six seven eight"]
        return
    assert index.match(question) == (ValueMatch("t", "name", value, span, score),)


def test_accents_that_are_characters_of_their_own(index: ValueIndex) -> None:
    for value in ("Bogotá", "Łódź", "हिन्दी"):
        for form in ("NFC", "NFD"):
            question = f"in {unicodedata.normalize(form, value)}, please"
            (match,) = index.match(question)
            assert match.value == value
            assert match.span in question


def test_longer_mention_hides_the_shorter(index: ValueIndex) -> None:
    assert found(index, "people of New York") == ["New York"]
    assert found(index, "in france: New York") == ["New York", "France"]
    assert found(index, "York or New York") == ["New York", "York"]


def test_limit_and_columns_per_mention(tmp_path: Path) -> None:
    words = ("oak", "Oak", "elm", "fir", "ash", "yew")
    path = build(
        tmp_path / "wide.sqlite",
        f"CREATE TABLE t ({', '.join(f'c{i} TEXT' for i in range(9))})",
        *(f"INSERT INTO t VALUES ({', '.join([repr(word)] * 9)})" for word in words),
    )
    index = open_value_index(open_database(path))
    matches = index.match("oak elm fir ash yew")
    assert len(matches) == values.MAX_MATCHES
    assert [m.column for m in matches[:4]] == ["c0", "c1", "c2", "c3"]
    assert [m.span for m in matches] == ["oak"] * 4 + ["elm"] * 4 + ["fir"] * 4
    assert len(index.match("oak")) == values.MAX_COLUMNS_PER_SPAN  # Oak and oak: one per column
    assert index.match("oak elm", limit=1) == matches[:1]
    assert index.match("oak elm", limit=0) == ()


PEOPLE = (
    *("Luís", "Luis", "Luiz", "Netherlands", "Turkish", "United States", "Washington", "Margaret"),
    *("red wine", "category", "city box", "movie", "class", "Elizabeth", "Springfield North"),
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> ValueIndex:
    folder = tmp_path_factory.mktemp("people")
    path = build(
        folder / "people.sqlite",
        "CREATE TABLE a_copy (nickname TEXT)",
        "CREATE TABLE people (name TEXT, salary INTEGER)",
        *(f"INSERT INTO people (name) VALUES ('{name}')" for name in PEOPLE),
        "INSERT INTO a_copy VALUES ('LUIS')",
    )
    return open_value_index(open_database(path), folder / "cache")


def test_the_spelling_of_the_question_comes_first(people: ValueIndex) -> None:
    for name, others in (("Luís", ["LUIS"]), ("Luis", ["LUIS"])):
        assert found(people, f"what does {name} earn") == [name, *others]
    # In small letters neither is exact: the nearest of each column.
    assert found(people, "what does luis earn") == ["LUIS", "Luis"]
    assert found(people, "what does luís earn")[0] == "Luís"
    assert found(people, "LUIZ or Luis") == ["Luiz", "Luis", "LUIS"]


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("the red wines", "red wine"),
        ("of which categories", "category"),
        ("city boxes", "city box"),
        ("all of the movies", "movie"),
        ("the classes", "class"),
    ],
)
def test_plurals(people: ValueIndex, question: str, value: str) -> None:
    assert [(m.value, m.score) for m in people.match(question)] == [(value, values.FOLDED)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Dutch people", ["Netherlands"]),
        ("from Holland", ["Netherlands"]),
        ("those from Turkey", ["Turkish"]),
        ("American people", ["United States"]),
        ("people from the U.S.", ["United States"]),
        ("people from the US", ["United States"]),
        ("tell us of people", []),
        ("French people", []),  # no such cell
        ("the United States", ["United States"]),
    ],
)
def test_other_forms_of_a_country(people: ValueIndex, question: str, expected: list[str]) -> None:
    assert found(people, question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("who is Margarte", ["Margaret"]),  # swapped
        ("who is margret", ["Margaret"]),  # a letter less
        ("who lives in Washingtom", ["Washington"]),
        ("who lives in Washngtom", ["Washington"]),  # two in a long word
        ("is it Springfeild North", ["Springfield North"]),
        ("is it Springfeild South", []),
        ("who is Elisabeth", ["Elizabeth"]),
        ("Margra", []),  # two in a short one
        ("the averge salry of peaple", []),  # names of the schema and common words
        ("the slary of the peopel", []),
        ("move", []),
        ("Who is margret?", []),  # no name, where capitals are written
        ("Who is Margret?", ["Margaret"]),
        ("Margaret and margaretta", ["Margaret"]),
    ],
)
def test_typos(people: ValueIndex, question: str, expected: list[str]) -> None:
    assert found(people, question) == expected
    assert not expected or people.match(question)[0].score in (values.TYPO, values.EXACT)


def test_order_of_the_kinds(people: ValueIndex) -> None:
    made = people.match("Elisabeth, the movies, Dutch, luis, Margaret, Springfield North")
    assert [m.value for m in made] == (
        ["Springfield North", "LUIS", "Luis", "Margaret", "movie", "Netherlands", "Elizabeth"]
    )
    assert list(people.match("Elisabeth, Margaret", limit=1)) == [
        ValueMatch("people", "name", "Margaret", "Margaret", 1.0)
    ]
    scores = [m.score for m in made]
    assert scores[-1] < min(scores[:-1])


def test_a_hint_takes_the_place_of_its_words(tmp_path: Path) -> None:
    path = build(
        tmp_path / "shop.sqlite",
        "CREATE TABLE sales (buyer TEXT, sold_on TEXT, vintage TEXT, state TEXT)",
        "INSERT INTO sales VALUES ('May', '2024-05-01', '2008', 'paid')",
        "INSERT INTO sales VALUES ('Fall 2024', '2025-01-07', '2010', 'open')",
    )
    index = open_value_index(open_database(path))

    def made(question: str) -> list[str]:
        return [m.condition or f"{m.column} = {m.value}" for m in index.match(question)]

    may = "sales.sold_on >= '2024-05-01' AND sales.sold_on < '2024-06-01'"
    assert made("sales in May 2024") == [may]
    assert made("sales to May in 2024")[0] == "buyer = May"
    assert made("sales to Fall 2024") == ["buyer = Fall 2024"]
    assert made("sales that are not paid") == ["sales.state <> 'paid'"]
    assert made("paid sales") == ["state = paid"]


def test_only_the_start_of_a_long_question_counts(index: ValueIndex) -> None:
    assert found(index, "France " + "word " * 2_000 + "York") == ["France"]
    start = time.thread_time()
    assert found(index, "a " * 1_000_000) == []
    assert found(index, "e\u0301" * 1_000_000) == []
    assert time.thread_time() - start < 2.0


def test_spell(index: ValueIndex) -> None:
    assert index.spell("t", "name", "jfk") == " JFK"
    assert index.spell("t", "name", "new york") == "New York"
    assert index.spell("t", "name", "BOGOTA") == "Bogotá"
    assert index.spell("t", "name", "Paris") == "Paris"
    assert index.spell("t", "id", "jfk") == "jfk"
    assert index.spell("u", "name", "jfk") == "jfk"
    assert index.spell("t", "name", "") == ""
    # The ninth word differs: another value, not another spelling.
    other = "One two three four five six seven eight ten"
    assert index.spell("t", "name", other) == other


def test_fold() -> None:
    assert fold("French  Polynesias'") == ["french", "polynesia"]
    assert fold("CAFÉS, glass, gas; ½") == ["cafe", "glass", "gas", "1", "2"]
    assert fold("\ud800 -- \0") == []


# Broken and stale caches


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rebuilt_when_the_database_changes_and_the_old_file_removed(tmp_path: Path) -> None:
    base, cache = database(tmp_path / "a.sqlite"), tmp_path / "cache"
    other = database(tmp_path / "b.sqlite", ("Paris",))
    assert found(open_value_index(base, cache), "York, Oslo") == ["York"]
    open_value_index(other, cache)
    before = files(cache)
    assert len(before) == 2
    build(base.path, "UPDATE t SET name = 'Oslo' WHERE name = 'York'")
    assert found(open_value_index(base, cache), "York, Oslo") == ["Oslo"]
    after = files(cache)
    assert len(after) == 2
    assert len(set(before) & set(after)) == 1
    assert found(open_value_index(other, cache), "Paris") == ["Paris"]


def test_changes_in_a_write_ahead_log_count(tmp_path: Path) -> None:
    base, cache = database(tmp_path / "a.sqlite"), tmp_path / "cache"
    writer = sqlite3.connect(base.path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    try:
        assert found(open_value_index(base, cache), "Oslo") == []
        writer.execute("INSERT INTO t (name) VALUES ('Oslo')")
        writer.commit()
        assert found(open_value_index(base, cache), "Oslo") == ["Oslo"]
    finally:
        writer.close()


def test_built_once_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, cache = database(tmp_path / "a.sqlite"), tmp_path / "cache"
    open_value_index(base, cache)
    (file,) = cache.iterdir()
    written = file.stat().st_mtime_ns
    values._opened.cache_clear()  # as a new process would

    def never(*_: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(values, "_build", never)
    assert found(open_value_index(base, cache), "York") == ["York"]
    assert file.stat().st_mtime_ns == written


def test_damaged_file_is_built_again(tmp_path: Path) -> None:
    base, cache = database(tmp_path / "a.sqlite"), tmp_path / "cache"
    open_value_index(base, cache)
    (file,) = cache.iterdir()
    good = file.read_bytes()
    foreign = database(tmp_path / "other.sqlite", ("Oslo",)).path.read_bytes()
    damaged = [b"", b"x", b"not a database" * 1_000, good[:5000], bytes(len(good)), foreign]
    for content in damaged:
        file.write_bytes(content)
        assert found(open_value_index(base, cache), "York and Cork") == ["York"]
        assert file.read_bytes() == good
        assert files(cache) == [file.name]


@pytest.mark.parametrize("removed", [False, True])
def test_file_that_goes_bad_while_it_is_open(tmp_path: Path, removed: bool) -> None:
    texts = tuple(f"word{i} with more" for i in range(3_000))
    base, cache = database(tmp_path / "a.sqlite", texts), tmp_path / "cache"
    index = open_value_index(base, cache)
    (file,) = cache.iterdir()
    if removed:
        file.unlink()
        cache.rmdir()
    else:
        file.write_bytes(b"")
    assert found(index, "is it word2999 with more?") == ["word2999 with more"]
    assert found(index, "is it word7 with more?") == ["word7 with more"]
    assert found(open_value_index(base, cache), "word8 with more") == ["word8 with more"]


@pytest.mark.parametrize("kind", ["file", "null", "directory in the way", "no permission"])
def test_cache_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    base = database(tmp_path / "a.sqlite")
    cache = tmp_path / "cache"
    if kind == "file":
        cache.write_text("mine")
    elif kind == "null":
        cache = Path(os.devnull) / "cache"
    elif kind == "directory in the way":
        open_value_index(base, cache)
        (file,) = cache.iterdir()
        file.unlink()
        (file / "full").mkdir(parents=True)
    else:
        cache.mkdir(mode=0o500)
        if os.access(cache, os.W_OK):
            pytest.skip("this user may write anywhere")
    index = open_value_index(base, cache)
    assert found(index, "York") == ["York"]
    assert open_value_index(base, cache) is index  # not built for every question
    if kind == "file":
        assert cache.read_text() == "mine"
    if kind == "directory in the way":
        assert files(cache) == [file.name]


def test_no_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TXT2SQL_CACHE")
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert found(open_value_index(database(tmp_path / "a.sqlite")), "York") == ["York"]


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


def start(base: Database, cache: Path, max_file_bytes: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, base.path, cache, max_file_bytes],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="files of limited size are a POSIX notion")
def test_full_disk(tmp_path: Path) -> None:
    texts = tuple(f"word{i} with more" for i in range(3_000))
    base, cache = database(tmp_path / "a.sqlite", texts), tmp_path / "cache"
    for limit in ("0", "50000"):
        assert start(base, cache, limit).communicate() == ("word2999 with more\n", "")
        assert files(cache) == []


def test_two_builders_at_once(tmp_path: Path) -> None:
    texts = tuple(f"word{i} with more" for i in range(3_000))
    base, cache = database(tmp_path / "a.sqlite", texts), tmp_path / "cache"
    for builder in [start(base, cache), start(base, cache)]:
        assert builder.communicate() == ("word2999 with more\n", "")
    (file,) = cache.iterdir()
    values._open_file(file).close()


def test_left_by_a_killed_build(tmp_path: Path) -> None:
    base, cache = database(tmp_path / "a.sqlite"), tmp_path / "cache"
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


def test_threads_share_an_index(index: ValueIndex) -> None:
    barrier = threading.Barrier(4)

    def ask(number: int) -> set[str]:
        barrier.wait()
        return {value for _ in range(100) for value in found(index, ("York", "France")[number % 2])}

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [{"York"}, {"France"}] * 2


# The database


def test_the_folder_of_the_database_is_left_alone(tmp_path: Path) -> None:
    base = database(tmp_path / "base" / "a.sqlite")
    before = (base.path.read_bytes(), base.path.stat(), base.path.parent.stat().st_mtime_ns)
    found(open_value_index(base, tmp_path / "cache"), "York")
    after = (base.path.read_bytes(), base.path.stat(), base.path.parent.stat().st_mtime_ns)
    assert before[0] == after[0]
    assert before[1].st_mtime_ns == after[1].st_mtime_ns
    assert before[2] == after[2]
    assert files(base.path.parent) == ["a.sqlite"]


def test_database_that_is_gone_or_locked(tmp_path: Path) -> None:
    base, cache = database(tmp_path / "a.sqlite"), tmp_path / "cache"
    writer = sqlite3.connect(base.path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("INSERT INTO t (name) VALUES ('Oslo')")
    try:
        with pytest.raises(DatabaseError):
            open_value_index(base, cache)
    finally:
        writer.execute("COMMIT")
        writer.close()
    assert found(open_value_index(base, cache), "Oslo") == ["Oslo"]
    base.path.unlink()
    with pytest.raises(DatabaseError, match="cannot read"):
        open_value_index(base, cache)


def test_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "50% off? #1 [x]"
    base = database(folder / 'na"me é.sqlite')
    index = open_value_index(Database(base.path, "../../a/b\0\n" + "c" * 300), folder / "cache?#%")
    assert found(index, "York") == ["York"]
    assert len(files(folder / "cache?#%")) == 1
    build(
        base.path,
        'CREATE TABLE "or""der" ("se""lect" TEXT COLLATE NOCASE)',
        'INSERT INTO "or""der" VALUES (\'Quito\')',
    )
    (match,) = open_value_index(base, folder / "cache?#%").match("quito")
    assert (match.table, match.column) == ('or"der', 'se"lect')


def test_only_the_named_tables_and_nothing_cached(tmp_path: Path) -> None:
    base = database(tmp_path / "a.sqlite")
    build(base.path, "CREATE TABLE u (name TEXT)", "INSERT INTO u VALUES ('Oslo')")
    index = open_value_index(Database(base.path, "a", ("u",)), tmp_path / "cache")
    assert found(index, "York or Oslo") == ["Oslo"]
    assert files(tmp_path) == ["a.sqlite"]


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
    assert found(index, "né ne short nimes alpha beta nul") == ["short", "alpha", "beta", "Nîmes"]


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
    monkeypatch.setattr(values, "MAX_COLUMN_CPU_S", 0.2)
    start = time.thread_time()
    index = open_value_index(open_database(path), tmp_path / "1")
    assert time.thread_time() - start < 2.0
    assert found(index, "n0 n499 Oslo") == ["n0", "n499", "Oslo"]
    monkeypatch.setattr(values, "MAX_CELLS_PER_COLUMN", 10)
    index = open_value_index(open_database(path), tmp_path / "2")
    assert found(index, "n0 n499 Oslo") == ["n0", "Oslo"]
    monkeypatch.setattr(values, "MAX_CELLS", 5)
    index = open_value_index(open_database(path), tmp_path / "3")
    assert found(index, "n0 n9 Oslo") == ["n0"]
    monkeypatch.setattr(values, "MAX_BUILD_S", 0.0)
    assert found(open_value_index(open_database(path), tmp_path / "4"), "Oslo") in ([], ["Oslo"])


# Any question

WORDS = st.one_of(st.sampled_from(CELLS), st.text(max_size=12))


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


@given(WORDS)
def test_spelling_changes_neither_a_cell_nor_what_is_unknown(index: ValueIndex, text: str) -> None:
    spelt = index.spell("t", "name", text)
    assert spelt == text or (spelt in CELLS and fold(spelt) == fold(text))
    if text in CELLS:
        assert spelt == text

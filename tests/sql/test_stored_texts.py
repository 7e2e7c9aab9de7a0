"""Numbers in text columns and columns with gaps, asked of a database as an imported CSV file makes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.execution.database import Database, open_database
from txt2sql.sql.explain import explain
from txt2sql.sql.readings import readings
from txt2sql.sql.repair import mend
from txt2sql.sql.stored_texts import examined, plain_text
from txt2sql.sql.translate import translate

COLUMNS = (
    "name TEXT, price TEXT, stock TEXT, year TEXT, code TEXT, share TEXT, rating REAL, size TEXT,"
    " betrag TEXT, kind TEXT, note TEXT, tags TEXT, added TEXT"
)
ROWS = """
pen | 9.50 | 8 | 2019 | 007 | 12% | 3.5 | 9 kg | 8,5 | Office |  | home; work; old | 3-Mar-2024
desk | 1,250.00 | 10 | 2021 | 010 | 5% | NULL | 40 kg | 1.110,00 | office  | new | work | 12-Jan-2024
lamp | 43.00 | 110 | 2020 | 103 | 100% | 4.0 | 12 kg | 12,25 | OFFICE | N/A | home; work; old | 1-Feb-2023
rug | 100.00 | n/a | 2018 | 9 | 50% | 1.0 | 7 kg | 25,00 | home | old | homework | 30-Dec-2023
""".strip().splitlines()


@pytest.fixture
def goods(tmp_path: Path) -> Database:
    path = tmp_path / "goods.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE goods ({COLUMNS})")
        for row in ROWS:
            cells = [None if cell == "NULL" else cell for cell in row.split(" | ")]
            connection.execute(f"INSERT INTO goods VALUES ({', '.join('?' * 13)})", cells)
    return open_database(path)


@pytest.fixture
def answer(goods: Database) -> Callable[[str], list[tuple[object, ...]]]:
    def rows(sql: str) -> list[tuple[object, ...]]:
        mended = mend(sql, goods.schema()).sql
        assert mended is not None
        with sqlite3.connect(goods.path) as connection:
            return connection.execute(mended).fetchall()

    return rows


@pytest.mark.parametrize(
    ("sql", "right"),
    [
        ("SELECT name FROM goods ORDER BY price DESC LIMIT 1", [("desk",)]),
        ("SELECT name FROM goods WHERE price > 40 ORDER BY price", [("lamp",), ("rug",), ("desk",)]),
        ("SELECT name FROM goods WHERE price BETWEEN 9 AND 50", [("pen",), ("lamp",)]),
        ("SELECT name FROM goods WHERE price = 43", [("lamp",)]),
        ("SELECT SUM(price) FROM goods", [(1402.5,)]),
        ("SELECT SUM(CAST(price AS REAL)) FROM goods", [(1402.5,)]),
        ("SELECT name FROM goods WHERE price > (SELECT AVG(price) FROM goods)", [("desk",)]),
        ("SELECT name FROM goods WHERE price = (SELECT MAX(g.price) FROM goods AS g)", [("desk",)]),
        ("SELECT MIN(stock), MAX(stock) FROM goods", [(8, 110)]),
        ("SELECT name FROM goods WHERE stock < 9", [("pen",)]),
        ("SELECT name FROM goods ORDER BY stock LIMIT 2", [("pen",), ("desk",)]),
        ("SELECT name FROM goods WHERE stock = 'n/a'", [("rug",)]),
        ("SELECT name FROM goods ORDER BY share DESC LIMIT 2", [("lamp",), ("rug",)]),
        ("SELECT name FROM goods ORDER BY size DESC LIMIT 1", [("desk",)]),
        ("SELECT name FROM goods ORDER BY rating ASC LIMIT 1", [("rug",)]),
        ("SELECT note FROM goods GROUP BY note ORDER BY COUNT(*) DESC, note LIMIT 1", [("new",)]),
        ("SELECT rating FROM goods GROUP BY rating ORDER BY COUNT(*), rating LIMIT 1", [(1.0,)]),
        ("SELECT name FROM goods WHERE tags = 'home'", [("pen",), ("lamp",)]),
        ("SELECT name FROM goods WHERE goods.tags <> 'home'", [("desk",), ("rug",)]),
        ("SELECT SUM(betrag), MAX(betrag) FROM goods", [(1155.75, 1110.0)]),
        ("SELECT name FROM goods WHERE betrag > 12.3", [("desk",), ("rug",)]),
        ("SELECT name FROM goods ORDER BY note LIMIT 1", [("desk",)]),
        ("SELECT name FROM goods WHERE note IS NULL", [("pen",), ("lamp",)]),
        ("SELECT COUNT(note), COUNT(DISTINCT note) FROM goods", [(2, 2)]),
    ],
)  # fmt: skip
def test_numbers_in_texts_and_gaps_are_taken_for_what_they_are(
    sql: str, right: list[tuple[object, ...]], answer: Callable[[str], list[tuple[object, ...]]]
) -> None:
    assert answer(sql) == right


def test_texts_among_numbers_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "imported.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (name TEXT, price REAL, sold INTEGER, ended DATE)")
        rows = [("a", 9.5, "1,200", ""), ("b", "", 30, "2024-03-01"), ("c", 40.25, 7, "2024-01-05")]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        connection.commit()
        for sql, right in (
            ("SELECT name FROM t ORDER BY price DESC LIMIT 1", "c"),
            ("SELECT MAX(price) FROM t", 40.25),
            ("SELECT COUNT(*) FROM t WHERE price > 20", 1),
            ("SELECT SUM(sold) FROM t", 1237),
            ("SELECT name FROM t ORDER BY sold DESC LIMIT 1", "a"),
            ("SELECT name FROM t WHERE ended IS NULL", "a"),
            ("SELECT name FROM t ORDER BY ended LIMIT 1", "c"),
        ):
            mended = mend(sql, open_database(path).schema()).sql
            assert mended and connection.execute(mended).fetchall() == [(right,)], mended


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM goods ORDER BY year LIMIT 1",  # the order of texts is right
        "SELECT name FROM goods ORDER BY code LIMIT 1",  # codes
        "SELECT name FROM goods ORDER BY name LIMIT 1",
        "SELECT name FROM goods WHERE price = '9.50' OR stock = 'n/a'",
        "SELECT price, COUNT(*) FROM goods GROUP BY price",
        "SELECT name FROM goods WHERE tags = 'home; work'",
        "SELECT COUNT(note) FROM goods WHERE note = 'N/A'",
        "SELECT COUNT(*) FROM goods WHERE kind = 'Office'",
        "SELECT name FROM goods ORDER BY rating DESC LIMIT 1",
        "SELECT name FROM goods ORDER BY rating",  # nothing is cut off
        "SELECT name FROM goods WHERE rating > 2 ORDER BY rating LIMIT 1",
        "SELECT name FROM goods ORDER BY rating ASC NULLS FIRST LIMIT 1",
    ],
)
def test_what_is_right_stays_as_it_was_written(sql: str, goods: Database) -> None:
    assert mend(sql, goods.schema()).sql == sql


@pytest.mark.parametrize(
    ("sql", "other"),
    [
        (
            "SELECT COUNT(*) FROM goods WHERE kind = 'Office'",
            "SELECT COUNT(*) FROM goods WHERE LOWER(TRIM(kind)) = 'office'",
        ),
        (
            "SELECT kind, COUNT(*) FROM goods GROUP BY kind",
            "SELECT LOWER(TRIM(kind)), COUNT(*) FROM goods GROUP BY LOWER(TRIM(kind))",
        ),
    ],
)
def test_one_name_in_several_spellings_is_another_reading(
    sql: str, other: str, goods: Database
) -> None:
    assert readings("goods of each kind", sql, goods.schema())[:1] == [other]


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        (
            "SELECT name, SUM(stock * price) FROM goods WHERE note IS NULL GROUP BY name",
            "Shows name and the sum of stock times price of goods where note is not known, for each name.",
        ),
        (
            "SELECT name FROM goods WHERE tags = 'home' AND price > 10 ORDER BY size LIMIT 1",
            "Shows name of goods where tags contains 'home' and price is more than 10; sorted by size, smallest first; the first only.",
        ),
        (
            "SELECT COUNT(*) FROM goods WHERE added LIKE '2024%' AND added < '2024-03-01'",
            "Counts the rows of goods where the year of added is '2024' and added is less than '2024-03-01'.",
        ),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_meant(sql: str, sentence: str, goods: Database) -> None:
    mended = mend(sql, goods.schema()).sql or ""
    assert explain(mended) == sentence
    alike = sql.replace("tags = 'home'", "tags LIKE '%home%'")
    alike = alike.replace("added LIKE '2024%'", "STRFTIME('%Y', added) = '2024'")
    assert mended != sql and plain_text(mended) == alike


@pytest.mark.parametrize("sql", ["SELECT price FROM goods", "SELECT REPLACE(a FROM"])
def test_other_texts_are_plain_already(sql: str) -> None:
    assert plain_text(sql) == sql


def test_a_question_for_one_item_alone_is_not_widened(goods: Database) -> None:
    sql = "SELECT name FROM goods WHERE tags = 'work'"
    assert mend(sql, goods.schema(), question="what is for work and nothing else?").sql == sql


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "duckdb"])
def test_other_engines_get_their_own_spelling(dialect: str, goods: Database) -> None:
    schema = replace(goods.schema(), dialect=dialect)
    mended = mend("SELECT name FROM goods WHERE price > 40 ORDER BY rating LIMIT 1", schema).sql
    assert mended is not None
    translated = translate(mended, schema)
    assert "REPLACE(" in translated and ("NULLS LAST" in translated or "IS NULL" in translated)


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=2), st.booleans(), st.booleans())
def test_the_order_is_that_of_the_numbers(
    numbers: list[object], grouped: bool, priced: bool
) -> None:
    cells = [f"{'$' * priced}{number:{',' * grouped}}" for number in numbers]
    if priced:
        cells = [cell if cell[1] != "-" else f"-${cell[2:]}" for cell in cells]
    number = examined(cells, "text").as_number.replace("{}", "cell") or "cell"
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE cells (cell TEXT, place INTEGER)")
        connection.executemany("INSERT INTO cells VALUES (?, ?)", zip(cells, range(len(cells))))
        rows = connection.execute(f"SELECT place FROM cells ORDER BY {number}, place").fetchall()
    ordered = [numbers[place] for (place,) in rows]
    assert ordered == sorted(numbers)  # type: ignore[type-var]

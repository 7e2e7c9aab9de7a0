"""Equal forms must mean equal rows in equal order: what SQLite does is the judge in every test."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.sql.canonical import canonical

COLUMNS = {
    "singer": frozenset({"id", "name", "age", "country", "count"}),
    "song": frozenset({"id", "singer_id", "title", "sales", "date"}),
    "index": frozenset({"id"}),
}
Rows = list[tuple[object, ...]] | None


def database() -> sqlite3.Connection:
    """Small, with ties, nulls, indexes, and values equal but for their type."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        """
        CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INT, country TEXT, count INT);
        CREATE TABLE song (id INTEGER PRIMARY KEY, singer_id INT, title TEXT, sales REAL, date TEXT);
        CREATE TABLE "index" (id INT);
        CREATE INDEX by_age ON singer (age, country);
        CREATE INDEX by_singer ON song (singer_id);
        """
    )
    rng = random.Random(1)
    for i in range(12):
        age = rng.choice([20, 30, 30, None])
        singer = (i, rng.choice("abcd"), age, rng.choice(["x", "y", "name"]), rng.randrange(3))
        connection.execute("INSERT INTO singer VALUES (?, ?, ?, ?, ?)", singer)
    for i in range(25):
        song = (i, rng.randrange(14), rng.choice("abx"), rng.choice([1, 2, 2.5, None]), "2001")
        connection.execute("INSERT INTO song VALUES (?, ?, ?, ?, ?)", song)
    return connection


DATABASE = database()


def rows(sql: str, connection: sqlite3.Connection = DATABASE) -> Rows:
    """What it returns; None for an error."""
    try:
        return connection.execute(sql).fetchall()
    except (sqlite3.Error, sqlite3.Warning):
        return None


def same(one: Rows, other: Rows) -> bool:
    """The same rows in the same order, types too, for one order of columns."""
    if not one or not other:
        return one == other
    sides = [
        Counter(tuple((type(cell), cell) for cell in column) for column in zip(*side, strict=True))
        for side in (one, other)
    ]
    return len(one) == len(other) and sides[0] == sides[1]


def form(sql: str) -> str | None:
    return canonical(sql, COLUMNS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Other rows, or another order of them.
        ("SELECT name FROM singer", "SELECT country FROM singer"),
        ("SELECT name FROM singer", "SELECT DISTINCT name FROM singer"),
        ("SELECT name FROM singer ORDER BY age", "SELECT name FROM singer ORDER BY age DESC"),
        ("SELECT name FROM singer WHERE name = 'a'", "SELECT name FROM singer WHERE name = 'A'"),
        ("SELECT max(age), min(age), name FROM singer", "SELECT min(age), max(age), name FROM singer"),
        ("SELECT name, age FROM singer ORDER BY 1", "SELECT age, name FROM singer ORDER BY 1"),
        ("SELECT name, 1 AS n FROM singer ORDER BY n", "SELECT name, 1 FROM singer ORDER BY 1"),
        ("SELECT DISTINCT name, age FROM singer", "SELECT DISTINCT age, name FROM singer"),
        ("SELECT name, id FROM singer UNION SELECT title, id FROM song", "SELECT id, name FROM singer UNION SELECT id, title FROM song"),
        ("SELECT s.name FROM singer s LEFT JOIN song t ON s.id = t.id", "SELECT s.name FROM song t LEFT JOIN singer s ON s.id = t.id"),
        ("SELECT a.name FROM singer a JOIN singer b ON a.id = b.count", "SELECT b.name FROM singer a JOIN singer b ON a.id = b.count"),
        ("SELECT name FROM singer WHERE country = \"name\"", "SELECT name FROM singer WHERE country = 'name'"),
        ("SELECT age AS name FROM singer ORDER BY name", "SELECT age FROM singer ORDER BY name"),
        ("SELECT count(*) AS name FROM singer GROUP BY age ORDER BY \"name\"", "SELECT count(*) FROM singer GROUP BY age ORDER BY \"name\""),
        ("SELECT name FROM singer LIMIT 1", "SELECT name FROM singer LIMIT 1, 1"),
        ("SELECT a.name FROM singer a LEFT JOIN song b ON a.id = b.id", "SELECT a.name FROM singer a JOIN song b ON a.id = b.id"),
        # One of the two is an error.
        ("SELECT singer.name FROM singer AS s", "SELECT s.name FROM singer AS s"),
        ("SELECT id FROM singer JOIN song", "SELECT singer.id FROM singer JOIN song"),
        ("SELECT name FROM singer AS index", "SELECT name FROM singer"),
        ("SELECT id FROM index", 'SELECT id FROM "index"'),
        ("SELECT name FROM singer ORDER BY age LIMIT 1 ASC", "SELECT name FROM singer ORDER BY age LIMIT 1"),
        ("SELECT name FROM singer ORDER BY age ASC ASC", "SELECT name FROM singer ORDER BY age"),
        ("SELECT name FROM singer ORDER BY max(age ASC, id)", "SELECT name FROM singer ORDER BY max(age, id)"),
        ("SELECT * AS x FROM singer", "SELECT * FROM singer"),
        ("SELECT max(age) rowid FROM singer WHERE rowid = 1", "SELECT max(age) FROM singer WHERE max(age) = 1"),
        ("SELECT name FROM singer;;", "SELECT name FROM singer"),
        ("SELECT song.date(date) FROM song", "SELECT date(date) FROM song"),
        ("SELECT name t.country FROM singer t", 'SELECT name "country" FROM singer t'),
        ("SELECT name FROM singer WHERE age < > 20", "SELECT name FROM singer WHERE age <> 20"),
        ("SELECT name FROM singer WHERE age = 2 0", "SELECT name FROM singer WHERE age = 20"),
        ("SELECT name FROM singer WHERE age = 1e +1", "SELECT name FROM singer WHERE age = 1e+1"),
        ("SELECT name FROM singer WHERE country = x '79'", "SELECT name FROM singer WHERE country = x'79'"),
        ("SELECT \u212ad.id FROM singer AS kd", "SELECT kd.id FROM singer AS kd"),
        ("SELECT name FROM singer WHERE id IN (SELECT id FROM song GROUP BY \"age\")", "SELECT name FROM singer WHERE id IN (SELECT id FROM song GROUP BY singer.age)"),
    ],
)  # fmt: skip
def test_different_results_have_different_forms(one: str, other: str) -> None:
    assert rows(one) != rows(other)
    assert form(one) is None or form(one) != form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT s.name FROM singer s, song t", "SELECT s.name FROM song t, singer s"),
        ("SELECT id FROM song WHERE sales = 1", "SELECT id FROM song WHERE sales = '1'"),
        ("SELECT id FROM song WHERE id = 1 AND sales = 1", "SELECT id FROM song WHERE sales = 1 AND id = 1"),
        ("SELECT count(*) FROM song GROUP BY id, date", "SELECT count(*) FROM song GROUP BY date, id"),
        ("SELECT id FROM song WHERE title IN ('a')", 'SELECT id FROM song WHERE title IN ("a")'),
    ],
)  # fmt: skip
def test_what_a_plan_may_follow_stays_apart(one: str, other: str) -> None:
    assert form(one) is not None
    assert form(one) != form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT name FROM singer", "select\tNAME\nfrom Singer AS s ;"),
        ("SELECT name, age FROM singer WHERE age <> 3", "SELECT T1.Age,T1.name FROM singer T1 WHERE T1.age!=3"),
        ("SELECT count(*) FROM singer", "SELECT COUNT ( * ) AS total FROM singer"),
        ("SELECT count(*) FROM singer", 'SELECT COUNT(*) AS "How many" FROM "singer"'),
        ("SELECT name FROM singer ORDER BY age ASC, id LIMIT 3", "SELECT name FROM singer ORDER BY age, id ASC LIMIT 3"),
        ("SELECT T1.name FROM singer AS T1 JOIN song AS T2 ON T1.id = T2.singer_id", "SELECT name FROM singer INNER JOIN song ON singer.id == song.singer_id"),
        ("SELECT country FROM singer GROUP BY country ORDER BY count(*) DESC", "SELECT country FROM singer GROUP BY country ORDER BY COUNT(*) DESC"),
        ("SELECT country, sum(age) FROM singer GROUP BY country HAVING sum(age) > 1 ORDER BY sum(age)", "SELECT country, sum(age) AS n FROM singer GROUP BY country HAVING n > 1 ORDER BY n ASC"),
        ("SELECT name FROM singer WHERE country = 'O''x'", 'SELECT name FROM singer WHERE country = "O\'x"'),
        ("SELECT name FROM singer WHERE id NOT IN (SELECT singer_id FROM song)", "SELECT s.name FROM singer s WHERE s.id NOT IN (SELECT t.singer_id FROM song t)"),
        ("SELECT name FROM singer EXCEPT SELECT title FROM song", "SELECT singer.name FROM singer EXCEPT SELECT song.title FROM song"),
        ("SELECT a.name FROM singer a JOIN singer b ON a.id = b.count", "SELECT x.name FROM singer x JOIN singer y ON x.id = y.count"),
        ("SELECT name FROM singer a WHERE EXISTS (SELECT * FROM song WHERE singer_id = age)", "SELECT name FROM singer WHERE EXISTS (SELECT * FROM song WHERE singer_id = singer.age)"),
        ("SELECT max(age), min(age) FROM singer", "SELECT min(age), max(age) FROM singer"),
    ],
)  # fmt: skip
def test_the_same_said_otherwise_has_one_form(one: str, other: str) -> None:
    assert rows(one) is not None
    assert same(rows(one), rows(other))
    assert form(one) == form(other) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT",
        "SELECT name",
        "SELECT name FROM",
        "SELECT name FROM nowhere",
        "SELECT nothing FROM singer",
        "SELECT name FROM singer -- all",
        "SELECT name FROM singer /* all */",
        "SELECT `name` FROM singer",
        "SELECT [name] FROM singer",
        "SELECT random() FROM singer",
        "SELECT name FROM singer; SELECT name FROM singer",
        "WITH s AS (SELECT 1) SELECT * FROM s",
        "SELECT row_number() OVER (ORDER BY id) FROM singer",
        "SELECT * FROM singer NATURAL JOIN song",
        "SELECT * FROM singer JOIN song USING (id)",
        "SELECT rowid FROM singer",
        "SELECT name FROM singer WHERE date('now') > 1",
        "SELECT name FROM singer WHERE name = 'open",
        "DELETE FROM singer",
        "SELECT name FROM singer WHERE id IN " + "(SELECT id FROM song WHERE id IN " * 60 + "(1)" + ")" * 60,
        "SELECT name FROM singer WHERE name = '" + "x" * 5000 + "'",
    ],
)  # fmt: skip
def test_what_is_not_certain_has_no_form(sql: str) -> None:
    assert form(sql) is None


WORDS = [
    *"SELECT DISTINCT FROM WHERE GROUP ORDER BY HAVING LIMIT JOIN LEFT ON AS AND OR NOT IN IS".split(),
    *'NULL ASC DESC UNION LIKE ( ) , , . * = <> == - 1 2 \'x\' "x" "name" ; -- || INNER'.split(),
    *"singer song s t s.name t.title s.age name age country title id n n count max date".split(),
    *"count(*) max(age) min(age) count(DISTINCT name) (SELECT title FROM song)".split(),
    *('"index"', "index", "total", "s.*", "rowid", "CASE", "END", "NATURAL", "x'00'", "1.5", "K"),
]
STATEMENTS = [
    "SELECT name , age FROM singer AS s WHERE s.age > 20 ORDER BY age DESC LIMIT 3",
    "SELECT s.name , count(*) AS n FROM singer AS s JOIN song AS t ON s.id = t.singer_id "
    "GROUP BY s.name HAVING count(*) > 1 ORDER BY n",
    "SELECT country FROM singer WHERE country = \"x\" UNION SELECT title FROM song AS t",
    "SELECT name , max(age) , min(age) FROM singer GROUP BY country , age",
    "SELECT name FROM singer WHERE id IN ( SELECT singer_id FROM song WHERE title = \"x\" ) AND age IN ( 20 , 30 )",
    "SELECT s.id , t.title , date FROM singer s LEFT JOIN song t ON s.id = t.singer_id AND t.sales > 1",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A statement with a few of its words taken out, put in, exchanged or replaced."""
    words = draw(st.sampled_from(STATEMENTS)).split()
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(words)))
        words[place : place + draw(st.integers(0, 1))] = draw(
            st.lists(st.sampled_from(WORDS), max_size=2)
        )
    return " ".join(words)


@given(damaged())
def test_the_form_does_what_the_statement_does(sql: str) -> None:
    found = form(sql)
    if found is not None:
        assert same(rows(sql), rows(found)), found
        assert rows(sql) is None or form(found) == found


NAMES = {"singer": ("id", "name", "age", "country"), "song": ("id", "singer_id", "title", "sales")}


@st.composite
def queries(draw: st.DrawFn) -> dict[str, object]:
    """The parts of a query; a column is (number of its table in FROM, name)."""
    tables = draw(st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=2))
    pairs = [(i, name) for i, table in enumerate(tables) for name in NAMES[table]]
    column = st.sampled_from(pairs)
    value = st.tuples(st.sampled_from(["", "", "count", "max", "min"]), column)
    condition = st.tuples(
        column, st.sampled_from(["=", "<", "!="]), st.sampled_from(["20", "2", "'x'", "'a'"])
    )
    return {
        "tables": tables,
        "on": draw(st.tuples(column, column)),
        "items": draw(st.lists(value, min_size=1, max_size=3)),
        "where": draw(st.lists(condition, max_size=2)),
        "group": draw(st.lists(column, max_size=1)),
        "order": draw(st.lists(st.tuples(value, st.booleans()), max_size=2)),
        "distinct": draw(st.booleans()),
        "limit": draw(st.sampled_from([None, 1, 4])),
    }


def written(query: dict[str, object], rng: random.Random | None) -> str:
    """The SQL of it, plain without `rng`, else in any of the ways that change nothing."""
    q: dict[str, list] = query  # type: ignore[assignment, type-arg]
    tables = q["tables"]
    free = rng is not None and len(set(tables)) == len(tables) and rng.random() < 0.5
    aliases = (
        tables if free else [f"{'T' if rng is None else rng.choice('xyz')}{i}" for i in (1, 2)]
    )

    def either(*spellings: str) -> str:
        return spellings[0] if rng is None else rng.choice(spellings)

    def column(pair: tuple[int, str]) -> str:
        sole = [table for table in tables if pair[1] in NAMES[table]] == [tables[pair[0]]]
        qualified = f"{aliases[pair[0]]}.{pair[1]}"
        return either(qualified, pair[1].title(), qualified.upper()) if sole else either(qualified)

    def value(item: tuple[str, tuple[int, str]]) -> str:
        function, pair = item
        if not function:
            return column(pair)
        return either(f"{function}({column(pair)})", f"{function.upper()} ( {column(pair)} )")

    items = [value(item) for item in q["items"]]
    if rng is not None:
        items = [item + either("", f" AS n{i}", f" m{i}") for i, item in enumerate(items)]
        mixed = sum(
            item[0] in ("min", "max") for item in [*q["items"], *(k for k, _ in q["order"])]
        )
        if not q["distinct"] and mixed < 2:
            rng.shuffle(items)
    sources = [f"{t} {either('AS ', '')}{a}" if not free else t for t, a in zip(tables, aliases)]
    sql = f"{either('SELECT', 'select')} {'DISTINCT ' if q['distinct'] else ''}"
    sql += (
        either(" , ", ",").join(items) + f" FROM {either(' JOIN ', ' INNER JOIN ').join(sources)}"
    )
    if len(tables) == 2:
        sql += f" ON {column(q['on'][0])} {either('=', '==')} {column(q['on'][1])}"
    if q["where"]:
        conditions = (
            f"{column(pair)}{either(' ', '')}{either('!=', '<>') if op == '!=' else op} "
            + (either(text, text.replace("'", '"')) if text[0] == "'" else text)
            for pair, op, text in q["where"]
        )
        sql += " WHERE " + either(" AND ", " and ").join(conditions)
    if q["group"]:
        sql += " GROUP BY " + " , ".join(map(column, q["group"]))
    if q["order"]:
        keys = (value(key) + (" DESC" if down else either("", " ASC")) for key, down in q["order"])
        sql += " ORDER BY " + ",".join(keys)
    return sql + (f" LIMIT {q['limit']}" if q["limit"] else "") + either("", ";", " ; ")


@given(queries(), st.integers())
def test_one_query_written_twice_has_one_form_and_one_result(
    query: dict[str, object], seed: int
) -> None:
    one, other = written(query, None), written(query, random.Random(seed))
    assert form(one) is not None
    assert form(one) == form(other)
    assert same(rows(one), rows(other))


@given(queries(), queries(), st.data())
def test_a_query_with_another_part_has_another_form_or_the_same_result(
    query: dict[str, object], donor: dict[str, object], data: st.DataObject
) -> None:
    part = data.draw(st.sampled_from(["items", "where", "group", "order", "distinct", "limit"]))
    changed = {**query, part: donor[part]}
    if len(donor["tables"]) <= len(query["tables"]):  # type: ignore[arg-type]
        names = {**query, "tables": donor["tables"], "on": donor["on"]}
        changed = data.draw(st.sampled_from([changed, names]))
    try:
        one, other = written(query, None), written(changed, None)
    except IndexError:  # a column of a second table that the first query lacks
        return
    if form(one) is not None and form(one) == form(other):
        assert same(rows(one), rows(other)), (one, other)


def test_real_predictions_of_one_form_return_the_same(data_root: Path) -> None:
    """Every 23rd prediction of every system: its form, and the gold's if equal, run as it does."""
    files = sorted((data_root / "verdicts").glob("*.jsonl"))
    if not files:
        pytest.skip("no recorded verdicts here")
    open_: dict[str, tuple[sqlite3.Connection, dict[str, frozenset[str]]]] = {}
    decided = 0
    for number, file in enumerate(files):
        for line in file.read_text(encoding="utf-8").splitlines()[number % 23 :: 23]:
            row = json.loads(line)
            db_id = row["db_id"]
            if db_id not in open_:
                open_[db_id] = opened(data_root / "spider" / "database" / db_id / f"{db_id}.sqlite")
            connection, columns = open_[db_id]
            gold, predicted = canonical(row["gold"], columns), canonical(row["pred"], columns)
            if predicted is not None:
                assert same(rows(row["pred"], connection), rows(predicted, connection))
            if gold is not None and gold == predicted:
                decided += 1
                assert same(rows(row["gold"], connection), rows(row["pred"], connection))
                assert row["exec_keep_distinct"] or "value" in row["pred"]
    for connection, _ in open_.values():
        connection.close()
    assert decided > 200


def opened(path: Path) -> tuple[sqlite3.Connection, dict[str, frozenset[str]]]:
    """A real database and its columns, in small letters."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
    connection.text_factory = bytes
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    columns = {}
    for (table,) in tables:
        found = connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table.decode(),))
        columns[table.decode().lower()] = frozenset(name.decode().lower() for (name,) in found)
    return connection, columns


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize(
    "place", ["count(*) {} FROM singer", "{} FROM singer", "name FROM singer {}"]
)
def test_a_quote_that_is_never_closed_has_no_form(quote: str, place: str) -> None:
    assert form("SELECT " + place.format(quote)) is None
    assert form(f"SELECT 'a', {place.format(quote)}") is None

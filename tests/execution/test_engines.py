"""The engines beside SQLite, real ones: what they would still allow is refused, what runs too long is
stopped where it runs, and the same questions on the same content give the same rows.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.errors import DatabaseError
from txt2sql.execution.compare import same_result
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import Limits, execute, interrupt
from txt2sql.execution.remote import UrlDatabase, run
from txt2sql.execution.values import open_value_index
from txt2sql.sql.repair import mend
from txt2sql.sql.text import is_ordered
from txt2sql.sql.translate import translate
from txt2sql.types import ForeignKey

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dialects"
HIRE = FIXTURES / "hire.sql"
MARGIN_S = 3.0
SLOW = {
    "postgresql": "SELECT pg_sleep(20)",
    "mariadb": "SELECT sleep(20) FROM shops",
    "duckdb": "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7",
}
RUNNING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
    "AND usename = current_user AND pid <> pg_backend_pid()",
    "mariadb": "SELECT count(*) FROM information_schema.processlist "
    "WHERE command = 'Query' AND id <> connection_id()",
}
DOES_MORE = {
    "postgresql": """
CREATE TEMP TABLE x (a int) | SELECT nextval('pg_catalog.pg_oid_seq') | SELECT * FROM shops FOR UPDATE
WITH a AS (INSERT INTO shops VALUES (99, 'x', 'x', 'x', 1, 1) RETURNING 1) SELECT * FROM a
COPY shops TO PROGRAM 'touch /tmp/x'""",
    "mariadb": """
CREATE TEMPORARY TABLE x (a INT) | INSERT INTO shops VALUES (99, 'x', 'x', 'x', 1, 1)
SELECT 1; SELECT 2 | SELECT 1 INTO OUTFILE '/tmp/x'""",
    "duckdb": """
CREATE TABLE x (a INTEGER) | DELETE FROM shops | SET enable_external_access = true | INSTALL httpfs
SET memory_limit = '9GB' | ATTACH '/tmp/x.duckdb' AS x | COPY shops TO '/tmp/x.csv'
SELECT * FROM read_text('/etc/passwd')""",
}


@pytest.fixture(params=("postgresql", "mariadb", "duckdb"))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def books(engine: str, engine_url: Callable[[str], str]) -> UrlDatabase:
    database = open_database(engine_url(engine))
    assert isinstance(database, UrlDatabase)
    return database


def running(engine: str, books: UrlDatabase) -> int:
    """How many other statements the server runs for us."""
    return int(str(run(books, RUNNING[engine], trusted=True).rows[0][0]))


def test_the_session_itself_only_reads(engine: str, books: UrlDatabase) -> None:
    for sql in re.split(r" \| |\n", DOES_MORE[engine].strip()):
        assert run(books, sql, trusted=True).error is not None, sql  # past our own check


def test_a_slow_statement_is_stopped_where_it_runs(engine: str, books: UrlDatabase) -> None:
    start = time.perf_counter()
    limits = Limits(timeout_s=2.5 if engine == "duckdb" else 0.3)  # after 2 s it would draw a bar
    result = run(books, SLOW[engine], limits, trusted=True)
    assert (result.timed_out, result.error) == (True, f"stopped after {limits.timeout_s} s")
    assert time.perf_counter() - start < limits.timeout_s + MARGIN_S
    if engine in RUNNING:
        assert running(engine, books) == 0
    assert execute(books, "SELECT 1").rows == ((1,),)


def test_interrupt_stops_it_where_it_runs(engine: str, books: UrlDatabase) -> None:
    results = []
    thread = threading.Thread(
        target=lambda: results.append(run(books, SLOW[engine], Limits(25.0), trusted=True))
    )
    thread.start()
    while engine in RUNNING and running(engine, books) == 0:
        time.sleep(0.02)
    start = time.perf_counter()
    while not interrupt():
        time.sleep(0.02)
    thread.join(10)
    assert time.perf_counter() - start < MARGIN_S
    assert (results[0].error, results[0].timed_out) == ("interrupted", False)
    if engine in RUNNING:
        assert running(engine, books) == 0


def test_a_result_that_is_cut_off_leaves_the_connection_usable(books: UrlDatabase) -> None:
    pairs = "SELECT a.name FROM customers a, customers b"
    cut = execute(books, pairs, Limits(max_rows=7))
    assert (len(cut.rows), cut.truncated) == (7, True)
    assert execute(books, f"{pairs} LIMIT 90000", Limits(max_result_bytes=2000)).truncated
    assert execute(books, "SELECT count(*) FROM customers").rows == ((360,),)


def test_cells_are_those_of_sqlite(engine: str, books: UrlDatabase) -> None:
    sql = "SELECT CAST(2.50 AS DECIMAL(5, 2)), DATE '2024-05-01', NULL, 1 = 1"
    assert execute(books, sql).rows == ((2.5, "2024-05-01", None, 1),)
    sql, row = {
        "postgresql": ("SELECT 'infinity'::date, ARRAY[1, 2]", ("infinity", "[1, 2]")),
        "mariadb": ("SELECT TIME '-30:01:02', 7 / 2", ("-30:01:02", 3.5)),
        "duckdb": (
            "SELECT TIMESTAMP '2024-05-01 10:00:00', [1, 2], (2::HUGEINT << 125)",
            ("2024-05-01 10:00:00", "[1, 2]", 2**126),
        ),
    }[engine]
    assert execute(books, sql).rows == (row,)


def test_the_value_index_finds_cells(books: UrlDatabase) -> None:
    matches = open_value_index(books).match("which shops are in lisbon")
    assert ("shops", "city", "Lisbon") in {(m.table, m.column, m.value) for m in matches}


# ----------------------------------------------------------------------------- the same rows


def read(file: Path) -> list[dict[str, str]]:
    return list(json.loads(file.read_text(encoding="utf-8")))


CONTENTS = {
    "sample": (None, [*read(sample.folder() / "dev.json"), *read(FIXTURES / "questions.json")]),
    "hire": (HIRE, read(FIXTURES / "hire.json")),
}


@pytest.mark.parametrize("content", CONTENTS)
def test_the_rows_are_those_of_sqlite(
    engine: str, content: str, engine_url: Callable[..., str]
) -> None:
    script, questions = CONTENTS[content]
    database = open_database(engine_url(engine, script))
    reference = open_database(engine_url("sqlite", script))
    schema = database.schema()
    wrong = []
    for each in questions:
        sql = translate(each["query"], schema)
        expected, result = execute(reference, each["query"]), execute(database, sql)
        assert expected.ok, each
        if not same_result(expected, result, is_ordered(each["query"])):
            wrong.append(f"{sql}\n  {result.error or result.rows[:3]}\n  not {expected.rows[:3]}")
    assert not wrong, "\n".join(wrong)


IMPORTED = """
SELECT name FROM goods ORDER BY price DESC LIMIT 1 | SELECT SUM(price), MAX(stock) FROM goods
SELECT name FROM goods WHERE price > 40 ORDER BY price | SELECT name FROM goods ORDER BY stock LIMIT 2
SELECT name FROM goods ORDER BY size LIMIT 1 | SELECT name FROM goods WHERE note IS NULL ORDER BY name
SELECT name FROM goods WHERE tags = 'home' ORDER BY name | SELECT MAX(added), MIN(sold) FROM goods
SELECT name FROM goods WHERE added LIKE '2024%' ORDER BY added | SELECT name FROM goods ORDER BY rating LIMIT 1
SELECT name FROM goods WHERE sold >= '2024-01-01' ORDER BY sold | SELECT COUNT(note) FROM goods
SELECT strftime('%Y-%m', added), COUNT(*) FROM goods GROUP BY strftime('%Y-%m', added) ORDER BY 1
SELECT note FROM goods GROUP BY note ORDER BY COUNT(*) DESC, note LIMIT 1
"""


def test_imported_texts_are_read_alike(engine: str, engine_url: Callable[..., str]) -> None:
    script = FIXTURES / "imported.sql"
    database, reference = (open_database(engine_url(each, script)) for each in (engine, "sqlite"))
    wrong = []
    for each in re.split(r" \| |\n", IMPORTED.strip()):
        here, there = (mend(each, one.schema()).sql or "" for one in (database, reference))
        result, expected = (
            execute(database, translate(here, database.schema())),
            execute(reference, there),
        )
        assert expected.ok and here != each, expected
        if not same_result(expected, result, is_ordered(each)):
            wrong.append(f"{each}\n  {result.error or result.rows}\n  not {expected.rows}")
    assert not wrong, "\n".join(wrong)


# ----------------------------------------------------------------------------- of one engine


def test_the_schema_has_keys_types_and_samples(engine_url: Callable[[str], str]) -> None:
    schema = open_database(engine_url("postgresql")).schema()
    assert (schema.dialect, len(schema.tables)) == ("postgres", 8)
    staff: Any = schema.table("staff")
    hired = staff.column("hire_date")
    assert (hired.type, hired.declared_type, hired.words) == ("time", "DATE", "hire date")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", hired.samples[0])
    assert [column.name for column in staff.columns if column.primary_key] == ["staff_id"]
    assert ForeignKey("staff", "shop_id", "shops", "shop_id") in schema.foreign_keys


def test_a_wrong_password_is_one_sentence_without_it(engine_url: Callable[[str], str]) -> None:
    url = engine_url("postgresql").replace("p%40ss", "n%40pe")
    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        open_database(url)
    assert not re.search("n(@|%40)pe|\n", str(caught.value))


def test_mariadb_has_comments_and_keys(attacked: Any) -> None:
    from sqlalchemy import create_engine

    url, _ = attacked("mariadb")
    alchemy = create_engine(url.replace("mariadb:", "mysql+pymysql:"))
    with alchemy.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE `odd name` (a INT PRIMARY KEY COMMENT 'first', b ENUM('x', 'y'), "
            "c TINYINT(1), d BLOB, shop_id INT, "
            "FOREIGN KEY (shop_id) REFERENCES shops (shop_id)) COMMENT 'a table'"
        )
        connection.exec_driver_sql("INSERT INTO `odd name` VALUES (1, 'x', 1, 'zzz', 3)")
    alchemy.dispose()
    schema = open_database(url).schema()
    table: Any = schema.table("odd name")
    assert (table.comment, table.columns[0].comment) == ("a table", "first")
    assert " ".join(column.type for column in table.columns) == "number text boolean other number"
    assert table.columns[1].samples == ("x",)
    assert ("odd name", "shops") in {(k.table, k.referenced_table) for k in schema.foreign_keys}


def test_the_memory_of_duckdb_is_limited(engine_url: Callable[[str], str]) -> None:
    books = open_database(engine_url("duckdb"))
    sql = "SELECT list(a.range || 'x') FROM range(100000000) a"
    result = execute(books, sql, Limits(timeout_s=20, max_memory_bytes=64_000_000))
    assert "out of memory" in str(result.error)


def test_duckdb_has_comments_and_keys(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "a b.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR, c INTEGER[])")
        connection.execute("CREATE TABLE u (a INTEGER REFERENCES t (a))")
        connection.execute("COMMENT ON TABLE t IS 'things'; COMMENT ON COLUMN t.b IS 'what it is'")
        connection.execute("INSERT INTO t VALUES (1, 'x', [1]); CREATE VIEW v AS SELECT * FROM t")
    schema = open_database(str(file)).schema(infer=False)
    assert [table.name for table in schema.tables] == ["t", "u", "v"]
    t, b = schema.tables[0], schema.tables[0].columns[1]
    assert (t.comment, b.comment, b.samples) == ("things", "what it is", ("x",))
    assert [column.type for column in t.columns] == ["number", "text", "other"]
    assert [column.primary_key for column in t.columns] == [True, False, False]
    assert [(key.table, key.referenced_table) for key in schema.foreign_keys] == [("u", "t")]


def test_conditions_in_the_words_of_the_engine(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "a.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute('CREATE TABLE "Bill Run" (paid BOOLEAN, due DATE, "sent at" TIMESTAMP)')
        connection.execute(
            """INSERT INTO "Bill Run" VALUES (true, '2024-05-01', '2024-05-31 10:00:00'),
            (false, '2024-05-01', NULL), (false, '2024-06-01', NULL)"""
        )
    database = open_database(str(file))
    index = open_value_index(database)
    for question, rows in (
        ("unpaid bills", 2),
        ("bills due in May 2024", 2),
        ("bills sent on 31 May 2024", 1),
        ("bills that were not sent", 2),
        ("bills due in the last 30 days", 0),
    ):
        (match,) = index.match(question)
        result = execute(database, f'SELECT * FROM "Bill Run" WHERE {match.condition}')
        assert (result.error, len(result.rows)) == (None, rows)

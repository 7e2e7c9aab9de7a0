"""Files that are not databases, odd schemas, and what opening leaves behind."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlite_files import build, listing

from txt2sql.errors import DatabaseError
from txt2sql.execution.columns import choose_samples
from txt2sql.execution.database import Database, find_database, open_database
from txt2sql.execution.execute import execute
from txt2sql.types import ForeignKey


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    (tmp_path / "text.sqlite").write_text("name,age\nAnn,30\n" * 100)
    good = build(tmp_path / "good.sqlite", "CREATE TABLE t (a)", "CREATE TABLE u (b)").read_bytes()
    (tmp_path / "page.sqlite").write_bytes(good[:100] + b"\xff" * (len(good) - 100))
    (tmp_path / "cut.sqlite").write_bytes(good[:60])
    build(tmp_path / "bare.sqlite", "CREATE TABLE t (a)", "DROP TABLE t")
    expected = {
        "missing.sqlite": "no file",
        ".": "is a folder",
        "empty.sqlite": "is empty",
        "text.sqlite": "not a SQLite database",
        "cut.sqlite": "cannot read",
        "page.sqlite": "cannot read",
        "bare.sqlite": "no tables",
        "a\0b": "cannot open|no file",
    }
    for name, reason in expected.items():
        with pytest.raises(DatabaseError, match=reason) as caught:
            open_database(tmp_path / name if name != "a\0b" else name)
        assert "\n" not in str(caught.value)


def test_find_database(tmp_path: Path) -> None:
    build(tmp_path / "database" / "pets_1" / "pets_1.sqlite", "CREATE TABLE pets (a)")
    build(tmp_path / "world_1" / "world_1.sqlite", "CREATE TABLE city (a)")
    build(tmp_path / "flat.sqlite", "CREATE TABLE flat (a)")
    for db_id, table in {"pets_1": "pets", "world_1": "city", "flat": "flat"}.items():
        database = find_database(tmp_path, db_id)
        assert database.db_id == db_id
        assert database.schema().tables[0].name == table
    for folder, db_id, reason in (
        (tmp_path, "pet_1", "did you mean 'pets_1'"),
        (tmp_path, "zzz", "the folder has 3 databases"),
        (tmp_path / "world_1", "../flat", "no database"),
        (tmp_path / "nowhere", "", "no database"),
    ):
        with pytest.raises(DatabaseError, match=reason):
            find_database(folder, db_id)


def test_schema(tmp_path: Path) -> None:
    path = build(
        tmp_path / "shop.sqlite",
        "CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, fullName VARCHAR(20), born DATE, "
        "good BIT, photo BLOB)",
        "CREATE TABLE line (sale INT, no INT, price REAL, PRIMARY KEY (sale, no)) WITHOUT ROWID",
        "CREATE TABLE sale (id INTEGER PRIMARY KEY, customer INT REFERENCES customer, "
        "a INT, b INT, FOREIGN KEY (a, b) REFERENCES line, FOREIGN KEY (b) REFERENCES gone (x))",
        "INSERT INTO customer (fullName, born) VALUES ('Ann', '2001-01-01'), (NULL, ''), "
        "('Ann', NULL), ('Bob', NULL), ('Cid', NULL), ('Dora', NULL)",
    )
    schema = open_database(path).schema(infer=False)
    assert schema.db_id == "shop"
    assert [table.name for table in schema.tables] == ["customer", "line", "sale"]
    customer = schema.tables[0]
    assert [c.type for c in customer.columns] == ["number", "text", "time", "boolean", "other"]
    assert [c.primary_key for c in customer.columns] == [True, *[False] * 4]
    assert [c.samples for c in customer.columns] == [(), ("Ann", "Bob"), ("2001-01-01",), (), ()]
    assert customer.columns[1].words == "full name"
    assert customer.columns[1].declared_type == "VARCHAR(20)"
    assert schema.foreign_keys == (
        ForeignKey("sale", "customer", "customer", "customer_id"),
        ForeignKey("sale", "a", "line", "sale", constraint=1),
        ForeignKey("sale", "b", "line", "no", constraint=1),
    )
    assert [t.name for t in Database(path, "shop", ("sale", "gone")).schema().tables] == ["sale"]


def test_odd_schemas(tmp_path: Path) -> None:
    path = build(
        tmp_path / "odd's ?#%20 ü.sqlite",
        'CREATE TABLE "order" ("select" INT, "a ""quoted"" b" TEXT, "größe cm" REAL, "" TEXT)',
        "INSERT INTO \"order\" VALUES (1, 'x', 1.5, 'y')",
        "CREATE TABLE part (a INT, twice INT GENERATED ALWAYS AS (a * 2) VIRTUAL)",
        "INSERT INTO part (a) VALUES (4)",
        'CREATE TABLE "it\'s" (x)',
        "CREATE VIEW broken AS SELECT x FROM nowhere",
        "CREATE VIEW bomb AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT max(i) AS top FROM n",
        "CREATE VIRTUAL TABLE words USING fts5(body)",
        "INSERT INTO words VALUES ('some text')",
        "CREATE VIRTUAL TABLE boxes USING rtree(id, low, high)",
        "INSERT INTO boxes VALUES (1, 2.0, 3.0)",
        "CREATE TABLE raw (b BLOB, bad TEXT, long TEXT)",
        "INSERT INTO raw VALUES (x'00ff', CAST(x'ff41' AS TEXT), hex(zeroblob(3000000)))",
        "CREATE TABLE void (x)",
        "PRAGMA writable_schema = 1",
        "UPDATE sqlite_master SET sql = 'CREATE VIRTUAL TABLE void USING absent(x)', rootpage = 0 "
        "WHERE name = 'void'",
    )
    database = open_database(path)
    start = time.perf_counter()
    schema = database.schema()
    assert time.perf_counter() - start < 10  # what is quadratic takes minutes
    assert [table.name for table in schema.tables] == [
        "order", "part", "it's", "bomb", "words", "boxes", "raw",
    ]  # fmt: skip
    order, part, _, bomb, words, boxes, raw = schema.tables
    assert [c.name for c in order.columns] == ["select", 'a "quoted" b', "größe cm", ""]
    assert [c.samples for c in order.columns] == [("1",), ("x",), ("1.5",), ("y",)]
    assert [c.samples for c in part.columns] == [("4",), ("8",)]
    assert bomb.columns[0].samples == ()
    assert [c.name for c in words.columns] == ["body"]
    assert boxes.columns[1].samples == ("2.0",)
    assert raw.columns[0].samples == ()
    assert raw.columns[1].samples == ("\ufffdA",)
    assert all(len(sample) <= 40 for sample in raw.columns[2].samples)
    # Full-text and spatial indexes can be queried: their own statements pass the authorizer.
    assert execute(database, "SELECT body FROM words WHERE words MATCH 'text'").rows == (
        ("some text",),
    )
    assert execute(database, "SELECT id FROM boxes WHERE low > 1").rows == ((1,),)
    assert "no such module" in str(execute(database, "SELECT * FROM void").error)


def test_connection_only_reads(tmp_path: Path) -> None:
    path = build(tmp_path / "a.sqlite", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    before = listing(tmp_path)
    connection = open_database(path).connect()
    assert connection.execute("PRAGMA table_info(t)").fetchall()
    for statement in (
        *("DROP TABLE t", "CREATE TEMP TABLE x (a)", "PRAGMA journal_mode = WAL", "BEGIN"),
        *("ATTACH ':memory:' AS m", "PRAGMA query_only = 0", "VACUUM INTO 'copy.sqlite'"),
    ):
        with pytest.raises(sqlite3.DatabaseError, match="not authorized|prohibited|denied"):
            connection.execute(statement)
    connection.close()
    assert listing(tmp_path) == before


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    connection.execute(line).fetchall()
    print("done", flush=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Another process that holds a database in WAL mode open; its last commit is only in the WAL."""
    (tmp_path / "live").mkdir()
    command = [sys.executable, "-c", WRITER, str(tmp_path / "live" / "live.sqlite")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:

        def write(sql: str) -> None:
            print(sql, file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"

        write("PRAGMA journal_mode = WAL")
        write("CREATE TABLE t (a)")
        write("PRAGMA wal_checkpoint(TRUNCATE)")
        write("INSERT INTO t VALUES (1)")
        yield write


def test_live_wal_is_read_and_left_alone(tmp_path: Path, writer: Callable[[str], None]) -> None:
    folder = tmp_path / "live"
    before = listing(folder)
    assert set(before) == {"live.sqlite", "live.sqlite-shm", "live.sqlite-wal"}
    database = open_database(folder / "live.sqlite")
    assert database.schema().tables[0].columns[0].samples == ("1",)
    assert execute(database, "SELECT a FROM t").rows == ((1,),)
    assert listing(folder) == before
    for statement, rows in (
        ("INSERT INTO t VALUES (2)", ((1,), (2,))),
        ("PRAGMA wal_checkpoint(TRUNCATE)", ((1,), (2,))),
        ("DELETE FROM t", ()),
    ):
        writer(statement)
        assert execute(database, "SELECT a FROM t").rows == rows


def test_wal_of_a_killed_writer_is_read_and_without_its_index_refused(
    tmp_path: Path, writer: Callable[[str], None]
) -> None:
    crashed, copied = tmp_path / "crashed", tmp_path / "copied"
    for folder in (crashed, copied):
        shutil.copytree(tmp_path / "live", folder)
    (copied / "live.sqlite-shm").unlink()
    before = listing(crashed), listing(copied)
    assert execute(open_database(crashed / "live.sqlite"), "SELECT a FROM t").rows == ((1,),)
    with pytest.raises(DatabaseError, match="wal_checkpoint"):
        open_database(copied / "live.sqlite")
    error = execute(Database(copied / "live.sqlite", "live"), "SELECT a FROM t").error
    assert "wal_checkpoint" in str(error)
    assert (listing(crashed), listing(copied)) == before


def test_closed_wal_database_in_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    path = build(folder / "a.sqlite", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)")
    folder.chmod(0o555)
    before = listing(folder)
    try:
        database = open_database(path)
        assert database.schema().tables[0].name == "t"
        assert execute(database, "WITH x AS (SELECT * FROM t) SELECT * FROM x").rows == ()
    finally:
        folder.chmod(0o755)
    assert listing(folder) == before


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path = build(tmp_path / "a.sqlite", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    database = open_database(path)
    assert execute(database, "SELECT a FROM t").rows == ((1,),)
    assert database.schema().tables[0].columns[0].samples == ("1",)
    other = build(tmp_path / "b.sqlite", "CREATE TABLE t (a)", "INSERT INTO t VALUES (2)")
    other.replace(path)
    assert execute(database, "SELECT a FROM t").rows == ((2,),)
    assert database.schema().tables[0].columns[0].samples == ("2",)


def test_views_that_take_for_ever_are_left_out_in_time(tmp_path: Path) -> None:
    """Each names the one before twice, so the last is a billion copies of the first."""
    nested = [f"CREATE VIEW v{i + 1} AS SELECT a.x FROM v{i} a, v{i} b" for i in range(30)]
    first = "CREATE TABLE t (x); CREATE VIEW v0 AS SELECT x FROM t"
    path = build(tmp_path / "odd.sqlite", first, *nested)
    start = time.monotonic()
    names = [table.name for table in open_database(path).schema().tables]
    assert time.monotonic() - start < 10
    assert names[:4] == ["t", "v0", "v1", "v2"]
    assert "v30" not in names


# ------------------------------------------------------------------------------- sample values


@pytest.mark.parametrize(
    ("cells", "kind", "samples"),
    [
        (["Y", "N", "Y", "Y"], "text", ("Y", "N")),  # flags: all of them
        (["0", "1", "1", "0"], "number", ("0", "1")),
        (["15", "19", "23", "27"] * 3, "number", ("15",)),  # a measure, not a code
        (["Ann", "Bo", "Cy"], "text", ("Ann", "Bo")),  # names: the form is enough
        (["1/2/2013", "3/2/2013", "8/31/2013"], "text", ("8/31/2013",)),  # shows which is the day
        (["x" * 40, "y" * 40], "text", ("x" * 40 + "...",)),  # a cut cell is no value
        (["  "], "text", ()),
    ],
)
def test_samples_show_what_a_condition_needs(
    cells: list[str], kind: str, samples: tuple[str, ...]
) -> None:
    assert choose_samples(cells, kind) == samples
    if samples == ("15",):  # numbers of a primary key teach nothing
        assert choose_samples(cells, kind, primary_key=True) == ()
    unknown = ["17", "-1", "18"]  # of the row that stands for what is not known
    assert choose_samples(unknown, "number", primary_key=True) == ("-1",)

"""Hostile statements first: refused or stopped in time, with every byte where it was."""

from __future__ import annotations

import math
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import build, listing

from txt2sql.execution import pool as processes
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.execute import Limits, execute, interrupt
from txt2sql.types import QueryResult

LIMITS = Limits(timeout_s=0.25, max_memory_bytes=64_000_000)
MARGIN_S = 1.0  # half a second on an idle machine

LONG_A = "replace(hex(zeroblob(250000)), '0', 'a')"  # 500,000 times the letter a
ABSENT = f"substr({LONG_A}, 1, 250000) || 'b'"
LAUGHS = "".join(f", a{i + 1} AS (SELECT a.x FROM a{i} a, a{i} b)" for i in range(40))
PRODUCT = "SELECT count(*) FROM item a, item b, item c"

# Beside those of tests/fixtures/sql/hostile.txt, which test_hostile_predictions.py judges.
REFUSED = (
    "", ";;DROP TABLE item", "CREATE TEMP TABLE x (a)", "SELECT LOAD_EXTENSION('libm.so.6')",
    "WITH a AS (SELECT 1) INSERT INTO item SELECT 1, 'x', 0", "VACUUM INTO 'copy.sqlite'",
    "ATTACH 'other.sqlite' AS other", "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT " + "1," * 500_000 + "1",
    "SELECT " + "(" * 10_000 + "1" + ")" * 10_000,
    "SELECT ---1",
    "SELECT 1" + " UNION ALL SELECT 1" * 5000,
    "SELECT 1 WHERE " + " AND ".join(["1"] * 9000),
    "SELECT " + ",".join(["?"] * 9000),
)  # fmt: skip
BOMBS = {
    "endless recursion": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "exponential compilation": "WITH a0 AS (SELECT 1 AS x)" + LAUGHS + " SELECT count(*) FROM a40",
    "sorted product": "SELECT a.id FROM item a, item b, item c ORDER BY b.name, a.name",
    "nested replace": "SELECT length(replace(replace(replace(hex(zeroblob(1000)), '0', "
    "hex(zeroblob(1000))), '0', hex(zeroblob(1000))), '0', hex(zeroblob(1000))))",
    "large cells sorted": "SELECT hex(randomblob(400000)) AS x FROM item ORDER BY x",
    "json_tree": "WITH j(d) AS (SELECT json_group_array(a.id) FROM item a, item b LIMIT 1) "
    "SELECT count(*) FROM j, json_tree(j.d) x, json_tree(j.d) y",
    "slow instr": f"SELECT instr({LONG_A}, {ABSENT}) FROM item",
    "slow like": f"SELECT {LONG_A} LIKE '%' || substr({LONG_A}, 1, 40000) || 'b' FROM item",
    "slow trim": f"SELECT trim(a, b || 'a') FROM (SELECT {LONG_A} AS a, "
    "replace(hex(zeroblob(200000)), '0', 'ä') AS b), item",
    "slow calls in one row": "SELECT " + ", ".join([f"instr({LONG_A}, {ABSENT})"] * 200),
    "many wide rows": f"SELECT {', '.join(['hex(randomblob(5000))'] * 500)} FROM item a, item b",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database of 5,000 rows alone in a folder that must not change."""
    place = tmp_path_factory.mktemp("shop")
    rng = random.Random(5)
    with closing(sqlite3.connect(place / "shop.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
        connection.executemany(
            "INSERT INTO item VALUES (?, ?, ?)",
            [(i, f"item {rng.randrange(10**6)}", rng.random() * 100) for i in range(5000)],
        )
        connection.execute("CREATE TABLE odd (cell)")
        connection.execute(
            "INSERT INTO odd VALUES (CAST(x'ff41' AS TEXT)), (x'ff00'), (9e999), (NULL)"
        )
    old = time.time() - 100
    os.utime(place / "shop.sqlite", (old, old))
    before, here = listing(place), sorted(Path.cwd().iterdir())
    yield place
    assert listing(place) == before
    assert sorted(Path.cwd().iterdir()) == here


@pytest.fixture(scope="module")
def shop(folder: Path) -> Database:
    return open_database(folder / "shop.sqlite")


def timed(shop: Database, sql: str) -> tuple[QueryResult, float]:
    start = time.perf_counter()
    result = execute(shop, sql, LIMITS)
    return result, time.perf_counter() - start


@pytest.mark.parametrize("sql", REFUSED, ids=range(len(REFUSED)))
def test_refused(shop: Database, folder: Path, sql: str) -> None:
    before = listing(folder)
    result, seconds = timed(shop, sql)
    if sql == "SELECT ---1":  # a comment swallows the rest
        assert result.error == "incomplete input"
    assert result.error
    assert result.rows == ()
    assert seconds < LIMITS.timeout_s + MARGIN_S
    assert listing(folder) == before


@pytest.mark.parametrize("sql", BOMBS.values(), ids=BOMBS)
def test_stopped_in_time(shop: Database, folder: Path, sql: str) -> None:
    before = listing(folder)
    result, seconds = timed(shop, sql)
    assert seconds < LIMITS.timeout_s + MARGIN_S
    # a function answers NULL where its result would be too big
    assert result.error or result.truncated or result.rows == ((None,),)
    assert listing(folder) == before


def test_timeouts_say_so(shop: Database) -> None:
    result, seconds = timed(shop, PRODUCT)
    assert result.timed_out
    assert result.error == "stopped after 0.25 s"
    assert seconds >= LIMITS.timeout_s
    killed, _ = timed(shop, BOMBS["slow calls in one row"])
    assert killed.timed_out
    assert execute(shop, "SELECT count(*) FROM item").rows == ((5000,),)


def test_rows_are_capped_before_they_are_gathered(shop: Database) -> None:
    start = time.perf_counter()
    result = execute(shop, "SELECT a.id FROM item a, item b", Limits(max_rows=7))
    assert time.perf_counter() - start < 1
    assert (len(result.rows), result.truncated) == (7, True)
    exact = execute(shop, "SELECT id FROM item LIMIT 7", Limits(max_rows=7))
    assert (len(exact.rows), exact.truncated) == (7, False)
    assert execute(shop, "SELECT id FROM item", Limits(max_rows=0)).truncated


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        ("hex(zeroblob(50000))", range(1, 40)),
        (f"iif(id < 300, '', {LONG_A})", range(200, 310)),  # late
        (", ".join(["NULL"] * 1000), range(1, 500)),  # more than a byte each to whoever shows it
    ],
)
def test_bytes_of_a_result_are_capped(shop: Database, cells: str, rows: range) -> None:
    limits = Limits(timeout_s=20, max_result_bytes=2_000_000)
    result = execute(shop, f"SELECT {cells} FROM item", limits)
    assert result.truncated
    assert len(result.rows) in rows


def test_cells_are_capped(shop: Database) -> None:
    assert execute(shop, "SELECT length(hex(zeroblob(400000)))").rows == ((800_000,),)
    for size in (2_000_000, 20_000):
        limits = Limits(max_cell_bytes=size // 2)
        assert execute(shop, f"SELECT zeroblob({size})", limits).error == "string or blob too big"
    wide = f"SELECT {', '.join(['hex(zeroblob(400000))'] * 40)}"
    assert "too big" in str(execute(shop, wide, Limits(timeout_s=20)).error)


def test_memory_is_capped(shop: Database) -> None:
    sql = "SELECT count(*) FROM (SELECT DISTINCT a.name || b.name FROM item a, item b)"
    result = execute(shop, sql, Limits(timeout_s=30, max_memory_bytes=20_000_000))
    assert "memory" in str(result.error)
    assert execute(shop, "SELECT count(*) FROM item").rows == ((5000,),)


def test_cells_of_every_type_are_answered(shop: Database) -> None:
    result = execute(shop, "SELECT cell, 9223372036854775807 AS top, -1.5 FROM odd")
    assert result.ok
    assert result.columns == ("cell", "top", "-1.5")
    assert [row[0] for row in result.rows] == ["\ufffdA", b"\xff\x00", math.inf, None]
    assert {row[1:] for row in result.rows} == {(2**63 - 1, -1.5)}
    assert not result.truncated
    assert 0 < result.seconds < 5
    empty = execute(shop, "SELECT id, name FROM item WHERE 0")
    assert (empty.ok, empty.columns, empty.rows) == (True, ("id", "name"), ())


def test_mistakes_are_values(shop: Database, tmp_path: Path) -> None:
    for sql, reason in {
        "SELECT nothing_such FROM item": "no such column",
        "SELECT FROM": "syntax error",
        "SELECT id FROM item a, item b": "ambiguous column",
        "SELECT abs(-9223372036854775807 - 1)": "integer overflow",
    }.items():
        result = execute(shop, sql)
        assert reason in str(result.error)
        assert not result.timed_out
        assert not result.ok
    nowhere = Database(tmp_path / "none.sqlite", "none")
    assert "cannot open" in str(execute(nowhere, "SELECT 1").error)


def test_what_is_written_meanwhile_is_read(tmp_path: Path) -> None:
    live = open_database(build(tmp_path / "live.sqlite", "CREATE TABLE t (a)"))
    for count in range(10):
        assert execute(live, "SELECT count(*) FROM t").rows == ((count,),)
        build(live.path, "INSERT INTO t VALUES (1)")


def test_a_writer_in_this_process_keeps_its_lock(tmp_path: Path) -> None:
    """Closing a descriptor of the file would drop the POSIX locks of the caller's own connection."""
    path = build(tmp_path / "own.sqlite", "CREATE TABLE t (a)")
    with closing(sqlite3.connect(path, isolation_level=None)) as ours:
        time.sleep(0.15)
        ours.execute("BEGIN IMMEDIATE")
        database = open_database(path)
        assert execute(database, "SELECT count(*) FROM t").rows == ((0,),)
        database.schema()
        code = (
            f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        )
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "database is locked" in other.stderr
        ours.execute("ROLLBACK")


def test_threads_run_side_by_side(shop: Database) -> None:
    """Each gets its own answer, and of the workers that they needed only some stay."""
    before = threading.active_count()
    with ThreadPoolExecutor(12) as pool:
        sql = "SELECT name, {} FROM item WHERE id = {}"
        results = list(pool.map(lambda i: execute(shop, sql.format(i % 7, i % 11)), range(100)))
    names = [row[0] for row in execute(shop, "SELECT name FROM item LIMIT 11").rows]
    assert [result.rows for result in results] == [((names[i % 11], i % 7),) for i in range(100)]
    assert 0 < len(processes._idle) <= processes._IDLE
    assert threading.active_count() == before
    processes.close_idle()
    assert processes._idle == []


def test_interrupting_one_thread_leaves_the_others_alone(shop: Database) -> None:
    threads: dict[str, int] = {}

    def run(name: str, timeout_s: float) -> str | None:
        threads[name] = threading.get_ident()
        return execute(shop, PRODUCT, Limits(timeout_s=timeout_s)).error

    with ThreadPoolExecutor(2) as pool:
        stopped, left = pool.submit(run, "stopped", 20), pool.submit(run, "left", 1)
        while "stopped" not in threads or not interrupt(threads["stopped"]):
            time.sleep(0.02)
        assert stopped.result() == "interrupted"
        assert left.result() == "stopped after 1 s"
        assert interrupt(threads["left"]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_workers_of_its_own(shop: Database) -> None:
    sql = "SELECT count(*) FROM item WHERE id"
    assert execute(shop, f"{sql} >= 0").rows == ((5000,),)
    child = os.fork()
    if child == 0:
        good = all(execute(shop, f"{sql} < {i}").rows == ((i,),) for i in range(20))
        processes.close_idle()
        os._exit(0 if good else 1)
    for i in range(20):
        assert execute(shop, f"{sql} > {i}").rows == ((4999 - i,),)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


words = st.sampled_from(
    "SELECT FROM WHERE GROUP BY ORDER item id name price odd cell * , ( ) ; -- /* */ ' \" AND = < 1 2.5 "
    "count max UNION ALL LIMIT WITH a AS VALUES CASE WHEN END NULL LIKE '%a' || CAST INTEGER".split()
)


@settings(max_examples=60)
@given(st.one_of(st.text(), st.lists(words, max_size=15).map(lambda w: "SELECT " + " ".join(w))))
def test_never_raises(shop: Database, sql: str) -> None:
    result = execute(shop, sql, LIMITS)
    assert result.ok or (result.error and result.rows == ())

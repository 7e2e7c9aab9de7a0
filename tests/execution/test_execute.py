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
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import listing

from txt2sql.execution import execute as module
from txt2sql.execution import pool as processes
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.execute import Limits, clear_cache, execute, interrupt
from txt2sql.types import QueryResult

LIMITS = Limits(timeout_s=0.25, max_memory_bytes=64_000_000)
MARGIN_S = 1.0  # half a second on an idle machine

LONG_A = "replace(hex(zeroblob(250000)), '0', 'a')"  # 500,000 times the letter a
LAUGHS = "".join(f", a{i + 1} AS (SELECT a.x FROM a{i} a, a{i} b)" for i in range(40))

# Beside those of tests/fixtures/sql/hostile.txt, which test_hostile_predictions.py judges.
WRITES = (
    "DROP TABLE item",
    "INSERT INTO item VALUES (0, 'x', 0)",
    "REPLACE INTO item VALUES (1, 'x', 0)",
    "WITH a AS (SELECT 1) INSERT INTO item SELECT 1, 'x', 0",
    "CREATE TEMP TABLE x (a)",
    "ATTACH 'other.sqlite' AS other",
    "PRAGMA journal_mode = WAL",
    "SELECT load_extension('libm.so.6')",
    "SELECT LOAD_EXTENSION('libm.so.6')",
    "SELECT fts3_tokenizer('simple', x'00')",
    "VACUUM INTO 'copy.sqlite'",
    "EXPLAIN QUERY PLAN SELECT 1",
    "SELECT 1; DROP TABLE item",
    "",
    " ",
    ";;DROP TABLE item",
    "SELECT " + "1," * 500_000 + "1",
    "SELECT " + "(" * 10_000 + "1" + ")" * 10_000,
    "SELECT " + "-" * 3 + "1",
    "SELECT 1" + " UNION ALL SELECT 1" * 5000,
    "SELECT 1 WHERE " + " AND ".join(["1"] * 9000),
    "SELECT " + ",".join(["?"] * 9000),
)

BOMBS = {
    "endless recursion": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) FROM n",
    "exponential compilation": "WITH a0 AS (SELECT 1 AS x)" + LAUGHS + " SELECT count(*) FROM a40",
    "cartesian product": "SELECT count(*) FROM item a, item b, item c",
    "sorted cartesian product": "SELECT a.id FROM item a, item b, item c ORDER BY b.name, a.name",
    "distinct cartesian product": "SELECT DISTINCT a.name || b.name || c.name FROM item a, item b, "
    "item c",
    "grouped cartesian product": "SELECT count(*) FROM item a, item b, item c GROUP BY a.id + "
    "b.id * 10000 + c.id * 100000000",
    "union of cartesian products": "SELECT a.id, b.id FROM item a, item b, item c UNION "
    "SELECT b.id, c.id FROM item a, item b, item c",
    "window over a cartesian product": "SELECT sum(a.id) OVER (ORDER BY b.id) FROM item a, item b",
    "correlated subqueries": "SELECT (SELECT count(*) FROM item b WHERE b.price > a.price AND "
    "EXISTS (SELECT 1 FROM item c WHERE c.price < b.price + a.id * 0 - 9e9)) FROM item a",
    "nested replace": "SELECT length(replace(replace(replace(hex(zeroblob(1000)), '0', "
    "hex(zeroblob(1000))), '0', hex(zeroblob(1000))), '0', hex(zeroblob(1000))))",
    "group_concat": "SELECT group_concat(hex(zeroblob(1000))) FROM item a, item b",
    "group_concat per row": "SELECT group_concat(a.name) OVER (ORDER BY a.id, b.id) FROM item a, "
    "item b",
    "large cells sorted": "SELECT hex(randomblob(400000)) AS x FROM item ORDER BY x",
    "json": "SELECT json_group_array(hex(zeroblob(1000))) FROM item a, item b",
    "json nested": "SELECT json('" + "[" * 40_000 + "')",
    "json_tree": "WITH j(d) AS (SELECT json_group_array(a.id) FROM item a, item b LIMIT 1) "
    "SELECT count(*) FROM j, json_tree(j.d) x, json_tree(j.d) y",
    "slow instr": f"SELECT instr({LONG_A}, substr({LONG_A}, 1, 250000) || 'b') FROM item",
    "slow replace": f"SELECT replace({LONG_A}, substr({LONG_A}, 1, 250000) || 'b', '') FROM item",
    "slow like": f"SELECT {LONG_A} LIKE '%' || substr({LONG_A}, 1, 40000) || 'b' FROM item",
    "slow glob": f"SELECT {LONG_A} GLOB '*' || substr({LONG_A}, 1, 40000) || 'b' FROM item",
    "slow trim": "SELECT trim(a, b || 'a') FROM (SELECT " + LONG_A + " AS a, "
    "replace(hex(zeroblob(200000)), '0', 'ä') AS b), item",
    "many slow calls in one row": "SELECT "
    + ", ".join([f"instr({LONG_A}, substr({LONG_A}, 1, 250000) || 'b')"] * 200),
    "many wide rows": "SELECT "
    + ", ".join(["hex(randomblob(5000))"] * 500)
    + " FROM item a, item b",
    "endless rows without a match": "SELECT * FROM item a, item b, item c WHERE a.id < 0 * b.id + "
    "c.id * 0 - 1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database of 5,000 rows alone in a folder that must not change."""
    place = tmp_path_factory.mktemp("shop")
    connection = sqlite3.connect(place / "shop.sqlite")
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
    rng = random.Random(5)
    connection.executemany(
        "INSERT INTO item VALUES (?, ?, ?)",
        [(i, f"item {rng.randrange(10**6)}", rng.random() * 100) for i in range(5000)],
    )
    connection.execute("CREATE TABLE odd (cell)")
    connection.execute("INSERT INTO odd VALUES (CAST(x'ff41' AS TEXT)), (x'ff00'), (9e999), (NULL)")
    connection.commit()
    connection.close()
    old = time.time() - 100
    os.utime(place / "shop.sqlite", (old, old))
    before, here = listing(place), sorted(Path.cwd().iterdir())
    yield place
    assert listing(place) == before
    assert sorted(Path.cwd().iterdir()) == here


@pytest.fixture(scope="module")
def shop(folder: Path) -> Database:
    return open_database(folder / "shop.sqlite")


@pytest.fixture(autouse=True)
def _nothing_cached() -> None:
    clear_cache()


def timed(shop: Database, sql: str, limits: Limits = LIMITS) -> tuple[QueryResult, float]:
    start = time.perf_counter()
    result = execute(shop, sql, limits)
    return result, time.perf_counter() - start


@pytest.mark.parametrize("sql", WRITES, ids=range(len(WRITES)))
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
    # printf answers NULL where its result would be too big
    assert result.error or result.truncated or result.rows == ((None,),)
    assert listing(folder) == before


def test_rows_are_capped_before_they_are_gathered(shop: Database) -> None:
    result, seconds = timed(shop, "SELECT a.id FROM item a, item b", Limits(max_rows=7))
    assert result.truncated
    assert len(result.rows) == 7
    assert seconds < 1
    exact = execute(shop, "SELECT id FROM item LIMIT 7", Limits(max_rows=7))
    assert len(exact.rows) == 7
    assert not exact.truncated
    assert execute(shop, "SELECT id FROM item", Limits(max_rows=0)).truncated


def test_bytes_of_a_result_are_capped(shop: Database) -> None:
    limits = Limits(max_result_bytes=1_000_000)
    result = execute(shop, "SELECT hex(zeroblob(50000)) FROM item", limits)
    assert result.truncated
    assert sum(len(row[0]) for row in result.rows) < 4_000_000


def test_cells_are_capped(shop: Database) -> None:
    assert execute(shop, "SELECT length(hex(zeroblob(400000)))").rows == ((800_000,),)
    for size in (2_000_000, 20_000):
        limits = Limits(max_cell_bytes=size // 2)
        result = execute(shop, f"SELECT zeroblob({size})", limits)
        assert result.error == "string or blob too big"


def test_memory_is_capped(shop: Database) -> None:
    sql = "SELECT count(*) FROM (SELECT DISTINCT a.name || b.name FROM item a, item b)"
    result = execute(shop, sql, Limits(timeout_s=30, max_memory_bytes=20_000_000))
    assert result.error is not None
    assert "memory" in result.error
    assert execute(shop, "SELECT count(*) FROM item").rows == ((5000,),)


def test_answers(shop: Database) -> None:
    """The same answer in this process and in a worker, for every type of cell."""
    sql = "SELECT cell, 9223372036854775807 AS top, -1.5 FROM odd"
    for text in (sql, sql + " -- apart"):
        result = execute(shop, text)
        assert result.ok
        assert result.columns == ("cell", "top", "-1.5")
        assert result.rows == tuple(
            (cell, 2**63 - 1, -1.5) for cell in ("\ufffdA", b"\xff\x00", math.inf, None)
        )
        assert not result.truncated
        assert 0 < result.seconds < 5
    empty = execute(shop, "SELECT id, name FROM item WHERE 0")
    assert empty.ok
    assert empty.columns == ("id", "name")
    assert empty.rows == ()


@pytest.mark.parametrize(
    ("sql", "reason"),
    {
        "SELECT nothing_such FROM item": "no such column",
        "SELECT * FROM nowhere": "no such table",
        "SELECT FROM": "syntax error",
        "SELECT id FROM item a, item b": "ambiguous column",
        "SELECT abs(-9223372036854775807 - 1)": "integer overflow",
        "SELECT nofunction(1)": "no such function",
        "WITH a AS (SELECT x FROM item) SELECT * FROM a": "no such column",
    }.items(),
)
def test_mistakes_are_values(shop: Database, sql: str, reason: str) -> None:
    result = execute(shop, sql)
    assert reason in str(result.error)
    assert not result.timed_out
    assert not result.ok


def test_a_missing_file_is_a_value(tmp_path: Path) -> None:
    result = execute(Database(tmp_path / "none.sqlite", "none"), "SELECT 1")
    assert "cannot open" in str(result.error)


def test_timeouts_say_so(shop: Database) -> None:
    result, seconds = timed(shop, BOMBS["cartesian product"])
    assert result.timed_out
    assert result.error == "stopped after 0.25 s"
    assert seconds >= LIMITS.timeout_s
    killed, _ = timed(shop, BOMBS["many slow calls in one row"])
    assert killed.timed_out
    assert execute(shop, "SELECT count(*) FROM item -- apart").rows == ((5000,),)


def test_results_are_cached_by_text_limits_and_file(shop: Database, tmp_path: Path) -> None:
    first = execute(shop, "SELECT name FROM item LIMIT 5")
    assert execute(shop, "SELECT name FROM item LIMIT 5") is first
    assert execute(shop, "SELECT name FROM item LIMIT 5", LIMITS) is not first
    for sql in ("SELECT random()", "SELECT count(*) FROM item WHERE date('now') > '2000'"):
        assert execute(shop, sql) is not execute(shop, sql)
    connection = sqlite3.connect(tmp_path / "live.sqlite")
    connection.execute("CREATE TABLE t (a)")
    live = open_database(tmp_path / "live.sqlite")
    for count in range(20):
        assert execute(live, "SELECT count(*) FROM t").rows == ((count,),)
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()
    connection.close()


def test_what_was_too_slow_or_too_large_is_not_remembered(shop: Database) -> None:
    """It may succeed in a moment, when whatever was in its way is gone."""
    for sql in (BOMBS["cartesian product"], "SELECT hex(zeroblob(900000)) || (SELECT 1)"):
        assert execute(shop, sql, LIMITS) is not execute(shop, sql, LIMITS)


def test_long_rows_are_capped(shop: Database) -> None:
    long = ", ".join(["hex(zeroblob(400000))"] * 40)
    assert "too big" in str(execute(shop, f"SELECT {long}", Limits(timeout_s=20)).error)
    late = f"SELECT iif(id < 300, '', {LONG_A}) FROM item"
    result = execute(shop, late, Limits(timeout_s=20, max_result_bytes=2_000_000))
    assert result.truncated
    assert 200 < len(result.rows) < 310


def test_cells_are_counted(shop: Database) -> None:
    """A NULL is a byte on its way and more in the memory of whoever shows it."""
    sql = f"SELECT {', '.join(['NULL'] * 1000)} FROM item"
    result = execute(shop, sql, Limits(timeout_s=20))
    assert result.truncated
    assert len(result.rows) * 1000 < 2_000_000


def test_cache_is_bounded(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHED_RESULTS", 9)
    results = [execute(shop, f"SELECT {i}") for i in range(30)]
    assert execute(shop, "SELECT 29") is results[29]
    assert execute(shop, "SELECT 0") is not results[0]


def test_a_writer_in_this_process_keeps_its_lock(tmp_path: Path) -> None:
    """Closing a descriptor of the file would drop the POSIX locks of the caller's own connection."""
    path = tmp_path / "own.sqlite"
    ours = sqlite3.connect(path, isolation_level=None)
    ours.execute("CREATE TABLE t (a)")
    time.sleep(0.15)
    ours.execute("BEGIN IMMEDIATE")
    database = open_database(path)
    assert execute(database, "SELECT count(*) FROM t").rows == ((0,),)
    database.schema()
    code = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "database is locked" in other.stderr
    ours.execute("ROLLBACK")
    ours.close()


def test_threads_run_side_by_side(shop: Database) -> None:
    def ask(i: int) -> QueryResult:
        mark = " -- apart" if i % 2 else ""
        return execute(shop, f"SELECT name, {i % 7} FROM item WHERE id = {i % 11}{mark}")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(200)))
    for i, result in enumerate(results):
        assert result.ok
        assert result.rows == (
            execute(shop, f"SELECT name FROM item WHERE id = {i % 11}").rows[0] + (i % 7,),
        )


def test_interrupting_one_thread_leaves_the_others_alone(shop: Database) -> None:
    threads: dict[str, int] = {}

    def ask(name: str, timeout_s: float) -> str | None:
        threads[name] = threading.get_ident()
        return execute(shop, BOMBS["cartesian product"], Limits(timeout_s=timeout_s)).error

    with ThreadPoolExecutor(2) as pool:
        stopped, left = pool.submit(ask, "stopped", 20), pool.submit(ask, "left", 1)
        while "stopped" not in threads or not interrupt(threads["stopped"]):
            time.sleep(0.02)
        assert stopped.result() == "interrupted"
        assert left.result() == "stopped after 1 s"
        assert interrupt(threads["left"]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_asks_its_own_worker(shop: Database) -> None:
    sql = "SELECT count(*) FROM item"
    assert execute(shop, sql + " -- apart").rows == execute(shop, sql).rows == ((5000,),)
    child = os.fork()
    if child == 0:
        good = all(
            execute(shop, f"{sql} WHERE id < {i}{end}").rows == ((i,),)
            for i in range(20)
            for end in ("", " -- apart")
        )
        processes.close_idle()
        os._exit(0 if good else 1)
    for i in range(20):
        assert execute(shop, f"{sql} WHERE id > {i} -- apart").rows == ((4999 - i,),)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_idle_workers_are_bounded_and_can_be_ended(shop: Database) -> None:
    before = threading.active_count()
    with ThreadPoolExecutor(12) as pool:
        list(
            pool.map(lambda i: execute(shop, f"WITH a AS (SELECT {i}) SELECT * FROM a"), range(24))
        )
    assert 0 < len(processes._idle) <= processes._IDLE
    assert threading.active_count() == before
    processes.close_idle()
    assert processes._idle == []


words = st.sampled_from(
    "SELECT FROM WHERE GROUP BY ORDER item id name price odd cell * , ( ) ; -- /* */ ' \" AND = < 1 2.5 "
    "count max UNION ALL LIMIT WITH a AS VALUES CASE WHEN END NULL LIKE '%a' || CAST INTEGER".split()
)


@settings(max_examples=150)
@given(st.one_of(st.text(), st.lists(words, max_size=15).map(lambda w: "SELECT " + " ".join(w))))
def test_never_raises(shop: Database, sql: str) -> None:
    result = execute(shop, sql, LIMITS)
    assert result.ok or (result.error and result.rows == ())

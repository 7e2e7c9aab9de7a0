"""Different queries first; then what may differ, what cannot be parsed, and time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.sql.clauses import Items, clause_items, jaccard
from txt2sql.types import Column, Schema, Table

CASES = Path(__file__).parents[1] / "fixtures" / "sql" / "clauses"
COLUMNS = {
    "singer": ("id", "Name", "age", "country", "song_id"),
    "song": ("id", "name", "year", "singer_id"),
}
SCHEMA = Schema(
    "music", tuple(Table(name, tuple(map(Column, columns))) for name, columns in COLUMNS.items())
)


def pairs(name: str) -> list[list[str]]:
    blocks = (CASES / name).read_text(encoding="utf-8").split("\n\n")
    lines = [[x for x in block.splitlines() if x and not x.startswith("#")] for block in blocks]
    return [pair for pair in lines if pair]


def read(sql: str) -> Items:
    items = clause_items(sql, SCHEMA)
    assert items is not None, sql
    return items


@pytest.mark.parametrize("pair", pairs("different.txt"), ids=lambda pair: pair[0])
def test_different(pair: list[str]) -> None:
    first, second = map(read, pair)
    assert jaccard(first, second) == jaccard(second, first) < 1


@pytest.mark.parametrize("pair", pairs("same.txt"), ids=lambda pair: pair[0])
def test_same(pair: list[str]) -> None:
    first, second = map(read, pair)
    assert first == second
    assert jaccard(first, second) == 1


def test_partial_credit() -> None:
    right = read("SELECT name FROM singer WHERE age > 30 AND country = 'France'")
    assert jaccard(right, read("SELECT year FROM song")) == 0
    assert jaccard(right, read("SELECT name FROM singer WHERE age > 30")) == 3 / 4


def test_items_are_named_by_clause() -> None:
    sql = """SELECT T1.Name, count(*) FROM singer AS T1 JOIN song AS T2 ON T1.id = T2.singer_id
        WHERE T2.year > (SELECT avg(year) FROM song) GROUP BY T1.id HAVING count(*) >= 2
        ORDER BY 2 DESC LIMIT 3"""
    inner = "where ((query 1) < song.year) 1"
    assert sorted(f"{clause}: {item}" for clause, item in read(sql).elements()) == [
        "from: singer", "from: song", "group: singer.id", "having: (2 <= count(*))",
        "join: (singer.id = song.singer_id)", "limit: 3", "order: 1: count(*) desc",
        "select: count(*)", "select: singer.name",
        *(f"{inner} / from: song", f"{inner} / select: avg(song.year)"),
        "where: ((query 1) < song.year)",
    ]  # fmt: skip


NO_QUERY = """
 | ; | -- | SELECT | SELECT FROM | SELECT 1 FROM | SELECT 1; SELECT 2 | VALUES (1) | SELECT 'open
DROP TABLE singer | INSERT INTO singer SELECT 1 | PRAGMA table_info(singer) | EXPLAIN SELECT 1
The query counts singers. | SELECT name FROM singer WHERE (
"""
DEEP = (
    "SELECT \0",
    "SELECT " + "(" * 5000,
    "SELECT " + "(" * 70 + "1" + ")" * 70,
    "SELECT " + "CASE WHEN " * 900,
    "SELECT 1" + " + 1" * 50_000,
    "WITH a AS (SELECT 1 AS x)"
    + "".join(f", a{i} AS (SELECT b.x FROM a{i - 1 or ''} b, a{i - 1 or ''})" for i in range(1, 40))
    + " SELECT * FROM a39",
    "/*" * 4000,
)


@pytest.mark.parametrize("sql", [*re.split(r" \| |\n", NO_QUERY), *DEEP], ids=lambda sql: sql[:40])
def test_unparsable(sql: str) -> None:
    start = time.process_time()
    assert clause_items(sql, SCHEMA) is None
    assert time.process_time() - start < 1


def test_recursion_in_sql_ends() -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert read(sql) == read(sql.replace("n(i)", "m(i)").replace("FROM n", "FROM m"))


def test_nested_names_stay_short() -> None:
    """Columns that double at each level."""
    sql = "SELECT x FROM singer"
    for _ in range(25):
        sql = f"SELECT x || x AS x FROM ({sql})"
    assert max(len(clause) + len(text) for clause, text in read(sql)) < 2000


words = st.sampled_from(
    "SELECT FROM WHERE GROUP BY ORDER singer id name song T1 . * , ( ) ; -- /* */ ' \" AND = < 1 2.5 "
    "count UNION ALL LIMIT WITH a AS CASE WHEN END NULL JOIN ON USING IN NOT EXISTS OVER ` [ ]".split()
)


@settings(max_examples=60)
@given(st.one_of(st.text(), st.lists(words).map(lambda words: "SELECT " + " ".join(words))))
def test_never_raises(sql: str) -> None:
    items = clause_items(sql, SCHEMA)
    assert items is None or items == read(sql)

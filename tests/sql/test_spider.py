"""What Spider's parser reads, and as what. Queries that it must and must not read are in
`tests/fixtures/sql/spider/readable.txt` and `unreadable.txt`, one in each line.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.sql.spider import MAX_DEPTH, parse
from txt2sql.sql.spider_query import Query, SpiderSchema

CASES = Path(__file__).parents[1] / "fixtures" / "sql" / "spider"
SCHEMA = SpiderSchema(
    {
        "Singer": ("ID", "name", "age", "country"),
        "stadium": ("id", "name", "capacity"),
        "concert": ("id", "title", "stadium_id", "year"),
        "plays": ("singer_id", "concert_id"),
    }
)
FROM = "SELECT name FROM singer"


def lines(file: str) -> list[str]:
    return (CASES / file).read_text(encoding="utf-8").splitlines()


def read(sql: str) -> Query:
    query = parse(sql, SCHEMA)
    assert query is not None
    return query


def same_but_for_case(query: Query | None, other: Query | None) -> bool:
    """By their text, in which not-a-number is itself."""
    return repr(query).lower() == repr(other).lower()


@pytest.mark.parametrize("sql", lines("unreadable.txt"))
def test_what_official_cannot_read(sql: str) -> None:
    assert parse(sql, SCHEMA) is None


@pytest.mark.parametrize("sql", lines("readable.txt"))
def test_what_official_reads(sql: str) -> None:
    assert same_but_for_case(read(sql), parse(sql.upper().replace("'", '"'), SCHEMA))
    assert {read(sql): "hashable"}


def test_empty_text_is_no_query() -> None:
    assert parse("", SCHEMA) is None
    assert parse(" \n", SCHEMA) is None


def test_an_alias_holds_for_the_whole_query_and_the_last_wins() -> None:
    inner = "(SELECT max(T1.capacity) FROM stadium AS T1)"
    assert parse(f"SELECT T1.age FROM singer AS T1 WHERE T1.age > {inner}", SCHEMA) is None
    query = read(f"SELECT T1.name FROM singer AS T1 WHERE age > {inner}")
    assert query.select[0].expression.left.id == "stadium.name"


def test_a_column_without_table_is_of_the_first_table_that_has_it() -> None:
    query = read("SELECT name, capacity FROM stadium JOIN singer")
    assert [item.expression.left.id for item in query.select] == [
        "stadium.name",
        "stadium.capacity",
    ]


def test_one_direction_holds_for_the_whole_order() -> None:
    assert read(f"{FROM} ORDER BY age").direction == "asc"
    assert read(f"{FROM} ORDER BY age ASC, id DESC").direction == "desc"
    assert read(f"{FROM} ORDER BY age DESC, id ASC").direction == "asc"


def test_conditions_are_one_flat_list() -> None:
    where = read(f"{FROM} WHERE age > 3 AND id < 4 OR name != 'x' age = 5").where
    assert [each if isinstance(each, str) else each.operator for each in where] == [
        *(">", "and", "<", "or", "!=", "=")
    ]


def test_after_a_column_as_value_all_is_skipped_up_to_a_keyword() -> None:
    skipped = read(f"{FROM} WHERE age = id or name = 'x' ORDER BY age")
    assert len(skipped.where) == 1
    assert skipped.direction == "asc"


def test_set_operations_nest_to_the_right() -> None:
    query = read(f"{FROM} UNION {FROM} EXCEPT {FROM}")
    assert query.except_ is None
    assert query.union is not None
    assert query.union.except_ == read(FROM)


def test_what_follows_a_complete_query_is_ignored() -> None:
    assert read(f"{FROM} WHERE age > 3 ) junk ( ") == read(f"{FROM} WHERE age > 3")


def test_depth_is_capped() -> None:
    def nested(levels: int) -> str:
        return "SELECT id FROM singer WHERE id IN (" * levels + "1" + ")" * levels

    assert parse(nested(MAX_DEPTH), SCHEMA) is not None
    assert parse(nested(MAX_DEPTH + 1), SCHEMA) is None
    assert parse(nested(50_000), SCHEMA) is None


WORDS = (
    "select from where group by having order limit union except intersect as join on and or not in "
    "like between = > ( ) , ; * - + max count distinct none asc desc singer stadium t1 t1.name name "
    "age id 3 nan 'x' . singer.name"
).split()


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_words_in_any_order_are_read_or_not(soup: str) -> None:
    for sql in (soup, f"select name from singer {soup}"):
        query = parse(sql, SCHEMA)
        assert same_but_for_case(query, parse(f"  {sql.upper()}  ", SCHEMA))


@given(st.text())
def test_any_text_is_read_or_not(text: str) -> None:
    for sql in (text, f"SELECT name FROM singer WHERE {text}", f"SELECT {text} FROM singer"):
        query = parse(sql, SCHEMA)
        assert query is None or isinstance(query, Query)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        ("SELECT ", "("),
        ("SELECT name FROM singer WHERE ", "age > 1 AND "),
        ("SELECT name FROM singer WHERE ", "age = name or "),
        ("SELECT name FROM ", "singer JOIN "),
        ("SELECT name FROM ", "(SELECT name FROM singer WHERE age > 1) "),
        ("", "SELECT name FROM singer UNION "),
        ("", "select "),
        ("", "as "),
        ("SELECT name FROM singer ", "ON age = 1 "),
    ],
)
def test_time_is_linear_in_the_text(start: str, piece: str) -> None:
    text = start + piece * (100_000 // len(piece)) + " from singer"
    started = time.process_time()
    parse(text, SCHEMA)
    assert time.process_time() - started < 2.0

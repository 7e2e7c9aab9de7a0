"""What Spider's parser reads, and as what. Queries that it must and must not read are in
`tests/fixtures/sql/spider/readable.txt` and `unreadable.txt`, one in each line.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.errors import DataError
from txt2sql.sql.spider import (
    MAX_DEPTH,
    Query,
    SpiderSchema,
    group_keys,
    key_map,
    level,
    normalise,
    parse,
    tokenise,
)

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


def read(sql: str, schema: SpiderSchema = SCHEMA) -> Query:
    query = parse(sql, schema)
    assert query is not None
    return query


@pytest.mark.parametrize("sql", [*lines("unreadable.txt"), "", " \n"])
def test_what_official_cannot_read(sql: str) -> None:
    assert parse(sql, SCHEMA) is None


@pytest.mark.parametrize("sql", lines("readable.txt"))
def test_what_official_reads(sql: str) -> None:
    upper = parse(sql.upper().replace("'", '"'), SCHEMA)
    assert repr(read(sql)).lower() == repr(upper).lower()  # not-a-number is itself as text alone
    assert {read(sql): "hashable"}


def test_an_alias_holds_for_the_whole_query_and_the_last_wins() -> None:
    inner = "(SELECT max(T1.capacity) FROM stadium AS T1)"
    assert parse(f"SELECT T1.age FROM singer AS T1 WHERE T1.age > {inner}", SCHEMA) is None
    query = read(f"SELECT T1.name FROM singer AS T1 WHERE age > {inner}")
    assert query.select[0].expression.left.id == "stadium.name"


def test_odd_queries_are_read_as_official_reads_them() -> None:
    # A column without table is of the first table that has it.
    select = read("SELECT name, capacity FROM stadium JOIN singer").select
    assert [item.expression.left.id for item in select] == ["stadium.name", "stadium.capacity"]
    # One direction holds for the whole order.
    for order, direction in {
        "age": "asc",
        "age ASC, id DESC": "desc",
        "age DESC, id ASC": "asc",
    }.items():
        assert read(f"{FROM} ORDER BY {order}").direction == direction
    # Conditions are one flat list.
    where = read(f"{FROM} WHERE age > 3 AND id < 4 OR name != 'x' age = 5").where
    operators = [each if isinstance(each, str) else each.operator for each in where]
    assert operators == "> and < or != =".split()
    # After a column as value all is skipped up to a keyword.
    skipped = read(f"{FROM} WHERE age = id or name = 'x' ORDER BY age")
    assert (len(skipped.where), skipped.direction) == (1, "asc")
    # Set operations nest to the right.
    query = read(f"{FROM} UNION {FROM} EXCEPT {FROM}")
    intersect, union, except_ = query.branches
    assert intersect is None and except_ is None and union is not None
    assert union.branches == (None, None, read(FROM))
    # What follows a complete query is ignored.
    assert read(f"{FROM} WHERE age > 3 ) junk ( ") == read(f"{FROM} WHERE age > 3")


def test_depth_is_capped() -> None:
    def nested(levels: int) -> str:
        return "SELECT id FROM singer WHERE id IN (" * levels + "1" + ")" * levels

    assert parse(nested(MAX_DEPTH), SCHEMA) is not None
    assert parse(nested(MAX_DEPTH + 1), SCHEMA) is None
    assert parse(nested(50_000), SCHEMA) is None


@settings(max_examples=60)
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
        ("SELECT name FROM ", "(SELECT name FROM singer WHERE age > 1) "),
        ("", "SELECT name FROM singer UNION "),
        ("SELECT name FROM singer ", "ON age = 1 "),
        *(("", piece) for piece in ("'", ",", "a. ", "a.)", "-", "= > ", "a, 1,", "wanna ")),
    ],
)
def test_time_is_linear_in_the_text(start: str, piece: str) -> None:
    text = start + piece * (100_000 // len(piece)) + " from singer"
    started = time.process_time()
    parse(text, SCHEMA)
    assert time.process_time() - started < 2.0


# Tokens: the expected ones are those of the official evaluator.


CUTS = """
age >=3 -> age > =3 | age<>3 -> age < > 3 | a > = 3 ! = < = 4 -> a >= 3 != <= 4 | ÀÉ -> àé
a-b a/b a||b a*b -> a-b a/b a||b a * b | a,1 1,000 a, b:c -> a,1 1,000 a , b : c
a,1 x,,,b x,,1 -> a,1 x , , , b x , ,1 | a--b---c -> a -- b -- -c
``a` $x% {y} -> `` a ` $ x % { y } | “name” – don’t -> “ name ” – don ’ t
T1.Name.  -> t1.name . | T1.* FROM -> t1 . * from | age > 3. The -> age > 3 . the
ORDER BY x. The end -> order by x. the end | cannot wanna, gonna wanna.x -> can not wan na , gon na wanna.x
"""


@pytest.mark.parametrize("cut", re.split(r" \| |\n", CUTS.strip()))
def test_cuts(cut: str) -> None:
    sql, tokens = cut.split(" -> ")
    assert tokenise(sql) == tokens.split()


def test_glued_quoted_text_is_lost_in_a_word_of_its_place() -> None:
    first, second = tokenise("x='a' x='b'") or []
    assert first != second
    assert '"' not in first + second
    assert tokenise("''''") == ["__val_0_1____val_2_3__"]


@given(st.text(alphabet=st.sampled_from(" \t\n,.:;()'\"=<>!-`*aT1é“wanna"), max_size=60))
def test_nothing_is_lost_but_white_space(sql: str) -> None:
    tokens = tokenise(sql)
    quotes = sql.replace("'", '"')
    assert (tokens is None) == (quotes.count('"') % 2 == 1)
    if tokens is not None and '"' not in quotes:
        assert "".join(tokens) == "".join(quotes.split()).lower()
        assert all(token and not any(map(str.isspace, token)) for token in tokens)


# Levels, as the official evaluator grades.


@pytest.mark.parametrize(("expected", "sql"), [line.split("\t") for line in lines("hardness.tsv")])
def test_level(expected: str, sql: str) -> None:
    assert level(read(sql)) == expected


# Foreign keys as groups of columns.

ENTRY: dict[str, Any] = {
    "db_id": "stage",
    "table_names_original": ["Singer", "plays"],
    "column_names_original": [[-1, "*"], [0, "ID"], [0, "name"], [1, "singer_ID"]],
    "foreign_keys": [[3, 1]],
}


def test_the_first_column_of_a_group_stands_for_it() -> None:
    assert key_map(ENTRY) == {"singer.id": "singer.id", "plays.singer_id": "singer.id"}
    assert key_map({**ENTRY, "foreign_keys": []}) == {}
    assert key_map(None) is None  # the keys that the database declares are taken


@pytest.mark.parametrize("fault", [{"foreign_keys": [[9, 1]]}, {"column_names_original": [[0]]}])
def test_a_broken_item_says_what_to_do(fault: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="'stage'.*mend the item"):
        key_map({**ENTRY, **fault})


def test_groups_that_meet_later_stay_apart() -> None:
    # 2-3 and 4-5 are apart when 3-4 comes: it joins the first, the second keeps its own.
    keys = group_keys("abcdefg", [(2, 3), (4, 5), (3, 4)])
    assert keys == {"c": "c", "d": "c", "e": "e", "f": "e"}


def test_keys_are_rewritten_only_for_tables_of_the_outermost_from() -> None:
    keys = {"plays.singer_id": "singer.id", "singer.id": "singer.id"}
    schema = SpiderSchema({"singer": ("id", "name"), "plays": ("singer_id",)}, keys)
    plays = "SELECT singer_id FROM plays"

    def form(sql: str) -> Any:
        return normalise(read(sql, schema), schema.keys)

    assert form(plays).select[0].expression.left.id == "singer.id"
    branch = form(f"SELECT id FROM singer UNION {plays}").branches[1]
    assert branch.select[0].expression.left.id == "plays.singer_id"
    nested = form(f"SELECT name FROM singer WHERE id IN ({plays})").where[0].value
    assert nested.select[0].expression.left.id == "plays.singer_id"

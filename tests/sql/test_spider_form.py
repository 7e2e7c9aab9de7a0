"""Foreign keys as groups of columns; what else is forgotten is tested with exact set match."""

from __future__ import annotations

from typing import Any

import pytest

from txt2sql.errors import DataError
from txt2sql.sql.spider import parse
from txt2sql.sql.spider_form import group_keys, key_map, normalise
from txt2sql.sql.spider_query import SpiderSchema

ENTRY: dict[str, Any] = {
    "db_id": "stage",
    "table_names_original": ["Singer", "plays"],
    "column_names_original": [[-1, "*"], [0, "ID"], [0, "name"], [1, "singer_ID"]],
    "foreign_keys": [[3, 1]],
}


def test_the_first_column_of_a_group_stands_for_it() -> None:
    assert key_map(ENTRY) == {"singer.id": "singer.id", "plays.singer_id": "singer.id"}
    assert key_map({**ENTRY, "foreign_keys": []}) == {}


def test_without_an_item_there_is_no_map() -> None:
    assert key_map(None) is None


@pytest.mark.parametrize(
    "fault",
    [
        {"foreign_keys": [[9, 1]]},
        {"foreign_keys": [3]},
        {"column_names_original": [[0]]},
        {"table_names_original": []},
    ],
)
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
        query = parse(sql, schema)
        assert query is not None
        return normalise(query, schema.keys)

    assert form(plays).select[0].expression.left.id == "singer.id"
    branch = form(f"SELECT id FROM singer UNION {plays}").branches[1]
    assert branch.select[0].expression.left.id == "plays.singer_id"
    nested = form(f"SELECT name FROM singer WHERE id IN ({plays})").where[0].value
    assert nested.select[0].expression.left.id == "plays.singer_id"

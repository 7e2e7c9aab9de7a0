"""Charts are suggested where they help; a misleading one is worse than none."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.serving.suggestions import column_types, suggest

SALES = [("Lisbon", 3), ("Porto", 1)]


def chart(columns: list[str], rows: list[tuple[Any, ...]]) -> dict[str, Any] | None:
    return suggest(column_types(columns, rows), rows, columns)


def test_what_a_table_says_better_gets_none() -> None:
    for columns, rows in (
        (["a"], []),
        (["name", "city"], [("a", "b"), ("c", "d")]),
        (["n"], [(None,)]),
        (["n"], [(1,), (2,)]),
        (["name", "shop_id"], [("a", 1), ("b", 2)]),
        (["city", "n"], [("Lisbon", 3), ("Lisbon", 1)]),
        (["name", "n"], [(f"name {i}", i) for i in range(41)]),
        (["n", "m"], [(1, 2), (3, 4)]),
        (["data", "n"], [(b"x", 1), (b"y", 2)]),
        (["n", "name"], [(1, "a")]),
    ):
        assert chart(columns, list(rows)) is None, columns


def test_a_chart_that_helps() -> None:
    pairs = [("2024-05", "a", 3), ("2024-05", "b", 1), ("2024-06", "a", 2), ("2024-06", "b", 2)]
    kinds = [("a", "x", 3), ("a", "y", 1), ("a", "z", 1), ("b", "x", 2)]
    for columns, rows, kind, x, y, more in (
        (["count(*)"], [(7,)], "number", None, 0, {}),
        (["n", "city"], [row[::-1] for row in SALES], "bar", 1, 0, {}),
        (["shop_id", "name", "n"], [(1, "a", 5), (2, "b", 6)], "bar", 1, 2, {}),
        (["month", "n"], [("2024-05", 3), ("2024-06", 1)], "line", 0, 1, {}),
        (["year", "n"], [(2020, 3), (2021, 1)], "line", 0, 1, {}),
        (["a", "b"], [(i, i * i) for i in range(9)], "scatter", 0, 1, {}),
        (["month", "product", "n"], pairs, "stacked", 0, 2, {"series": 1}),
        (["kind", "city", "avg(price)"], kinds, "bar", 1, 2, {"series": 0}),
    ):
        assert chart(columns, list(rows)) == {"kind": kind, "x": x, "y": [y], **more}, columns


CELL = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3))


@settings(max_examples=60)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[CELL] * n), max_size=8)))
def test_places_are_always_those_of_columns(rows: list[tuple[Any, ...]]) -> None:
    columns = [f"c{i}" for i in range(len(rows[0]))] if rows else ["a"]
    if suggested := chart(columns, rows):
        types = column_types(columns, rows)
        assert suggested["y"] and all(types[i] == "number" for i in suggested["y"])
        assert suggested["x"] is None or 0 <= suggested["x"] < len(columns)
        assert suggested["x"] not in suggested["y"]

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.prompts.reduce import rank_columns, reduce_schema
from txt2sql.types import Column, ForeignKey, Schema, Table, ValueMatch

SHOP = Schema(
    "shop",
    (
        Table("customer", (Column("customer_id", primary_key=True), Column("nationality"))),
        Table(
            "purchase",
            (Column("id", primary_key=True), Column("customer_id"), Column("product_id")),
        ),
        Table("product", (Column("product_id", primary_key=True), Column("weight"))),
        Table("warehouse", (Column("w_id", primary_key=True), Column("city"), Column("city_tax"))),
    ),
    (
        ForeignKey("purchase", "customer_id", "customer", "customer_id"),
        ForeignKey("purchase", "product_id", "product", "product_id"),
    ),
)


def at_most(columns: int) -> Callable[[Schema], bool]:
    return lambda schema: sum(len(table.columns) for table in schema.tables) <= columns


def names(schema: Schema) -> list[str]:
    return [table.name for table in schema.tables]


def test_a_schema_that_fits_is_left_alone() -> None:
    assert reduce_schema("weights", SHOP, (), at_most(100)) == (SHOP, ())


def test_unrelated_tables_go_first() -> None:
    kept, dropped = reduce_schema("nation of each customer", SHOP, (), at_most(5))
    assert "customer" in names(kept) and "warehouse" in dropped
    assert kept.tables[0].column("nationality") is not None


def test_a_table_between_two_kept_ones_is_kept_with_its_keys() -> None:
    question = "nationality of customers and the weight of products"
    kept, _ = reduce_schema(question, SHOP, (), at_most(7))
    assert names(kept) == ["customer", "purchase", "product"]
    assert set(kept.foreign_keys) == set(SHOP.foreign_keys)


def test_a_cell_that_the_question_mentions_outranks_names() -> None:
    match = ValueMatch("WAREHOUSE", "City", "Nation", "nation")
    assert rank_columns("nationality of customers", SHOP, (match,))[0] == ("warehouse", "city")
    kept, _ = reduce_schema("nationality of customers", SHOP, (match,), at_most(2))
    assert names(kept) == ["warehouse"]


def test_a_question_without_spaces_between_words() -> None:
    schema = Schema("s", (Table("歌手", (Column("年龄"),)), Table("场馆", (Column("容量"),))))
    assert rank_columns("每个歌手的年龄是多少", schema)[0] == ("歌手", "年龄")


def test_something_is_kept_even_where_nothing_fits() -> None:
    kept, dropped = reduce_schema("weight", SHOP, (), lambda schema: False)
    assert names(kept) == ["product"] and "product" not in dropped


def test_a_schema_without_columns_is_left_alone() -> None:
    assert reduce_schema("x", Schema("e", ()), (), lambda schema: False) == (Schema("e", ()), ())


@given(st.text(), st.integers(1, 10))
def test_what_is_kept_and_what_is_dropped_make_the_schema(question: str, columns: int) -> None:
    kept, dropped = reduce_schema(question, SHOP, (), at_most(columns))
    there = {f"{t.name}.{c.name}" for t in kept.tables for c in t.columns}
    gone = {
        f"{t.name}.{c.name}"
        for t in SHOP.tables
        for c in t.columns
        if t.name in dropped or f"{t.name}.{c.name}" in dropped
    }
    everything = {f"{t.name}.{c.name}" for t in SHOP.tables for c in t.columns}
    assert there | gone == everything and not there & gone and there
    ends = {f"{k.table}.{k.column}" for k in kept.foreign_keys}
    ends |= {f"{k.referenced_table}.{k.referenced_column}" for k in kept.foreign_keys}
    assert ends <= there
    assert reduce_schema(question, SHOP, (), at_most(columns)) == (kept, dropped)


def wide_schema(tables: int, columns: int) -> Schema:
    return Schema(
        "wide",
        tuple(
            Table(
                f"table_{i}",
                tuple(Column(f"c{i}_{j}", words=f"word {i * j} of {j}") for j in range(columns)),
                f"table {i}",
            )
            for i in range(tables)
        ),
        tuple(ForeignKey(f"table_{i}", f"c{i}_1", "table_0", "c0_0") for i in range(1, tables)),
    )


@pytest.mark.parametrize("columns", [40, 400])
def test_ten_thousand_columns_are_reduced_at_once(columns: int) -> None:
    schema = wide_schema(500, 20)
    started = time.process_time()
    kept, dropped = reduce_schema("word 9 of table 77 and 81", schema, (), at_most(columns))
    assert time.process_time() - started < 20  # 0.04 s here; what is quadratic takes minutes
    assert {"table_77", "table_81"} <= set(names(kept)) and len(dropped) > 300

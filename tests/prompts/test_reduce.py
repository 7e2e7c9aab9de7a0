from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.prompts.reduce import rank_columns, reduce_schema, without_copies
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


def test_a_table_between_two_kept_ones_is_kept_with_its_keys() -> None:
    question = "nationality of customers and the weight of products"
    reduced, _ = reduce_schema(question, SHOP, (), at_most(7))
    assert names(reduced) == ["customer", "purchase", "product"]
    assert set(reduced.foreign_keys) == set(SHOP.foreign_keys)


def test_a_cell_that_the_question_mentions_outranks_names() -> None:
    match = ValueMatch("WAREHOUSE", "City", "Nation", "nation")
    assert rank_columns("nationality of customers", SHOP, (match,))[0] == ("warehouse", "city")
    reduced, _ = reduce_schema("nationality of customers", SHOP, (match,), at_most(2))
    assert names(reduced) == ["warehouse"]


def test_a_question_without_spaces_between_words() -> None:
    schema = Schema("s", (Table("歌手", (Column("年龄"),)), Table("场馆", (Column("容量"),))))
    assert rank_columns("每个歌手的年龄是多少", schema)[0] == ("歌手", "年龄")


@given(st.text(), st.integers(1, 10))
def test_what_is_kept_and_what_is_dropped_make_the_schema(question: str, columns: int) -> None:
    reduced, dropped = reduce_schema(question, SHOP, (), at_most(columns))
    there = {f"{t.name}.{c.name}" for t in reduced.tables for c in t.columns}
    everything = {f"{t.name}.{c.name}" for t in SHOP.tables for c in t.columns}
    gone = {name for name in everything if {name, name.partition(".")[0]} & {*dropped}}
    assert there | gone == everything and not there & gone and there
    ends = {f"{k.table}.{k.column}" for k in reduced.foreign_keys}
    ends |= {f"{k.referenced_table}.{k.referenced_column}" for k in reduced.foreign_keys}
    assert ends <= there
    assert reduce_schema(question, SHOP, (), at_most(columns)) == (reduced, dropped)


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
    reduced, dropped = reduce_schema("word 9 of table 77 and 81", schema, (), at_most(columns))
    assert time.process_time() - started < 20  # 0.04 s here; what is quadratic takes minutes
    assert {"table_77", "table_81"} <= set(names(reduced)) and len(dropped) > 300


# ------------------------------------------------------------------ schemas as people's databases are


def column_list(text: str, key: str = "id") -> tuple[Column, ...]:
    return tuple(Column(name, primary_key=name == key) for name in text.split())


USERS = (
    "uuid created_at updated_at email name password_hash salt hint akey private_key public_key "
    "totp_secret totp_recover stamp domains excluded kdf_type kdf_iter verified_at login_count"
)
AROUND = (
    "users_collections users_organizations folders devices twofactor sends favorites groups_users "
    "sso_users event archives auth_requests"
).split()
OTHERS = [Table(name, column_list("uuid user_uuid", "uuid")) for name in AROUND]
VAULT = Schema(
    "vault",
    (*OTHERS[:6], Table("users", column_list(USERS, "uuid")), *OTHERS[6:]),
    tuple(ForeignKey(name, "user_uuid", "users", "uuid") for name in AROUND),
)


@pytest.mark.parametrize(
    "question",
    [
        "How many users are there?",
        "the name of each user",
        "What is the email of USER N2?",
        "count the rows of users",
    ],
)
def test_a_table_that_is_named_comes_with_all_its_columns(question: str) -> None:
    reduced, _ = reduce_schema(question, VAULT, (), at_most(24))
    table = reduced.table("users")
    assert table is not None and [column.name for column in table.columns] == USERS.split()
    reduced, _ = reduce_schema(question, VAULT, (), at_most(6))
    assert "users" in names(reduced)


@pytest.mark.parametrize("name", ["order_items", "OrderItems", "Order Item", "tbl_order_item"])
@pytest.mark.parametrize("question", ["How many order items?", "all OrderItems", "order_item rows"])
def test_a_name_is_found_however_it_is_spelt(name: str, question: str) -> None:
    others = [Table(f"order_{i}", (Column("item"), Column("total"))) for i in "abc"]
    schema = Schema("s", (*others, Table(name, (Column("x"), Column("y"), Column("z")))))
    reduced, _ = reduce_schema(question, schema, (), at_most(3))
    assert names(reduced) == [name] and len(reduced.tables[0].columns) == 3


STAGING = tuple(
    Table(f"stg_orders_{year}{month:02}", column_list("src_id cust_ref amt loaded_at"))
    for year in (2023, 2024)
    for month in range(1, 13)
)
SALES = Schema(
    "sales",
    (
        *STAGING,
        Table("orders_bak", column_list("id customer_id order_date total")),
        Table("customers_old", column_list("id name country")),
        Table("active_customers", column_list("id name country", key="")),
        Table("customers", column_list("id name country")),
        Table("orders", column_list("id customer_id order_date total")),
        Table("order_history", column_list("id order_id event happened_at")),
    ),
    (
        ForeignKey("orders", "customer_id", "customers", "id", score=0.9),
        ForeignKey("orders_bak", "customer_id", "customers_old", "id"),
    ),
)


def test_copies_come_after_what_they_are_copies_of() -> None:
    question = "How many orders did customers from France place?"
    originals, copies = without_copies(question, SALES)
    reduced, dropped = reduce_schema(question, originals, (), at_most(7))
    assert names(reduced) == ["customers", "orders"] and len(reduced.foreign_keys) == 1
    assert "orders_bak" in copies and "active_customers" in dropped
    french = ValueMatch("customers_old", "country", "France", "France")
    same = ValueMatch("customers", "country", "France", "France")
    question = "How many of them are from France?"
    originals, _ = without_copies(question, SALES)
    reduced, _ = reduce_schema(question, originals, (french, same), at_most(3))
    assert names(reduced) == ["customers"]


def test_one_table_of_a_series_stands_for_all() -> None:
    series = Schema("sales", STAGING)
    assert without_copies("total of orders", series) == (series, ())  # there is nothing else
    months = tuple(replace(table, name=table.name.removeprefix("stg_")) for table in STAGING)
    rest, copies = without_copies("total of orders", Schema("sales", months))
    assert names(rest) == ["orders_202412"] and len(copies) == 23


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("amounts in stg_orders_202303", "stg_orders_202303"),
        ("the staging orders of 2023", "stg_orders_202312"),
        ("total of the backup of orders", "orders_bak"),
        ("countries of the old customers", "customers_old"),
        ("events of the order history", "order_history"),
        ("names of active customers", "active_customers"),
    ],
)
def test_a_copy_that_is_asked_for_is_no_copy(question: str, name: str) -> None:
    originals, _ = without_copies(question, SALES)
    table = originals.table(name)
    whole = SALES.table(name)
    assert table is not None and whole is not None and table.columns == whole.columns


def test_words_of_a_comment_count_as_those_of_a_name_but_less() -> None:
    coded = (Column("a1"), Column("a2", comment="monthly salary of the worker"), Column("a3"))
    schema = Schema("s", (Table("t", coded), Table("pay", (Column("salary"), Column("b")))))
    ranked = rank_columns("average salary", schema)
    assert ranked[0] == ("pay", "salary") and ranked.index(("t", "a2")) < ranked.index(("t", "a1"))
    assert rank_columns("the worker", schema)[0] == ("t", "a2")

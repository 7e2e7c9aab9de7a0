"""Other readings: what a short question leaves open is put in the place of what the answer took."""

from __future__ import annotations

import pytest

from txt2sql.sql.names import check
from txt2sql.sql.readings import other_readings
from txt2sql.types import Column, ForeignKey, Schema, Table


def number(name: str, *samples: str, key: bool = False) -> Column:
    return Column(name, "number", key, samples=samples)


SHOPS = Table("shops", (number("id", key=True), Column("name"), Column("city"), number("area", "80"), number("staff", "9")))  # fmt: skip
BUYERS = Table("buyers", (number("id", key=True), Column("name"), Column("city")))
ORDERS = Table(
    "orders",
    (
        number("id", key=True), number("shop_id", "3"), number("buyer_id", "7"),
        Column("ordered", samples=("2025-03-30",)), Column("paid", samples=("2025-04-28",)),
        number("units", "1"), number("open", "0", "1"), number("year", "2025"),
    ),
)  # fmt: skip
KEYS = (ForeignKey("orders", "shop_id", "shops", "id"), ForeignKey("orders", "buyer_id", "buyers", "id"))  # fmt: skip
SCHEMA = Schema("trade", (SHOPS, BUYERS, ORDERS), KEYS)
SHOP, BUYER = "JOIN shops ON orders.shop_id = shops.id", "JOIN buyers ON orders.buyer_id = buyers.id"  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "reading"),
    [
        (
            f"SELECT count(*) FROM orders {SHOP} WHERE city = 'Rome'",
            f"SELECT COUNT(*) FROM orders {SHOP} {BUYER} WHERE buyers.city = 'Rome'",
        ),
        (
            "SELECT count(*) FROM orders WHERE ordered LIKE '2025-03%'",
            "SELECT COUNT(*) FROM orders WHERE paid LIKE '2025-03%'",
        ),
        ("SELECT count(*) FROM orders", "SELECT SUM(units) FROM orders"),
        ("SELECT SUM(units) FROM orders", "SELECT COUNT(*) FROM orders"),
        (
            "SELECT name FROM shops ORDER BY area DESC LIMIT 1",
            "SELECT name FROM shops ORDER BY staff DESC LIMIT 1",
        ),
        (
            "SELECT name FROM shops ORDER BY area DESC LIMIT 1",
            "SELECT name FROM shops JOIN orders ON shops.id = orders.shop_id GROUP BY shops.id "
            "ORDER BY SUM(units) DESC LIMIT 1",
        ),
    ],
)
def test_what_a_question_leaves_open_has_another_reading(sql: str, reading: str) -> None:
    readings = list(other_readings(sql, SCHEMA))
    assert reading in readings
    assert sql not in readings
    assert len(readings) == len(set(readings))
    assert all(check(each, SCHEMA) == () for each in readings)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM shops",
        "SELECT city FROM shops WHERE area > 9",
        "SELECT name FROM shops WHERE id IN (SELECT shop_id FROM orders)",
        "SELECT FROM WHERE",
    ],
)
def test_what_leaves_nothing_open_has_none(sql: str) -> None:
    assert list(other_readings(sql, SCHEMA)) == []


def test_keys_flags_and_years_are_no_amounts() -> None:
    readings = " ".join(other_readings("SELECT count(*) FROM orders", SCHEMA))
    assert "units" in readings
    assert not any(name in readings for name in ("shop_id", "open", "year"))

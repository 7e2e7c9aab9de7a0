"""Labels say what was computed; what was named keeps its name."""

from __future__ import annotations

import pytest

from txt2sql import sample
from txt2sql.execution.database import open_database
from txt2sql.sql.labels import labels, origins

JOINED = "FROM shops JOIN orders ON shops.shop_id = orders.shop_id"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT genre, COUNT(*) FROM books GROUP BY genre", ["genre", "Number of books"]),
        (f"SELECT shops.name, COUNT(*) {JOINED} GROUP BY 1", ["name", "Number of orders"]),
        (f"SELECT COUNT(orders.order_id) {JOINED}", ["Number of orders"]),
        ("SELECT COUNT(DISTINCT city) FROM shops", ["Number of different city"]),
        ("SELECT ROUND(AVG(price), 2), SUM(pages) FROM books", ["Average price", "Sum of pages"]),
        (
            "SELECT strftime('%Y-%m', order_date), COUNT(*) AS n FROM orders GROUP BY 1",
            ["Month of order date", "n"],
        ),
        ("SELECT name, shop_id FROM shops", ["name", "shop_id"]),
        ("SELECT COUNT(*) FROM books UNION SELECT 2", ["Number of books"]),
        ("SELECT * FROM shops", ["c0", "c1"]),
        ("SELECT upper(name) FROM shops", ["c0"]),
        ("no SQL (", ["c0"]),
    ],
)
def test_labels(sql: str, expected: list[str]) -> None:
    schema = open_database(sample.path()).schema()
    names = [name if name in sql else f"c{i}" for i, name in enumerate(expected)]
    assert labels(sql, names, schema) == expected


def test_what_is_counted_is_a_quantity_whatever_its_alias() -> None:
    sql = "SELECT count(*) AS shop_id, round(avg(a), 1) AS x, min(t.year) AS first, name AS n, a + 1 AS m FROM t"
    names = ["shop_id", "x", "first", "n", "m"]
    assert origins(sql, names) == ["", "average", "max year", "name", "m"]
    assert origins("SELECT * FROM t", ["a"]) == ["a"]

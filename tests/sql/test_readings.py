"""What a question may mean as well: another date, another column, another measure; nothing where it is clear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.sql.names import check
from txt2sql.sql.readings import readings
from txt2sql.types import Column, ForeignKey, Schema, Table, ValueMatch


def table(name: str, *columns: str) -> Table:
    kinds = {"#": "number", "@": "time"}
    return Table(
        name,
        tuple(
            Column(each.lstrip("#@*"), kinds.get(each.lstrip("*")[0], "text"), each[0] == "*")
            for each in columns
        ),
    )


SHOP = Schema(
    "shop",
    (
        table("shops", "*#shop_id", "name", "city", "#floor_area"),
        table("staff", "*#staff_id", "name", "#shop_id", "#salary"),
        table("customers", "*#customer_id", "name", "city"),
        table("books", "*#book_id", "title", "genre", "#price", "#publication_year"),
        table("orders", "*#order_id", "#shop_id", "#customer_id", "@ordered_on", "@paid_on", "state"),
        table("order_lines", "#order_id", "#book_id", "#quantity"),
        table("offers", "#book_id", "#offer_price"),
        table("routes", "*#route_id", "#from_shop", "#to_shop"),
        table("claims", "*#claim_no", "reason", "#claimed_eur", "#paid_eur"),
        table("invoices", "*#invoice_no", "#shop_id", "#amount"),
    ),
    (
        ForeignKey("staff", "shop_id", "shops", "shop_id"),
        ForeignKey("orders", "shop_id", "shops", "shop_id"),
        ForeignKey("orders", "customer_id", "customers", "customer_id"),
        ForeignKey("order_lines", "order_id", "orders", "order_id"),
        ForeignKey("order_lines", "book_id", "books", "book_id"),
        ForeignKey("offers", "book_id", "books", "book_id"),
        ForeignKey("routes", "from_shop", "shops", "shop_id"),
        ForeignKey("routes", "to_shop", "shops", "shop_id"),
        ForeignKey("invoices", "shop_id", "shops", "shop_id"),
    ),
)  # fmt: skip
LISBON = (ValueMatch("shops", "city", "Lisbon", "Lisbon"), ValueMatch("customers", "city", "Lisbon", "Lisbon"))  # fmt: skip
SHOPS_CITY = (
    "SELECT city, COUNT(*) FROM orders JOIN shops ON orders.shop_id = shops.shop_id GROUP BY city"
)


@pytest.mark.parametrize(
    ("question", "sql", "part"),
    [
        ("orders in 2024", "SELECT COUNT(*) FROM orders WHERE paid_on LIKE '2024%'", "WHERE ordered_on LIKE '2024%'"),
        ("orders by city", SHOPS_CITY, "GROUP BY customers.city"),
        ("how many orders from Lisbon?", "SELECT COUNT(*) FROM orders JOIN shops ON orders.shop_id = shops.shop_id WHERE city = 'Lisbon'", "WHERE customers.city = 'Lisbon'"),
        ("the biggest shop", "SELECT name FROM shops ORDER BY floor_area DESC LIMIT 1", "GROUP BY shops.shop_id ORDER BY COUNT(*) DESC LIMIT 1"),
        ("What is the top genre?", "SELECT genre FROM books GROUP BY genre ORDER BY COUNT(*) DESC LIMIT 1", "GROUP BY books.genre ORDER BY SUM(order_lines.quantity) DESC LIMIT 1"),
        ("How many books were sold?", "SELECT COUNT(*) FROM order_lines", "SELECT SUM(order_lines.quantity) FROM order_lines"),
        ("sales per genre", "SELECT genre, SUM(quantity) FROM order_lines JOIN books ON books.book_id = order_lines.book_id GROUP BY genre", "SUM(order_lines.quantity * books.price)"),
        ("routes per shop", "SELECT name, COUNT(*) FROM routes JOIN shops ON routes.to_shop = shops.shop_id GROUP BY name", "ON routes.from_shop = shops.shop_id"),
        ("everybody in Lisbon", "SELECT name FROM shops WHERE city = 'Lisbon'", "SELECT name FROM customers WHERE city = 'Lisbon'"),
        ("average claim by reason", "SELECT reason, AVG(claimed_eur) FROM claims GROUP BY reason", "AVG(paid_eur)"),
        ("average number of orders per shop", "SELECT 1.0 * COUNT(*) / COUNT(DISTINCT shop_id) FROM orders", "(SELECT COUNT(*) FROM shops)"),
        ("invoices by shop", "SELECT name, COUNT(*) FROM invoices JOIN shops ON invoices.shop_id = shops.shop_id GROUP BY name", "SUM(invoices.amount)"),
        ("our busiest shop", "SELECT name FROM shops JOIN orders ON orders.shop_id = shops.shop_id GROUP BY shops.shop_id ORDER BY COUNT(*) DESC LIMIT 1", "ORDER BY SUM(invoices.amount) DESC"),
        ("average price", "SELECT AVG(price) FROM books", "SELECT AVG(offer_price) FROM offers"),
        ("the newest book", "SELECT title FROM books ORDER BY publication_year DESC LIMIT 1", "WHERE publication_year = (SELECT MAX(publication_year) FROM books)"),
    ],
)  # fmt: skip
def test_open_words_have_other_readings(question: str, sql: str, part: str) -> None:
    others = readings(question, sql, SHOP, LISBON)
    assert any(part in each for each in others), others
    assert sql not in others


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("orders paid in 2024", "SELECT COUNT(*) FROM orders WHERE paid_on LIKE '2024%'"),
        ("open orders of 2024", "SELECT COUNT(*) FROM orders WHERE state = 'open' AND paid_on LIKE '2024%'"),
        ("orders by city of the shops", SHOPS_CITY),
        ("the shops by floor area", "SELECT name FROM shops ORDER BY floor_area DESC LIMIT 3"),
        ("the best shop by number of orders", "SELECT name FROM shops JOIN orders ON orders.shop_id = shops.shop_id GROUP BY shops.shop_id ORDER BY COUNT(*) DESC LIMIT 1"),
        ("How many copies were sold?", "SELECT SUM(quantity) FROM order_lines"),
        ("value of the sales", "SELECT SUM(quantity * price) FROM order_lines JOIN books ON books.book_id = order_lines.book_id"),
        ("how many orders are there?", "SELECT COUNT(*) FROM orders"),
        ("routes to each shop", "SELECT name, COUNT(*) FROM routes JOIN shops ON routes.to_shop = shops.shop_id GROUP BY name"),
        ("number of invoices by shop", "SELECT name, COUNT(*) FROM invoices JOIN shops ON invoices.shop_id = shops.shop_id GROUP BY name"),
        ("the shop with the most orders", "SELECT name FROM shops JOIN orders ON orders.shop_id = shops.shop_id GROUP BY shops.shop_id ORDER BY COUNT(*) DESC LIMIT 1"),
        ("the three dearest books", "SELECT title FROM books ORDER BY price DESC LIMIT 3"),
        ("names of the staff", "SELECT name FROM staff"),
        ("what is in a subquery", "SELECT name FROM shops WHERE shop_id IN (SELECT shop_id FROM orders WHERE paid_on > '2024')"),
    ],
)  # fmt: skip
def test_a_clear_question_has_one_reading(question: str, sql: str) -> None:
    assert readings(question, sql, SHOP, LISBON) == []


@given(
    st.sampled_from(["biggest", "best", "sales", "average price", "city", "in 2024", "sold", "top"]),
    st.sampled_from(["name", "title", "city", "COUNT(*)", "SUM(quantity)", "AVG(price)", "*", "1"]),
    st.sampled_from(["shops", "books", "orders", "order_lines", "nowhere", "shops, books"]),
    st.sampled_from(["", "WHERE paid_on > '2024'", "ORDER BY price DESC LIMIT 1", "GROUP BY name", "((", "LIMIT 2"]),
)  # fmt: skip
def test_every_reading_may_be_run(words: str, items: str, source: str, end: str) -> None:
    for each in readings(f"the {words} of all", f"SELECT {items} FROM {source} {end}", SHOP):
        assert not check(each, SHOP)

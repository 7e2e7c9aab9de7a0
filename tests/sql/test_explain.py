"""A statement in words: nothing is better than something wrong."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql import sample
from txt2sql.execution.database import open_database
from txt2sql.sql.explain import explain, labels, origins

NO_SENTENCE = {
    "sqlite": f"""
SELECT | DELETE FROM shops | SELECT 1; SELECT 2 | SELECT a FROM t OFFSET 3
WITH x AS (SELECT a FROM t WHERE b = 1) SELECT * FROM x | SELECT a FROM t, json_each(t.b)
SELECT a FROM t NATURAL JOIN u | SELECT a FROM t RIGHT JOIN u ON t.i = u.i
SELECT a FROM t WHERE {" OR ".join(f"a = {i}" for i in range(200))} | SELECT {"(" * 3000}1{")" * 3000}
""",
    "postgres": "SELECT DISTINCT ON (a) b FROM t | SELECT a FROM t WHERE b = ANY(SELECT 1)",
    "duckdb": "SELECT a FROM t TABLESAMPLE 3 | SELECT a FROM t QUALIFY row_number() OVER () = 1",
}


@pytest.mark.parametrize("dialect", NO_SENTENCE)
def test_what_one_sentence_cannot_say_whole_gets_none(dialect: str) -> None:
    statements = re.split(r" \| |\n", NO_SENTENCE[dialect])
    assert [sql for sql in statements if explain(sql, dialect) is not None] == []


SENTENCES = """
SELECT count(*) FROM shops
    Counts the rows of shops.
SELECT DISTINCT city FROM shops
    Shows each different city of shops.
SELECT genre, count(*) FROM books WHERE price > 9 GROUP BY genre HAVING count(*) > 2
    Shows genre and the number of rows of books where price is more than 9, for each genre; only where the number of rows is more than 2.
SELECT a FROM t WHERE b NOT LIKE '%x%' AND (c = 1 OR NOT d IN (1, 2)) AND e IS NOT NULL
    Shows a of t where b does not contain 'x' and (c is 1 or d is not one of 1 or 2) and e is known.
SELECT T1.name FROM shops AS T1 LEFT JOIN staff AS T2 ON T1.i = T2.i AND T2.x > 3
    Shows shops.name of shops and staff (where staff.x is more than 3) (where there are any).
SELECT a FROM t WHERE b > (SELECT avg(b) FROM t) ORDER BY c DESC LIMIT 3 OFFSET 2
    Shows a of t where b is more than (the average b of t); sorted by c, largest first; the first 3 only, after 2 others.
SELECT a FROM t EXCEPT SELECT max(a, b) FROM u
    Shows a of t, but without MAX(a, b) of u.
SELECT a FROM t WHERE NOT EXISTS (SELECT x FROM u WHERE u.i = t.i)
    Shows a of t where there is no x of u where i is t.i.
SELECT a FROM t WHERE b BETWEEN 1 AND 2
    Shows a of t where b is between 1 and 2.
"""


def test_a_statement_in_words() -> None:
    lines = [line.strip() for line in SENTENCES.strip().split("\n")]
    assert [explain(sql) for sql in lines[::2]] == lines[1::2]


def test_every_statement_of_the_sample_has_a_sentence() -> None:
    examples = json.loads((sample.folder() / "dev.json").read_text(encoding="utf-8"))
    assert [each["query"] for each in examples if explain(each["query"]) is None] == []


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_nothing_raises(text: str) -> None:
    for sql in (text, f"SELECT {text}", f"SELECT a FROM t WHERE {text}"):
        sentence = explain(sql)
        assert sentence is None or sentence.endswith(".")


JOINED = "FROM shops JOIN orders ON shops.shop_id = orders.shop_id"


@pytest.mark.parametrize(
    ("sql", "expected"),
    {
        "SELECT genre, COUNT(*) FROM books GROUP BY genre": ["genre", "Number of books"],
        f"SELECT shops.name, COUNT(*) {JOINED} GROUP BY 1": ["name", "Number of orders"],
        "SELECT ROUND(AVG(price), 2), SUM(pages) FROM books": ["Average price", "Sum of pages"],
        "SELECT strftime('%Y-%m', order_date) FROM orders": ["Month of order date"],
        "SELECT COUNT(*) FROM books UNION SELECT 2": ["Number of books"],
        "SELECT * FROM shops": ["c0", "c1"],
        "SELECT upper(name) FROM shops": ["c0"],
        "no SQL (": ["c0"],
    }.items(),
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

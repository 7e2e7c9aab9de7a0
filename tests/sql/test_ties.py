"""What has no keys to show first; then what the keys are, and that the query stays the same."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.sql import is_ordered
from txt2sql.sql.ties import with_order_keys

NONE = """
SELECT | ORDER BY a | SELECT a ORDER | SELECT a FROM t | SELECT a FROM t LIMIT 1
SELECT * FROM (SELECT a FROM t ORDER BY a) | SELECT sum(a) OVER (ORDER BY b) FROM t
SELECT a FROM t WHERE b = 'order by a' | SELECT a FROM t -- ORDER BY a | VALUES (1) ORDER BY 1
SELECT a FROM t UNION SELECT b FROM t ORDER BY 1 | SELECT 1; SELECT a FROM t ORDER BY a
DELETE FROM t WHERE a IN (1) ORDER BY a | SELECT DISTINCT a FROM t ORDER BY b
SELECT DISTINCT a, b FROM t ORDER BY a + b | SELECT * FROM t ORDER BY 1
SELECT a, t.* FROM t ORDER BY 3 | SELECT a FROM t ORDER BY 2 | SELECT a FROM t ORDER BY 0
SELECT a FROM t ORDER BY random() | SELECT a FROM t ORDER BY a LIMIT 1 + 1
SELECT a FROM t ORDER BY a LIMIT (SELECT 1) | SELECT a FROM t ORDER BY a LIMIT ?
SELECT a FROM t ORDER BY a LIMIT -1, 2 | SELECT a AS n FROM t ORDER BY "n" || 'x'
SELECT a AS "__order_key_1" FROM t ORDER BY a
"""


def test_none() -> None:
    statements = re.split(r" \| |\n", NONE)
    assert [sql for sql in statements if with_order_keys(sql) is not None] == []


KEYS = {
    "SELECT a, b + 1 AS n FROM t ORDER BY 2 DESC": ["b + 1"],
    'SELECT a, b + 1 "n m" FROM t ORDER BY `n m`': ["b + 1"],
    "SELECT a, b AS a FROM t ORDER BY a": ["b"],
    "SELECT a FROM t ORDER BY b NULLS LAST, a DESC NULLS FIRST": ["b", "a"],
    "SELECT a FROM t ORDER BY a COLLATE nocase DESC": ["a COLLATE nocase"],
    "SELECT a FROM t ORDER BY (SELECT max(b) FROM t x WHERE x.a < t.a), 1": [
        "(SELECT MAX(b) FROM t AS x WHERE x.a < t.a)",
        "a",
    ],
    "SELECT DISTINCT a, c FROM t ORDER BY C, 1": ["C", "a"],
    "SELECT DISTINCT lower(c) FROM t ORDER BY LOWER( c )": ["LOWER(c)"],
    "WITH x AS (SELECT a FROM t ORDER BY b) SELECT a FROM x ORDER BY a": ["a"],
    "SELECT a IS DISTINCT FROM b, a FROM t ORDER BY b": ["b"],
    "SELECT a -- of t\nFROM t ORDER BY b /* last */ ;": ["b"],
    "SELECT sum(a) OVER w, a FROM t WINDOW w AS (ORDER BY a) ORDER BY b": ["b"],
    "SELECT a FROM t ORDER BY 'b'": ["'b'"],
}
LIMITS = {
    "": (0, None),
    " LIMIT 2 OFFSET 3": (3, 2),
    " LIMIT 3, 2": (3, 2),
    " limit -1 offset 1": (1, None),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        opened.execute("CREATE TABLE t (a INTEGER, b INTEGER, c TEXT)")
        opened.executemany(
            "INSERT INTO t VALUES (?, ?, ?)",
            [(i % 5, None if i % 7 == 0 else i % 3, "xyZ"[i % 2]) for i in range(20)],
        )
        yield opened


@pytest.mark.parametrize("sql", KEYS)
@pytest.mark.parametrize("limit", LIMITS)
def test_keys(connection: sqlite3.Connection, sql: str, limit: str) -> None:
    gold = sql if not limit else sql.rstrip("; ") + limit
    ties = with_order_keys(gold)
    assert ties is not None
    assert [ties.sql.count(f'{key} AS "__order_key_') for key in KEYS[sql]] == [1] * len(KEYS[sql])
    assert ties.n_keys == len(KEYS[sql])
    assert (ties.offset, ties.limit) == LIMITS[limit]
    rows = connection.execute(ties.sql).fetchall()
    answer = connection.execute(gold).fetchall()
    # Rows whose keys are alone stand at the same places in the gold's own answer.
    keys = [row[-ties.n_keys :] for row in rows]
    end = None if ties.limit is None else ties.offset + ties.limit
    for row, key, own in zip(rows[ties.offset : end], keys[ties.offset : end], answer, strict=True):
        assert keys.count(key) > 1 or row[: -ties.n_keys] == own


words = st.sampled_from(
    "SELECT FROM ORDER BY LIMIT a t , ( ) ; -- /* ' \" * 1 AS DISTINCT UNION WITH DESC NULLS LAST ."
    " [ ` OFFSET - random".split()
)


@given(st.one_of(st.text(), st.lists(words).map(" ".join)))
def test_never_raises(sql: str) -> None:
    assert with_order_keys(sql) is None or is_ordered(sql)

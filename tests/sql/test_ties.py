"""What has no keys to show first; then what the keys are, and that the query stays the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.sql import is_ordered
from txt2sql.sql.ties import TieQuery, with_order_keys

NONE = (
    "",
    "SELECT",
    "SELECT ORDER",
    "SELECT a ORDER",
    "ORDER BY a",
    "SELECT a FROM t",
    "SELECT a FROM t LIMIT 1",
    "SELECT * FROM (SELECT a FROM t ORDER BY a)",
    "SELECT sum(a) OVER (ORDER BY b) FROM t",
    "SELECT a FROM t WHERE b = 'order by a'",
    "SELECT a FROM t -- ORDER BY a",
    "SELECT a FROM t UNION SELECT b FROM t ORDER BY 1",
    "SELECT a FROM t EXCEPT SELECT b FROM t ORDER BY a",
    "VALUES (1) ORDER BY 1",
    "SELECT 1; SELECT a FROM t ORDER BY a",
    "DELETE FROM t WHERE a IN (1) ORDER BY a",
    "SELECT DISTINCT a FROM t ORDER BY b",
    "SELECT DISTINCT a, b FROM t ORDER BY a + b",
    "SELECT * FROM t ORDER BY 1",
    "SELECT a, t.* FROM t ORDER BY 3",
    "SELECT a FROM t ORDER BY 2",
    "SELECT a FROM t ORDER BY 0",
    "SELECT a FROM t ORDER BY random()",
    "SELECT a FROM t ORDER BY a LIMIT 1 + 1",
    "SELECT a FROM t ORDER BY a LIMIT (SELECT 1)",
    "SELECT a FROM t ORDER BY a LIMIT ?",
    "SELECT a FROM t ORDER BY a LIMIT -1, 2",
    "SELECT a AS n FROM t ORDER BY \"n\" || 'x'",
    'SELECT a AS "__order_key_1" FROM t ORDER BY a',
)


@pytest.mark.parametrize("sql", NONE)
def test_none(sql: str) -> None:
    assert with_order_keys(sql) is None


KEYS = {
    "SELECT a FROM t ORDER BY b": ["b"],
    "SELECT a FROM t ORDER BY b DESC, a ASC": ["b", "a"],
    "SELECT a FROM t ORDER BY 1": ["a"],
    "SELECT a, b + 1 AS n FROM t ORDER BY 2 DESC": ["b + 1"],
    "SELECT a, b + 1 AS n FROM t ORDER BY N": ["b + 1"],
    "SELECT a, b + 1 n FROM t ORDER BY [n]": ["b + 1"],
    'SELECT a, b + 1 "n m" FROM t ORDER BY `n m`': ["b + 1"],
    "SELECT a, b AS a FROM t ORDER BY a": ["b"],
    "SELECT b AS a, a AS b FROM t ORDER BY a": ["b"],
    "SELECT * FROM t ORDER BY a": ["a"],
    "SELECT *, a + 1 AS n FROM t ORDER BY n": ["a + 1"],
    "SELECT a FROM t ORDER BY b NULLS LAST, a DESC NULLS FIRST": ["b", "a"],
    "SELECT a FROM t ORDER BY a COLLATE nocase DESC": ["a COLLATE nocase"],
    "SELECT c, count(*) FROM t GROUP BY c ORDER BY count(*), c": ["count(*)", "c"],
    "SELECT c FROM t GROUP BY c HAVING max(a) > 0 ORDER BY max(a)": ["max(a)"],
    "SELECT a FROM t ORDER BY (SELECT max(b) FROM t x WHERE x.a < t.a), 1": [
        "(SELECT max(b) FROM t x WHERE x.a < t.a)",
        "a",
    ],
    "SELECT a FROM t ORDER BY CASE WHEN b > 1 THEN 1 END": ["CASE WHEN b > 1 THEN 1 END"],
    "SELECT DISTINCT a, c FROM t ORDER BY C, 1": ["C", "a"],
    "SELECT DISTINCT a + b AS n FROM t ORDER BY n": ["a + b"],
    "SELECT DISTINCT lower(c) FROM t ORDER BY LOWER( c )": ["LOWER( c )"],
    "SELECT ALL a FROM t ORDER BY b": ["b"],
    "WITH x AS (SELECT a FROM t ORDER BY b) SELECT a FROM x ORDER BY a": ["a"],
    "SELECT a IS DISTINCT FROM b, a FROM t ORDER BY b": ["b"],
    "SELECT a -- of t\nFROM t ORDER BY b /* last */ ;": ["b"],
    "SELECT 1 AS a ORDER BY a": ["1"],
    "SELECT a FROM t WHERE c = 'x' ORDER BY b": ["b"],
    "SELECT sum(a) OVER (ORDER BY b), a FROM t ORDER BY b": ["b"],
    "SELECT sum(a) OVER w, a FROM t WINDOW w AS (ORDER BY a) ORDER BY b": ["b"],
    "SELECT t.a FROM t JOIN t AS u ON t.a = u.b ORDER BY u.b, t.a": ["u.b", "t.a"],
    "SELECT a FROM t ORDER BY 'b'": ["'b'"],
    "SELECT CASE WHEN a > 1 THEN 1 END, a FROM t ORDER BY 2": ["a"],
    "SELECT max(a), c FROM t GROUP BY c ORDER BY b": ["b"],
}
LIMITS = {
    "": (0, None),
    " LIMIT 2": (0, 2),
    " LIMIT 2 OFFSET 3": (3, 2),
    " LIMIT 3, 2": (3, 2),
    " limit -1 offset 1": (1, None),
    " LIMIT 0": (0, 0),
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
    found = with_order_keys(gold)
    assert isinstance(found, TieQuery)
    assert [found.sql.count(f'{key} AS "__order_key_') for key in KEYS[sql]] == [1] * len(KEYS[sql])
    assert found.n_keys == len(KEYS[sql])
    assert (found.offset, found.limit) == LIMITS[limit]
    rows = connection.execute(found.sql).fetchall()
    end = None if found.limit is None else found.offset + found.limit
    shown = [row[: -found.n_keys] for row in rows[found.offset : end]]
    assert len(shown) == len(connection.execute(gold).fetchall())
    # Rows whose keys are alone stand at the same places in the gold's own answer.
    keys = [row[-found.n_keys :] for row in rows]
    alone = [keys.count(key) == 1 for key in keys[found.offset : end]]
    answer = connection.execute(gold).fetchall()
    for place, (row, single) in enumerate(zip(shown, alone, strict=True)):
        assert not single or answer[place] == row


words = st.sampled_from(
    "SELECT FROM ORDER BY LIMIT a t , ( ) ; -- /* ' \" * 1 AS DISTINCT UNION WITH DESC NULLS LAST ."
    " [ ` OFFSET - random".split()
)


@given(st.one_of(st.text(), st.lists(words).map(" ".join)))
def test_never_raises(sql: str) -> None:
    found = with_order_keys(sql)
    assert found is None or is_ordered(sql)

"""The allow list: what gets past it is looked at word by word, and sent as it was looked at."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.execution.statement import Rules, check

RULES = Rules(
    functions=frozenset({"count", "lower", "lpad", "left"}),
    hidden=frozenset({"pg_shadow", "information_schema"}),
    hidden_schemas=frozenset({"mysql"}),
    own_schema="pg_catalog",
)
MYSQL = Rules(frozenset({"count"}), backticks=True, refused_marks=frozenset("@#"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_sleep(1)",
        "SELECT pg_sleep (1)",
        "SELECT PG_SLEEP\n(1)",
        'SELECT "pg_sleep"(1)',
        "SELECT pg_sleep/* */(1)",
        "SELECT pg_catalog.pg_sleep(1)",
        "SELECT public.lower('a')",
        "SELECT a.lower(1) FROM a",
        "SELECT count(*) FILTER (WHERE f(1)) FROM t",
        "SELECT DISTINCT ON (a) f(1) FROM t",
        "SELECT 1 FROM t, f(1) AS (a int)",
        "SELECT x FROM t WHERE (a) f(1)",
        'SELECT U&"\\0070"(1)',
        "SELECT $$a$$",
        "SELECT $1",
        "SELECT 'a",
        'SELECT "a',
        "SELECT 1 /* open",
        "SELECT /* /* */ 1 */ 2",
        "SELECT /*! 1 */ 2",
        "SELECT `a`",
        "SELECT a\\b",
        "SELECT {fn now()}",
        "SELECT\u00a01",
        "SELECT * FROM pg_shadow",
        'SELECT * FROM "PG_SHADOW"',
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM mysql.user",
        "SELECT a INTO b FROM c",
        "SELECT a FROM b FOR UPDATE",
        "SELECT a FROM b FOR KEY SHARE",
        "SELECT 1; SELECT 2",
        "SELECT lpad('a', 99999)",
        "SELECT lpad('a', 9 * 9)",
        "SELECT lpad('a')",
        "SELECT OPERATOR(pg_catalog.+) 1",
        "DELETE FROM a",
        "",
    ],
)
def test_refused(sql: str) -> None:
    assert check(sql, RULES).error


@pytest.mark.parametrize("sql", ["SELECT @a", "SELECT 1 # x", "SELECT 5--1", "SELECT `f`(1)"])
def test_refused_by_mysql(sql: str) -> None:
    assert check(sql, MYSQL).error


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("SELECT count(*) FROM a;", "SELECT count(*) FROM a"),
        ("SELECT 1 -- pg_sleep(1)\n, 2", "SELECT 1 , 2"),
        ("SELECT/* x */1", "SELECT 1"),
        ("SELECT 'pg_sleep(1); --' || \"pg_sleep\"", "SELECT 'pg_sleep(1); --' || \"pg_sleep\""),
        ("SELECT E'a'", "SELECT E 'a'"),
        ("SELECT lower(a), pg_catalog.lower(b) FROM c", None),
        ("SELECT lpad(a, 2, '0') FROM b", None),
        ("SELECT mysql FROM a", None),
        ("WITH a (b, c) AS (SELECT 1, 2), d(e) AS (SELECT 3) SELECT * FROM a, d", None),
        ("SELECT * FROM (VALUES (1, 2)) AS t(a, b)", None),
        (
            "SELECT CAST(a AS numeric(10, 2)), b::varchar(3) FROM c WHERE d IN (1) AND (e OR f)",
            None,
        ),
        ("SELECT count(*) OVER (PARTITION BY a) FROM b GROUP BY CUBE (a)", None),
        ("(SELECT a FROM b) INTERSECT (SELECT a FROM c)", None),
        ("SELECT left(a, 1) FROM größe", None),
    ],
)
def test_sent(sql: str, sent: str | None) -> None:
    checked = check(sql, RULES)
    assert checked.error is None
    assert checked.sql == (sql if sent is None else sent)


def test_backticks_are_names_where_the_engine_has_them() -> None:
    assert check("SELECT `a b` FROM `c``d` -- x", MYSQL).sql == "SELECT `a b` FROM `c``d`"


@given(st.text(alphabet="aE'\"`-/*;() \n\\$&U", max_size=40))
def test_no_text_hides_a_call(noise: str) -> None:
    """Whatever stands around it, a call that is sent stands in quotes."""
    sent = check(f"SELECT {noise} evil(1)", RULES).sql
    assert "evil(" not in re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", sent)
    assert ";" not in re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", sent)
    assert "--" not in re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", sent)

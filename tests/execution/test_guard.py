"""What the guard refuses, what it lets through and how it is sent; and that it never raises."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.execution.guard import MAX_SQL_CHARS, Rules, check, check_read_only, without_end

REFUSED = {
    "empty": ["", "  \n\t", "-- SELECT 1", "/* SELECT 1"],
    "only SELECT": [
        ";", "DROP TABLE t", "-- a comment\nDELETE FROM t", "/* SELECT */ UPDATE t SET a = 1",
        "EXPLAIN SELECT 1", "SELECTED", "(SELECT 1)", "\u00a0SELECT 1", "\ufeffSELECT 1",
        "\uff33\uff25\uff2c\uff25\uff23\uff34 1",
    ],
    "several": [
        "SELECT 1; DROP TABLE t", "SELECT 1;;; SELECT 2", "SELECT 1; -- x\n SELECT 2",
        "SELECT '--'; SELECT 2", "SELECT '''';SELECT 2", "SELECT 1 /* ; */ ; SELECT 2",
        'SELECT "a;" FROM t; DROP TABLE t',
    ],
    "NUL": ["SELECT 1\0; DROP TABLE t"],
    "longer": ["SELECT " + "1" * MAX_SQL_CHARS],
}  # fmt: skip
ALLOWED = (
    "select 1 ; ; \n", "SELECT 1; -- done", "SELECT 1; /* done", "/* why */ -- how\n SELECT 1",
    "SELECT 'it''s; fine', \";\", `;`, [;]", "SELECT 1 -- ; DROP TABLE t", "VALUES (1), (2)",
    "SELECT 1 /* ; DROP TABLE t */", "WITH a AS (SELECT 1) SELECT * FROM a",
    "SELECT '; never closed",
)  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason: str) -> None:
    for sql in REFUSED[reason]:
        assert reason in str(check_read_only(sql)), sql


def test_allowed() -> None:
    assert [sql for sql in ALLOWED if check_read_only(sql) is not None] == []


@pytest.mark.parametrize("part", ["/*", "--\n", "'", ";", "[", "SELECT ';' ", "-"])
def test_linear_in_the_text(part: str) -> None:
    """A backtracking scanner would need minutes here, and the suite's time limit would stop it."""
    check_read_only("SELECT ;" + part * (MAX_SQL_CHARS // len(part) - 10))


pieces = st.sampled_from(
    [
        "SELECT 1", "DROP TABLE t", "VALUES (1)", ";", "'", '"', "`", "[", "]", "--", "\n", "/*",
        "*/", " ", "a", "''", "\0", "\u00a0", "\ufeff", "é", "-", "/", "*",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join)))
def test_agrees_with_sqlite_on_what_is_one_statement(sql: str) -> None:
    """Nothing that SQLite itself sees as several statements passes, and nothing raises."""
    if check_read_only(sql) is not None:
        return
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(without_end(sql))
        except (sqlite3.Error, sqlite3.Warning, UnicodeError) as problem:
            assert "one statement at a time" not in str(problem)


# ------------------------------------------------------------------------------------ the allow list

NAMES = frozenset({"count", "lower", "lpad", "left", "replace", "substring", "upper", "md5"})
POSTGRESQL = Rules(
    "postgres",
    NAMES,
    own=frozenset({"leak", "lower", "substring", "cube"}),
    attributes=frozenset({"leak"}),
    operators=frozenset({"===", "+"}),
    casts=frozenset({"shops"}),
    hidden=frozenset({"pg_shadow", "regclass", "information_schema"}),
    schema="pg_catalog",
    growing=frozenset({"replace"}),
    literals="postgres 16",
)
MYSQL = Rules(
    "mysql",
    NAMES | {"char"},
    own=frozenset({"md5"}),
    hidden_schemas=frozenset({"mysql", "information_schema"}),
    shared={"crm": frozenset({"name"})},
)
DUCKDB = Rules(
    "duckdb", NAMES, own=frozenset({"md5"}), hidden=frozenset({"pg_tables", "information_schema"})
)
ENGINES = (POSTGRESQL, MYSQL, DUCKDB)

REFUSED_BY_ALL = r"""
SELECT PG_SLEEP (1) | SELECT pg_sleep/* */(1) | SELECT pg_catalog.pg_sleep(1) | DELETE FROM a
SELECT count(*) FILTER (WHERE f(1)) FROM t | SELECT DISTINCT ON (a) f(b) FROM t
SELECT 1 FROM t, f(1) AS (a int) | SELECT 1 FROM t, f(a) AS (values int)
SELECT 1 FROM t, f(a) AS materialized (x int) | SELECT x FROM t WHERE (a) f(1)
SELECT $$a$$ | SELECT $1 | SELECT a$b | SELECT 'a | SELECT 1 /* open | SELECT /* /* */ 1 */ 2
SELECT /*! 1 */ 2 | SELECT /*M! 1 */ 2 | SELECT a\b | SELECT 1; SELECT 2
SELECT * FROM information_schema.tables | SELECT * FROM ínformation_schema . tables
SELECT a INTO b FROM c | SELECT a FROM b FOR UPDATE | SELECT OPERATOR(pg_catalog.-) 1
SELECT lpad('a', 99999) | SELECT lpad('a', 9 * 9) | SELECT lpad('a')
SELECT 1FROM t | SELECT 0x1G | SELECT 1e5f(1) | SELECT 0b12 | SELECT 1_000_
"""
REFUSED_BY = {
    "postgres": r"""
SELECT public.lower('a') | SELECT "pg_sleep"(1) | SELECT "a | SELECT `a` | SELECT {fn now()}
SELECT U&"\0070"(1) | SELECT u&'a' | SELECT * FROM U&"pg\005fshadow"
SELECT E'a\'' ; DROP TABLE t --' | SELECT E'a' '\'; SELECT 1 --'
SELECT * FROM "PG_SHADOW" | SELECT * FROM pg_catalog.pg_class | SELECT CAST(1 AS regclass)
SELECT shops.leak FROM shops | SELECT (s).leak FROM shops AS s | SELECT s."leak" FROM shops AS s
SELECT leak(1) | SELECT cube(1) | SELECT 1 === 2 | SELECT 1 + 2 | SELECT 1::shops
SELECT 'a'::char(99999) | SELECT replace(replace('a', 'a', 'aa'), 'a', 'aa')
SELECT replace(a, 'x', b), replace(a, 'x', b) FROM t
""",
    "mysql": r"""
SELECT @a | SELECT 1 # x | SELECT 5--1 | SELECT `f`(1) | SELECT a.lower(1) FROM a | SELECT md5(1)
SELECT * FROM `mysql` . `user` | SELECT * FROM mysql .5 | SELECT crm.people.name FROM crm
SELECT 'a\\'; DROP TABLE t; -- ' | SELECT "a\\"; DROP TABLE t; -- " | SELECT 0X41 | SELECT 1_000
SELECT {fn now()} | SELECT NEXT VALUE FOR s | SELECT _utf8'a' pg_sleep(1)
""",
    "duckdb": r"""
SELECT "f"(1) | SELECT a.f(1) FROM a | SELECT md5(1) | SELECT 'a'.md5() | SELECT * FROM pg_tables
SELECT * FROM information_schema."tables" | SELECT * FROM (SHOW ALL TABLES)
SELECT * FROM (DESCRIBE shops) | SELECT * FROM U&"a" | SELECT 0x1F | SELECT @a
""",
}
SENT_BY_ALL = """
SELECT lpad(a, 2, '0') FROM b | SELECT left(a, 1) FROM größe | SELECT N'a', X'41', 1.5e3, .5, 1.
WITH a (b, c) AS (SELECT 1, 2), d(e) AS (SELECT 3) SELECT * FROM a, d
WITH d(e) AS NOT MATERIALIZED (SELECT 3), f(g) AS MATERIALIZED ((SELECT 1) UNION SELECT 2) SELECT * FROM d
WITH a(b) AS (VALUES (1)), c(d) AS (TABLE t) SELECT 1 | SELECT * FROM (VALUES (1, 2)) AS t(a, b)
SELECT * FROM x JOIN (SELECT 1, 2) t (a, b) ON 1 = 1 | SELECT tables, columns FROM tables AS columns
SELECT CAST(a AS numeric(10, 2)) FROM c WHERE d IN (1) AND (e OR f)
SELECT count(*) OVER (PARTITION BY a) FROM b GROUP BY ROLLUP (a) | (SELECT 1) INTERSECT (SELECT 2)
"""
SENT_BY = {
    "postgres": r"""
SELECT 'pg_sleep(1); --' || "pg_sleep" | SELECT B'101' | SELECT E'a\nb', E'it\'s', 'a\'
SELECT 1_000_000, 0o17, 0x41, 0b1_01 | SELECT a::varchar(3), b::char(3) FROM c
SELECT replace(replace(a, '$', ''), ',', '') FROM b | SELECT leak, shops.name FROM shops
SELECT * FROM a TABLESAMPLE bernoulli(10) REPEATABLE (1)
""",
    "mysql": r"""
SELECT 0x41, 0b101 | SELECT mysql FROM a | SELECT `a b` FROM `c``d` | SELECT crm.name, crm.* FROM crm
SELECT 'a\'b', "it's", "a\"b", char(77, 121) | SELECT a FROM b WHERE c LIKE 'F\_%'
SELECT a FROM b USE INDEX (c) WHERE d > 1 | SELECT _utf8mb4'a' COLLATE utf8mb4_bin
""",
    "duckdb": r"""
SELECT 1_000_000 | SELECT E'a\nb' | SELECT TRY_CAST(a AS integer), 'a'.upper(), {'a': 1}
SELECT COLUMNS(*) FROM a | SELECT * EXCLUDE (a) FROM b TABLESAMPLE reservoir(10)
SELECT * FROM b USING SAMPLE 10 PERCENT (bernoulli) | WITH a(b) AS (FROM c) SELECT * FROM a
""",
}


def statements(everywhere: str, some: dict[str, str], rules: Rules) -> list[str]:
    """Those for an engine: in a line one after the other, ` | ` between them."""
    return re.split(r" \| |\n", f"{everywhere.strip()}\n{some[rules.dialect].strip()}")


@pytest.mark.parametrize("rules", ENGINES, ids=lambda rules: rules.dialect)
def test_the_list_refuses(rules: Rules) -> None:
    refused = [*statements(REFUSED_BY_ALL, REFUSED_BY, rules), "SELECT\u00a01"]
    assert [sql for sql in refused if not check(sql, rules).error] == []


@pytest.mark.parametrize("rules", ENGINES, ids=lambda rules: rules.dialect)
def test_what_is_allowed_is_sent_as_it_stands(rules: Rules) -> None:
    for sql in (*statements(SENT_BY_ALL, SENT_BY, rules), "SELECT 'a'\n'b'"):
        assert check(sql + ";;", rules) == (sql, None)


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("SELECT 1 -- pg_sleep(1)\n, 2", "SELECT 1  \n, 2"),
        ("SELECT/* x */1", "SELECT 1"),
        ("SELECT lower(a), pg_catalog.lower(b)", "SELECT pg_catalog.lower(a), pg_catalog.lower(b)"),
        ("SELECT substring(a, 1), upper(b)", "SELECT pg_catalog.substring(a, 1), upper(b)"),
        ("SELECT substring(a from 1)", "SELECT substring(a from 1)"),
    ],
)
def test_comments_go_and_the_engines_own_functions_are_named(sql: str, sent: str) -> None:
    assert check(sql, POSTGRESQL) == (sent, None)


@pytest.mark.parametrize("part", ["f(", "replace(", "a.b ", "'", "/* */", ")", "t(a) AS ("])
def test_a_look_is_linear_in_the_text(part: str) -> None:
    start = time.process_time()
    rules = Rules("postgres", NAMES | {"f"}, growing=frozenset({"replace"}))
    check("SELECT " + part * ((MAX_SQL_CHARS - 20) // len(part)), rules)
    assert time.process_time() - start < 5


@given(st.text(alphabet="aE'\"`-/*;() \n\\$&Ux01_", max_size=40), st.sampled_from(ENGINES))
def test_no_text_hides_a_call(noise: str, rules: Rules) -> None:
    """Whatever stands around it, a call that is sent stands in quotes."""
    sent = check(f"SELECT {noise} evil(1)", rules).sql
    outside = re.sub(_literals(rules.dialect), "", sent, flags=re.S)
    assert not any(mark in outside for mark in ("evil(", ";", "--", "/*"))


def _literals(dialect: str) -> str:
    if dialect == "mysql":
        return r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|`(?:[^`]|``)*`"
    return r"(?<!\w)[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""

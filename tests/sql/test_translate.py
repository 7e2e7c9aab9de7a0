"""Translation rule by rule: what SQLite is asked, and what the others are asked for the same rows."""

from __future__ import annotations

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.sql.translate import translate
from txt2sql.types import Column, Schema, Table

TABLES = (
    Table(
        "Student",
        (
            Column("StuID", "number", True, "INTEGER"),
            *(Column(name, "text", False, "TEXT") for name in ("Name", "order", "zip")),
            Column("age", "number", False, "INTEGER"),
            Column("born", "time", False, "DATE"),
            Column("active", "boolean", False, "BOOLEAN"),
            Column("gpa", "number", False, "DOUBLE PRECISION"),
        ),
    ),
    Table("pet", (Column("owner", "number", False, "INTEGER"), Column("kind", "text"))),
)
SCHEMAS = {name: Schema("s", TABLES, dialect=name) for name in ("postgres", "mysql", "duckdb")}

P, M, D = "postgres", "mysql", "duckdb"
TRANSLATED = {
    # names
    "SELECT Student.NAME FROM student": (P, 'SELECT "Student"."Name" FROM "Student"'),
    "SELECT s.stuid FROM student AS s": (M, "SELECT s.StuID FROM Student AS s"),
    'SELECT "order" FROM student': (M, "SELECT `order` FROM Student"),
    'SELECT kind FROM pet WHERE kind = "cat"': (P, "SELECT kind FROM pet WHERE kind = 'cat'"),
    "SELECT name FROM (SELECT name FROM student)": (P, 'SELECT "Name" FROM (SELECT "Name" FROM "Student") AS derived_1'),
    "SELECT name FROM student UNION SELECT kind FROM pet ORDER BY name": (P, 'SELECT "Name" FROM "Student" UNION SELECT kind FROM pet ORDER BY "Name" NULLS FIRST'),
    "SELECT age * 2 AS twice FROM student WHERE twice > 4": (D, "SELECT age * 2 AS twice FROM Student WHERE (age * 2) > 4"),
    # types
    "SELECT 1 FROM student WHERE zip = 5": (P, "SELECT 1 FROM \"Student\" WHERE zip = '5'"),
    "SELECT 1 FROM student WHERE active = 'true'": (M, "SELECT 1 FROM Student WHERE active = 1"),
    "SELECT 1 FROM pet WHERE owner": (P, "SELECT 1 FROM pet WHERE owner <> 0"),
    "SELECT 1 FROM pet WHERE kind NOT LIKE 'C%'": (P, "SELECT 1 FROM pet WHERE kind NOT ILIKE 'C%'"),
    "SELECT 1 FROM pet WHERE kind = 'a\\b'": (M, "SELECT 1 FROM pet WHERE kind = CONCAT('a', CHAR(92), 'b')"),
    "SELECT 1 FROM student WHERE born > '2001' AND born = '2001-02-03'": (P, "SELECT 1 FROM \"Student\" WHERE CAST(born AS TEXT) > '2001' AND born = '2001-02-03'"),
    # computing
    "SELECT age / 2 FROM student": (M, "SELECT age DIV 2 FROM Student"),
    "SELECT age / owner FROM student, pet": (D, "SELECT age // NULLIF(owner, 0) FROM Student CROSS JOIN pet"),
    "SELECT sum(age > 3) FROM student": (P, 'SELECT SUM(CAST(age > 3 AS INT)) FROM "Student"'),
    "SELECT CAST(gpa AS INTEGER) FROM student": (P, 'SELECT CAST(TRUNC(gpa) AS BIGINT) FROM "Student"'),
    "SELECT substr(kind, -2) FROM pet": (P, "SELECT RIGHT(kind, 2) FROM pet"),
    "SELECT age % 2, gpa % 2 FROM student": (D, "SELECT age % 2, CAST(TRUNC(gpa) AS BIGINT) % 2 FROM Student"),
    "SELECT round(gpa, 1) FROM student": (M, "SELECT ROUND(CAST(gpa AS DECIMAL(65, 12)), 1) FROM Student"),
    "SELECT age - active FROM student": (P, 'SELECT age - CAST(active AS INT) FROM "Student"'),
    "SELECT log(age) FROM student": (M, "SELECT LOG(10, age) FROM Student"),
    "SELECT coalesce(age, 'none') FROM student": (P, "SELECT COALESCE(CAST(age AS TEXT), 'none') FROM \"Student\""),
    "SELECT CASE active WHEN 1 THEN 2 END FROM student": (P, 'SELECT CASE active WHEN TRUE THEN 2 END FROM "Student"'),
    "SELECT owner || owner FROM pet": (P, "SELECT CAST(owner AS TEXT) || CAST(owner AS TEXT) FROM pet"),
    # dates
    "SELECT date(born, '-1 year') FROM student": (P, "SELECT CAST(CAST(born AS DATE) - INTERVAL '1 YEAR' AS DATE) FROM \"Student\""),
    "SELECT strftime('Q%m', born) FROM student": (P, "SELECT ('Q' || TO_CHAR(CAST(born AS TIMESTAMP), 'MM')) FROM \"Student\""),
    "SELECT date('now', '-30 days')": (P, "SELECT CAST(CURRENT_DATE - INTERVAL '30 DAY' AS DATE)"),
    "SELECT date(born, 'start of month') FROM student": (M, "SELECT CAST(DATE_FORMAT(CAST(born AS DATE), '%Y-%m-01') AS DATE) FROM Student"),
    "SELECT datetime(born, '+2 hours') FROM student": (D, "SELECT (CAST(born AS TIMESTAMP) + INTERVAL '2' HOUR) FROM Student"),
    "SELECT strftime('%Y', born) - 1 FROM student": (P, "SELECT CAST(TO_CHAR(CAST(born AS TIMESTAMP), 'YYYY') AS BIGINT) - 1 FROM \"Student\""),
    "SELECT date(born, 'weekday x') FROM student": (D, "SELECT DATE(born, 'weekday x') FROM Student"),
    # windows and filters
    "SELECT count(*) FILTER (WHERE active) FROM student": (P, 'SELECT COUNT(*) FILTER(WHERE active) FROM "Student"'),
    "SELECT count(DISTINCT kind) FILTER (WHERE owner > 1) FROM pet": (M, "SELECT COUNT(DISTINCT CASE WHEN owner > 1 THEN kind END) FROM pet"),
    "SELECT total(owner) OVER (ORDER BY kind) FROM pet": (D, "SELECT COALESCE(SUM(owner) OVER (ORDER BY kind NULLS FIRST), 0.0) FROM pet"),
    # limits and unions
    "SELECT kind FROM pet LIMIT -1 OFFSET 2": (M, "SELECT kind FROM pet LIMIT 9223372036854775807 OFFSET 2"),
    "SELECT owner FROM pet UNION SELECT kind FROM pet": (P, "SELECT CAST(owner AS TEXT) FROM pet UNION SELECT kind FROM pet"),
    # groups
    "SELECT kind, count(*) FROM pet": (P, "SELECT MIN(kind) AS kind, COUNT(*) FROM pet"),
    "SELECT kind, max(owner) FROM pet": (P, "SELECT (ARRAY_AGG(kind ORDER BY owner DESC NULLS LAST))[1] AS kind, MAX(owner) FROM pet"),
    "SELECT kind, MAX(owner) FROM pet": (D, "SELECT ARG_MAX(kind, owner) AS kind, MAX(owner) FROM pet"),
    "SELECT kind, Max(owner) FROM pet": (M, "SELECT NULLIF(SUBSTRING_INDEX(GROUP_CONCAT(COALESCE(kind, '\x1e') ORDER BY owner DESC SEPARATOR '\x1f'), CHAR(31), 1), '\x1e') AS kind, MAX(owner) FROM pet"),
    "SELECT name FROM student GROUP BY stuid": (P, 'SELECT "Name" FROM "Student" GROUP BY "StuID"'),
    "SELECT * FROM pet GROUP BY kind": (M, "SELECT MIN(pet.owner) AS owner, pet.kind FROM pet GROUP BY kind"),
    "SELECT DISTINCT kind FROM pet ORDER BY owner": (P, "SELECT kind FROM pet GROUP BY kind ORDER BY MIN(owner) NULLS FIRST"),
    "SELECT kind FROM pet GROUP BY kind ORDER BY count(*) DESC": (P, "SELECT kind FROM pet GROUP BY kind ORDER BY COUNT(*) DESC"),
    "SELECT owner * 2 AS n FROM pet GROUP BY owner * 2 HAVING n > 2": (M, "SELECT owner * 2 AS n FROM pet GROUP BY owner * 2 HAVING n > 2"),
    # subqueries
    "SELECT 1 FROM pet WHERE owner = (SELECT age FROM student)": (D, "SELECT 1 FROM pet WHERE owner = (SELECT age FROM Student LIMIT 1)"),
    "SELECT 1 FROM pet WHERE owner IN (SELECT age FROM student LIMIT 2)": (M, "SELECT 1 FROM pet WHERE owner IN (SELECT * FROM (SELECT age FROM Student LIMIT 2) AS limited_1)"),
}  # fmt: skip


@pytest.mark.parametrize("sql", TRANSLATED)
def test_translated(sql: str) -> None:
    dialect, expected = TRANSLATED[sql]
    assert translate(sql, SCHEMAS[dialect]) == expected


CIRCLE = "WITH a AS (SELECT x FROM b), b AS (SELECT x FROM a) SELECT x FROM a"


@pytest.mark.parametrize(
    "sql", ["", "no SQL", "SELECT", "DROP TABLE pet", "SELECT 1; SELECT 2", CIRCLE]
)
def test_what_is_no_query_and_what_is_for_sqlite_stay_as_they_are(sql: str) -> None:
    assert [translate(sql, schema) for schema in SCHEMAS.values()] == [sql] * 3
    plain = 'SELECT  "x" FROM pet -- as it is'
    assert translate(plain, Schema("s", TABLES)) == plain


@settings(max_examples=60)
@given(st.text(max_size=60), st.sampled_from(sorted(SCHEMAS)))
def test_nothing_raises(text: str, dialect: str) -> None:
    translate(f"SELECT {text} FROM pet", SCHEMAS[dialect])


@settings(max_examples=60)
@given(st.text(max_size=30), st.sampled_from(sorted(SCHEMAS)))
def test_a_literal_stays_what_it_says(text: str, dialect: str) -> None:
    quoted = text.replace("'", "''")
    sql = translate(f"SELECT kind FROM pet WHERE kind = '{quoted}'", SCHEMAS[dialect])
    if "\\" not in text and "\0" not in text:
        literal = sqlglot.parse_one(sql, read=dialect).find(sqlglot.exp.Literal)
        assert literal is not None
        assert literal.name == text

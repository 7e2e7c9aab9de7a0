"""Gold SQL in its normal form: what must not change first, then how each thing is written."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_select import RandomSelect, ddl, random_schema

from txt2sql.sql.normal_form import canonical_sql
from txt2sql.types import Column, Schema, Table

SCRIPT = """
CREATE TABLE Singer (Singer_ID INTEGER PRIMARY KEY, Name TEXT, Country TEXT, Age INT, "Net Worth" REAL);
CREATE TABLE concert (ID INTEGER PRIMARY KEY, singer_id INT, Year TEXT, "order" TEXT);
CREATE TABLE "Order Item" (ID INTEGER PRIMARY KEY, concert_id INT, Name TEXT);
INSERT INTO Singer VALUES (1, 'Ann', 'France', 31, 2.5), (2, 'Bob', 'Spain', 40, NULL),
  (3, 'Zoë', 'france', NULL, 1.5), (4, 'Name', 'Country', 31, 0);
INSERT INTO concert VALUES (1, 1, '2014', 'a'), (2, 1, '2015', 'b'), (3, 2, '2014', 'a'), (4, 9, '2016', NULL);
INSERT INTO "Order Item" VALUES (1, 1, 'Ann'), (2, 2, 'x'), (3, 2, 'y');
"""
SCHEMA = Schema(
    "music",
    (
        Table("Singer", tuple(map(Column, ("Singer_ID", "Name", "Country", "Age", "Net Worth")))),
        Table("concert", tuple(map(Column, ("ID", "singer_id", "Year", "order")))),
        Table("Order Item", tuple(map(Column, ("ID", "concert_id", "Name")))),
    ),
)


def canonical(sql: str) -> str:
    return canonical_sql(sql, SCHEMA)


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        opened.executescript(SCRIPT)
        yield opened


@pytest.mark.parametrize(
    "sql",
    [
        "", "DELETE FROM singer", "the answer is 42", "SELECT name FROM singer; SELECT 1",
        "SELECT nothing FROM singer",
        "SELECT id FROM concert, `order item` WHERE concert.id = concert_id",  # ambiguous
        "SELECT name FROM singer NATURAL JOIN `order item`",
        "SELECT count(*) FROM singer JOIN concert",
        "SELECT age FROM singer JOIN `order item` USING (name)",
        'SELECT "count(*)" FROM (SELECT count(*) FROM singer)',  # a column, and text were it rewritten
        "SELECT CAST('12x' AS STRING) FROM singer",
    ],
)  # fmt: skip
def test_what_is_in_doubt_stays_as_it_was_written(sql: str) -> None:
    assert canonical(sql) == sql


FORMS = """
select COUNT( * ) , avg(AGE) from singer
    SELECT COUNT(*), AVG(Age) FROM Singer
select "Name" from singer where "Name" = "O'Hara"
    SELECT Name FROM Singer WHERE Name = 'O''Hara'
select name from singer where country = "Name"
    SELECT Name FROM Singer WHERE Country = Name
select name from singer where age <> 3 order by age asc
    SELECT Name FROM Singer WHERE Age != 3 ORDER BY Age
select name from singer where not age in (1) and not name like 'A%'
    SELECT Name FROM Singer WHERE Age NOT IN (1) AND Name NOT LIKE 'A%'
select distinct(country) from singer limit 1, 2
    SELECT DISTINCT Country FROM Singer LIMIT 2 OFFSET 1
select substring(name, 1, 2), cast(age as float), cast(age as numeric(3)) from singer
    SELECT SUBSTR(Name, 1, 2), CAST(Age AS REAL), CAST(Age AS NUMERIC) FROM Singer
select t2.name, year from concert t1 inner join singer t2 on t2.singer_id = t1.singer_id
    SELECT Name, Year FROM concert JOIN Singer ON concert.singer_id = Singer.Singer_ID
select a.name from singer a join concert b join `order item` c on b.id = c.concert_id and a.singer_id = b.singer_id
    SELECT Singer.Name FROM Singer JOIN concert ON Singer.Singer_ID = concert.singer_id JOIN "Order Item" ON concert.ID = "Order Item".concert_id
select name from singer left outer join concert on concert.singer_id = singer.singer_id
    SELECT Name FROM Singer LEFT JOIN concert ON Singer.Singer_ID = concert.singer_id
select name from singer s where age = (select max(age) from singer where country = s.country)
    SELECT Name FROM Singer AS T1 WHERE Age = (SELECT MAX(T2.Age) FROM Singer AS T2 WHERE T2.Country = T1.Country)
select name from singer s where exists (select * from concert where singer_id = s.singer_id)
    SELECT Name FROM Singer WHERE EXISTS (SELECT * FROM concert WHERE concert.singer_id = Singer.Singer_ID)
select name as age from singer order by singer.age
    SELECT Name AS age FROM Singer ORDER BY Singer.Age
select t.n from (select name n, count(*) from singer) t where t.n > 'A'
    SELECT n FROM (SELECT Name AS n, COUNT(*) FROM Singer) AS t WHERE n > 'A'
with c as (select name n from singer) select x.n from c x join c y on x.n = y.n
    WITH c AS (SELECT Name AS n FROM Singer) SELECT T1.n FROM c AS T1 JOIN c AS T2 ON T1.n = T2.n
select name from singer union select name from `order item` order by name
    SELECT Name FROM Singer UNION SELECT Name FROM "Order Item" ORDER BY name
select iif(age > 1, strftime('%Y', 'now'), ifnull(age, 0)) from singer
    SELECT IIF(Age > 1, STRFTIME('%Y', 'now'), COALESCE(Age, 0)) FROM Singer
"""


@pytest.mark.parametrize("pair", re.split(r"\n(?! )", FORMS.strip()))
def test_each_thing_is_written_one_way(pair: str, connection: sqlite3.Connection) -> None:
    sql, form = pair.split("\n    ")
    assert canonical(sql) == form
    assert canonical(form) == form
    assert connection.execute(form).fetchall() == connection.execute(sql).fetchall()


def rows(connection: sqlite3.Connection, sql: str) -> list[tuple[object, ...]] | None:
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.Error:
        return None


@given(st.integers(0, 2**32))
def test_a_query_that_runs_returns_the_same_rows_in_the_same_order(seed: int) -> None:
    rng = random.Random(seed)
    schema = random_schema(rng)
    sql = RandomSelect(rng, schema, double=rng.random() < 0.5).statement()
    form = canonical_sql(sql, schema)
    assert canonical_sql(form, schema) == form
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(ddl(schema))
        for table in schema.tables:
            cells = [[rng.choice([1, 2, "x", None]) for _ in table.columns] for _ in range(4)]
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', cells)
        before = rows(connection, sql)
        assert before is None or rows(connection, form) == before, (sql, form)


@settings(max_examples=60)
@given(st.text())
def test_any_text_has_a_normal_form(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)

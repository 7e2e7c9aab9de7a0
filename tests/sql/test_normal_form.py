"""Gold SQL in its normal form: what must not change first, then how each thing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.identifiers import quote_identifier
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
        "SELECT nothing FROM singer",
        "SELECT name FROM nowhere",
        "SELECT id FROM concert, `order item` WHERE concert.id = concert_id",  # ambiguous
        "SELECT name FROM singer NATURAL JOIN `order item`",
        "SELECT count(*) FROM singer JOIN concert",
        "SELECT * FROM singer JOIN `order item` USING (name)",  # USING takes a column out of *
        'SELECT "count(*)" FROM (SELECT count(*) FROM singer)',  # a column, and text were it rewritten
        "SELECT CAST('12x' AS STRING) FROM singer",
        "DELETE FROM singer",
        "the answer is 42",
        "SELECT name FROM singer; SELECT 1",
        "",
    ],
)
def test_what_is_in_doubt_stays_as_it_was_written(sql: str) -> None:
    assert canonical(sql) == sql


@pytest.mark.parametrize(
    ("sql", "form"),
    [
        ("select t1.name from singer as t1", "SELECT Name FROM Singer"),
        ("SELECT s.* FROM singer s", "SELECT * FROM Singer"),
        ("select COUNT( * ) , avg(AGE) from singer", "SELECT COUNT(*), AVG(Age) FROM Singer"),
        ('select name from singer where country = "France"', "SELECT Name FROM Singer WHERE Country = 'France'"),
        ('select "Name" from singer where "Name" = "O\'Hara"', "SELECT Name FROM Singer WHERE Name = 'O''Hara'"),
        ('select name from singer where country = "Name"', "SELECT Name FROM Singer WHERE Country = Name"),
        ("select [order] from concert", 'SELECT "order" FROM concert'),
        ("select name from singer where age <> 3 order by age asc", "SELECT Name FROM Singer WHERE Age != 3 ORDER BY Age"),
        ("select name from singer where not age in (1) and not name like 'A%'",
         "SELECT Name FROM Singer WHERE Age NOT IN (1) AND Name NOT LIKE 'A%'"),
        ("select distinct(country) from singer limit 1, 2", "SELECT DISTINCT Country FROM Singer LIMIT 2 OFFSET 1"),
        ("select substring(name, 1, 2), cast(age as float), cast(age as numeric(3)) from singer",
         "SELECT SUBSTR(Name, 1, 2), CAST(Age AS REAL), CAST(Age AS NUMERIC) FROM Singer"),
        ("select t2.name, year from concert t1 inner join singer t2 on t2.singer_id = t1.singer_id",
         "SELECT Name, Year FROM concert JOIN Singer ON concert.singer_id = Singer.Singer_ID"),
        ("select a.name from singer a join concert b join `order item` c on b.id = c.concert_id and a.singer_id = b.singer_id",
         'SELECT Singer.Name FROM Singer JOIN concert ON Singer.Singer_ID = concert.singer_id '
         'JOIN "Order Item" ON concert.ID = "Order Item".concert_id'),
        ("select name from singer left outer join concert on concert.singer_id = singer.singer_id",
         "SELECT Name FROM Singer LEFT JOIN concert ON Singer.Singer_ID = concert.singer_id"),
        ("select year, singer_id from singer s join concert using (singer_id)",
         "SELECT Year, Singer.Singer_ID FROM Singer JOIN concert ON Singer.Singer_ID = concert.singer_id"),
        ("select a.name, b.name from singer a join singer b on a.age = b.age",
         "SELECT T1.Name, T2.Name FROM Singer AS T1 JOIN Singer AS T2 ON T1.Age = T2.Age"),
        ("select name from singer s where age = (select max(age) from singer where country = s.country)",
         "SELECT Name FROM Singer AS T1 WHERE Age = (SELECT MAX(T2.Age) FROM Singer AS T2 WHERE T2.Country = T1.Country)"),
        ("select name from singer s where exists (select * from concert where singer_id = s.singer_id)",
         "SELECT Name FROM Singer WHERE EXISTS (SELECT * FROM concert WHERE concert.singer_id = Singer.Singer_ID)"),
        ("select name as age from singer order by singer.age", "SELECT Name AS age FROM Singer ORDER BY Singer.Age"),
        ("select t.n from (select name n, count(*) from singer) t where t.n > 'A'",
         "SELECT n FROM (SELECT Name AS n, COUNT(*) FROM Singer) AS t WHERE n > 'A'"),
        ("with c as (select name n from singer) select x.n from c x join c y on x.n = y.n",
         "WITH c AS (SELECT Name AS n FROM Singer) SELECT T1.n FROM c AS T1 JOIN c AS T2 ON T1.n = T2.n"),
        ("select name from singer union select name from `order item` order by name",
         'SELECT Name FROM Singer UNION SELECT Name FROM "Order Item" ORDER BY name'),
        ("select iif(age > 1, strftime('%Y', 'now'), ifnull(age, 0)) from singer",
         "SELECT IIF(Age > 1, STRFTIME('%Y', 'now'), COALESCE(Age, 0)) FROM Singer"),
    ],
)  # fmt: skip
def test_each_thing_is_written_one_way(sql: str, form: str, connection: sqlite3.Connection) -> None:
    assert canonical(sql) == form
    assert canonical(form) == form
    assert connection.execute(form).fetchall() == connection.execute(sql).fetchall()


NAMES = 'name,Singer_ID,AGE,`net worth`,"Country",year,id,"order",concert_id'.split(",")
ALIASES = ["", " a", " AS b", " T1", " singer"]
LITERALS = ["1", "'Ann'", '"France"', '"Name"', "NULL", "2014", "'2014'"]


@st.composite
def queries(draw: st.DrawFn, depth: int = 0, outer: tuple[str, ...] = ()) -> str:
    """SELECT statements, many of which run: tables with and without aliases, joins of every form."""
    pick = lambda *choices: draw(st.sampled_from(choices))  # noqa: E731
    tables = [pick("singer", "Concert", "`order item`") for _ in range(pick(1, 2, 3))]
    aliases = [draw(st.sampled_from(ALIASES)) for _ in tables]
    here = tuple(a.split()[-1] if a.strip() else t for t, a in zip(tables, aliases, strict=True))

    def column() -> str:
        source = pick("", "", *here, *outer)
        return f"{source}.{pick(*NAMES)}" if source else pick(*NAMES)

    def condition() -> str:
        kind = pick("literal", "columns", "in", "null", "nested")
        if kind == "columns":
            return f"{column()} = {column()}"
        if kind == "in":
            return f"{pick('', 'NOT ')}{column()} IN ({pick(*LITERALS)}, {pick(*LITERALS)})"
        if kind == "null":
            return f"{column()} IS {pick('', 'NOT ')}NULL"
        if kind == "nested" and depth < 2:
            return f"{column()} {pick('IN', '=', '>')} ({draw(queries(depth + 1, here))})"
        return f"{column()} {pick('=', '<>', '!=', '>', 'LIKE')} {pick(*LITERALS)}"

    text = f"{tables[0]}{aliases[0]}"
    for table, alias in zip(tables[1:], aliases[1:], strict=True):
        join = pick(
            *(", {}", " JOIN {}", " JOIN {} ON {}", " left outer join {} ON {}"),
            " JOIN {} USING (name)",
        )
        text += join.format(table + alias, f"{column()} = {column()}")
    items = [pick(column(), f"count({pick('*', column(), 'DISTINCT ' + column())})", f"{column()} AS {pick('n', 'name', 'Age')}")
             for _ in range(1 if depth else pick(1, 2))]  # fmt: skip
    sql = f"SELECT {pick('', 'DISTINCT ')}{', '.join(items)} FROM {text}"
    if draw(st.booleans()):
        sql += f" WHERE {condition()} {pick('AND', 'or')} {condition()}"
    if pick(False, False, True):
        sql += f" GROUP BY {column()}"
    if pick(False, True):
        sql += f" ORDER BY {pick(column(), 'n', '1')} {pick('', 'asc', 'DESC')} LIMIT {pick('3', '1, 2')}"
    return sql


def rows(connection: sqlite3.Connection, sql: str) -> list[tuple[object, ...]] | None:
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.Error:
        return None


@given(queries() | st.text())
def test_a_normal_form_is_its_own_and_returns_the_same_rows_in_the_same_order(
    connection: sqlite3.Connection, sql: str
) -> None:
    form = canonical(sql)
    assert canonical(form) == form
    before = rows(connection, sql)
    assert before is None or rows(connection, form) == before


@pytest.mark.parametrize("name", ["plain", "two words", "1st", 'a"b', "tablé", "select", "key"])
def test_names_are_quoted_as_in_prompts(name: str) -> None:
    schema = Schema("x", (Table(name, (Column(name),)),))
    spelled = quote_identifier(name)
    form = f"SELECT {spelled} FROM {spelled}"
    assert canonical_sql(form.replace("SELECT", "select"), schema) == form

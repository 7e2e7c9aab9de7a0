from __future__ import annotations

import importlib.util
import re
import sqlite3
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from txt2sql.errors import ModelError
from txt2sql.identifiers import KEYWORDS, quote_identifier
from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.decoder import Decoder
from txt2sql.models.grammar import sql_grammar
from txt2sql.types import Column, Schema, Table

SCHEMA = Schema(
    "music",
    (
        Table("singer", (Column("id"), Column("Name"), Column("age"), Column("number_of_songs"))),
        Table("concert", (Column("id"), Column("singer_id"), Column("Home Town"), Column("year"))),
        Table("order", (Column("total_price"), Column("2nd"), Column("größe"), Column("group"))),
        Table("top_singers", (Column("Name"),)),
    ),
)
DDL = """
CREATE TABLE singer (id INTEGER PRIMARY KEY, Name TEXT, age INT, number_of_songs INT);
CREATE TABLE concert (id INT, singer_id INT, "Home Town" TEXT, year INT);
CREATE TABLE "order" (total_price REAL, "2nd" TEXT, größe REAL, "group" TEXT);
CREATE VIEW top_singers AS SELECT Name FROM singer;
"""
Accepts = Callable[[str], bool]
MODERN = sqlite3.sqlite_version_info >= (3, 39)


def by_bytes(schema: Schema) -> Accepts:
    """Whether the grammar of a schema accepts a text."""
    start = LLMatcher(LLTokenizer("byte"), sql_grammar(schema), log_level=0)
    assert not start.is_error(), start.get_error()

    def accepted(sql: str) -> bool:
        matcher, data = start.deep_copy(), list(sql.encode())
        return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()

    return accepted


@pytest.fixture(scope="module")
def accepts() -> Accepts:
    return by_bytes(SCHEMA)


@pytest.fixture
def database() -> Any:
    connection = sqlite3.connect(":memory:")
    connection.executescript(DDL)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        # names
        "SELECT salary FROM singer",
        "SELECT Name FROM band",
        "SELECT name FROM singer",
        "SELECT Name FROM Singer",
        "SELECT singer.singer_id FROM singer",
        "SELECT concert.Name FROM singer JOIN concert ON id = singer_id",
        "SELECT T1.salary FROM singer AS T1",
        "SELECT Name FROM singer WHERE Nam = 'x'",
        "SELECT Name FROM singer WHERE num_songs > 3",
        "SELECT Name FROM singer ORDER BY fame",
        "SELECT num_songs FROM singer",
        "SELECT Name FROM sqlite_master",
        "SELECT total_price FROM order",
        'SELECT 2nd FROM "order"',
        'SELECT größe FROM "order"',
        'SELECT group FROM "order"',
        "SELECT Home Town FROM concert",
        "SELECT `Name` FROM singer",
        "SELECT [Name] FROM singer",
        "SELECT main.singer.Name FROM singer",
        "SELECT Name FROM main.singer",
        "WITH x AS (SELECT Name FROM singer) SELECT Name FROM singer JOIN sqlite_master.x ON 1",
        # text in double quotes
        'SELECT Name FROM singer WHERE Name = "Anna"',
        'SELECT "Anna" FROM singer',
        'SELECT Name AS "singer\'s" FROM singer ORDER BY "singer\'s"',
        "SELECT Name AS 'Anna' FROM singer",
        # other statements
        "SELECT Name FROM singer; DROP TABLE singer",
        "SELECT Name FROM singer;;",
        "DELETE FROM singer",
        "PRAGMA table_info(singer)",
        "ATTACH 'x' AS y",
        "EXPLAIN SELECT Name FROM singer",
        "WITH x AS (SELECT Name FROM singer) DELETE FROM singer",
        # functions
        "SELECT load_extension('x') FROM singer",
        "SELECT randomblob(1000000000) FROM singer",
        "SELECT substr(Name) FROM singer",
        "SELECT round(age, 1, 2) FROM singer",
        "SELECT count(id, age) FROM singer",
        "SELECT rank() FROM singer",
        "SELECT upper(DISTINCT Name) FROM singer",
        "SELECT upper(Name) OVER () FROM singer",
        "SELECT group_concat(DISTINCT Name, ', ') FROM singer",
        # where aggregates and windows may stand
        "SELECT Name FROM singer WHERE count(*) > 1",
        "SELECT Name FROM singer WHERE age = max(age)",
        "SELECT Name FROM singer ORDER BY count(*) DESC",
        "SELECT sum(count(*)) FROM singer",
        "SELECT Name FROM singer GROUP BY Name HAVING rank() OVER (ORDER BY age) = 1",
        "SELECT Name FROM singer WHERE row_number() OVER (ORDER BY age) = 1",
        # joins and shapes
        "SELECT Name FROM singer JOIN concert",
        "SELECT Name FROM singer LEFT JOIN concert WHERE age > 3",
        "SELECT Name FROM singer NATURAL JOIN concert ON age = year",
        "SELECT Name FROM singer WHERE id = (SELECT singer_id, year FROM concert)",
        "SELECT Name FROM singer WHERE id IN (SELECT * FROM concert)",
        "SELECT Name FROM singer HAVING count(*) > 1",
        "SELECT Name FROM singer LIMIT 3 UNION SELECT Name FROM singer",
        "SELECT *",
        "SELECT Name",
        "SELECT Name FROM singer GROUP BY",
        "SELECT Name FROM singer WHERE (age = 1",
        "SELECT Name FROM singer WHERE age = 1)",
        "SELECT Name FROM",
        "SELECT FROM singer",
        "SELECT Name, FROM singer",
        "",
        # literals, space, comments
        "SELECT Name FROM singer WHERE Name = 'it's'",
        "SELECT Name FROM singer WHERE Name = '" + "x" * 200 + "'",
        "SELECT Name AS " + "x" * 60 + " FROM singer",
        "SELECT Name FROM singer WHERE age = " + "1" * 40,
        "SELECT" + " " * 5 + "Name FROM singer",
        "SELECT\n\nName FROM singer",
        "SELECT" + "\n" + " " * 50 + "Name FROM singer",
        "SELECTName FROM singer",
        "SELECT NameFROM singer",
        "SELECT Name FROM singer WHERE age = 1AND id = 2",
        "SELECT age --1 FROM singer",
        "SELECT age - -id FROM singer",
        "SELECT --age FROM singer",
        "SELECT age /* 1 */ FROM singer",
        "Select Name From singer",
    ],
)
def test_what_is_not_over_this_schema_is_refused(accepts: Accepts, sql: str) -> None:
    assert not accepts(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT Name FROM singer",
        "select Name from singer where age >= 3.5",
        "SELECT Name FROM top_singers;",
        "SELECT *\nFROM singer\n  LEFT JOIN concert USING (id)\nWHERE age = -1",
        "SELECT DISTINCT T1.Name, count(*) FROM singer AS T1 JOIN concert AS T2 ON T1.id = T2.singer_id "
        "WHERE T1.Name LIKE '%it''s%' GROUP BY T1.Name HAVING count(*) > 1 "
        "ORDER BY count(*) DESC LIMIT 3 OFFSET 1",
        # names
        'SELECT "Home Town", c."Home Town" FROM concert AS c',
        'SELECT total_price, "2nd", "größe", "group" FROM "order"',
        'SELECT "Name", "singer"."id" FROM "singer"',
        "SELECT s.*, concert.* FROM singer s CROSS JOIN concert",
        # conditions
        "SELECT Name FROM singer WHERE age > (SELECT avg(age) FROM singer) AND id NOT IN "
        "(SELECT singer_id FROM concert) OR age BETWEEN 1 AND 2 OR Name IN ('a', 'b') OR age IS NOT NULL",
        "SELECT Name FROM singer WHERE Name IS NULL OR Name IS 'x' OR age IS NOT 3 OR age IS nullif(1, 2)",
        "SELECT Name FROM singer WHERE NOT EXISTS (SELECT * FROM concert WHERE singer_id = singer.id)",
        "SELECT Name FROM singer WHERE NOT (age < 3 AND id <> 4) AND age NOT BETWEEN 3 AND age + 1",
        "SELECT Name FROM singer WHERE Name LIKE 'a!%' ESCAPE '!' OR Name NOT GLOB 'a*'",
        "SELECT Name FROM singer WHERE Name = 'anna' COLLATE NOCASE ORDER BY Name COLLATE BINARY",
        "SELECT Name FROM singer WHERE age IN (SELECT age FROM singer LIMIT 5\n) AND id IN (1)",
        "SELECT Name FROM singer WHERE age = TRUE AND id > 1e3 AND id < 1.5E-2 AND age != 3 AND age == 4",
        # expressions
        "SELECT CASE WHEN age > 3 THEN 'old' WHEN age IS NULL THEN NULL ELSE 'new' END AS kind FROM singer",
        "SELECT CASE age WHEN 1 THEN 'one' END, CAST(age AS REAL) / 2, -age, age * -1 FROM singer",
        "SELECT CAST(SUM(age) AS FLOAT) * 100.0 / COUNT(*), CAST(age AS DECIMAL(10, 2)) FROM singer",
        "SELECT Name || ' (' || age || ')', age % 2 - 1 + (id - 3) FROM singer",
        "SELECT age > 3, sum(age > 3), sum(CASE WHEN age > 3 THEN 1 ELSE 0 END) FROM singer",
        "SELECT strftime('%Y-%m', Name), date('now', '-30 days'), CURRENT_DATE, max(age, 3) FROM singer",
        "SELECT IIF(age > 3, 'a', 'b'), coalesce(Name, '', 'x'), round(age / 2.0, 1), substr(Name, 1, 2) FROM singer",
        "SELECT (SELECT count(*) FROM singer) * 100.0 / (SELECT count(*) FROM concert)",
        # aggregates and windows
        "SELECT count(DISTINCT Name), group_concat(Name, '; '), avg(age) FILTER (WHERE age > 3) FROM singer",
        "SELECT max(count(*)) OVER (), sum(sum(age)) OVER (ORDER BY age) FROM singer GROUP BY age",
        "SELECT Name, rank() OVER (PARTITION BY age ORDER BY id DESC) AS r FROM singer ORDER BY r",
        "SELECT lag(age, 1, 0) OVER (ORDER BY id), ntile(4) OVER (ORDER BY age NULLS LAST) FROM singer",
        "SELECT sum(age) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), "
        "avg(age) OVER (PARTITION BY Name ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), "
        "count(*) OVER (ORDER BY id RANGE BETWEEN 3 PRECEDING AND 3 FOLLOWING) FROM singer",
        # joins, nested queries, set operations
        "SELECT Name FROM singer LEFT OUTER JOIN concert ON singer.id = singer_id AND year = 2020",
        "SELECT a.Name FROM singer a INNER JOIN singer b ON a.id = b.id NATURAL JOIN concert",
        "SELECT a.Name FROM (SELECT Name FROM singer) AS a, concert",
        "SELECT avg(num_songs) FROM (SELECT age, count(*) AS num_songs FROM singer GROUP BY age)",
        "SELECT sub.Name, sub.concert_count FROM (SELECT s.Name, count(*) AS concert_count FROM singer AS s "
        "JOIN concert AS c ON s.id = c.singer_id GROUP BY s.id) AS sub WHERE sub.concert_count > 3 ORDER BY concert_count",
        "SELECT s.Name FROM singer AS s JOIN (SELECT singer_id, max(year) AS newest FROM concert GROUP BY singer_id) "
        "AS latest ON s.id = latest.singer_id WHERE newest = 2020",
        "SELECT count(*) AS busy FROM singer GROUP BY age HAVING busy > 2 ORDER BY busy DESC NULLS FIRST",
        'SELECT age AS "Years of Age", count(*) AS "n" FROM singer GROUP BY 1 ORDER BY 2 DESC LIMIT 1, 2',
        "SELECT count(DISTINCT Name) FROM singer INTERSECT SELECT Name FROM singer UNION ALL SELECT 1 EXCEPT SELECT 2",
        "SELECT Name FROM singer UNION SELECT \"Home Town\" FROM concert ORDER BY Name LIMIT 3",
        # common table expressions
        "WITH recent AS (SELECT * FROM concert WHERE year > 2000), busy AS (SELECT singer_id, count(*) AS gigs "
        "FROM recent GROUP BY singer_id) SELECT s.Name, busy.gigs FROM singer AS s JOIN busy ON s.id = busy.singer_id "
        "WHERE gigs = (SELECT max(gigs) FROM busy)",
        "WITH monthly AS (SELECT year, count(*) AS gigs FROM concert GROUP BY year)\n"
        "SELECT year, gigs - lag(gigs) OVER (ORDER BY year) AS growth FROM monthly ORDER BY year",
        "WITH RECURSIVE years(y) AS (SELECT 2000 UNION ALL SELECT y + 1 FROM years WHERE y < 2020) "
        "SELECT y, count(id) FROM years LEFT JOIN concert ON year = y GROUP BY y",
    ],
)  # fmt: skip
def test_every_kind_of_query_is_accepted_and_compiles(
    accepts: Accepts, database: Any, sql: str
) -> None:
    assert accepts(sql)
    database.execute(f"EXPLAIN {sql}")


@pytest.mark.skipif(not MODERN, reason="this SQLite is too old")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT Name FROM singer FULL OUTER JOIN concert ON singer.id = singer_id",
        "SELECT Name FROM singer RIGHT JOIN concert USING (id)",
        "SELECT Name FROM singer WHERE age IS DISTINCT FROM 3 AND age IS NOT DISTINCT FROM id",
    ],
)
def test_what_newer_versions_of_sqlite_read(accepts: Accepts, database: Any, sql: str) -> None:
    assert accepts(sql)
    database.execute(f"EXPLAIN {sql}")


def test_a_grammar_reads_what_its_tokenizer_writes(
    generator_of: Callable[..., Decoder],
) -> None:
    for kind in ("plain", "metaspace"):
        tokenizer = generator_of("llama", kind).vocabulary.tokenizer
        engine = GrammarEngine(tokenizer, len(tokenizer), [tokenizer.eos_token_id])
        matcher = engine.matcher(sql_grammar(SCHEMA))
        sql = "SELECT Name FROM singer WHERE Name IS NULL"
        ids = tokenizer(sql, add_special_tokens=False)["input_ids"]
        assert matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


TRICKY = [
    *sorted(KEYWORDS),
    *"count Rank not_null isbn ordered select_all T1 2nd ñandú 日期 a-b a.b x;y ` \\n end_date".split(),
    *("nullable", "a b", 'q"uote', "it's"),
]


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(TRICKY), min_size=2, max_size=4, unique_by=str.lower),
    st.sampled_from(TRICKY),
)
def test_any_names_are_accepted_as_sqlite_reads_them(columns: list[str], table: str) -> None:
    schema = Schema("odd", (Table(table, tuple(map(Column, columns))),))
    accepts = by_bytes(schema)
    connection = sqlite3.connect(":memory:")
    quoted = [f'"{name}"'.replace('q"u', 'q""u') for name in (table, *columns)]
    connection.execute(f"CREATE TABLE {quoted[0]} ({', '.join(quoted[1:])})")
    alias = "T2" if table == "T1" else "T1"
    for names in (quoted, [quote_identifier(name) for name in (table, *columns)]):
        t, a, b = names[:3]
        for sql in (
            f"SELECT {a}, {t}.{b}, {alias}.{a} FROM {t} AS {alias}, {t} WHERE {alias}.{a} IS {b} AND NOT {b} IN ({a})",
            f"SELECT CASE {a} WHEN {b} THEN {a} END, count(DISTINCT {b}) FROM {t} GROUP BY {a}, {b} ORDER BY {b}",
            f"SELECT max({a}) OVER (PARTITION BY {b} ORDER BY {a} DESC) FROM {t} WHERE {a} BETWEEN {b} AND {a}",
        ):
            assert accepts(sql), sql
            try:
                connection.execute(f"EXPLAIN {sql}")
            except sqlite3.OperationalError as error:
                assert "ambiguous" in str(error) or "no such column" in str(error), sql
    connection.close()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12))
@settings(max_examples=15)
def test_any_column_name_makes_a_grammar_that_accepts_it(name: str) -> None:
    accepts = by_bytes(Schema("odd", (Table("t", (Column(name),)),)))
    quoted = name.replace('"', '""')
    assert accepts(f'SELECT "{quoted}" FROM t')
    assert quote_identifier(name) != name or accepts(f"SELECT {name} FROM t")


def test_a_schema_without_columns_has_no_grammar() -> None:
    with pytest.raises(ModelError, match="'empty' has no columns"):
        sql_grammar(Schema("empty", (Table("t", ()),)))


def test_random_statements_compile() -> None:
    """Every error left is of a name out of scope, which no grammar without context can know."""
    path = Path(__file__).parents[2] / "benchmarks" / "grammar.py"
    spec = importlib.util.spec_from_file_location("grammar_benchmark", path)
    assert spec and spec.loader
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    compiled = 0
    for seed, ddl in enumerate(benchmark.SAMPLE_SCHEMAS):
        connection = sqlite3.connect(":memory:")
        connection.executescript(ddl)
        drawn = benchmark.samples(benchmark.schema_of(connection, "samples"), seed + 10)
        for sql in islice(drawn, 25):
            error = benchmark.error_of(connection, sql)
            assert not error or re.search(benchmark.SCOPE, error), f"{error}: {sql}"
            compiled += not error
        connection.close()
    assert compiled > 5

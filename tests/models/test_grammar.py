from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer, models

from txt2sql.errors import ModelError
from txt2sql.identifiers import KEYWORDS, quote_identifier
from txt2sql.models.decoder import Decoder, GrammarEngine
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.tokenizer import Vocabulary
from txt2sql.types import Column, Prompt, Sampling, Schema, Table

NAMES = {
    "singer": ("id", "Name", "age", "number_of_songs"),
    "concert": ("id", "singer_id", "Home Town", "year"),
    "order": ("total_price", "2nd", "größe", "group"),
    "top_singers": ("Name",),
}
SCHEMA = Schema("music", tuple(Table(t, tuple(map(Column, names))) for t, names in NAMES.items()))
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


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for table, columns in NAMES.items():
            listed = ", ".join(f'"{column}"' for column in columns)
            connection.execute(f'CREATE TABLE "{table}" ({listed})')
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        # names
        "SELECT salary FROM singer",
        "SELECT name FROM singer",
        "SELECT Name FROM singer WHERE num_songs > 3",
        "SELECT Name FROM sqlite_master",
        "SELECT total_price FROM order",
        'SELECT 2nd FROM "order"',
        "SELECT `Name` FROM singer",
        # text in double quotes, and a name in single ones
        'SELECT Name FROM singer WHERE Name = "Anna"',
        "SELECT Name AS 'Anna' FROM singer",
        # other statements
        "SELECT Name FROM singer; DROP TABLE singer",
        "WITH x AS (SELECT Name FROM singer) DELETE FROM singer",
        # functions
        "SELECT load_extension('x') FROM singer",
        "SELECT substr(Name) FROM singer",
        "SELECT upper(DISTINCT Name) FROM singer",
        # where aggregates and windows may stand
        "SELECT Name FROM singer WHERE count(*) > 1",
        "SELECT Name FROM singer ORDER BY count(*) DESC",
        "SELECT Name FROM singer GROUP BY Name HAVING rank() OVER (ORDER BY age) = 1",
        # joins and shapes
        "SELECT Name FROM singer JOIN concert",
        "SELECT Name FROM singer WHERE id IN (SELECT * FROM concert)",
        "SELECT Name FROM singer HAVING count(*) > 1",
        "SELECT Name FROM singer LIMIT 3 UNION SELECT Name FROM singer",
        "",
        # literals, space, comments
        "SELECT Name FROM singer WHERE Name = 'it's'",
        "SELECT Name FROM singer WHERE Name = '" + "x" * 200 + "'",
        "SELECT" + "\n" + " " * 50 + "Name FROM singer",
        "SELECT Name FROM singer WHERE age = 1AND id = 2",
        "Select Name From singer",
    ],
)
def test_what_is_not_over_this_schema_is_refused(accepts: Accepts, sql: str) -> None:
    assert not accepts(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select Name from singer where age >= 3.5",
        "SELECT *\nFROM singer\n  LEFT JOIN concert USING (id)\nWHERE age = -1",
        "SELECT DISTINCT T1.Name, count(*) FROM singer AS T1 JOIN concert AS T2 ON T1.id = T2.singer_id "
        "WHERE T1.Name LIKE '%it''s%' GROUP BY T1.Name HAVING count(*) > 1 "
        "ORDER BY count(*) DESC LIMIT 3 OFFSET 1",
        # names
        'SELECT "Home Town", c."Home Town" FROM concert AS c',
        'SELECT total_price, "2nd", "größe", "group" FROM "order"',
        # conditions
        "SELECT Name FROM singer WHERE age > (SELECT avg(age) FROM singer) AND id NOT IN "
        "(SELECT singer_id FROM concert) OR age BETWEEN 1 AND 2 OR Name IN ('a', 'b') OR age IS NOT NULL",
        "SELECT Name FROM singer WHERE NOT EXISTS (SELECT * FROM concert WHERE singer_id = singer.id)",
        "SELECT Name FROM singer WHERE Name LIKE 'a!%' ESCAPE '!' OR Name NOT GLOB 'a*'",
        "SELECT Name FROM singer WHERE Name = 'anna' COLLATE NOCASE ORDER BY Name COLLATE BINARY",
        "SELECT Name FROM singer WHERE age = TRUE AND id > 1e3 AND id < 1.5E-2 AND age != 3 AND age == 4",
        # expressions
        "SELECT CASE WHEN age > 3 THEN 'old' WHEN age IS NULL THEN NULL ELSE 'new' END AS kind FROM singer",
        "SELECT CASE age WHEN 1 THEN 'one' END, CAST(age AS DECIMAL(10, 2)) / 2, -age, age * -1 FROM singer",
        "SELECT strftime('%Y-%m', Name), date('now', '-30 days'), CURRENT_DATE, max(age, 3) FROM singer",
        "SELECT IIF(age > 3, 'a', 'b'), coalesce(Name, '', 'x'), round(age / 2.0, 1), substr(Name, 1, 2) FROM singer",
        # aggregates and windows
        "SELECT count(DISTINCT Name), group_concat(Name, '; '), avg(age) FILTER (WHERE age > 3) FROM singer",
        "SELECT max(count(*)) OVER (), sum(sum(age)) OVER (ORDER BY age) FROM singer GROUP BY age",
        "SELECT lag(age, 1, 0) OVER (ORDER BY id), rank() OVER (PARTITION BY age ORDER BY id NULLS LAST) FROM singer",
        "SELECT sum(age) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), "
        "avg(age) OVER (PARTITION BY Name ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM singer",
        # joins, nested queries, set operations
        "SELECT sub.Name, sub.concert_count FROM (SELECT s.Name, count(*) AS concert_count FROM singer AS s "
        "JOIN concert AS c ON s.id = c.singer_id GROUP BY s.id) AS sub WHERE sub.concert_count > 3 ORDER BY concert_count",
        "SELECT s.Name FROM singer AS s JOIN (SELECT singer_id, max(year) AS newest FROM concert GROUP BY singer_id) "
        "AS latest ON s.id = latest.singer_id WHERE newest = 2020",
        'SELECT age AS "Years of Age", count(*) AS n FROM singer GROUP BY 1 HAVING n > 2 ORDER BY 2 DESC LIMIT 1, 2',
        "SELECT count(DISTINCT Name) FROM singer INTERSECT SELECT Name FROM singer UNION ALL SELECT 1 EXCEPT SELECT 2",
        'SELECT Name FROM singer UNION SELECT "Home Town" FROM concert ORDER BY Name LIMIT 3',
        # common table expressions
        "WITH recent AS (SELECT * FROM concert WHERE year > 2000), busy AS (SELECT singer_id, count(*) AS gigs "
        "FROM recent GROUP BY singer_id) SELECT s.Name, busy.gigs FROM singer AS s JOIN busy ON s.id = busy.singer_id "
        "WHERE gigs = (SELECT max(gigs) FROM busy)",
        "WITH RECURSIVE years(y) AS (SELECT 2000 UNION ALL SELECT y + 1 FROM years WHERE y < 2020) "
        "SELECT y, count(id) FROM years LEFT JOIN concert ON year = y GROUP BY y",
        # what newer versions of SQLite read
        "SELECT Name FROM singer FULL OUTER JOIN concert ON singer.id = singer_id",
        "SELECT Name FROM singer RIGHT JOIN concert USING (id) WHERE age IS DISTINCT FROM 3",
    ],
)
def test_every_kind_of_query_is_accepted_and_compiles(
    accepts: Accepts, database: sqlite3.Connection, sql: str
) -> None:
    assert accepts(sql)
    if MODERN or not re.search("FULL|RIGHT", sql):
        database.execute(f"EXPLAIN {sql}")


TRICKY = [
    *sorted(KEYWORDS),
    *"count Rank not_null isbn ordered select_all T1 2nd ñandú 日期 a-b a.b x;y ` \\n end_date".split(),
    "nullable", "a b", 'q"uote', "it's",
]  # fmt: skip


@settings(max_examples=10)
@given(st.lists(st.sampled_from(TRICKY), min_size=3, max_size=4, unique_by=str.lower))
def test_any_names_are_accepted_as_sqlite_reads_them(names: list[str]) -> None:
    table, *columns = names
    accepts = by_bytes(Schema("odd", (Table(table, tuple(map(Column, columns))),)))
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    alias = "T2" if table == "T1" else "T1"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {quoted[0]} ({', '.join(quoted[1:])})")
        for t, a, b, *_ in (quoted, list(map(quote_identifier, names))):
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


def test_a_schema_without_columns_has_no_grammar() -> None:
    with pytest.raises(ModelError, match="'empty' has no columns"):
        sql_grammar(Schema("empty", (Table("t", ()),)))


Loaded = Callable[..., Decoder]
CHOICE = 'start: ("select" | "count") " " name\nname: "singer" | "age" | "a"\n'


def test_a_tokenizer_that_cannot_be_read_says_so() -> None:
    words = Tokenizer(models.WordPiece({"[SEP]": 0, "sing": 1, "##er": 2}))
    with pytest.raises(ModelError, match="ask it without a grammar"):
        GrammarEngine(Vocabulary(words, [0]), 3)


@pytest.mark.parametrize("grammar", ["", "start: other", 'start: "a" |} "b"', 'a: "b"'])
def test_a_grammar_that_is_none_says_so(generator_of: Loaded, grammar: str) -> None:
    generator = generator_of("llama")
    with pytest.raises(ModelError, match="grammar"):
        generator.generate([Prompt("x", grammar=grammar)], Sampling(4))


@pytest.mark.parametrize("kind", ["plain", "metaspace"])
@pytest.mark.parametrize(
    "sampling",
    [Sampling(20), Sampling(20, beams=4), Sampling(20, n=6, temperature=2.0)],
    ids=["greedy", "beams", "samples"],
)
def test_only_the_language_comes_out(generator_of: Loaded, kind: str, sampling: Sampling) -> None:
    generator = generator_of("llama", kind)
    number = 'start: "-"? /[1-9][0-9]?/ " " /[a-c]/'
    prompts = [Prompt("one", grammar=CHOICE), Prompt("two", grammar=number), Prompt("three")]
    first, second, third = generator.generate(prompts, sampling)
    assert first and second and third
    for completion in first:
        assert re.fullmatch("(select|count) (singer|age|a)", completion.text.strip())
    for completion in second:
        assert re.fullmatch("-?[1-9][0-9]? [a-c]", completion.text.strip())
    free = generator.generate([Prompt("three")], sampling)[0]
    if sampling.temperature == 0:
        assert [c.text for c in free] == [c.text for c in third]

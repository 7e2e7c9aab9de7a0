from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.errors import ModelError
from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.hf import HFGenerator
from txt2sql.types import Column, Prompt, Sampling, Schema, Table

SCHEMA = Schema(
    "music",
    (
        Table("singer", (Column("id"), Column("Name"), Column("age"), Column("number_of_songs"))),
        Table("concert", (Column("id"), Column("singer_id"), Column("Home Town"))),
        Table("order", (Column("total_price"),)),
    ),
)
Accepts = Callable[[str], bool]


@pytest.fixture(scope="module")
def accepts(generator_of: Callable[..., HFGenerator]) -> Accepts:
    return acceptor(generator_of("llama").tokenizer, sql_grammar(SCHEMA))


def acceptor(tokenizer: Any, grammar: str) -> Accepts:
    engine = GrammarEngine(tokenizer, len(tokenizer), [tokenizer.eos_token_id])

    def accepted(sql: str) -> bool:
        matcher = engine.matcher(grammar)
        ids = tokenizer(sql, add_special_tokens=False)["input_ids"]
        return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()

    return accepted


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT salary FROM singer",
        "SELECT name FROM band",
        "SELECT singer.singer_id FROM singer",
        "SELECT T1.salary FROM singer AS T1",
        "SELECT name FROM singer WHERE nam = 'x'",
        "SELECT name FROM singer ORDER BY fame",
        'SELECT name FROM singer WHERE name = "Anna"',
        "SELECT name FROM sqlite_master",
        "SELECT name FROM singer; DROP TABLE singer",
        "DELETE FROM singer",
        "PRAGMA table_info(singer)",
        "SELECT load_extension('x') FROM singer",
        "SELECT randomblob(1000000000) FROM singer",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT name FROM singer WHERE name = 'it's'",
        "SELECT name FROM singer WHERE name = '" + "x" * 200 + "'",
        "SELECT name FROM singer WHERE (age = 1",
        "SELECT name FROM",
        "SELECT FROM singer",
        "SELECTname FROM singer",
        "SELECT total_price FROM order",
        "SELECT age --1 FROM singer",
        "SELECT age - -id FROM singer",
        "SELECT age /* 1 */ FROM singer",
        "",
    ],
)
def test_what_is_not_over_this_schema_is_refused(accepts: Accepts, sql: str) -> None:
    assert not accepts(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM singer",
        "select NAME from SINGER where Age >= 3.5",
        "SELECT DISTINCT T1.name, count(*) FROM singer AS T1 JOIN concert AS T2 ON T1.id = T2.singer_id "
        "WHERE T1.name LIKE '%it''s%' GROUP BY T1.name HAVING count(*) > 1 "
        "ORDER BY count(*) DESC LIMIT 3 OFFSET 1",
        'SELECT "Home Town", concert."home town" FROM concert',
        'SELECT total_price FROM "order"',
        "SELECT number_of_songs FROM singer LIMIT 1;",
        "SELECT count(DISTINCT name) FROM singer INTERSECT SELECT name FROM singer UNION ALL SELECT 1 FROM singer",
        "SELECT name FROM singer WHERE age > (SELECT avg(age) FROM singer) AND id NOT IN "
        "(SELECT singer_id FROM concert) OR age BETWEEN 1 AND 2 OR name IN ('a', 'b') OR age IS NOT NULL",
        "SELECT name FROM singer WHERE NOT EXISTS (SELECT * FROM concert WHERE singer_id = singer.id)",
        "SELECT CASE WHEN age > 3 THEN 'old' ELSE 'new' END, CAST(age AS REAL) / 2 FROM singer",
        "SELECT name, rank() OVER (PARTITION BY age ORDER BY id DESC) FROM singer",
        "SELECT count(*) AS num_singers FROM singer GROUP BY age ORDER BY num_singers DESC",
        "SELECT a.name FROM (SELECT name FROM singer) AS a, concert",
        "SELECT *\nFROM singer\n  LEFT JOIN concert USING (id)\nWHERE age = -1",
        "SELECT s.* FROM singer s WHERE upper(name) = 'ANNA' AND substr(name, 1, 2) = 'An'",
    ],
)
def test_usual_queries_are_accepted_in_any_case(accepts: Accepts, sql: str) -> None:
    assert accepts(sql)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), st.data())
def test_any_column_name_makes_a_grammar(name: str, data: st.DataObject) -> None:
    schema = Schema(
        "odd", (Table(data.draw(st.sampled_from(["t", "a b", 'q"'])), (Column(name),)),)
    )
    assert "root ::=" in sql_grammar(schema)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("SELECT age FROM singer", True),
        ("-- the age\n--of each\nSELECT age FROM singer", True),
        ("-- one\n-- two\n-- three\nSELECT age FROM singer", False),
        ("-- the age SELECT age FROM singer", False),
        ("-- the age; all\nSELECT age FROM singer", False),
        ("The age\nSELECT age FROM singer", False),
        ("-- the age\nSELECT fame FROM singer", False),
    ],
)
def test_thoughts_come_before_a_query_where_asked(
    generator_of: Callable[..., HFGenerator], text: str, right: bool
) -> None:
    accepts = acceptor(generator_of("llama").tokenizer, sql_grammar(SCHEMA, thoughts=2))
    assert accepts(text) is right


def test_a_schema_without_columns_has_no_grammar() -> None:
    with pytest.raises(ModelError, match="'empty' has no columns"):
        sql_grammar(Schema("empty", (Table("t", ()),)))


@pytest.mark.parametrize("kind", ["plain", "metaspace"])
def test_random_weights_write_sql_that_prepares(
    generator_of: Callable[..., HFGenerator], kind: str
) -> None:
    grammar = sql_grammar(SCHEMA)
    generator = generator_of("llama", kind)
    prompts = [Prompt(f"question {i}", "ddl", grammar=grammar) for i in range(4)]
    sampling = Sampling(max_new_tokens=100, n=8, temperature=2.0, seed=3)
    completions = [c for found in generator.generate(prompts, sampling) for c in found]
    written = [c.text for c in completions if c.completion_tokens < sampling.max_new_tokens]
    assert len(written) >= 3
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        'CREATE TABLE singer (id, Name, age, number_of_songs); CREATE TABLE "order" (total_price);'
        'CREATE TABLE concert (id, singer_id, "Home Town")'
    )
    for sql in written:
        try:
            connection.execute(f"EXPLAIN {sql}")
        except sqlite3.OperationalError as error:
            # What a context-free grammar cannot know: scopes, and where aggregates are allowed.
            excused = (
                "no such column",
                "misuse of",
                "ambiguous column",
                "not unique",
                "same number",
            )
            excused += ("ORDER BY term", "GROUP BY term", "sub-select", "no tables", "cannot join")
            assert any(reason in str(error) for reason in excused), f"{error}: {sql}"
    connection.close()

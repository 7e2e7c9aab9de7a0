"""Training pairs: every view is answerable, and no two need be alike."""

from __future__ import annotations

import pickle
import random
import re
from pathlib import Path

import pytest

from txt2sql.sql.encode import encode, encode_template
from txt2sql.sql.intermediate import Unsupported, whole_links
from txt2sql.training.corpus import Corpus, texts
from txt2sql.training.prepare import open_source
from txt2sql.types import Column, ForeignKey, Links, Schema, Table


@pytest.fixture(scope="module")
def corpus(tiny_spider: Path) -> Corpus:
    return open_source(str(tiny_spider), "train").corpus


def test_inexpressible_gold_is_left_out_and_counted(corpus: Corpus) -> None:
    assert (len(corpus), corpus.unsupported) == (18, 6)


def test_held_out_databases_are_left_out(corpus: Corpus) -> None:
    left = corpus.where(lambda db_id: db_id != "shop_3")
    assert {item.example.db_id for item in left} == {f"shop_{n}" for n in (0, 1, 2, 4, 5)}
    assert len(left) == 15


def test_a_sample_is_the_same_every_time_and_in_order(corpus: Corpus) -> None:
    first, again = (corpus.sample(7, "seed") for _ in range(2))
    names = [item.example.id for item in first]
    assert names == [item.example.id for item in again]
    assert len(set(names)) == 7
    assert names == [item.example.id for item in corpus if item.example.id in names]
    assert corpus.sample(100, "seed") is corpus


def test_another_process_gets_the_same_corpus(corpus: Corpus) -> None:
    assert list(pickle.loads(pickle.dumps(corpus))) == list(corpus)


def test_every_view_holds_what_the_answer_points_at(corpus: Corpus) -> None:
    seen = set()
    for item in corpus:
        for seed in range(10):
            pair = item.draw(random.Random(seed), 60)
            assert pair is not None
            for symbol in re.findall(r"\[\w+\]", pair.answer):
                assert symbol in pair.prompt
            seen.add(pair.prompt)
    assert len(seen) > 30


def test_the_answer_is_the_gold_query(corpus: Corpus) -> None:
    pair = corpus[1].draw(random.Random(0), 200)
    assert pair is not None
    value = re.search(r"= Lisbon (\[v\d+\])", pair.prompt)
    assert value is not None
    shape = r"select \[c\d+\] from \[t\d+\] where \[c\d+\] = (\[v\d+\])"
    answer = re.fullmatch(shape, pair.answer)
    assert answer is not None and answer[1] == value[1]


def test_the_vocabulary_sees_questions_and_names(corpus: Corpus) -> None:
    lines = list(texts([corpus]))
    assert "How many shops are there?" in lines
    assert "shop id town size" in lines


def test_every_symbol_has_its_turn(corpus: Corpus) -> None:
    prompts = [corpus[0].draw(random.Random(seed), 60) for seed in range(300)]
    seen = {symbol for pair in prompts if pair for symbol in re.findall(r"\[c\d+\]", pair.prompt)}
    assert len(seen) > 150


SCHEMA = Schema(
    "music",
    (
        Table("singer", (Column("id", "number", True), Column("name"), Column("age", "number"))),
        Table("song", (Column("id", "number"), Column("title"), Column("singer_id", "number"))),
    ),
    (ForeignKey("song", "singer_id", "singer", "id"),),
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM singer",
        "SELECT name FROM singer WHERE age > 20 AND name = 'Abba' OR name = '20'",
        "SELECT T1.name FROM singer AS T1 JOIN song AS T2 ON T1.id = T2.singer_id",
        "SELECT name FROM singer WHERE name LIKE '%bb%' AND age NOT IN (20, -3)",
        "SELECT title FROM song WHERE NOT title LIKE 'Dancing Queen' LIMIT 3",
        "SELECT age FROM singer WHERE name NOT IN (SELECT title FROM song WHERE title = 'abba')",
        "SELECT count(*) FROM singer WHERE age BETWEEN 20 AND 30 GROUP BY age ORDER BY count(*) DESC",
        'SELECT name FROM singer WHERE name = "Abba" EXCEPT SELECT title FROM song',
    ],
)
@pytest.mark.parametrize("values", [(), ("Abba",), ("abba", "Abba", "20", "3"), ("BB", "-3")])
def test_a_template_filled_in_is_what_encoding_anew_gives(
    sql: str, values: tuple[str, ...]
) -> None:
    links = Links(
        ("song", "singer"),
        tuple((t, c) for t in ("song", "singer") for c in ("title", "singer_id", "name", "age", "id")),
        values,
    )  # fmt: skip
    filled = encode_template(sql, SCHEMA).answer(links, whole_links(SCHEMA))
    assert filled == encode(sql, SCHEMA, links)


def test_a_template_whose_column_is_not_in_the_prompt_is_unsupported() -> None:
    template = encode_template("SELECT age FROM singer", SCHEMA)
    with pytest.raises(Unsupported, match="age"):
        template.answer(Links(("singer",), (("singer", "id"),)), whole_links(SCHEMA))


def test_templates_of_real_training_queries(data_root: Path) -> None:
    corpus = open_source_sample(data_root)
    rng = random.Random(0)
    for item in corpus:
        whole = whole_links(item.schema)
        columns = rng.sample(whole.columns, len(whole.columns))
        values = tuple(match.value for match in item.matches)
        links = Links(whole.tables, tuple(columns), values)
        again = encode(item.example.gold_sql, item.schema, links)
        assert item.template.answer(links, whole) == again


def open_source_sample(data_root: Path) -> Corpus:
    """A few hundred real examples without preparing all of Spider."""
    from itertools import islice

    from txt2sql.data import open_dataset
    from txt2sql.training.corpus import Item, item_line, schema_line

    dataset = open_dataset("spider", data_root)
    schemas: dict[str, bytes] = {}
    lines = []
    for example in islice(dataset.examples("train"), 0, 7000, 29):
        schema = dataset.schema(example.db_id)
        schemas.setdefault(example.db_id, schema_line(schema))
        try:
            template = encode_template(example.gold_sql, schema)
        except Unsupported:
            continue
        item = Item(example, schema, (), template)
        lines.append(item_line(item, list(schemas).index(example.db_id)))
    assert len(lines) > 200
    return Corpus("spider/train", list(schemas.values()), lines)

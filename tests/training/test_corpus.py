"""Training pairs: every view is answerable, and no two need be alike."""

from __future__ import annotations

import random
import re
from pathlib import Path

from txt2sql.data import open_dataset
from txt2sql.training.corpus import load_corpus, texts


def test_inexpressible_gold_is_left_out_and_counted(tiny_spider: Path) -> None:
    corpus = load_corpus(open_dataset(tiny_spider), "train")
    assert (len(corpus.items), corpus.unsupported) == (18, 6)


def test_held_out_databases_are_not_read(tiny_spider: Path) -> None:
    corpus = load_corpus(open_dataset(tiny_spider), "train", keep=lambda db_id: db_id != "shop_3")
    assert {item.example.db_id for item in corpus.items} == {f"shop_{n}" for n in (0, 1, 2, 4, 5)}


def test_every_view_holds_what_the_answer_points_at(tiny_spider: Path) -> None:
    dataset = open_dataset(tiny_spider)
    seen = set()
    for item in load_corpus(dataset, "train").items:
        for seed in range(10):
            pair = item.draw(random.Random(seed), 60)
            assert pair is not None
            for symbol in re.findall(r"\[\w+\]", pair.answer):
                assert symbol in pair.prompt
            seen.add(pair.prompt)
    assert len(seen) > 30


def test_the_answer_is_the_gold_query(tiny_spider: Path) -> None:
    item = load_corpus(open_dataset(tiny_spider), "train").items[1]
    pair = item.draw(random.Random(0), 200)
    assert pair is not None
    value = re.search(r"= Lisbon (\[v\d+\])", pair.prompt)
    assert value is not None
    shape = r"select \[c\d+\] from \[t\d+\] where \[c\d+\] = (\[v\d+\])"
    answer = re.fullmatch(shape, pair.answer)
    assert answer is not None and answer[1] == value[1]


def test_the_vocabulary_sees_questions_and_names(tiny_spider: Path) -> None:
    lines = list(texts([load_corpus(open_dataset(tiny_spider), "train")]))
    assert "How many shops are there?" in lines
    assert "shop id town size" in lines


def test_every_symbol_has_its_turn(tiny_spider: Path) -> None:
    item = load_corpus(open_dataset(tiny_spider), "train").items[0]
    prompts = [item.draw(random.Random(seed), 60) for seed in range(300)]
    seen = {symbol for pair in prompts if pair for symbol in re.findall(r"\[c\d+\]", pair.prompt)}
    assert len(seen) > 150

"""Queries in words, and how likely a question is after one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.models.catalog import BUNDLED
from txt2sql.models.channel import (
    Channel,
    channel_folder,
    in_words,
    open_channel,
    question_logprobs,
)
from txt2sql.models.hf import HFGenerator
from txt2sql.types import Column, ForeignKey, Schema, Table

SCHEMA = Schema(
    "shops",
    (
        Table(
            "str",
            (Column("str_id", "number", primary_key=True, words="store id"), Column("nm", words="name")),
            words="store",
        ),
        Table("emp", (Column("str_id", "number"), Column("fname", words="first name")), words="employee"),
    ),
    (ForeignKey("emp", "str_id", "str", "str_id"),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nm FROM str", "select name from store"),
        ("SELECT T1.nm FROM str AS T1 WHERE T1.nm = 'The Bear'", "select name from store where name = the bear"),
        (
            "SELECT nm FROM str JOIN emp ON str.str_id = emp.str_id WHERE fname = 'Al'",
            "select store name from store join employee where employee first name = al",
        ),
        ("SELECT CASE WHEN 1 THEN 2 END FROM  Str", "select case when 1 then 2 end from str"),
        ("no SQL at all (", "no sql at all ("),
        (f"SELECT 1 WHERE {' AND '.join(['1'] * 3000)}", f"select 1 where {' and '.join(['1'] * 3000)}"),
    ],
)  # fmt: skip
def test_a_query_is_read_in_the_words_that_people_use(sql: str, words: str) -> None:
    assert in_words(sql, SCHEMA) == words


@given(st.text(max_size=60))
def test_whatever_a_model_writes_has_words(sql: str) -> None:
    assert isinstance(in_words(sql, SCHEMA), str)


@pytest.mark.parametrize(
    ("architecture", "prefix"),
    [("phi", False), ("llama", False), ("mistral", False), ("qwen2", False), ("bert", False), ("bert", True)],
)  # fmt: skip
def test_a_batch_gives_what_each_row_alone_gives(
    architecture: str, prefix: bool, generator_of: Callable[..., HFGenerator]
) -> None:
    model = generator_of(architecture).model
    model.config.prefix_lm = prefix
    rows = [([5, 6, 7], [8, 9]), ([5, 6, 7, 8, 9, 10], [11]), ([4], [5, 6, 7, 2])]
    try:
        with torch.no_grad():
            sums, counts = question_logprobs(model, rows)
            alone = [float(question_logprobs(model, [row])[0]) for row in rows]
            assert sums.tolist() == pytest.approx(alone, abs=1e-4)
            assert counts.tolist() == [2, 1, 4]
            if not prefix:  # and what a plain forward pass says
                asked, said = rows[0]
                logits = model(input_ids=torch.tensor([[*asked, *said]])).logits[0].log_softmax(-1)
                plain = sum(
                    float(logits[len(asked) - 1 + i, token]) for i, token in enumerate(said)
                )
                assert alone[0] == pytest.approx(plain, abs=1e-4)
    finally:
        model.config.prefix_lm = False


def test_scores_come_in_the_order_of_the_queries(generator_of: Callable[..., HFGenerator]) -> None:
    found = generator_of("phi")
    channel = Channel(found.model, found.tokenizer)
    queries = [
        "SELECT count(*) FROM emp",
        "SELECT nm FROM str",
        "SELECT nm FROM str AS x",
        "SELECT 1",
    ]
    scores = channel.scores("How many employees?", queries, SCHEMA)
    turned = channel.scores("How many employees?", queries[::-1], SCHEMA)
    assert scores == pytest.approx(turned[::-1], abs=1e-4)
    assert scores[1] == scores[2]  # the same words
    assert max(scores) < 0
    assert channel.scores("How many?", [], SCHEMA) == []


def test_an_adapter_has_the_one_of_its_base(tmp_path: Path) -> None:
    assert channel_folder(None) is None
    assert channel_folder(tmp_path) is None
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "bundled"}')
    assert channel_folder(tmp_path) == BUNDLED / "channel"


def test_the_bundled_one_reads_back_what_an_answer_leaves_out() -> None:
    channel = open_channel(BUNDLED)
    assert channel is not None
    people = Schema("p", (Table("people", (Column("Name"), Column("Height"), Column("Weight"))),))
    question = "What are the names of people who have a height greater than 200 or less than 190?"
    right = "SELECT Name FROM people WHERE Height > 200 OR Height < 190"
    for wrong in (
        "SELECT Name FROM people WHERE Height > 200",
        "SELECT Name, Weight FROM people WHERE Height > 200 OR Height < 190",
        "SELECT count(*) FROM people WHERE Height > 200 OR Height < 190",
    ):
        scores = channel.scores(question, [right, wrong], people)
        assert scores[0] > scores[1] + 1, wrong

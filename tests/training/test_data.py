"""What fine-tuning learns from: exactly what is asked in inference, whole, and from the right databases."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from txt2sql.data import open_dataset
from txt2sql.errors import ConfigError
from txt2sql.models import torch_engine
from txt2sql.training.data import (
    Batches,
    ValidationSet,
    draw_batches,
    is_held_out,
    open_train_sets,
)
from txt2sql.training.settings import SFTConfig


def config(data: Path, **changes: object) -> SFTConfig:
    base = SFTConfig(datasets=(str(data),), held_out=0.2, batch_tokens=2048)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def examples(batches: Batches) -> list[tuple[list[int], list[int]]]:
    placed = (each for group in batches.groups for row in group for each in row)
    return [(list(prompt), list(answer)) for prompt, answer, _ in placed]


@pytest.mark.parametrize("chat", [False, True])
def test_an_example_is_what_inference_asks_and_the_gold_query(
    chat: bool, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    generator = torch_engine.load(tiny_lm("llama", chat), device="cpu")
    tokenizer = generator.vocabulary.tokenizer
    (train_set,) = open_train_sets(config(tiny_spider, measured=0), tokenizer)
    dataset = open_dataset(tiny_spider)
    questions = list(dataset.examples("train"))
    assert train_set.size == len(questions)
    predictor = ValidationSet(dataset, questions).predictor(generator)
    for position in (1, 2):
        prompt, answer = train_set.tokens(position)
        assert list(prompt) == generator.encode(predictor.prompt(questions[position]))[0]
        assert answer[-1] == tokenizer.eos_token_id
        text = tokenizer.decode(answer[:-1])
        assert text.startswith("SELECT") and "<" not in text
    assert "town = 'Lisbon'" in tokenizer.decode(train_set.tokens(1)[1])
    assert "shop.town = 'Lisbon'" in tokenizer.decode(train_set.tokens(1)[0])


def test_what_is_too_long_is_counted_and_left_out_never_cut(
    tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm("llama"))
    plan = config(tiny_spider, measured=0, epochs=1)
    sets = open_train_sets(plan, tokenizer)
    lengths = sorted(len(p) + len(a) for p, a in map(sets[0].tokens, range(24)))
    batches = draw_batches(sets, plan, longest=lengths[11])
    assert batches.too_long == sum(length > lengths[11] for length in lengths) > 0
    assert batches.longest <= lengths[11]
    assert all(answer[-1] == tokenizer.eos_token_id for _, answer in examples(batches))
    said = batches.describe(lengths[11])
    assert f"{batches.too_long} of more than {lengths[11]} tokens" in said
    with pytest.raises(ConfigError, match="max_length"):
        draw_batches(sets, plan, longest=5)


def test_databases_that_validate_are_not_trained_on(
    tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm())
    held = {f"shop_{n}" for n in range(6) if is_held_out(f"shop_{n}", 0.5)}
    assert 0 < len(held) < 6
    (half,) = open_train_sets(config(tiny_spider, held_out=0.5), tokenizer)
    assert {example.db_id for example in half.validation.examples} == held
    assert half.size == (6 - len(held)) * 4
    for changes, sizes in (
        ({"held_out": 0.5, "limit": 5, "measured": 2}, (5, 2)),
        ({"measure_split": "train", "measured": 7}, (24, 7)),
        ({"held_out": 1.0}, (24, 0)),
    ):
        (made,) = open_train_sets(config(tiny_spider, **changes), tokenizer)
        assert (made.size, len(made.validation.examples)) == sizes

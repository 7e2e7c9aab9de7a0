"""What fine-tuning learns from: exactly what is asked in inference, whole, and from the right databases."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from txt2sql.data import open_dataset
from txt2sql.errors import ConfigError, DataError
from txt2sql.models import torch_engine
from txt2sql.training.selection import Measured, _predictor, is_held_out
from txt2sql.training.sft_data import Lessons, draw_rows, kept_rows, open_data
from txt2sql.training.sft_settings import SFTConfig


def config(data: Path, **changes: object) -> SFTConfig:
    base = SFTConfig(datasets=(str(data),), held_out=0.2, batch_tokens=2048, packing=False)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("chat", [False, True])
def test_an_example_is_what_inference_asks_and_the_gold_query(
    chat: bool, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    generator = torch_engine.load(tiny_lm("llama", chat), device="cpu")
    tokenizer = generator.vocabulary.tokenizer
    (lessons,) = open_data(config(tiny_spider, measured=0), tokenizer)
    dataset = open_dataset(tiny_spider)
    examples = list(dataset.examples("train"))
    assert lessons.size == len(examples)
    asked = Measured("tiny", examples, dataset.schema, dataset.database)
    for position in (1, 2):
        prompt, answer = lessons.row(position)
        assert (
            prompt == generator.encode(_predictor(generator, asked).prompt(examples[position]))[0]
        )
        assert answer[-1] == tokenizer.eos_token_id
        said = tokenizer.decode(answer[:-1])
        assert said.startswith("SELECT") and "<" not in said
    assert "town = 'Lisbon'" in tokenizer.decode(lessons.row(1)[1])
    assert "shop.town = 'Lisbon'" in tokenizer.decode(lessons.row(1)[0])


def test_epochs_are_all_examples_in_another_order(
    tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm())
    plan = config(tiny_spider, measured=0, epochs=2.5, batch_tokens=256)
    lessons = open_data(plan, tokenizer)
    rows, again = (draw_rows(lessons, plan, longest=1024) for _ in range(2))
    assert rows.examples == 24 + 24 + 12
    assert list(rows.batches["input_ids"]) == list(again.batches["input_ids"])
    assert rows.tokens == sum(map(len, rows.batches["input_ids"]))
    assert rows.answer_tokens == rows.tokens - sum(map(sum, rows.batches["prompts"]))
    other = draw_rows(lessons, dataclasses.replace(plan, seed=1), longest=1024)
    assert list(rows.batches["input_ids"]) != list(other.batches["input_ids"])
    few = draw_rows(lessons, dataclasses.replace(plan, max_steps=40, accumulate=2), longest=1024)
    assert len(few.batches) >= 80


def test_what_is_too_long_is_counted_and_left_out_never_cut(
    tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm("llama"))
    plan = config(tiny_spider, measured=0, epochs=1)
    lessons = open_data(plan, tokenizer)
    lengths = sorted(len(p) + len(a) for p, a in (lessons[0].row(i) for i in range(24)))
    rows = draw_rows(lessons, plan, longest=lengths[11])
    assert rows.too_long == sum(length > lengths[11] for length in lengths) > 0
    assert rows.longest <= lengths[11]
    for ids, ends in zip(rows.batches["input_ids"], rows.batches["lengths"]):
        assert ids[-1] == tokenizer.eos_token_id and len(ids) == sum(ends)
    assert f"{rows.too_long} of more than {lengths[11]} tokens" in rows.describe(lengths[11])
    with pytest.raises(ConfigError, match="max_length"):
        draw_rows(lessons, plan, longest=5)


def test_databases_that_measure_are_not_trained_on(
    tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm())
    held = {f"shop_{n}" for n in range(6) if is_held_out(f"shop_{n}", 0.5)}
    (lessons,) = open_data(config(tiny_spider, held_out=0.5), tokenizer)
    assert 0 < len(held) < 6
    assert {example.db_id for example in lessons.measured.examples} == held
    assert lessons.size == (6 - len(held)) * 4
    (limited,) = open_data(config(tiny_spider, held_out=0.5, limit=5, measured=2), tokenizer)
    assert (limited.size, len(limited.measured.examples)) == (5, 2)
    (all_of_it,) = open_data(config(tiny_spider, measure_split="train", measured=7), tokenizer)
    assert (all_of_it.size, len(all_of_it.measured.examples)) == (6 * 4, 7)
    (none_left,) = open_data(config(tiny_spider, held_out=1.0), tokenizer)
    assert none_left.size == 6 * 4


def test_other_data_sets_are_drawn_to_fit_the_first() -> None:
    measured = Measured("x", (), lambda db_id: None, lambda db_id: None)  # type: ignore[arg-type, return-value]
    first = Lessons("first", 10, lambda position: ([7, position + 10], [2]), measured)
    second = Lessons("second", 100, lambda position: ([8, position + 10], [2]), measured)
    plan = SFTConfig(datasets=("a", "b"), shares=(0.25, 0.75), epochs=4, packing=True)
    rows = draw_rows([first, second], plan, longest=64)
    pairs = [
        tuple(ids[i : i + 2]) for ids in rows.batches["input_ids"] for i in range(0, len(ids), 3)
    ]
    assert sum(kind == 7 for kind, _ in pairs) == 40
    of_second = [token for kind, token in pairs if kind == 8]
    assert len(of_second) == 120
    assert len(set(of_second)) == 100  # all were seen before one is seen again


def test_rows_are_drawn_once(
    tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm())
    plan = config(tiny_spider, measured=0, epochs=1)
    lessons = open_data(plan, tokenizer)
    (tmp_path / ".rows.part").mkdir()  # a kill left it half-written
    made = kept_rows(tmp_path / "rows", lambda: draw_rows(lessons, plan, longest=1024))

    def never() -> object:
        raise AssertionError

    read = kept_rows(tmp_path / "rows", never)  # type: ignore[arg-type]
    assert list(read.batches) == list(made.batches)
    assert (read.examples, read.epoch) == (made.examples, made.epoch)


def test_an_unknown_split_is_one_sentence(tiny_lm: Callable[..., Path], tiny_spider: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm("llama"))
    with pytest.raises(DataError, match="no split 'dev'"):
        open_data(config(tiny_spider, measure_split="dev"), tokenizer)

"""Pre-training: loss where it belongs, a fall in loss, and a killed run that goes on as if it had not been."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from txt2sql.data import open_dataset
from txt2sql.errors import ConfigError, ModelError
from txt2sql.runs import read_rows
from txt2sql.training.batches import answer_logits, batches
from txt2sql.training.corpus import Pair
from txt2sql.training.pretrain import (
    PretrainConfig,
    is_held_out,
    learning_rate,
    pretrain,
)
from txt2sql.training.tokenizer import build_tokenizer
from txt2sql.training.warm_start import warm_start

TOKENIZER = build_tokenizer(
    [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnop")]
)


def config(output: Path, data: Path, encoder: Path | str, **changes: object) -> PretrainConfig:
    base = PretrainConfig(
        output=str(output), encoder=str(encoder), datasets=(str(data),), shares=(1.0,),
        held_out=0.2, batch_tokens=512, max_steps=8, warmup_steps=2, checkpoint_every=4,
        measure_every=100, learning_rate=1e-2, bf16=False, threads=1, pool=32, log_every=10,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def quiet(line: str) -> None:
    """Nothing."""


def test_only_answers_and_their_end_are_learnt() -> None:
    pairs = [Pair("a b c", "d"), Pair("a", "e f")]
    ((inputs, labels),) = batches(pairs, TOKENIZER, 1_000, random.Random(0))
    learnt = {
        tuple(row[row != -100].tolist()) for row in labels
    }  # fmt: skip
    end = TOKENIZER.eos_token_id
    ids = TOKENIZER.convert_tokens_to_ids
    assert learnt == {(ids("▁d"), end), (ids("▁e"), ids("▁f"), end)}
    assert ((inputs == labels) | (labels == -100)).all()


def test_batches_hold_no_more_tokens_than_asked() -> None:
    pairs = [Pair("a " * n, "b") for n in range(1, 60)]
    made = batches(pairs, TOKENIZER, 200, random.Random(0))
    assert sum(len(inputs) for inputs, _ in made) == 59
    assert all(inputs.numel() <= 200 for inputs, _ in made)


def test_padding_changes_no_logit(tiny_encoder: Path) -> None:
    model, tokenizer = warm_start(tiny_encoder, ["how many shops"])
    model.eval()
    pairs = [Pair("how many shop ?", "select count"), Pair("which town " * 9, "from")]
    together = batches(pairs, tokenizer, 10_000, random.Random(0))
    alone = [
        batch for pair in pairs for batch in batches([pair], tokenizer, 9_999, random.Random(0))
    ]
    with torch.no_grad():
        joint, _ = answer_logits(model, *together[0])
        single = torch.cat([answer_logits(model, *batch)[0] for batch in alone])
    torch.testing.assert_close(joint, single, atol=1e-5, rtol=1e-4)


def test_an_encoder_lends_its_pieces(tiny_encoder: Path) -> None:
    model, tokenizer = warm_start(tiny_encoder, ["how many shops"])
    source = AutoModelForCausalLM.from_pretrained(tiny_encoder, is_decoder=True)
    pieces = (tiny_encoder / "vocab.txt").read_text().split("\n")
    row = source.get_input_embeddings().weight[pieces.index("shop")]
    assert torch.equal(
        model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("▁shop")], row
    )
    with pytest.raises(ModelError, match="vocab.txt"):
        warm_start(tiny_encoder / "nowhere", [])


def test_the_rate_warms_up_stays_and_decays() -> None:
    plan = PretrainConfig(output="x", max_steps=1_000, warmup_steps=100, decay_share=0.4)
    rates = [learning_rate(plan, step) for step in (0, 99, 500, 800, 999)]
    assert rates[0] == pytest.approx(3e-6)
    assert rates[1] == rates[2] == pytest.approx(3e-4)
    assert rates[2] > rates[3] > rates[4] > 0


def test_loss_falls_and_the_model_lies_ready(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    plan = config(tmp_path / "run", tiny_spider, tiny_encoder, max_steps=60)
    folder = pretrain(plan, quiet)
    losses = [row["loss"] for row in read_rows(tmp_path / "run" / "metrics.jsonl") if "loss" in row]
    assert losses[-1] < losses[0] / 2
    weights = load_file(folder / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert AutoModelForCausalLM.from_pretrained(folder).config.is_decoder
    assert (folder / "prompt.json").read_text() == '{"style": "compact"}\n'


def test_a_stopped_run_goes_on_to_the_same_weights(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    whole = config(tmp_path / "whole", tiny_spider, tiny_encoder, max_steps=9)
    pretrain(whole, quiet)
    pretrain(
        config(tmp_path / "parts", tiny_spider, tiny_encoder, max_steps=5, decay_share=0.0), quiet
    )
    assert dataclasses.replace(whole, output=str(tmp_path / "parts")).max_steps == 9
    pretrain(dataclasses.replace(whole, output=str(tmp_path / "parts")), quiet)
    states = [torch.load(tmp_path / name / "checkpoint.pt")["model"] for name in ("whole", "parts")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_another_setting_does_not_go_on_with_the_run(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    pretrain(config(tmp_path / "run", tiny_spider, tiny_encoder, max_steps=1), quiet)
    with pytest.raises(ConfigError, match="seed"):
        pretrain(config(tmp_path / "run", tiny_spider, tiny_encoder, seed=1), quiet)


def test_a_damaged_checkpoint_is_named(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    plan = config(tmp_path / "run", tiny_spider, tiny_encoder, max_steps=1)
    pretrain(plan, quiet)
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(ModelError, match="delete it"):
        pretrain(plan, quiet)


def test_held_out_databases_are_the_same_on_every_machine() -> None:
    assert [n for n in range(60) if is_held_out(f"shop_{n}", 0.1)] == [
        n for n in range(60) if is_held_out(f"shop_{n}", 0.1)
    ]
    assert 300 < sum(is_held_out(f"db {n}", 0.4) for n in range(1_000)) < 500


def test_a_run_without_encoder_or_checkpoint_says_so(tmp_path: Path, tiny_spider: Path) -> None:
    with pytest.raises(ConfigError, match="encoder"):
        pretrain(config(tmp_path / "run", tiny_spider, ""), quiet)
    assert open_dataset(tiny_spider).splits == ("train",)

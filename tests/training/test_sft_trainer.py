"""The loss of a batch: that of its examples alone, however they are put together."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from txt2sql.training.batches import Group, Row, by_length, in_bins, stack
from txt2sql.training.sft_data import _record, collate
from txt2sql.training.sft_trainer import learn_from_answers

ARCHITECTURES = ["phi", "llama", "mistral", "qwen2"]


def rows() -> list[Row]:
    """Seven examples of 3 to 30 tokens, the answers of 1 to 5."""
    rng = random.Random(0)
    return [
        (
            [rng.randrange(7, 60) for _ in range(rng.randrange(2, 26))],
            [rng.randrange(7, 60) for _ in range(rng.randrange(0, 5))] + [2],
        )
        for _ in range(7)
    ]


@pytest.fixture
def model(request: pytest.FixtureRequest, tiny_lm: Callable[..., Path]) -> torch.nn.Module:
    loaded = AutoModelForCausalLM.from_pretrained(
        tiny_lm(request.param), attn_implementation="sdpa"
    ).eval()
    learn_from_answers(loaded)
    return loaded


def losses(model: torch.nn.Module, groups: list[Group]) -> tuple[float, int]:
    """Summed over all answer tokens, and how many there are."""
    total, count = 0.0, 0
    for group in groups:
        batch = collate([_record(group)], pad=0)
        answers = int((batch["labels"] != -100).sum())
        with torch.no_grad():
            total += float(model(**batch, num_items_in_batch=1)["loss"])
            assert float(model(**batch)["loss"]) == pytest.approx(
                float(model(**batch, num_items_in_batch=answers)["loss"]), rel=1e-6
            )
        count += answers
    return total, count


@pytest.mark.parametrize(
    ("model", "attention"),
    [*((name, "sdpa") for name in ARCHITECTURES), ("llama", "eager"), ("phi", "eager")],
    indirect=["model"],
)
def test_packed_and_padded_and_alone_the_loss_is_the_same(
    model: torch.nn.Module, attention: str
) -> None:
    model.set_attn_implementation(attention)
    alone = losses(model, [[[row]] for row in rows()])
    packed = in_bins(rows(), batch_tokens=96, width=48)
    assert any(len(row) > 2 for group in packed for row in group)
    assert losses(model, packed) == (pytest.approx(alone[0], rel=1e-5), alone[1])
    assert losses(model, by_length(rows(), 96)) == (pytest.approx(alone[0], rel=1e-5), alone[1])


@pytest.mark.parametrize("model", ["llama", "phi"], indirect=True)
def test_it_is_the_loss_that_transformers_computes(model: torch.nn.Module) -> None:
    prompt, answer = rows()[0]
    ids = torch.tensor([prompt + answer])
    labels = torch.tensor([[-100] * len(prompt) + answer])
    expected = float(model(input_ids=ids, labels=labels).loss.detach())
    batch = collate([_record([[(prompt, answer)]])], pad=0)
    assert float(model(**batch)["loss"].detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("model", ARCHITECTURES, indirect=True)
def test_what_stands_in_the_same_row_changes_nothing(model: torch.nn.Module) -> None:
    first, second, other = rows()[0], rows()[1], rows()[2]

    def gradient_of_second(neighbour: Row) -> torch.Tensor:
        batch = collate([_record([[neighbour, second]])], pad=0)
        batch["labels"] = torch.where(batch["segments"] == 2, batch["labels"], -100)
        model.zero_grad()
        model(**batch)["loss"].backward()
        weight = next(p for n, p in model.named_parameters() if "q_proj" in n)
        return weight.grad.clone()

    same_length = (other[0] * 20)[: len(first[0])], (other[1] * 9)[: len(first[1])]
    assert torch.allclose(gradient_of_second(first), gradient_of_second(same_length), atol=1e-6)


@pytest.mark.parametrize("model", ["llama", "phi"], indirect=True)
def test_logits_are_computed_of_answers_only(model: torch.nn.Module) -> None:
    seen: list[int] = []
    head = model.get_output_embeddings()
    head.register_forward_hook(lambda module, inputs, output: seen.append(output.numel()))
    batch = collate([_record([[row] for row in rows()])], pad=0)
    model(**batch)
    assert seen == [int((batch["labels"] != -100).sum()) * head.weight.shape[0]]


def test_a_record_gives_back_its_batch() -> None:
    group = [[rows()[0], rows()[1]], [rows()[2]]]
    batch, expected = collate([_record(group)], pad=5), stack(group, 5)
    assert torch.equal(batch["input_ids"], expected.inputs)
    assert torch.equal(batch["labels"], expected.labels)
    assert torch.equal(batch["segments"], expected.segments)
    assert torch.equal(batch["positions"], expected.positions)

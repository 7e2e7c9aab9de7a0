"""Batches: loss where it belongs, and no example that sees another, padded or packed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from txt2sql.training.batches import (
    Batch,
    Group,
    Row,
    answer_logits,
    by_length,
    in_bins,
    stack,
)


def examples(count: int = 9) -> list[Row]:
    rng = random.Random(0)

    def ids(least: int, most: int) -> list[int]:
        return [rng.randrange(7, 400) for _ in range(rng.randint(least, most))]

    return [(ids(2, 20), [*ids(0, 5), 2]) for _ in range(count)]


def length(row: Row) -> int:
    return len(row[0]) + len(row[1])


def test_only_answers_are_learnt() -> None:
    rows = [([5, 6, 7], [8, 2]), ([5], [9, 10, 2])]
    for group in (*by_length(rows, 1_000), *in_bins(rows, 64, 64)):
        batch = stack(group, 0)
        assert sorted(batch.inputs[batch.labels != -100].tolist()) == [2, 2, 8, 9, 10]
        assert ((batch.inputs == batch.labels) | (batch.labels == -100)).all()


def test_batches_hold_no_more_tokens_than_asked() -> None:
    rows = [([7] * n, [8, 2]) for n in range(1, 60)]
    batches = [stack(group, 0) for group in by_length(rows, 200)]
    assert sum(len(batch.inputs) for batch in batches) == 59
    assert all(batch.inputs.numel() <= 200 for batch in batches)
    packs = [stack(group, 0) for group in in_bins(rows, 256, 128)]
    assert sum(len(batch.lengths) for batch in packs) == 59
    assert all(batch.inputs.shape[1] <= 128 and len(batch.inputs) <= 2 for batch in packs)
    assert sum(batch.tokens for batch in packs) == sum(map(length, rows))
    assert sum(batch.tokens for batch in packs) > 0.9 * sum(b.inputs.numel() for b in packs)


def test_lengths_are_those_of_the_examples() -> None:
    rows = examples()
    for groups in (by_length(rows, 1_000), in_bins(rows, 64, 32)):
        found = [n for group in groups for n in stack(group, 0).lengths.tolist()]
        assert sorted(found) == sorted(map(length, rows))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_mask_that_forgets_the_examples_is_noticed(
    attention: str, tiny_lm: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_lm(), attn_implementation=attention).eval()
    packed = in_bins(examples(), 256, 64)
    assert max(len(row) for group in packed for row in group) > 1

    def logits(groups: list[Group]) -> torch.Tensor:
        """Of all answers, by what they answer."""
        found = []
        for batch in (stack(group, 0) for group in groups):
            with torch.no_grad():
                each, targets = answer_logits(model, batch)
            found += [(int(target), *map(float, row)) for target, row in zip(targets, each)]
        return torch.tensor(sorted(found))

    alone = logits([[[row]] for row in examples()])
    assert torch.allclose(logits(packed), alone, atol=1e-3)
    mask = Batch.mask
    # As if all tokens of a row were one example.
    monkeypatch.setattr(
        Batch,
        "mask",
        lambda self, dtype=None: mask(
            replace(self, segments=torch.full_like(self.segments, 2)), dtype
        ),
    )
    assert not torch.allclose(logits(packed), alone, atol=1e-2)

"""Batches: sharing a prefix and packing change nothing but the number of tokens, in every architecture."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM

from txt2sql.training import data as batches
from txt2sql.training.data import (
    IGNORED,
    Group,
    TokenPair,
    batches_of,
    collate,
    size,
)

KINDS = ("llama", "mistral", "phi", "qwen2", "gpt_neox", "gpt2")
SMALL = {
    "vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 128, "bos_token_id": 1,
    "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


def examples() -> list[TokenPair]:
    """Four questions on each of three databases, and two that stand alone."""
    rng = random.Random(0)

    def words(most: int) -> list[int]:
        return [rng.randrange(5, 100) for _ in range(rng.randint(1, most))]

    schemas = [words(20) + words(20) + [i] * 9 for i in range(3)]
    rows: list[TokenPair] = [(schema + words(9), [*words(6), 2]) for schema in schemas * 4]
    return [*rows, ([7, 8], [9, 2]), ([8], [2])]


def model_of(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    grouped = {"num_key_value_heads": 2, "head_dim": 8} if kind in ("mistral", "qwen2") else {}
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, **SMALL, **grouped), attn_implementation="sdpa"
    ).eval()
    for parameter in model.parameters():  # so that attention is not nearly uniform
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def losses(model: torch.nn.Module, groups: list[Group]) -> list[float]:
    """Of every answer token, in ascending order."""
    found: list[float] = []
    for group in groups:
        inputs = collate([group])
        labels = inputs.pop("labels")
        with torch.no_grad():
            logits = model(**inputs).logits
        each = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        found += each[labels.flatten() != IGNORED].tolist()
    return sorted(found)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_the_examples_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = model_of(kind), examples()
    alone = losses(model, [[[(prompt, answer, 0)]] for prompt, answer in rows])
    shared = batches_of(rows, batch_tokens=240, width=120, least=8)
    assert sum(n > 0 for group in shared for row in group for *_, n in row) >= 6
    assert max(map(len, shared)) > 1
    packed = batches_of(rows, batch_tokens=240, width=120, least=999)
    assert losses(model, shared) == pytest.approx(alone, abs=1e-3)
    assert losses(model, packed) == pytest.approx(alone, abs=1e-3)
    monkeypatch.setattr(batches, "_SUFFIXES", 1)  # a mask that forgets the shared prefix
    assert losses(model, shared) != pytest.approx(alone, abs=1e-1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30), st.integers(1, 9)), min_size=1),
    st.integers(20, 120),
)
def test_every_example_is_there_once_and_no_row_is_too_wide(
    shapes: list[tuple[int, int, int]], width: int
) -> None:
    rng = random.Random(0)
    rows = [
        ([database] * 20 + [rng.randrange(9) for _ in range(asked)], [9] * answer)
        for database, asked, answer in shapes
    ]
    groups = batches_of(rows, 2 * width, width, least=8)
    packed = [row for group in groups for row in group]
    assert sorted((p, a) for row in packed for p, a, _ in row) == sorted(rows)
    longest = max(len(p) + len(a) for p, a in rows)
    assert all(size(row) <= max(width, longest) for row in packed)
    assert all(len(group) <= 2 for group in groups)
    for row in packed:
        for (before, *_), (prompt, _, shared) in pairwise(row):
            assert prompt[:shared] == before[:shared]
            assert shared < len(prompt)
    labels = collate([groups[0]])["labels"]
    answers = sum(len(answer) for row in groups[0] for _, answer, _ in row)
    assert int((labels != IGNORED).sum()) == answers

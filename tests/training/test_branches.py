"""Sharing a beginning changes nothing but the number of tokens: the same losses, in every architecture."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM

from txt2sql.training import batches
from txt2sql.training.batches import Batch, Row, answer_logits, stack
from txt2sql.training.branches import grow, in_trees, size, stack_trees
from txt2sql.training.selection import Measured
from txt2sql.training.sft_data import Lessons, _record, collate, draw_rows
from txt2sql.training.sft_settings import SFTConfig

SMALL = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
KINDS = ("llama", "mistral", "phi", "qwen2", "gpt_neox", "gpt2")


def examples(seed: int = 0, databases: int = 3) -> list[Row]:
    rng = random.Random(seed)

    def words(most: int) -> list[int]:
        return [rng.randrange(5, 100) for _ in range(rng.randint(1, most))]

    schemas = [words(20) + words(20) + [i] * 9 for i in range(databases)]
    rows = [(schema + words(9), [*words(6), 2]) for schema in schemas for _ in range(4)]
    rng.shuffle(rows)
    return rows


def made(kind: str, attention: str = "sdpa") -> torch.nn.Module:
    torch.manual_seed(0)
    grouped = GROUPED if kind in ("mistral", "qwen2") else {"num_key_value_heads": 4}
    config = AutoConfig.for_model(kind, **SMALL, **grouped)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    for parameter in model.parameters():  # so that attention is not nearly uniform
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def losses(model: torch.nn.Module, made: list[Batch]) -> dict[tuple[int, ...], float]:
    """Answer and the position that it begins at -> its loss. Answers of these examples are unlike."""
    found: dict[tuple[int, ...], float] = {}
    for batch in made:
        with torch.no_grad():
            logits, targets = answer_logits(model, batch)
        each = functional.cross_entropy(logits, targets, reduction="none").tolist()
        where = (batch.labels[:, 1:] != -100).nonzero().tolist()
        owners = [(i, int(batch.segments[i, t + 1])) for i, t in where]
        for owner in dict.fromkeys(owners):
            mine = [k for k, each_owner in enumerate(owners) if each_owner == owner]
            i, t = where[mine[0]]
            key = (int(batch.positions[i, t + 1]), *(int(targets[k]) for k in mine))
            found[key] = sum(each[k] for k in mine)
    return found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_the_examples_alone(kind: str, attention: str) -> None:
    model, rows = made(kind, attention), examples()
    trees = in_trees(rows, batch_tokens=200, width=100, least=8)
    assert sum(shared > 0 for batch in trees for row in batch for *_, shared in row) >= 6
    shared = losses(model, [stack_trees(batch, pad=0) for batch in trees])
    alone = losses(model, [stack([[row]], 0) for row in rows])
    assert len(alone) == len(rows)
    assert shared == pytest.approx(alone, abs=1e-3)


def test_a_mask_that_forgets_the_trunk_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = made("llama"), examples()
    (batch,) = (stack_trees(each, pad=0) for each in in_trees(rows, 999, 333, least=8))
    right = losses(model, [batch])
    monkeypatch.setattr(batches, "BRANCHES", 1)  # every segment by itself
    assert losses(model, [batch]) != pytest.approx(right, abs=1e-1)


def test_a_branch_does_not_see_another() -> None:
    model, (schema, _) = made("llama"), examples()[0]
    rows = [([*schema, *schema, i], [i, 2]) for i in (5, 6, 7)]
    ((tree,),) = in_trees(rows, 200, 200, least=8)
    assert [shared for *_, shared in tree] == [0, 2 * len(schema), 2 * len(schema)]
    (changed,) = [[tree[0], ([*tree[1][0][:-1], 99], [98, 2], tree[1][2]), tree[2]]]
    before, after = (losses(model, [stack_trees([row], 0)]) for row in (tree, changed))
    both = before.keys() & after.keys()
    assert len(both) == 2
    assert {key: before[key] for key in both} == pytest.approx(
        {k: after[k] for k in both}, abs=1e-5
    )


def test_trees_take_fewer_tokens_and_lengths_stay_those_of_the_examples() -> None:
    rows = examples()
    batch = stack_trees(grow(rows, width=100, least=8), pad=0)
    assert sorted(batch.lengths.tolist()) == sorted(len(p) + len(a) for p, a in rows)
    assert batch.tokens < 0.7 * sum(len(p) + len(a) for p, a in rows)


def test_examples_that_begin_differently_are_only_packed() -> None:
    rows = [([i] * 40, [i, 2]) for i in range(5, 15)]
    assert all(shared == 0 for row in grow(rows, width=100) for *_, shared in row)


def test_the_same_prompt_twice_keeps_a_token_to_answer_from() -> None:
    rows = [([7] * 80, [9, 2]), ([7] * 80, [8, 2])]
    (row,) = grow(rows, width=200)
    assert [shared for *_, shared in row] == [0, 79]
    assert len(losses(made("llama"), [stack_trees([row], 0)])) == 2


def test_a_record_gives_back_its_trees() -> None:
    group = grow(examples(), width=100, least=8)
    batch, expected = collate([_record(group)], pad=5), stack_trees(group, 5)
    assert torch.equal(batch["input_ids"], expected.inputs)
    assert torch.equal(batch["segments"], expected.segments)
    assert torch.equal(batch["positions"], expected.positions)


@pytest.mark.parametrize("packing", [None, True, False])
def test_only_packed_rows_share(packing: bool | None) -> None:
    measured = Measured("x", (), lambda db_id: None, lambda db_id: None)  # type: ignore[arg-type, return-value]
    lessons = [Lessons("x", 30, lambda n: ([n % 3] * 80 + [n], [9, 2]), measured)]
    plan = SFTConfig(epochs=2, packing=packing, batch_tokens=600)
    rows = draw_rows(lessons, plan, longest=100)
    assert rows.examples == 60
    assert rows.answer_tokens == 120
    whole = 60 * 83
    assert rows.tokens == whole if packing is False else rows.tokens < whole / 4
    batch = collate([rows.batches[0]], pad=0)
    assert batch["input_ids"].numel() <= 600


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
    grown = grow(rows, width, least=8)
    assert sorted((p, a) for row in grown for p, a, _ in row) == sorted(rows)
    longest = max(len(p) + len(a) for p, a in rows)
    assert all(size(row) <= max(width, longest) for row in grown)
    for row in grown:
        for (before, *_), (prompt, _, shared) in pairwise(row):
            assert prompt[:shared] == before[:shared]
            assert shared < len(prompt)

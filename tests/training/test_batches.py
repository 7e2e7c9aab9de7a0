"""Batches: loss where it belongs, and no example that sees another, padded or packed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import PreTrainedModel
from txt2sql.training.corpus import Pair
from txt2sql.training.tokenizer import answer_size, build_tokenizer
from txt2sql.training.warm_start import warm_start

from txt2sql.training.batches import Batch, Row, answer_logits, encode_rows, packed, padded
from txt2sql.training.batches import sequence_accuracy as accuracy

TOKENIZER = build_tokenizer(
    [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnop")]
)
PAD = TOKENIZER.pad_token_id


def rows_of(*pairs: tuple[str, str]) -> list[Row]:
    return encode_rows([Pair(*pair) for pair in pairs], TOKENIZER)


def test_only_answers_and_their_end_are_learnt() -> None:
    for batch in (*padded(rows_of(("a b c", "d"), ("a", "e f")), PAD, 1_000),
                  *packed(rows_of(("a b c", "d"), ("a", "e f")), PAD, 64, 64)):  # fmt: skip
        learnt = batch.inputs[batch.labels != -100].tolist()
        end, ids = TOKENIZER.eos_token_id, TOKENIZER.convert_tokens_to_ids
        pieces = [[ids("▁d"), end], [ids("▁e"), ids("▁f"), end]]
        assert learnt in (pieces[0] + pieces[1], pieces[1] + pieces[0])
        assert ((batch.inputs == batch.labels) | (batch.labels == -100)).all()


def test_batches_hold_no_more_tokens_than_asked() -> None:
    rows = rows_of(*(("a " * n, "b") for n in range(1, 60)))
    made = padded(rows, PAD, 200)
    assert sum(len(batch.inputs) for batch in made) == 59
    assert all(batch.inputs.numel() <= 200 for batch in made)
    packs = packed(rows, PAD, 256, 128)
    assert sum(len(batch.lengths) for batch in packs) == 59
    assert all(batch.inputs.shape[1] <= 128 and len(batch.inputs) <= 2 for batch in packs)
    assert sum(batch.tokens for batch in packs) == sum(len(p) + len(a) for p, a in rows)
    assert sum(batch.tokens for batch in packs) > 0.9 * sum(b.inputs.numel() for b in packs)


def test_lengths_are_those_of_the_examples() -> None:
    rows = rows_of(("a b c", "d"), ("a", "e f"), ("a b c d e", "f"))
    expected = sorted(len(p) + len(a) for p, a in rows)
    for batches in (padded(rows, PAD, 1_000), packed(rows, PAD, 32, 16)):
        assert sorted(n for b in batches for n in b.lengths.tolist()) == expected


def test_answers_outside_the_output_vocabulary_are_left_out() -> None:
    pairs = [Pair("a", "select"), Pair("b", "c")]
    limit = answer_size(TOKENIZER)
    assert len(encode_rows(pairs, TOKENIZER, limit)) == 2
    assert len(encode_rows(pairs, TOKENIZER, 3)) == 0
    assert len(encode_rows([Pair("a " * 600, "b")], TOKENIZER)) == 0


def made(prefix: bool, encoder: Path) -> PreTrainedModel:
    torch.manual_seed(0)
    model, _ = warm_start(encoder, ["how many shops in lisbon"])
    model.config.prefix_lm = prefix
    return model.eval()


def examples(encoder: Path) -> list[Row]:
    _, tokenizer = warm_start(encoder, ["how many shops in lisbon"])
    rng = random.Random(0)
    words = "how many shop in lisbon porto faro braga size town".split()
    pairs = [
        Pair(
            " ".join(rng.choices(words, k=rng.randint(2, 20))) + " [t1] [c2]",
            "select [c2] from [t1]",
        )
        for _ in range(9)
    ]
    return encode_rows(pairs, tokenizer)


def by_answer(model: PreTrainedModel, batches: list[Batch]) -> dict[tuple[int, ...], torch.Tensor]:
    """Prompt -> the logits of its answer, for batches of any layout."""
    found = {}
    for batch in batches:
        logits, _ = answer_logits(model, batch)
        where = (batch.labels[:, 1:] != -100).nonzero().tolist()
        owners = [(i, int(batch.segments[i, t + 1])) for i, t in where]
        for owner in dict.fromkeys(owners):
            i, number = owner
            mine = batch.inputs[i][batch.segments[i] == number]
            chosen = torch.tensor([each == owner for each in owners])
            found[tuple(mine.tolist())] = logits[chosen]
    return found


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("prefix", [False, True])
def test_packed_examples_do_not_see_each_other(
    prefix: bool, attention: str, tiny_encoder: Path
) -> None:
    model = made(prefix, tiny_encoder)
    model.set_attn_implementation(attention)
    rows = examples(tiny_encoder)
    together = packed(rows, PAD, 256, 64)
    assert max(int(batch.segments.max()) for batch in together) > 1
    with torch.no_grad():
        joint = by_answer(model, together)
        alone = by_answer(model, [b for row in rows for b in padded([row], PAD, 999)])
    assert joint.keys() == alone.keys()
    for prompt, logits in joint.items():
        torch.testing.assert_close(logits, alone[prompt], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("prefix", [False, True])
def test_packed_gradients_are_the_sum_of_single_ones(prefix: bool, tiny_encoder: Path) -> None:
    model = made(prefix, tiny_encoder)
    rows = examples(tiny_encoder)
    gradients = []
    for batches in (packed(rows, PAD, 256, 64), [b for r in rows for b in padded([r], PAD, 999)]):
        model.zero_grad()
        for batch in batches:
            logits, targets = answer_logits(model, batch)
            functional.cross_entropy(logits, targets, reduction="sum").backward()
        gradients.append(
            {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        )
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][key], atol=1e-4, rtol=1e-3)


def test_a_mask_that_forgets_the_examples_is_noticed(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made(False, tiny_encoder)
    rows = examples(tiny_encoder)
    right = by_answer(model, packed(rows, PAD, 256, 64))
    monkeypatch.setattr(Batch, "mask", lambda self, prefix, dtype=None: None)
    wrong = by_answer(model, packed(rows, PAD, 256, 64))
    assert any(not torch.allclose(right[key], wrong[key], atol=1e-3) for key in right)


@pytest.mark.parametrize("prefix", [False, True])
def test_padding_changes_no_logit(prefix: bool, tiny_encoder: Path) -> None:
    model = made(prefix, tiny_encoder)
    rows = examples(tiny_encoder)
    with torch.no_grad():
        joint = by_answer(model, padded(rows, PAD, 10_000))
        alone = by_answer(model, [b for row in rows for b in padded([row], PAD, 999)])
    for prompt, logits in joint.items():
        torch.testing.assert_close(logits, alone[prompt], atol=1e-5, rtol=1e-4)


def test_a_prefix_model_reads_its_prompt_in_both_directions(tiny_encoder: Path) -> None:
    (row, *_) = examples(tiny_encoder)
    changed = ([row[0][0], *row[0][1:-2], row[0][1], row[0][-1]], row[1])  # another late word
    for prefix in (False, True):
        model = made(prefix, tiny_encoder)
        first = []
        for each in (row, changed):
            (batch,) = padded([each], PAD, 999)
            mask = batch.mask(prefix, torch.float32)
            hidden = model.base_model(input_ids=batch.inputs, attention_mask=mask).last_hidden_state
            first.append(hidden[0, 1])
        assert torch.allclose(*first, atol=1e-6) is not prefix


def test_sequence_accuracy_counts_whole_answers(tiny_encoder: Path) -> None:
    model = made(False, tiny_encoder)
    rows = examples(tiny_encoder)
    assert accuracy(model, packed(rows, PAD, 256, 64), False) == 0.0
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        for batch in packed(rows, PAD, 256, 64):
            functional.cross_entropy(*answer_logits(model, batch)).backward()
            optimizer.step()
            optimizer.zero_grad()
    for batches in (packed(rows, PAD, 256, 64), padded(rows, PAD, 256)):
        assert accuracy(model, batches, False) > 0.8

"""Groups of answers: drawn as inference would, each alone, and scored as they were drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from txt2sql.models.hf import HFGenerator, load
from txt2sql.training.grpo_sampling import RoomyLayer, Sampler, _draw_one
from txt2sql.training.grpo_trainer import grouped, score_answers, unpacked
from txt2sql.types import Prompt, Sampling

GRAMMAR = 'root ::= " select" (" [c" [0-9] "]"){1,4}'
LM_GRAMMAR = 'root ::= "SELECT " [a-z]{1,6} " FROM " ("shop" | "sale")'
TEXTS = [
    "how many shop are there ? | shop : id , town , size",
    "in which town have sale ?",
    "size of the shop in lisbon ? | shop : id , town , size ; sale : id , shop id",
]
KINDS = ["causal", "prefix", "phi", "llama", "mistral"]


@pytest.fixture
def generator_of(
    tiny_compact: Callable[..., Path], tiny_lm: Callable[..., Path]
) -> Callable[[str], HFGenerator]:
    def generator(kind: str) -> HFGenerator:
        compact = kind in ("causal", "prefix")
        folder = tiny_compact(kind == "prefix") if compact else tiny_lm(kind)
        return load(folder, device="cpu", dtype="float32")

    return generator


def sampler_of(generator: HFGenerator, **options: Any) -> Sampler:
    return Sampler(
        generator.model, generator.tokenizer, generator.end_ids, max_new_tokens=12, **options
    )


def alone(
    model: Any, prompt: Sequence[int], answer: Sequence[int], temperature: float = 1.0
) -> torch.Tensor:
    """Scores (answer, vocabulary) of a prompt and an answer in a plain forward pass of their own."""
    ids = torch.tensor([[*prompt, *answer]])
    width, known = ids.shape[1], len(prompt) - 1
    seen = torch.ones(width, width, dtype=torch.bool).tril()
    if getattr(model.config, "prefix_lm", False):
        seen[:known, :known] = True
    with torch.no_grad():
        scores = model(ids, attention_mask=seen[None, None]).logits[0]
    return scores[known:-1] / temperature


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grammar", [False, True])
def test_without_heat_every_answer_is_the_greedy_one(
    kind: str, grammar: bool, generator_of: Callable[[str], HFGenerator]
) -> None:
    generator = generator_of(kind)
    rules = (GRAMMAR if kind in ("causal", "prefix") else LM_GRAMMAR) if grammar else None
    prompts = [Prompt(text, generator.prompt_style, grammar=rules) for text in TEXTS]
    expected = generator.generate(prompts, Sampling(max_new_tokens=12))
    sampler = sampler_of(generator, temperature=1e-4, at_once=2)
    found = sampler.sample([generator.encode(p) for p in prompts], [rules] * 3, copies=3)
    texts = [sampler.text(answer) for answer in found.answers]
    assert texts == [group[0].text for group in expected for _ in range(3)]
    assert (found.allowed is not None) == grammar


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grammar", [False, True])
def test_answers_are_scored_with_their_group_as_they_would_be_alone(
    kind: str, grammar: bool, generator_of: Callable[[str], HFGenerator]
) -> None:
    generator = generator_of(kind)
    rules = (GRAMMAR if kind in ("causal", "prefix") else LM_GRAMMAR) if grammar else None
    torch.manual_seed(1)
    prompts = [generator.encode(Prompt(text, generator.prompt_style)) for text in TEXTS]
    sampler = sampler_of(generator, temperature=0.7)
    found = sampler.sample(prompts, [rules] * 3, copies=4)
    assert len({tuple(answer) for answer in found.answers}) > 6
    owners = [prompt for prompt in prompts for _ in range(4)]

    model = generator.model
    expected, entropies = [], []
    for n, (prompt, answer) in enumerate(zip(owners, found.answers, strict=True)):
        scores = alone(model, prompt, answer, 0.7)
        if found.allowed is not None:
            allowed = unpacked(torch.from_numpy(found.allowed[n]), scores.shape[1])
            scores = scores.masked_fill(~allowed, float("-inf"))
        shares = torch.softmax(scores, -1)
        expected += shares.gather(1, torch.tensor(answer)[:, None])[:, 0].log().tolist()
        entropies += torch.special.entr(shares).sum(-1).tolist()

    score_answers(model)
    prefix = bool(getattr(model.config, "prefix_lm", False))
    batch = grouped(owners, found.answers, pad=0, prefix=prefix)
    assert len(batch.inputs) == 3
    bits = None
    if found.allowed is not None:
        bits = torch.cat([torch.from_numpy(each) for each in found.allowed])
    with torch.no_grad():
        scored = model(
            input_ids=batch.inputs, labels=batch.labels, segments=batch.segments,
            positions=batch.positions, prompts=batch.prompts, allowed=bits, temperature=0.7,
        )  # fmt: skip
    assert scored["logprobs"].tolist() == pytest.approx(expected, abs=2e-4)
    assert scored["entropies"].tolist() == pytest.approx(entropies, abs=2e-4)
    plain = model(torch.tensor([prompts[0]])).logits
    assert plain.shape[:2] == (1, len(prompts[0]))  # other calls are what they were


def test_what_is_drawn_is_what_is_allowed_and_ends_with_its_end(
    generator_of: Callable[[str], HFGenerator],
) -> None:
    generator = generator_of("causal")
    sampler = sampler_of(generator)
    torch.manual_seed(0)
    ids = generator.encode(Prompt(TEXTS[0], "compact"))
    found = sampler.sample([ids, ids], [GRAMMAR, None], copies=6)
    assert found.allowed is not None
    for answer, bits in zip(found.answers, found.allowed, strict=True):
        allowed = unpacked(torch.from_numpy(bits), generator.model.config.vocab_size)
        assert len(allowed) == len(answer)
        assert all(row[token] for row, token in zip(allowed, answer))
        assert not set(answer[:-1]) & set(sampler.end_ids)
    assert all(bits.sum(1).max() < 500 for bits in found.allowed[:6])
    # A prompt without a grammar, beside one with a grammar, may be answered with anything.
    assert all((bits == 255).mean() > 0.9 for bits in found.allowed[6:])
    assert all(sampler.text(answer).strip().startswith("select") for answer in found.answers[:6])


def test_the_same_state_draws_the_same_and_another_draws_others(
    generator_of: Callable[[str], HFGenerator],
) -> None:
    generator = generator_of("causal")
    sampler = sampler_of(generator)
    prompts = [generator.encode(Prompt(text, "compact")) for text in TEXTS]

    def drawn(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        return sampler.sample(prompts, [None] * 3, copies=4).answers

    assert drawn(3) == drawn(3) != drawn(4)


def test_tokens_are_drawn_by_their_shares() -> None:
    torch.manual_seed(0)
    shares = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0]).expand(20_000, -1)
    counts = torch.bincount(_draw_one(shares), minlength=6) / 20_000
    assert counts[[0, 2, 5]].sum() == 0
    assert counts.tolist() == pytest.approx([0, 0.5, 0, 0.3, 0.2, 0], abs=0.02)


def test_a_layer_with_room_holds_what_it_was_given() -> None:
    layer = RoomyLayer()
    given = [torch.rand(2, 3, n, 4) for n in (5, 8, 8, 200, 1)]
    for n in range(len(given)):
        keys, values = layer.update(given[n], -given[n])
        assert torch.equal(keys, torch.cat(given[: n + 1], dim=2))
        assert torch.equal(values, -keys)
    assert layer.get_seq_length() == 222

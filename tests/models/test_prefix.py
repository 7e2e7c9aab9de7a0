"""Prefix models: asked in batches, they see what they saw in training."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel

from txt2sql.models.prefix import prompt_cache


def model(prefix: bool, attention: str = "sdpa") -> BertLMHeadModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40, is_decoder=True, prefix_lm=prefix,
        pad_token_id=0, eos_token_id=1, bos_token_id=2, initializer_range=0.5,
    )  # fmt: skip
    made = BertLMHeadModel(config).eval()
    made.set_attn_implementation(attention)
    return made


def greedy(asked: BertLMHeadModel, prompt: list[int], steps: int) -> list[int]:
    """Without a cache, under the mask of training: all but the prompt's last token see each other."""
    ids = list(prompt)
    for _ in range(steps):
        size, known = len(ids), len(prompt) - 1
        seen = torch.ones(size, size).tril().bool()
        seen[:, :known] = True
        logits = asked(
            torch.tensor([ids]),
            attention_mask=torch.zeros(1, 1, size, size).masked_fill(~seen, -1e30),
        ).logits
        ids.append(int(logits[0, -1].argmax()))
    return ids[len(prompt) :]


def inputs(*prompts: list[int]) -> dict[str, torch.Tensor]:
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


@torch.inference_mode()
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_batch_is_asked_as_it_was_trained(attention: str) -> None:
    asked = model(True, attention)
    prompts = [[2, 7, 9, 11, 5], [2, 30, 8], [2, 17, 19, 11, 5, 40, 41, 42]]
    given = inputs(*prompts)
    found = asked.generate(
        **given, past_key_values=prompt_cache(asked, given), max_new_tokens=6, do_sample=False,
        eos_token_id=None,
    )  # fmt: skip
    plain = asked.generate(**given, max_new_tokens=6, do_sample=False, eos_token_id=None)
    expected = [greedy(model(True, "eager"), prompt, 6) for prompt in prompts]
    assert found[:, given["input_ids"].shape[1] :].tolist() == expected
    assert plain.tolist() != found.tolist()


@torch.inference_mode()
def test_beams_and_samples_get_a_cache_each() -> None:
    asked = model(True)
    given = inputs([2, 7, 9, 11, 5], [2, 30, 8])
    found = asked.generate(
        **given, past_key_values=prompt_cache(asked, given, 3), max_new_tokens=4, num_beams=3,
        do_sample=False, num_return_sequences=3, eos_token_id=None,
    )  # fmt: skip
    alone = inputs([2, 30, 8])
    single = asked.generate(
        **alone, past_key_values=prompt_cache(asked, alone, 3), max_new_tokens=4, num_beams=3,
        do_sample=False, num_return_sequences=3, eos_token_id=None,
    )  # fmt: skip
    assert found[3:, -4:].tolist() == single[:, -4:].tolist()


def test_a_causal_model_needs_no_cache() -> None:
    assert prompt_cache(model(False), inputs([2, 7, 9])) is None
    assert prompt_cache(model(True), inputs([2])) is None

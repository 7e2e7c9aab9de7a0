"""Models of transformers answer as their plain forward passes do, batched and in one flat cache."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import pytest
import torch

from txt2sql.errors import ModelError
from txt2sql.models.decoder import Decoder
from txt2sql.models.tokenizer import input_text
from txt2sql.types import Message, Prompt, Sampling

Loaded = Callable[..., Decoder]
PROMPTS = [
    Prompt("how many singers ?"),
    Prompt("SELECT name FROM singer WHERE age > 3 AND country = 'France'"),
    Prompt("x"),
]
CHAT = Prompt("plain", (Message("system", "be brief"), Message("user", "hi")))
SHORT = Sampling(max_new_tokens=12)


def forward(generator: Decoder, prompt: Prompt, tokens: list[int]) -> torch.Tensor:
    """(time, vocabulary) log-probabilities after the prompt and after each token, without a cache."""
    ids, _ = generator.encode(prompt)
    with torch.inference_mode():
        logits = generator.engine.model(torch.tensor([ids + tokens])).logits[0, len(ids) - 1 :]
    return torch.log_softmax(logits.float(), -1)


@pytest.fixture(params=["phi", "mistral", "qwen2"])
def generator(request: pytest.FixtureRequest, generator_of: Loaded) -> Decoder:
    return generator_of(request.param)


def test_greedy_is_the_argmax_and_its_logprobs_are_the_models(generator: Decoder) -> None:
    for prompt, [answer] in zip(PROMPTS, generator.generate(PROMPTS, SHORT), strict=True):
        tokens: list[int] = []
        values: list[float] = []
        while len(tokens) < 12 and not (tokens and tokens[-1] in generator.vocabulary.end_ids):
            last = forward(generator, prompt, tokens)[-1]
            tokens.append(int(last.argmax()))
            values.append(float(last.max()))
        counts = (answer.completion_tokens, answer.prompt_tokens)
        assert counts == (len(tokens), len(generator.encode(prompt)[0]))
        assert answer.logprobs == pytest.approx(values, abs=1e-3)


def test_a_batch_gives_what_its_prompts_give_one_by_one(generator: Decoder) -> None:
    for sampling in (SHORT, Sampling(max_new_tokens=8, beams=3)):
        together = generator.generate(PROMPTS, sampling)
        for prompt, answers in zip(PROMPTS, together, strict=True):
            [alone] = generator.generate([prompt], sampling)
            assert [c.text for c in answers] == [c.text for c in alone]
            for one, other in zip(answers, alone, strict=True):
                assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)


def test_sampling_is_reproducible_and_what_makes_no_sense_is_refused(generator_of: Loaded) -> None:
    generator = generator_of("llama")
    for wrong in (Sampling(0), Sampling(n=0), Sampling(beams=2, temperature=1.0)):
        with pytest.raises(ModelError):
            generator.generate(PROMPTS, wrong)
    sampling = Sampling(max_new_tokens=4, n=5, temperature=1.5, top_p=0.9, seed=7)
    first = generator.generate(PROMPTS, sampling)
    assert first == generator.generate(PROMPTS, sampling)
    assert first != generator.generate(PROMPTS, replace(sampling, seed=8))
    assert all(len(completions) == 5 for completions in first)
    totals = [sum(c.logprobs) for c in first[1]]
    assert totals == sorted(totals, reverse=True)


def test_stop_texts_end_a_completion_and_are_not_part_of_it(generator_of: Loaded) -> None:
    for kind in ("plain", "no_pad"):
        generator = generator_of("llama", kind)
        whole = [c[0] for c in generator.generate(PROMPTS, Sampling(max_new_tokens=30))]
        stop = whole[0].text[6:8]
        stopped = [c[0] for c in generator.generate(PROMPTS, Sampling(30, stop=(stop, "\0")))]
        assert stopped[0].text == whole[0].text[: whole[0].text.find(stop)]
        assert stopped[0].completion_tokens < whole[0].completion_tokens
        for before, after in zip(whole, stopped, strict=True):
            assert stop not in after.text and before.text.startswith(after.text)
            assert after.logprobs == pytest.approx(before.logprobs[: len(after.logprobs)], abs=1e-4)


def test_the_chat_template_is_used_where_there_is_one(generator_of: Loaded) -> None:
    plain, chat = (generator_of("llama", kind) for kind in ("plain", "chat"))
    assert input_text(plain.vocabulary.tokenizer, CHAT) == ("plain", True)
    text = "<|system|>be brief\n<|user|>hi\n<|assistant|>"
    assert input_text(chat.vocabulary.tokenizer, CHAT) == (text, False)
    assert input_text(chat.vocabulary.tokenizer, Prompt("plain")) == ("plain", True)
    ids, shared = chat.encode(CHAT)
    assert chat.vocabulary.tokenizer.decode(ids) == text
    assert chat.vocabulary.tokenizer.decode(ids[:shared]) == "<|system|>be brief"
    # A template without a system role gets its text from the user.
    tokenizer = copy(chat.vocabulary.tokenizer)
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ messages[0]['content'] }}]"
    )
    assert input_text(tokenizer, CHAT) == ("[be brief\n\nhi]", False)


def test_a_prompt_longer_than_the_context_says_so(generator_of: Loaded) -> None:
    generator = generator_of("phi")
    with pytest.raises(ModelError, match="reads 255; render it with a smaller budget"):
        generator.generate([Prompt("? " * 400)], SHORT)
    nearly = Prompt("a" * 250)
    longest = 256 - len(generator.encode(nearly)[0])
    mixed = generator.generate([nearly, PROMPTS[0]], Sampling(max_new_tokens=200))
    assert mixed[0][0].completion_tokens <= longest
    [alone] = generator.generate([PROMPTS[0]], Sampling(max_new_tokens=200))
    assert [c.text for c in mixed[1]] == [c.text for c in alone]

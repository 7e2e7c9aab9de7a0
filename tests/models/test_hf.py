from __future__ import annotations

import json
import math
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest
import torch

from txt2sql.errors import ModelError
from txt2sql.models.hf import HFGenerator, input_text, load
from txt2sql.types import Completion, Message, Prompt, Sampling

Folder = Callable[..., Path]
Loaded = Callable[..., HFGenerator]
ARCHITECTURES = ["phi", "llama", "mistral", "qwen2", "bert"]
PROMPTS = [
    Prompt("how many singers ?", "ddl"),
    Prompt("SELECT name FROM singer WHERE age > 3 AND country = 'France'", "ddl"),
    Prompt("x", "ddl"),
]
SHORT = Sampling(max_new_tokens=12)


def forward(generator: HFGenerator, prompt: Prompt, tokens: list[int]) -> list[float]:
    """Log-probabilities of `tokens` after the prompt by one teacher-forced pass."""
    ids = generator.encode(prompt)
    with torch.inference_mode():
        logits = generator.model(torch.tensor([ids + tokens[:-1]])).logits[:, len(ids) - 1 :]
    logprobs = torch.log_softmax(logits.float(), -1)[0]
    return [float(logprobs[i, token]) for i, token in enumerate(tokens)]


def greedy_tokens(generator: HFGenerator, prompt: Prompt, count: int) -> list[int]:
    tokens: list[int] = []
    for _ in range(count):
        ids = generator.encode(prompt)
        with torch.inference_mode():
            logits = generator.model(torch.tensor([ids + tokens])).logits
        tokens.append(int(logits[0, -1].argmax()))
        if tokens[-1] in generator.end_ids:
            break
    return tokens


@pytest.fixture(params=ARCHITECTURES)
def generator(request: pytest.FixtureRequest, generator_of: Loaded) -> HFGenerator:
    return generator_of(request.param)


def close(found: tuple[float, ...], expected: list[float]) -> bool:
    return len(found) == len(expected) and all(
        math.isclose(a, b, abs_tol=1e-3) for a, b in zip(found, expected, strict=True)
    )


def test_greedy_is_the_argmax_and_its_logprobs_are_the_models(generator: HFGenerator) -> None:
    for prompt, found in zip(PROMPTS, generator.generate(PROMPTS, SHORT), strict=True):
        tokens = greedy_tokens(generator, prompt, SHORT.max_new_tokens)
        assert len(found) == 1
        assert found[0].completion_tokens == len(tokens)
        assert found[0].prompt_tokens == len(generator.encode(prompt))
        assert close(found[0].logprobs, forward(generator, prompt, tokens))


def test_a_batch_gives_what_its_prompts_give_one_by_one(generator: HFGenerator) -> None:
    for sampling in (SHORT, Sampling(max_new_tokens=8, beams=3)):
        together = generator.generate(PROMPTS, sampling)
        alone = [generator.generate([prompt], sampling)[0] for prompt in PROMPTS]
        assert [[c.text for c in one] for one in together] == [
            [c.text for c in one] for one in alone
        ]
        for one, other in zip(together, alone, strict=True):
            for a, b in zip(one, other, strict=True):
                assert close(a.logprobs, list(b.logprobs))


def tokens_by_search(generator: HFGenerator, prompt: Prompt, completion: Completion) -> bool:
    """True when some token sequence of that text and length has exactly these logprobs."""
    state: list[list[int]] = [[]]
    for value in completion.logprobs:
        following = []
        for tokens in state:
            for token in range(generator.model.get_output_embeddings().weight.shape[0]):
                following.append([*tokens, token])
        scores = {}
        for tokens in state:
            ids = generator.encode(prompt)
            with torch.inference_mode():
                logits = generator.model(torch.tensor([ids + tokens])).logits[0, -1]
            scores[tuple(tokens)] = torch.log_softmax(logits, -1)
        state = [
            tokens
            for tokens in following
            if abs(float(scores[tuple(tokens[:-1])][tokens[-1]]) - value) < 1e-4
        ]
        if not state:
            return False
    return True


def test_beams_are_ordered_and_have_the_models_logprobs(generator_of: Loaded) -> None:
    generator = generator_of("llama")
    found = generator.generate(PROMPTS[:2], Sampling(max_new_tokens=5, beams=4))
    for prompt, completions in zip(PROMPTS, found, strict=False):
        assert len(completions) == 4 and len({c.logprobs for c in completions}) == 4
        means = [sum(c.logprobs) / len(c.logprobs) for c in completions]
        assert means == sorted(means, reverse=True)
        assert all(tokens_by_search(generator, prompt, c) for c in completions)


def test_sampling_is_reproducible_and_reports_untempered_logprobs(generator_of: Loaded) -> None:
    generator = generator_of("llama")
    sampling = Sampling(max_new_tokens=4, n=5, temperature=1.5, top_p=0.9, seed=7)
    state = torch.get_rng_state()
    first = generator.generate(PROMPTS, sampling)
    assert torch.equal(state, torch.get_rng_state())
    assert first == generator.generate(PROMPTS, sampling)
    other = Sampling(max_new_tokens=4, n=5, temperature=1.5, top_p=0.9, seed=8)
    assert first != generator.generate(PROMPTS, other)
    assert all(len(completions) == 5 for completions in first)
    assert all(tokens_by_search(generator, PROMPTS[0], c) for c in first[0])
    totals = [sum(c.logprobs) for c in first[1]]
    assert totals == sorted(totals, reverse=True)


def test_saved_sampling_settings_do_not_leak_into_greedy(
    model_folder: Folder, generator_of: Loaded, tmp_path: Path
) -> None:
    folder = copied(model_folder("qwen2"), tmp_path)
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {"repetition_penalty": 5.0, "do_sample": True, "temperature": 3.0, "max_length": 5}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    changed = load(folder, device="cpu").generate(PROMPTS, SHORT)
    assert changed == generator_of("qwen2").generate(PROMPTS, SHORT)


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
    prompt = Prompt("plain", "ddl", (Message("system", "be brief"), Message("user", "hi")))
    plain, chat = (generator_of("llama", kind) for kind in ("plain", "chat"))
    assert input_text(plain.tokenizer, prompt) == ("plain", True)
    text = "<|system|>be brief\n<|user|>hi\n<|assistant|>"
    assert input_text(chat.tokenizer, prompt) == (text, False)
    assert input_text(chat.tokenizer, Prompt("plain", "ddl")) == ("plain", True)
    assert chat.tokenizer.decode(chat.encode(prompt)) == text


def test_a_template_without_a_system_role_gets_its_text_from_the_user(
    generator_of: Loaded,
) -> None:
    tokenizer = copy(generator_of("llama", "chat").tokenizer)
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ messages[0]['content'] }}]"
    )
    prompt = Prompt("plain", "ddl", (Message("system", "be brief"), Message("user", "hi")))
    assert input_text(tokenizer, prompt) == ("[be brief\n\nhi]", False)


def test_small_batches_change_nothing(model_folder: Folder) -> None:
    folder = model_folder("mistral")
    prompts = [Prompt("a " * i + "b", "ddl") for i in (3, 40, 1, 17)]
    wide = load(folder, device="cpu").generate(prompts, SHORT)
    narrow = load(folder, device="cpu", batch_tokens=1).generate(prompts, SHORT)
    assert [c[0].text for c in wide] == [c[0].text for c in narrow]


def test_a_prompt_longer_than_the_context_says_so(generator_of: Loaded) -> None:
    generator = generator_of("phi")
    with pytest.raises(ModelError, match="reads 255; render it with a smaller budget"):
        generator.generate([Prompt("? " * 400, "ddl")], SHORT)
    nearly = Prompt("a" * 250, "ddl")
    room = 256 - len(generator.encode(nearly))
    mixed = generator.generate([nearly, PROMPTS[0]], Sampling(max_new_tokens=200))
    assert mixed[0][0].completion_tokens <= room
    assert mixed[1] == generator.generate([PROMPTS[0]], Sampling(max_new_tokens=200))[0]


@pytest.mark.parametrize(
    "sampling", [Sampling(0), Sampling(n=0), Sampling(beams=2, temperature=1.0)]
)
def test_sampling_that_makes_no_sense_says_so(generator_of: Loaded, sampling: Sampling) -> None:
    with pytest.raises(ModelError):
        generator_of("llama").generate(PROMPTS, sampling)


def test_greedy_copies_and_no_prompts(generator_of: Loaded) -> None:
    generator = generator_of("llama")
    assert generator.generate([], SHORT) == []
    found = generator.generate(PROMPTS[:1], Sampling(max_new_tokens=4, n=3))[0]
    assert len(found) == 3 and len(set(found)) == 1


def copied(source: Path, target: Path) -> Path:
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target

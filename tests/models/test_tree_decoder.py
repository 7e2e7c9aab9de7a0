"""The engine of a search says what plain forward passes of the same model say."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from txt2sql.models.decoder import Decoder
from txt2sql.models.tree_decoder import Decoding, TreeDecoder
from txt2sql.types import Prompt, Sampling

Loaded = Callable[..., Decoder]
GRAMMAR = """start: "select " name (", " name)* " from " name (" where " name " = " /[0-9]{1,3}/)?
name: "singer" | "song" | "name" | "age"
"""
THINKING = r"""start: thought thought? "select " name " from " name
thought: "--" /[a-c]{1,3}/ " from"? "\n"
name: "singer" | "song"
"""
LONG = 'start: "select" /[a-z]{30,90}/\n'


def starts(step: str, piece: str) -> bool:
    return bool(step.strip()) and piece.strip() in ("from", "where", "fro", "whe")


def engine_of(generator: Decoder, head: object = None, **options: object) -> TreeDecoder:
    decoding = Decoding(**{"max_new_tokens": 24, **options})  # type: ignore[arg-type]
    return TreeDecoder(generator, starts, decoding=decoding, head=head)  # type: ignore[arg-type]


def prompts(*texts: str, grammar: str | None = GRAMMAR) -> list[Prompt]:
    return [Prompt(text, grammar=grammar) for text in texts]


@pytest.mark.parametrize(
    ("architecture", "grammar"),
    [("bert", None), ("phi", GRAMMAR), ("llama", None), ("mistral", GRAMMAR), ("qwen2", GRAMMAR)],
)
def test_the_first_steps_are_the_greedy_answer(
    generator_of: Loaded, architecture: str, grammar: str | None
) -> None:
    generator = generator_of(architecture)
    engine = engine_of(generator, width=3)
    for prompt in prompts("how many singers are there ?", "name", grammar=grammar):
        [greedy] = generator.generate([prompt], Sampling(max_new_tokens=24))[0]
        [place] = engine.prefill([prompt])
        total = 0.0
        for _ in range(30):
            [(_, steps, _)] = engine.expand([place])
            place, total = steps[0].place, total + steps[0].logprob
            if steps[0].ended:
                break
        assert steps[0].text.split(";")[0] == greedy.text.split(";")[0]
        if ";" not in greedy.text and greedy.completion_tokens < 24:
            assert total >= sum(greedy.logprobs) - 1e-3  # or more, if spelt in two ways


def test_the_probabilities_of_all_answers_sum_to_one(generator_of: Loaded) -> None:
    grammar = 'start: "select " name " from " name\nname: "singer" | "age"\n'
    engine = engine_of(generator_of("phi"), width=200, least=1e-9, enough=2.0, candidates=60)
    [root] = engine.prefill(prompts("how many", grammar=grammar))
    mass: dict[str, float] = {}
    waiting = [(root, 0.0)]
    while waiting:
        place, before = waiting.pop()
        [(_, steps, _)] = engine.expand([place])
        for step in steps:
            if step.ended:
                text = step.text.strip()
                mass[text] = mass.get(text, 0.0) + math.exp(before + step.logprob)
            else:
                waiting.append((step.place, before + step.logprob))
    nouns = ("singer", "age")
    assert set(mass) == {f"select {one} from {two}" for one in nouns for two in nouns}
    assert 0.9 < sum(mass.values()) <= 1 + 1e-4


def test_a_token_that_would_come_too_late_is_not_begun(
    generator_of: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token takes 40 ms: with 200 ms five are read, with 190 as well, with 170 but four."""
    engine = engine_of(generator_of("phi"), width=2, max_new_tokens=40)
    now, read = [100.0], engine.read
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("txt2sql.models.tree_decoder.time", clock)

    def slowly(*beams: Any) -> range:
        now[0] += 0.04
        return read(*beams)

    monkeypatch.setattr(engine, "read", slowly)
    [place] = engine.prefill(prompts("how many ?", grammar=LONG))
    engine.expand([place], until=100.05)  # which shows how long a token takes
    for seconds, tokens in ((0.2, 5), (0.19, 5), (0.17, 4)):
        [place] = engine.prefill(prompts("how many ?", grammar=LONG))
        now[0] = 100.0
        engine.free(place._replace(tree=place.tree - 1))
        assert engine.expand([place], until=100.0 + seconds) == []
        assert now[0] - 100.0 == pytest.approx(0.04 * tokens)


def test_a_head_scores_the_state_of_a_steps_last_token(generator_of: Loaded) -> None:
    generator = generator_of("qwen2")
    model = generator.engine.model
    weights = np.random.default_rng(0).normal(size=model.config.hidden_size)
    engine = engine_of(generator, head=lambda states: states @ weights)
    [prompt] = prompts("age of singers")
    [root] = engine.prefill([prompt])
    [(_, steps, _)] = engine.expand([root])
    tree = engine.trees[root.tree]
    for step, score in zip(steps, engine.score([s.place for s in steps]), strict=True):
        ids = [*generator.encode(prompt)[0], *tree.tokens[step.place.token].row.tokens]
        with torch.inference_mode():
            hidden = model.base_model(torch.tensor([ids])).last_hidden_state[0, -1]
        assert math.isclose(score, float(hidden.numpy() @ weights), abs_tol=1e-3)
        assert not step.ended or ids[-1] in engine.ends or step.tokens == 24

"""The engine on vLLM finds the steps that the one on transformers finds.

vLLM is not installed where tests run: `FakeLLM` stands for it, a real tiny model behind the part of
vLLM's interface that is used, as its documentation has it (0.10.2 and later).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from txt2sql.errors import ModelError
from txt2sql.models.engine import HFEngine
from txt2sql.models.hf import HFGenerator
from txt2sql.models.step_beam import Decoding, Place, Step, StepBeam
from txt2sql.models.vllm_engine import VLLMEngine, open_vllm
from txt2sql.search.actions import starts_step
from txt2sql.types import Prompt, Sampling

GRAMMAR = """root ::= ("-- " [ab]{1,2} "\\n")? "select " name " from " name (" where " name " = " [0-9])?
name ::= "singer" | "song" | "age"
"""


@dataclass(kw_only=True)
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    max_tokens: int | None = 16
    logprobs: int | None = None
    allowed_token_ids: list[int] | None = None
    detokenize: bool = True


class FakeLLM:
    """`LLM.generate` of one token for each prompt, greedy, with log-probabilities of the processed
    logits: those of tokens that are not allowed are minus infinity.
    """

    def __init__(self, *, model: str, **options: Any) -> None:
        self.options, self.calls = options, []  # type: ignore[var-annotated]
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()

    def generate(
        self, prompts: Sequence[dict[str, list[int]]], params: Sequence[SamplingParams], *,
        use_tqdm: bool = True,
    ) -> list[SimpleNamespace]:  # fmt: skip
        assert len(prompts) == len(params) and not use_tqdm
        self.calls.append([len(prompt["prompt_token_ids"]) for prompt in prompts])
        return [
            self._one(prompt["prompt_token_ids"], asked) for prompt, asked in zip(prompts, params)
        ]

    def _one(self, ids: list[int], asked: SamplingParams) -> SimpleNamespace:
        assert asked.n == 1 and asked.max_tokens == 1 and asked.temperature == 0 and not asked.detokenize  # fmt: skip
        assert 0 < (asked.logprobs or 0) <= self.options["max_logprobs"]
        assert len(ids) < self.options["max_model_len"]
        with torch.inference_mode():
            logits = self.model(input_ids=torch.tensor([ids])).logits[0, -1]
        if asked.allowed_token_ids is not None:
            assert asked.allowed_token_ids and max(asked.allowed_token_ids) < len(logits)
            kept = torch.full_like(logits, -math.inf)
            kept[asked.allowed_token_ids] = logits[asked.allowed_token_ids]
            logits = kept
        values = logits.log_softmax(-1)
        best = values.topk(asked.logprobs).indices.tolist()
        found = {token: SimpleNamespace(logprob=float(values[token])) for token in best}
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=best[:1], logprobs=[found])])


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = FakeLLM, SamplingParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)


def tree_of(engine: StepBeam, root: Place) -> dict[str, Step]:
    """Every step within reach, by its text and whether it ends."""
    found: dict[str, Step] = {}
    waiting = [root]
    while waiting and len(found) < 60:
        done = engine.expand(waiting)
        waiting = []
        for _, steps, _ in done:
            found |= {f"{step.text}|{step.ended}": step for step in steps}
            waiting += [step.place for step in steps if not step.ended]
    return found


@pytest.mark.parametrize("architecture", ["phi", "llama"])
@pytest.mark.parametrize("grammar", [None, GRAMMAR], ids=["free", "grammar"])
def test_steps_are_those_of_transformers(
    vllm: None,
    generator_of: Callable[..., HFGenerator],
    model_folder: Callable[..., Path],
    architecture: str,
    grammar: str | None,
) -> None:
    decoding = Decoding(width=3, max_new_tokens=16)
    ours = HFEngine(generator_of(architecture), starts_step, decoding=decoding)
    other = open_vllm(str(model_folder(architecture)), starts_step, decoding=decoding)
    prompts = [Prompt(text, "ddl", grammar=grammar) for text in ("how many singers ?", "age")]
    for place, there in zip(ours.prefill(prompts), other.prefill(prompts), strict=True):
        expected, found = tree_of(ours, place), tree_of(other, there)
        assert found and found.keys() == expected.keys()
        assert len(found) >= 3 or grammar is None
        for text, step in expected.items():
            assert found[text].logprob == pytest.approx(step.logprob, abs=1e-3)
            assert found[text].tokens == step.tokens


def test_a_wave_is_one_call_and_a_tree_can_be_freed(
    vllm: None, model_folder: Callable[..., Path]
) -> None:
    engine = open_vllm(str(model_folder("phi")), starts_step, decoding=Decoding(width=2))
    roots = engine.prefill([Prompt("one", "ddl", grammar=GRAMMAR), Prompt("two", "ddl", grammar=GRAMMAR)])  # fmt: skip
    assert len(engine.llm.calls) == 1 and len(engine.llm.calls[0]) == 2
    assert engine.llm.options["enable_prefix_caching"] is True
    assert engine.llm.options["logprobs_mode"] == "processed_logprobs"
    done = engine.expand(roots)
    assert len(engine.llm.calls) <= 1 + max(s.tokens for _, steps, _ in done for s in steps) + 16
    engine.expand([done[0][1][0].place], until=0.0)
    engine.free(done[0][0])
    assert all(place.tree != done[0][0].tree for place, _, _ in engine.expand([]))


def test_it_searches_and_does_nothing_else(vllm: None, model_folder: Callable[..., Path]) -> None:
    engine = open_vllm(str(model_folder("llama")), starts_step, max_model_len=12)
    assert isinstance(engine, VLLMEngine) and engine.prompt_style == "ddl"
    with pytest.raises(ModelError, match="longer context"):
        engine.prefill([Prompt("a b c d e f g h i j k l m n o p", "ddl")])
    [root] = engine.prefill([Prompt("a", "ddl")])
    with pytest.raises(ModelError, match="value head"):
        engine.score([root])
    with pytest.raises(ModelError, match="only searches"):
        engine.generate([Prompt("a", "ddl")], Sampling())


def test_what_vllm_cannot_run_is_told(vllm: None, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="search it on transformers"):
        open_vllm("bundled", starts_step)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "phi-2"}')
    with pytest.raises(ModelError, match="txt2sql merge"):
        open_vllm(str(tmp_path), starts_step)


def test_without_vllm_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ModelError, match=r"txt2sql\[vllm\]"):
        open_vllm("phi-2", starts_step)

"""The graph that is written by hand says what transformers says, and damage is told in a sentence."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from txt2sql.errors import ModelError
from txt2sql.models import decoder
from txt2sql.models.cache import PrefixStore
from txt2sql.models.decoder import Decoder
from txt2sql.models.export import export_onnx
from txt2sql.models.hf import HFGenerator
from txt2sql.models.onnx_engine import OnnxEngine, as_array
from txt2sql.models.quantise import Quantised, gptq, nearest, write_adapter
from txt2sql.types import Message, Prompt, Sampling

TOLERANCE = 1e-4
GRAMMAR = """root ::= "select " name (", " name)* " from " name (" where " name " = " digits)?
name ::= "singer" | "song" | "name" | "age"
digits ::= [0-9]{1,3}
"""
STATIC = "CREATE TABLE singer (name TEXT, age INT)\n"
QUESTIONS = ["how many singers are there ?", "name of the oldest singer", "age"]


def prompts() -> list[Prompt]:
    return [
        Prompt(
            STATIC + question, "ddl", (Message("system", STATIC), Message("user", question)),
            prefix=STATIC, grammar=GRAMMAR,
        )
        for question in QUESTIONS
    ]  # fmt: skip


@pytest.fixture(scope="module", params=["llama", "mistral", "qwen2"])
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, model_folder: Callable[..., Path]
) -> Callable[..., Path]:
    made: dict[tuple[str, str, int], Path] = {}

    def folder(architecture: str, kind: str = "chat", bits: int = 32) -> Path:
        key = (architecture, kind, bits)
        if key not in made:
            path = tmp_path_factory.mktemp("onnx") / architecture
            made[key] = export_onnx(model_folder(architecture, kind), path, bits=bits)
        return made[key]

    return folder


def logits_of(model: Any, tokens: list[int]) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        return np.asarray(model(input_ids=torch.tensor([tokens])).logits[0].float())


def test_logits_are_those_of_transformers_however_a_row_is_cut(
    architecture: str, exported: Callable[..., Path], generator_of: Callable[..., HFGenerator]
) -> None:
    generator = generator_of(architecture, "chat")
    engine = OnnxEngine(exported(architecture), threads=1)
    tokens = generator.tokenizer(STATIC * 3)["input_ids"][:60]
    expected = logits_of(generator.model.float(), tokens)
    cache, start = engine.cache(), 0
    seen = np.zeros(1, bool)
    for size in (1, 7, 20, len(tokens) - 28):
        part = tokens[start : start + size]
        sees = np.concatenate([np.tile(seen, (size, 1)), np.tri(size, dtype=bool)], 1)
        positions = np.arange(start, start + size)
        output, slots = engine.forward(as_array(part), positions, sees, cache, np.arange(size))
        assert np.abs(output.logits - expected[start : start + size]).max() < TOLERANCE
        assert slots.tolist() == list(range(cache.length - size, cache.length))
        seen = np.concatenate([seen, np.ones(size, bool)])
        start += size


def test_a_tree_of_rows_in_one_cache_has_the_logits_of_each_row_alone(
    exported: Callable[..., Path], generator_of: Callable[..., HFGenerator]
) -> None:
    """Random continuations of a common beginning, read together, each blind to the others."""
    generator = generator_of("qwen2", "chat")
    engine = OnnxEngine(exported("qwen2"), threads=1)
    chance = random.Random(5)
    begin = generator.tokenizer(STATIC)["input_ids"]
    rows = [[chance.randrange(6, 300) for _ in range(chance.randrange(1, 6))] for _ in range(4)]
    cache = engine.cache()
    size = len(begin)
    first = np.concatenate([np.zeros((size, 1), bool), np.tri(size, dtype=bool)], 1)
    engine.forward(as_array(begin), np.arange(size), first, cache, as_array([size - 1]))
    total = sum(map(len, rows))
    sees = np.zeros((total, cache.length + total), bool)
    sees[:, 1 : cache.length] = True
    positions, place = [], 0
    for row in rows:
        end = place + len(row)
        sees[place:end, cache.length + place : cache.length + end] = np.tri(len(row), dtype=bool)
        positions += range(size, size + len(row))
        place = end
    flat = as_array([token for row in rows for token in row])
    output, _ = engine.forward(flat, as_array(positions), sees, cache, np.arange(total))
    place = 0
    for row in rows:
        expected = logits_of(generator.model.float(), [*begin, *row])[size:]
        assert np.abs(output.logits[place : place + len(row)] - expected).max() < TOLERANCE
        place += len(row)


@pytest.mark.parametrize("kind", ["chat", "plain"])
@pytest.mark.parametrize("beams", [1, 4])
def test_answers_are_those_of_transformers(
    architecture: str,
    kind: str,
    beams: int,
    exported: Callable[..., Path],
    generator_of: Callable[..., HFGenerator],
) -> None:
    ours = decoder.load(exported(architecture, kind), threads=1)
    ours.prefixes = PrefixStore(None, "")  # on disk they are in half precision
    peer = generator_of(architecture, kind)
    if beams == 1:
        expected = peer.generate(prompts(), Sampling(max_new_tokens=24))
        answers = ours.generate(prompts(), Sampling(max_new_tokens=24))
        for [one], [other] in zip(answers, expected, strict=True):
            assert one.text == other.text
            assert sum(one.logprobs) == pytest.approx(sum(other.logprobs), abs=1e-3)
            assert one.prompt_tokens == other.prompt_tokens
        return
    for prompt, answers in zip(
        prompts(), ours.generate(prompts(), Sampling(max_new_tokens=24, beams=4)), strict=True
    ):
        texts = [each.text for each in answers]
        scores = [sum(each.logprobs) for each in answers]
        assert len(set(texts)) == len(texts) and scores == sorted(scores, reverse=True)
        greedy = ours.generate([prompt], Sampling(max_new_tokens=24))[0][0]
        assert scores[0] >= sum(greedy.logprobs) - 1e-4  # a beam is never worse than greedy


def test_samples_are_those_of_the_seed_and_follow_the_grammar(
    exported: Callable[..., Path],
) -> None:
    ours = decoder.load(exported("qwen2"), threads=1)
    sampling = Sampling(max_new_tokens=30, n=6, temperature=1.5, seed=3)
    first, second = (ours.generate(prompts()[:1], sampling)[0] for _ in range(2))
    assert first == second and len(first) == 6
    other = ours.generate(prompts()[:1], Sampling(max_new_tokens=30, n=6, temperature=1.5, seed=4))
    assert {c.text for c in other[0]} != {c.text for c in first}
    assert all(c.text.startswith("select ") for c in first)


def test_a_cached_prefix_gives_the_same_answers_and_is_read_from_disk(
    exported: Callable[..., Path], tmp_path: Path
) -> None:
    def made() -> Decoder:
        ours = decoder.load(exported("qwen2"), threads=1)
        ours.prefixes = PrefixStore(tmp_path, ours.engine.identity)  # type: ignore[attr-defined]
        return ours

    first = made().generate(prompts(), Sampling(max_new_tokens=24))
    [file] = tmp_path.glob("*.npz")
    again = made()
    read = again.engine.forward
    counts: list[int] = []

    def counted(tokens: Any, *rest: Any, **named: Any) -> Any:
        counts.append(len(tokens))
        return read(tokens, *rest, **named)

    again.engine.forward = counted  # type: ignore[method-assign]
    assert again.generate(prompts(), Sampling(max_new_tokens=24)) == first
    encoded = [again.encode(prompt) for prompt in prompts()]
    assert all(shared > 5 for _, shared in encoded)
    assert counts[0] == sum(len(ids) - shared for ids, shared in encoded)  # the questions alone
    file.write_bytes(file.read_bytes()[:-40])  # damaged: computed anew
    assert made().generate(prompts(), Sampling(max_new_tokens=24)) == first


def test_the_store_of_prefixes_keeps_its_size(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, "model", max_bytes=5000)
    for number in range(8):
        store.save([number] * 4, np.zeros((2, 1, 1, 4, 32), np.float16))
    files = list(tmp_path.glob("*.npz"))
    assert files and sum(f.stat().st_size for f in files) <= 5000
    assert PrefixStore(tmp_path, "other").load([7] * 4) is None
    assert PrefixStore(tmp_path, "model").load([7] * 4) is not None


@pytest.mark.parametrize("bits", [4, 8])
def test_fewer_bits_are_near(
    bits: int, exported: Callable[..., Path], generator_of: Callable[..., HFGenerator]
) -> None:
    generator = generator_of("qwen2", "chat")
    engine = OnnxEngine(exported("qwen2", "chat", bits), threads=1)
    tokens = generator.tokenizer(STATIC)["input_ids"]
    size = len(tokens)
    sees = np.concatenate([np.zeros((size, 1), bool), np.tri(size, dtype=bool)], 1)
    rows = np.arange(size)
    output, _ = engine.forward(as_array(tokens), rows, sees, engine.cache(), rows)
    expected = logits_of(generator.model.float(), tokens)
    error = np.abs(output.logits - expected).mean() / np.abs(expected).mean()
    assert error < {4: 0.4, 8: 0.05}[bits]  # a random model of size 32 has no redundancy


def test_an_adapter_beside_the_base_is_the_adapter_of_peft(
    exported: Callable[..., Path], generator_of: Callable[..., HFGenerator], tmp_path: Path
) -> None:
    import copy

    model = copy.deepcopy(generator_of("qwen2", "chat").model.float())
    config = model.config.to_dict()
    names = ["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's, about transformers' own future
        adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules=names))
    torch.manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.3)
    adapted.save_pretrained(str(tmp_path), save_embedding_layers=False)
    write_adapter(tmp_path, config, tmp_path / "adapter.npz")
    engine = OnnxEngine(exported("qwen2"), threads=1)
    plain = engine.identity
    engine.adapt(tmp_path / "adapter.npz")
    assert engine.identity != plain  # what was cached without it is not used with it
    tokens = generator_of("qwen2", "chat").tokenizer(STATIC)["input_ids"]
    size = len(tokens)
    sees = np.concatenate([np.zeros((size, 1), bool), np.tri(size, dtype=bool)], 1)
    rows = np.arange(size)
    output, _ = engine.forward(as_array(tokens), rows, sees, engine.cache(), rows)
    expected = logits_of(adapted.eval(), tokens)
    assert np.abs(output.logits - expected).max() < 0.02  # the adapter is in half precision
    assert np.abs(expected - logits_of(generator_of("qwen2", "chat").model, tokens)).max() > 1


def test_what_is_damaged_is_told(exported: Callable[..., Path], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(exported("llama"), folder)
    weights = folder / "weights-0.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="cut short or damaged; install it again"):
        OnnxEngine(folder)
    weights.write_bytes(whole)
    (folder / "decoder.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be loaded"):
        OnnxEngine(folder)
    facts = json.loads((folder / "engine.json").read_text())
    (folder / "engine.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(ModelError, match="of another version of txt2sql; export it again"):
        OnnxEngine(folder)
    (tmp_path / "adapter.npz").write_bytes(b"x")
    with pytest.raises(ModelError, match="holds no adapter"):
        OnnxEngine(exported("llama"), adapter=tmp_path / "adapter.npz")
    np.savez(tmp_path / "adapter.npz", **{"a.0.qkv": np.zeros((2, 7), np.float16)})
    with pytest.raises(ModelError, match="was made for another model"):
        OnnxEngine(exported("llama"), adapter=tmp_path / "adapter.npz")


def test_other_architectures_are_refused(model_folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no ONNX graph for a model of type 'phi'"):
        export_onnx(model_folder("phi"), tmp_path / "phi", bits=32)
    assert not (tmp_path / "phi").exists()


def test_a_prompt_beyond_the_context_is_told(exported: Callable[..., Path]) -> None:
    ours = decoder.load(exported("qwen2"), threads=1)
    with pytest.raises(ModelError, match="the prompt has .* tokens, .* reads 255"):
        ours.generate([Prompt("singer " * 400, "ddl")], Sampling())


def matrix(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator)


def test_gptq_keeps_outputs_better_than_rounding() -> None:
    weight = matrix(64, 96, 0)
    inputs = matrix(500, 96, 1) @ matrix(96, 96, 2)  # correlated, as activations are
    moment = inputs.T @ inputs

    def lost(quantised: Quantised) -> float:
        difference = (quantised.dequantised() - weight) @ inputs.T
        return float(difference.square().mean() / (weight @ inputs.T).square().mean())

    assert lost(gptq(weight, moment)) < 0.7 * lost(nearest(weight)) < 0.01


def test_levels_are_what_the_graph_reads() -> None:
    quantised = nearest(matrix(8, 64, 3))
    assert quantised.levels.max() <= 15 and quantised.zeros.max() <= 15
    assert (quantised.dequantised() - matrix(8, 64, 3)).abs().max() < 0.4

"""The graph that is written by hand says what transformers says, and damage is told in a sentence."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from txt2sql.errors import ModelError
from txt2sql.models import decoder
from txt2sql.models.catalog import resolve
from txt2sql.models.decoder import Decoder, PrefixStore, answers_without_torch
from txt2sql.models.export import export_onnx
from txt2sql.models.onnx_engine import OnnxEngine, read_adapter
from txt2sql.models.quantise import BlockWeights, gptq, nearest
from txt2sql.models.weights import load_weights
from txt2sql.types import Message, Prompt, Sampling

Loaded, Exported = Callable[..., Decoder], Callable[..., Path]
TOLERANCE = 1e-4
GRAMMAR = """start: "select " name (", " name)* " from " name (" where " name " = " /[0-9]{1,3}/)?
name: "singer" | "song" | "name" | "age"
"""
STATIC = "CREATE TABLE singer (name TEXT, age INT)\n"
QUESTIONS = ["how many singers are there ?", "name of the oldest singer", "age"]


def prompts() -> list[Prompt]:
    def prompt(question: str) -> Prompt:
        messages = Message("system", STATIC), Message("user", question)
        return Prompt(STATIC + question, messages, prefix=STATIC, grammar=GRAMMAR)

    return [prompt(question) for question in QUESTIONS]


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


@pytest.mark.parametrize(
    ("architecture", "kind"), [("llama", "chat"), ("mistral", "plain"), ("qwen2", "chat")]
)
def test_answers_are_those_of_transformers_and_a_beam_is_never_worse(
    architecture: str, kind: str, exported: Exported, generator_of: Loaded
) -> None:
    ours = decoder.load(exported(architecture, kind), threads=1)
    ours.prefixes = PrefixStore(None, "")  # on disk they are in half precision
    peer = generator_of(architecture, kind)
    short = Sampling(max_new_tokens=24)
    greedy, expected = ours.generate(prompts(), short), peer.generate(prompts(), short)
    for [one], [other] in zip(greedy, expected, strict=True):
        assert (one.text, one.prompt_tokens) == (other.text, other.prompt_tokens)
        assert sum(one.logprobs) == pytest.approx(sum(other.logprobs), abs=1e-3)
    scores = [each.score(prompts(), "SELECT name") for each in (ours, peer)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
    beam = Sampling(max_new_tokens=24, beams=4)
    beams = [each.generate(prompts(), beam) for each in (ours, peer)]
    for [one], answers, others in zip(greedy, *beams, strict=True):
        scores = [sum(each.logprobs) for each in answers]
        assert scores == pytest.approx([sum(each.logprobs) for each in others], abs=1e-3)
        assert len({each.text for each in answers}) == len(answers)
        assert scores == sorted(scores, reverse=True)
        assert scores[0] >= sum(one.logprobs) - 1e-4


def test_a_cached_prefix_gives_the_same_answers_and_is_read_from_disk(
    exported: Exported, tmp_path: Path
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


def read_whole(engine: OnnxEngine, tokens: list[int], **options: Any) -> np.ndarray[Any, Any]:
    """(time, vocabulary) logits of a text that is read at once."""
    size = len(tokens)
    sees = np.concatenate([np.zeros((size, 1), bool), np.tri(size, dtype=bool)], 1)
    rows = np.arange(size)
    return engine.forward(np.array(tokens), sees, engine.cache(), rows, **options)[0].logits


def error_of(logits: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    return float(np.abs(logits - expected).mean() / np.abs(expected).mean())


@pytest.mark.parametrize(
    ("architecture", "bits", "most"),
    [("llama", 4, 0.6), ("qwen2", 4, 0.6), ("mistral", 8, 0.05), ("llama", 32, 1e-5)],
)
def test_what_was_exported_is_read_back(
    architecture: str, bits: int, most: float, exported: Exported, generator_of: Loaded
) -> None:
    """By ONNX Runtime and by transformers; a random model of size 32 has no redundancy."""
    generator = generator_of(architecture, "chat")
    folder = exported(architecture, "chat", bits)
    tokens = generator.vocabulary.tokenizer(STATIC)["input_ids"]
    expected = logits_of(generator.engine.model, tokens)
    logits = read_whole(OnnxEngine(folder, threads=1), tokens)
    assert error_of(logits, expected) < most
    loaded = load_weights(folder, device="cpu")
    assert error_of(logits_of(loaded.model, tokens), logits) < min(most, 0.05)
    assert loaded.tokenizer(STATIC)["input_ids"] == tokens
    if bits == 32:
        state = generator.engine.model.state_dict()
        assert all(torch.equal(state[n], each) for n, each in loaded.model.state_dict().items())


def tuned(model: Any, folder: Path, base: Path | None = None, seed: int = 1, **options: Any) -> Any:
    """A copy of the model with a random adapter, which peft writes into `folder`; merged."""
    targets = ["q_proj", "v_proj", "o_proj", "up_proj"]
    settings = {"r": 4, "lora_alpha": 12, "target_modules": targets}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's, about transformers' own future
        adapted = get_peft_model(copy.deepcopy(model), LoraConfig(**{**settings, **options}))
    torch.manual_seed(seed)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name and "magnitude" not in name:
            parameter.data.normal_(0, 0.3)
    adapted.peft_config["default"].base_model_name_or_path = str(base or "nowhere")
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    return adapted.merge_and_unload().eval()


def test_adapters_over_an_exported_model_add_up(
    exported: Exported, generator_of: Loaded, tmp_path: Path
) -> None:
    generator = generator_of("qwen2", "chat")
    folder = shutil.copytree(exported("qwen2"), tmp_path / "model")
    once = tuned(generator.engine.model, folder / "adapter")
    twice = tuned(once, tmp_path / "second", folder, seed=2, target_modules=["k_proj", "down_proj"])
    thrice = tuned(twice, tmp_path / "third", tmp_path / "second", seed=3, r=2)
    tokens = generator.vocabulary.tokenizer(STATIC)["input_ids"]
    for name, merged in (("second", twice), ("third", thrice)):
        answering = decoder.load(tmp_path / name, threads=1)
        assert (answering.name, answering.folder) == (name, tmp_path / name)
        assert np.abs(read_whole(answering.engine, tokens) - logits_of(merged, tokens)).max() < 1e-3
    with pytest.raises(ModelError, match="adapter over a model that is not exported"):
        tuned(once, tmp_path / "other", Path("microsoft/phi-2"))
        decoder.load(tmp_path / "other")


def test_plain_lora_over_an_exported_model_answers_without_torch(
    exported: Exported, generator_of: Loaded, model_folder: Exported, tmp_path: Path
) -> None:
    plain, model = exported("qwen2"), generator_of("qwen2", "chat").engine.model
    tuned(model, tmp_path / "lora", plain)
    tuned(model, tmp_path / "over", tmp_path / "lora")
    tuned(model, tmp_path / "dora", plain, use_dora=True)
    tuned(model, tmp_path / "over_dora", tmp_path / "dora")
    tuned(model, tmp_path / "hub", model_folder("qwen2"))
    expected = {"lora": True, "over": True, "dora": False, "over_dora": False, "hub": False}
    answers = {name: answers_without_torch(resolve(tmp_path / name)) for name in expected}
    assert answers == expected and answers_without_torch(resolve(plain))
    assert not answers_without_torch(resolve(model_folder("qwen2")))
    code = f"""
import sys
from pathlib import Path
from txt2sql.models import decoder
from txt2sql.types import Prompt, Sampling
decoder.load(Path({str(tmp_path / "over")!r}), threads=1).generate([Prompt("age")], Sampling(4))
assert not {{"torch", "transformers", "peft", "onnx"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_dora": True}, "is no plain LoRA; merge it before the export"),
        ({"rank_pattern": {"q_proj": 2}}, "is no plain LoRA; merge it before the export"),
        ({"target_modules": ["lm_head"]}, "'lm_head', which stays as it is here; merge it"),
        ({}, "was made for another model; make it anew for this one"),
    ],
)
def test_an_adapter_that_is_no_plain_lora_of_this_model_is_refused(
    options: dict[str, Any], message: str, exported: Exported, generator_of: Loaded, tmp_path: Path
) -> None:
    tuned(generator_of("qwen2", "chat").engine.model, tmp_path, **options)
    file = tmp_path / "adapter_model.safetensors"
    if not options:
        stored = load_file(file)
        save_file({n: m[:, :7].clone() if "lora_A" in n else m for n, m in stored.items()}, file)
    with pytest.raises(ModelError, match=message) as caught:
        OnnxEngine(exported("qwen2"), adapters=[tmp_path])
    assert "\n" not in str(caught.value)
    os.truncate(file, 100)
    with pytest.raises(ModelError, match="holds no adapter"):
        read_adapter(tmp_path)


@pytest.mark.parametrize("activated", [False, True])
def test_an_activated_adapter_leaves_prefixes_as_they_are(
    activated: bool, exported: Exported, generator_of: Loaded, tmp_path: Path
) -> None:
    generator = generator_of("qwen2", "chat")
    tokens = generator.vocabulary.tokenizer(STATIC)["input_ids"]
    engine = OnnxEngine(exported("qwen2"), threads=1)
    plain, identity = read_whole(engine, tokens), engine.identity
    tuned(generator.engine.model, tmp_path)
    (tmp_path / "prompt.json").write_text(json.dumps({"activated": activated}))
    engine.adapt([tmp_path])
    # What was cached without an adapter that reads prefixes, too, is not used with it.
    assert (engine.identity == identity) is activated
    assert np.array_equal(read_whole(engine, tokens, prefix=True), plain) is activated
    assert not np.array_equal(read_whole(engine, tokens), plain)
    engine.adapt([])
    assert engine.identity == identity and np.array_equal(read_whole(engine, tokens), plain)


def test_what_is_damaged_or_cannot_be_exported_is_refused(
    exported: Exported, model_folder: Exported, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no ONNX graph for a model of type 'phi'"):
        export_onnx(model_folder("phi"), tmp_path / "phi", bits=32)
    assert not (tmp_path / "phi").exists()
    folder = shutil.copytree(exported("llama"), tmp_path / "model")
    facts = json.loads((folder / "engine.json").read_text())
    older = {key: value for key, value in facts.items() if key != "tensors"}
    (folder / "engine.json").write_text(json.dumps(older))
    with pytest.raises(ModelError, match="by an older version; export it again"):
        load_weights(folder, device="cpu")
    weights = folder / "weights-0.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="cut short or damaged; install it again"):
        OnnxEngine(folder)
    weights.write_bytes(whole)
    (folder / "decoder.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be loaded"):
        OnnxEngine(folder)
    (folder / "engine.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(ModelError, match="of another version of txt2sql; export it again"):
        OnnxEngine(folder)


def test_gptq_keeps_outputs_better_than_rounding() -> None:
    torch.manual_seed(0)
    weight, inputs = torch.randn(64, 96), torch.randn(500, 96) @ torch.randn(96, 96)  # correlated

    def loss(quantised: BlockWeights) -> float:
        difference = (torch.from_numpy(quantised.dequantised()) - weight) @ inputs.T
        return float(difference.square().mean() / (weight @ inputs.T).square().mean())

    assert loss(gptq(weight, inputs.T @ inputs)) < 0.7 * loss(nearest(weight)) < 0.01

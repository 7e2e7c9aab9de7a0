"""Predicted bytes against those of real models: equal for tensors that stay, close for a step's peak."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, DynamicCache

from txt2sql.errors import ModelError
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.catalog import MODELS
from txt2sql.training.allocation import peak_bytes, training_step
from txt2sql.training.memory import (
    SHAPES,
    Memory,
    built,
    cache_bytes,
    config_of,
    estimate,
    estimate_inference,
)

ROOT = Path(__file__).parents[2]
SMALL = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
BATCH, LENGTH, ANSWER = 4, 128, 16
LORA = Adapter(r=4, dropout=0.05)
DORA = Adapter(r=4, dropout=0.0, dora=True)


def real(kind: str, adapter: Adapter | None, bits: int, folder: Path) -> Any:
    """A model with contents, as trl would train it: adapters of 4-bit models in bfloat16."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SMALL)
    options = {"dtype": torch.bfloat16, "attn_implementation": "sdpa"}
    model = AutoModelForCausalLM.from_config(config, **options)
    if bits == 4:
        model.save_pretrained(folder)
        quantised = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        model = AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=quantised, **options
        )
    if adapter is None:
        return model
    model = attach(model, adapter)
    for name, parameter in model.named_parameters():
        if bits == 4 and parameter.requires_grad and "magnitude" not in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    return model


def one_step(model: Any, checkpointing: bool) -> None:
    """Forwards and backwards over a batch with padding."""
    model.train()
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if checkpointing:
        inner.activation_checkpointing_enable({"use_reentrant": False})
        inner.enable_input_require_grads()
    mask = torch.ones(BATCH, LENGTH, dtype=torch.long)
    mask[0, -9:] = 0
    ids = torch.randint(0, 512, (BATCH, LENGTH))
    with torch.autocast("cpu", torch.bfloat16):
        hidden = inner.model(input_ids=ids, attention_mask=mask, use_cache=False)[0]
        logits = inner.lm_head(hidden[:, -ANSWER:])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, -ANSWER:].flatten())
    del hidden, logits
    loss.backward()


def allocated(model: Any, checkpointing: bool) -> int:
    """The allocator's peak during a step, above what was allocated before: the same on every run."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        one_step(model, checkpointing)
    events = record.profiler.kineto_results.events()
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


def stored(model: Any) -> int:
    """Bytes of the weights that are no adapter, with the scales and tables of quantised ones."""
    total = 0
    for name, parameter in model.named_parameters():
        if "lora_" not in name:
            total += parameter.nbytes
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            parts = (state.absmax, state.code, state.offset, state.state2.absmax)
            total += sum(part.nbytes for part in (*parts, state.state2.code))
    return total


slow = pytest.mark.slow
CASES = [
    pytest.param("llama", LORA, 16, True, id="lora-checkpoints"),
    pytest.param("phi", LORA, 16, False, id="phi"),
    pytest.param("mistral", DORA, 4, True, id="nf4-dora-checkpoints"),
    pytest.param("qwen2", None, 16, True, id="full"),
    *(
        pytest.param(kind, adapter, bits, checkpointing, marks=slow)
        for kind in ("llama", "mistral", "phi", "qwen2")
        for adapter, bits in ((LORA, 16), (DORA, 16), (LORA, 4), (DORA, 4), (None, 16))
        for checkpointing in (True, False)
    ),
]


@pytest.mark.parametrize(("kind", "adapter", "bits", "checkpointing"), CASES)
def test_predicted_bytes_are_those_of_a_real_step(
    kind: str, adapter: Adapter | None, bits: int, checkpointing: bool, tmp_path: Path
) -> None:
    if bits == 4:
        pytest.importorskip("bitsandbytes")
    model = real(kind, adapter, bits, tmp_path)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    one_step(model, checkpointing)
    optimizer.step()
    found = estimate(
        AutoConfig.for_model(kind, **SMALL),
        adapter,
        bits=bits,
        batch=BATCH,
        length=LENGTH,
        answer=ANSWER,
        checkpointing=checkpointing,
        device="cpu",
    )
    assert found.weights == stored(model)
    assert found.adapter == (sum(p.nbytes for p in trained) if adapter else 0)
    assert found.gradients == sum(p.grad.nbytes for p in trained)
    kept = [value for state in optimizer.state.values() for value in state.values()]
    assert found.optimizer == sum(value.nbytes for value in kept)
    # The scratch space of attention and of products is not foreseen.
    assert found.activations == pytest.approx(allocated(model, checkpointing), rel=0.02)


@pytest.mark.parametrize("heads", [4, 1])
def test_the_cache_has_the_predicted_bytes(heads: int) -> None:
    config = AutoConfig.for_model("mistral", **{**SMALL, "num_key_value_heads": heads})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    cache = DynamicCache(config=config)
    with torch.inference_mode():
        model(input_ids=torch.zeros(3, 70, dtype=torch.long), past_key_values=cache)
    parts = [part for layer in cache.layers for part in (layer.keys, layer.values)]
    assert cache_bytes(config, batch=3, length=70) == sum(part.nbytes for part in parts)
    assert estimate_inference(config, batch=3, length=70).cache == cache_bytes(config, 3, 70)


def test_layers_are_alike_so_that_two_tell_of_all() -> None:
    """What 2 and 3 layers extrapolate to is what all 5 of them take."""
    config = AutoConfig.for_model("llama", **{**SMALL, "num_hidden_layers": 5})
    step = partial(training_step, batch=2, length=64, answer=8, checkpointing=True)
    whole = peak_bytes(built(config, LORA, 16, torch.bfloat16), step)
    assert estimate(config, LORA, batch=2, length=64, answer=8).activations == whole


def test_a_gpu_keeps_more_in_single_precision() -> None:
    config = AutoConfig.for_model("phi", **SMALL)
    sizes = {"batch": 2, "length": 64, "checkpointing": False}
    gpu, cpu = (estimate(config, LORA, **sizes, device=device) for device in ("cuda", "cpu"))
    assert gpu.activations > 1.1 * cpu.activations
    assert (gpu.context > 0, cpu.context) == (True, 0)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_known_shapes_have_the_parameters_of_the_catalogue(name: str) -> None:
    model = built(config_of(name), None, 16, torch.bfloat16)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == pytest.approx(MODELS[name].parameters, rel=0.001)


def test_shapes_come_from_a_folder(tmp_path: Path) -> None:
    AutoConfig.for_model("llama", **SMALL).save_pretrained(tmp_path)
    assert config_of(str(tmp_path)).hidden_size == 64


def test_unknown_shapes_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"give a folder with its config.json, or one of phi-2"):
        config_of("nobody/such-a-model")


def test_memory_adds_up_and_prints_its_parts() -> None:
    memory = Memory(weights=4_000_000_000, cache=1_000_000_000, context=500_000_000)
    assert memory.total == 5_500_000_000
    assert str(memory) == "weights 4.00 + cache 1.00 + context 0.50 = 5.50 GB"


def benchmark() -> Any:
    """benchmarks/memory.py as a module."""
    spec = importlib.util.spec_from_file_location("memory_table", ROOT / "benchmarks/memory.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_is_computed() -> None:
    page, table = (ROOT / "docs/memory.md").read_text(encoding="utf-8"), benchmark()
    assert table.arithmetic("mistral-7b") in page
    assert table.inference_row("phi-2", 16) in page


@pytest.mark.slow
def test_the_page_says_all_that_is_computed() -> None:
    assert benchmark().page() in (ROOT / "docs/memory.md").read_text(encoding="utf-8")

"""What a run would do, before it does: examples, steps, memory of a GPU, time (`--dry-run`).

Examples are drawn and tokenised as they would be; weights are not loaded, so a model of 7B is planned on
a laptop. Memory of a training step is one formula: parameters are counted on torch's meta device; weights,
gradients and Adam's two moments follow from their number, activations from layers, width and tokens
(Korthikanti et al. 2022). Tests hold the total to within 20% of recorded allocations.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from txt2sql.errors import ModelError
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.catalog import resolve
from txt2sql.models.weights import load_tokenizer
from txt2sql.training import loop
from txt2sql.training.data import draw_batches, open_train_sets
from txt2sql.training.loop import LARGE, Progress, checkpoints_gradients, silent
from txt2sql.training.settings import SFTConfig, run_folder

_NF4 = 0.5 + 1 / 64 + 4 / 16384
"""Bytes of a weight in NF4 (Dettmers et al. 2023): half, and its share of doubly quantised scales."""
_UTILISATION = 0.3
"""Share of the speed of a plain matrix product that training reaches: an estimate for large models."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do; `memory` is the peak of a step, in bytes by what they hold."""

    facts: Mapping[str, Any]
    memory: Mapping[str, int]

    def as_mapping(self) -> dict[str, Any]:
        memory = {name: size for name, size in self.memory.items() if size}
        return {**self.facts, "memory": memory, "memory_total": sum(memory.values())}

    def __str__(self) -> str:
        sizes = " + ".join(f"{name} {n / 1e9:.2f}" for name, n in self.memory.items() if n)
        total = sum(self.memory.values()) / 1e9
        lines = {**self.facts, "memory": f"{sizes} = {total:.2f} GB on a GPU"}
        if "seconds" in lines:
            lines["time"] = f"about {lines.pop('seconds') / 3600:.1f} hours, without validation"
        texts = ((name, f"{v:,}" if isinstance(v, int) else v) for name, v in lines.items())
        return "\n".join(f"{name.replace('_', ' ') + ':':16} {text}" for name, text in texts)


def plan(config: SFTConfig, progress: Progress = silent) -> Plan:
    """Draw what would be trained on, and estimate the rest. Raises as `sft.train` does."""
    shape, tokenizer = load_tokenizer(config.model)
    sets = open_train_sets(config, tokenizer)
    batches = draw_batches(
        sets, config, longest=loop.longest_example(config, shape), progress=progress
    )
    parameters, trained = count_parameters(shape, config.adapter)
    device, half = "cuda" if torch.cuda.is_available() else "cpu", loop.half_precision(config.bf16)
    # Forwards and backwards through every weight but the embeddings, gradients of what is trained, the
    # output layer on answers; attention between tokens is left out.
    table = int(shape.vocab_size * shape.hidden_size)
    inner = parameters - table * (1 if shape.tie_word_embeddings else 2)
    passes = 6 if checkpoints_gradients(config, parameters) else 4
    operations = (passes * inner + 2.0 * trained) * batches.tokens
    operations += 4.0 * table * batches.answer_tokens
    facts = {
        "method": config.method,
        "model": resolve(config.model).name,
        "output": str(run_folder(config)),
        "datasets": [each.name for each in sets],
        "measured": {each.name: len(each.validation.examples) for each in sets},
        "examples": batches.examples,
        "too_long": batches.too_long,
        "tokens": batches.tokens,
        "answer_tokens": batches.answer_tokens,
        "longest": batches.longest,
        "batches": len(batches.groups),
        "steps": batches.steps(config),
        "parameters": parameters,
        "trained": trained,
        "device": device,
        "seconds": operations / (_UTILISATION * _speed(device, half is not None)),
    }
    memory = estimate(
        shape, config.adapter, bits=config.bits,
        batch=max(1, config.batch_tokens // batches.longest), length=batches.longest,
        answer=max(1, batches.longest // 8), checkpointing=checkpoints_gradients(config, parameters),
        dtype=torch.float32 if config.adapter is None or parameters < LARGE else torch.bfloat16,
    )  # fmt: skip
    return Plan(facts, memory)


@contextmanager
def out_of_memory_explained(config: SFTConfig, model: Any, longest: int) -> Iterator[None]:
    """Turn running out of memory into one sentence that names settings which need less."""
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
        reason = str(error).lower()
        if isinstance(error, RuntimeError) and "memory" not in reason and "alloc" not in reason:
            raise
        half = config.batch_tokens // 2
        if half >= longest:
            way = f"add --set batch_tokens={half} --set accumulate={2 * config.accumulate}"
        elif not checkpoints_gradients(config, model.num_parameters()):
            way = "add --set gradient_checkpointing=true"
        elif config.bits == 16 and config.adapter is not None:
            way = "add --set bits=4"
        else:
            way = "take a smaller model or max_length"
        if model.device.type == "cuda":
            room = torch.cuda.get_device_properties(model.device).total_memory
        else:
            room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        raise ModelError(
            f"a batch of {config.batch_tokens} tokens needs more memory than the {room / 1e9:.0f} GB "
            f"here; {way}"
        ) from error


def _speed(device: str, half: bool) -> float:
    size = 8192 if device == "cuda" else 1024
    a = torch.ones(size, size, device=device, dtype=torch.bfloat16 if half else torch.float32)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def count_parameters(config: PreTrainedConfig, adapter: Adapter | None) -> tuple[int, int]:
    """The weights of a model without its adapter, and those of both that are trained."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        model = model if adapter is None else attach(model, adapter)
    own = sum(p.numel() for name, p in model.named_parameters() if "lora_" not in name)
    return own, sum(p.numel() for p in model.parameters() if p.requires_grad)


def estimate(
    config: PreTrainedConfig, adapter: Adapter | None, *, bits: int = 16, batch: int = 1,
    length: int = 1024, answer: int = 64, checkpointing: bool = True,
    dtype: torch.dtype = torch.bfloat16,
) -> dict[str, int]:  # fmt: skip
    """Bytes by what they hold in one step on `batch` examples of `length` tokens, `answer` of them
    learnt. Weights are `dtype`, or NF4 with `bits` 4; products are in bfloat16; adapters float32,
    but bfloat16 on NF4."""
    parameters, trained = count_parameters(config, adapter)
    width, layers = config.hidden_size, config.num_hidden_layers
    embeddings = config.vocab_size * width * (1 if config.tie_word_embeddings else 2)
    weights = parameters * dtype.itemsize
    if bits == 4:  # embeddings and the output layer stay in 16 bits
        weights = int((parameters - embeddings) * _NF4) + 2 * embeddings
    gradients = trained * (dtype.itemsize if adapter is None else 2 if bits == 4 else 4)

    # What the forward pass holds for the backward pass. A layer: about 42 bytes a token and unit of its
    # width, for norms in float32, queries, keys and values repeated to all heads, inputs of the adapters.
    # The MLP: 6 bytes a hidden unit, or 14 under GELU written out as a formula. A logit: about 16 bytes,
    # in bfloat16, in float32, as its logarithm, and as gradients.
    inner = getattr(config, "intermediate_size", None) or 4 * width
    kinds = (getattr(config, name, "") for name in ("hidden_act", "activation_function"))
    layer = batch * length * (42 * width + (14 if "gelu_new" in kinds else 6) * inner)
    logits = batch * answer * config.vocab_size * 16
    activations = layers * layer + logits
    if checkpointing:
        # Inputs of all layers; then either the logits, or one layer computed again and its gradients.
        activations = layers * batch * length * width * dtype.itemsize
        activations += int(max(1.3 * layer, logits))
    if dtype == torch.float32 and (adapter is None or not checkpointing):
        activations += 2 * parameters  # autocast holds a bfloat16 copy of what it multiplies with
    return {
        "weights": weights,
        "adapter": gradients if adapter else 0,
        "gradients": gradients,
        "optimizer": 2 * gradients,
        "activations": activations,
        "context": 500_000_000,  # of CUDA and its libraries: assumed, it differs by card
    }

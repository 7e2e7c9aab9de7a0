"""What a run would do, before it does: examples, steps, memory of a GPU, time (`--dry-run`).

Examples are drawn and tokenised as they would be; weights are not loaded, so a model of 7B is planned on
a laptop. Memory of a training step is one formula: parameters are counted on the model's own class, built
on torch's meta device; weights, gradients and Adam's two moments follow from their number, activations
from layers, width and tokens (counted as in Korthikanti et al. 2022). Tests hold the total to within 20%
of recorded allocations.

>>> print(estimate(config, Adapter(r=16), bits=4))  # doctest: +SKIP
weights 4.13 + adapter 0.03 + gradients 0.03 + optimizer 0.05 + activations 0.64 + context 0.50 = 5.38 GB
>>> print(plan(SFTConfig(model="bundled", limit=100)))  # doctest: +SKIP
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from txt2sql.errors import ModelError
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.catalog import resolve
from txt2sql.models.weights import load_tokenizer
from txt2sql.training.data import Batches, draw_batches, open_train_sets
from txt2sql.training.loop import (
    LARGE,
    Progress,
    checkpoints_gradients,
    half_precision,
    longest_example,
    silent,
)
from txt2sql.training.settings import SFTConfig, run_folder

CUDA_CONTEXT = 500_000_000
"""Bytes that CUDA and its libraries take before the first tensor: assumed, it differs by card."""
NF4 = 0.5 + 1 / 64 + 4 / 16384
"""Bytes of a weight in NF4 (Dettmers et al. 2023): half, and its share of doubly quantised scales."""
UTILISATION = 0.3
"""Share of the speed of a plain matrix product that training reaches: an estimate for large models."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by what they hold; `total` is the peak of a step."""

    weights: int
    adapter: int = 0
    gradients: int = 0
    optimizer: int = 0
    activations: int = 0
    context: int = CUDA_CONTEXT

    @property
    def parts(self) -> dict[str, int]:
        """The parts that are not zero, by name."""
        sizes = {field.name: int(getattr(self, field.name)) for field in fields(self)}
        return {name: size for name, size in sizes.items() if size}

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        parts = " + ".join(f"{name} {size / 1e9:.2f}" for name, size in self.parts.items())
        return f"{parts} = {self.total / 1e9:.2f} GB"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    facts: Mapping[str, Any]
    memory: Memory

    def as_mapping(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            **self.facts, "memory": self.memory.parts, "memory_total": self.memory.total,
        }  # fmt: skip

    def __str__(self) -> str:
        lines = {**self.facts, "memory": f"{self.memory} on a GPU"}
        if "seconds" in lines:
            lines["time"] = f"about {lines.pop('seconds') / 3600:.1f} hours, without validation"
        texts = (
            (name.replace("_", " "), f"{v:,}" if isinstance(v, int) else v)
            for name, v in lines.items()
        )
        return "\n".join(f"{name + ':':16} {text}" for name, text in texts)


def plan(config: SFTConfig, progress: Progress = silent) -> Plan:
    """Draw what would be trained on, and estimate the rest. Raises as `sft.train` does."""
    shape, tokenizer = load_tokenizer(config.model)
    sets = open_train_sets(config, tokenizer)
    batches = draw_batches(sets, config, longest=longest_example(config, shape), progress=progress)
    parameters, trained = count_parameters(shape, config.adapter)
    device = "cuda" if torch.cuda.is_available() else "cpu"
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
        "seconds": _seconds(config, shape, parameters, trained, batches, device),
    }
    return Plan(facts, needed_memory(config, shape, batches.longest, parameters))


def needed_memory(config: SFTConfig, shape: Any, longest: int, parameters: int) -> Memory:
    """Of a GPU, for a batch of the longest examples."""
    return estimate(
        shape,
        config.adapter,
        bits=config.bits,
        batch=max(1, config.batch_tokens // longest),
        length=longest,
        answer=max(1, longest // 8),
        checkpointing=checkpoints_gradients(config, parameters),
        dtype=torch.float32 if config.adapter is None or parameters < LARGE else torch.bfloat16,
    )


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
        room = _memory_of(model.device)
        raise ModelError(
            f"a batch of {config.batch_tokens} tokens needs more memory than the {room / 1e9:.0f} GB "
            f"here; {way}"
        ) from error


def _memory_of(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _seconds(
    config: SFTConfig, shape: Any, parameters: int, trained: int, batches: Batches, device: str
) -> float:
    """Of all steps: forwards and backwards through every weight but the embeddings, gradients of what is
    trained, the output layer on answers; attention between tokens is left out.
    """
    table = int(shape.vocab_size * shape.hidden_size)
    inner = parameters - table * (1 if shape.tie_word_embeddings else 2)
    passes = 6 if checkpoints_gradients(config, parameters) else 4
    operations = (passes * inner + 2.0 * trained) * batches.tokens
    operations += 4.0 * table * batches.answer_tokens
    return operations / (UTILISATION * _peak(device, half_precision(config.bf16) is not None))


def _peak(device: str, bf16: bool) -> float:
    """Operations per second in a large matrix product, the best of a few."""
    size = 8192 if device == "cuda" else 1024
    a = torch.ones(size, size, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


# -------------------------------------------------------------------------------------------- memory


def count_parameters(config: PreTrainedConfig, adapter: Adapter | None) -> tuple[int, int]:
    """The weights of a model without its adapter, and those of both that are trained."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        model = model if adapter is None else attach(model, adapter)
    own = sum(p.numel() for name, p in model.named_parameters() if "lora_" not in name)
    return own, sum(p.numel() for p in model.parameters() if p.requires_grad)


def estimate(
    config: PreTrainedConfig,
    adapter: Adapter | None,
    *,
    bits: int = 16,
    batch: int = 1,
    length: int = 1024,
    answer: int = 64,
    checkpointing: bool = True,
    dtype: torch.dtype = torch.bfloat16,
) -> Memory:
    """One step of training on `batch` examples of `length` tokens, `answer` of them learnt from.

    Without an adapter every weight is trained. Weights are `dtype`, or NF4 with `bits` 4, and products
    are in bfloat16 by autocast. Adapters are float32, but bfloat16 on NF4.
    """
    parameters, trained = count_parameters(config, adapter)
    embeddings = config.vocab_size * config.hidden_size * (1 if config.tie_word_embeddings else 2)
    weights = parameters * dtype.itemsize
    if bits == 4:  # embeddings and the output layer stay in 16 bits
        weights = int((parameters - embeddings) * NF4) + 2 * embeddings
    gradients = trained * (dtype.itemsize if adapter is None else 2 if bits == 4 else 4)
    activations = _activations(config, batch, length, answer, checkpointing, dtype)
    if dtype == torch.float32 and (adapter is None or not checkpointing):
        activations += 2 * parameters  # autocast holds a bfloat16 copy of what it multiplies with
    return Memory(
        weights=weights,
        adapter=gradients if adapter else 0,
        gradients=gradients,
        optimizer=2 * gradients,
        activations=activations,
    )


def _activations(
    config: Any, batch: int, length: int, answer: int, checkpointing: bool, dtype: torch.dtype
) -> int:
    """Bytes that the forward pass holds for the backward pass.

    A layer holds about 42 bytes a token and unit of its width: norms in float32, queries, keys and
    values repeated to all heads, inputs of the adapters. The MLP adds 6 bytes a hidden unit, or 14
    under GELU written out as a formula. A logit is held about 16 bytes: in bfloat16, in float32, as its
    logarithm, and as gradients.
    """
    tokens, width, layers = batch * length, config.hidden_size, config.num_hidden_layers
    inner = getattr(config, "intermediate_size", None) or 4 * width
    written_out = "gelu_new" in (
        getattr(config, name, "") for name in ("hidden_act", "activation_function")
    )
    layer = tokens * (42 * width + (14 if written_out else 6) * inner)
    logits = batch * answer * config.vocab_size * 16
    if not checkpointing:
        return int(layers * layer + logits)
    # Inputs of all layers; then either the logits, or one layer computed again and its gradients.
    return int(layers * tokens * width * dtype.itemsize + max(1.3 * layer, logits))

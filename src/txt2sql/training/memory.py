"""Memory of a training step on a GPU, by one formula: does it fit, before anything is downloaded?

Parameters are counted on the model's own class, built on torch's meta device. Weights, gradients and
Adam's two moments follow from their number, activations from layers, width and tokens (counted as in
Korthikanti et al. 2022). Tests hold the total to within 20% of recorded allocations.

>>> print(estimate(config, Adapter(r=16), bits=4))  # doctest: +SKIP
weights 4.13 + adapter 0.03 + gradients 0.03 + optimizer 0.05 + activations 0.64 + context 0.50 = 5.38 GB
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from txt2sql.models.adapters import Adapter, attach

CUDA_CONTEXT = 500_000_000
"""Bytes that CUDA and its libraries take before the first tensor: assumed, it differs by card."""

NF4 = 0.5 + 1 / 64 + 4 / 16384
"""Bytes of a weight in NF4 (Dettmers et al. 2023): half, and its share of doubly quantised scales."""


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

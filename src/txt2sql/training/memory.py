"""Memory of training and of answering, from shapes alone: does it fit, before anything is downloaded?

Weights, adapters, gradients and Adam's moments follow from the parameters of the real classes, built on
torch's meta device; NF4 weights (Dettmers et al. 2023) are counted with their doubly quantised scales.
Activations are counted by running a step on tensors without contents (see `allocation`).

>>> plan = estimate(config_of("mistral-7b"), Adapter(r=16), bits=4)  # doctest: +SKIP
>>> print(plan)  # doctest: +SKIP
weights 4.13 + adapter 0.03 + gradients 0.03 + optimizer 0.05 + activations 0.62 + ... = 5.35 GB
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from txt2sql.errors import ModelError
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.catalog import resolve
from txt2sql.training.allocation import peak_bytes, reading_step, training_step

CUDA_CONTEXT = 500_000_000
"""Bytes that CUDA and its libraries take before the first tensor: assumed, it differs by card."""

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "phi-2": (
        "phi",
        {
            "vocab_size": 51200,
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "max_position_embeddings": 2048,
            "resid_pdrop": 0.1,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.4
            },
        },
    ),
    "llama-7b": (
        "llama",
        {
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "max_position_embeddings": 4096,
        },
    ),
    "mistral-7b": (
        "mistral",
        {
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
            "sliding_window": 4096,
        },
    ),
}  # fmt: skip
"""What config.json on the hub says of microsoft/phi-2, meta-llama/Llama-2-7b-hf and
mistralai/Mistral-7B-v0.1, by their names in the catalogue: those can be planned for without network."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by what they hold; `total` is the peak.

    `activations` is all else that lives at the peak of one step, `cache` keys and values of the
    context, `context` what CUDA itself takes (assumed).
    """

    weights: int
    adapter: int = 0
    gradients: int = 0
    optimizer: int = 0
    cache: int = 0
    activations: int = 0
    context: int = CUDA_CONTEXT

    @property
    def parts(self) -> dict[str, int]:
        """The parts that are not zero, by name."""
        found = {field.name: int(getattr(self, field.name)) for field in fields(self)}
        return {name: size for name, size in found.items() if size}

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        parts = " + ".join(f"{name} {size / 1e9:.2f}" for name, size in self.parts.items())
        return f"{parts} = {self.total / 1e9:.2f} GB"


def config_of(name: str) -> PreTrainedConfig:
    """The configuration of a model by short name, hub id or folder; SHAPES need no network."""
    card = resolve(name)
    if card.folder is None and card.name in SHAPES:
        kind, numbers = SHAPES[card.name]
        config: PreTrainedConfig = AutoConfig.for_model(kind, **numbers)
        return config
    try:
        found: PreTrainedConfig = AutoConfig.from_pretrained(card.source)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the shapes of '{name}' are not known here; give a folder with its config.json, or one "
            f"of {', '.join(SHAPES)}"
        ) from error
    return found


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
    device: str = "cuda",
) -> Memory:
    """One step of training `batch` examples of `length` tokens, `answer` of them learnt from.

    Without an adapter every weight is trained. Weights are `dtype`, or NF4 with `bits` 4; the rest is
    as trl sets it: bfloat16 by autocast, sdpa attention under a mask, fused Adam, adapters in float32
    but in bfloat16 on NF4. Gradients count as kept between the batches of a step.
    """
    model = built(config, adapter, bits, dtype)
    trained = [p for p in model.parameters() if p.requires_grad]
    frozen = weight_bytes(model, bits)
    gradients = sum(p.nbytes for p in trained)
    step = partial(
        training_step, batch=batch, length=length, answer=answer, checkpointing=checkpointing
    )
    return Memory(
        weights=frozen if adapter else gradients,
        adapter=gradients if adapter else 0,
        gradients=gradients,
        optimizer=2 * gradients + 4 * len(trained),  # two moments, and a step count per tensor
        activations=_by_layers(config, adapter, bits, dtype, device, step),
        context=CUDA_CONTEXT if device == "cuda" else 0,
    )


def estimate_inference(
    config: PreTrainedConfig,
    *,
    bits: int = 16,
    batch: int = 1,
    length: int = 2048,
    dtype: torch.dtype = torch.bfloat16,
    device: str = "cuda",
) -> Memory:
    """Answering with a merged model: the cache is full at `length` tokens, all read in one pass."""
    return Memory(
        weights=weight_bytes(built(config, None, bits, dtype), bits),
        cache=cache_bytes(config, batch, length, dtype),
        activations=_by_layers(
            config, None, bits, dtype, device, partial(reading_step, batch=batch, length=length)
        ),
        context=CUDA_CONTEXT if device == "cuda" else 0,
    )


def cache_bytes(
    config: PreTrainedConfig, batch: int, length: int, dtype: torch.dtype = torch.bfloat16
) -> int:
    """Keys and values of every layer; grouped-query attention has fewer heads of them."""
    heads = int(config.num_attention_heads)
    kept = int(getattr(config, "num_key_value_heads", None) or heads)
    width = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return 2 * int(config.num_hidden_layers) * batch * length * kept * width * dtype.itemsize


def nf4_bytes(count: int) -> int:
    """A matrix of `count` weights in NF4: half a byte each; a scale of one byte for every 64; for every
    256 of those a float32; and per matrix the tables of both codes and the mean of the scales.
    """
    scales = -(-count // 64)
    return -(-count // 2) + scales + 4 * -(-scales // 256) + 4 * (16 + 256 + 1)


def weight_bytes(model: nn.Module, bits: int) -> int:
    """The frozen weights of a model; `bits` 4 quantises linear layers, but not the output layer."""
    small = {module.weight for module in quantised(model)} if bits == 4 else set()
    return sum(
        nf4_bytes(p.numel()) if p in small else p.nbytes
        for name, p in model.named_parameters()
        if "lora_" not in name
    )


def built(config: PreTrainedConfig, adapter: Adapter | None, bits: int, dtype: torch.dtype) -> Any:
    """The model with its adapter as they are trained, on the meta device: shapes without contents."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
        if adapter is not None:
            model = attach(model, adapter)
    for name, parameter in model.named_parameters():
        if bits == 4 and parameter.requires_grad and "magnitude" not in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    return model


def quantised(model: Any) -> list[nn.Linear]:
    """The linear layers that bitsandbytes would hold in 4 bits."""
    output = model.get_output_embeddings()
    return [
        module
        for name, module in model.named_modules()
        if type(module) is nn.Linear and module is not output and "lora_" not in name
    ]


def _by_layers(
    config: PreTrainedConfig,
    adapter: Adapter | None,
    bits: int,
    dtype: torch.dtype,
    device: str,
    step: Callable[[Any], None],
) -> int:
    """The peak of a step of the whole model, from 2 and 3 of its layers, which are all alike."""
    peaks = []
    for layers in (2, 3):
        small = copy.deepcopy(config)
        small.num_hidden_layers = layers
        if getattr(small, "layer_types", None):
            small.layer_types = small.layer_types[:layers]
        model = built(small, adapter, bits, dtype)
        peaks.append(peak_bytes(model, step, quantised(model) if bits == 4 else (), device))
    return peaks[0] + (int(config.num_hidden_layers) - 2) * (peaks[1] - peaks[0])

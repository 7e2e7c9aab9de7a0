"""The policy of a GRPO run: the weights that are learnt on top of, and what they are sampled with.

>>> loaded, half = load_policy(GRPOConfig(model="bundled"))  # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

from txt2sql.errors import ConfigError, ModelError
from txt2sql.models.weights import LoadedModel, choose_dtype, load_weights
from txt2sql.training.grpo_settings import GRPOConfig
from txt2sql.training.sft_model import LARGE, is_adapted
from txt2sql.training.tracking import has_bf16


def load_policy(config: GRPOConfig) -> tuple[LoadedModel, torch.dtype | None]:
    """The model that is learnt on top of, an adapter merged into it, and the precision of matrix
    products (None: single). Its own weights stay as they are, so they are held in that precision.
    """
    loaded = load_weights(
        config.model, bits=config.bits, dtype="auto" if config.bits == 16 else None
    )
    if is_adapted(loaded.model):
        raise ModelError(
            f"an adapter over 4-bit weights cannot be merged into them; run txt2sql merge "
            f"'{loaded.card.source}' first, or set bits to 16"
        )
    device = loaded.model.device
    half: torch.dtype | None = None
    if config.bf16 if config.bf16 is not None else has_bf16(device):
        half = torch.bfloat16
    elif config.bf16 is None and device.type == "cuda":
        half = torch.float16
    if config.bits == 16:
        parameters = int(loaded.model.num_parameters())
        large = choose_dtype(device.type, parameters) if parameters >= LARGE else torch.float32
        loaded.model.to(half or large)
    return loaded, half


def longest(config: GRPOConfig, model: Any) -> int:
    """The most tokens of prompt and answer: `max_length`, and what the model attends to."""
    limits = (getattr(model, name, None) for name in ("max_position_embeddings", "sliding_window"))
    return min([config.max_length, *(int(limit) for limit in limits if limit)])


def choose_vllm(config: GRPOConfig, style: str) -> str:
    """vLLM's mode, or "" where this package samples."""
    there = importlib.util.find_spec("vllm") is not None and torch.cuda.is_available()
    if config.vllm in ("colocate", "server"):
        if not there:
            raise ConfigError("vllm needs vLLM and a GPU; pip install vllm, or set it to off")
        if style == "compact":
            raise ConfigError(
                "vLLM does not read compact prompts as this model does; set vllm to off"
            )
        return config.vllm
    wanted = config.vllm == "auto" and there and style != "compact" and not config.constrained
    return "colocate" if wanted else ""

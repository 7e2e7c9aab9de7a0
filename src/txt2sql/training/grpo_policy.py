"""The policy of a GRPO run: the weights that are learnt on top of, and what they are sampled with.

>>> loaded, half = load_policy(GRPOConfig(model="bundled"))  # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util

import torch

from txt2sql.errors import ConfigError, ModelError
from txt2sql.models.weights import LoadedModel, choose_dtype, load_weights
from txt2sql.training.grpo_settings import GRPOConfig
from txt2sql.training.sft_model import LARGE, half_precision, is_adapted


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
    half = half_precision(config)
    if config.bits == 16:
        parameters = int(loaded.model.num_parameters())
        large = (
            choose_dtype(loaded.model.device.type, parameters)
            if parameters >= LARGE
            else torch.float32
        )
        loaded.model.to(half or large)
    return loaded, half


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

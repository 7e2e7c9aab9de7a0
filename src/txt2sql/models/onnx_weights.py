"""The weights of an exported model: their shapes, their blocks of levels, and how they are read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from txt2sql.errors import ModelError
from txt2sql.models.onnx_engine import MEMBERS

Array = np.ndarray[Any, Any]
BLOCK = 32
"""Inputs that share a scale and a zero point."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a graph needs to know of a model's configuration."""

    layers: int
    size: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    epsilon: float
    theta: float
    positions: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """From a config.json. Raises ModelError for an architecture that the graph does not describe."""
        kind = str(config.get("model_type"))
        if kind not in ("llama", "mistral", "qwen2") or config.get("hidden_act") != "silu":
            raise ModelError(
                f"no ONNX graph for a model of type '{kind}'; export a Llama, Mistral or Qwen2 model"
            )
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        if rope.get("rope_type", "default") != "default":
            raise ModelError(f"no ONNX graph for rotary positions of type '{rope['rope_type']}'")
        heads = int(config["num_attention_heads"])
        return cls(
            layers=int(config["num_hidden_layers"]),
            size=int(config["hidden_size"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or config["hidden_size"] // heads),
            intermediate=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            epsilon=float(config["rms_norm_eps"]),
            theta=float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0),
            positions=min(int(config["max_position_embeddings"]), 8192),
        )


def linear_shapes(shape: Shape) -> dict[str, tuple[tuple[int, ...], int]]:
    """Outputs of each of MEMBERS and the inputs of all, by the name of the joined layer."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    return {
        "qkv": ((queries, keys, keys), shape.size),
        "o": ((shape.size,), queries),
        "gate_up": ((shape.intermediate, shape.intermediate), shape.size),
        "down": ((shape.size,), shape.intermediate),
    }


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """A matrix (outputs, inputs) as MatMulNBits reads it: weight = (level - zero) * scale.

    levels: (outputs, inputs) uint8; scales and zeros: (outputs, inputs / BLOCK), zeros uint8.
    """

    levels: Array
    scales: Array
    zeros: Array
    bits: int

    @classmethod
    def joined(cls, parts: Sequence[BlockWeights]) -> BlockWeights:
        """One matrix of the outputs of all."""
        names = ("levels", "scales", "zeros")
        levels, scales, zeros = (
            np.concatenate([getattr(part, name) for part in parts]) for name in names
        )
        return cls(levels, scales, zeros, parts[0].bits)

    def dequantised(self) -> Array:
        """(outputs, inputs) in single precision."""
        rows, columns = self.levels.shape
        blocks = self.levels.reshape(rows, columns // BLOCK, BLOCK).astype(np.float32)
        scales = self.scales.astype(np.float32)[..., None]
        weights: Array = ((blocks - self.zeros[..., None]) * scales).reshape(rows, columns)
        return weights

    def packed(self) -> tuple[Array, Array, Array]:
        """(levels, scales, zeros) in MatMulNBits' layout: two 4-bit levels a byte, the first one low."""
        rows, columns = self.levels.shape
        blocks, zeros = self.levels.reshape(rows, columns // BLOCK, BLOCK), self.zeros
        if self.bits == 4:
            blocks = blocks[..., 0::2] | (blocks[..., 1::2] << 4)
            if zeros.shape[1] % 2:
                zeros = np.pad(zeros, ((0, 0), (0, 1)))
            zeros = zeros[:, 0::2] | (zeros[:, 1::2] << 4)
        return blocks, self.scales.astype(np.float16).reshape(-1), zeros.reshape(-1)


def round_to_blocks(weight: Array) -> BlockWeights:
    """A float matrix in 8 bits, symmetric, each weight to its nearest level."""
    rows, columns = weight.shape
    blocks = weight.astype(np.float32).reshape(rows, columns // BLOCK, BLOCK)
    scales = np.abs(blocks).max(-1).clip(1e-8) / 127
    scales = scales.astype(np.float16).astype(np.float32).clip(6e-8)
    levels = (np.rint(blocks / scales[..., None]) + 128).clip(1, 255).astype(np.uint8)
    zeros = np.full(scales.shape, 128, np.uint8)
    return BlockWeights(levels.reshape(rows, columns), scales, zeros, 8)


def read_tensors(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of an exported folder as transformers names them, in single precision.

    Raises ModelError for a folder of an older export.
    """
    facts = json.loads((folder / "engine.json").read_text(encoding="utf-8"))
    places = facts.get("tensors")
    if places is None:
        raise ModelError(
            f"the model in '{folder}' was exported by an older version; export it again"
        )
    shape = Shape.of(config)

    def raw(place: Sequence[Any], kind: Any = np.uint8) -> Array:
        file, offset, length = place
        values: Array = np.fromfile(folder / file, np.uint8, length, offset=offset).view(kind)
        return values

    def matrix(name: str, rows: int, columns: int) -> Array:
        """(rows, columns), whichever way it is stored."""
        if place := places.get(f"{name}.weight"):
            turned: Array = raw(place, np.float32).reshape(columns, rows).T
            return turned
        levels, zeros = raw(places[f"{name}.levels"]), raw(places[f"{name}.zeros"])
        if len(levels) < rows * columns:  # two levels a byte, the first one low
            levels, zeros = (np.stack([each & 15, each >> 4], -1) for each in (levels, zeros))
        scales = raw(places[f"{name}.scales"], np.float16).reshape(rows, columns // BLOCK)
        zeros = zeros.reshape(rows, -1)[:, : columns // BLOCK]
        return BlockWeights(levels.reshape(rows, columns), scales, zeros, bits=8).dequantised()

    head = matrix("head", shape.vocabulary, shape.size)
    tensors = {"lm_head.weight": head, "model.embed_tokens.weight": head}
    if table := facts["embeddings"].get("weights"):
        values = raw((table["file"], table["offset"], table["bytes"]), np.float32)
        tensors["model.embed_tokens.weight"] = values.reshape(shape.vocabulary, shape.size)
    tensors["model.norm.weight"] = raw(places["final.weight"], np.float32)
    for n in range(shape.layers):
        layer = f"model.layers.{n}"
        for norm, name in ("norm", "input_layernorm"), ("norm2", "post_attention_layernorm"):
            tensors[f"{layer}.{name}.weight"] = raw(places[f"{n}.{norm}.weight"], np.float32)
        for kind, (sizes, inputs) in linear_shapes(shape).items():
            ends = np.cumsum(sizes)[:-1]
            wholes = {"weight": matrix(f"{n}.{kind}", sum(sizes), inputs)}
            if place := places.get(f"{n}.{kind}.bias"):
                wholes["bias"] = raw(place, np.float32)
            for end, whole in wholes.items():
                for member, part in zip(MEMBERS[kind], np.split(whole, ends), strict=True):
                    tensors[f"{layer}.{member}.{end}"] = part
    return {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in tensors.items()}

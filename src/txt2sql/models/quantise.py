"""Weights in blocks of 32 with a scale and a zero point each, in 4 bits chosen by GPTQ; and read back.

Rounding each weight to the nearest level loses answers; GPTQ (Frantar et al., ICLR 2023) rounds the
columns of a matrix one after the other and lets the columns to come make up for each error, weighted
by the inputs that the layer sees on calibration prompts. The levels are those of ONNX Runtime's
MatMulNBits: weight = (level - zero) * scale.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from txt2sql.errors import ModelError
from txt2sql.models.onnx_engine import MEMBERS, Array

BLOCK = 32  # inputs that share a scale and a zero point


@dataclass(frozen=True, slots=True)
class Shape:
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
    """A matrix (outputs, inputs) as MatMulNBits reads it: weight = (level - zero) * scale. levels:
    (outputs, inputs) uint8; scales and zeros: (outputs, inputs / BLOCK), zeros uint8."""

    levels: Array
    scales: Array
    zeros: Array
    bits: int

    @classmethod
    def joined(cls, parts: Sequence[BlockWeights]) -> BlockWeights:
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
    """The weights of an exported folder as transformers names them, in single precision. Raises
    ModelError for a folder of an older export."""
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


_LEVELS = 15
_DAMPING = 0.01
_SHRINKS = tuple(1 - 0.02 * i for i in range(16))
"""Shares of a block's range that are tried: clipping an outlier may serve the others better."""


def _levels(block: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    return (block / scale[:, None] + zero[:, None]).round().clamp(0, _LEVELS)


def _block_range(block: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scale and zero (rows,) for a block (rows, BLOCK), with the least squared error over _SHRINKS.
    `weights` (BLOCK,) says how much an error of each input costs."""
    low, high = block.amin(1).clamp(max=0), block.amax(1).clamp(min=0)
    best = torch.full_like(low, float("inf"))
    scale, zero = torch.ones_like(low), torch.zeros_like(low)
    for shrink in _SHRINKS:
        # The step as it will be stored, in half precision, and never 0.
        step = ((high - low) * shrink / _LEVELS).clamp(min=1e-7).half().float().clamp(min=6e-8)
        origin = (-low * shrink / step).round().clamp(0, _LEVELS)
        rounded = (_levels(block, step, origin) - origin[:, None]) * step[:, None]
        error = (rounded - block).square()
        cost = (error * weights if weights is not None else error).sum(1)
        better = cost < best
        best = torch.where(better, cost, best)
        scale, zero = torch.where(better, step, scale), torch.where(better, origin, zero)
    return scale, zero


def nearest(weight: Tensor) -> BlockWeights:
    rows, columns = weight.shape
    blocks = weight.float().reshape(-1, BLOCK)
    scales, zeros = _block_range(blocks)  # (rows * blocks,)
    levels = _levels(blocks, scales, zeros)
    return _quantised(levels.view(rows, columns), scales.view(rows, -1), zeros.view(rows, -1))


def gptq(weight: Tensor, hessian: Tensor) -> BlockWeights:
    """Levels that keep `weight @ inputs`, where `hessian` (inputs, inputs) is the sum of x x^T:
    each column's error is spread over the columns to come by the inverse Hessian's Cholesky
    factor."""
    weight, hessian = weight.float().clone(), hessian.float().clone()
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    weight[:, dead] = 0
    # Damping: inputs that hardly vary would make the Hessian singular.
    diagonal += _DAMPING * diagonal.mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    # (inputs, inputs); row i says how the error of column i spreads.
    factor = torch.linalg.cholesky(inverse, upper=True)
    cost = diagonal.clone()
    levels = torch.empty_like(weight)
    scales, zeros = [], []
    for start in range(0, weight.shape[1], BLOCK):
        end = start + BLOCK
        block = weight[:, start:end]
        scale, zero = _block_range(block, cost[start:end])
        errors = torch.empty_like(block)
        for i in range(BLOCK):
            column, pivot = block[:, i], factor[start + i, start + i]
            level = levels[:, start + i] = (column / scale + zero).round().clamp(0, _LEVELS)
            errors[:, i] = (column - (level - zero) * scale) / pivot
            # Within the block at once: its later columns take up the error of this one.
            block[:, i:] -= errors[:, i : i + 1] * factor[start + i, start + i : end]
        # Beyond it as one product: (rows, 32) @ (32, columns to come).
        weight[:, end:] -= errors @ factor[start:end, end:]
        scales.append(scale)
        zeros.append(zero)
    return _quantised(levels, torch.stack(scales, 1), torch.stack(zeros, 1))


def _quantised(levels: Tensor, scales: Tensor, zeros: Tensor) -> BlockWeights:
    return BlockWeights(
        levels.to(torch.uint8).numpy(), scales.half().numpy(), zeros.to(torch.uint8).numpy(), bits=4
    )


@torch.inference_mode()
def quantise_model(
    model: Any, rows: Sequence[Sequence[int]], report: Callable[[str], None] = print
) -> dict[str, BlockWeights]:
    """Quantise every linear layer of a causal model's blocks by GPTQ, in place: a layer sees inputs
    that earlier quantised layers made. `rows` are calibration prompts with answers as token ids.
    Returns the levels by module name."""
    result: dict[str, BlockWeights] = {}
    states, arguments = _first_states(model, rows)
    for number, layer in enumerate(model.model.layers):
        linear = {n: m for n, m in layer.named_modules() if isinstance(m, nn.Linear)}
        # Layers that see the same inputs, in the order in which they run.
        groups = [[name for name in linear if name.endswith(ends)] for ends in MEMBERS.values()]
        firsts = [linear[group[0]] for group in groups]
        moments = _second_moments(layer, firsts, states, arguments)
        for group, moment in zip(groups, moments, strict=True):
            for name in group:
                weight = linear[name].weight.data
                quantised = gptq(weight, moment)
                rounded = torch.from_numpy(quantised.dequantised())
                loss = _power(rounded - weight, moment) / _power(weight, moment)
                report(f"layer {number} {name}: {loss:.1e}")
                weight.copy_(rounded)
                result[f"model.layers.{number}.{name}"] = quantised
        outputs = [layer(state, **named) for state, named in zip(states, arguments)]
        states = [each[0] if isinstance(each, tuple) else each for each in outputs]
    return result


def _power(weight: Tensor, moment: Tensor) -> float:
    return float(((weight @ moment) * weight).sum())


def _first_states(model: Any, rows: Sequence[Sequence[int]]) -> tuple[list[Tensor], list[Any]]:
    states: list[Tensor] = []
    arguments: list[Any] = []

    def hook(module: Any, positional: Any, named: Any) -> None:
        named = {k: v for k, v in named.items() if k not in ("past_key_values", "use_cache")}
        states.append(positional[0] if positional else named.pop("hidden_states"))
        arguments.append(named)

    layers = model.model.layers
    model.model.layers = layers[:1]
    handle = layers[0].register_forward_pre_hook(hook, with_kwargs=True)
    for row in rows:
        model.model(input_ids=torch.tensor([list(row)]), use_cache=False)
    handle.remove()
    model.model.layers = layers
    return states, arguments


def _second_moments(
    layer: Any, modules: Sequence[nn.Linear], states: Sequence[Tensor], arguments: Sequence[Any]
) -> list[Tensor]:
    """For each linear layer, over its inputs x: the sum of x x^T, (inputs, inputs)."""
    sums = [torch.zeros(module.in_features, module.in_features) for module in modules]

    def add(total: Tensor, module: Any, inputs: Any) -> None:
        x = inputs[0].reshape(-1, total.shape[0]).float()
        total.addmm_(x.T, x)

    handles = [
        module.register_forward_pre_hook(partial(add, total))
        for module, total in zip(modules, sums, strict=True)
    ]
    for state, named in zip(states, arguments):
        layer(state, **named)
    for handle in handles:
        handle.remove()
    return sums


# ------------------------------------------------------------------------------------- files

LEVELS_FILE = "levels.safetensors"
"""Beside the dequantised weights of a base: the levels that they were made from."""


def nearest_levels(model: Any) -> dict[str, BlockWeights]:
    return {
        f"model.layers.{name}": nearest(module.weight.data)
        for name, module in model.model.layers.named_modules()
        if isinstance(module, nn.Linear)
    }


def write_levels(levels: dict[str, BlockWeights], folder: Path) -> None:
    arrays = {
        f"{name}.{part}": getattr(quantised, part)
        for name, quantised in levels.items()
        for part in ("levels", "scales", "zeros")
    }
    save_file(arrays, folder / LEVELS_FILE)


def read_levels(folder: Path) -> dict[str, BlockWeights] | None:
    path = folder / LEVELS_FILE
    if not path.is_file():
        return None
    arrays = load_file(path)
    names = sorted({key.rpartition(".")[0] for key in arrays})
    return {
        n: BlockWeights(arrays[f"{n}.levels"], arrays[f"{n}.scales"], arrays[f"{n}.zeros"], bits=4)
        for n in names
    }

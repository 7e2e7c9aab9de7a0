"""The weights of an exported model as transformers names them: levels times scales, in single precision.

>>> model.load_state_dict(read_tensors(folder, config), strict=False)  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from txt2sql.errors import ModelError
from txt2sql.models.onnx_engine import MEMBERS
from txt2sql.models.onnx_export import BLOCK, Shape, linear_shapes, member_sizes

Array = np.ndarray[Any, Any]


def read_tensors(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in `folder`, by name. Raises ModelError for a folder of an older export."""
    facts = json.loads((folder / "engine.json").read_text(encoding="utf-8"))
    places = facts.get("tensors")
    if places is None:
        raise ModelError(
            f"the model in '{folder}' was exported by an older version; export it again"
        )
    shape = Shape.of(config)

    def raw(name: str, kind: Any) -> Array:
        file, offset, length = places[name]
        values: Array = np.fromfile(folder / file, np.uint8, length, offset=offset).view(kind)
        return values

    def matrix(name: str, rows: int, columns: int) -> Array:
        """(rows, columns), whichever way it is stored."""
        if f"{name}.weight" in places:
            turned: Array = raw(f"{name}.weight", np.float32).reshape(columns, rows).T
            return turned
        blocks = columns // BLOCK
        levels, zeros = raw(f"{name}.levels", np.uint8), raw(f"{name}.zeros", np.uint8)
        scales = raw(f"{name}.scales", np.float16).reshape(rows, blocks, 1).astype(np.float32)
        if len(levels) < rows * columns:  # two levels a byte, the first one low
            levels, zeros = _halves(levels), _halves(zeros)
        levels = levels.reshape(rows, blocks, BLOCK)
        zeros = zeros.reshape(rows, -1)[:, :blocks, None]
        return ((levels.astype(np.float32) - zeros) * scales).reshape(rows, columns)

    tensors: dict[str, Array] = {
        "model.norm.weight": raw("final.weight", np.float32),
        "lm_head.weight": matrix("head", shape.vocabulary, shape.size),
    }
    table = facts["embeddings"].get("weights")
    tensors["model.embed_tokens.weight"] = tensors["lm_head.weight"]
    if table is not None:
        values = np.fromfile(
            folder / table["file"],
            np.float32,
            shape.vocabulary * shape.size,
            offset=table["offset"],
        )
        tensors["model.embed_tokens.weight"] = values.reshape(shape.vocabulary, shape.size)
    sizes, shapes = member_sizes(shape), linear_shapes(shape)
    for n in range(shape.layers):
        layer = f"model.layers.{n}"
        tensors[f"{layer}.input_layernorm.weight"] = raw(f"{n}.norm.weight", np.float32)
        tensors[f"{layer}.post_attention_layernorm.weight"] = raw(f"{n}.norm2.weight", np.float32)
        for kind, members in MEMBERS.items():
            whole, start = matrix(f"{n}.{kind}", *shapes[kind]), 0
            bias = raw(f"{n}.{kind}.bias", np.float32) if f"{n}.{kind}.bias" in places else None
            for member, size in zip(members, sizes[kind], strict=True):
                tensors[f"{layer}.{member}.weight"] = whole[start : start + size]
                if bias is not None:
                    tensors[f"{layer}.{member}.bias"] = bias[start : start + size]
                start += size
    return {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in tensors.items()}


def _halves(packed: Array) -> Array:
    return np.stack([packed & 15, packed >> 4], -1).reshape(-1)

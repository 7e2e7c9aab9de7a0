"""A causal language model as an ONNX graph, made for trees of continuations over one flat cache.

The graph is written node by node, not traced: Llama, Mistral and Qwen2 are one architecture. It differs
from an exported `transformers` model in three ways. Tokens of any number of rows come flat, and a mask
tells which cached slots and which of its neighbours each one sees. Keys and values of the past are
inputs that are read in place, one contiguous array a head, so nothing is concatenated at a step. Each
linear layer takes a low-rank adapter as an input, so adapters are exchanged at run time.

    embeds (1, time, size)   positions (1, time)   rows (n,): which tokens need logits
    mask_past (time, slots)  mask_new (time, time): 0 where a token is seen, else a large negative number
    k.L.H, v.L.H (slots, head size)                  a.L.NAME (rank, inputs), b.L.NAME (outputs, rank)
    -> logits (n, vocabulary), hidden (n, size), k.new.L, v.new.L (time, kv heads * head size)

Embeddings are looked up outside the graph, in the table that is its output head, too (tied).
Operators: ONNX 21 and ONNX Runtime's com.microsoft (MatMulNBits, RotaryEmbedding).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from txt2sql.models.onnx_engine import MEMBERS
from txt2sql.models.onnx_weights import (
    BLOCK,
    BlockWeights,
    Shape,
    linear_shapes,
    pack_levels,
    round_to_blocks,
)
from txt2sql.models.tokenizer import chat_format, leading_tokens
from txt2sql.runs import write_atomically

Array = np.ndarray[Any, Any]
_MICROSOFT = "com.microsoft"
_MAX_FILE_BYTES, _PAGE = 64_000_000, 4096


class _Graph:
    """Nodes and initializers as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def constant(self, name: str, value: Array) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(
        self, kind: str, inputs: list[str], name: str, domain: str = "", **attributes: Any
    ) -> str:
        self.many(kind, inputs, [name], domain, **attributes)
        return name

    def many(
        self, kind: str, inputs: list[str], names: list[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        self.nodes.append(
            helper.make_node(
                kind, inputs, names, name=f"{names[0]}.node", domain=domain, **attributes
            )
        )
        return names


def _linear(
    graph: _Graph, source: str, weight: Array | BlockWeights, name: str, bias: Array | None
) -> str:
    """source (1, time, inputs) -> (1, time, outputs), with the adapter's product added."""
    if isinstance(weight, BlockWeights):
        rows, columns = weight.levels.shape
        levels, scales, zeros = pack_levels(weight)
        inputs = [
            source,
            graph.constant(f"{name}.levels", levels),
            graph.add("Cast", [graph.constant(f"{name}.scales", scales)], f"{name}.steps", to=1),
            graph.constant(f"{name}.zeros", zeros),
        ]
        product = graph.add(
            "MatMulNBits", inputs, f"{name}.product", _MICROSOFT,
            K=columns, N=rows, bits=weight.bits, block_size=BLOCK, accuracy_level=4,
        )  # fmt: skip
    else:
        graph.constant(f"{name}.weight", weight.T.astype(np.float32))
        product = graph.add("MatMul", [source, f"{name}.weight"], f"{name}.product")
    if bias is not None:
        graph.constant(f"{name}.bias", bias.astype(np.float32))
        product = graph.add("Add", [product, f"{name}.bias"], f"{name}.biased")
    return product


def _adapted(graph: _Graph, source: str, product: str, name: str) -> str:
    """product + source @ a^T @ b^T, where a (rank, inputs) and b (outputs, rank) are inputs."""
    flat = graph.add("Squeeze", [source, "zero"], f"{name}.flat")
    low = graph.add("Gemm", [flat, f"a.{name}"], f"{name}.low", transB=1)
    base = graph.add("Squeeze", [product, "zero"], f"{name}.base")
    total = graph.add("Gemm", [low, f"b.{name}", base], f"{name}.total", transB=1)
    return graph.add("Unsqueeze", [total, "zero"], f"{name}.out")


def build(
    config: Mapping[str, Any], tensors: Mapping[str, Array], quantised: Mapping[str, BlockWeights]
) -> Any:
    """The graph of a model. `tensors` are its weights by name; `quantised` takes the place of some.

    Names are those of transformers (model.layers.0.self_attn.q_proj, without .weight in `quantised`).
    """
    shape = Shape.of(config)
    graph = _Graph()

    def joined(names: list[str]) -> Array | BlockWeights:
        parts = [quantised.get(name) for name in names]
        if all(part is not None for part in parts):
            whole = [part for part in parts if part is not None]
            return BlockWeights(
                np.concatenate([part.levels for part in whole]),
                np.concatenate([part.scales for part in whole]),
                np.concatenate([part.zeros for part in whole]),
                whole[0].bits,
            )
        return np.concatenate([tensors[f"{name}.weight"] for name in names])

    def bias(names: list[str]) -> Array | None:
        parts = [tensors.get(f"{name}.bias") for name in names]
        return None if parts[0] is None else np.concatenate([p for p in parts if p is not None])

    def linear(source: str, n: int, kind: str) -> str:
        names, name = [f"model.layers.{n}.{member}" for member in MEMBERS[kind]], f"{n}.{kind}"
        product = _linear(graph, source, joined(names), name, bias(names))
        return _adapted(graph, source, product, name)

    def norm(source: str, weight: str, name: str) -> str:
        graph.constant(f"{name}.weight", tensors[weight].astype(np.float32))
        return graph.add(
            "SimplifiedLayerNormalization", [source, f"{name}.weight"], name,
            axis=-1, epsilon=shape.epsilon, stash_type=1,
        )  # fmt: skip

    group = shape.heads // shape.kv_heads
    for name, value in {
        "zero": [0], "q_heads": [-1, shape.heads, shape.head_size], "flat_heads": [-1, shape.head_size],
        "all_heads": [1, -1, shape.heads * shape.head_size],
        "qkv_sizes": [s * shape.head_size for s in (shape.heads, shape.kv_heads, shape.kv_heads)],
    }.items():  # fmt: skip
        graph.constant(name, np.array(value, np.int64))
    inverse = shape.theta ** (-np.arange(0, shape.head_size, 2, dtype=np.float64) / shape.head_size)
    angles = np.outer(np.arange(shape.positions), inverse)  # (positions, head size / 2)
    graph.constant("cos", np.cos(angles).astype(np.float32))
    graph.constant("sin", np.sin(angles).astype(np.float32))
    slots = graph.add("Shape", ["mask_past"], "slots", start=1, end=2)
    time = graph.add("Shape", ["mask_new"], "time", start=1, end=2)
    graph.add("Concat", [slots, time], "slots_time", axis=0)
    both = graph.add("Concat", ["mask_past", "mask_new"], "mask", axis=1)
    graph.constant("group", np.array([group], np.int64))
    graph.constant("minus_one", np.array([-1], np.int64))
    graph.add("Add", [slots, time], "width")
    graph.add("Concat", ["group", time, "width"], "score_shape", axis=0)
    graph.add("Concat", ["minus_one", "width"], "flat_scores", axis=0)
    graph.constant("head", np.array([shape.head_size], np.int64))
    graph.add("Concat", ["group", time, "head"], "group_shape", axis=0)

    def attention(source: str, n: int) -> str:
        qkv = linear(source, n, "qkv")
        q, k, v = graph.many("Split", [qkv, "qkv_sizes"], [f"{n}.q", f"{n}.k", f"{n}.v"], axis=2)
        turned = [
            graph.add(
                "RotaryEmbedding",
                [part, "positions", "cos", "sin"],
                f"{part}.turned",
                _MICROSOFT,
                num_heads=heads,
            )
            for part, heads in ((q, shape.heads), (k, shape.kv_heads))
        ]
        graph.add("Squeeze", [turned[1], "zero"], f"k.new.{n}")
        graph.add("Squeeze", [v, "zero"], f"v.new.{n}")
        queries = graph.add("Reshape", [turned[0], "q_heads"], f"{n}.queries")
        queries = graph.add("Transpose", [queries], f"{n}.by_head", perm=[1, 0, 2])
        names = [f"{n}.{h}.queries" for h in range(shape.kv_heads)]
        if shape.kv_heads > 1:
            graph.many("Split", [queries], names, axis=0, num_outputs=shape.kv_heads)
            keys, values = (
                graph.many(
                    "Split",
                    [f"{part}.new.{n}"],
                    [f"{n}.{h}.{part}" for h in range(shape.kv_heads)],
                    axis=1,
                    num_outputs=shape.kv_heads,
                )
                for part in "kv"
            )
        else:
            names, keys, values = [queries], [f"k.new.{n}"], [f"v.new.{n}"]
        outputs = []
        for h, (query, key, value) in enumerate(zip(names, keys, values)):
            at = f"{n}.{h}"
            # (group * time, head size): the query heads that share one head of keys and values
            flat = graph.add("Reshape", [query, "flat_heads"], f"{at}.flat")
            scale = shape.head_size**-0.5
            old = graph.add("Gemm", [flat, f"k.{n}.{h}"], f"{at}.old", transB=1, alpha=scale)
            new = graph.add("Gemm", [flat, key], f"{at}.new", transB=1, alpha=scale)
            scores = graph.add("Concat", [old, new], f"{at}.scores", axis=1)
            scores = graph.add("Reshape", [scores, "score_shape"], f"{at}.scores3")
            scores = graph.add("Add", [scores, both], f"{at}.masked")
            shares = graph.add("Softmax", [scores], f"{at}.shares", axis=-1)
            shares = graph.add("Reshape", [shares, "flat_scores"], f"{at}.shares2")
            past, own = graph.many(
                "Split", [shares, "slots_time"], [f"{at}.past", f"{at}.own"], axis=1
            )
            seen = graph.add("Gemm", [past, f"v.{n}.{h}"], f"{at}.seen")
            seen = graph.add("Gemm", [own, value, seen], f"{at}.sum")
            outputs.append(graph.add("Reshape", [seen, "group_shape"], f"{at}.out"))
        whole = (
            outputs[0] if len(outputs) == 1 else graph.add("Concat", outputs, f"{n}.heads", axis=0)
        )
        whole = graph.add("Transpose", [whole], f"{n}.by_time", perm=[1, 0, 2])
        whole = graph.add("Reshape", [whole, "all_heads"], f"{n}.attended")
        return linear(whole, n, "o")

    state = "embeds"
    for n in range(shape.layers):
        layer = f"model.layers.{n}"
        attended = attention(norm(state, f"{layer}.input_layernorm.weight", f"{n}.norm"), n)
        state = graph.add("Add", [state, attended], f"{n}.middle")
        normed = norm(state, f"{layer}.post_attention_layernorm.weight", f"{n}.norm2")
        pair = linear(normed, n, "gate_up")
        gate, up = graph.many("Split", [pair], [f"{n}.gate", f"{n}.up"], axis=2, num_outputs=2)
        gate = graph.add("QuickGelu", [gate], f"{n}.silu", _MICROSOFT, alpha=1.0)
        product = graph.add("Mul", [gate, up], f"{n}.gated")
        state = graph.add("Add", [state, linear(product, n, "down")], f"{n}.end")
    chosen = graph.add("Gather", [state, "rows"], "chosen", axis=1)
    final = norm(chosen, "model.norm.weight", "final")
    graph.add("Squeeze", [final, "zero"], "hidden")
    head = quantised.get("lm_head")
    table = tensors.get("lm_head.weight", tensors.get("model.embed_tokens.weight"))
    logits = _linear(graph, final, head if head is not None else table, "head", None)  # type: ignore[arg-type]
    graph.add("Squeeze", [logits, "zero"], "logits")
    return _model(graph, shape)


def _model(graph: _Graph, shape: Shape) -> Any:
    def value(name: str, dims: list[Any], kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, dims)

    inputs = [
        value("embeds", [1, "time", shape.size]),
        value("positions", [1, "time"], TensorProto.INT64),
        value("rows", ["n"], TensorProto.INT64),
        value("mask_past", ["time", "slots"]),
        value("mask_new", ["time", "time"]),
    ]
    outputs = [value("logits", ["n", shape.vocabulary]), value("hidden", ["n", shape.size])]
    for n in range(shape.layers):
        for part in "kv":
            inputs += [
                value(f"{part}.{n}.{h}", ["slots", shape.head_size]) for h in range(shape.kv_heads)
            ]
            outputs.append(value(f"{part}.new.{n}", ["time", shape.kv_heads * shape.head_size]))
        for name, (rows, columns) in linear_shapes(shape).items():
            inputs.append(value(f"a.{n}.{name}", [f"rank.{n}.{name}", columns]))
            inputs.append(value(f"b.{n}.{name}", [rows, f"rank.{n}.{name}"]))
    made = helper.make_graph(graph.nodes, "decoder", inputs, outputs, graph.initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10, producer_name="txt2sql")


def write(
    model: Any, tokenizer: Any, folder: Path, *, bits: int, levels: Mapping[str, Any]
) -> None:
    """Write a causal model of transformers and its tokenizer for `onnx_engine`.

    `levels`, in 4 bits, are those of its linear layers (`quantise.Quantised`); 8 bits are rounded here.
    The output head, and with it the table of embeddings, is in 8 bits unless `bits` is 32.
    """
    config = model.config.to_dict()
    tensors = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    tied = bool(config.get("tie_word_embeddings"))
    head = "model.embed_tokens.weight" if tied else "lm_head.weight"
    quantised: dict[str, BlockWeights] = {}
    if bits < 32:
        quantised["lm_head"] = round_to_blocks(tensors[head])
        for name in [n.removesuffix(".weight") for n in tensors if n.endswith("_proj.weight")]:
            if bits == 4:
                each = levels[name]
                parts = each.levels.numpy(), each.scales.float().numpy(), each.zeros.numpy()
                quantised[name] = BlockWeights(*parts, bits=4)
            else:
                quantised[name] = round_to_blocks(tensors[f"{name}.weight"])
    shared = tied and bits < 32
    graph = build(config, tensors, quantised)
    save(graph, config, None if shared else tensors["model.embed_tokens.weight"], folder)
    ends = model.generation_config.eos_token_id or tokenizer.eos_token_id
    facts = {
        "chat": chat_format(tokenizer),
        "end_ids": ends if isinstance(ends, list) else [ends],
        "bos": leading_tokens(tokenizer),
    }
    write_atomically(folder / "prompt.json", json.dumps(facts, indent=1) + "\n")
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save(model: Any, config: Mapping[str, Any], embeddings: Array | None, folder: Path) -> None:
    """Write decoder.onnx, its weights in files of at most 64 MB that are mapped, and engine.json.

    `embeddings` (vocabulary, size) are written apart where the head does not hold them in 8 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("weights-*.bin"):
        old.unlink()
    digest = hashlib.sha256()
    writer = _Weights(folder, digest)
    places: dict[str, dict[str, Any]] = {}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT64:  # shapes, which the graph is planned by
            continue
        raw = tensor.raw_data
        place = places[tensor.name] = writer.write(raw)
        set_external_data(tensor, place["file"], place["offset"], len(raw))
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    table = {"levels": places.get("head.levels"), "scales": places.get("head.scales")}
    if embeddings is not None:
        table = {"weights": writer.write(embeddings.astype(np.float32).tobytes())}
    files = writer.close()
    graph = model.SerializeToString()
    digest.update(graph)
    write_atomically(folder / "decoder.onnx", graph)
    shape = Shape.of(config)
    facts = {
        "format": 1, "identity": digest.hexdigest(), "layers": shape.layers, "size": shape.size,
        "kv_heads": shape.kv_heads, "head_size": shape.head_size, "vocabulary": shape.vocabulary,
        "context": shape.positions, "embeddings": table, "files": files,
        "tensors": {name: [p["file"], p["offset"], p["bytes"]] for name, p in places.items()},
        "linear": {f"{n}.{k}": v for n in range(shape.layers) for k, v in linear_shapes(shape).items()},
    }  # fmt: skip
    write_atomically(folder / "engine.json", json.dumps(facts, indent=1) + "\n")


class _Weights:
    """Files of weights that are written one after the other."""

    def __init__(self, folder: Path, digest: Any) -> None:
        self.folder, self.digest = folder, digest
        self.sizes: list[int] = []
        self.stream: Any = None

    def write(self, raw: bytes) -> dict[str, Any]:
        """Where these bytes are now: a file's name and an offset."""
        if self.stream is None or (self.sizes[-1] and self.sizes[-1] + len(raw) > _MAX_FILE_BYTES):
            self.close()
            self.sizes.append(0)
            self.stream = (self.folder / f"weights-{len(self.sizes) - 1}.bin").open("wb")
        padding = b"\0" * (-self.sizes[-1] % _PAGE)  # maps begin at pages
        self.stream.write(padding + raw)
        self.digest.update(raw)
        offset = self.sizes[-1] + len(padding)
        self.sizes[-1] = offset + len(raw)
        name = f"weights-{len(self.sizes) - 1}.bin"
        return {"file": name, "offset": offset, "bytes": len(raw)}

    def close(self) -> dict[str, int]:
        """The sizes of the files by name."""
        if self.stream is not None:
            self.stream.close()
        return {f"weights-{i}.bin": size for i, size in enumerate(self.sizes)}

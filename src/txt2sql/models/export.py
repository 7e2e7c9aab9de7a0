"""Whole models out of adapters: merged folders that Auto classes load, and folders for ONNX Runtime.

An adapter is merged into the 16- or 32-bit weights of its base, never into quantised ones, whose
rounding would swallow it. Folders come into place whole or not at all.

The ONNX graph is made for trees of continuations over one flat cache, and written node by node: Llama,
Mistral and Qwen2 are one architecture. Tokens of any number of rows come flat, a mask tells what each one
sees, keys and values of the past are inputs that are read in place, and each linear layer takes a low-rank
adapter as an input.

    embeds (1, time, size)   positions (1, time)   rows (n,): which tokens need logits
    mask_past (time, slots)  mask_new (time, time): 0 where a token is seen, else a large negative number
    k.L.H, v.L.H (slots, head size)                  a.L.NAME (rank, inputs), b.L.NAME (outputs, rank)
    -> logits (n, vocabulary), hidden (n, size), k.new.L, v.new.L (time, kv heads * head size)
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from txt2sql.errors import ModelError
from txt2sql.models.adapters import is_quantised, whole_folder
from txt2sql.models.card import read_facts, write_card
from txt2sql.models.catalog import ADAPTER, ModelCard, read_json, resolve, sources
from txt2sql.models.onnx_engine import MEMBERS, Array
from txt2sql.models.quantise import (
    BLOCK,
    BlockWeights,
    Shape,
    linear_shapes,
    nearest_levels,
    read_levels,
    round_to_blocks,
)
from txt2sql.models.tokenizer import chat_format, leading_tokens
from txt2sql.models.weights import load_weights, quiet
from txt2sql.runs import write_atomically

Report = Callable[[str], None]
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "prompt.json", "README.md")


def export_hf(
    name: str | Path,
    output: Path,
    *,
    dtype: str | None = None,
    force: bool = False,
    report: Report = lambda line: None,
) -> Path:
    """Write a model, or an adapter merged into its base, with its card into `output`, in `dtype`
    (default: the base's own). `force` replaces a model that is there. Raises ModelError."""
    from huggingface_hub import try_to_load_from_cache

    made_of = sources(resolve(name))
    with _new_folder(output, force, made_of) as part:
        loaded = load_weights(name, device="cpu", dtype=dtype or "auto")
        if is_quantised(loaded.model):
            raise ModelError(
                f"the weights of '{made_of[-1].source}' are quantised, and an adapter is not "
                "merged into them; set base_model_name_or_path in adapter_config.json to the "
                "16-bit model they were made from"
            )
        if len(made_of) > 1:
            written = str(loaded.model.dtype).removeprefix("torch.")
            report(f"merged into {made_of[1].name}, weights in {written}")
        try:
            # Some models on the hub have sampling settings beside do_sample=False: read, but not written.
            loaded.model.generation_config.validate(strict=True)
        except ValueError:
            loaded.model.generation_config.do_sample = True
        with quiet():
            loaded.model.save_pretrained(part)
            loaded.tokenizer.save_pretrained(part)
        prompt: dict[str, Any] = {}
        for card in reversed(made_of):
            prompt |= read_json(card.folder / "prompt.json") if card.folder else {}
        write_atomically(part / "prompt.json", json.dumps(prompt) + "\n")
        # llama.cpp's converter wants tokenizer.model, which fast tokenizers do not write.
        base, file = made_of[-1], "tokenizer.model"
        path = base.folder / file if base.folder else try_to_load_from_cache(base.hub_id, file)
        if isinstance(path, (str, Path)) and Path(path).is_file():
            shutil.copyfile(path, part / file)
        own = made_of[0].folder
        if own and (facts := read_facts(own)):
            write_card(part, facts)
        elif own and (own / "README.md").is_file():
            shutil.copyfile(own / "README.md", part / "README.md")
    return output


def export_onnx(
    name: str | Path,
    output: Path,
    *,
    bits: int = 4,
    force: bool = False,
    report: Report = lambda line: None,
) -> Path:
    """Write a model for ONNX Runtime into `output`, in 4, 8 or 32 bits; adapters are merged first,
    but one over a base in 4 bits stays beside it. Raises ModelError for an architecture without a
    graph."""
    if bits not in (4, 8, 32):
        raise ModelError(f"no {bits}-bit export to ONNX; choose 4, 8 or 32 bits")
    made_of = sources(resolve(name))
    adapter, base = made_of[0].folder, made_of[-1]
    levels = None
    if bits == 4 and base.folder and len(made_of) <= 2:  # one adapter can stay beside a base
        levels = read_levels(base.folder)
    with _new_folder(output, force, made_of) as part:
        beside = levels is not None and len(made_of) > 1
        loaded = load_weights(base.source if beside else name, device="cpu", dtype="float32")
        if levels is None and bits == 4:
            levels = nearest_levels(loaded.model)
        write(loaded.model, loaded.tokenizer, part, bits=bits, levels=levels or {})
        if beside and adapter:
            (part / ADAPTER).mkdir()
            for file in _ADAPTER_FILES:
                if (adapter / file).is_file():
                    shutil.copy2(adapter / file, part / ADAPTER / file)
            report(f"the adapter stays beside the {bits}-bit weights of {base.name}")
    return output


@contextmanager
def _new_folder(output: Path, force: bool, made_of: list[ModelCard]) -> Iterator[Path]:
    """A folder beside `output` to write into, that takes its place when all is written. Raises
    ModelError where that would lose something."""
    output = output.expanduser().resolve()
    for card in made_of:
        if card.folder and card.folder.resolve().is_relative_to(output):
            raise ModelError(f"'{output}' holds what it would be made of; choose another output")
    if output.exists() and not output.is_dir():
        raise ModelError(f"'{output}' is a file; choose a folder as output")
    if output.is_dir() and any(output.iterdir()):
        if not force:
            raise ModelError(f"'{output}' is not empty; choose another output, or add --force")
        if not (output / "config.json").is_file():
            raise ModelError(f"'{output}' holds something else than a model; choose another output")
    try:
        with whole_folder(output) as part:
            yield part
    except OSError as error:
        raise ModelError(f"'{output}' cannot be written: {error.strerror or error}") from error


_MICROSOFT = "com.microsoft"
_MAX_FILE_BYTES, _PAGE = 64_000_000, 4096


def write(
    model: Any, tokenizer: Any, folder: Path, *, bits: int, levels: Mapping[str, BlockWeights]
) -> None:
    """Write a causal model of transformers and its tokenizer for `onnx_engine`. `levels`, in 4
    bits, are those of its linear layers; 8 bits are rounded here. The output head is in 8 bits
    unless `bits` is 32."""
    config = model.config.to_dict()
    tensors = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    quantised: dict[str, BlockWeights] = {}
    if bits < 32:
        quantised["lm_head"] = round_to_blocks(tensors["lm_head.weight"])
        for name in [n.removesuffix(".weight") for n in tensors if n.endswith("_proj.weight")]:
            rounded = levels[name] if bits == 4 else round_to_blocks(tensors[f"{name}.weight"])
            quantised[name] = rounded
    shape = Shape.of(config)
    graph = build(shape, tensors, quantised)
    folder.mkdir(parents=True, exist_ok=True)
    digest, sizes = hashlib.sha256(), [0]

    def place(raw: bytes) -> dict[str, Any]:
        if sizes[-1] and sizes[-1] + len(raw) > _MAX_FILE_BYTES:
            sizes.append(0)
        name, padding = f"weights-{len(sizes) - 1}.bin", -sizes[-1] % _PAGE  # maps begin at pages
        with (folder / name).open("ab" if sizes[-1] else "wb") as file:
            file.write(b"\0" * padding + raw)
        digest.update(raw)
        sizes[-1] += padding + len(raw)
        return {"file": name, "offset": sizes[-1] - len(raw), "bytes": len(raw)}

    places: dict[str, dict[str, Any]] = {}
    for tensor in graph.graph.initializer:
        if tensor.data_type == TensorProto.INT64:  # shapes, which the graph is planned by
            continue
        spot = places[tensor.name] = place(tensor.raw_data)
        set_external_data(tensor, spot["file"], spot["offset"], spot["bytes"])
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    table = {"levels": places.get("head.levels"), "scales": places.get("head.scales")}
    if bits == 32 or not config.get("tie_word_embeddings"):  # the head does not hold them
        table = {"weights": place(tensors["model.embed_tokens.weight"].tobytes())}
    serialized = graph.SerializeToString()
    digest.update(serialized)
    write_atomically(folder / "decoder.onnx", serialized)
    facts = {
        "format": 1, "identity": digest.hexdigest(), "layers": shape.layers, "size": shape.size,
        "kv_heads": shape.kv_heads, "head_size": shape.head_size, "vocabulary": shape.vocabulary,
        "context": shape.positions, "embeddings": table,
        "files": {f"weights-{i}.bin": size for i, size in enumerate(sizes)},
        "tensors": {name: [p["file"], p["offset"], p["bytes"]] for name, p in places.items()},
        "linear": {
            f"{n}.{name}": (sum(sizes), inputs)
            for n in range(shape.layers) for name, (sizes, inputs) in linear_shapes(shape).items()
        },
    }  # fmt: skip
    write_atomically(folder / "engine.json", json.dumps(facts, indent=1) + "\n")
    ends = model.generation_config.eos_token_id or tokenizer.eos_token_id
    prompt = {
        "chat": chat_format(tokenizer),
        "end_ids": ends if isinstance(ends, list) else [ends],
        "bos": leading_tokens(tokenizer),
    }
    write_atomically(folder / "prompt.json", json.dumps(prompt, indent=1) + "\n")
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build(shape: Shape, tensors: Mapping[str, Array], quantised: Mapping[str, BlockWeights]) -> Any:
    """The graph of a model. `tensors` are its weights by transformers' names; `quantised` (names
    without .weight) takes the place of some."""
    nodes: list[Any] = []
    initializers: list[Any] = []

    def constant(name: str, value: Array) -> str:
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add_all(
        kind: str, inputs: list[str], names: list[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        node = f"{names[0]}.node"
        nodes.append(helper.make_node(kind, inputs, names, node, domain=domain, **attributes))
        return names

    def add(kind: str, inputs: list[str], name: str, domain: str = "", **attributes: Any) -> str:
        return add_all(kind, inputs, [name], domain, **attributes)[0]

    def linear(source: str, members: list[str], name: str) -> str:
        """source (1, time, inputs) -> (1, time, outputs), by the layers of the members joined."""
        if members[0] in quantised:
            whole = BlockWeights.joined([quantised[member] for member in members])
            levels, scales, zeros = whole.packed()
            inputs = [source, constant(f"{name}.levels", levels)]
            inputs += [add("Cast", [constant(f"{name}.scales", scales)], f"{name}.steps", to=1)]
            inputs += [constant(f"{name}.zeros", zeros)]
            rows, columns = whole.levels.shape
            product = add(
                "MatMulNBits", inputs, f"{name}.product", _MICROSOFT,
                K=columns, N=rows, bits=whole.bits, block_size=BLOCK, accuracy_level=4,
            )  # fmt: skip
        else:
            weight = np.concatenate([tensors[f"{member}.weight"] for member in members])
            constant(f"{name}.weight", weight.T)
            product = add("MatMul", [source, f"{name}.weight"], f"{name}.product")
        if f"{members[0]}.bias" in tensors:
            bias = np.concatenate([tensors[f"{member}.bias"] for member in members])
            product = add("Add", [product, constant(f"{name}.bias", bias)], f"{name}.biased")
        return product

    def adapted(source: str, n: int, kind: str) -> str:
        """Layer n's `kind` of MEMBERS, plus source @ a^T @ b^T, where a (rank, inputs) and b
        (outputs, rank) are inputs."""
        name = f"{n}.{kind}"
        product = linear(source, [f"model.layers.{n}.{member}" for member in MEMBERS[kind]], name)
        flat = add("Squeeze", [source, "zero"], f"{name}.flat")
        low = add("Gemm", [flat, f"a.{name}"], f"{name}.low", transB=1)
        base = add("Squeeze", [product, "zero"], f"{name}.base")
        total = add("Gemm", [low, f"b.{name}", base], f"{name}.total", transB=1)
        return add("Unsqueeze", [total, "zero"], f"{name}.out")

    def norm(source: str, weight: str, name: str) -> str:
        inputs = [source, constant(f"{name}.weight", tensors[weight])]
        options: dict[str, Any] = {"axis": -1, "epsilon": shape.epsilon, "stash_type": 1}
        return add("SimplifiedLayerNormalization", inputs, name, **options)

    def attention(source: str, n: int) -> str:
        qkv = adapted(source, n, "qkv")
        parts = add_all("Split", [qkv, "qkv_sizes"], [f"{n}.q", f"{n}.k", f"{n}.v"], axis=2)
        turned = [
            add(
                "RotaryEmbedding", [part, "positions", "cos", "sin"], f"{part}.turned", _MICROSOFT,
                num_heads=heads,
            )
            for part, heads in zip(parts, (shape.heads, shape.kv_heads))
        ]  # fmt: skip
        add("Squeeze", [turned[1], "zero"], f"k.new.{n}")
        add("Squeeze", [parts[2], "zero"], f"v.new.{n}")
        queries = add("Reshape", [turned[0], "q_heads"], f"{n}.queries")
        queries = add("Transpose", [queries], f"{n}.by_head", perm=[1, 0, 2])
        by_head = [[queries], [f"k.new.{n}"], [f"v.new.{n}"]]
        if shape.kv_heads > 1:
            ends = zip((queries, f"k.new.{n}", f"v.new.{n}"), ("queries", "k", "v"), (0, 1, 1))
            by_head = [
                add_all(
                    "Split", [whole], [f"{n}.{h}.{end}" for h in range(shape.kv_heads)],
                    axis=axis, num_outputs=shape.kv_heads,
                )
                for whole, end, axis in ends
            ]  # fmt: skip
        outputs = []
        for h, (query, key, value) in enumerate(zip(*by_head)):
            at, scale = f"{n}.{h}", shape.head_size**-0.5
            # (group * time, head size): the query heads that share one head of keys and values
            flat = add("Reshape", [query, "flat_heads"], f"{at}.flat")
            old = add("Gemm", [flat, f"k.{at}"], f"{at}.old", transB=1, alpha=scale)
            new = add("Gemm", [flat, key], f"{at}.new", transB=1, alpha=scale)
            scores = add("Concat", [old, new], f"{at}.scores", axis=1)
            scores = add("Reshape", [scores, "score_shape"], f"{at}.scores3")
            scores = add("Add", [scores, "mask"], f"{at}.masked")
            shares = add("Softmax", [scores], f"{at}.shares", axis=-1)
            shares = add("Reshape", [shares, "flat_scores"], f"{at}.shares2")
            past, own = add_all(
                "Split", [shares, "slots_time"], [f"{at}.past", f"{at}.own"], axis=1
            )
            seen = add("Gemm", [past, f"v.{at}"], f"{at}.seen")
            seen = add("Gemm", [own, value, seen], f"{at}.sum")
            outputs.append(add("Reshape", [seen, "group_shape"], f"{at}.out"))
        whole = outputs[0] if len(outputs) == 1 else add("Concat", outputs, f"{n}.heads", axis=0)
        whole = add("Transpose", [whole], f"{n}.by_time", perm=[1, 0, 2])
        return adapted(add("Reshape", [whole, "all_heads"], f"{n}.attended"), n, "o")

    inverse = shape.theta ** (-np.arange(0, shape.head_size, 2, dtype=np.float64) / shape.head_size)
    angles = np.outer(np.arange(shape.positions), inverse)  # (positions, head size / 2)
    for name, value in {
        "zero": [0], "q_heads": [-1, shape.heads, shape.head_size], "flat_heads": [-1, shape.head_size],
        "all_heads": [1, -1, shape.heads * shape.head_size],
        "qkv_sizes": [s * shape.head_size for s in (shape.heads, shape.kv_heads, shape.kv_heads)],
        "cos": np.cos(angles), "sin": np.sin(angles),
        "group": [shape.heads // shape.kv_heads], "minus_one": [-1], "head": [shape.head_size],
    }.items():  # fmt: skip
        constant(name, np.array(value, np.int64 if isinstance(value, list) else np.float32))
    add("Shape", ["mask_past"], "slots", start=1, end=2)
    add("Shape", ["mask_new"], "time", start=1, end=2)
    add("Concat", ["slots", "time"], "slots_time", axis=0)
    add("Concat", ["mask_past", "mask_new"], "mask", axis=1)
    add("Add", ["slots", "time"], "width")
    add("Concat", ["group", "time", "width"], "score_shape", axis=0)
    add("Concat", ["minus_one", "width"], "flat_scores", axis=0)
    add("Concat", ["group", "time", "head"], "group_shape", axis=0)
    state = "embeds"
    for n in range(shape.layers):
        layer = f"model.layers.{n}"
        attended = attention(norm(state, f"{layer}.input_layernorm.weight", f"{n}.norm"), n)
        state = add("Add", [state, attended], f"{n}.middle")
        normed = norm(state, f"{layer}.post_attention_layernorm.weight", f"{n}.norm2")
        pair = adapted(normed, n, "gate_up")
        gate, up = add_all("Split", [pair], [f"{n}.gate", f"{n}.up"], axis=2, num_outputs=2)
        gate = add("QuickGelu", [gate], f"{n}.silu", _MICROSOFT, alpha=1.0)
        product = add("Mul", [gate, up], f"{n}.gated")
        state = add("Add", [state, adapted(product, n, "down")], f"{n}.end")
    chosen = add("Gather", [state, "rows"], "chosen", axis=1)
    final = norm(chosen, "model.norm.weight", "final")
    add("Squeeze", [final, "zero"], "hidden")
    add("Squeeze", [linear(final, ["lm_head"], "head"), "zero"], "logits")

    def declare(name: str, dims: list[Any], kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, dims)

    inputs = [
        declare("embeds", [1, "time", shape.size]),
        declare("positions", [1, "time"], TensorProto.INT64),
        declare("rows", ["n"], TensorProto.INT64),
        declare("mask_past", ["time", "slots"]),
        declare("mask_new", ["time", "time"]),
    ]
    outputs = [declare("logits", ["n", shape.vocabulary]), declare("hidden", ["n", shape.size])]
    for n in range(shape.layers):
        for part in "kv":
            heads = [f"{part}.{n}.{h}" for h in range(shape.kv_heads)]
            inputs += [declare(head, ["slots", shape.head_size]) for head in heads]
            outputs.append(declare(f"{part}.new.{n}", ["time", shape.kv_heads * shape.head_size]))
        for name, (sizes, columns) in linear_shapes(shape).items():
            inputs.append(declare(f"a.{n}.{name}", [f"rank.{n}.{name}", columns]))
            inputs.append(declare(f"b.{n}.{name}", [sum(sizes), f"rank.{n}.{name}"]))
    made = helper.make_graph(nodes, "decoder", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10, producer_name="txt2sql")

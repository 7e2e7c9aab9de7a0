"""A causal language model on ONNX Runtime: numpy in, numpy out, no torch.

Reads the folder that `export` writes: decoder.onnx with its weights, engine.json, tokenizer.json, and
adapters beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from txt2sql.errors import ModelError
from txt2sql.runs import cores

Array = np.ndarray[Any, Any]
_GROWTH = 256


class Cache:
    """Keys and values by layer, head and slot, of which the first `length` are used. Slot 0 holds
    zeros and is seen by no token, so that no array is ever empty."""

    def __init__(self, layers: int, kv_heads: int, head_size: int) -> None:
        self.length = 1
        # One block of memory: (keys or values, layer, head, slot, head size).
        self._store = np.zeros((2, layers, kv_heads, _GROWTH, head_size), np.float32)

    def view(self, part: int, layer: int, head: int) -> Array:  # (length, head size), no copy
        return self._store[part, layer, head, : self.length]

    def append(self, keys: Sequence[Array], values: Sequence[Array]) -> Array:
        """Write new tokens, by layer (time, kv heads * head size); their slots (time,)."""
        _, layers, kv_heads, _, head_size = self._store.shape
        # (time, heads * size) -> (heads, time, size): attention reads one head at a time.
        new = np.stack([*keys, *values]).reshape(2, layers, -1, kv_heads, head_size)
        return self.put(new.swapaxes(2, 3))

    def put(self, new: Array) -> Array:  # what `take` gave -> slots (time,)
        start, self.length = self.length, self.length + new.shape[3]
        capacity = self._store.shape[3]
        if self.length > capacity:
            # Doubling: over a whole answer each slot is copied once at most, whatever its length.
            more = np.zeros_like(
                self._store, shape=(*new.shape[:3], max(self.length, capacity), new.shape[4])
            )
            self._store = np.concatenate([self._store, more], 3)
        self._store[:, :, :, start : self.length] = new
        return np.arange(start, self.length)

    def take(self, slots: Array) -> Array:
        """(2, layers, kv heads, time, head size) of some slots."""
        return self._store[:, :, :, slots]

    def truncate(self, length: int) -> None:
        self.length = max(1, min(length, self.length))


_UNSEEN = np.float32(-1e9)
MEMBERS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
"""The linear layers of a block; those that read the same inputs are joined."""
_FORMAT = 1


class Output(NamedTuple):
    """Of the rows asked for: logits (n, vocabulary) and the last hidden states (n, size)."""

    logits: Array
    hidden: Array


class Engine(Protocol):
    """What a decoder asks of a model. `context` is the most tokens that a row may have."""

    name: str
    vocabulary: int
    context: int

    def cache(self) -> Any: ...  # an empty `Cache`, or what is used like one

    def forward(
        self, tokens: Array, seen: Array, cache: Any, rows: Array, prefix: bool = False
    ) -> tuple[Output, Array]:
        """Read tokens (time,), all rows flat; write them into the cache. `seen` (time, cache.length
        + time) says which slots and tokens each one attends to. Logits are of the tokens at `rows`;
        the slots (time,) come second. A `prefix` is read without an adapter that is active after
        it."""
        ...


class OnnxEngine:
    """An Engine on the CPU. `identity` is of what a prefix was computed with: the weights, and an
    adapter that reads it, too. Raises ModelError for a folder that is damaged or of another
    version."""

    def __init__(
        self, folder: Path, *, adapters: Sequence[Path] = (), threads: int | None = None
    ) -> None:
        import onnxruntime as runtime

        facts = _facts(folder)
        self.name = folder.name
        self.layers, self.kv_heads = int(facts["layers"]), int(facts["kv_heads"])
        self.head_size = int(facts["head_size"])
        self.vocabulary, self.context = int(facts["vocabulary"]), int(facts["context"])
        self._base = str(facts["identity"])
        self._linear = {k: (int(a), int(b)) for k, (a, b) in facts["linear"].items()}
        self._embeddings = _embeddings(folder, facts)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait by spinning take the cores from whoever else runs on this machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(
                str(folder / "decoder.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as problem:  # its own exceptions have no common class but Exception
            reason = " ".join(str(problem).split())[:200]
            raise ModelError(
                f"the model in '{folder}' cannot be loaded ({reason}); install it again, or update "
                "onnxruntime"
            ) from problem
        self._outputs = [each.name for each in self._session.get_outputs()]
        self.adapt(adapters)

    def adapt(self, adapters: Sequence[Path]) -> None:
        """Answer with the LoRA adapters in some folders from now on, one over the other. Raises
        ModelError for one that is no plain LoRA, or was made for another model."""
        parts = [read_adapter(folder) for folder in adapters]
        self._adapter: dict[str, Array] = {}
        self._plain: dict[str, Array] = {}
        known: set[str] = set()
        for name, (outputs, inputs) in self._linear.items():
            layer, _, kind = name.partition(".")
            members = [f"model.layers.{layer}.{member}" for member in MEMBERS[kind]]
            known.update(members)
            # A rank of one, of zeros, stands for none: the graph takes no empty matrix.
            low = self._plain[f"a.{name}"] = np.zeros((1, inputs), np.float32)
            high = self._plain[f"b.{name}"] = np.zeros((outputs, 1), np.float32)
            keys = self.kv_heads * self.head_size
            sizes = {"qkv": [outputs - 2 * keys, keys, keys], "gate_up": [outputs // 2] * 2}
            ends = np.cumsum(sizes.get(kind, [outputs]))
            # The ranks of members and of adapters add up: [b1 b2] @ [a1; a2] = b1 @ a1 + b2 @ a2.
            lows, highs = [], []
            for folder, part in zip(adapters, parts, strict=True):
                for member, end, before in zip(members, ends, [0, *ends], strict=False):
                    if member not in part.matrices:
                        continue
                    a, b = part.matrices[member]
                    # The joined layer gives q, k and v in one product; each b writes the outputs of its own part.
                    block = np.zeros((outputs, len(a)), np.float32)
                    if a.shape[1] != inputs or b.shape != (end - before, len(a)):
                        raise ModelError(
                            f"the adapter in '{folder}' was made for another model; make it anew for this one"
                        )
                    block[before:end] = b
                    lows.append(a)
                    highs.append(block)
            self._adapter[f"a.{name}"] = np.concatenate(lows) if lows else low
            self._adapter[f"b.{name}"] = np.concatenate(highs, 1) if highs else high
        if left := [key for part in parts for key in part.matrices if key not in known]:
            raise ModelError(f"an adapter adapts '{left[0]}', which stays as it is here; merge it")
        # Activated adapters leave the schema parts as the base reads them.
        self.activated, self.identity = all(part.activated for part in parts), self._base
        if not self.activated:
            digests = "".join(part.digest for part in parts)
            self.identity = hashlib.sha256((self._base + digests).encode()).hexdigest()

    def cache(self) -> Cache:  # see `Engine`
        return Cache(self.layers, self.kv_heads, self.head_size)

    def forward(
        self, tokens: Array, seen: Array, cache: Cache, rows: Array, prefix: bool = False
    ) -> tuple[Output, Array]:  # see `Engine`
        # (time, slots + time) in two parts, as the graph attends to the cache and to the new tokens.
        mask = np.where(seen, np.float32(0), _UNSEEN)
        feeds = {
            "embeds": self._embeddings(tokens)[None],
            "positions": seen.sum(1)[None] - 1,
            "rows": rows.astype(np.int64),
            "mask_past": np.ascontiguousarray(mask[:, : cache.length]),
            "mask_new": np.ascontiguousarray(mask[:, cache.length :]),
            **(self._plain if prefix and self.activated else self._adapter),
        }
        for part, layer, head in np.ndindex(2, self.layers, self.kv_heads):
            # (slots, head size) each, a view: a copy of the cache at every token is what naive exports do.
            feeds[f"{'kv'[part]}.{layer}.{head}"] = cache.view(part, layer, head)
        try:
            results = self._session.run(None, feeds)
        except Exception as problem:
            if "alloc" in str(problem).lower() or "memory" in str(problem).lower():
                raise MemoryError(str(problem)) from problem
            raise
        named = dict(zip(self._outputs, results, strict=True))
        keys, values = ([named[f"{x}.new.{n}"] for n in range(self.layers)] for x in "kv")
        slots = cache.append(keys, values)
        return Output(named["logits"], named["hidden"]), slots


class Adapter(NamedTuple):
    """A LoRA adapter: by layer a (rank, inputs) and b (outputs, rank), whose product is added.
    `activated`: it was trained to be active after the schema part of a prompt."""

    matrices: Mapping[str, tuple[Array, Array]]
    activated: bool
    digest: str


def read_adapter(folder: Path) -> Adapter:
    """The adapter that peft wrote into a folder. Raises ModelError for one that is no plain LoRA."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        facts = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        file = folder / "prompt.json"
        prompt = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        raw = (folder / "adapter_model.safetensors").read_bytes()
        tensors = load(raw)
        scale = facts["lora_alpha"] / facts["r"] ** (0.5 if facts.get("use_rslora") else 1)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as problem:
        raise ModelError(f"'{folder}' holds no adapter ({problem}); copy it again") from problem
    if not is_plain_lora(facts):
        raise ModelError(f"the adapter in '{folder}' is no plain LoRA; merge it before the export")
    matrices = {}
    for name, low in tensors.items():
        layer, _, end = name.removeprefix("base_model.model.").partition(".lora_A.")
        high = tensors.get(name.replace(".lora_A.", ".lora_B."))
        if end and high is not None:
            matrices[layer] = low.astype(np.float32), high.astype(np.float32) * np.float32(scale)
    return Adapter(matrices, bool(prompt.get("activated")), hashlib.sha256(raw).hexdigest())


def is_plain_lora(facts: Mapping[str, Any]) -> bool:
    other = facts.get("use_dora") or facts.get("modules_to_save") or facts.get("rank_pattern")
    return not other and facts.get("bias", "none") == "none"


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((folder / "engine.json").read_text(encoding="utf-8"))
        if facts["format"] != _FORMAT:
            raise ModelError(
                f"the model in '{folder}' is of another version of txt2sql; export it again"
            )
        for file, size in facts["files"].items():
            if (folder / file).stat().st_size != size:
                raise ModelError(f"'{folder / file}' is cut short or damaged; install it again")
    except (OSError, ValueError, KeyError) as problem:
        raise ModelError(f"'{folder}' holds no exported model ({problem})") from problem
    return facts


def _embeddings(folder: Path, facts: Mapping[str, Any]) -> Callable[[Array], Array]:
    """A function: tokens (time,) -> embeddings (time, size) in float32."""
    rows, size = int(facts["vocabulary"]), int(facts["size"])

    def mapped(name: str, kind: Any, *shape: int) -> Array:
        part = facts["embeddings"][name]
        return np.memmap(folder / part["file"], kind, "r", int(part["offset"]), shape)

    if "levels" not in facts["embeddings"]:
        weights = mapped("weights", np.float32, rows, size)
        return lambda tokens: np.asarray(weights[tokens], np.float32)
    levels = mapped("levels", np.uint8, rows, size // 32, 32)
    scales = mapped("scales", np.float16, rows, size // 32)

    def look_up(tokens: Array) -> Array:
        centred = levels[tokens].astype(np.float32) - 128
        return (centred * scales[tokens].astype(np.float32)[..., None]).reshape(len(tokens), -1)

    return look_up

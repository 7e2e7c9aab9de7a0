"""A causal language model on ONNX Runtime: numpy in, numpy out, no torch.

Reads the folder that `onnx_export` writes: decoder.onnx with its weights, engine.json, tokenizer.json,
and adapters beside it. See `Engine` for what it does, `cache` for how continuations share what was read.

    engine = OnnxEngine(Path("models/bundled"))
    cache = engine.cache()
    output = engine.forward(tokens, positions, seen, cache, rows=[-1])      # logits (1, vocabulary)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from txt2sql.errors import ModelError
from txt2sql.models.cache import Cache

Array = np.ndarray[Any, Any]
_UNSEEN = np.float32(-1e9)
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Output:
    """Of the rows asked for: logits (n, vocabulary) and the last hidden states (n, size)."""

    logits: Array
    hidden: Array


class Engine(Protocol):
    """What a decoder asks of a model. `context` is the most tokens that a row may have."""

    name: str
    vocabulary: int
    context: int

    def cache(self) -> Cache:
        """An empty cache of this model's shape."""
        ...

    def forward(
        self,
        tokens: Array,
        positions: Array,
        seen: Array,
        cache: Cache,
        rows: Array,
        *,
        prefix: bool = False,
    ) -> tuple[Output, Array]:
        """Read tokens (time,) at positions (time,), all rows flat; write them into the cache.

        `seen` (time, cache.length + time) says which slots, and which of the tokens themselves, each
        token attends to. Logits are given for the tokens at `rows`; the slots (time,) come second. A
        `prefix`, the schema part of a prompt, is read without an adapter that is active after it.
        """
        ...


class OnnxEngine:
    """An Engine on the CPU. `threads` of one forward pass; None: as many as the process may use."""

    def __init__(
        self, folder: Path, *, adapter: Path | None = None, threads: int | None = None
    ) -> None:
        runtime = _runtime()
        facts = _facts(folder)
        self.folder, self.name = folder, folder.name
        self.layers, self.kv_heads = int(facts["layers"]), int(facts["kv_heads"])
        self.head_size, self.size = int(facts["head_size"]), int(facts["size"])
        self.vocabulary, self.context = int(facts["vocabulary"]), int(facts["context"])
        self.identity = str(facts["identity"])
        """What a cached prefix was computed with: the weights, and an adapter that reads it, too."""
        self._linear: dict[str, tuple[int, int]] = {k: (int(a), int(b)) for k, (a, b) in facts["linear"].items()}  # fmt: skip
        self._embeddings = _embeddings(folder, facts)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
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
        self._adapter: dict[str, Array] = {}
        self._plain: dict[str, Array] = {}
        self.activated = True
        self._base = self.identity
        self.adapt(adapter)

    def adapt(self, adapter: Path | None) -> None:
        """Answer with the adapter in a file from now on; None: with the model as it is.

        Raises ModelError for a file that was made for another model.
        """
        arrays: Mapping[str, Array] = {}
        if adapter is not None:
            try:
                with adapter.open("rb") as stream, np.load(stream) as file:
                    arrays = {name: file[name].astype(np.float32) for name in file.files}
            except Exception as problem:
                raise ModelError(f"'{adapter}' holds no adapter ({problem})") from problem
        feeds: dict[str, Array] = {}
        self._plain = {}
        for name, (outputs, inputs) in self._linear.items():
            self._plain[f"a.{name}"] = np.zeros((1, inputs), np.float32)
            self._plain[f"b.{name}"] = np.zeros((outputs, 1), np.float32)
            a = arrays.get(f"a.{name}", self._plain[f"a.{name}"])
            b = arrays.get(f"b.{name}", self._plain[f"b.{name}"])
            if a.shape[1] != inputs or b.shape != (outputs, a.shape[0]):
                raise ModelError(
                    f"the adapter '{adapter}' was made for another model; make it anew for this one"
                )
            feeds[f"a.{name}"], feeds[f"b.{name}"] = a, b
        self._adapter = feeds
        # An activated adapter leaves the schema parts as the base reads them.
        self.activated = adapter is None or "activated" in arrays
        self.identity = self._base
        if adapter is not None and not self.activated:
            digest = hashlib.sha256(self._base.encode() + adapter.read_bytes())
            self.identity = digest.hexdigest()

    def cache(self) -> Cache:
        """See `Engine.cache`."""
        return Cache(self.layers, self.kv_heads, self.head_size)

    def forward(
        self,
        tokens: Array,
        positions: Array,
        seen: Array,
        cache: Cache,
        rows: Array,
        *,
        prefix: bool = False,
    ) -> tuple[Output, Array]:
        """See `Engine.forward`."""
        mask = np.where(seen, np.float32(0), _UNSEEN)
        feeds = {
            "embeds": self._embeddings(tokens)[None],
            "positions": positions.astype(np.int64)[None],
            "rows": rows.astype(np.int64),
            "mask_past": np.ascontiguousarray(mask[:, : cache.length]),
            "mask_new": np.ascontiguousarray(mask[:, cache.length :]),
            **(self._plain if prefix and self.activated else self._adapter),
        }
        for part, letter in enumerate("kv"):
            for layer in range(self.layers):
                for head in range(self.kv_heads):
                    feeds[f"{letter}.{layer}.{head}"] = cache.view(part, layer, head)
        try:
            results = self._session.run(None, feeds)
        except Exception as problem:
            if "alloc" in str(problem).lower() or "memory" in str(problem).lower():
                raise MemoryError(str(problem)) from problem
            raise
        named = dict(zip(self._outputs, results, strict=True))
        slots = cache.append(
            [named[f"k.new.{n}"] for n in range(self.layers)],
            [named[f"v.new.{n}"] for n in range(self.layers)],
        )
        return Output(named["logits"], named["hidden"]), slots


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as problem:
        raise ModelError("onnxruntime is not installed; pip install onnxruntime") from problem
    return onnxruntime


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / "engine.json").read_text(encoding="utf-8"))
        if facts["format"] != _FORMAT:
            raise ModelError(
                f"the model in '{folder}' is of another version of txt2sql; export it again"
            )
        for file, size in facts["files"].items():
            if (folder / file).stat().st_size != size:
                raise ModelError(f"'{folder / file}' is cut short or damaged; install it again")
    except (OSError, ValueError, KeyError) as problem:
        raise ModelError(f"'{folder}' holds no exported model ({problem})") from problem
    return dict(facts)


def _embeddings(folder: Path, facts: Mapping[str, Any]) -> Any:
    """A function: tokens (time,) -> embeddings (time, size) in float32."""
    table = facts["embeddings"]
    shape = (int(facts["vocabulary"]), int(facts["size"]))

    def mapped(part: Mapping[str, Any], kind: Any, dims: tuple[int, ...]) -> Array:
        path, offset = folder / part["file"], int(part["offset"])
        return np.memmap(path, kind, "r", offset, dims)

    if "levels" not in table:
        weights = mapped(table["weights"], np.float32, shape)
        return lambda tokens: np.asarray(weights[tokens], np.float32)
    blocks = (shape[0], shape[1] // 32)
    levels = mapped(table["levels"], np.uint8, (*blocks, 32))
    scales = mapped(table["scales"], np.float16, blocks)

    def look_up(tokens: Array) -> Array:
        centred = levels[tokens].astype(np.float32) - 128
        return (centred * scales[tokens].astype(np.float32)[..., None]).reshape(len(tokens), -1)

    return look_up


def as_array(values: Sequence[int]) -> Array:
    """(n,) int64."""
    return np.asarray(values, np.int64)

"""Keys and values of tokens that were read: one flat cache that a tree of continuations shares.

Every token has a slot, whatever row it belongs to; a row is the slots that it sees. Slots are written
in place, so a step costs nothing for what was read before. A prefix, the schema part of a prompt, can be
taken out of one cache, stored on disk in half precision, and put into another.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from txt2sql.runs import write_atomically

Array = np.ndarray[Any, Any]
_GROWTH = 256
_VERSION = b"1"


class Cache:
    """Keys and values by layer, head and slot, of which the first `length` are used.

    Slot 0 holds zeros and is seen by no token, so that no array is ever empty.
    """

    def __init__(self, layers: int, kv_heads: int, head_size: int) -> None:
        self.length = 1
        # One block of memory: (keys or values, layer, head, slot, head size).
        self._store = np.zeros((2, layers, kv_heads, _GROWTH, head_size), np.float32)

    def view(self, part: int, layer: int, head: int) -> Array:
        """(length, head size) of the keys (part 0) or values (part 1), without a copy."""
        return self._store[part, layer, head, : self.length]

    def append(self, keys: Sequence[Array], values: Sequence[Array]) -> Array:
        """Write new tokens, by layer (time, kv heads * head size); their slots (time,)."""
        _, layers, kv_heads, _, head_size = self._store.shape
        # (time, heads * size) -> (heads, time, size): attention reads one head at a time.
        new = np.stack([*keys, *values]).reshape(2, layers, -1, kv_heads, head_size)
        return self.put(new.swapaxes(2, 3))

    def put(self, new: Array) -> Array:
        """Write what `take` gave; the slots (time,)."""
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


class PrefixStore:
    """Prefixes on disk by what made them: the weights, the adapter and the tokens.

    They are in half precision there. The oldest are deleted when `max_bytes` are exceeded. A folder that
    cannot be written is no error: every process then computes prefixes anew. Memory holds the last few.
    """

    def __init__(self, folder: Path | None, model: str, max_bytes: int = 1_000_000_000) -> None:
        self.folder, self.model, self.max_bytes = folder, model, max_bytes
        self._recent: dict[str, Array] = {}

    def _name(self, tokens: Sequence[int]) -> str:
        parts = (_VERSION, self.model.encode(), np.asarray(tokens, np.int64).tobytes())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]

    def load(self, tokens: Sequence[int]) -> Array | None:
        """The prefix of these tokens, or None where there is none or its file is damaged."""
        name = self._name(tokens)
        if name in self._recent or self.folder is None:
            return self._recent.get(name)
        path = self.folder / f"{name}.npz"
        try:
            with path.open("rb") as stream, np.load(stream) as file:
                prefix = file["prefix"]  # its checksum is checked
            os.utime(path)
        except Exception:  # absent, cut, or no such file at all: numpy raises many kinds
            return None
        return self._remember(name, prefix)

    def save(self, tokens: Sequence[int], prefix: Array) -> Array:
        """Remember a prefix, on disk where that is possible. Returns it as it will be loaded."""
        name = self._name(tokens)
        if self.folder is None:
            return self._remember(name, prefix)
        # In memory, too: the process that computes a prefix must answer as those that load it.
        prefix = self._remember(name, prefix.astype(np.float16))
        buffer = io.BytesIO()
        np.savez(buffer, prefix=prefix)
        try:
            write_atomically(self.folder / f"{name}.npz", buffer.getvalue())
            total = 0
            files = sorted(self.folder.glob("*.npz"), key=lambda path: -path.stat().st_mtime)
            for path in files:
                total += path.stat().st_size
                if total > self.max_bytes:
                    path.unlink(missing_ok=True)
        except OSError:
            self.folder = None
        return prefix

    def _remember(self, name: str, prefix: Array) -> Array:
        self._recent[name] = prefix
        while len(self._recent) > 8:
            self._recent.pop(next(iter(self._recent)))
        return prefix

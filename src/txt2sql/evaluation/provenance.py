"""Provenance: what a result was made from, as content hashes (SHA-256). A run may only go on from
predictions that the same weights, the same code and the same data made.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from txt2sql.models.catalog import ModelCard

ANSWERING = 1
"""The version of the code that makes predictions out of questions. Raise it with every change after
which the same weights may answer otherwise: then no run goes on from predictions of before. Where
tests/golden show other SQL, it has to be raised."""

_BLOCK = 1 << 20
_SAMPLED_BLOCKS = 256


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_hash(path: Path, whole: int = 1 << 30) -> str:
    """The hash of a file; of one above `whole` bytes, of its size and 256 evenly spaced MiB."""
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        if size <= whole:
            while block := file.read(_BLOCK):
                digest.update(block)
        else:
            digest.update(str(size).encode())
            for index in range(_SAMPLED_BLOCKS):
                file.seek((size - _BLOCK) * index // (_SAMPLED_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def model_hash(folder: Path) -> str:
    """The hash of a model folder: weights, tokenizer and configuration, with their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith((".", "__")) for part in name.parts):
            digest.update(f"{name.as_posix()} {file_hash(path)}\n".encode())
    return digest.hexdigest()


def weights_hash(card: ModelCard) -> str:
    """What tells these weights from others: the hash of a folder, or the revision of a hub id as
    it lies in the local cache; "" when it has not been downloaded yet."""
    if card.folder:
        return model_hash(card.folder)
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    main = cache / f"models--{card.hub_id.replace('/', '--')}" / "refs" / "main"
    return main.read_text(encoding="ascii").strip() if main.is_file() else ""

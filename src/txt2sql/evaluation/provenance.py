"""Provenance: what a result was made from, as content hashes (SHA-256).

A run may only go on from predictions that the same weights, the same code and the same data made;
these hashes are how it knows.

>>> len(code_hash())
64
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import txt2sql
from txt2sql.models.catalog import ModelCard

_ROOMS = (
    "sql", "prompts", "models", "search",
    *(f"execution/{name}.py" for name in ("values", "database", "introspect", "names")),
)  # fmt: skip
"""The code that decides what a model is shown and how its text becomes SQL."""
_BLOCK = 1 << 20
_SAMPLED_BLOCKS = 256


def text_hash(text: str) -> str:
    """The hash of a text."""
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


def files_hash(root: Path, files: Iterable[Path]) -> str:
    """The hash of several files under `root`, their names included."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root).as_posix()} {file_hash(path)}\n".encode())
    return digest.hexdigest()


def model_hash(folder: Path) -> str:
    """The hash of a model folder: weights, tokenizer and configuration."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return files_hash(folder, (path for path in files if not _is_by_product(path, folder)))


def weights_hash(card: ModelCard) -> str:
    """What tells these weights from others: the hash of a folder, or the revision of a hub id as
    it lies in the local cache; "" when it has not been downloaded yet."""
    if card.folder:
        return model_hash(card.folder)
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    main = cache / f"models--{card.hub_id.replace('/', '--')}" / "refs" / "main"
    return main.read_text(encoding="ascii").strip() if main.is_file() else ""


def _is_by_product(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)


def code_hash() -> str:
    """The hash of the source that makes predictions out of questions."""
    package = Path(txt2sql.__file__).parent
    files: list[Path] = []
    for room in _ROOMS:
        path = package / room
        files += path.rglob("*.py") if path.is_dir() else [path]
    return files_hash(package, files)

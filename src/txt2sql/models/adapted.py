"""Which adapter answers for which database: those that `txt2sql adapt` made, by schema.

Field's name: a registry of adapters. A database is known by the names of its tables and columns, so an
adapter stays in use when the file moves, when rows come and go, and for every database of that schema;
after a change of schema the plain model answers. An entry that is damaged, or that was made for other
weights, is passed over with a notice, never an error.

    <cache folder>/adapters/<fingerprint>/      a PEFT adapter, with adapted.json beside its files

>>> find(schema, Path("shop.sqlite"))  # doctest: +SKIP
(Adapted(folder=PosixPath('.../adapters/5f0c…'), base='bundled', database='shop', ...), '')
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.errors import ModelError
from txt2sql.models.catalog import resolve
from txt2sql.runs import cache_dir, write_atomically
from txt2sql.types import Schema

FILE = "adapted.json"
_WEIGHTS = (".safetensors", ".bin")
_ENDS = 1 << 20


@dataclass(frozen=True, slots=True)
class Adapted:
    """One adapter in use. `database` is the name of the database it was made on, `path` its file."""

    folder: Path
    base: str
    database: str
    path: str
    measured: Mapping[str, Any]
    """What `txt2sql adapt` measured, as its report has it."""

    @property
    def name(self) -> str:
        """What it is called in answers: bundled+shop."""
        return f"{Path(self.base).name}+{self.database}"


def fingerprint(schema: Schema) -> str:
    """What a schema is known by: the names of its tables and columns, in any order and case.

    >>> len(fingerprint(Schema("shop", ())))
    16
    """
    tables = sorted((t.name.lower(), sorted(c.name.lower() for c in t.columns)) for t in schema.tables)  # fmt: skip
    return hashlib.sha256(json.dumps(tables).encode()).hexdigest()[:16]


def weights_mark(base: str) -> str:
    """Tells the weights of a folder from others, without reading all of them; hub ids stand for
    themselves. Raises ModelError for an unknown model.
    """
    card = resolve(base)
    if card.folder is None:
        return card.hub_id
    digest = hashlib.sha256()
    for path in sorted(card.folder.iterdir()):
        if path.suffix in _WEIGHTS:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                digest.update(f"{path.name} {size}".encode())
                for start in (0, max(0, size - _ENDS)):
                    file.seek(start)
                    digest.update(file.read(_ENDS))
    return digest.hexdigest()[:16]


def put_to_use(
    schema: Schema, path: Path, adapter: Path, base: str, measured: Mapping[str, Any]
) -> Adapted:
    """Have `adapter` answer for databases of this schema from now on, instead of any earlier one."""
    home = _home()
    name = fingerprint(schema)
    part, old = home / f".{name}.{os.getpid()}.part", home / f".{name}.{os.getpid()}.old"
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(adapter, part)
    facts = {
        "base": base,
        "weights": weights_mark(base),
        "database": schema.db_id,
        "path": str(path.resolve()),
        "measured": dict(measured),
    }
    write_atomically(part / FILE, json.dumps(facts, indent=2) + "\n")
    if (home / name).exists():
        (home / name).rename(old)
    part.rename(home / name)
    shutil.rmtree(old, ignore_errors=True)
    return _read(home / name)


def find(schema: Schema, path: Path) -> tuple[Adapted | None, str]:
    """The adapter for databases of this schema, and a sentence when one cannot be used, else ""."""
    folder = _home() / fingerprint(schema)
    if not folder.is_dir():
        before = next((each for each in entries() if each.path == str(path.resolve())), None)
        if before is None:
            return None, ""
        return None, (
            f"the tables of '{path.name}' are others than when it was adapted to, so the plain "
            "model answers; run txt2sql adapt again"
        )
    try:
        found = _read(folder)
        mark = weights_mark(found.base)
    except ModelError as error:
        return None, f"{error}; the plain model answers"
    if mark != _facts(folder)["weights"]:
        return None, (
            f"the adapter for '{path.name}' was made for other weights of '{found.base}', so the "
            "plain model answers; run txt2sql adapt again"
        )
    return found, ""


def entries() -> Iterator[Adapted]:
    """Every adapter in use that can be read."""
    home = _home()
    for folder in sorted(home.iterdir()) if home.is_dir() else ():
        if not folder.name.startswith("."):
            try:
                yield _read(folder)
            except ModelError:
                continue


def forget(schema: Schema) -> bool:
    """Have the plain model answer again; False where no adapter was in use."""
    folder = _home() / fingerprint(schema)
    there = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    return there


def _home() -> Path:
    return cache_dir() / "adapters"


def _read(folder: Path) -> Adapted:
    facts = _facts(folder)
    if not (folder / "adapter_config.json").is_file():
        raise _damaged(folder, "adapter_config.json is missing")
    return Adapted(folder, *(facts[key] for key in ("base", "database", "path", "measured")))


def _facts(folder: Path) -> dict[str, Any]:
    kinds = {"base": str, "weights": str, "database": str, "path": str, "measured": dict}
    try:
        facts = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder, str(error)) from error
    if not isinstance(facts, dict) or any(not isinstance(facts.get(k), t) for k, t in kinds.items()):  # fmt: skip
        raise _damaged(folder, f"{FILE} lacks something")
    return facts


def _damaged(folder: Path, what: str) -> ModelError:
    return ModelError(f"the adapter in '{folder}' is damaged ({what}); run txt2sql adapt again")

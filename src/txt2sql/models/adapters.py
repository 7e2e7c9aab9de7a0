"""Low-rank adapters (LoRA, DoRA, rsLoRA) on peft: attach, load and merge them; and their registry.

LoRA (Hu et al. 2021) adds `alpha / r * B A` to a frozen weight; DoRA (Liu et al. 2024) also learns the
length of each row of the sum; rsLoRA (Kalajdzievski 2023) scales by `alpha / sqrt(r)` instead.

The registry, `<cache folder>/adapters/<fingerprint>/`, says which adapter of `txt2sql adapt` answers for
which database. A database is identified by the names of its tables and columns; after a change of schema
the plain model answers. An entry that is damaged, or was made for other weights, is passed over with a
notice. Importing this module loads neither torch nor peft.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.errors import ModelError
from txt2sql.models.catalog import BUNDLED, LORA_TARGETS, resolve
from txt2sql.runs import cache_dir, write_atomically
from txt2sql.types import Schema

ALL_LINEAR = "all-linear"  # as the only target: every linear layer but the output layer
FILE = "adapted.json"
# peft imports bitsandbytes, which on a CPU complains of a kernel that only 4-bit weights want.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Adapter:
    """What is trained beside the frozen weights. `targets` are names of modules, or ALL_LINEAR
    alone; None takes LORA_TARGETS of the architecture."""

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] | None = None
    dora: bool = False
    rslora: bool = False

    def __post_init__(self) -> None:
        for name in ("r", "alpha"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, and it must be 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, and it must be 0 or more and below 1")
        if self.targets is not None and not self.targets:
            raise ValueError("targets is empty; leave it out to take those of the architecture")


def attach(model: Any, adapter: Adapter, report: Callable[[str], None] = lambda line: None) -> Any:
    """The model with adapters at its target modules, as a PeftModel: only they are trainable.
    Raises ModelError where a target is no module of this model."""
    from peft import get_peft_model

    config = lora_config(model, adapter, report)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's, about its own future and layers of GPT-2's kind
        return get_peft_model(model, config)


def lora_config(model: Any, adapter: Adapter, report: Callable[[str], None]) -> Any:
    """What peft calls an adapter for this model."""
    from peft import LoraConfig

    if adapter.dora and adapter.dropout:
        # With dropout the inputs of the adapter differ from the layer's, and peft computes it twice.
        report("DoRA with dropout takes about 1.6 times as long per step; dropout 0 is faster")
    return LoraConfig(
        r=adapter.r,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        use_dora=adapter.dora,
        use_rslora=adapter.rslora,
        target_modules=list(target_modules(model, adapter, report)),
        task_type="CAUSAL_LM",
    )


def target_modules(
    model: Any, adapter: Adapter, report: Callable[[str], None] = lambda line: None
) -> tuple[str, ...]:
    """Names of the linear layers to adapt, or their ends, each of which the model has. An unknown
    architecture gets an adapter at every linear layer but the output layer."""
    import torch
    from transformers.pytorch_utils import Conv1D

    kind, output = str(model.config.model_type), model.get_output_embeddings()
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not output
    ]
    wanted = adapter.targets or LORA_TARGETS.get(kind, ())
    if not wanted:
        report(f"no targets are known for '{kind}' models: every linear layer gets an adapter")
    if not wanted or tuple(wanted) == (ALL_LINEAR,):
        return tuple(linear)
    for target in wanted:
        if not any(f".{name}".endswith(f".{target}") for name in linear):
            there = sorted({name.rsplit(".", 1)[-1] for name in linear})
            near = difflib.get_close_matches(target, there, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ModelError(
                f"this '{kind}' model has no linear layer '{target}' to adapt; {hint}"
                f"it has {', '.join(there)}"
            )
    return tuple(wanted)


def load_adapter(model: Any, folder: Path) -> Any:
    """The model with the adapter of a folder beside its weights, as a PeftModel to infer with.
    Raises ModelError for tensors that do not fit."""
    check_files(folder)
    from peft import PeftModel, get_peft_model_state_dict
    from peft.utils import load_peft_weights

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft warns of missing tensors; here they are an error
        adapted = PeftModel.from_pretrained(model, str(folder))
        wanted = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        stored = load_peft_weights(str(folder), device="cpu")
    differing = sorted(key for key in wanted.keys() ^ stored.keys() if "lora_" in key)
    if differing:
        raise ModelError(
            f"the adapter in '{folder}' does not fit its base model or is not whole "
            f"({len(differing)} tensors, {differing[0]} ...); copy or train it again"
        )
    return adapted


def check_files(folder: Path) -> None:
    """Raise ModelError where an adapter cannot be loaded, before its base model is."""
    if importlib.util.find_spec("peft") is None:
        raise ModelError(f"'{folder}' is a PEFT adapter; pip install 'txt2sql[train]' to load it")
    names = ("adapter_model.safetensors", "adapter_model.bin")
    if not any((folder / name).is_file() for name in names):
        raise ModelError(
            f"the adapter in '{folder}' has no weights ({names[0]}); copy or train it again"
        )


def is_quantised(model: Any) -> bool:
    return getattr(model.config, "quantization_config", None) is not None


def merged(adapted: Any) -> Any:
    """The base model with its LoRA or DoRA adapters added into its weights, each layer summed in
    single precision and rounded once. Raises ModelError where a sum is no number."""
    import torch
    from peft.tuners.lora import LoraLayer

    layers: list[tuple[str, Any]] = [
        (n, m) for n, m in adapted.named_modules() if isinstance(m, LoraLayer)
    ]
    for name, layer in layers:
        weight = layer.get_base_layer().weight
        dtype = weight.dtype
        layer.float()
        layer.merge()
        base = layer.get_base_layer().to(dtype)
        if not torch.isfinite(base.weight).all():
            raise ModelError(
                f"'{name}' is not a number after merging in {str(dtype).removeprefix('torch.')}; "
                "take another dtype (float32, bfloat16), or train the adapter again"
            )
    return adapted.unload() if layers else adapted


def base_name(source: str) -> str:
    """What an adapter calls its base model: "bundled", a hub id, or a folder's absolute path."""
    folder = Path(source).expanduser()
    if not source or not folder.is_dir():
        return source
    return "bundled" if folder.resolve() == BUNDLED.resolve() else str(folder.resolve())


# ---------------------------------------------------------------------------------------- registry


@dataclass(frozen=True, slots=True)
class DatabaseAdapter:
    """One adapter in use. `database` is the name of the database it was made on, `path` its file,
    `weights` the mark of the base model's weights."""

    folder: Path
    base: str
    database: str
    path: str
    weights: str

    @property
    def name(self) -> str:
        return f"{Path(self.base).name}+{self.database}"


def fingerprint(schema: Schema) -> str:
    """What identifies a schema: the names of its tables and columns, in any order and case."""
    tables = sorted(
        (table.name.lower(), sorted(column.name.lower() for column in table.columns))
        for table in schema.tables
    )
    return hashlib.sha256(json.dumps(tables).encode()).hexdigest()[:16]


def weights_mark(base: str) -> str:
    """Tells the weights of a folder from others by their sizes, beginnings and ends; hub ids stand
    for themselves. Raises ModelError for an unknown model."""
    card = resolve(base)
    if card.folder is None:
        return card.hub_id
    digest = hashlib.sha256()
    for path in sorted(card.folder.iterdir()):
        if path.suffix in (".safetensors", ".bin"):
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                digest.update(f"{path.name} {size}".encode())
                for start in (0, max(0, size - (1 << 20))):
                    file.seek(start)
                    digest.update(file.read(1 << 20))
    return digest.hexdigest()[:16]


def put_to_use(
    schema: Schema, path: Path, adapter: Path, base: str, results: Mapping[str, Any]
) -> DatabaseAdapter:
    """Have `adapter` answer for databases of this schema from now on, instead of any earlier one.
    `results` are the accuracy before and after, as the report of `txt2sql adapt` has them."""
    facts = {
        "base": base,
        "weights": weights_mark(base),
        "database": schema.db_id,
        "path": str(path.resolve()),
        "measured": dict(results),
    }
    with whole_folder(_registered(schema)) as part:
        shutil.copytree(adapter, part, dirs_exist_ok=True)
        write_atomically(part / FILE, json.dumps(facts, indent=2) + "\n")
    return _read(_registered(schema))


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` to write into, that takes its place when all is written."""
    part, old = (target.with_name(f".{target.name}.{end}") for end in ("part", "old"))
    try:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        if target.is_dir():
            target.rename(old)
        part.rename(target)
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def find(schema: Schema, path: Path) -> tuple[DatabaseAdapter | None, str]:
    """The adapter for databases of this schema, and a sentence when one cannot be used, else ""."""
    folder = _registered(schema)
    if not folder.is_dir():
        if all(adapter.path != str(path.resolve()) for adapter in entries()):
            return None, ""
        return None, (
            f"the tables of '{path.name}' are others than when it was adapted to, so the plain "
            "model answers; run txt2sql adapt again"
        )
    try:
        adapter = _read(folder)
        mark = weights_mark(adapter.base)
    except ModelError as error:
        return None, f"{error}; the plain model answers"
    if mark != adapter.weights:
        return None, (
            f"the adapter for '{path.name}' was made for other weights of '{adapter.base}', so the "
            "plain model answers; run txt2sql adapt again"
        )
    return adapter, ""


def entries() -> Iterator[DatabaseAdapter]:
    for folder in sorted((cache_dir() / "adapters").glob("[!.]*")):
        try:
            yield _read(folder)
        except ModelError:
            continue


def forget(schema: Schema) -> bool:
    was_there = _registered(schema).is_dir()
    shutil.rmtree(_registered(schema), ignore_errors=True)
    return was_there


def _registered(schema: Schema) -> Path:
    return cache_dir() / "adapters" / fingerprint(schema)


def _read(folder: Path) -> DatabaseAdapter:
    names = ("base", "database", "path", "weights")
    try:
        facts = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if not all(isinstance(facts[name], str) for name in names):
            raise TypeError(f"{FILE} lacks something")
        if not (folder / "adapter_config.json").is_file():
            raise OSError("adapter_config.json is missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the adapter in '{folder}' is damaged ({error}); run txt2sql adapt again"
        ) from error
    return DatabaseAdapter(folder, *(facts[name] for name in names))

"""Whole models out of adapters: merged folders that Auto classes load, and folders for ONNX Runtime.

An adapter is merged into the 16- or 32-bit weights of its base, never into quantised ones, whose
rounding would swallow it. Folders come into place whole or not at all.

>>> export_hf("results/dora-phi-2/model", Path("merged"))  # doctest: +SKIP
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from txt2sql.errors import ModelError
from txt2sql.models.adapters import is_quantised, whole_folder
from txt2sql.models.card import read_facts, write_card
from txt2sql.models.catalog import ADAPTER, ModelCard, read_json, resolve, sources
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
    """Write a model, or an adapter merged into its base, with its card into `output`.

    `dtype` is that of the written weights (default: the base's own). `force` replaces a model that is
    there. Raises ModelError.
    """
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
    """Write a model for ONNX Runtime into `output`, in 4, 8 or 32 bits; adapters are merged first.

    In 4 bits, an adapter over a base that was quantised by `quantise` stays beside it: the base is
    written bit for bit, and nothing is rounded after training. Other weights are rounded to the
    nearest level. Raises ModelError for an architecture that has no graph.
    """
    from txt2sql.models import quantise
    from txt2sql.models.onnx_export import write

    if bits not in (4, 8, 32):
        raise ModelError(f"no {bits}-bit export to ONNX; choose 4, 8 or 32 bits")
    made_of = sources(resolve(name))
    adapter, base = made_of[0].folder, made_of[-1]
    levels = None
    if bits == 4 and base.folder and len(made_of) <= 2:  # one adapter can stay beside a base
        levels = quantise.read_levels(base.folder)
    with _new_folder(output, force, made_of) as part:
        beside = levels is not None and len(made_of) > 1
        loaded = load_weights(base.source if beside else name, device="cpu", dtype="float32")
        if levels is None and bits == 4:
            levels = quantise.nearest_levels(loaded.model)
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
    """A folder beside `output` to write into, that takes its place when all is written.

    Raises ModelError for an output that is not empty, unless `force` is set and it holds a model, and
    for one that holds what it is made of.
    """
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

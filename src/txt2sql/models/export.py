"""Whole models out of adapters: merged folders that Auto classes load, and GGUF files for llama.cpp.

An adapter is merged into the 16- or 32-bit weights of its base, never into quantised ones, whose
rounding would swallow it. Folders and files come into place whole or not at all. The converter to GGUF
(https://github.com/ggml-org/llama.cpp, convert_hf_to_gguf.py) is not part of this package.

>>> merge("results/dora-phi-2/model", Path("merged"))  # doctest: +SKIP
>>> export_gguf("merged", Path("merged.gguf"), outtype="q8_0")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from txt2sql.errors import ModelError
from txt2sql.models.adapters import is_quantised
from txt2sql.models.card import read_facts, write_card
from txt2sql.models.catalog import ADAPTER, ModelCard, is_adapter, read_json, resolve, sources
from txt2sql.models.weights import LoadedModel, load_weights, quiet
from txt2sql.runs import write_atomically

CONVERTER = "convert_hf_to_gguf.py"
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "prompt.json", "README.md")
OUTTYPES = ("auto", "f32", "f16", "bf16", "q8_0")


def _silent(line: str) -> None:
    pass


def merge(
    adapter: str | Path,
    output: Path,
    *,
    dtype: str | None = None,
    force: bool = False,
    report: Callable[[str], None] = _silent,
) -> Path:
    """Write base model and adapter as one model into `output`, and return it.

    `dtype` is that of the written weights (default: the base's own). `force` replaces a model that is
    there. Raises ModelError, also where `adapter` is a whole model already.
    """
    card = resolve(adapter)
    if not is_adapter(card.folder):
        raise ModelError(f"'{adapter}' is a whole model, no adapter: there is nothing to merge")
    return export_hf(adapter, output, dtype=dtype, force=force, report=report)


def export_hf(
    name: str | Path,
    output: Path,
    *,
    dtype: str | None = None,
    force: bool = False,
    report: Callable[[str], None] = _silent,
) -> Path:
    """Write a model, or an adapter merged into its base, with its card into `output`."""
    card = resolve(name)
    with new_folder(output, force, sources(card)) as part:
        loaded = load_weights(name, device="cpu", dtype=dtype or "auto")
        if is_quantised(loaded.model):
            raise ModelError(
                f"the weights of '{sources(card)[-1].source}' are quantised, and an adapter is not "
                "merged into them; set base_model_name_or_path in adapter_config.json to the "
                "16-bit model they were made from"
            )
        written = str(loaded.model.dtype).removeprefix("torch.")
        if is_adapter(card.folder):
            report(f"merged into {sources(card)[1].name}, weights in {written}")
        save(loaded, part)
    return output


def export_onnx(
    name: str | Path,
    output: Path,
    *,
    bits: int = 4,
    force: bool = False,
    report: Callable[[str], None] = _silent,
) -> Path:
    """Write a model for ONNX Runtime into `output`, in 4, 8 or 32 bits; adapters are merged first.

    In 4 bits, an adapter over a base that was quantised by `quantise` stays beside it: the base is
    written bit for bit, and nothing is rounded after training. Other weights are rounded to the
    nearest level. Raises ModelError for an architecture that has no graph.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ModelError("writing ONNX needs the package onnx; pip install 'txt2sql[train]'")
    from txt2sql.models import quantise
    from txt2sql.models.onnx_export import write

    if bits not in (4, 8, 32):
        raise ModelError(f"no {bits}-bit export to ONNX; choose 4, 8 or 32 bits")
    card = resolve(name)
    base = sources(card)[-1]
    levels = quantise.read_levels(base.folder) if bits == 4 and base.folder else None
    with new_folder(output, force, sources(card)) as part:
        beside = levels is not None and is_adapter(card.folder)
        loaded = load_weights(base.source if beside else name, device="cpu", dtype="float32")
        if levels is None and bits == 4:
            levels = quantise.nearest_levels(loaded.model)
        write(loaded.model, loaded.tokenizer, part, bits=bits, levels=levels or {})
        if beside:
            assert card.folder is not None
            (part / ADAPTER).mkdir()
            for file in _ADAPTER_FILES:
                if (card.folder / file).is_file():
                    shutil.copy2(card.folder / file, part / ADAPTER / file)
            report(f"the adapter stays beside the {bits}-bit weights of {base.name}")
    return output


def save(loaded: LoadedModel, folder: Path) -> None:
    """Weights, config, generation config, tokenizer and model card."""
    from huggingface_hub import try_to_load_from_cache

    try:
        # Some models on the hub have sampling settings beside do_sample=False: read, but not written.
        loaded.model.generation_config.validate(strict=True)
    except ValueError:
        loaded.model.generation_config.do_sample = True
    with quiet():
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
    made_of = sources(loaded.card)
    prompt: dict[str, Any] = {}
    for card in reversed(made_of):
        prompt |= read_json(card.folder / "prompt.json") if card.folder else {}
    write_atomically(folder / "prompt.json", json.dumps(prompt) + "\n")
    # Converters want tokenizer.model, which fast tokenizers do not write.
    base, file = made_of[-1], "tokenizer.model"
    path = base.folder / file if base.folder else try_to_load_from_cache(base.hub_id, file)
    if isinstance(path, (str, Path)) and Path(path).is_file():
        shutil.copyfile(path, folder / file)
    own = loaded.card.folder
    if own is None:
        return
    if (facts := read_facts(own)) is not None:
        write_card(folder, facts)
    elif (own / "README.md").is_file():
        shutil.copyfile(own / "README.md", folder / "README.md")


@contextmanager
def new_folder(output: Path, force: bool, made_of: list[ModelCard]) -> Iterator[Path]:
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
    part, old = (output.with_name(f".{output.name}.{end}") for end in ("part", "old"))
    try:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        if output.is_dir():
            output.rename(old)
        part.rename(output)
    except OSError as error:
        raise ModelError(f"'{output}' cannot be written: {error.strerror or error}") from error
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def export_gguf(
    name: str | Path,
    output: Path,
    *,
    outtype: str = "auto",
    converter: Path | None = None,
    force: bool = False,
    report: Callable[[str], None] = _silent,
) -> Path:
    """Write a model, or an adapter merged into its base, as one GGUF file, and return its path.

    `outtype` is one of OUTTYPES; `converter` is llama.cpp's script or its folder (default: $LLAMA_CPP,
    else the script on the PATH). Raises ModelError, also for what llama.cpp cannot run.
    """
    if outtype not in OUTTYPES:
        raise ModelError(f"no GGUF type '{outtype}'; choose one of {', '.join(OUTTYPES)}")
    output = output.expanduser().resolve()
    if output.is_dir() or (output.exists() and not force):
        raise ModelError(f"'{output}' exists; choose another output, or add --force")
    card = resolve(name)
    script = find_converter(converter)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as scratch:
        folder = card.folder
        if folder is None or is_adapter(folder):
            folder = export_hf(name, Path(scratch) / "model", report=report)
        _convert(script, folder, written := Path(scratch) / "model.gguf", outtype)
        os.replace(written, output)
    return output


def find_converter(given: Path | None = None) -> Path:
    """The path of llama.cpp's converter. Raises ModelError that says how to get it."""
    place = given or os.environ.get("LLAMA_CPP") or shutil.which(CONVERTER)
    script = Path(place or CONVERTER).expanduser()
    if script.is_dir():
        script = script / CONVERTER
    if place is None or not script.is_file():
        where = f"is not at '{script}'" if place else "is not on the PATH"
        raise ModelError(
            f"llama.cpp's {CONVERTER} {where}; git clone https://github.com/ggml-org/llama.cpp "
            "and give its folder as --converter or in LLAMA_CPP"
        )
    return script.resolve()


def _convert(script: Path, folder: Path, output: Path, outtype: str) -> None:
    command = [sys.executable, script, folder, "--outfile", output, "--outtype", outtype]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode or not output.is_file():
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else f"exit code {done.returncode}"
        missing = re.search(r"No module named '(\w+)'", reason)
        hint = f"; pip install {missing[1]}" if missing else ""
        raise ModelError(f"llama.cpp's converter could not convert '{folder.name}': {reason}{hint}")

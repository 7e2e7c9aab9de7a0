"""Model folders: what training writes and reads, and what transformers' Auto classes load.

>>> model, tokenizer = load_model(Path("results/pretrain/model"))  # doctest: +SKIP
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from txt2sql.errors import ModelError


def load_model(folder: Path) -> tuple[PreTrainedModel, Tokenizer]:
    """Model and tokenizer of a folder, in single precision, as training goes on from them."""
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"no model in '{folder}'; give a folder that holds config.json and weights"
        )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


def save_model(
    model: PreTrainedModel, tokenizer: Tokenizer, folder: Path, dtype: torch.dtype
) -> None:
    """Weights, config and tokenizer."""
    saved = copy.deepcopy(model)
    torch.nn.Module.to(saved, "cpu", dtype)
    saved.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def replace_folder(source: Path, target: Path, without: Sequence[str] = ()) -> None:
    """Put a copy of `source`, `without` some names, in the place of `target`; a kill leaves one whole."""
    part, old = (target.with_name(f".{target.name}.{end}") for end in ("part", "old"))
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(source, part, ignore=shutil.ignore_patterns(*without))
    if target.is_dir():
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)

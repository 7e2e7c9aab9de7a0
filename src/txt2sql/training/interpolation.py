"""Weights part of the way from a model to its fine-tuned self: most of what was learnt, less forgotten.

Field's name: WiSE-FT, weight-space interpolation (Wortsman et al., CVPR 2022, "Robust fine-tuning of
zero-shot models"). For LoRA the way is straight: base + share * alpha / r * B A, so that scaling every
B is enough.

>>> interpolated(Path("run/model"), Path("run/adapter"), 0.5)  # doctest: +SKIP
PosixPath('run/adapter')
"""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from txt2sql.errors import ModelError

_WEIGHTS = "adapter_model.safetensors"


def interpolated(adapter: Path, target: Path, share: float) -> Path:
    """Write the LoRA adapter that goes `share` of the way, beside nothing half-written, to `target`."""
    part = target.with_name(f".{target.name}.part")
    for left in (part, target):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(adapter, part)
    tensors = load_file(part / _WEIGHTS)
    scaled = [name for name in tensors if ".lora_B." in name or ".lora_embedding_B" in name]
    if not scaled or any("lora_magnitude" in name for name in tensors):
        raise ModelError(f"'{adapter}' is no plain LoRA adapter; set strength to 1 to use it whole")
    for name in scaled:
        tensors[name] = tensors[name] * share
    save_file(tensors, part / _WEIGHTS, metadata={"format": "pt"})
    part.rename(target)
    return target

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from txt2sql.errors import ModelError
from txt2sql.models.weights import choose_device, choose_dtype, load_weights

Folder = Callable[..., Path]


def other_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    weights = {**load_file(folder / "model.safetensors"), **changes}
    whole = {name: tensor for name, tensor in weights.items() if tensor is not None}
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "config.json").write_text('{"model_type": "lla'),
        lambda folder: (folder / "config.json").write_text('{"model_type": "no_such"}'),
        lambda folder: (folder / "tokenizer.json").write_text("{"),
        lambda folder: os.truncate(folder / "model.safetensors", 1000),
        lambda folder: other_weights(folder, **{"model.layers.1.mlp.up_proj.weight": None}),
        lambda folder: other_weights(folder, **{"model.norm.weight": torch.ones(7)}),
        lambda folder: (folder / "model.safetensors").unlink(),
    ],
)
def test_damage_is_one_clear_error(
    model_folder: Folder, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    folder = shutil.copytree(model_folder("llama"), tmp_path / "model")
    damage(folder)
    with pytest.raises(ModelError) as caught:
        load_weights(folder, device="cpu")
    assert "again" in str(caught.value) and "\n" not in str(caught.value)


def test_weights_that_are_nowhere_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set; give --model a folder"):
        load_weights("phi-2", device="cpu")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 cannot be reached; .* HF_ENDPOINT"):
        load_weights("someone/something", device="cpu")


def test_device_and_dtype_are_chosen_for_the_machine_and_impossible_ones_refused(
    model_folder: Folder,
) -> None:
    with pytest.raises(ModelError, match="no device 'tpu'"):
        choose_device("tpu")
    wrong = ({"bits": 8}, "need a CUDA GPU"), ({"bits": 3}, "choose 4, 8 or 16")
    for options, message in (*wrong, ({"dtype": "int3"}, "no dtype 'int3'")):
        with pytest.raises(ModelError, match=message):
            load_weights(model_folder("llama"), device="cpu", **options)
    native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert choose_dtype("cpu", 1_000_000) == torch.float32
    assert choose_dtype("cpu", 20_000_000) == (torch.bfloat16 if native else torch.float32)
    assert choose_dtype("cpu", 7_000_000_000) == torch.bfloat16

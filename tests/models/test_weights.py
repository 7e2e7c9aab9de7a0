from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config

from txt2sql.errors import ModelError
from txt2sql.models.weights import choose_device, choose_dtype, load_tokenizer, load_weights

Folder = Callable[..., Path]


@pytest.fixture
def folder(model_folder: Folder, tmp_path: Path) -> Path:
    for file in model_folder("llama").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_a_saved_model_is_loaded_again(model_folder: Folder) -> None:
    source = model_folder("qwen2")
    loaded = load_weights(source, device="cpu")
    saved = load_file(source / "model.safetensors")
    weights = loaded.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in saved.items())
    assert not loaded.model.training


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    T5Config(num_layers=1).save_pretrained(tmp_path)
    for read in (load_weights, load_tokenizer):
        with pytest.raises(ModelError, match="choose a decoder-only model such as phi-2"):
            read(tmp_path)


def damage_json(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text('{"model_type": "lla') and None


def truncate_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def drop_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def reshape_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(7)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "no_such_architecture"}')


@pytest.mark.parametrize(
    "damage",
    [
        damage_json("config.json"),
        damage_json("tokenizer.json"),
        truncate_weights,
        drop_tensor,
        reshape_tensor,
        unknown_architecture,
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
    ],
)
def test_damage_is_one_clear_error(folder: Path, damage: Callable[[Path], None]) -> None:
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


def test_quantised_weights_need_a_gpu(model_folder: Folder) -> None:
    with pytest.raises(ModelError, match="need a CUDA GPU"):
        load_weights(model_folder("llama"), device="cpu", bits=8)
    with pytest.raises(ModelError, match="choose 4, 8 or 16"):
        load_weights(model_folder("llama"), device="cpu", bits=3)


def test_device_and_dtype() -> None:
    with pytest.raises(ModelError, match="no device 'tpu'"):
        choose_device("tpu")
    native = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert choose_dtype("cpu", 1_000_000) == torch.float32
    assert choose_dtype("cpu", 20_000_000) == (torch.bfloat16 if native else torch.float32)
    assert choose_dtype("cpu", 7_000_000_000) == torch.bfloat16


def test_the_dtype_asked_for_is_used(model_folder: Folder) -> None:
    loaded = load_weights(model_folder("llama"), device="cpu", dtype="bfloat16")
    assert loaded.model.dtype == torch.bfloat16
    with pytest.raises(ModelError, match="no dtype 'int3'"):
        load_weights(model_folder("llama"), device="cpu", dtype="int3")

"""Exporting: what is refused first, then that what is written asks like what was merged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from txt2sql.errors import ModelError
from txt2sql.models import torch_engine
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.export import export_hf
from txt2sql.models.weights import load_weights
from txt2sql.types import Prompt, Sampling

Folder = Callable[..., Path]
IDS = torch.tensor([[1, 7, 9, 30, 45, 60, 7, 8]])


def adapt(base: Path, target: Path) -> Path:
    loaded = load_weights(base, device="cpu", dtype="float32")
    model = attach(loaded.model, Adapter(r=4, alpha=8, dropout=0.0, dora=True))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    model.save_pretrained(str(target), save_embedding_layers=False)
    loaded.tokenizer.save_pretrained(target)
    (target / "prompt.json").write_text('{"activated": true}\n')
    return target


@pytest.fixture(scope="session")
def adapter(model_folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DoRA adapter of a tiny Llama, with a chat template and the tokenizer of Llama 2."""
    return adapt(model_folder("llama", "metaspace"), tmp_path_factory.mktemp("adapter"))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_merge_that_is_refused_loses_and_leaves_nothing(
    model_folder: Folder, adapter: Path, tmp_path: Path
) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(ModelError, match="not empty"):
        export_hf(adapter, tmp_path)
    with pytest.raises(ModelError, match="something else than a model"):
        export_hf(adapter, tmp_path, force=True)
    with pytest.raises(ModelError, match="is a file"):
        export_hf(adapter, tmp_path / "diary.txt", force=True)
    broken = shutil.copytree(adapter, tmp_path / "broken")
    (broken / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be loaded"):
        export_hf(broken, tmp_path / "out")
    assert left(tmp_path) == ["broken", "diary.txt"]
    base = model_folder("llama", "metaspace")
    before = left(adapter), left(base)
    for target in (adapter, base):
        with pytest.raises(ModelError, match="made of"):
            export_hf(adapter, target, force=True)
    assert (left(adapter), left(base)) == before


def test_a_merged_folder_is_the_adapter_in_one_and_replaces_another_when_forced(
    model_folder: Folder, tmp_path: Path
) -> None:
    base, dtype = shutil.copytree(model_folder("llama"), tmp_path / "base"), "bfloat16"
    (base / "generation_config.json").write_text('{"temperature": 0.9, "top_p": 0.6}')
    adapter = adapt(base, tmp_path / "adapter")
    folder = shutil.copytree(base, tmp_path / "merged")
    (folder / "old.safetensors").write_text("")
    lines: list[str] = []
    export_hf(adapter, folder, dtype=dtype, force=True, report=lines.append)
    assert left(tmp_path) == ["adapter", "base", "merged"]
    assert not {"adapter_config.json", "old.safetensors"} & {*left(folder)}
    assert json.loads((folder / "generation_config.json").read_text())["temperature"] == 0.9
    assert len(lines) == 1 and dtype in lines[0]
    in_memory = load_weights(adapter, device="cpu", dtype=dtype).model
    again = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    assert again.dtype == getattr(torch, dtype)
    with torch.inference_mode():
        assert torch.equal(again(IDS).logits, in_memory(IDS).logits)
    assert AutoTokenizer.from_pretrained(folder)("SELECT")["input_ids"]
    assert json.loads((folder / "prompt.json").read_text()) == {"activated": True}
    assert "DoRA" in (folder / "README.md").read_text()
    one, other = (torch_engine.load(x, device="cpu", dtype=dtype) for x in (adapter, folder))
    ask = [Prompt("SELECT")], Sampling(max_new_tokens=8)
    assert one.generate(*ask) == other.generate(*ask)

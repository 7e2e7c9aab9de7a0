"""Adapters: wrong targets and damaged folders first, then that they adapt, load and merge right."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from txt2sql.errors import ModelError
from txt2sql.models import adapters as registry
from txt2sql.models.adapters import Adapter, DatabaseAdapter, attach
from txt2sql.models.catalog import LORA_TARGETS
from txt2sql.models.weights import load_weights
from txt2sql.types import Column, Schema, Table

Folder = Callable[..., Path]

KINDS = {
    "lora": Adapter(r=4, alpha=8),
    "dora": Adapter(r=4, alpha=8, dropout=0.0, dora=True),
    "rslora": Adapter(r=4, alpha=8, rslora=True),
}
IDS = torch.tensor([[1, 7, 9, 30, 45, 60, 7, 8]])
# Logits are of size 7 here. Measured: at most 2e-5, from the order in which floats are added.
TOLERANCE = 1e-4


def base(folder: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model(IDS).logits


def adapted(model: torch.nn.Module) -> set[str]:
    """The names of the layers that have an adapter."""
    names = [name for name, _ in model.named_parameters() if ".lora_" in name]
    return {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in names}


def trained(start: Path | torch.nn.Module, kind: str, target: Path) -> torch.nn.Module:
    """A model with an adapter that is far from its start, and saved in `target`."""
    model = attach(base(start) if isinstance(start, Path) else start, KINDS[kind])
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
            elif "magnitude" in name:
                parameter.mul_(1.1)
    model.save_pretrained(str(target), save_embedding_layers=False)
    return model.eval()


@pytest.fixture
def adapter(model_folder: Folder, tmp_path: Path) -> Path:
    trained(model_folder("llama"), "dora", tmp_path / "adapter")
    return tmp_path / "adapter"


def edit(adapter: Path, **changes: object) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_target_that_is_not_there_names_those_that_are(model_folder: Folder) -> None:
    model = base(model_folder("phi"))
    says = r"'o_proj' to adapt; did you mean '\w_proj'\? it has dense"
    with pytest.raises(ModelError, match=says):
        attach(model, Adapter(targets=("q_proj", "o_proj")))
    assert not any("lora" in name for name, _ in model.named_parameters())


def spoil(folder: Path, poisoned: bool) -> None:
    """One tensor gets a number that is none, or is missing."""
    weights = load_file(folder / "adapter_model.safetensors")
    name = next(name for name in sorted(weights) if "lora_A" in name)
    weights[name][0, 0] = float("nan")
    if not poisoned:
        del weights[name]
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: spoil(folder, poisoned=False), "not whole"),
        (lambda folder: spoil(folder, poisoned=True), "not a number"),
        (lambda folder: os.truncate(folder / "adapter_model.safetensors", 900), "damaged"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "has no weights"),
        (lambda folder: (folder / "adapter_config.json").write_text('{"r": '), "is damaged"),
        (lambda folder: edit(folder, r=2), "cannot be loaded"),
        (lambda folder: edit(folder, target_modules=["q_proj"]), "does not fit its base model"),
        (lambda folder: edit(folder, base_model_name_or_path=None), "does not name its base model"),
        (lambda folder: edit(folder, base_model_name_or_path=str(folder)), "names itself"),
        (
            lambda folder: edit(folder, base_model_name_or_path="/nowhere/phi-2"),
            r"trained over '/nowhere/phi-2', which is no model here",
        ),
    ],
)
def test_damage_is_one_sentence(adapter: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(adapter)
    with pytest.raises(ModelError, match=says) as caught:
        load_weights(adapter, device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [("lora", "phi"), ("dora", "llama"), ("rslora", "mistral"), ("lora", "qwen2")],
)
def test_adapters_sit_where_they_should_and_survive_saving_and_merging(
    model_folder: Folder, tmp_path: Path, kind: str, architecture: str
) -> None:
    folder = model_folder(architecture)
    model = trained(folder, kind, tmp_path)
    assert all(".lora_" in name for name, p in model.named_parameters() if p.requires_grad)
    assert adapted(model) == set(LORA_TARGETS[architecture])
    live, plain = logits(model), logits(base(folder))
    assert (live - plain).abs().max() > 0.1
    merged = load_weights(tmp_path, device="cpu", dtype="float32").model
    assert type(merged) is type(base(folder))
    assert not any("lora" in name for name, _ in merged.named_parameters())
    assert torch.allclose(logits(merged), live, rtol=0, atol=TOLERANCE)


def test_an_adapter_over_an_adapter_adds_to_it(adapter: Path, tmp_path: Path) -> None:
    first = load_weights(adapter, device="cpu", dtype="float32").model
    second = trained(first, "lora", tmp_path / "second")
    edit(tmp_path / "second", base_model_name_or_path=str(adapter))
    loaded = load_weights(tmp_path / "second", device="cpu", dtype="float32").model
    assert torch.allclose(logits(loaded), logits(second), rtol=0, atol=TOLERANCE)


SALE = Table("sale", (Column("id"),))
SHOP = Schema("shop", (Table("shop", (Column("id"), Column("city"))), SALE))


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatabaseAdapter:
    """An adapter in use for SHOP, in a registry of its own; files that look like its model's."""
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    folder, model = tmp_path / "adapter", tmp_path / "model"
    folder.mkdir()
    model.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "model.safetensors").write_bytes(b"weights")
    return registry.put_to_use(SHOP, tmp_path / "shop.sqlite", folder, str(model), {"n": 3})


def test_a_schema_is_known_by_its_tables_and_columns_alone(
    used: DatabaseAdapter, tmp_path: Path
) -> None:
    shuffled = Table("Shop", (Column("City"), Column("Id")))
    other = Schema("copy", (Table("SALE", (Column("ID", "number"),)), shuffled))
    assert registry.find(other, tmp_path / "elsewhere" / "copy.sqlite") == (used, "")
    assert used.name == "model+shop"
    renamed = Table("shop", (Column("id"), Column("town")))
    moved = (Table("shop", (Column("id"),)), Table("sale", (Column("id"), Column("city"))))
    for tables in ((renamed, SALE), moved, (SALE,), ()):
        changed = Schema("shop", tables)
        adapter, notice = registry.find(changed, tmp_path / "shop.sqlite")
        assert adapter is None and "others than when it was adapted to" in notice
        assert registry.find(changed, tmp_path / "never seen.sqlite") == (None, "")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda used: (used.folder / registry.FILE).write_text("{"), "is damaged"),
        (lambda used: (used.folder / registry.FILE).write_text('{"base": 3}'), "is damaged"),
        (lambda used: (used.folder / registry.FILE).unlink(), "is damaged"),
        (lambda used: (used.folder / "adapter_config.json").unlink(), "is damaged"),
        (lambda used: (Path(used.base) / "model.safetensors").write_text("W"), "other weights"),
        (lambda used: (Path(used.base) / "config.json").unlink(), "holds no model"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_passed_over_with_a_notice(
    used: DatabaseAdapter, tmp_path: Path, damage: Callable[[DatabaseAdapter], None], says: str
) -> None:
    damage(used)
    adapter, notice = registry.find(SHOP, tmp_path / "shop.sqlite")
    assert adapter is None and says in notice and "\n" not in notice
    assert list(registry.entries()) == ([] if says == "is damaged" else [used])


def test_a_later_adapter_takes_the_place_of_an_earlier_one(
    used: DatabaseAdapter, tmp_path: Path
) -> None:
    again = registry.put_to_use(SHOP, tmp_path / "b.sqlite", tmp_path / "adapter", used.base, {})
    assert [each.path for each in registry.entries()] == [str(tmp_path / "b.sqlite")]
    assert json.loads((again.folder / registry.FILE).read_text())["measured"] == {}
    assert [p.name for p in again.folder.parent.iterdir()] == [used.folder.name]
    assert registry.forget(SHOP) is True
    assert registry.find(SHOP, tmp_path / "b.sqlite") == (None, "")
    assert list(registry.entries()) == [] and registry.forget(SHOP) is False

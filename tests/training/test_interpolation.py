"""Interpolation: half of the way is half of the difference, and only plain LoRA has a straight way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from txt2sql.errors import ModelError
from txt2sql.models.adapters import Adapter, attach, load_adapter, merged
from txt2sql.training.interpolation import interpolated


def saved(folder: Path, *, dora: bool) -> dict[str, torch.Tensor]:
    """A model with an adapter of random weights, saved; the base's weights."""
    torch.manual_seed(0)
    base = plain()
    weights = {name: value.clone() for name, value in base.state_dict().items()}
    adapted = attach(base, Adapter(r=2, alpha=4, dropout=0.0, dora=dora))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    adapted.save_pretrained(folder)
    return weights


def plain() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
            num_attention_heads=2,
        )
    )  # fmt: skip


def test_half_of_the_way_is_half_of_the_difference(tmp_path: Path) -> None:
    weights = saved(tmp_path / "adapter", dora=False)
    half = interpolated(tmp_path / "adapter", tmp_path / "half", 0.5)
    states = [
        merged(load_adapter(plain(), folder)).state_dict()
        for folder in (tmp_path / "adapter", half)
    ]
    changed = 0
    for name, base in weights.items():
        whole, part = (state[name] - base for state in states)
        assert torch.allclose(part, whole / 2, atol=1e-6)
        changed += bool(whole.abs().max() > 1e-3)
    assert changed
    assert interpolated(tmp_path / "adapter", tmp_path / "half", 0.5) == half  # again, over the old
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter", "half"]


def test_dora_has_no_straight_way(tmp_path: Path) -> None:
    saved(tmp_path / "adapter", dora=True)
    with pytest.raises(ModelError, match="no plain LoRA"):
        interpolated(tmp_path / "adapter", tmp_path / "half", 0.5)

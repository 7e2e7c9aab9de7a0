"""The formula against recorded allocations of a step: never far from them, and a page that agrees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, PreTrainedConfig

from txt2sql.models.adapters import Adapter
from txt2sql.training.plan import estimate

ADAPTERS = {"LoRA": Adapter(), "DoRA": Adapter(dropout=0.0, dora=True), "full": None}
LLAMA = {
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32,
}  # fmt: skip
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "phi-2": (
        "phi",
        LLAMA | {"vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240},
    ),
    "llama-7b": ("llama", LLAMA),
    "mistral-7b": ("mistral", LLAMA | {"intermediate_size": 14336, "num_key_value_heads": 8}),
    "qwen2.5-coder-0.5b": (
        "qwen2",
        {"vocab_size": 151936, "hidden_size": 896, "intermediate_size": 4864,
         "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
         "tie_word_embeddings": True},
    ),
    "smollm2-135m": (
        "llama",
        {"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
         "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
         "tie_word_embeddings": True},
    ),
}  # fmt: skip
HALF, SINGLE = torch.bfloat16, torch.float32
# Peaks in GB as every operator's allocations add up, with 0.5 GB for CUDA itself.
RECORDED = [
    ("phi-2", "LoRA", 16, HALF, (4, 1024, 128), True, 8.42),
    ("phi-2", "LoRA", 4, HALF, (1, 1024, 64), True, 2.98),
    ("phi-2", "full", 16, HALF, (1, 1024, 128), True, 23.25),
    ("llama-7b", "LoRA", 16, HALF, (2, 2048, 256), True, 16.59),
    ("mistral-7b", "LoRA", 4, HALF, (1, 1024, 64), True, 5.41),
    ("mistral-7b", "DoRA", 16, HALF, (4, 1024, 128), False, 45.40),
    ("qwen2.5-coder-0.5b", "LoRA", 16, SINGLE, (4, 1024, 128), True, 4.09),
    ("qwen2.5-coder-0.5b", "full", 16, SINGLE, (1, 1024, 128), True, 10.04),
    ("smollm2-135m", "LoRA", 16, SINGLE, (4, 1024, 128), True, 1.72),
    ("smollm2-135m", "full", 16, SINGLE, (8, 512, 64), False, 7.29),
]


def config_of(name: str) -> PreTrainedConfig:
    """The shapes that the model's config.json has on the hub."""
    kind, numbers = SHAPES[name]
    config: PreTrainedConfig = AutoConfig.for_model(kind, **numbers)
    return config


@pytest.mark.parametrize(
    ("name", "method", "bits", "dtype", "sizes", "checkpointing", "recorded"), RECORDED
)
def test_the_formula_is_within_a_fifth_of_what_was_recorded(
    name: str, method: str, bits: int, dtype: torch.dtype, sizes: tuple[int, int, int],
    checkpointing: bool, recorded: float,
) -> None:  # fmt: skip
    batch, length, answer = sizes
    memory = estimate(
        config_of(name), ADAPTERS[method], bits=bits, batch=batch, length=length, answer=answer,
        checkpointing=checkpointing, dtype=dtype,
    )  # fmt: skip
    assert sum(memory.values()) == pytest.approx(recorded * 1e9, rel=0.2)
    # The part that grows with the batch holds the same bound, whatever the weights add.
    fixed = sum(memory.values()) - memory["activations"]
    assert memory["activations"] > 0.8 * (recorded * 1e9 - fixed)


def test_the_page_has_what_the_formula_gives() -> None:
    page = (Path(__file__).parents[2] / "docs/memory.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (Q?)(LoRA) \|(.+)\|$", page, re.MULTILINE)
    assert len(rows) == 6
    for name, quantised, method, figures in rows:
        bits = 4 if quantised else 16
        one, four, whole = (
            estimate(
                config_of(name), ADAPTERS[method], bits=bits, batch=batch, checkpointing=saving
            )
            for batch, saving in ((1, True), (4, True), (1, False))
        )
        totals = (sum(each.values()) for each in (one, four, whole))
        sizes = (one["weights"], one["activations"], *totals)
        assert [float(cell) for cell in figures.split("|")] == [round(n / 1e9, 1) for n in sizes]

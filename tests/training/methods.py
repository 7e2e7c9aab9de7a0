"""Every kind of training with settings that suit a tiny model, under one name each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from txt2sql.config import load
from txt2sql.models.adapters import Adapter
from txt2sql.models.export import export_onnx
from txt2sql.runs import read_rows
from txt2sql.training import activated, grpo, sft
from txt2sql.training.settings import GRPOConfig, RStarConfig, SFTConfig

LORA = Adapter(r=4, alpha=16, dropout=0.0)


def quiet(line: str) -> None:
    """Nothing."""


def config(method: str, output: Path, data: Path, model: Path, **changes: Any) -> Any:
    """The settings of "lora", "dora", "full", "activated" or "grpo"."""
    common: dict[str, Any] = {
        "model": str(model), "output": str(output), "datasets": (str(data),), "held_out": 0.2,
        "measured": 0, "epochs": 1, "learning_rate": 1e-2, "log_every": 1, "threads": 1,
        "bf16": False, "max_steps": 6, "adapter": LORA,
    }  # fmt: skip
    if method == "grpo":
        common |= {
            "group": 4, "prompts": 4, "max_new_tokens": 8, "filter_samples": 0, "save_every": 2,
            "rewards": {"execution": 0.9, "executes": 0.1},
        }  # fmt: skip
        return GRPOConfig(**{**common, **changes})
    common["checkpoint_every"] = 2
    if method == "activated":
        engine = output.parent / "engine"
        if not engine.exists():
            export_onnx(model, engine, bits=32)
        common |= {"engine": str(engine), "shares": None, "group": 3, "accumulate": 2}
        return activated.ActivatedConfig(**{**common, **changes})
    adapters = {"lora": replace(LORA, dropout=0.1), "dora": replace(LORA, dora=True), "full": None}
    common |= {"adapter": adapters[method], "batch_tokens": 2048}
    return SFTConfig(**{**common, **changes})


def train(
    method: str, output: Path, data: Path, model: Path,
    report: Callable[[str], None] = quiet, **changes: Any,
) -> Path | None:  # fmt: skip
    """A run in `output`."""
    given = {"resume": True} if changes.pop("resume", False) else {}
    function: Any = {"grpo": grpo.train, "activated": activated.train}.get(method, sft.train)
    folder: Path | None = function(config(method, output, data, model, **changes), report, **given)
    return folder


def rows(run: Path, name: str = "step") -> list[dict[str, Any]]:
    """What was logged with a number of that name, without the times."""
    return [
        {k: v for k, v in row.items() if "time" not in k and "second" not in k}
        for row in read_rows(run / "metrics.jsonl")
        if name in row
    ]


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Of the finished model."""
    return load_file(next((run / "model").glob("*model.safetensors")))


def rstar(output: Path, data: Path, model: Path, *changes: str) -> RStarConfig:
    """Two rounds of self-evolution, as small as they get."""
    return load(
        RStarConfig,
        None,
        [
            f"model={model}", f"dataset={data}", f"output_dir={output}", "evolution.num_rounds=2",
            "evolution.cot_examples_per_round=4", "evolution.held_out=0.2", "evolution.measured=2",
            "evolution.together=2", "mcts.num_simulations=2", "policy_training.epochs=1",
            "steps.width=2", "steps.max_new_tokens=12", "threads=1", *changes,
        ],
    )  # fmt: skip

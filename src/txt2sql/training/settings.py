"""The settings of a pre-training run, its learning rates, and which settings a run may change.

>>> learning_rate(PretrainConfig("run", learning_rate=1.0, warmup_steps=4), step=0)
0.25
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from txt2sql.errors import ConfigError
from txt2sql.runs import write_atomically


@dataclass(frozen=True)
class PretrainConfig:
    """`datasets` are names or folders, each with a split and a share of the draws."""

    output: str
    encoder: str = ""
    """Folder of the BERT-like encoder that lends layers and vocabulary to a new model."""
    start: str = ""
    """Folder of a model to go on from instead."""
    layers: int | None = None
    data: str | None = None
    datasets: tuple[str, ...] = ("spider", "wikisql")
    split: str = "train"
    shares: tuple[float, ...] = (0.65, 0.35)
    held_out: float = 0.04
    """Share of the training databases that is never trained on and measures progress."""
    measured: int = 100
    """Held-out examples of each data set that are asked at every measurement."""
    limit: int | None = None
    budget: int = 150
    """Size of most schema views, counted as prompts.compact.count_words does."""
    long_budget: int = 400
    long_share: float = 0.1
    batch_tokens: int = 4096
    packing: bool | None = None
    """Several examples in a row; None: on a GPU, where rows of one shape are faster."""
    row_tokens: int = 1024
    accumulate: int = 1
    """Batches of one step."""
    pool: int = 512
    """Examples that are drawn, sorted by length and cut into batches together."""
    workers: int = 0
    """Processes that draw examples; 0 draws between the steps."""
    schedule: Literal["wsd", "cosine"] = "wsd"
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    max_steps: int = 2500
    max_minutes: float | None = None
    """Save and stop after this time; the same command then goes on."""
    warmup_steps: int = 200
    decay_share: float = 0.4
    log_every: int = 50
    checkpoint_every: int = 100
    measure_every: int = 500
    final: Literal["best", "last"] = "best"
    """The model to keep: the best on held-out databases, or the last."""
    threads: int | None = None
    bf16: bool | None = None
    """None: where the hardware has it."""
    attention: str | None = None
    """An attention of transformers; None: eager on a CPU, sdpa elsewhere."""
    peak_tflops: float | None = None
    """What MFU is measured against; None: a matrix product, timed at the start."""
    use_wandb: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.datasets):
            raise ValueError("shares must have one number for each of datasets")


_CHANGEABLE = frozenset(
    "output data encoder start max_steps max_minutes decay_share log_every checkpoint_every "
    "measure_every measured final threads workers attention peak_tflops use_wandb".split()
)
"""What may differ when a run goes on: it does not change what was learnt so far."""


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Warm-up; then stable and a decay as 1 - sqrt of the way, or a cosine; down to 2%."""
    peak = config.learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    share = config.decay_share if config.schedule == "wsd" else 1.0
    start = max(config.warmup_steps, config.max_steps * (1 - share))
    if step < start:
        return peak
    way = min(1.0, (step - start) / max(1.0, config.max_steps - start))
    left = 1 - math.sqrt(way) if config.schedule == "wsd" else (1 + math.cos(math.pi * way)) / 2
    return peak * max(0.02, left)


def check_same(config: PretrainConfig, output: Path) -> None:
    """Refuse to continue a run under settings that would make it another run."""
    file = output / "pretrain.json"
    now = json.loads(json.dumps(asdict(config)))
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        for key in now.keys() - _CHANGEABLE:
            if key in before and before[key] != now[key]:
                raise ConfigError(
                    f"the run in '{output}' has {key}={before[key]}, not {now[key]}; "
                    "choose another output folder or the same setting"
                )
    write_atomically(file, json.dumps(now, indent=1) + "\n")

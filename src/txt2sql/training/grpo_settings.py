"""The settings of a GRPO run: where they come from, what they are, and where the run lies.

A section of config/training_config.yaml (`grpo`, the mission's, or `grpo_recommended`), then what
config/model_config.yaml has for the model, then the command line: the later wins.

>>> run_folder(GRPOConfig(model="mistral-7b")).as_posix()
'results/grpo-mistral-7b'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from txt2sql.models.adapters import Adapter
from txt2sql.training.rewards import PRESETS, check_weights
from txt2sql.training.sft_settings import RunConfig, load_run, method, run_folder

__all__ = ["SECTIONS", "GRPOConfig", "load_settings", "method", "preset_of", "run_folder"]

SECTIONS = {"mission": "grpo", "recommended": "grpo_recommended"}
"""Preset, as `--preset` names it, -> section of config/training_config.yaml."""


@dataclass(frozen=True)
class GRPOConfig(RunConfig):
    """A step samples `group` answers to each of `prompts` questions, then changes the weights once.

    A fine-tuned adapter as `model` is what is learnt on top of, and the reference that KL is measured to.
    Questions whose prompt and answer could be longer than `max_length` are left out and counted.
    """

    epochs: float = 5.0
    adapter: Adapter = field(default_factory=lambda: Adapter(r=16, alpha=32, dropout=0.0))
    learning_rate: float = 1e-5
    schedule: Literal["cosine", "linear", "constant"] = "constant"
    max_grad_norm: float = 1.0

    group: int = 8
    """Answers to a question (G)."""
    prompts: int = 8
    """Questions of a step."""
    temperature: float = 1.0
    max_new_tokens: int | None = None
    """None: as in inference, 96 for compact prompts and 256 for SQL text."""
    constrained: bool | None = None
    """Sample under the grammar that inference decodes under. None: unless vLLM samples."""
    vllm: Literal["off", "auto", "colocate", "server"] = "auto"
    """auto: in this process where vLLM and a GPU are there and the prompts are plain text."""
    rewards: dict[str, float] = field(default_factory=lambda: dict(PRESETS["mission"]))
    """Weights by name; see training/rewards.py."""
    kl: float = 0.1
    """Weight of the divergence from the reference (beta); 0: none is computed."""
    loss: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "grpo"
    scale: Literal["group", "batch", "none"] = "group"
    """What a group's rewards are divided by: its standard deviation, the batch's, nothing."""
    clip_low: float = 0.2
    clip_high: float = 0.2
    iterations: int = 1
    """Updates from the same answers."""
    drop_truncated: bool = False
    """Leave answers that reached the length limit out of the loss."""

    filter_samples: int = 8
    """Answers sampled to each question before training, to leave out those that all or none of them
    answer (pass@k); 0: take every question.
    """
    filter_low: float = 0.1
    filter_high: float = 0.9
    """The share of right answers a question must lie between."""
    filter_enough: int | None = None
    """Stop looking when so many questions are found; None: try them all."""
    timeout_s: float = 1.0
    """Of one sampled statement, or three times what its gold query takes; that has five times as long."""
    judges: int | None = None
    """Processes that judge; None: one per core, at most 8."""

    batch_tokens: int = 8192
    """Tokens that a device computes at once in an update, a group's prompt counted once."""
    log_every: int = 1
    show_every: int = 10
    """Steps between groups of answers shown on the terminal; 0: show none."""
    measure_every: int | None = 50
    """Steps between measurements; None: once an epoch."""
    checkpoint_every: int = 25
    patience: int | None = 4
    """Measurements without a better one before the run ends; None: never."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        check_weights(self.rewards)
        if self.group < 2:
            raise ValueError(
                "group must be 2 or more: a reward counts by what it is above the mean"
            )
        positive = ("prompts", "iterations", "batch_tokens", "log_every", "checkpoint_every")
        for name in positive:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        for name in ("epochs", "learning_rate", "temperature", "timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if self.kl < 0 or self.filter_samples < 0:
            raise ValueError("kl and filter_samples must be 0 or more")
        if self.vllm in ("colocate", "server") and self.constrained:
            raise ValueError(
                "vLLM samples without a grammar; set constrained to false or vllm to off"
            )

    @property
    def kind(self) -> str:
        """See `RunConfig.kind`."""
        return "grpo-dora" if self.adapter.dora else "grpo"


_SHARED = ("batch_tokens", "max_length", "gradient_checkpointing", "targets")
"""What of a model's own settings holds for GRPO as for fine-tuning."""


def load_settings(
    section: str,
    file: Path | None = None,
    models: Path | None = None,
    overrides: Sequence[str] = (),
) -> GRPOConfig:
    """The settings of a section. Without a file they are the defaults. Raises ConfigError."""
    return load_run(GRPOConfig, section, file, models, overrides, _SHARED)


def preset_of(weights: Mapping[str, float]) -> str:
    """The name of the rewards, or the weights themselves."""
    known = (name for name, preset in PRESETS.items() if preset == weights)
    return next(known, ", ".join(f"{name} {weight:g}" for name, weight in weights.items()))

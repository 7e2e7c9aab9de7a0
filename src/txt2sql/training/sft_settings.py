"""The settings of a fine-tuning run: where they come from, what they are, and where the run lies.

A section of config/training_config.yaml, then what config/model_config.yaml has for the model, then the
command line: the later wins.

>>> run_folder(SFTConfig(model="phi-2", adapter=Adapter(dora=True, dropout=0.0))).as_posix()
'results/dora-phi-2'
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from txt2sql.config import load
from txt2sql.models.adapters import Adapter
from txt2sql.models.catalog import resolve

__all__ = ["METHODS", "Adapter", "RunConfig", "SFTConfig", "load_settings", "method", "run_folder"]

METHODS: dict[str, tuple[str, ...]] = {
    "lora": ("adapter.dora=false", "adapter.rslora=false"),
    "dora": ("adapter.dora=true",),
    "qlora": ("bits=4",),
    "rslora": ("adapter.rslora=true",),
    "full": ("adapter=null",),
}
"""Section of config/training_config.yaml and subcommand of `txt2sql train` -> what makes it so."""


SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
"""A `schedule`, and what transformers calls it."""


@dataclass(frozen=True)
class RunConfig:
    """What fine-tuning and GRPO both set. `datasets` are names, or folders in Spider's layout."""

    model: str = "bundled"
    """A short name of the catalogue, a hub id, or a folder."""
    output: str = ""
    """The run's folder; empty: results/<kind>-<model>[-<data set>]."""
    datasets: tuple[str, ...] = ("spider",)
    data: str | None = None
    """Root that holds spider/ and wikisql/."""
    split: str = "train"
    limit: int | None = None
    """At most so many examples of each data set."""
    held_out: float = 0.04
    """Share of the training databases that is never trained on and measures progress."""
    measured: int = 100
    """Examples of each data set that are asked at every measurement; 0: measure nothing."""
    measure_split: str | None = None
    """A split of the first data set to measure on instead of held-out training databases."""
    max_steps: int | None = None
    """Stop after so many steps, whatever `epochs` says."""
    max_minutes: float | None = None
    """Save and stop after this time; the same command then goes on."""
    adapter: Adapter | None = field(default_factory=Adapter)
    """None: every weight is trained."""
    bits: Literal[4, 16] = 16
    """4: the frozen weights are quantised (QLoRA)."""
    warmup: float = 0.03
    """Share of the steps."""
    max_length: int = 2048
    """Longer examples are left out and counted: cutting one would cut its SQL."""
    gradient_checkpointing: bool | None = None
    """Compute activations twice instead of keeping them; None: from 1B parameters on."""
    bf16: bool | None = None
    """None: where the hardware has it."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """How transformers computes attention; others do not take the masks of packed rows."""
    threads: int | None = None
    final: Literal["best", "last"] = "best"
    """The adapter to keep: the best by execution accuracy, or the last."""
    use_wandb: bool = False
    push_to_hub: str = ""
    """A hub repository (owner/name) that gets the finished adapter."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.datasets:
            raise ValueError("datasets is empty; name one")

    @property
    def kind(self) -> str:
        """What the run's folder is named after."""
        return method(self)


@dataclass(frozen=True)
class SFTConfig(RunConfig):
    """The first of `datasets` is walked whole in each epoch."""

    shares: tuple[float, ...] | None = None
    """Of an epoch's examples, by data set: the others are drawn to fit the first. None: all of all."""
    epochs: float = 3.0
    evidence_dropout: float = 0.5
    """How often the evidence of a question that can be answered without it is left out."""
    learning_rate: float = 2e-4
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    batch_tokens: int = 4096
    """Tokens that a device reads at once, at most, with padding."""
    accumulate: int = 1
    """Batches of one step."""
    packing: bool | None = None
    """Several examples in a row, those of one database with their schema once. None: yes."""
    log_every: int = 10
    measure_every: int | None = None
    """Steps between measurements; None: once an epoch."""
    checkpoint_every: int = 100
    patience: int | None = 3
    """Measurements without a better one before the run ends; None: never."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        if self.shares is not None and len(self.shares) != len(self.datasets):
            raise ValueError("shares must have one number for each of datasets")
        if self.shares is not None and min(self.shares) <= 0:
            raise ValueError("shares must be above 0")
        if self.bits == 4 and self.adapter is None:
            raise ValueError("4-bit weights cannot be trained; give an adapter, or 16 bits")
        for name in ("batch_tokens", "accumulate", "max_length", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        if self.epochs <= 0 or self.learning_rate <= 0:
            raise ValueError("epochs and learning_rate must be above 0")


Run = TypeVar("Run", bound=RunConfig)


@dataclass(frozen=True)
class ModelSettings:
    """What suits one model, whatever it is fine-tuned with; None leaves a setting as it is."""

    learning_rate: float | None = None
    batch_tokens: int | None = None
    accumulate: int | None = None
    max_length: int | None = None
    gradient_checkpointing: bool | None = None
    targets: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ModelConfig:
    """config/model_config.yaml: settings by the model's name in the catalogue, or its folder's."""

    models: dict[str, ModelSettings] = field(default_factory=dict)
    generalists: Any = None
    """How hosted models are asked and what they cost: cli/hosted.py reads it."""


def load_settings(
    section: str,
    file: Path | None = None,
    models: Path | None = None,
    overrides: Sequence[str] = (),
) -> SFTConfig:
    """The settings of one of METHODS. Without a file they are the defaults. Raises ConfigError."""
    return load_run(SFTConfig, section, file, models, [*METHODS[section], *overrides])


def load_run(
    cls: type[Run],
    section: str,
    file: Path | None,
    models: Path | None,
    overrides: Sequence[str],
    names: Collection[str] = (),
) -> Run:
    """A section's settings, with what the file `models` has for the run's model: `names`, or all."""
    section = section if file else ""
    config = load(cls, file, overrides, section=section)
    own = load(ModelConfig, models).models.get(resolve(config.model).name, ModelSettings())
    suited = []
    for name in names or [each.name for each in fields(own)]:
        value = getattr(own, name)
        if value is not None and not (name == "targets" and config.adapter is None):
            path = "adapter.targets" if name == "targets" else name
            suited.append(
                f"{path}={list(value) if isinstance(value, tuple) else str(value).lower()}"
            )
    return load(cls, file, [*suited, *overrides], section=section)


def method(config: RunConfig) -> str:
    """One of METHODS."""
    if config.adapter is None:
        return "full"
    if config.bits == 4:
        return "qlora"
    return "dora" if config.adapter.dora else "rslora" if config.adapter.rslora else "lora"


def run_folder(config: RunConfig) -> Path:
    """`output`, or a name under results/ that tells what is trained on what."""
    if config.output:
        return Path(config.output).expanduser()
    parts = [config.kind, Path(config.model).name]
    if config.datasets != ("spider",):
        parts += [Path(name).name for name in config.datasets]
    return Path("results") / "-".join(parts)

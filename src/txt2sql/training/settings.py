"""Settings of training runs: a section of config/training_config.yaml, then what config/model_config.yaml
has for the model, then the command line: the later wins.

>>> run_folder(SFTConfig(model="phi-2", adapter=Adapter(dora=True, dropout=0.0))).as_posix()
'results/dora-phi-2'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from txt2sql.config import load
from txt2sql.models.adapters import Adapter
from txt2sql.models.catalog import resolve
from txt2sql.models.tree_decoder import Decoding
from txt2sql.models.vote import Weights
from txt2sql.search.mcts import Settings
from txt2sql.search.states import ValueSettings
from txt2sql.training.rewards import PRESETS, check_weights

T = TypeVar("T", bound="TuningConfig")

METHODS: dict[str, tuple[str, ...]] = {
    "lora": ("adapter.dora=false", "adapter.rslora=false"),
    "dora": ("adapter.dora=true",),
    "qlora": ("bits=4",),
    "rslora": ("adapter.rslora=true",),
    "full": ("adapter=null",),
}
"""Section of config/training_config.yaml and subcommand of `txt2sql train` -> what makes it so."""
GRPO_SECTIONS = {"mission": "grpo", "recommended": "grpo_recommended"}
"""Preset, as `--preset` names it, -> section of config/training_config.yaml."""
Schedule = Literal["cosine", "linear", "constant"]
Final = Literal["best", "last"]
SPLIT = "train"  # the only split that self-evolution ever opens; no setting names another


def _positive(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value <= 0:
            least = "1 or more" if isinstance(value, int) else "above 0"
            raise ValueError(f"{name} must be {least}")


@dataclass(frozen=True)
class RunConfig:
    model: str = "bundled"  # a short name of the catalogue, a hub id, or a folder
    data: str | None = None  # root that holds spider/ and wikisql/
    threads: int | None = None
    use_wandb: bool = False
    seed: int = 0

    @property
    def data_root(self) -> Path | None:
        return Path(self.data).expanduser() if self.data else None


@dataclass(frozen=True)
class TuningConfig(RunConfig):
    """What supervised fine-tuning and GRPO share. `datasets` are names, or folders in Spider's layout."""

    output: str = ""  # empty: results/<kind>-<model>[-<data set>]
    datasets: tuple[str, ...] = ("spider",)
    split: str = "train"
    limit: int | None = None  # of each data set, at most
    held_out: float = 0.04  # share of the training databases, which only measure
    measured: int = 100  # held-out questions of each data set, at every validation
    measure_split: str | None = None  # of the first data set, instead of held-out databases
    epochs: float = 3.0
    max_steps: int | None = None  # whatever `epochs` says
    max_minutes: float | None = None  # then save and stop; the same command goes on
    adapter: Adapter | None = field(default_factory=Adapter)  # None: every weight is trained
    bits: Literal[4, 16] = 16  # 4: the frozen weights are quantised (QLoRA)
    learning_rate: float = 2e-4
    schedule: Schedule = "cosine"
    warmup: float = 0.03  # share of the steps
    batch_tokens: int = 4096  # that a device reads at once, at most, with padding
    max_length: int = 2048  # longer examples are left out: cutting would cut their SQL
    gradient_checkpointing: bool | None = None  # None: from 1B parameters on
    bf16: bool | None = None  # None: where the hardware has it
    log_every: int = 10
    patience: int | None = 3  # validations without a better one before the end
    final: Final = "best"  # weights, by validation
    push_to_hub: str = ""  # a hub repository (owner/name) that gets the adapter

    def __post_init__(self) -> None:
        if not self.datasets:
            raise ValueError("datasets is empty; name one")
        if self.bits == 4 and self.adapter is None:
            raise ValueError("4-bit weights cannot be trained; give an adapter, or 16 bits")
        _positive(self, "batch_tokens", "max_length", "log_every", "epochs", "learning_rate")

    @property
    def method(self) -> str:
        if self.adapter is None:
            return "full"
        if self.bits == 4:
            return "qlora"
        return "dora" if self.adapter.dora else "rslora" if self.adapter.rslora else "lora"

    @property
    def kind(self) -> str:
        return self.method


@dataclass(frozen=True)
class SFTConfig(TuningConfig):
    """Supervised fine-tuning. The first of `datasets` is walked whole in each epoch."""

    shares: tuple[float, ...] | None = None
    """Of an epoch's examples, by data set: the others are drawn to fit the first. None: all of all."""
    evidence_dropout: float = 0.5  # of questions that can be answered without evidence
    weight_decay: float = 0.0
    accumulate: int = 1  # batches of one step
    measure_every: int | None = None  # steps; None: an epoch
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        TuningConfig.__post_init__(self)
        if self.shares is not None and len(self.shares) != len(self.datasets):
            raise ValueError("shares must have one number for each of datasets")
        if self.shares is not None and min(self.shares) <= 0:
            raise ValueError("shares must be above 0")
        _positive(self, "accumulate", "checkpoint_every", "measure_every")


@dataclass(frozen=True)
class GRPOConfig(TuningConfig):
    """A step samples `group` answers to each of `prompts` questions, then changes the weights once.
    An adapter as `model` is merged into its base, which is what KL is measured to."""

    epochs: float = 5.0
    adapter: Adapter = field(default_factory=lambda: Adapter(r=16, alpha=32, dropout=0.0))
    learning_rate: float = 1e-5
    schedule: Schedule = "constant"
    batch_tokens: int = 8192
    log_every: int = 1
    patience: int | None = 4
    group: int = 8  # answers to a question (G)
    prompts: int = 8  # questions of a step
    temperature: float = 1.0
    max_new_tokens: int = 256
    rewards: dict[str, float] = field(default_factory=lambda: dict(PRESETS["mission"]))
    kl: float = 0.1  # weight of the divergence from the reference (beta); 0: none is computed
    filter_samples: int = 8
    """Answers sampled to each question before training, to leave out those that all or none of them
    answer (pass@k); 0: take every question."""
    filter_low: float = 0.1
    filter_high: float = 0.9  # between these shares of right answers
    filter_enough: int | None = None  # stop when so many are chosen; None: try all
    timeout_s: float = 1.0  # of one sampled statement; its gold query has five times as long
    save_every: int = 50  # steps between checkpoints, each with a validation
    trl: dict[str, Any] = field(default_factory=dict)  # any of trl's arguments

    def __post_init__(self) -> None:
        TuningConfig.__post_init__(self)
        check_weights(self.rewards)
        if self.group < 2:
            raise ValueError(
                "group must be 2 or more: a reward counts by what it is above the mean"
            )
        _positive(self, "prompts", "max_new_tokens", "save_every", "temperature", "timeout_s")
        if self.kl < 0 or self.filter_samples < 0:
            raise ValueError("kl and filter_samples must be 0 or more")

    @property
    def kind(self) -> str:
        return "grpo-dora" if self.adapter.dora else "grpo"


@dataclass(frozen=True)
class AdaptConfig:
    """What `txt2sql adapt --set` sets; docs/adapt.md says what was measured of the defaults."""

    count: int = 2000  # synthetic pairs to train on, where the database has so much to ask
    held_out: int = 300  # synthetic pairs to validate on, at most a quarter of all
    given_share: float = 0.5  # of the given pairs, the share that trains
    steps: int = 150
    learning_rate: float = 5e-4
    batch_tokens: int = 1536
    """Tokens of a step; of questions and answers alone where the adapter is activated after the schema."""
    adapter: Adapter = field(default_factory=lambda: Adapter(r=16, alpha=32, dropout=0.0))
    strength: float = 0.5  # of the way to the fine-tuned weights (WiSE-FT)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError("strength must be above 0 and at most 1")
        if self.adapter.dora and self.strength != 1:
            raise ValueError("a DoRA adapter is used whole; set strength to 1")
        _positive(self, "count", "held_out", "steps", "learning_rate", "batch_tokens")
        if not 0 <= self.given_share <= 1:
            raise ValueError("given_share must be between 0 and 1")


@dataclass(frozen=True)
class EvolutionSettings:
    """How rounds go. A share `held_out` of the training databases is never learnt from: it measures."""

    num_rounds: int = 5
    cot_examples_per_round: int = 1000  # verified traces to learn from, at most
    questions_per_round: int | None = None  # None: as many as traces
    bootstrap_below: float = 0.2
    """Where fewer of the questions are solved, gold queries cut into clauses fill up the traces."""
    per_question: int = 2  # traces of one question, at most
    harder: float = 2.0  # times the simulations, for each time a question stayed unsolved
    most_simulations: int = 400
    held_out: float = 0.04
    measured: int = 250  # held-out questions that decide whether a round is promoted
    noise: float = 0.25  # part of the root's priors that is random
    together: int = 8  # questions that are searched at a time

    def __post_init__(self) -> None:
        _positive(self, "num_rounds", "cot_examples_per_round", "per_question", "together")
        if not 0 < self.held_out < 1:
            raise ValueError("held_out must lie between 0 and 1: something must measure the rounds")
        if self.harder < 1:
            raise ValueError("harder must be 1 or more")


@dataclass(frozen=True)
class PolicySettings:
    """How the policy is fine-tuned, from the base model in every round; see SFTConfig."""

    epochs: float = 3.0
    learning_rate: float = 2e-5
    method: Literal["auto", "full", "lora"] = "auto"  # auto: full below 1B parameters
    batch_tokens: int = 4096
    accumulate: int = 1
    max_length: int = 2048


@dataclass(frozen=True)
class PPMSettings:
    epochs: int = 20
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    dropout: float = 0.1
    width: int = 256  # of the head's inner layer; 0: one linear layer, as in rStar-Math
    margin: float = 0.5  # the least difference in Q of two steps that are compared
    per_side: int = 2  # better and worse steps at one prefix, each at most
    validation: float = 0.15  # share of the databases, for the scale and the weight in the vote
    shuffled: bool = False  # the control: which of a pair is the better is drawn at random

    def __post_init__(self) -> None:
        _positive(self, "epochs", "per_side")
        if not 0 < self.validation < 1:
            raise ValueError("validation must lie between 0 and 1")


@dataclass(frozen=True)
class RStarConfig(RunConfig):
    """config/rstar_config.yaml: self-evolution. `dataset` is a name, or a folder in Spider's layout."""

    dataset: str = "spider"
    output_dir: str = "results/rstar"
    mcts: Settings = field(default_factory=Settings)
    steps: Decoding = field(default_factory=Decoding)
    value: ValueSettings = field(default_factory=ValueSettings)
    vote: Weights = field(default_factory=Weights)
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)
    policy_training: PolicySettings = field(default_factory=PolicySettings)
    ppm: PPMSettings = field(default_factory=PPMSettings)


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
    generalists: Any = None  # hosted models: cli/hosted.py reads them


def load_sft(
    section: str, file: Path | None = None, models: Path | None = None, overrides: Sequence[str] = ()
) -> SFTConfig:  # fmt: skip
    """The settings of one of METHODS. Without a file they are the defaults. Raises ConfigError."""
    return _load(SFTConfig, section, file, models, [*METHODS[section], *overrides], ())


def load_grpo(
    section: str, file: Path | None = None, models: Path | None = None, overrides: Sequence[str] = ()
) -> GRPOConfig:  # fmt: skip
    """The settings of a section for GRPO, whose learning rate is its own. Raises ConfigError."""
    return _load(GRPOConfig, section, file, models, overrides, ("learning_rate", "accumulate"))


def _load(
    kind: type[T], section: str, file: Path | None, models: Path | None,
    overrides: Sequence[str], but: Sequence[str],
) -> T:  # fmt: skip
    section = section if file else ""
    config = load(kind, file, overrides, section=section)
    own = load(ModelConfig, models).models.get(resolve(config.model).name, ModelSettings())
    suited = []
    for name in (each.name for each in fields(own) if each.name not in but):
        value = getattr(own, name)
        if value is not None and not (name == "targets" and config.adapter is None):
            path = "adapter.targets" if name == "targets" else name
            text = list(value) if isinstance(value, tuple) else str(value).lower()
            suited.append(f"{path}={text}")
    return load(kind, file, [*suited, *overrides], section=section)


def run_folder(config: TuningConfig) -> Path:
    """`output`, or a name under results/ that tells what is trained on what."""
    if config.output:
        return Path(config.output).expanduser()
    parts = [config.kind, Path(config.model).name]
    if config.datasets != ("spider",):
        parts += [Path(name).name for name in config.datasets]
    return Path("results") / "-".join(parts)

"""The settings of self-evolution (rStar-SQL): the whole of config/rstar_config.yaml.

>>> from txt2sql.config import load
>>> load(RStarConfig, overrides=["evolution.num_rounds=2"]).evolution.num_rounds
2
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from txt2sql.models.tree_decoder import Decoding
from txt2sql.search.mcts import Settings
from txt2sql.search.value import Judging
from txt2sql.search.vote import Weights

SPLIT = "train"
"""The only split that self-evolution ever opens; no setting names another."""


@dataclass(frozen=True)
class EvolutionSettings:
    """How rounds go. A share `held_out` of the training databases is never learnt from: it measures."""

    num_rounds: int = 5
    cot_examples_per_round: int = 1000
    """Verified traces that a round learns from, at most."""
    questions_per_round: int | None = None
    """Questions that are searched in a round; None: as many as traces are wanted."""
    screened: int = 0
    """Questions that get one greedy answer before a round; those answered wrongly are searched first."""
    bootstrap_below: float = 0.2
    """Where fewer of the questions are solved, gold queries cut into clauses fill up the traces."""
    per_question: int = 2
    """Traces of one question, at most."""
    harder: float = 2.0
    """How many times as many simulations a question gets for each time it stayed unsolved."""
    most_simulations: int = 400
    held_out: float = 0.04
    measured: int = 250
    """Held-out questions, at most, that decide whether a round is promoted."""
    noise: float = 0.25
    """Part of the root's priors that is random while traces are looked for."""
    together: int = 8
    """Questions that are searched at a time."""

    def __post_init__(self) -> None:
        for name in ("num_rounds", "cot_examples_per_round", "per_question", "together"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        if not 0 < self.held_out < 1:
            raise ValueError("held_out must lie between 0 and 1: something must measure the rounds")
        if self.harder < 1:
            raise ValueError("harder must be 1 or more")


@dataclass(frozen=True)
class PolicySettings:
    """How the policy is fine-tuned, from the base model in every round; see `sft_settings`."""

    epochs: float = 3.0
    learning_rate: float = 2e-5
    method: Literal["auto", "full", "lora"] = "auto"
    """auto: every weight of models that are smaller than 1B parameters."""
    batch_tokens: int = 4096
    accumulate: int = 1
    max_length: int = 2048


@dataclass(frozen=True)
class PPMSettings:
    """How the preference model is trained."""

    epochs: int = 20
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    dropout: float = 0.1
    width: int = 256
    """Of the head's inner layer; 0: one linear layer, as in rStar-Math."""
    margin: float = 0.5
    """The least difference in Q of two steps that are compared."""
    per_side: int = 2
    """Better and worse steps at one prefix, each at most."""
    validation: float = 0.15
    """Share of the databases learnt from that fits the scale and the weight in the vote instead."""
    residual: float = 0.0
    """How much of the policy's own preference a pair starts from: at 1 the head learns only what the
    policy does not know, as the vote multiplies both. 0: plain Bradley-Terry.
    """
    shuffled: bool = False
    """The control: which of a pair is the better is drawn at random."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.per_side < 1:
            raise ValueError("epochs and per_side must be 1 or more")
        if not 0 < self.validation < 1:
            raise ValueError("validation must lie between 0 and 1")


@dataclass(frozen=True)
class RolloutSettings:
    """Who searches: what comes out is the same, and a run may go on with others."""

    processes: int | None = None
    """How many; None: this one, or of a Ray cluster as many as it has GPUs, else CPUs."""
    ray: str | None = None
    """"local" starts a Ray cluster on this machine; "auto" or an address joins one whose machines have
    txt2sql and see the run's folders at the same paths.
    """

    def __post_init__(self) -> None:
        if self.processes is not None and self.processes < 1:
            raise ValueError("processes must be 1 or more, or null")


@dataclass(frozen=True)
class RStarConfig:
    """config/rstar_config.yaml. `dataset` is a name, or a folder in Spider's layout."""

    model: str = "bundled"
    """The base: a short name of the catalogue, a hub id, or a folder."""
    dataset: str = "spider"
    data: str | None = None
    """Root that holds spider/ and wikisql/."""
    output_dir: str = "results/rstar"
    mcts: Settings = field(default_factory=Settings)
    steps: Decoding = field(default_factory=Decoding)
    value: Judging = field(default_factory=Judging)
    vote: Weights = field(default_factory=Weights)
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)
    policy_training: PolicySettings = field(default_factory=PolicySettings)
    ppm: PPMSettings = field(default_factory=PPMSettings)
    rollouts: RolloutSettings = field(default_factory=RolloutSettings)
    threads: int | None = None
    use_wandb: bool = False
    seed: int = 0

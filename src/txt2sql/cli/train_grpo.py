"""`txt2sql train grpo`: reinforcement learning on executed SQL.

$ txt2sql train grpo --model mistral-7b --epochs 5
$ txt2sql train grpo --model results/lora-phi-2/model --preset recommended
"""

from __future__ import annotations

import json
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import DataOption, JsonOption
from txt2sql.cli.train_options import (
    CONFIG,
    MODELS,
    ConfigOption,
    DatasetsOption,
    DryRunOption,
    EpochsOption,
    LearningRateOption,
    LimitOption,
    MaxStepsOption,
    PushOption,
    ResumeOption,
    SetOption,
    WandbOption,
    existing,
    finished,
    overrides,
)


class Preset(str, Enum):
    """Sections of the configuration, by what --preset calls them."""

    MISSION = "mission"
    RECOMMENDED = "recommended"


class Rewards(str, Enum):
    """Keys of training/rewards.py's PRESETS."""

    MISSION = "mission"
    SPARSE = "sparse"
    DENSE = "dense"


def grpo(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Short name, hub id or folder; a fine-tuned adapter is learnt on top of"
            "  [default: bundled]",
        ),
    ] = None,
    preset: Annotated[
        Preset, typer.Option(help="mission: KL 0.1; recommended: as the literature has it.")
    ] = Preset.MISSION,
    rewards: Annotated[
        Rewards | None, typer.Option(help="What answers are worth  [default: the preset's]")
    ] = None,
    dataset: DatasetsOption = None,
    data: DataOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--output_dir",
            metavar="FOLDER",
            help="The run's folder  [default: results/grpo-<model>]",
        ),
    ] = None,
    epochs: EpochsOption = None,
    max_steps: MaxStepsOption = None,
    limit: LimitOption = None,
    group: Annotated[int | None, typer.Option(help="Answers to a question.")] = None,
    prompts: Annotated[int | None, typer.Option(help="Questions of a step.")] = None,
    kl: Annotated[float | None, typer.Option(help="Weight of KL to the reference.")] = None,
    learning_rate: LearningRateOption = None,
    dora: Annotated[bool, typer.Option("--dora", help="A DoRA adapter instead of LoRA.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of the adapter, order and sampling.")] = None,
    use_wandb: WandbOption = False,
    push_to_hub: PushOption = None,
    resume: ResumeOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Train with GRPO: answers are sampled, executed, and the better ones made likelier; type the same
    command again to go on with a run that was stopped.

    The finished adapter lies in OUTPUT/model; `txt2sql ask --model OUTPUT/model` asks it.

    \b
    Examples:
      txt2sql train grpo --model mistral-7b --epochs 5
      txt2sql train grpo --model results/lora-phi-2/model --preset recommended
      txt2sql train grpo --rewards dense --kl 0.001 --dry-run
      txt2sql train grpo --dora --set temperature=0.8 --set trl.loss_type=dapo
    """
    from txt2sql.cli.progress import steps
    from txt2sql.training.grpo import SECTIONS, load_settings, plan, train
    from txt2sql.training.rewards import PRESETS

    given = {
        "model": model, "data": data, "output": output, "epochs": epochs, "max_steps": max_steps,
        "limit": limit, "group": group, "prompts": prompts, "kl": kl, "datasets": dataset,
        "learning_rate": learning_rate, "seed": seed, "push_to_hub": push_to_hub,
        "rewards": dict(PRESETS[rewards.value]) if rewards else None, "adapter.dora": dora,
        "use_wandb": use_wandb,
    }  # fmt: skip

    chosen = load_settings(
        SECTIONS[preset.value],
        config or existing(CONFIG),
        existing(MODELS),
        overrides(given, settings),
    )
    if dry_run:
        facts = plan(chosen)
        lines = "\n".join(
            f"{name.replace('_', ' ') + ':':16} {value}" for name, value in facts.items()
        )
        typer.echo(json.dumps(facts, indent=2) if as_json else lines)
        return
    finished(train(chosen, partial(typer.echo, err=True), steps, resume=resume), as_json=as_json)

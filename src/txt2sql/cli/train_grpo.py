"""`txt2sql train grpo`: reinforcement learning on executed SQL.

$ txt2sql train grpo --model mistral-7b --epochs 5
$ txt2sql train grpo --model results/lora-phi-2/model --preset recommended
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from txt2sql.training.rewards import PRESETS

_CONFIG = Path("config") / "training_config.yaml"
_MODELS = Path("config") / "model_config.yaml"


class Preset(str, Enum):
    """Sections of the configuration, by what --preset calls them."""

    MISSION = "mission"
    RECOMMENDED = "recommended"


Rewards = Enum("Rewards", {name.upper(): name for name in PRESETS}, type=str)  # type: ignore[misc]


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
    dataset: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="spider, wikisql or a folder; repeatable."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Root that holds spider/ and wikisql/.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--output_dir",
            metavar="FOLDER",
            help="The run's folder  [default: results/grpo-<model>]",
        ),
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the questions.")] = None,
    max_steps: Annotated[
        int | None, typer.Option("--max_steps", help="Stop after so many steps.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many questions of each data set.")
    ] = None,
    group: Annotated[int | None, typer.Option(help="Answers to a question.")] = None,
    prompts: Annotated[int | None, typer.Option(help="Questions of a step.")] = None,
    kl: Annotated[float | None, typer.Option(help="Weight of KL to the reference.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning_rate", help="The highest of the schedule.")
    ] = None,
    dora: Annotated[bool, typer.Option("--dora", help="A DoRA adapter instead of LoRA.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of the adapter, order and sampling.")] = None,
    use_wandb: Annotated[
        bool, typer.Option("--use_wandb", help="Log to Weights & Biases, too; offline if need be.")
    ] = False,
    push_to_hub: Annotated[
        str | None,
        typer.Option("--push_to_hub", metavar="OWNER/NAME", help="Upload the finished adapter."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on, and fail where there is no run to.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--dry_run", help="Print what would be done, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="YAML with sections  [default: config/training_config.yaml]"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any field of the section; repeatable."),
    ] = None,
) -> None:
    """Train with GRPO: answers are sampled, executed, and the better ones made likelier; type the same
    command again to go on with a run that was stopped.

    The finished adapter lies in OUTPUT/model; `txt2sql ask --model OUTPUT/model` asks it.

    \b
    Examples:
      txt2sql train grpo --model mistral-7b --epochs 5
      txt2sql train grpo --model results/lora-phi-2/model --preset recommended
      txt2sql train grpo --rewards dense --kl 0.001 --dry-run
      txt2sql train grpo --dora --set temperature=0.8 --set prompts=16
    """
    given: dict[str, Any] = {
        "model": model, "data": data, "output": output, "epochs": epochs, "max_steps": max_steps,
        "limit": limit, "group": group, "prompts": prompts, "kl": kl,
        "learning_rate": learning_rate, "seed": seed, "push_to_hub": push_to_hub,
        "datasets": json.dumps(dataset) if dataset else None,
        "rewards": json.dumps(dict(PRESETS[rewards.value])) if rewards else None,
        "adapter.dora": "true" if dora else None,
        "use_wandb": "true" if use_wandb else None,
    }  # fmt: skip
    overrides = [f"{name}={value}" for name, value in given.items() if value is not None]

    from txt2sql.cli.progress import steps
    from txt2sql.training.grpo_settings import SECTIONS, load_settings

    chosen = load_settings(
        SECTIONS[preset.value],
        config or (_CONFIG if _CONFIG.is_file() else None),
        _MODELS if _MODELS.is_file() else None,
        [*overrides, *(settings or [])],
    )
    if dry_run:
        from txt2sql.training.grpo_plan import plan

        made = plan(chosen)
        typer.echo(json.dumps(made.as_mapping(), indent=2) if as_json else str(made))
        return

    from txt2sql.training.grpo import train

    folder = train(chosen, lambda line: typer.echo(line, err=True), steps, resume=resume)
    if folder is None:  # it said so; what is not done does not exit with 0
        raise typer.Exit(1)
    typer.echo(json.dumps({"model": str(folder)}) if as_json else folder)

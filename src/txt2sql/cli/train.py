"""`txt2sql train lora|dora|qlora|rslora|full|grpo|rstar`: fine-tune a model on questions with SQL.

$ txt2sql train lora --model phi-2 --epochs 3
$ txt2sql train dora --model llama-7b --dry-run
$ txt2sql train grpo --model results/lora-phi-2/model
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import DataOption, JsonOption
from txt2sql.cli.train_grpo import grpo
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
from txt2sql.cli.train_rstar import rstar

app = typer.Typer(
    help="Fine-tune a model: LoRA, DoRA, QLoRA, rsLoRA, every weight; GRPO on executed SQL; or rounds of search.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_WHAT = {
    "lora": "Fine-tune with LoRA: small matrices beside frozen weights",
    "dora": "Fine-tune with DoRA: LoRA that also learns the length of each weight vector",
    "qlora": "Fine-tune with QLoRA: LoRA beside weights in 4 bits",
    "rslora": "Fine-tune with rsLoRA: LoRA scaled for high ranks",
    "full": "Fine-tune every weight",
}
_REST = """; type the same command again to go on with a run that was stopped.

    The finished model lies in OUTPUT/model; `txt2sql ask --model OUTPUT/model` asks it.

    \b
    Examples:
      txt2sql train {0} --model phi-2 --epochs 3
      txt2sql train {0} --model phi-2 --dry-run
      txt2sql train {0} --dataset my_data --measure_split dev --output results/mine
      txt2sql train {0} --set learning_rate=1e-4 --set batch_tokens=2048
    """


def _run(
    section: str,
    changes: list[str],
    config: Path | None,
    *,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from txt2sql.cli.progress import steps
    from txt2sql.training.sft_settings import load_settings

    settings = load_settings(section, config or existing(CONFIG), existing(MODELS), changes)
    if dry_run:
        from txt2sql.training.sft_plan import plan

        made = plan(settings, steps)
        typer.echo(json.dumps(made.as_mapping(), indent=2) if as_json else str(made))
        return

    from txt2sql.training.sft import train

    report = partial(typer.echo, err=True)
    finished(train(settings, report, steps, resume=resume), as_json=as_json)


def _command(section: str) -> Callable[..., None]:
    """The subcommand of one method; all take the same options."""

    def train(
        model: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="Short name, hub id or folder  [default: bundled]"),
        ] = None,
        dataset: DatasetsOption = None,
        data: DataOption = None,
        output: Annotated[
            Path | None,
            typer.Option(
                "--output",
                "--output_dir",
                metavar="FOLDER",
                help="The run's folder  [default: results/<method>-<model>]",
            ),
        ] = None,
        epochs: EpochsOption = None,
        max_steps: MaxStepsOption = None,
        limit: LimitOption = None,
        learning_rate: LearningRateOption = None,
        batch_tokens: Annotated[
            int | None, typer.Option("--batch_tokens", help="Tokens a device reads at once.")
        ] = None,
        accumulate: Annotated[int | None, typer.Option(help="Batches of one step.")] = None,
        measure_split: Annotated[
            str | None,
            typer.Option(
                "--measure_split",
                metavar="SPLIT",
                help="Measure on a split instead of held-out training databases.",
            ),
        ] = None,
        seed: Annotated[int | None, typer.Option(help="Of adapters, order and dropout.")] = None,
        use_wandb: WandbOption = False,
        push_to_hub: PushOption = None,
        resume: ResumeOption = False,
        dry_run: DryRunOption = False,
        as_json: JsonOption = False,
        config: ConfigOption = None,
        settings: SetOption = None,
    ) -> None:
        given = {
            "model": model, "data": data, "output": output, "epochs": epochs,
            "max_steps": max_steps, "limit": limit, "learning_rate": learning_rate,
            "batch_tokens": batch_tokens, "accumulate": accumulate, "datasets": dataset,
            "measure_split": measure_split, "seed": seed, "push_to_hub": push_to_hub,
            "use_wandb": use_wandb,
        }  # fmt: skip
        _run(
            section, overrides(given, settings), config,
            resume=resume, dry_run=dry_run, as_json=as_json,
        )  # fmt: skip

    train.__doc__ = f"{_WHAT[section]}{_REST.format(section)}"
    return train


for _section in _WHAT:
    app.command(_section)(_command(_section))
app.command("grpo")(grpo)
app.command("rstar")(rstar)

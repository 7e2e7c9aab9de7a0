"""`txt2sql train lora|dora|qlora|rslora|full|grpo|rstar`: fine-tune a model on questions with SQL.

$ txt2sql train lora --model phi-2 --epochs 3
$ txt2sql train dora --model llama-7b --dry-run
$ txt2sql train grpo --model results/lora-phi-2/model
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from txt2sql.cli.train_grpo import grpo
from txt2sql.cli.train_rstar import rstar

CONFIG = Path("config") / "training_config.yaml"
MODELS = Path("config") / "model_config.yaml"

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
    overrides: list[str],
    config: Path | None,
    *,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from txt2sql.cli.progress import steps
    from txt2sql.training.sft_settings import load_settings

    file = config or (CONFIG if CONFIG.is_file() else None)
    models = MODELS if MODELS.is_file() else None
    settings = load_settings(section, file, models, overrides)
    if dry_run:
        from txt2sql.training.sft_plan import plan

        made = plan(settings, steps)
        typer.echo(json.dumps(made.as_mapping(), indent=2) if as_json else str(made))
        return

    from txt2sql.training.sft import train

    folder = train(settings, lambda line: typer.echo(line, err=True), steps, resume=resume)
    if folder is None:  # it said so; what is not done does not exit with 0
        raise typer.Exit(1)
    typer.echo(json.dumps({"model": str(folder)}) if as_json else folder)


def _command(section: str) -> Callable[..., None]:
    """The subcommand of one method; all take the same options."""

    def train(
        model: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="Short name, hub id or folder  [default: bundled]"),
        ] = None,
        dataset: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME", help="spider, wikisql or a folder; repeatable."),
        ] = None,
        data: Annotated[
            Path | None,
            typer.Option(metavar="DIR", help="Root that holds spider/ and wikisql/."),
        ] = None,
        output: Annotated[
            Path | None,
            typer.Option(
                "--output",
                "--output_dir",
                metavar="FOLDER",
                help="The run's folder  [default: results/<method>-<model>]",
            ),
        ] = None,
        epochs: Annotated[float | None, typer.Option(help="Passes over the data.")] = None,
        max_steps: Annotated[
            int | None, typer.Option("--max_steps", help="Stop after so many steps.")
        ] = None,
        limit: Annotated[
            int | None, typer.Option(help="At most so many examples of each data set.")
        ] = None,
        learning_rate: Annotated[
            float | None, typer.Option("--learning_rate", help="The highest of the schedule.")
        ] = None,
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
        use_wandb: Annotated[
            bool,
            typer.Option("--use_wandb", help="Log to Weights & Biases, too; offline if need be."),
        ] = False,
        push_to_hub: Annotated[
            str | None,
            typer.Option("--push_to_hub", metavar="OWNER/NAME", help="Upload the finished model."),
        ] = None,
        resume: Annotated[
            bool, typer.Option("--resume", help="Go on, and fail where there is no run to.")
        ] = False,
        dry_run: Annotated[
            bool,
            typer.Option("--dry-run", "--dry_run", help="Print what would be done, and stop."),
        ] = False,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print JSON on standard output.")
        ] = False,
        config: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE", help="YAML with sections  [default: config/training_config.yaml]"
            ),
        ] = None,
        settings: Annotated[
            list[str] | None,
            typer.Option(
                "--set", metavar="KEY=VALUE", help="Any field of the section; repeatable."
            ),
        ] = None,
    ) -> None:
        given: dict[str, Any] = {
            "model": model, "data": data, "output": output, "epochs": epochs,
            "max_steps": max_steps, "limit": limit, "learning_rate": learning_rate,
            "batch_tokens": batch_tokens, "accumulate": accumulate,
            "measure_split": measure_split, "seed": seed, "push_to_hub": push_to_hub,
            "datasets": json.dumps(dataset) if dataset else None,
            "use_wandb": "true" if use_wandb else None,
        }  # fmt: skip
        overrides = [f"{name}={value}" for name, value in given.items() if value is not None]
        _run(
            section, [*overrides, *(settings or [])], config,
            resume=resume, dry_run=dry_run, as_json=as_json,
        )  # fmt: skip

    train.__doc__ = f"{_WHAT[section]}{_REST.format(section)}"
    return train


for _section in _WHAT:
    app.command(_section)(_command(_section))
app.command("grpo")(grpo)
app.command("rstar")(rstar)

"""`txt2sql pretrain`: train a small model from question-SQL pairs, or go on with a run.

$ txt2sql pretrain --config config/training_config.yaml --set output=results/pretrain
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.train_options import (
    CONFIG,
    ConfigOption,
    SetOption,
    WandbOption,
    existing,
    overrides,
)


def pretrain(
    config: ConfigOption = None,
    preset: Annotated[
        str, typer.Option(metavar="SECTION", help="The section to use, such as pretrain_gpu.")
    ] = "pretrain",
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The run's folder; an old run goes on.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Root that holds spider/ and wikisql/, or a packed one."),
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The BERT-like encoder to start from (MiniLM)."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The model to start from instead.")
    ] = None,
    use_wandb: WandbOption = False,
    pack: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Train nothing; write the data for another machine."),
    ] = None,
    settings: SetOption = None,
) -> None:
    """Train a small model, or go on with a run that was stopped.

    The finished model lies in OUTPUT/model; `txt2sql ask --model OUTPUT/model` asks it.

    \b
    Examples:
      txt2sql pretrain --encoder all-MiniLM-L6-v2 --output results/pretrain
      txt2sql pretrain --output results/pretrain
      txt2sql pretrain --output results/tiny --encoder DIR --set limit=200 --set max_steps=50
      txt2sql pretrain --pack packed
    """
    from txt2sql.cli.progress import steps
    from txt2sql.config import load
    from txt2sql.training.settings import PretrainConfig

    given = {
        "output": output, "data": data, "encoder": encoder, "start": start, "use_wandb": use_wandb,
    }  # fmt: skip
    changes = overrides(given, settings)
    loaded = load(PretrainConfig, config or existing(CONFIG), changes, section=preset)

    from txt2sql.training.pretrain import pack_data, pretrain

    if pack is not None:
        typer.echo(pack_data(loaded, pack, steps))
    elif (folder := pretrain(loaded, lambda line: typer.echo(line, err=True), steps)) is not None:
        typer.echo(folder)

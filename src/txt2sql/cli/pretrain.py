"""`txt2sql pretrain`: train a small model from question-SQL pairs, or go on with a run.

$ txt2sql pretrain --config config/training_config.yaml --set output=results/pretrain
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CONFIG = Path("config") / "training_config.yaml"


def pretrain(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with a `pretrain` section  [default: config/training_config.yaml]",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The run's folder; an old run goes on.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Root that holds spider/ and wikisql/.")
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The BERT-like encoder to start from (MiniLM)."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any field of the section; repeatable."),
    ] = None,
) -> None:
    """Train a small model, or go on with a run that was stopped.

    The finished model lies in OUTPUT/model; `txt2sql ask --model OUTPUT/model` asks it.

    \b
    Examples:
      txt2sql pretrain --encoder all-MiniLM-L6-v2 --output results/pretrain
      txt2sql pretrain --output results/pretrain
      txt2sql pretrain --output results/tiny --encoder DIR --set limit=200 --set max_steps=50
    """
    from txt2sql.cli.progress import steps
    from txt2sql.config import load
    from txt2sql.training.pretrain import PretrainConfig, pretrain

    given = {"output": output, "data": data, "encoder": encoder}
    overrides = [f"{name}={value}" for name, value in given.items() if value is not None]
    file = config or (CONFIG if CONFIG.is_file() else None)
    wanted = [*overrides, *(settings or [])]
    loaded = load(PretrainConfig, file, wanted, section="pretrain")
    typer.echo(pretrain(loaded, lambda line: typer.echo(line, err=True), steps))

"""`txt2sql train channel`: a model that reads answers back, for the vote of a search.

$ txt2sql train channel --trees results/rstar
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import DataOption, JsonOption
from txt2sql.cli.train_options import RSTAR, SetOption, existing, finished, overrides


def channel(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The policy: bundled, or a folder.")
    ] = "bundled",
    trees: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="A run of train rstar, whose searched trees teach, too."
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="spider or a folder  [default: spider]")
    ] = None,
    data: DataOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--output_dir",
            metavar="FOLDER",
            help="The run's folder  [default: results/channel-<model>]",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the questions.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the adapter and of the order.")] = None,
    as_json: JsonOption = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML  [default: config/rstar_config.yaml]"),
    ] = None,
    settings: SetOption = None,
) -> None:
    """Train a model that reads answers back: how likely the question is, given the answer. A search with
    it chooses far better; type the same command again to go on with a run that was stopped.

    The policy with its channel model lies in OUTPUT/model; the bundled model has one already.

    \b
    Examples:
      txt2sql train channel --model results/pretrain/model
      txt2sql train channel --trees results/rstar --set channel.more=[wikisql]
      txt2sql ask --search 100 --model results/channel-bundled/model "How many shops are there?"
    """
    given = {
        "model": model, "dataset": dataset, "data": data, "seed": seed, "channel.epochs": epochs,
        "output_dir": output or Path("results") / f"channel-{Path(model).name}",
    }  # fmt: skip

    from txt2sql.cli.progress import steps
    from txt2sql.config import load
    from txt2sql.training.rstar_settings import RStarConfig

    chosen = load(RStarConfig, config or existing(RSTAR), overrides(given, settings))

    from txt2sql.training.channel_run import run

    finished(run(chosen, trees, partial(typer.echo, err=True), steps), as_json=as_json)

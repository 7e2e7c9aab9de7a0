"""What the training commands share: their options, and how what is typed becomes settings.

>>> overrides({"seed": 3, "data": None, "use_wandb": True}, ["epochs=2"])
['seed=3', 'use_wandb=true', 'epochs=2']
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

CONFIG = Path("config") / "training_config.yaml"
MODELS = Path("config") / "model_config.yaml"
RSTAR = Path("config") / "rstar_config.yaml"

DatasetsOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="spider, wikisql or a folder; repeatable."),
]
EpochsOption = Annotated[float | None, typer.Option(help="Passes over the data.")]
MaxStepsOption = Annotated[
    int | None, typer.Option("--max_steps", help="Stop after so many steps.")
]
LimitOption = Annotated[int | None, typer.Option(help="At most so many examples of each data set.")]
LearningRateOption = Annotated[
    float | None, typer.Option("--learning_rate", help="The highest of the schedule.")
]
WandbOption = Annotated[
    bool, typer.Option("--use_wandb", help="Log to Weights & Biases, too; offline if need be.")
]
PushOption = Annotated[
    str | None,
    typer.Option("--push_to_hub", metavar="OWNER/NAME", help="Upload what is trained."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on, and fail where there is no run to.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", "--dry_run", help="Print what would be done, and stop.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="YAML with sections  [default: config/training_config.yaml]"),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any of the settings; repeatable."),
]


def overrides(given: Mapping[str, Any], settings: Sequence[str] | None) -> list[str]:
    """KEY=VALUE of what was typed as options, then of --set. A flag that is off says nothing."""
    said = {
        name: value for name, value in given.items() if value is not None and value is not False
    }
    plain = (str, int, float, Path)
    texts = {
        name: str(value) if isinstance(value, plain) and value is not True else json.dumps(value)
        for name, value in said.items()
    }
    return [*(f"{name}={text}" for name, text in texts.items()), *(settings or [])]


def existing(file: Path) -> Path | None:
    """A file of the checkout where it is there: an installed txt2sql has its own defaults."""
    return file if file.is_file() else None


def finished(folder: Path | None, *, as_json: bool) -> None:
    """Print where the model lies; None: the run was stopped and has said so, which is no success."""
    if folder is None:
        raise typer.Exit(1)
    typer.echo(json.dumps({"model": str(folder)}) if as_json else folder)

"""`txt2sql merge`: an adapter and its base model become one model.

$ txt2sql merge results/dora-phi-2/model --output merged
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="Folder of a PEFT adapter.")],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model goes.")],
    dtype: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="float32, float16 or bfloat16  [default: the base's]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False,
) -> None:
    """Merge an adapter into its base model: one folder that needs no peft.

    The weights are never merged into 4-bit ones: an adapter trained over those is merged into the
    16-bit model that they were made from.

    \b
    Examples:
      txt2sql merge results/lora-phi-2/model --output merged
      txt2sql ask --model merged "How many shops are there?"
    """
    from txt2sql.cli.display import working
    from txt2sql.models.export import merge

    with working("merging"):
        folder = merge(
            adapter,
            output,
            dtype=dtype,
            force=force,
            report=lambda line: typer.echo(line, err=True),
        )
    typer.echo(folder)

"""`txt2sql figures`: accuracy of runs by hardness, against latency and against cost, as pictures.

$ txt2sql figures results/small results/large --output figures
"""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import JsonOption


def figures(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of evaluated runs.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures go.")] = Path(
        "figures"
    ),
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="The metric to show.")
    ] = "execution_accuracy",
    json: JsonOption = False,
) -> None:
    """Draw accuracy by hardness, against latency and against cost, as PNG and SVG.

    Each picture is drawn for the runs that have its numbers. Needs the extra `figures`.

    \b
    Examples:
      txt2sql figures results/small
      txt2sql figures results/small results/large --output figures --metric exact_match
    """
    from txt2sql.evaluation.figures import draw, read_measured, with_unique_names

    measured = with_unique_names([read_measured(run, metric) for run in runs], runs)
    written, left_out = draw(measured, output, metric)
    if json:
        print(jsonlib.dumps({"written": [str(path) for path in written], "left_out": left_out}))
        return
    for path in written:
        print(path)
    for reason in left_out:
        print(f"left out: {reason}", file=sys.stderr)

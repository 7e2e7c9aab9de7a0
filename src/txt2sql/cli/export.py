"""`txt2sql export`: a model for other programs, or for the hub."""

from __future__ import annotations

from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import flag, grouped, option


class Format(str, Enum):
    HF = "hf"
    ONNX = "onnx"


_report = partial(typer.echo, err=True)


@grouped
def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Folder of an adapter or a model, or a name.")
    ],
    output: Path = option("The folder to write.", default=..., metavar="FOLDER"),
    format: Format = option(
        "hf: what transformers loads; onnx: what answers without torch.", default=Format.HF
    ),
    dtype: str | None = option(
        "hf: float32, float16 or bfloat16  [default: the model's]", metavar="TYPE"
    ),
    bits: int = option("onnx: 4, 8 or 32.", default=4, metavar="BITS"),
    force: bool = flag("Replace what is there.", "--force"),
    push_to_hub: str = option("Upload it, too.", "--push_to_hub", default="", metavar="OWNER/NAME"),
    public: bool = flag("Make a new repository on the hub a public one.", "--public"),
) -> None:
    """Write a model as one folder with a model card; an adapter is merged into its base first.

    The weights are never merged into 4-bit ones: an adapter trained over those is merged into the
    16-bit model that they were made from.

    \b
    Examples:
      txt2sql export results/lora-phi-2/model --output phi-2-sql --push_to_hub me/phi-2-sql
      txt2sql export results/lora-qwen/model --format onnx --bits 4 --output qwen-sql
    """
    from txt2sql.cli.display import working
    from txt2sql.errors import ConfigError
    from txt2sql.models.card import push
    from txt2sql.models.export import export_hf, export_onnx

    if dtype and format is not Format.HF:
        raise ConfigError("--dtype is for --format hf; see --bits for ONNX")
    with working("exporting"):
        if format is Format.HF:
            export_hf(model, output, dtype=dtype, force=force, report=_report)
        else:
            export_onnx(model, output, bits=bits, force=force, report=_report)
    if push_to_hub:
        with working("uploading"):
            _report(push(output, push_to_hub, private=not public))
    typer.echo(output)

"""`txt2sql export` and `txt2sql merge`: a model for other programs, or for the hub.

$ txt2sql merge results/dora-phi-2/model --output merged
$ txt2sql export results/dora-phi-2/model --format gguf --output dora-phi-2.gguf
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import grouped, option

ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


class Format(str, Enum):
    """What `--format` takes."""

    HF = "hf"
    ONNX = "onnx"
    GGUF = "gguf"


def _report(line: str) -> None:
    typer.echo(line, err=True)


@dataclass(frozen=True)
class ExportOptions:
    """In which form a model is written."""

    output: Path = option("The folder (hf) or file (gguf) to write.", default=..., metavar="PATH")
    format: Format = option(
        "hf: what transformers loads; onnx: what answers without torch; gguf: what llama.cpp loads.",
        default=Format.HF,
    )
    dtype: str | None = option(
        "hf: float32, float16 or bfloat16  [default: the model's]", metavar="TYPE"
    )
    outtype: str = option("gguf: auto, f32, f16, bf16 or q8_0.", default="auto", metavar="TYPE")
    converter: Path | None = option(
        "gguf: llama.cpp's folder or its convert_hf_to_gguf.py  [default: $LLAMA_CPP]",
        metavar="PATH",
    )
    bits: int = option("onnx: 4, 8 or 32.", default=4, metavar="BITS")
    force: ForceOption = False
    push_to_hub: str = option("Upload it, too.", "--push_to_hub", default="", metavar="OWNER/NAME")
    public: bool = option(
        "Make a new repository on the hub a public one.", "--public", default=False
    )


@grouped
def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Folder of an adapter or a model, or a name.")
    ],
    options: ExportOptions,
) -> None:
    """Write a model as one folder with a model card, or as one GGUF file; adapters are merged first.

    \b
    Examples:
      txt2sql export results/lora-phi-2/model --output phi-2-sql
      txt2sql export results/lora-phi-2/model --output phi-2-sql --push_to_hub me/phi-2-sql
      txt2sql export results/lora-qwen/model --format onnx --bits 4 --output qwen-sql
      txt2sql export phi-2-sql --format gguf --outtype q8_0 --output phi-2-sql.gguf
    """
    from txt2sql.cli.display import working
    from txt2sql.errors import ConfigError
    from txt2sql.models.card import push
    from txt2sql.models.export import export_gguf, export_hf, export_onnx

    output, force = options.output, options.force
    if options.dtype and options.format is not Format.HF:
        raise ConfigError("--dtype is for --format hf; see --outtype for GGUF and --bits for ONNX")
    with working("exporting"):
        if options.format is Format.HF:
            written = export_hf(model, output, dtype=options.dtype, force=force, report=_report)
        elif options.format is Format.ONNX:
            written = export_onnx(model, output, bits=options.bits, force=force, report=_report)
        else:
            written = export_gguf(
                model,
                output,
                outtype=options.outtype,
                converter=options.converter,
                force=force,
                report=_report,
            )
    if options.push_to_hub:
        with working("uploading"):
            _report(push(written, options.push_to_hub, private=not options.public))
    typer.echo(written)


def merge(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="Folder of a PEFT adapter.")],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model goes.")],
    dtype: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="float32, float16 or bfloat16  [default: the base's]"),
    ] = None,
    force: ForceOption = False,
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
        folder = merge(adapter, output, dtype=dtype, force=force, report=_report)
    typer.echo(folder)

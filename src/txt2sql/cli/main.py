"""The `txt2sql` command: its subcommands, and how errors reach a person.

Importing this module is cheap on purpose (no torch, no transformers, no sqlglot, no rich), so that
help and mistakes in options answer at once.

    $ txt2sql ask "How many shops are there?"
    $ TXT2SQL_DEBUG=1 txt2sql ask "..."      # the traceback of an unexpected error
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from txt2sql import __version__
from txt2sql.cli import data, train
from txt2sql.cli.adapt import adapt
from txt2sql.cli.ask import ask
from txt2sql.cli.compare import compare
from txt2sql.cli.doctor import doctor
from txt2sql.cli.evaluate import evaluate
from txt2sql.cli.evaluate_all import evaluate_all
from txt2sql.cli.export import export
from txt2sql.cli.figures import figures
from txt2sql.cli.mcp import mcp
from txt2sql.cli.merge import merge
from txt2sql.cli.pretrain import pretrain
from txt2sql.cli.runs import runs
from txt2sql.cli.search import search
from txt2sql.cli.serve import serve
from txt2sql.cli.synth import synth
from txt2sql.errors import Text2SQLError

app = typer.Typer(
    name="txt2sql",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"txt2sql {__version__}")
        raise typer.Exit


@app.callback()
def txt2sql(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Ask a database questions in plain language, with small language models on your own machine.

    \b
    Examples:
      txt2sql ask "How many shops are there?"
      txt2sql ask --db shop.sqlite
      txt2sql evaluate --dataset spider --data data/raw/spider
    """


app.command()(ask)
app.command()(serve)
app.command()(mcp)
app.command()(doctor)
app.command()(evaluate)
app.command()(evaluate_all)
app.command()(search)
app.command()(compare)
app.command()(figures)
app.command()(runs)
app.command()(pretrain)
app.command()(synth)
app.command()(adapt)
app.command()(merge)
app.command()(export)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 an error a person can mend, 2 wrong usage, 130 Ctrl-C."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="txt2sql")
    except Text2SQLError as error:
        _fail(f"{error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("TXT2SQL_DEBUG"):
            raise
        kind = type(error).__name__
        _fail(f"unexpected {kind}: {error} (set TXT2SQL_DEBUG=1 to see the traceback)")


def _fail(sentence: str) -> None:
    print(f"txt2sql: {' '.join(sentence.split())}", file=sys.stderr)
    sys.exit(1)

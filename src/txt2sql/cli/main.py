"""The `txt2sql` command: its subcommands, and how errors reach a person.

Only the command that is typed is loaded (no torch, no transformers, no sqlglot, no rich for the others),
so that help and mistakes in options answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated

import typer

from txt2sql import __version__
from txt2sql.errors import Text2SQLError

COMMANDS = {
    "ask": "ask:ask",
    "serve": "serve:serve",
    "mcp": "serve:mcp",
    "doctor": "doctor:doctor",
    "evaluate": "evaluate:evaluate",
    "evaluate-all": "evaluate_all:evaluate_all",
    "search": "ask:search",
    "compare": "runs:compare",
    "runs": "runs:runs",
    "synth": "data:synth",
    "adapt": "adapt:adapt",
    "export": "export:export",
    "data": "data:app",
    "train": "train:app",
}
"""Name -> module of this package and what is in it: a function, or a Typer with commands of its own."""

_EXTRAS = {  # and the packages that they install
    "train": "accelerate datasets huggingface_hub jinja2 onnx peft tensorboard torch transformers trl",
    "serve": "fastapi prometheus_client pyarrow pydantic starlette uvicorn",
    "mcp,serve": "mcp",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"txt2sql {__version__}")
        raise typer.Exit


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


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    app = typer.Typer(
        name="txt2sql",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(txt2sql)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(f"txt2sql.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 an error a person can mend, 2 wrong usage, 130 Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        names = words[:1] if words and words[0] in COMMANDS else COMMANDS
        application(names)(args=words, prog_name="txt2sql")
    except Text2SQLError as error:
        _fail(f"{error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # a full disk, a file where a folder is needed, no permission
        if os.environ.get("TXT2SQL_DEBUG"):
            raise
        place = f"cannot use '{error.filename}': " if error.filename else ""
        _fail(f"{place}{error.strerror or error}; choose another place, or make room for it")
    except Exception as error:
        package = (getattr(error, "name", None) or "").partition(".")[0]
        extra = next((name for name, of in _EXTRAS.items() if package in of.split()), None)
        if isinstance(error, ModuleNotFoundError) and extra:
            _fail(f"this needs {package}; pip install 'txt2sql[{extra}]'")
        if os.environ.get("TXT2SQL_DEBUG"):
            raise
        name = type(error).__name__
        _fail(f"unexpected {name}: {error} (set TXT2SQL_DEBUG=1 to see the traceback)")


def _fail(sentence: str) -> None:
    print(f"txt2sql: {' '.join(sentence.split())}", file=sys.stderr)
    sys.exit(1)

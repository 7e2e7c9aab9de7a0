"""Options that several commands have, each written once; groups of them as dataclasses.

A command takes a group as one parameter, and `grouped` makes one option of each of its fields:

>>> @dataclass(frozen=True)
... class Place:
...     data: DataOption = None
>>> @grouped
... def show(place: Place, json: JsonOption = False) -> None: ...
>>> list(inspect.signature(show).parameters)
['data', 'json']
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|URL",
        help="SQLite or DuckDB file, or postgresql://, mysql://, mariadb://, duckdb://  "
        "[default: the sample]",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH",
        help="Catalogue name, hub id or folder  [default: the one adapted to this database, "
        "else bundled]",
    ),
]
DescribeOption = Annotated[
    Path | None,
    typer.Option(
        "--describe",
        metavar="FILE",
        help="What tables and columns mean: YAML, or BIRD's CSV files  "
        "[default: <database>.describe.yaml beside a SQLite file]",
    ),
]
TimeoutOption = Annotated[
    float, typer.Option(metavar="S", min=0.01, help="Seconds a query may run.")
]
DatasetOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|FOLDER",
        help="spider, wikisql, spider_syn, cosql, bird_train, wtq, or a folder in the layout of "
        "Spider, BIRD or WikiSQL.",
    ),
]
DataOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Root that holds spider/ and wikisql/.")
]
LimitOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Only N examples of each split, drawn with --seed."),
]
SeedOption = Annotated[int, typer.Option(metavar="S", help="The seed of the draw.")]
ModeOption = Annotated[
    str, typer.Option(metavar="NAME", help="strict, or official: as the benchmark's script.")
]
NoConstrainedOption = Annotated[
    bool, typer.Option("--no-constrained", help="Let the model write more than valid SQL.")
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(metavar="DOLLARS", min=0.0, help="Hosted models, all together: never spend more."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@dataclass(frozen=True)
class Asked:
    """Which database is asked, and which model answers."""

    db: DatabaseOption = None
    model: ModelOption = None
    timeout: TimeoutOption = 5.0
    describe: DescribeOption = None


@dataclass(frozen=True)
class Listening:
    """Who may reach a server; its port is each command's own."""

    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TXT2SQL_TOKEN",
            help="Access token that everybody has to give; the variable keeps it out of process lists.",
        ),
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines in without a token.")
    ] = False
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further host name it is reached by; may be repeated."),
    ] = None
    search: Annotated[
        int, typer.Option(metavar="N", min=0, help="Most simulations of a search; 0 offers none.")
    ] = 100


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of the dataclasses among its parameters."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if not (isinstance(hint, type) and is_dataclass(hint)):
            parameters.append(parameter.replace(annotation=hint))
            continue
        groups[name] = hint
        annotations = get_type_hints(hint, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=annotations[field.name],
            )
            for field in fields(hint)
        ]

    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    arguments = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__name__, run.__doc__, run.__module__ = (
        command.__name__,
        command.__doc__,
        command.__module__,
    )
    run.__annotations__ = {p.name: p.annotation for p in arguments} | {"return": None}
    run.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    return run

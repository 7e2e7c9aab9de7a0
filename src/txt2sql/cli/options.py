"""Options that several commands share, each written once, and groups of options as dataclasses, which
`grouped` makes into one option for each of their fields.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer


def option(help: str, *names: str, default: Any = None, setting: str = "", **details: Any) -> Any:
    """A field of a group, or a parameter of a `grouped` command: an option with its help. `default`
    is ... for an option that must be given. `setting` is the key that a configuration has for it,
    see `overrides`, and names the option where `names` do not; else that is the field's name.
    Details are typer's (metavar, min, ...)."""
    if setting and not names:
        names = (f"--{setting.rpartition('.')[2]}",)
    metadata = {"option": typer.Option(*names, help=help, **details), "setting": setting}
    return field(default=MISSING if default is ... else default, metadata=metadata)


def flag(help: str, name: str, setting: str = "") -> Any:
    """An option without a value, off unless it is given."""
    return option(help, name, default=False, setting=setting)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of the dataclasses among its parameters."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []

    def add(name: str, annotation: Any, default: Any) -> None:
        if isinstance(default, Field):
            if "option" in default.metadata:
                annotation = Annotated[annotation, default.metadata["option"]]
            default = default.default
        default = inspect.Parameter.empty if default is MISSING else default
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))

    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if isinstance(hint, type) and is_dataclass(hint):
            groups[name] = hint
            annotations = get_type_hints(hint, include_extras=True)
            for each in fields(hint):
                add(each.name, annotations[each.name], each)
        else:
            add(name, hint, parameter.default)

    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        command(**values)

    run.__name__, run.__module__ = command.__name__, command.__module__
    run.__doc__ = command.__doc__
    run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def overrides(*groups: Any, assignments: Sequence[str] | None = None) -> list[str]:
    """KEY=VALUE of the options that were given, by their `setting`, then the assignments of --set.

    >>> @dataclass(frozen=True)
    ... class Run:
    ...     rounds: int | None = option("Rounds.", setting="evolution.num_rounds")
    >>> overrides(Run(rounds=3), assignments=["seed=1"])
    ['evolution.num_rounds=3', 'seed=1']
    """
    texts = []
    for group in groups:
        for each in fields(group):
            value, key = getattr(group, each.name), each.metadata.get("setting")
            if key and value is not None and value is not False:
                is_plain = isinstance(value, (str, int, float, Path)) and value is not True
                texts.append(f"{key}={value if is_plain else json.dumps(value)}")
    return [*texts, *(assignments or [])]


_PLACE = "SQLite or DuckDB file, or postgresql://, mysql://, mariadb://, duckdb://{}  [default: the sample]"
_LAYOUTS = "spider, wikisql, spider_syn, cosql, bird_train, wtq, or a folder like Spider's, BIRD's or WikiSQL's."
_MEANINGS = "What tables and columns mean: YAML, or BIRD's CSV  [default: DATABASE.describe.yaml]"
_ADAPTED = (
    "Catalogue name, hub id or folder  [default: the one adapted to this database, else bundled]"
)
DatabaseOption = Annotated[str | None, typer.Option(metavar="PATH|URL", help=_PLACE.format(""))]
DatabasesOption = Annotated[
    list[str] | None,
    typer.Option("--db", metavar="PATH|URL", help=_PLACE.format("; may be repeated")),
]
ModelOption = Annotated[str | None, typer.Option(metavar="NAME|PATH", help=_ADAPTED)]
DescribeOption = Annotated[Path | None, typer.Option("--describe", metavar="FILE", help=_MEANINGS)]
DatasetOption = Annotated[str, typer.Option(metavar="NAME|FOLDER", help=_LAYOUTS)]
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
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any of the settings; repeatable."),
]


@dataclass(frozen=True)
class Target:
    """Which model answers, and what it is told of the database."""

    model: ModelOption = None
    timeout: float = option("Seconds a query may run.", default=5.0, metavar="S", min=0.01)
    describe: DescribeOption = None


@dataclass(frozen=True)
class Listening:
    host: str = option("Address to listen on.", default="127.0.0.1")
    token: str | None = option(
        "Access token that everybody has to give; the variable keeps it out of process lists.",
        envvar="TXT2SQL_TOKEN",
    )
    insecure: bool = flag("Let other machines in without a token.", "--insecure")
    allow_host: list[str] | None = option("A further host name of it; repeatable.", metavar="NAME")
    search: int = option("Simulations at most; 0: no search.", default=100, metavar="N", min=0)

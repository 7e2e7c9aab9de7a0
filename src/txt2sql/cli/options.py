"""Options that several commands have, each written once.

>>> def ask(db: DatabaseOption = None, model: ModelOption = None) -> None: ...
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
DataOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Root that holds spider/ and wikisql/.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]

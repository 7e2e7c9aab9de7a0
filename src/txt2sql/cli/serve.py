"""`txt2sql serve`: a page to ask on, and an API.

$ txt2sql serve --db shop.sqlite
"""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    db: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            help="SQLite or DuckDB file, or postgresql://, mysql://, mariadb://, duckdb://  "
            "[default: the sample]",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Catalogue name, hub id or folder  [default: the one adapted to this database, "
            "else bundled]",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
) -> None:
    """Ask a database on a web page, and by a JSON API."""
    import uvicorn

    from txt2sql import sample
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.messages import ModelSettings
    from txt2sql.serving.web import create_app

    backend = Backend(ModelSettings(db or str(sample.path()), model))
    uvicorn.run(create_app(backend), host=host, port=port)

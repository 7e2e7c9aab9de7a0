"""`txt2sql serve`: a page to ask on, and a JSON API, for one database.

$ txt2sql serve --db shop.sqlite
$ TXT2SQL_TOKEN=s3cret txt2sql serve --db postgresql://reader@localhost/shop --host 0.0.0.0
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from txt2sql.cli.options import Asked, Listening, grouped
from txt2sql.errors import ConfigError

if TYPE_CHECKING:
    from txt2sql.execution.limits import Limits
    from txt2sql.serving.messages import ModelSettings


def require(packages: Sequence[str], extras: str) -> None:
    """Raise ConfigError, with the command that mends it, where a package is not installed."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ConfigError(f'this needs {", ".join(missing)}; run: pip install "txt2sql[{extras}]"')


def model_settings(asked: Asked, search: int, limits: Limits) -> ModelSettings:
    """What a server answers with."""
    from txt2sql import sample
    from txt2sql.serving.messages import ModelSettings

    return ModelSettings(
        asked.db or str(sample.path()),
        asked.model,
        limits=limits,
        search=search,
        describe=asked.describe,
    )


@grouped
def serve(
    asked: Asked,
    listening: Listening,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    max_rows: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows of an answer at most.")
    ] = 10_000,
    queue: Annotated[
        int, typer.Option(metavar="N", min=1, help="Questions that may wait; more are refused.")
    ] = 64,
    batch: Annotated[
        int, typer.Option(metavar="N", min=1, help="Questions computed together at most.")
    ] = 16,
    deadline: Annotated[
        float, typer.Option(metavar="S", min=1, help="Seconds after which a question is given up.")
    ] = 60.0,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Keep nothing of what is asked on disk.")
    ] = False,
) -> None:
    """Ask a database on a web page, and by a JSON API.

    The database is only read. Questions of several people are answered together; Ctrl-C ends it once
    what was asked is answered. The page is at /, the API is described at /docs.

    \b
    Examples:
      txt2sql serve
      txt2sql serve --db shop.sqlite --port 8080
      txt2sql serve --db postgresql://reader@localhost/shop --search 300
      TXT2SQL_TOKEN=s3cret txt2sql serve --db shop.sqlite --host 0.0.0.0
    """
    require(("fastapi", "prometheus_client", "uvicorn"), "serve")
    import asyncio
    from contextlib import ExitStack

    from txt2sql.cli.display import working
    from txt2sql.execution.limits import Limits
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.server import Access, Server
    from txt2sql.serving.tickets import Load
    from txt2sql.serving.web import create_app

    hosts = tuple(listening.allow_host or ())
    access = Access(listening.host, port, listening.token, listening.insecure, hosts)
    limits = Limits(timeout_s=asked.timeout, max_rows=max_rows)
    load = Load(queue=queue, batch=batch, deadline_s=deadline)
    settings = model_settings(asked, listening.search, limits)
    backend = Backend(settings, load, history=not no_history)
    with ExitStack() as loading:
        loading.enter_context(working("loading the model"))

        def ready(url: str) -> None:
            loading.close()
            if backend.notice:
                print(f"txt2sql: {backend.notice}", file=sys.stderr)
            print(f"{backend.schema.db_id} is served at {url}", file=sys.stderr, flush=True)

        app = create_app(backend, token=access.token, hosts=access.hosts)
        asyncio.run(Server(backend, access, app).run_on(ready))
